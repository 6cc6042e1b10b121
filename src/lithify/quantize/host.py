"""Float work for the host: neighbouring nodes that the chip has no unit for, as one ONNX model that the host runs."""

from collections.abc import Iterable, Sequence

import onnx
import onnx_ir as ir
from onnx_ir.analysis import analyze_implicit_usage

from lithify.errors import LithifyError
from lithify.frontend.external import in_memory

NEWEST_IR = 13
LARGEST = 2**31 - 2**24
"""Bytes of weights in one host model: protobuf ends at 2 GiB."""


def reads(node: ir.Node) -> tuple[ir.Value, ...]:
    """Every value that the node needs, those used only inside its If and Loop bodies included, each once."""
    direct = [value for value in node.inputs if value is not None]
    inner = _inner_graphs(node)
    if inner:
        assert node.graph is not None
        captured = analyze_implicit_usage(node.graph)
        inside = set(inner)
        for graph, values in captured.items():
            if graph in inside:
                direct += [value for value in values if value.graph not in inside]
    return tuple(dict.fromkeys(direct))


def only_constants(node: ir.Node) -> bool:
    """Whether the node computes from constants alone, so that every user may have its own copy of it."""
    waiting, seen = [node], {node}  # not recursive: a network may be deeper than Python's stack
    while waiting:
        for value in reads(waiting.pop()):
            maker = value.producer()
            if value.is_graph_input() or (value.const_value is None and maker is None):
                return False
            if value.const_value is None and maker is not None and maker not in seen:
                seen.add(maker)
                waiting.append(maker)
    return True


def with_constant_makers(nodes: Sequence[ir.Node]) -> tuple[ir.Node, ...]:
    """The nodes in execution order, with those that make their constants (weights kept as int8, for example)."""
    found = dict.fromkeys(nodes)
    waiting = list(nodes)
    while waiting:
        for value in reads(waiting.pop()):
            maker = value.producer()
            if maker is not None and maker not in found and only_constants(maker):
                found[maker] = None
                waiting.append(maker)
    graph = nodes[0].graph
    assert graph is not None
    return tuple(node for node in graph if node in found)


def boundary(nodes: Sequence[ir.Node], kept: Iterable[ir.Value]) -> tuple[tuple[ir.Value, ...], tuple[ir.Value, ...]]:
    """What a group of nodes reads from outside, constants excepted, and what of it is used outside.

    kept: values that are wanted whoever uses them: the model's outputs and what other nodes read.
    """
    inside = set(nodes)
    inputs = dict.fromkeys(
        value
        for node in nodes
        for value in reads(node)
        if value.const_value is None and (value.producer() is None or value.producer() not in inside)
    )
    wanted = set(kept)
    outputs = [value for node in nodes for value in node.outputs if value in wanted]
    return tuple(inputs), tuple(outputs)


def model_of(
    nodes: Sequence[ir.Node], inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], model: ir.Model
) -> bytes:
    """A serialised ModelProto of these nodes of `model`; its inputs and outputs keep their names.

    Raises LithifyError for more weights than one such message can hold.
    """
    constants = dict.fromkeys(
        value
        for node in nodes
        for value in reads(node)
        if value.const_value is not None and value.producer() is None and value not in inputs
    )
    size = sum(value.const_value.nbytes for value in constants if value.const_value is not None)
    if size > LARGEST:
        raise LithifyError(
            f"The host would run '{nodes[-1].name}' with {size / 1e9:.1f} GB of weights, and one host model can hold "
            f"{LARGEST / 1e9:.1f} GB. Quantise the layer, or split its weights over several."
        )
    graph = onnx.GraphProto(name=str(nodes[0].name))
    graph.node.extend(ir.serde.serialize_node(node) for node in nodes)
    graph.input.extend(ir.serde.serialize_value(value) for value in inputs)
    graph.output.extend(ir.serde.serialize_value(value) for value in outputs)
    for value in constants:
        assert value.const_value is not None
        tensor = ir.serde.serialize_tensor(in_memory(value.const_value))
        tensor.name = str(value.name)
        graph.initializer.append(tensor)
    opsets = [onnx.OperatorSetIdProto(domain=name, version=version) for name, version in model.opset_imports.items()]
    proto = onnx.ModelProto(ir_version=min(model.ir_version, NEWEST_IR), graph=graph, opset_import=opsets)
    return bytes(proto.SerializeToString(deterministic=True))


def _inner_graphs(node: ir.Node) -> tuple[ir.Graph, ...]:
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found.extend(attribute.as_graphs())
    for graph in tuple(found):
        for inner in graph:
            found.extend(_inner_graphs(inner))
    return tuple(found)
