"""Lengths: the graph as it is for launches whose caches hold fewer rows than they could.

Behind the position a masked softmax is exactly 0, and what is multiplied with it adds nothing. So scores, shares and
the rows of a cache that they are multiplied with can end where the longest wanted position does, and every value that
is left has the bits that it has in the whole graph. From node to node this follows which dimension is the one of the
cache's rows; a node for which that is not known keeps the program at its whole length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from lithify.errors import LithifyError
from lithify.isa.program import Cache
from lithify.reference.graph import Graph, Node, Tensor

MOST_LENGTHS = 4
"""Lengths of a program unless others are asked for, each half of the next."""
SHORTEST = 8
"""Rows of the shortest of these at least."""


class WholeLength(Exception):
    """Why a graph cannot be cut to fewer rows, in words that follow "because"."""


@dataclass(frozen=True)
class Shortened:
    """graph: for launches with at most `rows` rows. originals: its tensors that are shorter, by their names, and those
    that they are the first elements of.
    """

    rows: int
    graph: Graph
    originals: Mapping[str, str]


def wanted_lengths(cache: Cache, given: Sequence[int] | None = None) -> tuple[int, ...]:
    """The lengths that a program has beside its whole one, the shortest first: those given, or a half, a quarter and an
    eighth, as far as new rows fit. Raises LithifyError for one that is none.
    """
    if given is None:
        halves = [cache.rows >> times for times in range(1, MOST_LENGTHS)]
        return tuple(sorted(length for length in halves if length >= max(SHORTEST, 2 * cache.added)))
    for length in given:
        if not cache.added <= length < cache.rows:
            raise LithifyError(
                f"A length of {length} rows was asked for, and the caches have {cache.rows}, of which a run adds "
                f"{cache.added}; give lengths from {cache.added} to {cache.rows - 1}."
            )
    return tuple(sorted(set(given)))


def shortened(graph: Graph, rows: int) -> Shortened:
    """The graph for caches of `rows` rows. Raises WholeLength."""
    cutter = _Cutter(graph, rows)
    for node in graph.nodes:
        cutter.visit(node)
    return cutter.made()


class _Cutter:
    """axes: of the tensors that are shorter, the dimension that is. zero: those of which only zeros are cut off."""

    def __init__(self, graph: Graph, rows: int) -> None:
        self.graph, self.rows = graph, rows
        self.axes: dict[str, int] = {}
        self.zero: set[str] = set()
        self.nodes: list[Node] = []

    def visit(self, node: Node) -> None:
        """Notes what of a node's results is shorter."""
        if node.operator == "Append":
            if node.inputs[1] in self.axes:
                raise WholeLength(f"'{node.name}' adds rows that are made of all rows of a cache")
            self.axes[node.inputs[0]] = self.axes[node.outputs[0]] = 1
        elif node.operator == "PositionMask":
            self.axes[node.outputs[0]] = 1
            node = replace(node, attributes={**node.attributes, "columns": self.rows})
        elif any(name in self.axes for name in node.inputs):
            rule = _RULES.get(node.operator)
            axis = rule(self, node) if rule is not None else None
            if rule is None:
                raise WholeLength(
                    f"'{node.name}' ({node.operator}) reads rows of a cache in another way than attention"
                )
            if axis is not None:
                self.axes[node.outputs[0]] = axis
                if node.operator == "Reshape":
                    node = replace(node, attributes={**node.attributes, "shape": self.shape(node.outputs[0])})
        self.nodes.append(node)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, shorter where it is."""
        shape, axis = self.graph.tensors[name].shape, self.axes.get(name)
        return shape if axis is None else (*shape[:axis], self.rows, *shape[axis + 1 :])

    def made(self) -> Shortened:
        """The whole of it."""
        caches = {
            name for node in self.graph.nodes if node.operator == "Append" for name in (node.inputs[0], node.outputs[0])
        }
        longer = [name for name in self.graph.outputs if name in self.axes and name not in caches]
        if longer or any(name in self.graph.constants for name in self.axes):
            raise WholeLength(
                f"'{longer[0]}' has a number for every row of a cache" if longer else "rows are constants"
            )
        names = {name: f"{name} ({self.rows} rows)" for name in self.axes}

        def named(given: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names.get(name, name) for name in given)

        tensors: dict[str, Tensor] = {}
        for name, tensor in self.graph.tensors.items():
            tensors[names.get(name, name)] = replace(tensor, name=names.get(name, name), shape=self.shape(name))
        nodes = tuple(replace(node, inputs=named(node.inputs), outputs=named(node.outputs)) for node in self.nodes)
        graph = replace(
            self.graph,
            inputs=named(self.graph.inputs),
            outputs=named(self.graph.outputs),
            tensors=tensors,
            nodes=nodes,
        )
        return Shortened(self.rows, graph, {made: name for name, made in names.items()})

    # Rules: the dimension of the result that is shorter, None where none is.

    def alike(self, node: Node) -> int:
        """One tensor, element by element; others are constants of no dimension or tables."""
        if any(name in self.axes for name in node.inputs[1:]):
            raise WholeLength(f"'{node.name}' ({node.operator}) reads rows of several caches together")
        self._keeps_zeros(node)
        return self.axes[node.inputs[0]]

    def reshaped(self, node: Node) -> int:
        """The dimension with as many elements before it."""
        before, axis = self.graph.tensors[node.inputs[0]].shape, self.axes[node.inputs[0]]
        after = self.graph.tensors[node.outputs[0]].shape
        places = [place for place in range(len(after)) if prod(after[:place]) == prod(before[:axis])]
        found = [place for place in places if after[place] == before[axis]]
        if not found:
            raise WholeLength(f"'{node.name}' ({node.operator}) cuts the rows of a cache")
        self._keeps_zeros(node)
        return found[-1]

    def transposed(self, node: Node) -> int:
        self._keeps_zeros(node)
        return int(node.attributes["perm"].index(self.axes[node.inputs[0]]))

    def together(self, node: Node) -> int:
        """Several tensors element by element, aligned at their last dimensions."""
        rank = len(self.graph.tensors[node.outputs[0]].shape)
        axes = {
            rank - len(self.graph.tensors[name].shape) + self.axes[name] for name in node.inputs if name in self.axes
        }
        if len(axes) > 1:
            raise WholeLength(f"'{node.name}' ({node.operator}) reads rows of caches in several directions")
        (axis,) = axes
        for name in node.inputs:
            shape = self.graph.tensors[name].shape
            place = axis - (rank - len(shape))
            if name not in self.axes and place >= 0 and shape[place] != 1:
                raise WholeLength(f"'{node.name}' ({node.operator}) adds a number of its own to every row of a cache")
        return axis

    def masked(self, node: Node) -> int:
        """Behind the mask all is 0."""
        x, mask = node.inputs
        last = len(self.graph.tensors[x].shape) - 1
        if self.axes.get(x) != last or self.axes.get(mask) != 1:
            raise WholeLength(f"'{node.name}' ({node.operator}) has a mask that is not the position's")
        self.zero.add(node.outputs[0])
        return last

    def product(self, node: Node) -> int | None:
        """Rows of the first operand or of the second, or a sum of which only zeros are left out."""
        a, b = node.inputs[:2]
        ranks = [len(self.graph.tensors[name].shape) for name in (a, b)]
        of_a, of_b = (
            self.axes[name] - rank if name in self.axes else None for name, rank in zip((a, b), ranks, strict=True)
        )
        rank = len(self.graph.tensors[node.outputs[0]].shape)
        if (of_a, of_b) == (-1, -1) and self.zero & {a, b}:
            return None
        if (of_a, of_b) == (-2, None):
            return rank - 2
        if (of_a, of_b) == (None, -2):
            return rank - 1
        raise WholeLength(f"'{node.name}' ({node.operator}) sums over rows of a cache that no mask makes 0")

    def _keeps_zeros(self, node: Node) -> None:
        if node.inputs[0] in self.zero and node.operator in ("Reshape", "Transpose", "Expand"):
            self.zero.add(node.outputs[0])


_RULES = {
    **dict.fromkeys(("Lookup", "Clip"), _Cutter.alike),
    "Reshape": _Cutter.reshaped,
    "Transpose": _Cutter.transposed,
    **dict.fromkeys(("Add", "Sub", "Mul", "Elementwise"), _Cutter.together),
    "MaskedSoftmax": _Cutter.masked,
    "MatMul": _Cutter.product,
}
