"""The layers that a layout is drawn in: which are for wires, which way these run, and the shapes of vias."""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.silicon.kit import Kit, RouteNames
from lithify.silicon.route.lef import Layer, nm, read_layers

GRID = 5
"""Nanometres: everything is drawn on multiples of it."""


@dataclass(frozen=True)
class Stack:
    """names: as the kit describes them; layers: by name. Nanometres."""

    names: RouteNames
    layers: Mapping[str, Layer]
    site: int
    row: int

    @property
    def grid(self) -> int:
        """What all is a multiple of."""
        return GRID

    @property
    def metals(self) -> tuple[str, ...]:
        """From the pins' layer up to the highest for wires."""
        return (self.names.pins, self.names.access, *self.names.wires)

    @property
    def pins(self) -> str:
        """The layer of the cells' pins."""
        return self.names.pins

    @property
    def access(self) -> str:
        """The layer above, for stubs on the pins."""
        return self.names.access

    @property
    def width(self) -> int:
        """Of wires and stubs."""
        return self.layers[self.names.access].width

    @property
    def spacing(self) -> int:
        """Between them."""
        return self.layers[self.names.access].spacing

    @property
    def cut(self) -> int:
        """Side of a via's cut."""
        return nm(self.names.cut)

    @property
    def pad_half(self) -> tuple[int, int]:
        """Half a pad of a via between layers of wires: along the wire, and across."""
        return self.cut // 2 + nm(self.names.pad[0]), self.cut // 2 + nm(self.names.pad[1])

    @property
    def pin_pad_half(self) -> tuple[int, int]:
        """The same in the layer of the pins, the short side first."""
        return self.cut // 2 + nm(self.names.pin_pad[1]), self.cut // 2 + nm(self.names.pin_pad[0])

    def horizontal(self, metal: str) -> bool:
        """Which way a layer's wires run: the first for wires across the pins' stubs, then by turns."""
        return self.names.wires.index(metal) % 2 == 0 if metal in self.names.wires else False

    def below(self, metal: str) -> str:
        """The cut between a layer and the one below it."""
        return self.names.cuts[self.metals.index(metal) - 1]


def kit_stack(kit: Kit, names: RouteNames) -> Stack:
    """The stack of a kit that is described for routing; LithifyError where its LEF is missing."""
    assert kit.layout is not None
    return Stack(names, read_layers(kit.folder / names.technology), nm(names.site), nm(kit.layout.row))
