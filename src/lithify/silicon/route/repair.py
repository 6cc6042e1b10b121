"""What the router left: nets that are broken, or nearer to others than they may be, are taken up and led again.

A shortest path on the tracks, with the true spacings, and with the layer of the stubs for wires too, which the router
does not use. Where there is no free way, the cheapest one through other nets is taken, and these are led again after.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lithify.silicon.route.lef import Box
from lithify.silicon.route.parasitics import net_wires
from lithify.silicon.route.physical import Access, Physical, Wire, stub_shapes, via_shapes
from lithify.silicon.route.space import Space
from lithify.silicon.route.stack import Stack

Node = tuple[int, int, int]
"""Layer of wires from the stubs' up, column and row of tracks."""

VIA = 1_000
"""What a via costs, nanometres of wire."""

PUSH = 10_000
"""What it costs to take up another net, nanometres of wire, and as much more for each time that it was taken up."""

PATIENCE = 20_000
"""How many places are looked at for a free way."""

AROUND = 20
"""How many tracks beyond a net's pins its wires may go."""

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

    def take_up(self, net: str) -> None:
        """Take up all wires of a net."""
        self.space.remove(net)
        self.wires[net], self.vias[net] = [], []
        self.pushed[net] = self.pushed.get(net, 0) + 1

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
        """Lead a net from pin to pin; nets that are in its way now, or None where there is no way."""
        ends: list[dict[Node, Access | None]] = []
        for access in self.pins(net):
            first = -(-access.bottom // self.pitch_y)
            ends.append(
                {(0, access.x // self.pitch_x, row): access for row in range(first, access.top // self.pitch_y + 1)}
            )
        if net in self.physical.ports:
            layer, box = self.physical.ports[net]
            column = round((box[0] + box[2]) / 2 / self.pitch_x)
            row = round((box[1] + box[3]) / 2 / self.pitch_y)
            ends.append({(self.metals.index(layer), column, row): None})
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

    def path(
        self, net: str, tree: Mapping[Node, Access | None], goals: Mapping[Node, int], push: bool
    ) -> list[Node] | None:
        """The cheapest path from a tree to one of the goals."""
        columns, rows = [node[1] for node in goals], [node[2] for node in goals]
        x0, x1, y0, y1 = min(columns), max(columns), min(rows), max(rows)

        def ahead(node: Node) -> float:
            """At least so far it is to the goals."""
            across = max(x0 - node[1], node[1] - x1, 0) * self.pitch_x
            return float(across + max(y0 - node[2], node[2] - y1, 0) * self.pitch_y)

        best: dict[Node, float] = dict.fromkeys(tree, 0.0)
        before: dict[Node, Node] = {}
        queue = [(ahead(node), 0.0, node) for node in tree]
        heapq.heapify(queue)
        left, bottom, right, top = self.window
        far = float("inf")
        seen = 0
        while queue and (push or seen < PATIENCE):
            _, price, node = heapq.heappop(queue)
            if price > best[node]:
                continue
            seen += 1
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
        """Close gaps between two wires of the net on one track that are narrower than a gap may be."""
        rows: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
        for layer, (left, bottom, right, top) in self.shapes(net):
            if self.stack.horizontal(layer):
                rows.setdefault((layer, bottom, top), []).append((left, right))
            else:
                rows.setdefault((layer, left, right), []).append((bottom, top))
        for (layer, low, high), spans in rows.items():
            spans.sort()
            end = spans[0][1]
            for begin, finish in spans[1:]:
                if 0 < begin - end < self.stack.layers[layer].spacing:
                    wide = self.stack.horizontal(layer)
                    box = (end, low, begin, high) if wide else (low, end, high, begin)
                    self.wires[net].append((layer, box))
                    self.space.add(layer, box, net, False)
                end = max(end, finish)

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


def repair(physical: Physical, reached: Mapping[str, Sequence[Access]], stack: Stack) -> Repaired:
    """Lead again what is broken or too near to other nets."""
    router = _Router(physical, reached, stack)
    bad: set[str] = set()
    for net in physical.design.nets:
        if router.pins(net) and net_wires(physical, net, reached[net], stack).unreached:
            bad.add(net)
    for net in physical.design.nets:
        if net not in bad and router.conflicts(net) - bad:
            bad.add(net)
    waiting = sorted(bad, key=lambda net: len(reached[net]))
    again = len(waiting)
    for net in waiting:
        router.take_up(net)
    left: list[str] = []
    turns = TURNS * max(1, len(waiting)) + 50
    while waiting:
        net = waiting.pop(0)
        turns -= 1
        met = router.lead(net, push=False)
        if met is None and turns > 0:
            met = router.lead(net, push=True)
        if met is None:
            left.append(net)
            continue
        for other in sorted(met - {net}):
            router.take_up(other)
            if other not in waiting:
                waiting.append(other)
                again += 1
        router.space.remove(net)
        router.file(net)
    for net in physical.design.nets:
        router.close(net)
        router.grow(net)
        router.close(net)
    for net in left:
        router.wires[net], router.vias[net] = [], []
    return Repaired(replace(physical, wires=router.wires, vias=router.vias), again, tuple(left))
