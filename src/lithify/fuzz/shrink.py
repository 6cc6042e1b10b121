"""A failing model made as small as it fails: fewer outputs, fewer nodes before, fewer behind."""

from collections.abc import Callable, Iterator

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from lithify.optimize.values import shape_of


def shrink(model: ir.Model, fails: Callable[[ir.Model], bool]) -> ir.Model:
    """The smallest model found, from which no single cut leaves one that fails."""
    found = True
    while found:
        found = False
        for smaller in _cuts(model):
            if fails(smaller):
                model, found = smaller, True
                break
    return model


def _cuts(model: ir.Model) -> Iterator[ir.Model]:
    """Models with less in them, the smallest first."""
    count = len(list(model.graph))
    for index in range(count - 1):  # nothing behind this node
        for place in range(len(model.graph[index].outputs)):
            cut = model.clone()
            value = cut.graph[index].outputs[place]
            cut.graph.outputs.clear()
            cut.graph.outputs.append(value)
            yield _swept(cut)
    if len(model.graph.outputs) > 1:
        for index in range(len(model.graph.outputs)):
            cut = model.clone()
            kept = cut.graph.outputs[index]
            cut.graph.outputs.clear()
            cut.graph.outputs.append(kept)
            yield _swept(cut)
    for index in reversed(range(count)):  # nothing before what this node makes
        cut = model.clone()
        node = cut.graph[index]
        used = [value for value in node.outputs if value.uses()]
        if len(used) != 1 or used[0].is_graph_output():
            continue
        fresh = ir.Value(name=f"{used[0].name}_given", shape=used[0].shape, type=used[0].type)
        used[0].replace_all_uses_with(fresh)
        cut.graph.inputs.append(fresh)
        yield _swept(cut)
    for index in range(count):  # without this node, where it changes no shape
        cut = model.clone()
        node = cut.graph[index]
        x, y = node.inputs[0], node.outputs[0]
        if x is None or shape_of(x) != shape_of(y) or y.is_graph_output():
            continue
        y.replace_all_uses_with(x)
        yield _swept(cut)


def _swept(model: ir.Model) -> ir.Model:
    """Without what no output needs."""
    RemoveUnusedNodesPass()(model)
    for value in [value for value in model.graph.inputs if not value.uses() and not value.is_graph_output()]:
        if len(model.graph.inputs) > 1:
            model.graph.inputs.remove(value)
    return model
