"""What the wires of a layout weigh: resistances and capacitances of every net, as SPEF for a timing analyser.

Capacitances are those of the kit's LEF: of a wire to what lies below it and at its two edges, without neighbours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lithify.silicon.route.lef import Box, Outline
from lithify.silicon.route.physical import Access, Physical, stub_shapes
from lithify.silicon.route.stack import Stack

Node = tuple[str, int, int]
"""A layer and a point."""


@dataclass(frozen=True)
class NetWires:
    """Of a net: length in nanometres, capacitance in farads, a tree of resistances in ohms from its first pin on, the
    capacitance at each node, and the node of each pin. unreached: pins that no wire of the tree leads to.
    """

    length: int
    capacitance: float
    edges: tuple[tuple[int, int, float], ...]
    load: tuple[float, ...]
    pins: Mapping[tuple[str, str], int]
    unreached: tuple[tuple[str, str], ...]


PORT = ""
"""Stands for the cell of a pin that is a port of the design."""


def net_wires(physical: Physical, net: str, pins: Sequence[Access], stack: Stack) -> NetWires:
    """The wires of a net as a tree of resistances with capacitances at its nodes."""
    vias = physical.vias.get(net, ())
    boxes: dict[str, list[Box]] = {metal: [] for metal in stack.metals}
    points: dict[str, set[tuple[int, int]]] = {metal: set() for metal in stack.metals}
    links: list[tuple[Node, Node, float]] = []
    for layer, box in physical.wires.get(net, ()):
        boxes[layer].append(box)
    at: dict[tuple[str, str], Node] = {}
    for access in pins:
        for layer, box in stub_shapes(access, vias, stack):
            boxes[layer].append(box)
        node = at[access.where] = (stack.pins, *access.via)
        links.append((node, (stack.access, *access.via), stack.layers[stack.below(stack.access)].resistance))
        points[stack.access].add(access.via)
    for below, x, y in vias:
        above = stack.metals[stack.metals.index(below) + 1]
        links.append(((below, x, y), (above, x, y), stack.layers[stack.below(above)].resistance))
        points[below].add((x, y))
        points[above].add((x, y))
    if net in physical.ports:
        layer, box = physical.ports[net]
        boxes[layer].append(box)
        node = at[PORT, net] = (layer, (box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
        points[layer].add(node[1:])
    length = 0
    load: dict[Node, float] = {}
    for metal, shapes in boxes.items():
        for one, other in _touching(shapes):
            points[metal].add(
                ((max(one[0], other[0]) + min(one[2], other[2])) // 2,
                 (max(one[1], other[1]) + min(one[3], other[3])) // 2)
            )  # fmt: skip
        for box in shapes:
            length += _chain(metal, box, points[metal], stack, links, load)
    return _tree(at, links, load, length)


def _touching(shapes: Sequence[Box]) -> Iterator[tuple[Box, Box]]:
    """Pairs of boxes that meet."""
    ordered = sorted(shapes)
    open_boxes: list[Box] = []
    for box in ordered:
        open_boxes = [other for other in open_boxes if other[2] >= box[0]]
        for other in open_boxes:
            if other[1] <= box[3] and box[1] <= other[3]:
                yield other, box
        open_boxes.append(box)


def _chain(
    metal: str,
    box: Box,
    points: set[tuple[int, int]],
    stack: Stack,
    links: list[tuple[Node, Node, float]],
    load: dict[Node, float],
) -> int:
    """Link the points of a box along its long side; its length, 0 of a pad."""
    layer = stack.layers[metal]
    wide, tall = box[2] - box[0], box[3] - box[1]
    axis, along, width = (0, wide, tall) if wide >= tall else (1, tall, wide)
    inside = sorted(
        (point for point in points if box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]),
        key=lambda point: point[axis],
    )
    if not inside:
        return 0
    # Pads lie on wires or on other pads, whose capacitance is counted already.
    pad = along <= 2 * max(stack.pad_half)
    ends = [box[axis], *(point[axis] for point in inside), box[axis + 2]]
    for number, point in enumerate(inside):
        node = (metal, *point)
        share = (ends[number + 1] - ends[number]) / (2 if number else 1)
        share += (ends[number + 2] - ends[number + 1]) / (2 if number + 1 < len(inside) else 1)
        if not pad:
            load[node] = load.get(node, 0.0) + layer.wire_capacitance(round(share), width)
        if number:
            before = inside[number - 1]
            links.append(((metal, *before), node, layer.resistance * (point[axis] - before[axis]) / width))
    return 0 if pad else along


def _tree(
    at: Mapping[tuple[str, str], Node], links: Sequence[tuple[Node, Node, float]], load: Mapping[Node, float],
    length: int,
) -> NetWires:  # fmt: skip
    """The nodes that hang together with the first pin, as a tree."""
    around: dict[Node, list[tuple[Node, float]]] = {}
    for one, other, ohms in links:
        around.setdefault(one, []).append((other, ohms))
        around.setdefault(other, []).append((one, ohms))
    first = next(iter(at.values()))
    numbers, waiting, edges = {first: 0}, [first], []
    while waiting:
        node = waiting.pop()
        for other, ohms in around.get(node, ()):
            if other not in numbers:
                numbers[other] = len(numbers)
                edges.append((numbers[node], numbers[other], ohms))
                waiting.append(other)
    return NetWires(
        length,
        sum(load.values()),
        tuple(edges),
        tuple(load.get(node, 0.0) for node in numbers),
        {pin: numbers[node] for pin, node in at.items() if node in numbers},
        tuple(pin for pin, node in at.items() if node not in numbers),
    )


def spef(
    name: str,
    wires: Mapping[str, NetWires],
    outlines: Mapping[str, Outline],
    physical: Physical,
    loads: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """The SPEF file of nets with wires. loads: cell -> pin -> farads, where the pins' capacitances are to be in it."""
    lines = [
        '*SPEF "IEEE 1481-1998"', f'*DESIGN "{name}"', '*DATE ""', '*VENDOR "Lithify"', '*PROGRAM "lithify layout"',
        '*VERSION ""', '*DESIGN_FLOW ""', "*DIVIDER /", "*DELIMITER :", "*BUS_DELIMITER []", "*T_UNIT 1 NS",
        "*C_UNIT 1 FF", "*R_UNIT 1 OHM", "*L_UNIT 1 HENRY", "",
    ]  # fmt: skip
    for net, found in wires.items():
        names: dict[int, str] = {}
        load = list(found.load)
        for (cell, pin), number in found.pins.items():
            if cell != PORT and loads is not None:
                load[number] += loads[physical.design.cells[cell].kind].get(pin, 0.0)
        lines += [f"*D_NET {net} {sum(load) * 1e15:.4f}", "*CONN"]
        twice: list[tuple[str, int]] = []
        for (cell, pin), number in found.pins.items():
            if cell == PORT:
                word, line = net, f"*P {net} {'O' if physical.design.ports[net] else 'I'}"
            else:
                output = outlines[physical.design.cells[cell].kind].pins[pin].output
                word, line = f"{cell}:{pin}", f"*I {cell}:{pin} {'O' if output else 'I'}"
            lines.append(line)
            if number in names:
                twice.append((word, number))
            names.setdefault(number, word)

        def node(number: int, net: str = net, names: Mapping[int, str] = names) -> str:
            return names.get(number, f"{net}:{number + 1}")

        lines.append("*CAP")
        for number, farads in enumerate(load):
            if farads:
                lines.append(f"{number + 1} {node(number)} {farads * 1e15:.4f}")
        lines.append("*RES")
        for number, (one, other, ohms) in enumerate(found.edges):
            lines.append(f"{number + 1} {node(one)} {node(other)} {ohms:.3f}")
        for word, number in twice:
            lines.append(f"{len(found.edges) + 1} {node(number)} {word} 0.001")
        lines += ["*END", ""]
    return "\n".join(lines)
