"""Rows written into a cache in place at a position: the cache, what is written and what it becomes have one scale."""

from dataclasses import replace

import onnx_ir as ir

from lithify.optimize.positions import appended
from lithify.quantize import qdq
from lithify.quantize.unit import Target, Unit, of_scale, rescaling, tensor_of
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import make_node


def append(node: ir.Node, target: Target) -> Unit | None:
    """The unit of an Append; new rows of another scale go through a table first."""
    found = appended(node)
    if found is None or target.limited:
        return None
    cache, new = qdq.activation(found.cache), qdq.activation(found.new)
    own = qdq.parameters_of(cache) if cache is not None else None
    before = qdq.parameters_of(new) if new is not None else None
    if cache is None or new is None or own is None or before is None or not own.same(target.parameters):
        return None
    name, rows = str(node.name), tensor_of(new)
    nodes: list[Node] = []
    tensors: list[Tensor] = []
    constants = {}
    if not before.same(own):
        rescaled = of_scale(f"{name}.new", rows.shape, own)
        table = Tensor(f"{rescaled.name}.table", (256,), "int8")
        constants[table.name] = rescaling(rows, rescaled)
        nodes.append(make_node(rescaled.name, "Lookup", (rows.name, table.name), (rescaled.name,)))
        tensors += [table, rescaled]
        rows = rescaled
    inputs = (str(cache.name), rows.name, str(found.position.name))
    nodes.append(make_node(name, "Append", inputs, (target.output.name,)))
    return Unit((cache, new, found.position), tuple(nodes), (*tensors, target.output), constants)


SCATTERS = ("TensorScatter", "ScatterElements")
"""ONNX operators that may be an Append."""

_OF_POSITION = ("PositionMask", "PositionRange")


def share_positions(graph: Graph) -> Graph:
    """The graph with one mask, and one list of places, where several layers have the same of one position."""
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for node in graph.nodes:
        if node.operator in _OF_POSITION:
            key = (node.operator, *node.inputs, *sorted(node.attributes.items()))
            known = first.setdefault(key, node.outputs[0])
            if known != node.outputs[0]:
                same[node.outputs[0]] = known
    if not same:
        return graph
    nodes = [
        replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node.outputs[0] not in same
    ]
    # The one that stays must come before all that read it: it needs nothing but an input.
    nodes.sort(key=lambda node: node.operator not in _OF_POSITION)
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name not in same}
    return replace(graph, nodes=tuple(nodes), tensors=tensors)
