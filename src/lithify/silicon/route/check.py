"""What is drawn is what was asked for: the nets found again in the metal of a layout, and its rules of metal.

Both read the layout as drawn, the contents of the cells included, and nothing of how it was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lithify.silicon.route.physical import Access
from lithify.silicon.route.stack import Stack

if TYPE_CHECKING:
    import klayout.db as kdb


@dataclass(frozen=True)
class Connections:
    """The nets as KLayout finds them in the metal. whole: nets that are one piece and touch no other; broken: nets in
    more pieces; shorted: pairs or more of nets that are one piece.
    """

    whole: int
    broken: tuple[str, ...]
    shorted: tuple[tuple[str, ...], ...]


def connections(
    layout: "kdb.Layout", reached: Mapping[str, Sequence[Access]], ports: Mapping[str, tuple[str, tuple[int, ...]]],
    stack: Stack,
) -> Connections:  # fmt: skip
    """Find the pieces of metal that hang together, and compare what they touch with the netlist.

    A pin is where its via stands in the cell's own metal.
    """
    import klayout.db as kdb

    top = layout.top_cell()
    found = kdb.LayoutToNetlist(top.name, layout.dbu)
    regions, texts = {}, {}
    for name, number in stack.names.gds.items():
        regions[name] = kdb.Region(top.begin_shapes_rec(layout.layer(number, 0)))
        found.register(regions[name], name)
    owner: dict[str, str] = {}
    marks: dict[str, list[tuple[str, int, int]]] = {metal: [] for metal in stack.metals}
    for net, pins in reached.items():
        if len(pins) + (net in ports) < 2:
            continue
        for access in pins:
            mark = f"p{len(owner)}"
            owner[mark] = net
            marks[stack.pins].append((mark, *access.via))
        if net in ports:
            mark = f"p{len(owner)}"
            owner[mark] = net
            layer, box = ports[net]
            marks[layer].append((mark, (box[0] + box[2]) // 2, (box[1] + box[3]) // 2))
    for metal, entries in marks.items():
        texts[metal] = kdb.Texts([kdb.Text(mark, kdb.Trans(x, y)) for mark, x, y in entries])
        found.register(texts[metal], f"{metal}.marks")
    for metal in stack.metals:
        found.connect(regions[metal])
        found.connect(regions[metal], texts[metal])
    for below, cut, above in zip(stack.metals, stack.names.cuts, stack.metals[1:], strict=False):
        found.connect(regions[cut])
        found.connect(regions[below], regions[cut])
        found.connect(regions[cut], regions[above])
    found.extract_netlist()
    pieces: dict[str, int] = {}
    shorted = []
    seen: set[str] = set()
    for piece in found.netlist().circuit_by_name(top.name).each_net():
        touched = [mark for mark in piece.name.split(",") if mark in owner]
        names = {owner[mark] for mark in touched}
        seen.update(touched)
        if len(names) > 1:
            shorted.append(tuple(sorted(names)))
        for name in names:
            pieces[name] = pieces.get(name, 0) + 1
    lost = {owner[mark] for mark in owner.keys() - seen}
    broken = {name for name, count in pieces.items() if count > 1} | lost
    touching = {name for names in shorted for name in names}
    whole = len(set(owner.values()) - broken - touching)
    return Connections(whole, tuple(sorted(broken)), tuple(sorted(shorted)))


RULES = ("width", "spacing", "area", "cut spacing", "cut enclosure")
"""What `metal_rules` checks of each layer. The rest of a kit's rules is not checked."""


def metal_rules(layout: "kdb.Layout", stack: Stack) -> dict[str, int]:
    """ "layer: rule" -> how often it is violated, of the layers of wires and the cuts below them, by the kit's LEF."""
    import klayout.db as kdb

    top = layout.top_cell()

    def region(name: str) -> "kdb.Region":
        return kdb.Region(top.begin_shapes_rec(layout.layer(stack.names.gds[name], 0))).merged()

    found = {}
    metals = {metal: region(metal) for metal in stack.metals}
    for metal in stack.metals[1:]:
        layer = stack.layers[metal]
        found[f"{metal}: width"] = metals[metal].width_check(layer.width).count()
        found[f"{metal}: spacing"] = metals[metal].space_check(layer.spacing).count()
        found[f"{metal}: area"] = metals[metal].with_area(0, layer.area, False).count()
        name = stack.below(metal)
        cut = region(name)
        found[f"{name}: cut spacing"] = cut.space_check(stack.layers[name].spacing).count()
        below = stack.metals[stack.metals.index(metal) - 1]
        for side in (below, metal):
            # The kit asks for the short side's enclosure all around; the long side's is what a via is drawn with.
            least = stack.pin_pad_half[0] if side == stack.pins else stack.pad_half[1]
            bare = cut.sized(least - stack.cut // 2) - metals[side]
            found[f"{name}: cut enclosure by {side}"] = cut.interacting(bare).count()
    return found
