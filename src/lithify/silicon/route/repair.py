"""What the router left: nets that are broken, or nearer to others than they may be, are taken up and led again.

A shortest path on the tracks, with the true spacings, and with the layer of the stubs for wires too, which the router
does not use. Where there is no free way, the cheapest one through other nets is taken, and these are led again after.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lithify.silicon.route.lef import Box
from lithify.silicon.route.parasitics import net_wires
from lithify.silicon.route.physical import Access, Physical, Via, Wire, stub_shapes, via_shapes
from lithify.silicon.route.space import Space
from lithify.silicon.route.stack import Stack

Node = tuple[int, int, int]
"""Layer of wires from the stubs' up, column and row of tracks."""

VIA = 1_000
"""What a via costs, nanometres of wire."""

PUSH = 10_000
"""What it costs to take up another net, nanometres of wire, and as much more for each time that it was taken up."""

PATIENCE, PERSISTENCE = 20_000, 4
"""How many places are looked at for a free way, and how many times as many for one through other nets."""

GREED = 1.5
"""How much a place near the goal is preferred: more finds a way sooner, and a longer one."""

AROUND = 20
"""How many tracks beyond a net's pins its wires may go."""

EFFORT = 3_000_000
"""How many places are looked at in all before what still waits is left, and named: some minutes."""

ROUNDS = 3
"""How often what is broken or too near is looked for."""

TURNS = 4
"""How often a net is led at most, in the mean over all that were broken or too near at the beginning."""


@dataclass(frozen=True)
class Repaired:
    """again: nets that were led again; left: nets that could not be led, which are without wires."""

    physical: Physical
    again: int
    left: tuple[str, ...]


class _Router:
    def __init__(self, physical: Physical, reached: Mapping[str, Sequence[Access]], stack: Stack) -> None:
        self.physical, self.reached, self.stack = physical, reached, stack
        self.metals = stack.metals[1:]
        self.pitch_x = stack.site
        self.pitch_y = stack.layers[stack.names.wires[0]].pitch
        self.columns = physical.die[0] // self.pitch_x
        self.rows = physical.die[1] // self.pitch_y
        self.wires = {net: list(physical.wires.get(net, ())) for net in physical.design.nets}
        self.vias = {net: list(physical.vias.get(net, ())) for net in physical.design.nets}
        self.space = Space()
        self.pushed: dict[str, int] = {}
        self.seen = 0
        for net in physical.design.nets:
            self.file(net)

    def pins(self, net: str) -> Sequence[Access]:
        pins = self.reached[net]
        return pins if len(pins) + (net in self.physical.ports) > 1 else ()

    def file(self, net: str) -> None:
        """File the shapes of a net; those of its stubs that reach no further than its pins need stay."""
        for access in self.pins(net):
            for layer, box in stub_shapes(access, (), self.stack):
                self.space.add(layer, box, net, True)
            for layer, box in stub_shapes(access, self.vias[net], self.stack):
                self.space.add(layer, box, net, False)
        if net in self.physical.ports:
            self.space.add(*self.physical.ports[net], net, True)
        for layer, box in self.shapes(net):
            self.space.add(layer, box, net, False)

    def shapes(self, net: str) -> list[Wire]:
        """Wires and pads."""
        pads = [shape for via in self.vias[net] for shape in via_shapes(via, self.stack) if shape[0] in self.metals]
        return [*self.wires[net], *pads]

    def conflicts(self, net: str) -> set[str]:
        """Nets that come too near to one, and it to them."""
        found: set[str] = set()
        drawn = [shape for access in self.pins(net) for shape in stub_shapes(access, self.vias[net], self.stack)]
        for layer, box in [*self.shapes(net), *drawn]:
            spacing = self.stack.layers[layer].spacing
            found.update(other for _, other, _ in self.space.near(layer, box, spacing, net))
        return found

    def near(self, net: str, layer: str, box: Box) -> bool:
        """Whether a shape of a net is too near to another."""
        return any(True for _ in self.space.near(layer, box, self.stack.layers[layer].spacing, net))

    def take_up(self, net: str) -> None:
        """Take up what of a net is too near to others, and what then leads to no pin."""
        self.pushed[net] = self.pushed.get(net, 0) + 1
        self.wires[net] = [wire for wire in self.wires[net] if not self.near(net, *wire)]
        self.vias[net] = [
            via
            for via in self.vias[net]
            if not any(shape[0] in self.metals and self.near(net, *shape) for shape in via_shapes(via, self.stack))
        ]
        for access in self.pins(net):
            vias = self.vias[net]
            if any(self.near(net, *shape) for shape in stub_shapes(access, vias, self.stack)):
                self.vias[net] = [
                    via for via in vias
                    if not (via[0] == self.metals[0] and via[1] == access.x and access.bottom <= via[2] <= access.top)
                ]  # fmt: skip
        self.pieces(net)
        self.space.remove(net)
        self.file(net)

    def pieces(self, net: str) -> list[dict[Node, None]]:
        """The pieces of a net that have a pin or port, as the places where a wire may leave each; drop the others."""
        wires, vias = self.wires[net], self.vias[net]
        items: list[list[Wire]] = [[wire] for wire in wires]
        items += [[shape for shape in via_shapes(via, self.stack) if shape[0] in self.metals] for via in vias]
        pins = self.pins(net)
        items += [stub_shapes(access, vias, self.stack) for access in pins]
        ends: list[dict[Node, None]] = [self.on_wire(*wire) for wire in wires]
        ends += [self.on_via(via) for via in vias]
        ends += [self.on_stub(access) for access in pins]
        if net in self.physical.ports:
            items.append([self.physical.ports[net]])
            layer, box = self.physical.ports[net]
            column = round((box[0] + box[2]) / 2 / self.pitch_x)
            ends.append({(self.metals.index(layer), column, (box[1] + box[3]) // 2 // self.pitch_y): None})
        piece_of = _joined(items)
        first = len(wires) + len(vias)
        kept = set(piece_of[first:])
        self.wires[net] = [wire for wire, piece in zip(wires, piece_of, strict=False) if piece in kept]
        self.vias[net] = [via for via, piece in zip(vias, piece_of[len(wires) :], strict=False) if piece in kept]
        found: dict[int, dict[Node, None]] = {}
        for piece, places in zip(piece_of, ends, strict=True):
            if piece in kept:
                found.setdefault(piece, {}).update(places)
        return list(found.values())

    def on_wire(self, layer: str, box: Box) -> dict[Node, None]:
        """The crossings of tracks under a wire that lies on a track."""
        number, half = self.metals.index(layer), self.stack.width // 2
        x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
        if self.stack.horizontal(layer):
            if y % self.pitch_y:
                return {}
            columns = range(-(-(box[0] + half) // self.pitch_x), (box[2] - half) // self.pitch_x + 1)
            return {(number, column, y // self.pitch_y): None for column in columns}
        if x % self.pitch_x:
            return {}
        rows = range(-(-(box[1] + half) // self.pitch_y), (box[3] - half) // self.pitch_y + 1)
        return {(number, x // self.pitch_x, row): None for row in rows}

    def on_via(self, via: Via) -> dict[Node, None]:
        """A via's place on both of its layers, where it is a crossing of tracks."""
        below, x, y = via
        if x % self.pitch_x or y % self.pitch_y:
            return {}
        number = self.metals.index(below)
        return {(layer, x // self.pitch_x, y // self.pitch_y): None for layer in (number, number + 1)}

    def on_stub(self, access: Access) -> dict[Node, None]:
        """Where a via may stand on a stub."""
        rows = range(-(-access.bottom // self.pitch_y), access.top // self.pitch_y + 1)
        return {(0, access.x // self.pitch_x, row): None for row in rows}

    def at(self, node: Node) -> tuple[int, int]:
        return node[1] * self.pitch_x, node[2] * self.pitch_y

    def box(self, node: Node, pad: bool) -> Box:
        """What is drawn at a node: a piece of wire, or the pad of a via."""
        x, y = self.at(node)
        half = self.stack.width // 2
        along = self.stack.pad_half[0] if pad else half
        wide = self.stack.horizontal(self.metals[node[0]])
        return (x - along, y - half, x + along, y + half) if wide else (x - half, y - along, x + half, y + along)

    def lead(self, net: str, push: bool) -> set[str] | None:
        """Lead a net from piece to piece; nets that are in its way now, or None where there is no way."""
        ends = self.pieces(net)
        if len(ends) < 2:
            return set()
        if any(not end for end in ends):
            return None
        every = [node for end in ends for node in end]
        self.window = (
            max(1, min(node[1] for node in every) - AROUND), max(1, min(node[2] for node in every) - AROUND),
            min(self.columns - 1, max(node[1] for node in every) + AROUND),
            min(self.rows - 1, max(node[2] for node in every) + AROUND),
        )  # fmt: skip
        self.costs: dict[tuple[Node, bool], tuple[float, frozenset[str]]] = {}
        tree = dict(ends[0])
        rest = ends[1:]
        paths: list[list[Node]] = []
        met: set[str] = set()
        while rest:
            goals = {node: number for number, end in enumerate(rest) for node in end}
            path = self.path(net, tree, goals, push)
            if path is None:
                return None
            paths.append(path)
            tree.update(dict.fromkeys(path))
            tree.update(rest.pop(goals[path[-1]]))
        for path in paths:
            met |= self.draw(net, path)
        return met

    def cost(self, net: str, node: Node, pad: bool, push: bool) -> float:
        """What it costs to be at a node beside the way there; infinite where nothing may be drawn."""
        key = (node, pad)
        if key not in self.costs:
            layer = self.metals[node[0]]
            found = list(self.space.near(layer, self.box(node, pad), self.stack.layers[layer].spacing, net))
            blocked = any(fixed for _, _, fixed in found)
            others = frozenset(other for _, other, _ in found)
            price = float("inf") if blocked else sum(PUSH * (1 + self.pushed.get(other, 0)) for other in others)
            self.costs[key] = (price, others)
        price = self.costs[key][0]
        return float("inf") if price and not push else price

    def path(self, net: str, tree: Mapping[Node, None], goals: Mapping[Node, int], push: bool) -> list[Node] | None:
        """The cheapest path from a tree to one of the goals."""
        columns, rows = [node[1] for node in goals], [node[2] for node in goals]
        x0, x1, y0, y1 = min(columns), max(columns), min(rows), max(rows)

        def ahead(node: Node) -> float:
            """About how far it is to the goals."""
            across = max(x0 - node[1], node[1] - x1, 0) * self.pitch_x
            return GREED * float(across + max(y0 - node[2], node[2] - y1, 0) * self.pitch_y)

        best: dict[Node, float] = dict.fromkeys(tree, 0.0)
        before: dict[Node, Node] = {}
        queue = [(ahead(node), 0.0, node) for node in tree]
        heapq.heapify(queue)
        left, bottom, right, top = self.window
        far = float("inf")
        seen = 0
        while queue and seen < PATIENCE * (PERSISTENCE if push else 1):
            _, price, node = heapq.heappop(queue)
            if price > best[node]:
                continue
            seen += 1
            self.seen += 1
            if node in goals:
                path = [node]
                while path[-1] in before:
                    path.append(before[path[-1]])
                return path[::-1]
            layer, column, row = node
            steps: list[tuple[Node, float]] = []
            if self.stack.horizontal(self.metals[layer]):
                steps += [((layer, column + step, row), self.pitch_x) for step in (-1, 1)]
            else:
                steps += [((layer, column, row + step), self.pitch_y) for step in (-1, 1)]
            steps += [((layer + step, column, row), VIA) for step in (-1, 1) if 0 <= layer + step < len(self.metals)]
            for other, step in steps:
                if not (left <= other[1] <= right and bottom <= other[2] <= top) and other not in goals:
                    continue
                if other[0] == layer:
                    extra = self.cost(net, other, False, push)
                else:
                    extra = self.cost(net, other, True, push) + self.cost(net, node, True, push)
                total = price + step + extra
                if extra < far and total < best.get(other, far):
                    best[other] = total
                    before[other] = node
                    heapq.heappush(queue, (total + ahead(other), total, other))
        return None

    def draw(self, net: str, path: Sequence[Node]) -> set[str]:
        """Draw a path; nets that are in its way."""
        met: set[str] = set()
        half = self.stack.width // 2
        start = path[0]
        for number, node in enumerate(path):
            met |= self.costs.get((node, False), (0.0, frozenset()))[1]
            if number and node[0] != path[number - 1][0]:
                low = min(node[0], path[number - 1][0])
                self.vias[net].append((self.metals[low], *self.at(node)))
                for end in (node, path[number - 1]):
                    met |= self.costs.get((end, True), (0.0, frozenset()))[1]
            last = number + 1 == len(path)
            if last or path[number + 1][0] != node[0]:
                if start != node:
                    (x0, y0), (x1, y1) = self.at(start), self.at(node)
                    box = (min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
                    self.wires[net].append((self.metals[node[0]], box))
                start = path[number + 1] if not last else node
        # A wire on the layer of the stubs that ends at a stub without a via: the stub is drawn up to there.
        for end in (path[0], path[-1]):
            if end[0] == 0:
                x, y = self.at(end)
                for access in self.reached[net]:
                    if access.x == x and access.bottom <= y <= access.top:
                        ys = sorted((y, access.via[1]))
                        self.wires[net].append((self.metals[0], (x - half, ys[0] - half, x + half, ys[1] + half)))
        return met

    def close(self, net: str) -> None:
        """Close gaps between shapes of the net that face each other more narrowly than they may."""
        on: dict[str, list[Box]] = {}
        for layer, box in self.shapes(net):
            on.setdefault(layer, []).append(box)
        for layer, boxes in on.items():
            spacing = self.stack.layers[layer].spacing
            boxes = sorted(set(boxes))
            near: list[Box] = []
            for box in boxes:
                near = [other for other in near if other[2] > box[0] - spacing]
                for other in near:
                    left, right = max(box[0], other[0]), min(box[2], other[2])
                    bottom, top = max(box[1], other[1]), min(box[3], other[3])
                    across = left < right and 0 < bottom - top < spacing
                    along = bottom < top and 0 < left - right < spacing
                    if across or along:
                        gap = (min(left, right), min(bottom, top), max(left, right), max(bottom, top))
                        if not self.near(net, layer, gap):
                            self.wires[net].append((layer, gap))
                            self.space.add(layer, gap, net, False)
                near.append(box)

    def grow(self, net: str) -> None:
        """Make pads that no wire leaves as large as a piece of metal must be, where there is room."""
        on: dict[tuple[int, int], set[str]] = {}
        for below, x, y in self.vias[net]:
            for metal in (below, self.metals[self.metals.index(below) + 1]):
                on.setdefault((x, y), set()).add(metal)
        stubs = [shape for access in self.pins(net) for shape in stub_shapes(access, self.vias[net], self.stack)]
        for (x, y), metals in on.items():
            for metal in metals:
                if any(
                    layer == metal and box[0] <= x <= box[2] and box[1] <= y <= box[3]
                    and (box[2] - box[0]) * (box[3] - box[1]) >= self.stack.layers[metal].area
                    for layer, box in [*self.wires[net], *stubs]
                ):  # fmt: skip
                    continue
                least = -(-self.stack.layers[metal].area // self.stack.width // 10) * 10
                half, pad = self.stack.width // 2, self.stack.pad_half[0]
                for low in sorted(range(pad, least - pad + 1, 5), key=lambda low: abs(low - least // 2)):
                    high = least - low
                    box = (x - half, y - low, x + half, y + high)
                    if self.stack.horizontal(metal):
                        box = (x - low, y - half, x + high, y + half)
                    if not any(self.space.near(metal, box, self.stack.layers[metal].spacing, net)):
                        self.wires[net].append((metal, box))
                        self.space.add(metal, box, net, False)
                        break


def _joined(items: Sequence[Sequence[Wire]]) -> list[int]:
    """For each item, shapes that hang together, the number of the piece that it and those it touches are."""
    leader = list(range(len(items)))

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    by_layer: dict[str, list[tuple[Box, int]]] = {}
    for number, shapes in enumerate(items):
        for layer, box in shapes:
            by_layer.setdefault(layer, []).append((box, number))
    for boxes in by_layer.values():
        boxes.sort()
        near: list[tuple[Box, int]] = []
        for box, number in boxes:
            near = [entry for entry in near if entry[0][2] >= box[0]]
            for other, number_of in near:
                if other[1] <= box[3] and box[1] <= other[3]:
                    leader[find(number_of)] = find(number)
            near.append((box, number))
    return [find(number) for number in range(len(items))]


def repair(physical: Physical, reached: Mapping[str, Sequence[Access]], stack: Stack) -> Repaired:
    """Lead again what is broken or too near to other nets."""
    router = _Router(physical, reached, stack)
    left: set[str] = set()
    led: set[str] = set()
    for _ in range(ROUNDS):
        bad = _bad(router, left)
        if not bad:
            break
        led |= bad
        for net in sorted(bad):
            router.take_up(net)
        left |= _lead_all(router, sorted(bad, key=lambda net: len(reached[net])), led)
    for net in physical.design.nets:
        router.close(net)
        router.grow(net)
        router.close(net)
    for net in left:
        router.wires[net], router.vias[net] = [], []
    return Repaired(replace(physical, wires=router.wires, vias=router.vias), len(led), tuple(sorted(left)))


def _bad(router: _Router, left: set[str]) -> set[str]:
    """Nets in pieces, and of two that are too near the one with fewer pins."""
    found: set[str] = set()
    now = replace(router.physical, wires=router.wires, vias=router.vias)
    for net in now.design.nets:
        if net not in left and router.pins(net) and net_wires(now, net, router.reached[net], router.stack).unreached:
            found.add(net)
    for net in sorted(now.design.nets, key=lambda net: len(router.reached[net])):
        if net not in found and net not in left and router.conflicts(net) - found - left:
            found.add(net)
    return found


def _lead_all(router: _Router, waiting: list[str], led: set[str]) -> set[str]:
    """Lead nets until none waits; those that have no way."""
    left: set[str] = set()
    tried: set[str] = set()
    turns = TURNS * len(waiting) + 50
    while waiting:
        if router.seen > EFFORT:
            return left | set(waiting)
        net = waiting.pop(0)
        turns -= 1
        met = router.lead(net, push=False)
        if met is None and turns > 0:
            met = router.lead(net, push=True)
        if met is None and turns > 0 and net not in tried:
            # Others are out of the way later.
            tried.add(net)
            waiting.append(net)
            continue
        if met is None:
            left.add(net)
            continue
        router.space.remove(net)
        router.file(net)
        for other in sorted(met - {net}):
            router.take_up(other)
            led.add(other)
            if other not in waiting:
                waiting.append(other)
    return left
