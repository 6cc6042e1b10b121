"""Gather: rows of a table in DRAM that indices choose, copied by a stream that loads them through a list."""

import math
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lowering.node import FULL, Unsupported, image_of
from lithify.compiler.lowering.streams import copied
from lithify.compiler.operation import Gather, Operation
from lithify.reference.graph import Graph, Node


def lower_gather(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A copy of rows that are loaded by their indices."""
    if not chip.has("gather"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit gather")
    table, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    axis = node.attributes["axis"]
    if table.dtype != "int8":
        raise Unsupported(f"its table '{table.name}' is {table.dtype}")
    if math.prod(table.shape[:axis]) != 1:
        raise Unsupported(f"it gathers along dimension {axis} of {table.shape}, and rows lie along the first alone")
    if axis == len(table.shape) - 1:
        raise Unsupported(f"it gathers single numbers of '{table.name}', and the chip whole rows")
    if 4 in (len(table.shape), len(y.shape)):
        raise Unsupported("it gathers images, whose channels the chip has last")
    entry = table.shape[axis + 1 :]
    target = image_of(y)
    rows = Image(f"{table.name} (rows for {node.name})", target.height, target.width, target.channels)
    gather = Gather(table.name, node.inputs[1], math.prod(entry[:-1]), table.shape[axis])
    return (replace(copied(node, chip, rows, target, y.zero_point, FULL), gather=gather),)
