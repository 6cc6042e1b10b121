"""A QDQ model as a quantised graph: what the chip computes in int8 and what is left to the host, by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import NameFixPass, TopologicalSortPass

from lithify.optimize.identity import remove_identity
from lithify.optimize.layer_norm import with_norms
from lithify.optimize.reshape import new_shape
from lithify.optimize.values import constant, producer
from lithify.quantize import expressions, host, qdq
from lithify.quantize.appends import share_positions
from lithify.quantize.bytes import as_signed, as_unsigned
from lithify.quantize.moved import pair_moved
from lithify.quantize.qoperator import to_qdq
from lithify.quantize.searches import search
from lithify.quantize.sharing import share_constants
from lithify.quantize.signed import to_signed
from lithify.quantize.stacked import take_stacked
from lithify.quantize.stored import store_weights
from lithify.quantize.unit import Unit, tensor_of
from lithify.quantize.units import unit
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.host import run_model
from lithify.reference.operators import make_node

_NUMBERS = (ir.DataType.BOOL, ir.DataType.INT32, ir.DataType.INT64)
"""Types that Quantize takes as they are, beside float32."""


@dataclass(frozen=True)
class _Step:
    """What one node of the ONNX graph becomes: a unit of the quantised graph or, without one, work for the host."""

    anchor: ir.Node
    inputs: tuple[ir.Value, ...]
    unit: Unit | None


def read(model: ir.Model) -> Graph:
    """The quantised graph of a QDQ or QOperator model; a float model becomes one Host node.

    Only what the outputs need is read. Each QuantizeLinear with its operator and activation is one unit; a float
    tensor wanted by the host gets a Dequantize, one the chip wants a Quantize. Host nodes next to each other are one.
    Raises LithifyError for a tensor whose shape is not fixed.
    """
    model = pair_moved(with_norms(remove_identity(store_weights(to_signed(to_qdq(model))))))
    NameFixPass()(model)
    TopologicalSortPass()(model)
    steps = _needed(model)
    place = {node: index for index, node in enumerate(model.graph)}
    phase = _phases(steps, place)
    groups = _groups(steps, phase)
    tensors: dict[str, Tensor] = {}
    for value in (*model.graph.inputs, *model.graph.outputs):
        tensors[str(value.name)] = tensor_of(value)
    constants: dict[str, NDArray[Any]] = {}
    parts: list[tuple[tuple[int, int], tuple[Node, ...]]] = []
    tensor_names = {str(value.name) for node in model.graph for value in node.outputs} | set(tensors)
    node_names: set[str] = set()
    for node in phase:
        found = steps[node].unit
        if found is not None:
            found = _with_own_names(found, str(node.outputs[0].name), node_names, tensor_names)
            node_names |= {made.name for made in found.nodes}
            tensor_names |= {tensor.name for tensor in found.tensors}
            tensors.update((tensor.name, tensor) for tensor in found.tensors)
            constants.update(found.constants)
            parts.append(((phase[node], place[node]), found.nodes))
    for value in dict.fromkeys(value for step in steps.values() if step.unit for value in step.unit.inputs):
        if (data := _known(value, model)) is not None:
            tensors[str(value.name)], constants[str(value.name)] = tensor_of(value), data
    kept = {value for step in steps.values() for value in step.inputs} | set(model.graph.outputs)
    for group in groups:
        nodes = host.with_constant_makers(group)
        outside = {value for step in steps.values() if step.anchor not in group for value in step.inputs} | set(
            model.graph.outputs
        )
        inputs, outputs = host.boundary(nodes, kept & outside)
        tensors.update((str(value.name), tensor_of(value)) for value in (*inputs, *outputs))
        name = str(group[-1].name)
        name = name if name not in node_names else f"{name}_host"
        node_names.add(name)
        made = make_node(
            name,
            "Host",
            tuple(str(value.name) for value in inputs),
            tuple(str(value.name) for value in outputs),
            model=host.model_of(nodes, inputs, outputs, model),
            operators=tuple(dict.fromkeys(node.op_type for node in nodes)),
        )
        parts.append(((phase[group[0]], place[group[0]]), (made,)))
    for value in model.graph.outputs:
        if (data := constant(value)) is not None:
            constants[str(value.name)] = data
    graph = Graph(
        name=model.graph.name or "network",
        inputs=tuple(str(value.name) for value in model.graph.inputs),
        outputs=tuple(str(value.name) for value in model.graph.outputs),
        tensors=tensors,
        constants=constants,
        nodes=tuple(node for _, nodes in sorted(parts, key=lambda part: part[0]) for node in nodes),
    )
    return share_positions(share_constants(take_stacked(graph)))


def _needed(model: ir.Model) -> dict[ir.Node, _Step]:
    """The steps that the outputs need, by node, in no particular order."""
    steps: dict[ir.Node, _Step] = {}
    waiting = list(model.graph.outputs)
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node not in steps and not host.only_constants(node):
            steps[node] = _step(node)
            waiting.extend(steps[node].inputs)
        elif node is not None and node not in steps and node.outputs[0].is_graph_output():
            steps[node] = _Step(node, (), None)
    return steps


def _known(value: ir.Value, model: ir.Model) -> NDArray[Any] | None:
    """The value of what depends on constants alone, by ONNX Runtime; None for what does not."""
    maker = value.producer()
    if maker is None:
        return constant(value)
    if not host.only_constants(maker):
        return None
    nodes = host.with_constant_makers((maker,))
    return np.asarray(run_model(host.model_of(nodes, (), (value,), model), {})[str(value.name)])


def _step(node: ir.Node) -> _Step:
    if (source := as_signed(node)) is not None and qdq.parameters_of(node.outputs[0]) is not None:
        return _Step(node, (source,), _conversion("Signed", node, source))
    if (source := as_unsigned(node)) is not None:
        return _Step(node, (source,), _conversion("Unsigned", node, source))
    if node.op_type == "QuantizeLinear":
        found = unit(node)
        own, value = qdq.parameters(node), node.inputs[0]
        if found is None and own is not None and own.scalar and value is not None and value.dtype == ir.DataType.FLOAT:
            found = _quantization(node, value)
        if found is not None:
            return _Step(node, found.inputs, found)
    elif (said := search(node) or expressions.condition(node)) is not None:
        return _Step(node, said.inputs, said)
    elif (source := qdq.activation(node.outputs[0])) is not None:
        found = _conversion("Dequantize", node, source)
        return _Step(node, found.inputs, found)
    elif (stored := node.inputs[0] if node.inputs else None) is not None and stored.dtype == qdq.INT8:
        before, after = qdq.parameters_of(stored), qdq.parameters_of(node.outputs[0])
        shape = new_shape(node)
        if shape is not None and before is not None and after is not None and before.same(after):
            output = tensor_of(node.outputs[0])
            made = make_node(str(node.name), "Reshape", (str(stored.name),), (output.name,), shape=shape)
            return _Step(node, (stored,), Unit((stored,), (made,), (output,)))
    return _Step(node, host.reads(node), None)


def _with_own_names(found: Unit, output: str, node_names: set[str], tensor_names: set[str]) -> Unit:
    """The unit with names that nothing else has: an operator whose result is quantised twice becomes two units."""
    inner = [tensor.name for tensor in found.tensors if tensor.name != output]
    end, number = "", 1
    while any(f"{name}{end}" in tensor_names for name in inner) or any(
        f"{node.name}{end}" in node_names for node in found.nodes
    ):
        number += 1
        end = f"_{number}"
    if not end:
        return found
    new = {name: f"{name}{end}" for name in inner}
    return Unit(
        found.inputs,
        tuple(
            replace(
                node,
                name=f"{node.name}{end}",
                inputs=tuple(new.get(name, name) for name in node.inputs),
                outputs=tuple(new.get(name, name) for name in node.outputs),
            )
            for node in found.nodes
        ),
        tuple(replace(tensor, name=new.get(tensor.name, tensor.name)) for tensor in found.tensors),
        {new.get(name, name): data for name, data in found.constants.items()},
    )


def _quantization(node: ir.Node, value: ir.Value) -> Unit:
    """A Quantize; a float Reshape just before it moves behind it, where it costs the chip nothing and spares the host.

    Exact: quantising treats every element alike.
    """
    cast = producer(value, "Cast")
    if cast is not None and cast.inputs[0] is not None and cast.inputs[0].dtype in _NUMBERS:
        return _conversion("Quantize", node, cast.inputs[0])
    shape_only = value.producer()
    source = shape_only.inputs[0] if shape_only is not None and new_shape(shape_only) is not None else None
    if shape_only is None or source is None or constant(source) is not None:
        return _conversion("Quantize", node, value)
    output = tensor_of(node.outputs[0])
    inner = Tensor(f"{node.name}.quantized", tensor_of(source).shape, "int8", output.scale, output.zero_point)
    quantized = make_node(str(node.name), "Quantize", (str(source.name),), (inner.name,))
    moved = make_node(str(shape_only.name), "Reshape", (inner.name,), (output.name,), shape=output.shape)
    return Unit((source,), (quantized, moved), (inner, output))


def _conversion(operator: str, node: ir.Node, value: ir.Value) -> Unit:
    output = tensor_of(node.outputs[0])
    made = make_node(str(node.name), operator, (str(value.name),), (output.name,))
    return Unit((value,), (made,), (output,))


def _phases(steps: dict[ir.Node, _Step], place: dict[ir.Node, int]) -> dict[ir.Node, int]:
    """How often work changes hands between host (even) and chip (odd) before each step.

    Host nodes of one phase can be joined freely: a path between them through the chip would raise the phase.
    """
    phase: dict[ir.Node, int] = {}
    for node in sorted(steps, key=place.__getitem__):
        parity = 0 if steps[node].unit is None else 1
        makers = [maker for value in steps[node].inputs if (maker := value.producer()) in phase and maker is not None]
        phase[node] = max((phase[maker] + (phase[maker] % 2 != parity) for maker in makers), default=parity)
    return phase


def _groups(steps: dict[ir.Node, _Step], phase: dict[ir.Node, int]) -> Sequence[tuple[ir.Node, ...]]:
    """The host's nodes, joined where one reads another of the same phase; each group in execution order."""
    leader: dict[ir.Node, ir.Node] = {}

    def first(node: ir.Node) -> ir.Node:
        while leader[node] is not node:
            node = leader[node]
        return node

    members = [node for node in phase if steps[node].unit is None]  # phase is in execution order
    for node in members:
        leader[node] = node
        for value in steps[node].inputs:
            maker = value.producer()
            if maker in leader and maker is not None and phase[maker] == phase[node]:
                leader[first(maker)] = node
    groups: dict[ir.Node, list[ir.Node]] = {}
    for node in members:
        groups.setdefault(first(node), []).append(node)
    return [tuple(group) for group in groups.values()]
