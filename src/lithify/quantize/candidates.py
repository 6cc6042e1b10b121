"""Which nodes of a float model have an int8 definition. The rest stays float and runs on the host."""

from collections.abc import Callable, Mapping

import onnx_ir as ir

from lithify.optimize.expressions import ROOTS, expression_of
from lithify.optimize.functions import elementwise, variables
from lithify.optimize.positions import appended
from lithify.optimize.reshape import new_shape
from lithify.optimize.values import constant, integer, shape_of
from lithify.quantize import moves, rows
from lithify.quantize.appends import SCATTERS
from lithify.quantize.fixed import OPERATORS as FIXED
from lithify.quantize.fixed import fixed
from lithify.quantize.gathers import chosen_late, gathered_table
from lithify.quantize.window import window


def arithmetic(node: ir.Node) -> bool:
    """Whether the node computes, and `units.unit` will have a rule for it once it is quantised."""
    return _asked(node, _ARITHMETIC)


def movement(node: ir.Node) -> bool:
    """Whether the node only moves or joins values, and `units.unit` will have a rule for it once it is quantised."""
    return _asked(node, _MOVEMENT)


def _asked(node: ir.Node, rules: Mapping[str, Callable[[ir.Node], bool]]) -> bool:
    rule = rules.get(node.op_type) if node.domain == "" else None
    return rule is not None and _is_float(node) and rule(node)


def _is_float(node: ir.Node) -> bool:
    x = node.outputs[0] if node.op_type in ("Where", "Cast") else node.inputs[0]
    known = all(shape_of(value) is not None for value in node.outputs if value.uses() or value.is_graph_output())
    varies = constant(x) is None or node.op_type in FIXED
    return x is not None and x.dtype == ir.DataType.FLOAT and varies and known


def _rank(value: ir.Value | None) -> int:
    return len(value.shape) if value is not None and value.shape is not None else -1


def _constant_or_absent(node: ir.Node, index: int) -> bool:
    return len(node.inputs) <= index or node.inputs[index] is None or constant(node.inputs[index]) is not None


def _conv(node: ir.Node) -> bool:
    weights = constant(node.inputs[1])
    return weights is not None and _constant_or_absent(node, 2) and window(node, weights.shape[2:]) is not None


def _gemm(node: ir.Node) -> bool:
    attributes = node.attributes
    plain = not integer(node, "transA", 0) and attributes.get_float("alpha", 1.0) == 1
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    row = bias is None or all(size == 1 for size in bias.shape[:-1])
    beta = bias is None or attributes.get_float("beta", 1.0) == 1
    return plain and beta and row and constant(node.inputs[1]) is not None and _constant_or_absent(node, 2)


def _matmul(node: ir.Node) -> bool:
    least = min(_rank(value) for value in node.inputs)
    return least >= 2 and (constant(node.inputs[1]) is None or _rank(node.inputs[1]) == 2)


def _pair(node: ir.Node) -> bool:
    """Two activations, or one and a constant of several numbers, broadcast where they differ."""
    first, second = node.inputs
    shapes = shape_of(first), shape_of(second)
    for value, other in ((first, shapes[1]), (second, shapes[0])):
        if constant(value) is not None and (fixed(value) is None or other != shape_of(node.outputs[0])):
            return False
    return None not in shapes and len(shapes[0] or ()) > 0 and len(shapes[1] or ()) > 0


def _pool(node: ir.Node) -> bool:
    indices = len(node.outputs) > 1 and bool(node.outputs[1].uses() or node.outputs[1].is_graph_output())
    return not indices and window(node, tuple(node.attributes.get_ints("kernel_shape", ()))) is not None


def _is_resize(node: ir.Node, operator: str) -> bool:
    found = moves.resized(node)
    return found is not None and found[0] == operator


def _concat(node: ir.Node) -> bool:
    """Activations, among which there may be constants: the token that stands for the class."""
    parts = [constant(value) is None or fixed(value) is not None for value in node.inputs]
    return all(parts) and any(constant(value) is None for value in node.inputs)


def _rows(node: ir.Node) -> bool:
    """Not a Softmax that ends the network: of probabilities the user wants every digit.

    What a LogSoftmax makes are the scores less one number a row: int8 holds them as well as it held the scores.
    """
    return rows.rows_of(node) is not None and (node.op_type != "Softmax" or not _ends(node.outputs[0]))


def _ends(value: ir.Value) -> bool:
    """Whether nothing more is computed of a value: it is only moved, and goes through functions of one number."""
    waiting, seen = [value], {value}
    while waiting:
        for user, _ in waiting.pop().uses():
            alone = elementwise(user) and len(variables(user)) == 1
            if not alone and not _asked(user, _MOVEMENT):
                return False
            fresh = [made for made in user.outputs if made not in seen]
            waiting += fresh
            seen.update(fresh)
    return True


def _gather(node: ir.Node) -> bool:
    """A Slice, or rows of what the network computed."""
    return constant(node.inputs[0]) is None and (moves.moved(node) is not None or chosen_late(node))


_ARITHMETIC: Mapping[str, Callable[[ir.Node], bool]] = {
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _pair,
    "Sub": _pair,
    "Mul": _pair,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": lambda node: _rank(node.inputs[0]) in (3, 4),
    "GlobalMaxPool": lambda node: _rank(node.inputs[0]) >= 3,
    **dict.fromkeys(moves.REDUCTIONS, lambda node: bool(moves.axes_of(node))),
    "Resize": lambda node: _is_resize(node, "ResizeLinear"),
    "Gather": lambda node: gathered_table(node) is not None,
    **dict.fromkeys(rows.RULES, _rows),
    **dict.fromkeys(ROOTS, lambda node: expression_of(node) is not None),
}

_MOVEMENT: Mapping[str, Callable[[ir.Node], bool]] = {
    **{name: lambda node: moves.moved(node) is not None for name in moves.MOVES},
    "Gather": _gather,
    "Transpose": lambda node: new_shape(node) is not None or moves.moved(node) is not None,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), lambda node: new_shape(node) is not None),
    "Concat": _concat,
    **dict.fromkeys(SCATTERS, lambda node: appended(node) is not None),
    "Split": lambda node: True,
    "Resize": lambda node: _is_resize(node, "ResizeNearest"),
}
