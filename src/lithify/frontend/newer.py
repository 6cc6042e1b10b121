"""Models of operator sets that ONNX Runtime does not run yet: the same model at an older one, where nothing changed."""

from collections.abc import Iterator

import onnx
from onnx import defs

_DEFAULTS = {"SpaceToDepth": {"mode": b"DCR"}}
"""Attributes that an operator got since, and with which value it is what it was."""


def changed(proto: onnx.ModelProto, opset: int) -> str | None:
    """The first operator that is another one, or none yet, in the older set; None where all are the same.

    An operator whose description, inputs, outputs and attributes are the same has only learnt more types.
    """
    own = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    for node in _nodes(proto):
        if node.domain not in ("", "ai.onnx") or any(node.op_type == entry.name for entry in proto.functions):
            continue
        try:
            now, before = (defs.get_schema(node.op_type, version, "") for version in (own, opset))
        except defs.SchemaError:
            return str(node.op_type)
        defaults = _DEFAULTS.get(node.op_type, {})
        same = now.since_version == before.since_version or (
            (now.doc == before.doc or bool(defaults)) and _ports(now) == _ports(before)
        )
        others = [entry for entry in node.attribute if defaults.get(entry.name) != entry.s]
        if not same or any(entry.name not in before.attributes for entry in others):
            return str(node.op_type)
    return None


def relabelled(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """A copy of a model in which nothing has `changed`, of the older set."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    for imports in (made.opset_import, *(function.opset_import for function in made.functions)):
        for entry in imports:
            if entry.domain in ("", "ai.onnx"):
                entry.version = min(entry.version, opset)
    for node in _nodes(made):
        kept = [entry for entry in node.attribute if entry.name not in _DEFAULTS.get(node.op_type, {})]
        if len(kept) != len(node.attribute):
            del node.attribute[:]
            node.attribute.extend(kept)
    return made


def _ports(schema: defs.OpSchema) -> tuple[list[str], list[str]]:
    return [entry.name for entry in schema.inputs], [entry.name for entry in schema.outputs]


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of functions and of inner graphs too."""
    waiting = [*proto.graph.node, *(node for function in proto.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)
