"""Append: new rows of a cache, copied to where the cache lies in DRAM, from the row on that a launch says."""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.node import Unsupported, image_of
from lithify.compiler.operation import Landing, Operation, Sliding
from lithify.reference.graph import Graph, Node


def lower_append(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A copy that lands on the first rows of the cache; its stores go to others (`segment.py`)."""
    cache, new, _ = node.inputs
    if cache not in graph.inputs or node.outputs[0] not in graph.outputs:
        raise Unsupported(f"'{cache}' is no state that '{node.outputs[0]}' becomes; quantise the network with state=")
    source, target = image_of(graph.tensors[new]), image_of(graph.tensors[node.outputs[0]])
    same = np.arange(source.channels)
    region = Rectangle(0, 0, 1, source.width)
    copy = gathered(node, chip, source, target, same, Sliding(), 0, region)
    landing = Landing((0, 0), (1, 1), 0, source.channels)
    return (replace(copy, landing=landing, append=cache, tensor=new),)
