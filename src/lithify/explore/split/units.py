"""Parts of a network that stay on one side of a cut, and the tensors that cross between them."""

from collections.abc import Mapping, Sequence
from math import inf, prod
from typing import TYPE_CHECKING

import onnx_ir as ir

from lithify.errors import LithifyError
from lithify.explore.split.cut import Crossing, Unit
from lithify.explore.split.found import Link
from lithify.explore.split.handover import Handover
from lithify.isa.program import HostSegment

if TYPE_CHECKING:
    from lithify.program import Program


def units_of(
    model: ir.Model,
    program: "Program",
    layers: Mapping[str, int],
    nodes: Mapping[str, float],
    link: Link,
    hand: Handover,
) -> tuple[tuple[Unit, ...], tuple[Crossing, ...]]:
    """The parts of a network, and what may cross between them.

    A part is a node with all that is computed in one with it: what the quantiser or the compiler fused is not cut.
    """
    assert program.graph is not None
    order = [str(node.name) for node in model.graph]
    place = {name: index for index, name in enumerate(order)}
    owner = {value: index for index, node in enumerate(model.graph) for value in node.outputs}
    parts = list(range(len(order)))

    def root(index: int) -> int:
        while parts[index] != index:
            parts[index] = parts[parts[index]]
            index = parts[index]
        return index

    def join(first: int, second: int) -> None:
        low, high = sorted((root(first), root(second)))
        parts[high] = low

    # Nodes of the quantised graph have the names of the float ones, pieces of them with a suffix behind a dot.
    makers: dict[str, int] = {}
    anchored = set()
    for step in program.graph.nodes:
        index = place.get(step.name, place.get(step.name.rpartition(".")[0], -1))
        if index < 0:
            before = next((makers[name] for name in step.inputs if name in makers), None)
            index = -1 if before is None else before
        if index >= 0:
            anchored.add(index)
            makers |= dict.fromkeys(step.outputs, index)
    for step in program.graph.nodes:
        for name in step.inputs:
            if name in program.fused and name in makers and step.outputs[0] in makers:
                join(makers[name], makers[step.outputs[0]])
    for index, node in enumerate(model.graph):
        if index in anchored:
            continue
        before = next((owner[value] for value in node.inputs if value in owner), None)
        after = next((place[str(user.name)] for value in node.outputs for user, _ in value.uses()), None)
        if (with_ := before if before is not None else after) is not None:
            join(index, with_)
    hosts = {name: text for name, text in _hosts(program).items() if name in place}
    clock = program.chip.clock_hz
    spent: dict[int, float] = {}
    for name, cycles in layers.items():
        index = place.get(name, place.get(name.rpartition(".")[0], makers.get(name, -1)))
        if index < 0:
            raise LithifyError(f"The layer '{name}' belongs to no node of the network; --keep-float may be in use.")
        spent[root(index)] = spent.get(root(index), 0.0) + cycles / clock
    groups: dict[int, list[int]] = {}
    for index in range(len(order)):
        groups.setdefault(root(index), []).append(index)
    number = {group: count for count, group in enumerate(groups)}
    units = []
    for group, members in groups.items():
        names = tuple(order[index] for index in members)
        why = next((hosts[name] for name in names if name in hosts), "")
        chip_s = inf if why else spent.get(group, 0.0)
        cpu_s = sum(nodes.get(name, 0.0) + hand.call_s for name in names)
        units.append(Unit(names[0], names, chip_s, cpu_s, why))
    return tuple(units), _crossings(model, owner, [number[root(index)] for index in range(len(order))], link, hand)


def _hosts(program: "Program") -> dict[str, str]:
    """Nodes that the chip cannot run, and why."""
    return {
        segment.name: program.reasons.get(segment.name, "the chip has no unit for it")
        for segment in program.segments
        if isinstance(segment, HostSegment)
    }


def _crossings(
    model: ir.Model, owner: Mapping[ir.Value, int], unit_of: Sequence[int], link: Link, hand: Handover
) -> tuple[Crossing, ...]:
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    index_of = {str(node.name): index for index, node in enumerate(model.graph)}
    outputs = {value.name for value in model.graph.outputs}
    found = []
    for value in values:
        source = unit_of[owner[value]] if value in owner else None
        users = {unit_of[index_of[str(user.name)]] for user, _ in value.uses()}
        readers = tuple(sorted(users - {source}))
        wanted = value.name in outputs
        if readers or wanted:
            size, converted = _bytes(value)
            seconds = link.seconds(size) + (hand.converted(size) if converted else 0.0)
            found.append(Crossing(str(value.name), source, readers, seconds, size, wanted))
    return tuple(found)


def _bytes(value: ir.Value) -> tuple[int, bool]:
    """On the link, and whether it is converted: float numbers cross as int8, others as they are."""
    count = prod(size if isinstance(size, int) else 1 for size in value.shape) if value.shape is not None else 1
    if value.dtype is None or value.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE):
        return count, True
    return int(count * value.dtype.itemsize), False
