"""Fused units: the nodes between the DequantizeLinear and the QuantizeLinear of a QDQ model that are one int8 operator.

`unit` reads one QuantizeLinear backwards. A Relu or Clip just before it becomes the limits of the int8 result, which is
exact: quantising never swaps the order of two numbers. What no rule here covers is float work for the host.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.optimize.expressions import ROOTS
from lithify.optimize.functions import elementwise, evaluate, variables
from lithify.optimize.limits import bounds
from lithify.optimize.padding import padding_value
from lithify.optimize.reshape import new_shape
from lithify.optimize.values import integer, shape_of
from lithify.quantize import appends, expressions, moves, products, qdq, rows
from lithify.quantize.fixed import stored
from lithify.quantize.gathers import gather
from lithify.quantize.unit import Step, Target, Unit, moving, of_scale, rescaling, series, tensor_of
from lithify.quantize.window import window
from lithify.reference.graph import Tensor
from lithify.reference.operators import OPERATORS, make_node
from lithify.reference.table import fill


def unit(quantize: ir.Node) -> Unit | None:
    """The unit that ends in this QuantizeLinear, or None if it only quantises a float tensor."""
    after = qdq.parameters(quantize)
    value = quantize.inputs[0]
    if after is None or not after.scalar or value is None:
        return None
    found = _function(value, tensor_of(quantize.outputs[0]), after)
    if found is None:
        found = _operator(value, tensor_of(quantize.outputs[0]), after)
    return found if found is not None and _well_formed(found) else None


def _operator(value: ir.Value, output: Tensor, after: qdq.Parameters) -> Unit | None:
    """An operator with the limits behind it."""
    low, high, limited = -math.inf, math.inf, False
    node = value.producer()
    while node is not None and (limits := bounds(node)) is not None:
        # The node comes before those seen so far, which clip its bounds too.
        low, high = (min(max(bound, low), high) for bound in limits)
        limited = True
        before = node.inputs[0]
        assert before is not None
        value, node = before, before.producer()
    if node is None or node.op_type not in _RULES or node.domain not in ("", "com.microsoft"):
        return None
    if not (np.isfinite(after.scale).all() and (after.scale > 0).all()):
        return None  # the host says what such a scale gives
    minimum, maximum = (qdq.to_steps(bound, after) for bound in (low, high))
    target = Target(output, after, limited, minimum, maximum)
    if node.op_type == "Split":
        return _piece(node, node.outputs.index(value), target)
    return _RULES[node.op_type](node, target)


def _well_formed(found: Unit) -> bool:
    """Whether the reference defines every node and agrees with the shapes of ONNX."""
    known = {tensor.name: tensor for tensor in (*map(tensor_of, found.inputs), *found.tensors)}
    for node in found.nodes:
        rule = OPERATORS[node.operator].shapes
        assert rule is not None
        try:
            shapes = rule(node, tuple(known[name] if name else None for name in node.inputs))
        except LithifyError:
            return False
        if shapes != tuple(known[name].shape for name in node.outputs):
            return False
    return True


def _function(value: ir.Value, output: Tensor, after: qdq.Parameters) -> Unit | None:
    """A function of one int8 tensor, however many operators it is written with: one table, or a Clip if it limits."""
    nodes: dict[ir.Node, None] = {}
    leaves: dict[ir.Value, ir.Value] = {}
    if not _collect(value, nodes, leaves) or len(set(leaves.values())) != 1:
        return None
    source = next(iter(leaves.values()))
    before = qdq.parameters_of(source)
    assert before is not None
    name = str(next(reversed(nodes)).name) if nodes else f"{output.name}.rescale"
    if before.same(after) and all(bounds(node) is not None for node in nodes):
        limits = [bound for node in nodes if (bound := bounds(node)) is not None]
        low, high = -math.inf, math.inf
        for least, most in limits:
            low, high = min(max(low, least), most), min(max(high, least), most)
        minimum, maximum = qdq.to_steps(low, after), qdq.to_steps(high, after)
        made = make_node(name, "Clip", (str(source.name),), (output.name,), minimum=minimum, maximum=maximum)
        return Unit((source,), (made,), (output,))
    with np.errstate(all="ignore"):
        entries = fill(lambda x: evaluate(nodes, value, leaves, x), tensor_of(source), output)
    table = Tensor(f"{name}.table", (256,), "int8")
    made = make_node(name, "Lookup", (str(source.name), table.name), (output.name,))
    return Unit((source,), (made,), (table, output), {table.name: entries})


def _collect(value: ir.Value, nodes: dict[ir.Node, None], leaves: dict[ir.Value, ir.Value]) -> bool:
    """Gathers the elementwise nodes behind `value`, in order of execution, and the int8 tensors that they read."""
    source = qdq.activation(value)
    if source is not None:
        leaves[value] = source
        return True
    node = value.producer()
    if node is None or not elementwise(node):
        return False
    if node in nodes:
        return True
    if not all(_collect(operand, nodes, leaves) for operand in variables(node)):
        return False
    nodes[node] = None
    return True


def _image(value: ir.Value | None) -> ir.Value | None:
    """The int8 tensor behind a float image [N, C, H, W] or sequence [N, C, L]."""
    source = qdq.activation(value)
    return source if source is not None and len(shape_of(source) or ()) in (3, 4) else None


def _pair(node: ir.Node, target: Target) -> Unit | None:
    """Add, Sub or Mul of two tensors, of which one may be constant; one of fewer dimensions is reshaped to as many."""
    rank = len(target.output.shape)
    sources, inputs, nodes, tensors = [], [], [], []
    constants: dict[str, NDArray[Any]] = {}
    for index, value in enumerate(node.inputs):
        source, kept = qdq.activation(value), stored(value)
        name = f"{node.name}.operand_{index}"
        if kept is not None:
            data, own = kept
            constants[name] = data.reshape((1,) * (rank - data.ndim) + data.shape)
            step, zero_point = np.array(own.scale.reshape(()), np.float32), int(own.zero_point.reshape(()))
            read = Tensor(name, constants[name].shape, "int8", step, zero_point)
            tensors.append(read)
        elif source is None:
            return None
        else:
            sources.append(source)
            read = tensor_of(source)
        if len(read.shape) < rank:
            shape = (1,) * (rank - len(read.shape)) + read.shape
            widened = Tensor(name, shape, "int8", read.scale, read.zero_point)
            nodes.append(make_node(widened.name, "Reshape", (read.name,), (widened.name,), shape=shape))
            tensors.append(widened)
            read = widened
        inputs.append(read.name)
    if not sources:
        return None
    nodes.append(make_node(str(node.name), node.op_type, tuple(inputs), (target.output.name,), **target.limits))
    return Unit(tuple(sources), tuple(nodes), (*tensors, target.output), constants)


def _add(node: ir.Node, target: Target) -> Unit | None:
    return products.matmul_with_bias(node, target) or _pair(node, target)


def _max_pool(node: ir.Node, target: Target) -> Unit | None:
    source, place = _image(node.inputs[0]), window(node, tuple(node.attributes.get_ints("kernel_shape", ())))
    if source is None or place is None or (len(node.outputs) > 1 and node.outputs[1].uses()):
        return None
    attributes = {**vars(place), "ceil_mode": integer(node, "ceil_mode", 0)}
    return moving(node, source, [Step(str(node.name), "MaxPool", target.output.shape, attributes)], target)


def _global_max_pool(node: ir.Node, target: Target) -> Unit | None:
    """One window over the whole image."""
    source = _image(node.inputs[0])
    return None if source is None else moving(node, source, [_whole_max(node, source)], target)


def _whole_max(node: ir.Node, source: ir.Value) -> Step:
    shape = shape_of(source) or ()
    kernel = (1, *shape[2:]) if len(shape) == 3 else shape[2:]
    return Step(str(node.name), "MaxPool", (*shape[:2], *(1 for _ in shape[2:])), {"kernel_shape": kernel})


def _average_pool(node: ir.Node, target: Target) -> Unit | None:
    source, place = _image(node.inputs[0]), window(node, tuple(node.attributes.get_ints("kernel_shape", ())))
    if source is None or place is None:
        return None
    attributes = {
        **vars(place),
        "ceil_mode": integer(node, "ceil_mode", 0),
        "count_include_pad": integer(node, "count_include_pad", 0),
    }
    return series(source, [Step(str(node.name), "AveragePool", target.output.shape, attributes)], target)


def _global_average_pool(node: ir.Node, target: Target) -> Unit | None:
    source = _image(node.inputs[0])
    step = Step(str(node.name), "GlobalAveragePool", target.output.shape)
    return None if source is None else series(source, [step], target)


def _reduce(node: ir.Node, target: Target) -> Unit | None:
    """A reduction; over the sides of an image it is a pooling, after which a Reshape drops what is not kept."""
    source, axes = qdq.activation(node.inputs[0]), moves.axes_of(node)
    if source is None or not axes:
        return None
    shape, name = shape_of(source) or (), str(node.name)
    selects = node.op_type in ("ReduceMax", "ReduceMin")
    # Over the last axis of a sequence a reduction is one along rows: a window is for images.
    windowed = node.op_type in ("ReduceMean", "ReduceMax") and len(shape) == 4
    if windowed and axes == tuple(range(2, len(shape))):
        pooled = (*shape[:2], *(1 for _ in axes))
        steps = [_whole_max(node, source) if selects else Step(name, "GlobalAveragePool", pooled)]
        if pooled != target.output.shape:
            steps.append(Step(f"{name}.reshape", "Reshape", target.output.shape, {"shape": target.output.shape}))
    else:
        attributes = {"axes": axes, "keepdims": integer(node, "keepdims", 1)}
        steps = [Step(name, node.op_type, target.output.shape, attributes)]
    return moving(node, source, steps, target) if selects else series(source, steps, target)


def _shape_only(node: ir.Node, target: Target) -> Unit | None:
    source, shape = qdq.activation(node.inputs[0]), new_shape(node)
    if source is None or shape is None:
        return None
    return moving(node, source, [Step(str(node.name), "Reshape", shape, {"shape": shape})], target)


def _moved(node: ir.Node, target: Target) -> Unit | None:
    """What only moves values; a new shape without moving any is a Reshape."""
    source, found = qdq.activation(node.inputs[0]), moves.moved(node)
    if new_shape(node) is not None:
        return _shape_only(node, target)
    return None if source is None or found is None else _as_moved(node, source, found, target)


def _as_moved(node: ir.Node, source: ir.Value, found: moves.Move, target: Target) -> Unit | None:
    operator, attributes = found
    name, shape = str(node.name), target.output.shape
    if operator == "Pad" and attributes["mode"] == "constant":
        own, real = qdq.parameters_of(source), padding_value(node)
        assert own is not None and real is not None
        attributes = {**attributes, "value": qdq.to_steps(real, own) - int(own.zero_point)}
        if real != (attributes["value"] * own.scale).astype(np.float32) and not own.same(target.parameters):
            return None  # the padding would be rounded twice
    if node.op_type == "Gather" and len(shape) != len(shape_of(source) or ()):
        axis = attributes["axes"][0]
        kept = (*shape[:axis], 1, *shape[axis:])
        steps = [Step(name, operator, kept, attributes), Step(f"{name}.reshape", "Reshape", shape, {"shape": shape})]
        return moving(node, source, steps, target)
    return moving(node, source, [Step(name, operator, shape, attributes)], target)


def _piece(node: ir.Node, index: int, target: Target) -> Unit | None:
    """One output of a Split: a Slice of its own, named after its place."""
    source, found = qdq.activation(node.inputs[0]), moves.piece(node, index)
    if source is None or found is None:
        return None
    step = Step(f"{node.name}.{index}", found[0], target.output.shape, found[1])
    return moving(node, source, [step], target)


def _resize(node: ir.Node, target: Target) -> Unit | None:
    source, found = _image(node.inputs[0]), moves.resized(node)
    if source is None or found is None:
        return None
    step = Step(str(node.name), found[0], target.output.shape, found[1])
    return moving(node, source, [step], target) if found[0] == "ResizeNearest" else series(source, [step], target)


def _concat(node: ir.Node, target: Target) -> Unit | None:
    """Parts put together at the scale of the whole; a part of another scale goes through a table first."""
    name, shape = str(node.name), target.output.shape
    sources, inputs, nodes, tensors = [], [], [], []
    constants: dict[str, NDArray[Any]] = {}
    for index, value in enumerate(node.inputs):
        if (kept := stored(value)) is not None:
            data, before = kept
            part = of_scale(f"{name}.operand_{index}", data.shape, target.parameters)
            entries = rescaling(of_scale(part.name, data.shape, before), part)
            constants[part.name] = entries[data.astype(np.int64) + 128]
            tensors.append(part)
            inputs.append(part.name)
            continue
        source = qdq.activation(value)
        own = qdq.parameters_of(source) if source is not None else None
        if source is None or own is None:
            return None
        sources.append(source)
        part = tensor_of(source)
        if not own.same(target.parameters):
            rescaled = of_scale(f"{name}.part_{index}", part.shape, target.parameters)
            table = Tensor(f"{rescaled.name}.table", (256,), "int8")
            constants[table.name] = rescaling(part, rescaled)
            nodes.append(make_node(rescaled.name, "Lookup", (part.name, table.name), (rescaled.name,)))
            tensors += [table, rescaled]
            part = rescaled
        inputs.append(part.name)
    whole = of_scale(f"{name}.joined", shape, target.parameters) if target.limited else target.output
    axis = integer(node, "axis", 0) % len(shape)
    nodes.append(make_node(name, "Concat", tuple(inputs), (whole.name,), axis=axis))
    tensors.append(whole)
    if target.limited:
        nodes.append(make_node(f"{name}.clip", "Clip", (whole.name,), (target.output.name,), **target.limits))
        tensors.append(target.output)
    return Unit(tuple(dict.fromkeys(sources)), tuple(nodes), tuple(tensors), constants)


_RULES: Mapping[str, Callable[[ir.Node, Target], Unit | None]] = {
    "Conv": products.conv,
    "ConvTranspose": products.conv_transpose,
    "Gemm": products.gemm,
    "MatMul": products.matmul,
    "Add": _add,
    "Sub": _pair,
    "Mul": _pair,
    "MaxPool": _max_pool,
    "GlobalMaxPool": _global_max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    **dict.fromkeys(moves.REDUCTIONS, _reduce),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _shape_only),
    **dict.fromkeys(moves.MOVES, _moved),
    "Gather": lambda node, target: gather(node, target) or _moved(node, target),
    "Resize": _resize,
    "Concat": _concat,
    **dict.fromkeys(appends.SCATTERS, appends.append),
    "Split": lambda node, target: _piece(node, 0, target),
    **rows.RULES,
    **dict.fromkeys(ROOTS, expressions.unit),
}
"""ONNX operator -> the rule that reads it."""
