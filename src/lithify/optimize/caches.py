"""Caches as rows of tokens: what is written into a cache at a position, however an exporter says so, along dimension 1.

TensorScatter says it outright. ScatterElements and ScatterND do by indices computed from the position, which are worked
out for every position and compared. Heads are columns of a token's row, so that the row is one piece of memory.
"""

from math import prod

import numpy as np
import onnx_ir as ir

from lithify.optimize.positions import appended, at_positions, itself
from lithify.optimize.values import add_constant, insert, integer, set_input, shape_of

Shape = tuple[int, ...]

TENSOR_SCATTER = 24
"""The operator set from which on there is a TensorScatter."""


def place_caches(model: ir.Model) -> ir.Model:
    """Writes every addition to a cache of batch 1 as one to rows [1, rows, channels], between Transposes and Reshapes.

    Exact: values only move. Quantised models stay.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type in _FORMS and appended(node) is None:
            _place(model, node)
    return model


def _place(model: ir.Model, node: ir.Node) -> None:
    found = _FORMS[node.op_type](node)
    cache = node.inputs[0]
    shape, new = shape_of(cache), node.inputs[_NEW[node.op_type]]
    if found is None or shape is None or cache is None or new is None:
        return
    position, axis = found
    count = (prod(shape_of(new) or (0,)) * shape[axis]) // prod(shape)
    rank = len(shape)
    order = (axis, *(place for place in range(rank) if place != axis))
    channels = prod(shape) // shape[axis]
    making = _Making(model.graph, node)

    def rows(value: ir.Value, size: int, what: str) -> ir.Value:
        own = (*shape[:axis], size, *shape[axis + 1 :])
        value = making.reshaped(value, own, f"{what}_as_cache")
        turned = making.transposed(value, order, tuple(own[place] for place in order), f"{what}_turned")
        return making.reshaped(turned, (1, size, channels), f"{what}_rows")

    inputs = [rows(cache, shape[axis], "cache"), rows(new, count, "new")]
    if (model.graph.opset_imports.get("") or 0) >= TENSOR_SCATTER:
        where = making.reshaped(making.wide(position), (1,), "position")
        made = making.add("TensorScatter", [*inputs, where], (1, shape[axis], channels), "added", axis=1)
    else:
        offsets = np.broadcast_to(np.arange(count)[None, :, None], (1, count, channels))
        where = making.reshaped(making.wide(position), (1, 1, 1), "position")
        where = making.integers(
            "Add", [where, making.constant(np.ascontiguousarray(offsets), "offsets")], offsets.shape
        )
        made = making.add("ScatterElements", [inputs[0], where, inputs[1]], (1, shape[axis], channels), "added", axis=1)
    back = making.reshaped(made, tuple(shape[place] for place in order), "apart")
    node.op_type, node.version = "Transpose", None
    node.attributes.clear()
    node.attributes.add(ir.AttrInt64s("perm", [int(place) for place in np.argsort(order)]))
    node.resize_inputs(1)
    set_input(node, 0, back)


Form = tuple[ir.Value, int]
"""The position, and the dimension of the cache along which rows are added."""


def _tensor_scatter(node: ir.Node) -> Form | None:
    """Its own words; several samples have positions of their own."""
    cache, new = (shape_of(value) for value in node.inputs[:2])
    if cache is None or new is None or len(node.inputs) < 3 or cache[0] != 1:
        return None
    axis = integer(node, "axis", -2) % len(cache)
    position = itself(node.inputs[2], cache[axis] - new[axis] + 1)
    linear = node.attributes.get_string("mode", "linear") == "linear"
    return (position, axis) if position is not None and linear and axis > 0 else None


def _scatter_elements(node: ir.Node) -> Form | None:
    """Every element of the new rows has its row's number for an index."""
    cache, new = shape_of(node.inputs[0]), shape_of(node.inputs[2])
    if cache is None or new is None or node.attributes.get_string("reduction", "none") != "none":
        return None
    axis = integer(node, "axis", 0) % len(cache)
    found = at_positions(node.inputs[1], cache[axis] - new[axis] + 1)
    others = [size for place, size in enumerate(cache) if place != axis]
    if found is None or others != [size for place, size in enumerate(new) if place != axis]:
        return None
    own = np.arange(new[axis]).reshape(*(-1 if place == axis else 1 for place in range(len(new))))
    wanted = np.arange(len(found[1])).reshape(-1, *(1 for _ in new)) + own
    return (found[0], axis) if np.array_equal(found[1], np.broadcast_to(wanted, found[1].shape)) else None


def _scatter_nd(node: ir.Node) -> Form | None:
    """The places that its indices name, in order, are those of neighbouring rows."""
    cache, new = (shape_of(node.inputs[place]) for place in (0, 2))
    first = at_positions(node.inputs[1], 1)
    if not cache or not new or first is None or node.attributes.get_string("reduction", "none") != "none":
        return None
    named, size = first[1].shape[-1], prod(cache)
    inner = prod(cache[named:])
    places = np.arange(size).reshape(cache)
    for axis in range(named):
        count, rest = divmod(prod(new) * cache[axis], size)
        if rest or not 0 < count <= cache[axis]:
            continue
        found = at_positions(node.inputs[1], cache[axis] - count + 1)
        if found is None:
            return None
        strides = np.array([prod(cache[place + 1 :]) for place in range(named)])
        for position, chosen in enumerate(found[1]):
            wanted = places.take(range(position, position + count), axis=axis).reshape(-1)
            begins = (chosen.reshape(-1, named) % np.array(cache[:named])) @ strides
            if not np.array_equal((begins[:, None] + np.arange(inner)).reshape(-1), wanted):
                break
        else:
            return found[0], axis
    return None


_FORMS = {"TensorScatter": _tensor_scatter, "ScatterElements": _scatter_elements, "ScatterND": _scatter_nd}
_NEW = {"TensorScatter": 1, "ScatterElements": 2, "ScatterND": 2}
"""Which input of each is what is written."""


class _Making:
    """Nodes before one that they replace."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node = graph, node
        self.name, self.like = str(node.name), node.outputs[0]

    def constant(self, data: np.ndarray, what: str) -> ir.Value:
        return add_constant(self.graph, f"{self.name}_{what}", data.astype(np.int64))

    def add(self, operator: str, inputs: list[ir.Value], shape: Shape, what: str, **attributes: object) -> ir.Value:
        made = ir.node(operator, inputs, attributes, name=f"{self.name}_{what}")  # type: ignore[arg-type]
        value = insert(made, self.node, inputs[0], shape)
        value.name = f"{self.like.name}_{what}"
        return value

    def integers(self, operator: str, inputs: list[ir.Value], shape: Shape) -> ir.Value:
        value = self.add(operator, inputs, shape, operator.lower())
        value.type = ir.TensorType(ir.DataType.INT64)
        return value

    def wide(self, value: ir.Value) -> ir.Value:
        """The same as int64."""
        if value.dtype == ir.DataType.INT64:
            return value
        made = self.add("Cast", [value], shape_of(value) or (), "wide", to=int(ir.DataType.INT64))
        made.type = ir.TensorType(ir.DataType.INT64)
        return made

    def reshaped(self, value: ir.Value, shape: Shape, what: str) -> ir.Value:
        if shape_of(value) == shape:
            return value
        return self.add("Reshape", [value, self.constant(np.array(shape), f"{what}_shape")], shape, what)

    def transposed(self, value: ir.Value, order: Shape, shape: Shape, what: str) -> ir.Value:
        if order == tuple(range(len(order))):
            return value
        return self.add("Transpose", [value], shape, what, perm=order)
