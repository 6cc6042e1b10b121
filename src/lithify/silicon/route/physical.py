"""A placed and routed design as shapes: cells, wires and vias of each net, nanometres."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lithify.silicon.route.access import Stub
from lithify.silicon.route.design import Design
from lithify.silicon.route.lef import Box, Outline
from lithify.silicon.route.stack import Stack

Wire = tuple[str, Box]
"""A layer and a box."""

Via = tuple[str, int, int]
"""The metal below, and the centre of the cut."""


@dataclass(frozen=True)
class Place:
    """Where a cell lies: its kind, and its corner; upside down it reaches down from there."""

    kind: str
    x: int
    y: int
    flipped: bool

    def up(self, y: int) -> int:
        """A height in the cell as one on the die."""
        return self.y - y if self.flipped else self.y + y

    def box(self, box: Box) -> Box:
        """A box in the cell as one on the die."""
        bottom, top = sorted((self.up(box[1]), self.up(box[3])))
        return self.x + box[0], bottom, self.x + box[2], top


@dataclass(frozen=True)
class Access:
    """A stub on the die. where: cell and pin; x: of its track; via: centre of its cut; bottom, top: its reach."""

    where: tuple[str, str]
    x: int
    via: tuple[int, int]
    bottom: int
    top: int


@dataclass(frozen=True)
class Physical:
    """places: of all cells, those that only fill among them. wires, vias: by net, without the stubs on pins.

    ports: net -> the box of its port, on the layer named.
    """

    design: Design
    die: tuple[int, int]
    places: Mapping[str, Place]
    wires: Mapping[str, Sequence[Wire]]
    vias: Mapping[str, Sequence[Via]]
    ports: Mapping[str, Wire]


def accesses(
    physical: Physical, stubs: Mapping[str, Mapping[str, Stub]], outlines: Mapping[str, Outline]
) -> dict[str, list[Access]]:
    """Net -> the stubs of its pins, drivers first."""
    found: dict[str, list[Access]] = {}
    for net, pins in physical.design.readers(outlines).items():
        found[net] = []
        for cell, pin in pins:
            place = physical.places[cell]
            stub = stubs[place.kind][pin]
            bottom, top = sorted((place.up(stub.bottom), place.up(stub.top)))
            via = place.x + stub.via_x, place.up(stub.via_y)
            found[net].append(Access((cell, pin), place.x + stub.x, via, bottom, top))
    return found


def stub_shapes(access: Access, vias: Sequence[Via], stack: Stack) -> list[Wire]:
    """What is drawn of a stub: from its own via to the wires that meet it, and no smaller than a piece may be.

    The cut to the pin is drawn without a pad below: it lies in the pin's own metal.
    """
    half, long, layer = stack.width // 2, stack.pad_half[0], stack.access
    met = [y for below, x, y in vias if below == layer and x == access.x and access.bottom <= y <= access.top]
    bottom, top = min([access.via[1], *met]) - long, max([access.via[1], *met]) + long
    least = -(-stack.layers[layer].area // stack.width // 10) * 10
    short = least - (top - bottom)
    if short > 0:
        above = min(short, max(0, access.top - top))
        bottom, top = bottom - (short - above), top + above
    found = [(layer, (access.x - half, bottom, access.x + half, top))]
    if access.via[0] != access.x:
        left, right = min(access.x - half, access.via[0] - long), max(access.x + half, access.via[0] + long)
        found.append((layer, (left, access.via[1] - half, right, access.via[1] + half)))
    return found


def via_shapes(via: Via, stack: Stack) -> Iterator[Wire]:
    """The cut of a via and its pads."""
    below, x, y = via
    above = stack.metals[stack.metals.index(below) + 1]
    half = stack.cut // 2
    yield stack.below(above), (x - half, y - half, x + half, y + half)
    along, across = stack.pad_half
    for metal in (below, above):
        wide, tall = (along, across) if stack.horizontal(metal) else (across, along)
        yield metal, (x - wide, y - tall, x + wide, y + tall)


def net_shapes(physical: Physical, net: str, pins: Sequence[Access], stack: Stack) -> Iterator[Wire]:
    """All that is drawn of a net: stubs, wires, vias and its port; nothing of a port or a pin that is alone."""
    if len(pins) + (net in physical.ports) < 2:
        return
    vias = physical.vias.get(net, ())
    half = stack.cut // 2
    yield from physical.wires.get(net, ())
    for via in vias:
        yield from via_shapes(via, stack)
    for access in pins:
        yield from stub_shapes(access, vias, stack)
        x, y = access.via
        yield stack.below(stack.access), (x - half, y - half, x + half, y + half)
    if net in physical.ports:
        yield physical.ports[net]
