"""Fold: nodes that read only constants are computed now, by the reference."""

from lithify.reference.evaluate import evaluate
from lithify.reference.graph import Graph


def fold_constants(graph: Graph) -> Graph:
    """The graph without nodes whose results never change; outputs of the network stay nodes."""
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        known = all(name in constants for name in node.inputs if name)
        if known and not set(node.outputs) & set(graph.outputs):
            constants.update(evaluate(graph, node, constants))
        else:
            nodes.append(node)
    return Graph(graph.name, graph.inputs, graph.outputs, graph.tensors, constants, tuple(nodes))
