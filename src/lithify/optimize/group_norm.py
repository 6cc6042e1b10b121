"""GroupNormalization and InstanceNormalization from the operators that exporters write them with."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.moments import join_moments, moments
from lithify.optimize.values import add_constant, constant, producer, set_input, shape_of, used_once

_SINCE, _LEAST = 21, 18
"""The operator set since which GroupNormalization has a scale a channel, and the first from which a model is raised to
it: all other operators mean the same."""
_EPSILON = 1e-9
"""Of MeanVarianceNormalization, which adds it to the deviation; here it is added to the variance, as its square."""


def join_group_norms(model: ir.Model) -> ir.Model:
    """Joins an InstanceNormalization of groups of channels between Reshapes, as PyTorch writes group norms, with the
    scale and the bias of each channel behind it; MeanVarianceNormalization over an image's sides becomes one too.

    Differs by rounding only. A quantised model stays.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "MeanVarianceNormalization":
            _of_channels(model.graph, node)
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "InstanceNormalization":
            _join(model, node)
    for node in list(model.graph):
        written = moments(node) if model.opset_imports.get("", 0) >= _LEAST else None
        if written is not None:
            join_moments(model.graph, written)
            model.opset_imports[""] = max(model.opset_imports[""], _SINCE)
    return remove_dead_code(model)


def _of_channels(graph: ir.Graph, node: ir.Node) -> None:
    shape = shape_of(node.inputs[0])
    axes = node.attributes.get_ints("axes", (0, 2, 3))
    if shape is None or len(shape) < 3 or {axis % len(shape) for axis in axes} - {0} != set(range(2, len(shape))):
        return
    if shape[0] != 1 and 0 in {axis % len(shape) for axis in axes}:
        return
    node.op_type = "InstanceNormalization"
    node.attributes.clear()
    node.attributes.add(ir.AttrFloat32("epsilon", _EPSILON**2))
    for index, (what, data) in enumerate((("scale", np.ones), ("bias", np.zeros)), 1):
        set_input(node, index, add_constant(graph, f"{node.name}_{what}", data(shape[1], np.float32)))


def _join(model: ir.Model, node: ir.Node) -> None:
    before = producer(node.inputs[0], "Reshape")
    parameters = [constant(value) for value in node.inputs[1:]]
    value = node.outputs[0]
    behind = _only_user(value, "Reshape")
    own = model.opset_imports.get("", 0)
    if before is None or behind is None or own < _LEAST:
        return
    x, y = before.inputs[0], behind.outputs[0]
    shape, grouped = shape_of(x), shape_of(node.inputs[0])
    if x is None or shape is None or grouped is None or shape_of(y) != shape or len(shape) < 3:
        return
    groups, channels = grouped[1], shape[1]
    scale, bias = parameters
    if grouped[0] != shape[0] or channels % groups or scale is None or bias is None:
        return
    scale, bias = (np.repeat(data.astype(np.float32), channels // groups) for data in (scale, bias))
    last = behind
    for operator in ("Mul", "Add"):
        user = _only_user(last.outputs[0], operator)
        each = None if user is None else _each_channel(user, last.outputs[0], channels)
        if user is None or each is None:
            continue
        scale, bias = (scale * each, bias * each) if operator == "Mul" else (scale, bias + each)
        last = user
    last.op_type, last.version = "GroupNormalization", None
    last.attributes.clear()
    last.attributes.add(ir.AttrInt64("num_groups", groups))
    last.attributes.add(ir.AttrFloat32("epsilon", node.attributes.get_float("epsilon", 1e-5)))
    last.resize_inputs(3)
    set_input(last, 0, x)
    set_input(last, 1, add_constant(model.graph, f"{last.name}_scale", scale.astype(np.float32)))
    set_input(last, 2, add_constant(model.graph, f"{last.name}_bias", bias.astype(np.float32)))
    model.opset_imports[""] = max(own, _SINCE)


def _only_user(value: ir.Value, operator: str) -> ir.Node | None:
    if not used_once(value):
        return None
    ((user, _),) = value.uses()
    return user if user.domain == "" and user.op_type == operator else None


def _each_channel(node: ir.Node, value: ir.Value, channels: int) -> NDArray[np.float32] | None:
    """The constant operand of the node as a number for each channel of `value`."""
    index = 1 if node.inputs[0] is value else 0
    data, shape = constant(node.inputs[index]), shape_of(value)
    if data is None or shape is None or data.dtype != np.float32 or shape_of(node.outputs[0]) != shape:
        return None
    if data.size == 1:
        return np.full(channels, data.reshape(()), np.float32)
    wide = (1,) * (len(shape) - data.ndim) + data.shape
    fits = data.size == channels and wide[1:2] == (channels,)
    return data.reshape(-1) if fits else None
