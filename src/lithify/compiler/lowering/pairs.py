"""Add, Sub and Mul of two tensors: the second comes through the residual port, one value a channel or whole."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.identity import copied, times
from lithify.compiler.lowering.moved import lower_moved
from lithify.compiler.lowering.node import Unsupported, image_of, positive
from lithify.compiler.lowering.streams import lower_add, residual_of
from lithify.compiler.operation import Operation, Residual, Sliding
from lithify.reference.arithmetic import product_multiplier
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import make_node


def ordered(graph: Graph, node: Node) -> tuple[int, bool]:
    """Which operand is the image that the other is added to or multiplied by, and whether that is one pixel."""
    a, b = (graph.tensors[name] for name in node.inputs)
    y = graph.tensors[node.outputs[0]]
    for first, (large, small) in enumerate(((a, b), (b, a))):
        if large.shape != y.shape:
            continue
        if small.shape == y.shape:
            return first, False
        image, pixel = image_of(large), image_of(small)
        if (pixel.height, pixel.width, pixel.channels) == (1, 1, image.channels):
            return first, True
    raise Unsupported(f"its operands have the shapes {a.shape} and {b.shape}, not equal or one value a channel")


def lower_pair(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Add, Sub or Mul; what is repeated otherwise than one value a channel is repeated in memory first."""
    rule = {"Add": _add, "Sub": _sub, "Mul": _mul}[node.operator]
    try:
        first, broadcast = ordered(graph, node)
    except Unsupported:
        return _expanded(graph, node, chip, rule)
    if node.operator == "Sub" and broadcast and first == 0:
        # A value a channel cannot be the one that is negated: multipliers are positive.
        return _expanded(graph, node, chip, rule)
    return rule(graph, node, chip)


def _expanded(
    graph: Graph, node: Node, chip: Chip, rule: Callable[[Graph, Node, Chip], tuple[Operation, ...]]
) -> tuple[Operation, ...]:
    y = _result(graph, node)
    tensors, names = dict(graph.tensors), []
    operations: list[Operation] = []
    for name in node.inputs:
        x = graph.tensors[name]
        if x.shape != y.shape:
            expand = make_node(node.name, "Expand", (name,), (f"{name} (for {node.name})",), shape=y.shape)
            x = tensors[expand.outputs[0]] = replace(x, name=expand.outputs[0], shape=y.shape)
            if x.name not in names:
                made = lower_moved(replace(graph, tensors=tensors), expand, chip)
                operations += [replace(operation, tensor=y.name) for operation in made]
        names.append(x.name)
    whole = replace(graph, tensors=tensors)
    return (*operations, *rule(whole, replace(node, inputs=tuple(names)), chip))


def _add(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """The residual stage; see `streams.residual_of`."""
    first, broadcast = ordered(graph, node)
    if not broadcast:
        return lower_add(graph, node, chip)
    x = image_of(graph.tensors[node.inputs[first]])
    y = image_of(graph.tensors[node.outputs[0]])
    return (replace(times(node, chip, x, y, 1, 0), residual=residual_of(graph, node, chip, first)),)


def _sub(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """a - b as the addition of a to ~b = -b - 1, whose zero point is ~zb: ~b - ~zb = -(b - zb)."""
    b = image_of(graph.tensors[node.inputs[1]])
    residual = residual_of(graph, node, chip, 1)
    residual = replace(residual, a_zero_point=-1 - residual.a_zero_point)
    return _with_second(graph, node, chip, times(node, chip, b, image_of(_result(graph, node)), -1, -1), residual)


def _mul(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """STREAM with `multiply`."""
    if not chip.has("multiply"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit multiply")
    first, broadcast = ordered(graph, node)
    a, b, y = graph.tensors[node.inputs[first]], graph.tensors[node.inputs[1 - first]], _result(graph, node)
    # In the order of the operands, as the reference multiplies their scales.
    multiplier = product_multiplier(graph.tensors[node.inputs[0]], graph.tensors[node.inputs[1]], y)
    factor = float(positive(np.asarray(multiplier), f"'{node.name}'"))
    if not np.isfinite(factor):
        raise Unsupported("the product of its scales leaves float32")
    residual = Residual(
        b.name, a.zero_point, b.zero_point, 0, -128, 127, factor, 1.0, multiply=True, broadcast=broadcast
    )
    source, target = image_of(a), image_of(y)
    main = Operation(
        node.name, node.operator, "stream", source, target, target.whole, Sliding(), (1, 1), -128, y.zero_point,
        node.attributes["minimum"], node.attributes["maximum"], None, None, 0, target.name,
    )  # fmt: skip
    return _with_second(graph, node, chip, main, residual)


def _result(graph: Graph, node: Node) -> Tensor:
    return graph.tensors[node.outputs[0]]


def _with_second(graph: Graph, node: Node, chip: Chip, main: Operation, residual: Residual) -> tuple[Operation, ...]:
    """`main` with its second tensor; the array and the residual port may not read the same bank: one reads a copy."""
    if residual.image != main.x.name:
        return (replace(main, residual=residual),)
    copy = copied(node, chip, main.x, main.x.name)
    return copy, replace(main, x=copy.y, residual=residual)
