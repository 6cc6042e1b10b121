"""Writing the placement into the model: a QuantizeLinear and a DequantizeLinear behind every tensor made int8."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from lithify.optimize.expressions import condition_of, expression_of
from lithify.optimize.functions import elementwise
from lithify.optimize.values import add_constant
from lithify.quantize.fixed import OPERATORS, quantize_fixed
from lithify.quantize.gathers import chosen_late
from lithify.quantize.placement import Work
from lithify.quantize.step import Scale
from lithify.quantize.weights import LAYERS, Stored, multiplies_activations, quantize_layer


def write(graph: ir.Graph, works: Sequence[Work], scales: Mapping[ir.Value, Scale]) -> None:
    """Makes the work int8, in place. works: as `placement.place` found it in this graph; scales: of all its tensors.

    What other nodes read of the chip's results are the int8 results; what they read of floats stays float.
    """
    shared: Stored = {}
    for work in works:
        if work.layer.op_type in LAYERS and not multiplies_activations(work.layer):
            quantize_layer(work.layer, scales[work.inputs[0]].step, shared)
        elif work.layer.op_type in OPERATORS and not elementwise(work.layer):
            quantize_fixed(graph, work.layer, scales[work.outputs[0]] if chosen_late(work.layer) else None)
        if any((expression_of(node) or condition_of(node)) is not None for node in work.nodes):
            for node in work.nodes:
                quantize_fixed(graph, node)
    made = {value for work in works for value in work.outputs}
    # Nodes inside a function read floats between them; only its source is int8.
    inside = {node: set(work.inputs) for work in works for node in work.nodes if elementwise(node) or work.nodes[1:]}
    readers = {(node, value) for work in works for node in work.nodes for value in work.inputs}
    for value, scale in scales.items():
        users = [
            (user, index)
            for user, index in value.uses()
            if (user, value) in readers or (value in made and not (user in inside and value not in inside[user]))
        ]
        dequantized = _pair(graph, value, scale)
        for user, index in users:
            user.replace_input_with(index, dequantized)
        if value.is_graph_output() and value in made:
            name = value.name
            value.name, dequantized.name = f"{name}_float", name
            graph.outputs[list(graph.outputs).index(value)] = dequantized


def _pair(graph: ir.Graph, value: ir.Value, scale: Scale) -> ir.Value:
    """The value rounded to int8 and back."""
    name = str(value.name)
    step = add_constant(graph, f"{name}_scale", np.array(scale.step, np.float32))
    zero_point = add_constant(graph, f"{name}_zero_point", np.array(scale.zero_point, np.int8))
    down = ir.node("QuantizeLinear", [value, step, zero_point], name=f"{name}_quantize")
    up = ir.node("DequantizeLinear", [down.outputs[0], step, zero_point], name=f"{name}_dequantize")
    for node, suffix, dtype in ((down, "quantized", ir.DataType.INT8), (up, "dequantized", ir.DataType.FLOAT)):
        node.outputs[0].name = f"{name}_{suffix}"
        node.outputs[0].type, node.outputs[0].shape = ir.TensorType(dtype), value.shape
    maker = value.producer()
    if maker is not None:
        graph.insert_after(maker, [down, up])
    elif len(graph):
        graph.insert_before(graph[0], [down, up])
    return up.outputs[0]
