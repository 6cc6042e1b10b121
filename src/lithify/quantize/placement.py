"""Which tensors of a float model become int8, which of them share a scale, and which nodes compute with them.

Three kinds of work become int8. Arithmetic (convolutions, products, sums, poolings) always does. Functions of one
variable (`optimize.functions`) become one look-up each. Movement (transposing, slicing, joining) costs nothing in
int8, but alone is no reason to leave float: it and the functions become int8 where they touch arithmetic, be it
through each other, or where the network does nothing else. Everything else stays float and runs on the host.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from lithify.optimize.expressions import CONDITIONS, ROOTS, Expression, condition_of, expression_of
from lithify.optimize.functions import Function, Sources, between, elementwise
from lithify.optimize.limits import bounds
from lithify.optimize.masks import Mask, mask_of
from lithify.optimize.values import constant
from lithify.quantize import host
from lithify.quantize.appends import SCATTERS
from lithify.quantize.candidates import arithmetic, movement
from lithify.quantize.rows import RULES
from lithify.quantize.searches import searched


@dataclass(frozen=True, eq=False)
class Work:
    """What the chip computes at once: it reads int8 tensors and makes one or more.

    nodes: in order of execution; more than one for a function of one variable and for limits behind an operator.
    inputs: the tensors that become int8, without weights. outputs: what the last node makes; none where that is an
        index or what holds, which are no tensors with a scale.
    moves: whether values only move or are selected, so that inputs and output must share their scale.
    """

    nodes: tuple[ir.Node, ...]
    inputs: tuple[ir.Value, ...]
    outputs: tuple[ir.Value, ...]
    moves: bool

    @property
    def layer(self) -> ir.Node:
        """The node that gives the work its name; a mask is none."""
        row = next((node for node in self.nodes if node.op_type in RULES), None)
        if row is not None:
            return row
        return self.nodes[0] if not elementwise(self.nodes[0]) else self.nodes[-1]


def place(model: ir.Model, keep_float: Collection[str] = ()) -> tuple[Work, ...]:
    """The int8 work of a float model, in order of execution; keep_float: names of nodes that stay float."""
    nodes = list(model.graph)
    kept = [node for node in nodes if node.name in keep_float]
    found = _functions(nodes, kept)
    limits = {function.source: function for function in found if _only_limits(function)}
    inside = {node for function in found for node in function.nodes}
    strong, weak = [], []
    masks = {node: mask for node in nodes if node not in kept and (mask := _mask(node)) is not None}
    masking = {node for mask in masks.values() for node in mask.nodes}
    masks = {node: mask for node, mask in masks.items() if not masking.intersection(kept)}
    masking = {node for mask in masks.values() for node in mask.nodes}
    for node in nodes:
        if node in kept or node in inside or node in masking:
            continue
        if (x := searched(node)) is not None:
            strong.append(Work((node,), (x,), (), False))
        elif (held := condition_of(node)) is not None and _wanted(node):
            strong.append(Work(held.nodes, _computed(held), (), False))
        elif arithmetic(node):
            work = _work(node, limits, _selects(node))
            if node in masks:
                work = replace(work, nodes=(*masks[node].nodes, *work.nodes), inputs=(masks[node].x,))
            written = expression_of(node)
            if written is not None:
                after = tuple(other for other in work.nodes if other is not node)
                work = replace(work, nodes=(*written.nodes, *after), inputs=_computed(written))
            strong.append(work)
        elif movement(node):
            weak.append(_work(node, limits, True))
    taken = {node for work in (*strong, *weak) for node in work.nodes}
    for function in found:
        if function.nodes[-1] not in taken:
            weak.append(Work(function.nodes, (function.source,), (function.output,), False))
    inside = {node for work in weak for node in work.nodes}
    nothing_else = not strong and all(node in inside or host.only_constants(node) for node in nodes)
    active = weak if nothing_else else _touching(strong, weak)
    order = {node: index for index, node in enumerate(nodes)}
    return tuple(sorted((*strong, *active), key=lambda work: order[work.nodes[-1]]))


def _computed(expression: Expression) -> tuple[ir.Value, ...]:
    """The operands that are no constants."""
    return tuple(value for value in expression.operands if constant(value) is None)


def _wanted(node: ir.Node) -> bool:
    """Whether something beside an expression asks what holds."""
    value = node.outputs[0]
    return value.is_graph_output() or any(user.op_type not in (*ROOTS, *CONDITIONS) for user, _ in value.uses())


def _mask(node: ir.Node) -> Mask | None:
    """The mask before a Softmax that becomes int8."""
    return mask_of(node) if node.op_type == "Softmax" and arithmetic(node) else None


def _functions(nodes: list[ir.Node], kept: list[ir.Node]) -> list[Function]:
    """The functions of one variable whose results other work needs, each as long as it can be."""
    search = Sources(kept)
    alone = {node for node in nodes if node in kept or not search.of(node.outputs[0])}
    demanded = {value for node in alone for value in host.reads(node)}
    demanded |= {value for node in nodes for value in node.outputs if value.is_graph_output()}
    found: list[Function] = []
    source_of: dict[ir.Node, ir.Value] = {}
    for node in reversed(nodes):
        output = node.outputs[0]
        if node in alone or output not in demanded:
            continue
        function = _longest(output, search.of(output), demanded, source_of)
        if function is None:
            # Its parts are parts of functions of other tensors: it is a pair of operands after all.
            demanded.update(host.reads(node))
            continue
        demanded.add(function.source)
        source_of.update(dict.fromkeys(function.nodes, function.source))
        found.append(function)
    return found


def _longest(
    output: ir.Value, sources: tuple[ir.Value, ...], demanded: set[ir.Value], source_of: Mapping[ir.Node, ir.Value]
) -> Function | None:
    """The function that makes `output`, from as far back as nothing else needs what is on the way.

    source_of: what the nodes of functions found before read; a node reads one int8 tensor, whoever uses its result.
    """
    maker = output.producer()
    assert maker is not None
    if maker in source_of:
        return between(source_of[maker], output)
    longest: Function | None = None
    for source in sources:
        inside = set(longest.nodes) if longest is not None else set()
        if longest is not None and (
            longest.source in demanded or any(user not in inside for user, _ in longest.source.uses())
        ):
            break
        function = between(source, output)
        if all(source_of.get(node, source) is source for node in function.nodes):
            longest = function
    return longest


def _only_limits(function: Function) -> bool:
    """Whether an operator before can take the function up as the limits of its result."""
    used = len(function.source.uses()) == 1 and not function.source.is_graph_output()
    return used and all(bounds(node) is not None for node in function.nodes)


def _selects(node: ir.Node) -> bool:
    return node.op_type in ("MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin")


def _work(node: ir.Node, limits: Mapping[ir.Value, Function], moves: bool) -> Work:
    inputs = tuple(
        value
        for index, value in enumerate(node.inputs)
        if value is not None
        and value.const_value is None
        and (index == 0 or node.op_type in _SEVERAL)
        and value.dtype not in _INTEGERS
    )
    outputs = tuple(value for value in node.outputs if value.uses() or value.is_graph_output())
    if len(outputs) == 1 and (after := limits.get(outputs[0])) is not None:
        return Work((node, *after.nodes), inputs, (after.output,), moves)
    return Work((node,), inputs, outputs, moves)


_INTEGERS: tuple[Any, ...] = (ir.DataType.INT32, ir.DataType.INT64)
_SEVERAL = ("Add", "Sub", "Mul", "Concat", "MatMul", *SCATTERS)
"""Operators of which more than the first input may be an activation."""


def _touching(strong: Iterable[Work], weak: list[Work]) -> list[Work]:
    """The weak work that touches strong work, directly or through other weak work."""
    touched = {value for work in strong for value in (*work.inputs, *work.outputs)}
    active: list[Work] = []
    waiting = list(weak)
    while more := [work for work in waiting if touched.intersection((*work.inputs, *work.outputs))]:
        active += more
        touched.update(value for work in more for value in (*work.inputs, *work.outputs))
        waiting = [work for work in waiting if work not in more]
    return active
