"""Dense layers on rows however they are stacked: the Reshapes that flatten them before and part them after fall away.

A Gemm of the quantised graph works along the last axis of its input, whatever leads it; that of ONNX has two
dimensions, so tokens of (batch, tokens, features) are flattened around it.
"""

import math
from dataclasses import replace

from lithify.reference.graph import Graph, Node


def take_stacked(graph: Graph) -> Graph:
    """The graph with every Gemm that stands between two Reshapes reading and giving the tensors outside of them."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    changed: dict[str, Node | None] = {}
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if node.operator != "Gemm":
            continue
        before, after = makers.get(node.inputs[0]), readers.get(node.outputs[0], [])
        if before is None or before.operator != "Reshape" or len(after) != 1 or after[0].operator != "Reshape":
            continue
        x, rows, y = tensors[before.inputs[0]], tensors[node.inputs[0]], tensors[after[0].outputs[0]]
        stacked = (*y.shape[:-1], rows.shape[-1])
        if x.name in graph.constants or node.outputs[0] in graph.outputs or len(y.shape) not in (2, 3):
            continue
        if math.prod(stacked) != math.prod(rows.shape) or y.shape[-1] != tensors[node.outputs[0]].shape[-1]:
            continue
        if x.dtype == "int8" and x.shape == stacked:
            changed[node.name] = replace(node, inputs=(x.name, *node.inputs[1:]), outputs=(y.name,))
        elif readers[rows.name] == [node] and rows.name not in graph.outputs:
            # What is no stack before becomes one at once.
            changed[before.name] = replace(before, attributes={**before.attributes, "shape": stacked})
            changed[node.name] = replace(node, outputs=(y.name,))
            tensors[rows.name] = replace(rows, shape=stacked)
        else:
            continue
        changed[after[0].name] = None
        del tensors[node.outputs[0]]
    kept = [made for node in graph.nodes if (made := changed.get(node.name, node)) is not None]
    read = {name for node in kept for name in node.inputs} | set(graph.outputs)
    idle = {name for node in kept if node.operator == "Reshape" for name in node.outputs if name not in read}
    return replace(
        graph,
        tensors={name: tensor for name, tensor in tensors.items() if name not in idle},
        nodes=tuple(node for node in kept if node.outputs[0] not in idle),
    )
