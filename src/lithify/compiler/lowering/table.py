"""Lookup: any function of one int8 tensor, by the table behind an operation."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.node import FULL, Unsupported, image_of
from lithify.compiler.lowering.streams import stream
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node


def lower_lookup(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A copy whose results go through the table."""
    if not chip.has("lookup"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit lookup")
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    if node.inputs[1] not in graph.constants:
        raise Unsupported(f"its table '{node.inputs[1]}' is no constant")
    table = np.ascontiguousarray(graph.constants[node.inputs[1]], np.int8)
    return (replace(stream(node, image_of(x), image_of(y), Sliding(), FULL), table=table),)


def changes_nothing(graph: Graph, node: Node) -> bool:
    """Whether the node is a table in which every integer stays: another scale for the same ones."""
    table = graph.constants.get(node.inputs[1]) if node.operator == "Lookup" else None
    return table is not None and bool((table == np.arange(-128, 128)).all())


def fuse_tables(
    graph: Graph, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str], absorbed: set[str]
) -> list[str]:
    """Puts each table behind the operations that make what it reads, if nothing else reads that; the fused tensors.

    absorbed: nodes whose work others do; the makers join them.
    """
    makers = {node.outputs[0]: node for node in graph.nodes}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    kept = {*graph.outputs, *aliases, *aliases.values()}
    fused = []
    for node in graph.nodes:
        if node.operator != "Lookup" or node.name not in lowered:
            continue
        name = node.inputs[0]
        maker = makers.get(name)
        if maker is None or name in kept or readers[name] != 1 or maker.name in absorbed:
            continue
        operations = lowered.get(maker.name, ())
        # The vector unit has no table for its results.
        if not operations or any(made.table is not None or made.unit == "vector" for made in operations):
            continue
        if any(made.y.name != name for made in operations):
            continue
        (own,) = lowered[node.name]
        lowered[node.name] = tuple(replace(made, y=own.y, tensor=own.tensor, table=own.table) for made in operations)
        absorbed.add(maker.name)
        fused.append(name)
    return fused
