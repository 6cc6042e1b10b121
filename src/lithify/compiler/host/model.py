"""Host models: exact ONNX models of quantised nodes that the chip cannot run, and of float nodes as they came."""

from collections.abc import Mapping
from types import MappingProxyType

import onnx
from onnx import helper, numpy_helper

from lithify.compiler.host.builder import IR_VERSION, OPSET, Builder, Rule
from lithify.compiler.host.layers import LAYER_RULES
from lithify.compiler.host.movement import MOVEMENT_RULES
from lithify.compiler.host.rows import ROW_RULES
from lithify.reference.graph import Graph, Node

RULES: Mapping[str, Rule] = MappingProxyType({**LAYER_RULES, **MOVEMENT_RULES, **ROW_RULES})


def host_model(graph: Graph, node: Node) -> tuple[tuple[str, ...], tuple[str, ...], bytes]:
    """Operators as reports name them, inputs that are no constants, and the serialised model of a node."""
    inputs = tuple(dict.fromkeys(name for name in node.inputs if name and name not in graph.constants))
    constants = list(dict.fromkeys(name for name in node.inputs if name in graph.constants))
    if node.operator == "Host":
        model = onnx.ModelProto.FromString(node.attributes["model"])
        for name in constants:
            kept = [entry for entry in model.graph.input if entry.name != name]
            del model.graph.input[:]
            model.graph.input.extend(kept)
            model.graph.initializer.append(numpy_helper.from_array(graph.constants[name], name))
        operators = tuple(dict.fromkeys(entry.op_type for entry in model.graph.node))
        return operators, inputs, model.SerializeToString(deterministic=True)
    return (node.operator,), inputs, Builder(graph, node).model(inputs, RULES[node.operator])


def constant_model(graph: Graph, name: str) -> bytes:
    """The serialised model of an output of the network that is a constant."""
    value = numpy_helper.from_array(graph.constants[name], name)
    made = helper.make_tensor_value_info(name, value.data_type, value.dims)
    graph_proto = helper.make_graph([helper.make_node("Constant", [], [name], value=value)], name, [], [made])
    proto = helper.make_model(graph_proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(proto.SerializeToString(deterministic=True))
