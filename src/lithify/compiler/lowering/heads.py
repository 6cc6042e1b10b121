"""Heads: matrices of a product that are slices of other tensors, read and written where they lie.

Attention makes heads of the channels of all tokens by Reshape and Transpose, and tokens of the heads' results in the
same way. Where a matrix is found in the image before these nodes with its rows in regular steps and its channels one
behind the other, nothing moves. The reference, moving the numbers of places, says where that is so.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.matmul import Slices, multiply, slices, whole
from lithify.compiler.lowering.moved import chain_places
from lithify.compiler.lowering.node import Unsupported, check_fields, image_of
from lithify.compiler.lowering.table import changes_nothing
from lithify.compiler.lowering.turned import lower_turned
from lithify.compiler.operation import Operation
from lithify.reference.graph import Graph, Node

MOVES = ("Reshape", "Transpose", "Slice", "Expand")
"""What an operand is looked for behind, beside a table that changes no integer."""
BACK = ("Reshape", "Transpose")
"""What a result is looked for behind: every value goes to one place."""


@dataclass
class Heads:
    """fused: tensors that no memory holds. absorbed: nodes whose work others do."""

    fused: list[str] = field(default_factory=list)
    absorbed: set[str] = field(default_factory=set)


def take_heads(graph: Graph, chip: Chip, lowered: dict[str, tuple[Operation, ...]]) -> Heads:
    """Lowers products over slices, and drops the nodes that made them; a product that writes slices is lowered under
    the name of the last node behind it.
    """
    heads = Heads()
    makers = {name: node for node in graph.nodes for name in node.outputs}
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    taken: dict[str, tuple[Slices, Slices]] = {}
    turned: dict[str, str] = {}
    for node in graph.nodes:
        if node.operator != "MatMul" or node.name not in lowered:
            continue
        count = len(lowered[node.name])
        first = _operand(graph, node.inputs[0], makers, count, chip.word_bytes)
        second = _operand(graph, node.inputs[1], makers, count, 1)
        with suppress(Unsupported):
            y = graph.tensors[node.outputs[0]]
            operations = multiply(graph, node, chip, first, second, whole(y, count))
            for operation in operations:
                check_fields(operation, chip)
            lowered[node.name] = operations
            taken[node.name] = first, second
            if second.image.name == node.inputs[1]:
                turned |= _turn(graph, chip, node.inputs[1], makers, lowered)
    _drop(graph, lowered, heads, taken, readers, turned)
    for node in graph.nodes:
        if node.name in taken:
            _write_behind(graph, chip, node, taken[node.name], readers, lowered, heads)
    return heads


def _operand(graph: Graph, name: str, makers: dict[str, Node], count: int, word: int) -> Slices:
    """Where an operand's matrices lie: before as many of the nodes that move it as can be. word: channels of a word, at
    which they must begin.
    """
    chain = _chain(graph, name, makers)
    for begin in range(len(chain)):
        part = tuple(chain[begin:])
        tensor = graph.tensors[part[0].inputs[0]]
        image = image_of(tensor)
        # An image on the way, whose channels come first, would have to be made.
        if (image.height != 1 and word > 1) or (begin and len(tensor.shape) == 4):
            continue
        moving = tuple(node for node in part if node.operator != "Lookup")
        if not moving:
            return whole(tensor, count)
        found = slices(chain_places(graph, moving), image.channels, count, word)
        if found is not None:
            return Slices(image, *found)
    return whole(graph.tensors[name], count)


def _chain(graph: Graph, name: str, makers: dict[str, Node]) -> list[Node]:
    """The nodes that move what a tensor is made from, all of them."""
    chain: list[Node] = []
    while name in makers and _moves(graph, makers[name]):
        chain.insert(0, makers[name])
        name = makers[name].inputs[0]
    return chain


def _turn(
    graph: Graph, chip: Chip, name: str, makers: dict[str, Node], lowered: dict[str, tuple[Operation, ...]]
) -> dict[str, str]:
    """Lowers the nodes that turn the matrices of an operand over, under the name of the last; that name, and the tensor
    that they are turned from.
    """
    chain = _chain(graph, name, makers)
    for begin in range(len(chain) if chain and chain[-1].operator != "Lookup" else 0):
        part = tuple(node for node in chain[begin:] if node.operator != "Lookup")
        source = chain[begin].inputs[0]
        if begin and len(graph.tensors[source].shape) == 4:
            continue
        with suppress(Unsupported):
            operations = lower_turned(graph, part, chip, source)
            if operations is not None:
                lowered[chain[-1].name] = operations
                return {chain[-1].name: source}
    return {}


def _moves(graph: Graph, node: Node) -> bool:
    return (node.operator in MOVES and len(node.outputs) == 1) or changes_nothing(graph, node)


def _drop(
    graph: Graph,
    lowered: dict[str, tuple[Operation, ...]],
    heads: Heads,
    taken: dict[str, tuple[Slices, Slices]],
    readers: dict[str, list[Node]],
    turned: dict[str, str],
) -> None:
    """Drops nodes that only products over slices would have read. turned: see `_turn`."""

    sources_of_all = {*turned.values()} | {part.image.name for operands in taken.values() for part in operands}

    def needed(name: str) -> bool:
        if name in sources_of_all:
            return True
        for reader in readers.get(name, []):
            if reader.name not in heads.absorbed and reader.name not in taken and reader.name not in turned:
                return True
        return name in graph.outputs or name not in readers

    for node in reversed(graph.nodes):
        if _moves(graph, node) and not needed(node.outputs[0]):
            heads.absorbed.add(node.name)
            heads.fused.append(node.outputs[0])
            lowered.pop(node.name, None)


def _write_behind(
    graph: Graph,
    chip: Chip,
    node: Node,
    operands: tuple[Slices, Slices],
    readers: dict[str, list[Node]],
    lowered: dict[str, tuple[Operation, ...]],
    heads: Heads,
) -> None:
    """Lets a product write into the last tensor behind it whose image holds its matrices as slices of whole words."""
    y, count, word = graph.tensors[node.outputs[0]], len(lowered[node.name]), chip.word_bytes
    for chain in _chains_behind(graph, node.outputs[0], readers, heads):
        target = image_of(graph.tensors[chain[-1].outputs[0]])
        if target.height != 1:
            continue
        # Where the values of y go: the inverse of where those of the last tensor come from.
        moved = chain_places(graph, chain)
        places = np.empty(moved.size, np.int64)
        places[moved.reshape(-1)] = np.arange(moved.size)
        found = slices(places.reshape(y.shape), target.channels, count, word)
        outputs = y.shape[-1]
        if found is None or (outputs % word and any(begin + outputs < target.channels for _, begin in found[1])):
            continue
        if found[1] == whole(y, count).starts and target.channels == outputs:
            continue  # another shape of the same image
        with suppress(Unsupported):
            operations = multiply(graph, node, chip, *operands, Slices(target, *found))
            for operation in operations:
                check_fields(operation, chip)
            del lowered[node.name]
            lowered[chain[-1].name] = operations
            heads.absorbed.update(other.name for other in (node, *chain[:-1]))
            heads.fused += [other.outputs[0] for other in (node, *chain[:-1])]
            return


def _chains_behind(graph: Graph, name: str, readers: dict[str, list[Node]], heads: Heads) -> Iterator[tuple[Node, ...]]:
    """The nodes that alone move what a product makes, the longest chain first."""
    chain: list[Node] = []
    while len(readers.get(name, [])) == 1 and name not in graph.outputs:
        (reader,) = readers[name]
        if reader.operator not in BACK or reader.name in heads.absorbed:
            break
        chain.append(reader)
        (name,) = reader.outputs
    for length in range(len(chain), 0, -1):
        yield tuple(chain[:length])
