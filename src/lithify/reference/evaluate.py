"""Runs a quantised graph node by node by the definitions: the values every simulator and every chip must equal."""

from collections.abc import Mapping

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.check import check
from lithify.reference.definition import Array, Operand
from lithify.reference.graph import Graph, Node, Tensor, fits
from lithify.reference.operators import operator_of


def run(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor of the graph by name: the inputs, the constants and what each node makes, in that order.

    inputs: one array for each of `graph.inputs`, of exactly its tensor's shape and dtype.
    Raises LithifyError if the graph is not well formed or an input does not fit.
    """
    check(graph)
    values = {name: _input(graph.tensors[name], inputs) for name in graph.inputs}
    surplus = sorted(set(inputs) - set(graph.inputs))
    if surplus:
        raise LithifyError(f"The graph has no input '{surplus[0]}'; its inputs are: {', '.join(graph.inputs)}.")
    values.update(graph.constants)
    for node in graph.nodes:
        values.update(evaluate(graph, node, values))
    return values


def evaluate(graph: Graph, node: Node, values: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of one node of a checked graph by name, from the values of its inputs."""
    operands = tuple(Operand(graph.tensors[name], values[name]) if name else None for name in node.inputs)
    outputs = tuple(graph.tensors[name] for name in node.outputs)
    results = operator_of(node.name, node.operator).meaning(node, operands, outputs)
    for tensor, result in zip(outputs, results, strict=True):
        if not fits(result.shape, tensor.shape) or result.dtype.name != tensor.dtype:
            raise LithifyError(
                f"Node '{node.name}' ({node.operator}) made '{tensor.name}' as {result.dtype.name} of shape "
                f"{result.shape}; its tensor says {tensor.dtype} of shape {tensor.shape}."
            )
    return {tensor.name: result for tensor, result in zip(outputs, results, strict=True)}


def _input(tensor: Tensor, inputs: Mapping[str, Array]) -> Array:
    if tensor.name not in inputs:
        given = ", ".join(inputs) or "none"
        raise LithifyError(f"Input '{tensor.name}' is missing; the inputs given are: {given}.")
    data = np.asarray(inputs[tensor.name])
    if data.shape != tensor.shape or data.dtype.name != tensor.dtype:
        raise LithifyError(
            f"Input '{tensor.name}' was given as {data.dtype.name} of shape {data.shape}; "
            f"it must be {tensor.dtype} of shape {tensor.shape}."
        )
    return data
