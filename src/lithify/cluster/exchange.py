"""What goes from chip to chip between two parts of a network, and what that takes of links and memories."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from lithify.cluster.description import Cluster
from lithify.cluster.layout import Layout, Region
from lithify.cluster.schedule import HOST, Step
from lithify.reference.graph import Tensor


@dataclass(frozen=True)
class Move:
    """A region of the whole tensor, from chip `source` to chip `target`; where they are the same, within its memory."""

    source: int
    target: int
    region: Region
    bytes: int


@dataclass(frozen=True)
class Exchange:
    """A tensor that was made in one layout and is read in another. To WHOLE it is an all-gather; from one axis to
    another, every chip sends each other one a piece.
    """

    tensor: Tensor
    before: Layout
    after: Layout
    chips: int

    @property
    def moves(self) -> tuple[Move, ...]:
        """From chip to chip, sources in order; a chip that has what it needs takes it from itself."""
        width = np.dtype(self.tensor.dtype).itemsize
        found = []
        for target in range(self.chips):
            wanted = self.after.region(self.tensor.shape, target)
            for source in (target,) if self.before.whole else range(self.chips):
                both = _common(wanted, self.before.region(self.tensor.shape, source))
                if both is not None:
                    found.append(Move(source, target, both, prod(end - first for first, end in both) * width))
        return tuple(sorted(found, key=lambda move: (move.source, move.target)))


def bytes_of_tensor(tensor: Tensor) -> int:
    """As it lies in memory, element behind element."""
    return prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


def _common(a: Region, b: Region) -> Region | None:
    both = tuple((max(x[0], y[0]), min(x[1], y[1])) for x, y in zip(a, b, strict=True))
    return both if all(first < end for first, end in both) else None


def exchange_steps(exchanges: Sequence[Exchange], cluster: Cluster) -> tuple[Step, ...]:
    """What the exchanges before a part take, all at once: of each chip's memory, at its DRAM's rate, reading what it
    sends and writing what it gets (what stays on a chip is read and written); of each link, one way, its bytes. What
    several chips need of one goes over each link once. Empty where nothing moves.
    """
    chips = max((exchange.chips for exchange in exchanges), default=0)
    memory = [0] * chips
    links: dict[str, int] = defaultdict(int)
    hops = 0
    for exchange in exchanges:
        targets: dict[tuple[int, Region, int], list[int]] = defaultdict(list)
        for move in exchange.moves:
            memory[move.target] += move.bytes
            targets[move.source, move.region, move.bytes].append(move.target)
        for (source, _, size), places in targets.items():
            memory[source] += size
            routes = [tuple(_route(source, place, chips, cluster)) for place in places if place != source]
            for link in {link for route in routes for link in route}:
                links[link] += size
            hops = max([hops, *map(len, routes)])
            if cluster.topology == "host" and routes:
                links[HOST] += size * (1 + len(routes))
    if not any(memory):
        return ()
    rate = cluster.described.dram_bytes_per_cycle
    steps = [Step(f"chip {chip}", -(-size // rate)) for chip, size in enumerate(memory)]
    for link, size in sorted(links.items()):
        if link == HOST:
            steps.append(Step(HOST, -(-size // cluster.host_bytes_per_cycle), 2 * cluster.host_latency))
        else:
            steps.append(Step(link, -(-size // cluster.link_bytes_per_cycle), hops * cluster.link_latency))
    return tuple(steps)


def _route(source: int, target: int, chips: int, cluster: Cluster) -> Iterator[str]:
    """The links from one chip to another: along a line, or the shorter way round a ring."""
    if cluster.topology == "host":
        return
    if cluster.topology == "all":
        yield f"link {source} to {target}"
        return
    step = 1 if (target - source) % chips <= (source - target) % chips else -1
    if cluster.topology == "line":
        step = 1 if target > source else -1
    while source != target:
        following = (source + step) % chips
        yield f"link {source} to {following}"
        source = following
