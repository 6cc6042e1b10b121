"""Where wires reach a cell's pins: for each pin a via, and a stub of the layer above on a track of its own.

A router that knows only tracks meets such stubs easily, where it fails at small pins off its tracks: stubs are as tall
as the cell lets them be, and what no wire needs of them is cut off afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lithify.silicon.route.lef import Box, Outline
from lithify.silicon.route.stack import Stack

if TYPE_CHECKING:
    import klayout.db as kdb

EDGE = 250
"""How far a via on a stub stays from the lower and upper edge of its cell, nanometres: half a pad, and half its spacing
to one in the next row."""

REACH = 260
"""How far a via may lie beside its stub's track, nanometres: half a track and the grid."""

OFF_TRACK, SHARED = 10.0, 1e6
"""Costs of a nanometre beside the track, and of a track that two pins share."""


@dataclass(frozen=True)
class Stub:
    """The access to a pin. x: of the track; via_x, via_y: centre of the cut to the pin; bottom, top: how far the centre
    of a via to a wire may lie.
    """

    x: int
    via_x: int
    via_y: int
    bottom: int
    top: int


@dataclass(frozen=True)
class _Spot:
    x: int
    via_x: int
    via_y: int
    cost: float


def stubs(cell: Outline, stack: Stack) -> Mapping[str, Stub]:
    """The stub of each signal pin of a standard cell."""
    spots = {pin.name: _spots(cell, pin.name, stack) for pin in cell.pins.values() if not pin.supply and pin.shapes}
    picked = _pick(spots)
    half, space = stack.width // 2, stack.spacing
    long = stack.pad_half[0]
    fixed: dict[str, Box] = {}
    for name, spot in picked.items():
        aside = long if spot.via_x != spot.x else half
        fixed[name] = (
            min(spot.x - half, spot.via_x - aside), spot.via_y - long,
            max(spot.x + half, spot.via_x + aside), spot.via_y + long,
        )  # fmt: skip
    found = {}
    for name, spot in picked.items():
        bottom, top = EDGE, cell.height - EDGE
        for other, (left, low, right, high) in fixed.items():
            if other == name or left - space >= spot.x + half or right + space <= spot.x - half:
                continue
            same = picked[other].x == spot.x
            middle = (spot.via_y + picked[other].via_y) // 2
            # A via at the end of the reach needs half a pad beyond.
            if picked[other].via_y > spot.via_y:
                top = min(top, (middle - space // 2 if same else low - space) - long)
            else:
                bottom = max(bottom, (middle + space // 2 if same else high + space) + long)
        # Both ends on twice the grid, so that the middle is on the grid; and not of one point.
        bottom = min(-(-bottom // 10) * 10, spot.via_y // 10 * 10 - 10)
        top = max(top // 10 * 10, spot.via_y // 10 * 10 + 10)
        found[name] = Stub(spot.x, spot.via_x, spot.via_y, bottom, top)
    return found


def _spots(cell: Outline, name: str, stack: Stack) -> list[_Spot]:
    """Places of a via inside the pin, the best for each track; the pin's middle where no via fits in it."""
    import klayout.db as kdb

    shapes = [box for layer, box in cell.pins[name].shapes if layer == stack.pins]
    pin = _region(shapes)
    around = pin.bbox().enlarged(1000, 1000)
    best: dict[int, _Spot] = {}
    for across, along in (stack.pin_pad_half, stack.pin_pad_half[::-1]):
        # Centres whose pad would leave the pin are those within half a pad of what is not pin.
        pad = kdb.Box(1 - across, 1 - along, across - 1, along - 1)
        centres = kdb.Region(pin.bbox()) - (kdb.Region(around) - pin).minkowski_sum(pad)
        for piece in centres.decompose_trapezoids_to_region().each():
            room = piece.bbox()
            for track in range(1, cell.width // stack.site):
                x = track * stack.site
                via_x = round(min(max(x, room.left), room.right) / stack.grid) * stack.grid
                if abs(via_x - x) > REACH:
                    continue
                via_y = round((room.bottom + room.top) / 2 / 10) * 10
                via_y = min(max(via_y, room.bottom), room.top)
                cost = abs(via_x - x) * OFF_TRACK - (room.top - room.bottom) / 10
                if track not in best or cost < best[track].cost:
                    best[track] = _Spot(x, via_x, via_y, cost)
    if best:
        return sorted(best.values(), key=lambda spot: spot.cost)
    left, bottom, right, top = max(shapes, key=lambda box: min(box[2] - box[0], box[3] - box[1]))
    via_x, via_y = round((left + right) / 2 / stack.grid) * stack.grid, round((bottom + top) / 2 / 10) * 10
    track = min(max(1, round(via_x / stack.site)), cell.width // stack.site - 1)
    return [_Spot(track * stack.site, via_x, via_y, 0.0)]


def _region(shapes: Sequence[Box]) -> "kdb.Region":
    import klayout.db as kdb

    region = kdb.Region()
    for box in shapes:
        region.insert(kdb.Box(*box))
    return region.merged()


def _pick(spots: Mapping[str, list[_Spot]]) -> dict[str, _Spot]:
    """One spot for each pin, at the least cost in all."""
    names = sorted(spots, key=lambda name: len(spots[name]))
    best: tuple[float, dict[str, _Spot]] | None = None

    def go(number: int, cost: float, taken: dict[str, _Spot]) -> None:
        nonlocal best
        if best is not None and cost >= best[0]:
            return
        if number == len(names):
            best = (cost, dict(taken))
            return
        used = {spot.x for spot in taken.values()}
        for spot in spots[names[number]]:
            # 40: what the tallest pin saves, so that costs never fall on the way.
            more = spot.cost + 400.0 + (SHARED if spot.x in used else 0.0)
            go(number + 1, cost + more, {**taken, names[number]: spot})

    go(0, 0.0, {})
    assert best is not None
    return best[1]
