"""Chains of Reshape and Transpose, as they shuffle channels or turn images into matrices: one movement, or none.

A shape on the way need be no image. A product behind a chain takes its weights in the order of what the chain reads, so
that nothing moves at all.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.moved import chain_places, lower_chain
from lithify.compiler.lowering.node import Unsupported, check_fields, image_of
from lithify.compiler.lowering.products import over_image
from lithify.compiler.lowering.turned import lower_turned
from lithify.compiler.operation import Operation
from lithify.reference.graph import Graph, Node

MOVERS = ("Reshape", "Transpose")

Chain = tuple[Node, ...]


def join_chains(
    graph: Graph, chip: Chip, lowered: dict[str, tuple[Operation, ...]], reasons: dict[str, str], taken: set[str]
) -> tuple[list[str], set[str]]:
    """Lowers every chain that holds a Transpose under the name of its last node, or joins it to the product behind it.

    reasons: gets why a Transpose cannot be lowered. taken: nodes whose work others do already. Returns tensors within
    chains, which no memory holds, and nodes whose work others do.
    """
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    fused: list[str] = []
    absorbed: set[str] = set()
    for node in graph.nodes:
        if node.operator != "Transpose" or node.name in absorbed | taken or node.name in lowered:
            continue
        chain, place = _around(graph, node, readers, {*lowered, *taken})
        turned, parts = _turned(graph, chip, chain, tuple(_parts(chain, place)))
        for part in parts:
            product = _product(graph, part, readers, lowered)
            try:
                if turned is not None and product is None:
                    operations, inner = turned, part[:-1]
                elif product is not None:
                    lowered[product.name] = (_permuted(graph, part, lowered[product.name][0]),)
                    inner = part
                else:
                    operations = lower_chain(graph, part, chip)
                    for operation in operations:
                        check_fields(operation, chip)
                    inner = part[:-1]
            except Unsupported as unsupported:
                reasons[node.name] = str(unsupported)
                continue
            for other in part:
                reasons.pop(other.name, None)
            if product is None:
                lowered[part[-1].name] = operations
            absorbed.update(other.name for other in inner)
            fused += [other.outputs[0] for other in inner]
            break
    return fused, absorbed


def _around(graph: Graph, node: Node, readers: dict[str, list[Node]], taken: set[str]) -> tuple[Chain, int]:
    """The longest chain around a node, and the node's place in it: nothing else reads what lies within.

    taken: nodes that are no part of a chain any more.
    """
    free = [other for other in graph.nodes if other.operator in MOVERS and other.name not in taken]
    makers = {other.outputs[0]: other for other in free}
    chain, place = [node], 0
    while (before := makers.get(chain[0].inputs[0])) and _only(graph, before.outputs[0], readers):
        chain.insert(0, before)
        place += 1
    while _only(graph, chain[-1].outputs[0], readers):
        (behind,) = readers[chain[-1].outputs[0]]
        if behind.operator not in MOVERS or behind.name in taken:
            break
        chain.append(behind)
    return tuple(chain), place


def _turned(
    graph: Graph, chip: Chip, chain: Chain, parts: tuple[Chain, ...]
) -> tuple[tuple[Operation, ...] | None, tuple[Chain, ...]]:
    """The operations of the longest part that turns matrices over, and that part alone; or None and all parts."""
    for part in parts:
        # An image on the way, whose channels come first, would have to be made.
        if part[0] is not chain[0] and len(graph.tensors[part[0].inputs[0]].shape) == 4:
            continue
        with suppress(Unsupported):
            operations = lower_turned(graph, part, chip)
            if operations is not None:
                return operations, (part,)
    return None, parts


def _only(graph: Graph, name: str, readers: dict[str, list[Node]]) -> bool:
    return len(readers.get(name, [])) == 1 and name not in graph.outputs


def _parts(chain: Chain, place: int) -> Iterator[Chain]:
    """The chain and its parts that hold the node at `place`, long ones first."""
    for length in range(len(chain), 0, -1):
        for first in range(max(0, place - length + 1), min(place, len(chain) - length) + 1):
            yield chain[first : first + length]


def _product(
    graph: Graph, chain: Chain, readers: dict[str, list[Node]], lowered: dict[str, tuple[Operation, ...]]
) -> Node | None:
    """The Gemm over one row that alone reads what the chain makes."""
    name = chain[-1].outputs[0]
    if not _only(graph, name, readers):
        return None
    (reader,) = readers[name]
    image = image_of(graph.tensors[name])
    fits = reader.operator == "Gemm" and reader.name in lowered and (image.height, image.width) == (1, 1)
    return reader if fits and reader.inputs[0] == name else None


def _permuted(graph: Graph, chain: Chain, gemm: Operation) -> Operation:
    """The product over the whole image that the chain reads, its weights in the order of that."""
    source = image_of(graph.tensors[chain[0].inputs[0]])
    assert gemm.parameters is not None
    weights = gemm.parameters.weights.reshape(gemm.y.channels, -1)
    ordered = np.zeros_like(weights)
    # Where the product's value k lies in the source, row-major in rows, columns, channels.
    ordered[:, chain_places(graph, chain).reshape(-1)] = weights
    return over_image(gemm, source, ordered)


def move_reshapes(
    graph: Graph, chip: Chip, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str], joined: set[str]
) -> None:
    """Lowers what is left of Reshape between operations of the chip: values that change their places."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    for node in graph.nodes:
        (name, *_), source = node.outputs, aliases.get(node.inputs[0], node.inputs[0]) if node.inputs else ""
        if node.operator != "Reshape" or node.name in joined or node.name in lowered or name in aliases:
            continue
        between = source in makers and makers[source].name in lowered
        read = any(name in operation.sources for operations in lowered.values() for operation in operations)
        if not between or not read:
            continue
        with suppress(Unsupported):
            turned = lower_turned(graph, (node,), chip, source)
            operations = lower_chain(graph, (node,), chip) if turned is None else turned
            for operation in operations:
                check_fields(operation, chip)
            lowered[node.name] = operations
