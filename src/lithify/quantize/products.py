"""Units of Conv, ConvTranspose, Gemm and MatMul: what multiplies stored int8 weights."""

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.padding import padding_sides, padding_value
from lithify.optimize.values import integer, producer, shape_of
from lithify.quantize import attention, qdq
from lithify.quantize.unit import Target, Unit, tensor_of
from lithify.quantize.window import output_padding, window
from lithify.reference.graph import Tensor
from lithify.reference.operators import make_node
from lithify.reference.transposed import weights_of_onnx

Weights = tuple[NDArray[np.int8], NDArray[np.float32]]
Operands = tuple[list[str], list[Tensor], dict[str, NDArray[Any]]]


def conv(node: ir.Node, target: Target) -> Unit | None:
    """A convolution; a Pad with zeros that was quantised before it becomes its padding."""
    source, weights = qdq.activation(node.inputs[0]), qdq.weights(node.inputs[1], 0)
    if source is None or weights is None:
        return None
    place = window(node, weights[0].shape[2:])
    source, before = _before_padding(source)
    operands = _operands(node, source, weights, node.inputs[2] if len(node.inputs) > 2 else None)
    if place is None or operands is None:
        return None
    names, tensors, constants = operands
    made = make_node(
        str(node.name),
        "Conv",
        tuple(names),
        (target.output.name,),
        strides=place.strides,
        pads=tuple(own + more for own, more in zip(place.pads, before, strict=True)),
        dilations=place.dilations,
        group=integer(node, "group", 1),
        **target.limits,
    )
    return Unit((source,), (made,), (*tensors, target.output), constants)


def conv_transpose(node: ir.Node, target: Target) -> Unit | None:
    """A transposed convolution; its weights are stored in the order of a Conv's."""
    source, weights = qdq.activation(node.inputs[0]), qdq.weights(node.inputs[1], 1)
    if source is None or weights is None:
        return None
    group, place = integer(node, "group", 1), window(node, weights[0].shape[2:])
    stored = weights_of_onnx(weights[0], group), np.tile(weights[1], group)
    operands = _operands(node, source, stored, node.inputs[2] if len(node.inputs) > 2 else None)
    if place is None or operands is None:
        return None
    names, tensors, constants = operands
    made = make_node(
        str(node.name),
        "ConvTranspose",
        tuple(names),
        (target.output.name,),
        strides=place.strides,
        pads=place.pads,
        dilations=place.dilations,
        output_padding=output_padding(node),
        group=group,
        **target.limits,
    )
    return Unit((source,), (made,), (*tensors, target.output), constants)


def _operands(node: ir.Node, source: ir.Value, weights: Weights, bias: ir.Value | None) -> Operands | None:
    """Names of the operands x, w and bias of a layer, with the constants among them."""
    own = qdq.parameters_of(source)
    assert own is not None
    data, scale = weights
    names = [str(source.name), f"{node.name}.weights"]
    tensors = [Tensor(names[1], data.shape, "int8", scale)]
    constants: dict[str, NDArray[Any]] = {names[1]: data}
    if bias is None:
        return [*names, ""], tensors, constants
    step = (own.scale * scale).astype(np.float32)
    steps = qdq.bias(bias, step) if (step > 0).all() else None
    if steps is None:
        return None
    names.append(f"{node.name}.bias")
    tensors.append(Tensor(names[2], steps.shape, "int32", step))
    constants[names[2]] = steps
    return names, tensors, constants


def _before_padding(source: ir.Value) -> tuple[ir.Value, tuple[int, ...]]:
    """The int8 tensor that a Pad with 0.0 widened to `source`, and by how much: 0.0 is the zero point, as in a Conv."""
    quantize = source.producer()
    pad = producer(quantize.inputs[0], "Pad") if quantize is not None and quantize.op_type == "QuantizeLinear" else None
    inner = qdq.activation(pad.inputs[0]) if pad is not None else None
    sides = padding_sides(pad) if pad is not None else None
    if pad is None or inner is None or sides is None or padding_value(pad) != 0:
        return source, (0, 0, 0, 0)
    before, after = qdq.parameters_of(inner), qdq.parameters_of(source)
    same = before is not None and after is not None and before.same(after)
    return (inner, sides) if same else (source, (0, 0, 0, 0))


def gemm(node: ir.Node, target: Target) -> Unit | None:
    """A dense layer."""
    attributes = node.attributes
    source = qdq.activation(node.inputs[0])
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if source is None or integer(node, "transA", 0) or attributes.get_float("alpha", 1.0) != 1:
        return None
    if bias is not None and (attributes.get_float("beta", 1.0) != 1 or not _one_row(bias)):
        return None
    return _linear(node, source, bool(integer(node, "transB", 0)), bias, target)


def _one_row(bias: ir.Value) -> bool:
    return bias.shape is not None and all(size == 1 for size in tuple(bias.shape)[:-1])


def matmul(node: ir.Node, target: Target) -> Unit | None:
    """A product with weights, or of two activations."""
    source = qdq.activation(node.inputs[0])
    if source is None or qdq.activation(node.inputs[1]) is not None:
        return attention.matmul(node, target)
    return _linear(node, source, False, None, target)


def matmul_with_bias(node: ir.Node, target: Target) -> Unit | None:
    """An Add behind a MatMul: the bias of a dense layer over more than two dimensions, one number for each column."""
    for product, bias in (node.inputs, reversed(node.inputs)):
        dense = producer(product, "MatMul")
        rows = qdq.activation(dense.inputs[0]) if dense is not None else None
        width = (shape_of(product) or (0,))[-1]
        if dense is not None and rows is not None and bias is not None and shape_of(bias) == (width,):
            return _linear(dense, rows, False, bias, target)
    return None


def _linear(node: ir.Node, source: ir.Value, transposed: bool, bias: ir.Value | None, target: Target) -> Unit | None:
    """A Gemm over the last dimension; an input of other than two dimensions is reshaped around it."""
    weights = qdq.weights(node.inputs[1], 0 if transposed else 1)
    if weights is None or weights[0].ndim != 2 or source.shape is None or len(source.shape) < 2:
        return None
    data = weights[0] if transposed else np.ascontiguousarray(weights[0].T)
    operands = _operands(node, source, (data, weights[1]), bias)
    if operands is None:
        return None
    names, tensors, constants = operands
    nodes, output = [], target.output
    if len(source.shape) != 2:
        flat = tensor_of(source)
        rows = math.prod(flat.shape[:-1])
        flat = Tensor(f"{node.name}.rows", (rows, flat.shape[-1]), "int8", flat.scale, flat.zero_point)
        output = Tensor(f"{node.name}.product", (rows, data.shape[0]), "int8", output.scale, output.zero_point)
        nodes.append(make_node(flat.name, "Reshape", (names[0],), (flat.name,), shape=flat.shape))
        tensors += [flat, output]
        names[0] = flat.name
    nodes.append(make_node(str(node.name), "Gemm", tuple(names), (output.name,), **target.limits))
    if output is not target.output:
        back = (target.output.name,)
        nodes.append(make_node(f"{node.name}.back", "Reshape", (output.name,), back, shape=target.output.shape))
    return Unit((source,), tuple(nodes), (*tensors, target.output), constants)
