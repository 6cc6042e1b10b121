"""From a mapped netlist to a routed layout: the job for Coriolis, and its result as shapes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.silicon.route.access import Stub
from lithify.silicon.route.coriolis import Laid, lay_out
from lithify.silicon.route.design import Design
from lithify.silicon.route.lef import Outline
from lithify.silicon.route.physical import Physical, Place, Wire
from lithify.silicon.route.stack import Stack

ROOM = 100
"""How far Coriolis is told that metal reaches beyond a cut along a wire, nanometres: more than is drawn, for it lets
two vias side by side come nearer than its spacing. 50, as drawn, left 11 such pairs in 479 nets; 100 left 2."""


def die_size(design: Design, outlines: Mapping[str, Outline], stack: Stack, filled: float) -> tuple[int, int]:
    """Width and height of a die of whole rows and sites that cells fill to a share `filled`.

    It is square, or as tall as the ports of one side need with two tracks for each.
    """
    area = sum(outlines[cell.kind].width * outlines[cell.kind].height for cell in design.cells.values()) / filled
    side = max(sum(output == driven for output in design.ports.values()) for driven in (False, True))
    tall = 2 * (side + 2) * stack.layers[stack.names.wires[0]].pitch
    rows = math.ceil(max(math.sqrt(area), tall) / stack.row)
    return math.ceil(area / (rows * stack.row) / stack.site) * stack.site, rows * stack.row


def ports(design: Design, die: tuple[int, int], stack: Stack) -> list[tuple[str, bool, str, int]]:
    """Net, whether it is driven, side and place of each port: inputs at the left, outputs at the right, by turns."""
    pitch = stack.layers[stack.names.wires[0]].pitch
    tracks = die[1] // pitch - 2
    found = []
    for side, driven in (("W", False), ("E", True)):
        names = [net for net, output in design.ports.items() if output == driven]
        for number, net in enumerate(names):
            found.append((net, driven, side, (1 + number * tracks // len(names)) * pitch))
    return found


def job(
    design: Design,
    outlines: Mapping[str, Outline],
    stubs: Mapping[str, Mapping[str, Stub]],
    stack: Stack,
    die: tuple[int, int],
    *,
    places: Mapping[str, Place] | None = None,
) -> dict[str, Any]:
    """What Coriolis is given: to place the cells, or to route between those that have their `places`.

    The placer counts widths and heights in sites: it is given rows of whole sites, which `settle` takes back.
    """
    kinds = {cell.kind for cell in design.cells.values()} | set(stack.names.fillers)
    row = stack.row if places else tall_row(stack)
    height = die[1] // stack.row * row
    layers = []
    for metal in stack.metals[1:]:
        layer = stack.layers[metal]
        layers.append(
            {
                "name": metal, "cut": stack.below(metal), "width": layer.width, "spacing": layer.spacing,
                "area": layer.area, "horizontal": stack.horizontal(metal),
                # Tracks of all layers that run the same way are the same.
                "pitch": stack.layers[stack.names.wires[0]].pitch if stack.horizontal(metal) else stack.site,
            }
        )  # fmt: skip
    held = places or {}
    return {
        "grid": stack.grid, "layers": layers, "cut": stack.cut,
        "pad": [ROOM, stack.pad_half[1] - stack.cut // 2],
        "cut_spacing": stack.layers[stack.below(stack.metals[-1])].spacing, "site": stack.site, "row": row,
        "fillers": list(stack.names.fillers), "die": [die[0], height], "route": places is not None,
        "nets": list(design.nets),
        "cells": {
            kind: {
                "width": outlines[kind].width, "height": outlines[kind].height // stack.row * row, "obstacles": [],
                "pins": {
                    pin: [outlines[kind].pins[pin].output, stub.x, stub.bottom, stub.top]
                    for pin, stub in stubs[kind].items()
                },
            }
            for kind in sorted(kinds)
        },
        "instances": [
            [cell.name, cell.kind, cell.wires, None if cell.name not in held else
             [held[cell.name].x, held[cell.name].y, held[cell.name].flipped]]
            for cell in design.cells.values()
        ],
        "ports": [(net, driven, side, at * height // die[1] // stack.grid * stack.grid)
                  for net, driven, side, at in ports(design, die, stack)],
    }  # fmt: skip


def tall_row(stack: Stack) -> int:
    """The height of a row in whole sites."""
    return -(-stack.row // stack.site) * stack.site


def settle(laid: Laid, stack: Stack) -> dict[str, Place]:
    """The places that the placer found, in rows of their true height.

    Errors: LithifyError where a cell is in no row.
    """
    tall = tall_row(stack)
    found = {}
    for name, (kind, x, y, flipped) in laid.cells.items():
        if y % tall or x % stack.site or (y // tall - flipped) % 2 != flipped:
            raise LithifyError(f"Coriolis placed '{name}' ({kind}) beside the rows of cells, at {x}, {y} nm.")
        found[name] = Place(kind, x, y // tall * stack.row, flipped)
    return found


def fill(
    places: Mapping[str, Place], outlines: Mapping[str, Outline], die: tuple[int, int], stack: Stack
) -> dict[str, Place]:
    """Fillers for all that is left free of the rows.

    Errors: LithifyError where cells overlap.
    """
    rows: dict[int, list[tuple[int, int, str]]] = {number: [] for number in range(die[1] // stack.row)}
    for name, place in places.items():
        if outlines[place.kind].height == stack.row:
            row = place.y // stack.row - place.flipped
            rows[row].append((place.x, place.x + outlines[place.kind].width, name))
    found: dict[str, Place] = {}
    for row, taken in rows.items():
        at, before = 0, "the edge of the die"
        for left, right, name in [*sorted(taken), (die[0], die[0], "the edge of the die")]:
            if left < at:
                raise LithifyError(f"Coriolis placed '{name}' over '{before}'.")
            while at < left:
                kind = next(kind for kind in stack.names.fillers if outlines[kind].width <= left - at)
                y, flipped = (row + 1) * stack.row if row % 2 else row * stack.row, row % 2 == 1
                found[f"fill{len(found)}"] = Place(kind, at, y, flipped)
                at += outlines[kind].width
            at, before = right, name
    return found


def physical(design: Design, laid: Laid, places: Mapping[str, Place], die: tuple[int, int], stack: Stack) -> Physical:
    """Coriolis' result as shapes."""
    half = stack.width // 2
    at: dict[str, Wire] = {}
    for net, _, side, y in ports(design, die, stack):
        x = 0 if side == "W" else die[0]
        at[net] = (stack.names.wires[0], (x - half, y - half, x + half, y + half))
    return Physical(
        design,
        die,
        places,
        {net: [(layer, (left, bottom, right, top)) for layer, left, bottom, right, top in wires
               if left < right and bottom < top]
         for net, wires in laid.wires.items()},
        laid.vias,
        at,
    )  # fmt: skip


def place_and_route(
    design: Design,
    outlines: Mapping[str, Outline],
    stubs: Mapping[str, Mapping[str, Stub]],
    stack: Stack,
    folder: Path,
    *,
    filled: float,
) -> Physical:
    """Lay a design out on a die that its cells fill to a share `filled`; Coriolis runs in `folder`."""
    die = die_size(design, outlines, stack, filled)
    laid = lay_out(job(design, outlines, stubs, stack, die), folder / "placement")
    places = settle(laid, stack)
    everything = {**places, **fill(places, outlines, die, stack)}
    routed = lay_out(job(design, outlines, stubs, stack, die, places=places), folder / "routing")
    return physical(design, routed, everything, die, stack)
