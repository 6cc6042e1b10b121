"""Models whose activations are quantised at run time (ONNX Runtime's dynamic quantisation), made static.

DynamicQuantizeLinear takes the range of each tensor as it comes, so a product's scale is known when it runs only. The
chip's scales are known before: the products become float ones, of what their integer weights stand for, and samples
tell the ranges (docs/decisions/0020-dynamic-scales-become-static.md).
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize import optimize
from lithify.optimize.values import add_constant, bypass, constant, insert, producer, shape_of, used_once

_PRODUCTS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}


@dataclass(frozen=True)
class _Dynamic:
    """x: what is quantised as it comes. weights: float, what the integers stand for. last: the node that makes floats
    of the integer sums.
    """

    product: ir.Node
    x: ir.Value
    weights: NDArray[np.float32]
    last: ir.Node


def with_static_scales(model: ir.Model) -> ir.Model:
    """The model with every dynamic product as a float one; others stay, and run on the host by name.

    What differs is the rounding of activations alone: to 256 steps of their own range, which is not done here.
    """
    if not any(_dynamic(node) for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        found = _dynamic(node)
        if found is not None:
            _replace(model.graph, found)
    return optimize(model)


def _dynamic(node: ir.Node) -> _Dynamic | None:
    """(x_quantized - x_zero_point) (w - w_zero_point), times the scale of x and that of w."""
    if node.domain != "" or node.op_type not in _PRODUCTS or len(node.inputs) < 3:
        return None
    quantized, weights, zero = node.inputs[0], constant(node.inputs[1]), node.inputs[2]
    maker = producer(quantized, "DynamicQuantizeLinear")
    if maker is None or quantized is not maker.outputs[0] or zero is not maker.outputs[2] or weights is None:
        return None
    shift = constant(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] is not None else np.zeros((), np.int8)
    cast = _only_reader(node, "Cast")
    factors = _factors(cast.outputs[0], maker.outputs[1]) if cast is not None else None
    x = maker.inputs[0]
    if cast is None or factors is None or shift is None or x is None or cast.outputs[0].dtype != ir.DataType.FLOAT:
        return None
    scale, last = factors
    columns = _columns(node, weights.ndim)
    if not all(_fits(part, weights.shape, columns) for part in (scale, shift)):
        return None
    along = [1] * weights.ndim
    along[columns] = -1
    integers = weights.astype(np.float64) - shift.reshape(along).astype(np.float64)
    return _Dynamic(node, x, (integers * scale.reshape(along)).astype(np.float32), last)


def _columns(node: ir.Node, rank: int) -> int:
    """The axis of the weights along which their results lie."""
    return rank - 1 if node.op_type == "MatMulInteger" else 0


def _fits(part: NDArray[np.generic], shape: tuple[int, ...], columns: int) -> bool:
    return part.size in (1, shape[columns])


def _factors(sums: ir.Value, scale: ir.Value) -> tuple[NDArray[np.float32], ir.Node] | None:
    """What the sums are multiplied with beside the scale of x, known numbers, and the last node that does."""
    known = np.ones((), np.float32)
    seen, last = False, None
    value = sums
    while not seen:
        node = _only_reader_of(value, "Mul")
        if node is None:
            return None
        other = node.inputs[1] if node.inputs[0] is value else node.inputs[0]
        found = _scale(other, scale)
        if found is None:
            return None
        number, of_x = found
        known, seen, last, value = known * number, of_x, node, node.outputs[0]
    return (known, last) if last is not None and known.dtype == np.float32 else None


def _scale(value: ir.Value | None, scale: ir.Value) -> tuple[NDArray[np.float32], bool] | None:
    """A factor as numbers that are known, and whether the scale of x is in it."""
    if value is scale:
        return np.ones((), np.float32), True
    data = constant(value)
    if data is not None:
        return data.astype(np.float32), False
    node = producer(value, "Mul")
    if node is None:
        return None
    for one, other in (tuple(node.inputs), tuple(node.inputs)[::-1]):
        data = constant(other)
        if one is scale and data is not None:
            return data.astype(np.float32), True
    return None


def _only_reader(node: ir.Node, operator: str) -> ir.Node | None:
    return _only_reader_of(node.outputs[0], operator)


def _only_reader_of(value: ir.Value, operator: str) -> ir.Node | None:
    reader = next(iter(value.uses())).node if used_once(value) else None
    return reader if reader is not None and reader.domain == "" and reader.op_type == operator else None


def _replace(graph: ir.Graph, found: _Dynamic) -> None:
    node, last = found.product, found.last
    weights = add_constant(graph, f"{node.name}_weights", found.weights)
    operator = _PRODUCTS[node.op_type]
    made = ir.node(operator, [found.x, weights], name=f"{node.name}_product")
    if operator == "Conv":
        for attribute in node.attributes.values():
            made.attributes.add(attribute)
    result = insert(made, last, last.outputs[0], shape_of(last.outputs[0]) or ())
    result.name = f"{last.outputs[0].name}_static"
    bypass(last, result)
