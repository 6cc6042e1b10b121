"""Units of the operators along rows: Softmax and LogSoftmax, normalisations, reductions that take float32."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.masks import FARTHEST, mask_of
from lithify.optimize.values import constant, integer, shape_of
from lithify.quantize import qdq
from lithify.quantize.moves import axes_of
from lithify.quantize.unit import Target, Unit, of_scale
from lithify.reference.graph import Node, Tensor
from lithify.reference.operators import make_node
from lithify.reference.quantized_rows import REDUCTIONS

Shape = tuple[int, ...]

NORMS = ("LayerNormalization", "RMSNormalization")
REDUCED = tuple(REDUCTIONS)
WORD, STRIP = 16, 64
"""Bytes of the words that chips of this size have, and what a multiple of is whole words on any."""
GROUPED = ("InstanceNormalization", "GroupNormalization")


@dataclass(frozen=True)
class Rows:
    """What an operator does along which dimensions. axes: from the first to the last of them, neighbours.

    constants: rows that it reads, by the last part of their names. mask: see `masks.Mask.rows`; position: of which that
    is what position 0 keeps, if any.
    """

    axes: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    mask: NDArray[np.int8] | None = None
    position: ir.Value | None = None


def rows_of(node: ir.Node) -> Rows | None:
    """How the node works along rows; None for another node, and for what the chip has no definition of."""
    shape = shape_of(node.inputs[0]) if node.inputs else None
    if shape and node.domain == "" and node.op_type in REDUCED:
        axes = axes_of(node)
        return Rows(axes) if axes and axes == tuple(range(axes[0], axes[-1] + 1)) else None
    if shape and node.domain == "" and node.op_type in GROUPED:
        return _grouped(node, shape)
    if not shape or node.domain != "" or node.op_type not in RULES:
        return None
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return None
    axis = integer(node, "axis", -1) % len(shape)
    if node.op_type == "LpNormalization":
        p = integer(node, "p", 2)
        return Rows((axis,), {"p": p}) if p in (1, 2) else None
    if node.op_type not in NORMS:
        return Rows((axis,))
    dims = shape[axis:]
    constants = {}
    for name, value in zip(("scale", "bias"), (*node.inputs[1:], None), strict=False):
        data = _real(value)
        if value is None and name == "bias":
            data = np.zeros(1, np.float32)
        if data is None or len(data.shape) > len(dims):
            return None
        try:
            constants[name] = np.ascontiguousarray(np.broadcast_to(data, dims)).reshape(-1)
        except ValueError:
            return None
    if node.op_type == "RMSNormalization":
        constants.pop("bias", None)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    if not (math.isfinite(epsilon) and epsilon > 0):
        return None
    return Rows(tuple(range(axis, len(shape))), {"epsilon": epsilon}, constants)


def _grouped(node: ir.Node, shape: Shape) -> Rows | None:
    """Groups of channels, with all their places, as rows: [N, groups, values]."""
    channels = shape[1] if len(shape) > 2 else 0
    groups = channels if node.op_type == "InstanceNormalization" else integer(node, "num_groups", 0)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    if not groups or channels % groups or not (math.isfinite(epsilon) and epsilon > 0):
        return None
    constants = {}
    for name, value in zip(("scale", "bias"), node.inputs[1:], strict=False):
        data = _real(value)
        if data is None or data.size not in (channels, groups):
            return None
        constants[name] = np.repeat(data.reshape(-1), channels // data.size).astype(np.float32)
    attributes = {"epsilon": epsilon, "groups": groups}
    return Rows(tuple(range(1, len(shape))), attributes, constants) if len(constants) == 2 else None


def grouped_operator(node: ir.Node, target: Target) -> Unit | None:
    """InstanceNormalization or GroupNormalization between Reshapes.

    Channels that follow one another in a row must be whole words of a scratchpad, and rows go in strips: where their
    places are not, the image gets as many empty ones behind.
    """
    source, rows = qdq.activation(node.inputs[0]), rows_of(node)
    before = qdq.parameters_of(source) if source is not None else None
    if source is None or before is None or rows is None:
        return None
    series = Series(str(node.name), str(source.name), shape_of(source) or (), before)
    shape = series.shape
    images, channels, values = *shape[:2], math.prod(shape[2:])
    empty = -values % STRIP if rows.attributes["groups"] < channels and values % WORD else 0
    if empty:
        series.move("Reshape", (images, channels, 1, values))
        series.add("Pad", "padded", (images, channels, 1, values + empty), pads=(0,) * 7 + (empty,))
        rows = replace(rows, attributes={**rows.attributes, "values": values})
    series.move("Reshape", (images, channels, values + empty))
    series.work("GroupNormalization", rows, target.parameters)
    if empty:
        series.move("Reshape", (images, channels, 1, values + empty))
        series.add(
            "Slice", "present", (images, channels, 1, values), starts=(0,), ends=(values,), axes=(3,), steps=(1,)
        )
    series.move("Reshape", shape)
    if target.limited:
        series.add("Clip", "clip", series.shape, **target.limits)
    return series.unit(source, target.output)


def _real(value: ir.Value | None) -> NDArray[np.float32] | None:
    """A float constant, stored as it is or behind a DequantizeLinear."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "DequantizeLinear":
        data = constant(value)
        return data.astype(np.float32) if data is not None and data.dtype.kind == "f" else None
    own, stored = qdq.parameters(node), constant(node.inputs[0])
    if own is None or stored is None or own.scale.shape != ():
        return None
    return np.multiply((stored.astype(np.int64) - own.zero_point).astype(np.float32), own.scale)


def row_operator(node: ir.Node, target: Target) -> Unit | None:
    """The operator over rows that lie last in a tensor of at most three dimensions, or over the channels of an image.

    What brings another tensor into this form, and back, only moves values.
    """
    mask, rows = mask_of(node) if node.op_type == "Softmax" else None, rows_of(node)
    source = qdq.activation(node.inputs[0] if mask is None else mask.x)
    before = qdq.parameters_of(source) if source is not None else None
    if source is None or before is None or rows is None:
        return None
    if mask is not None and mask.below + 255 * float(before.scale) > -FARTHEST:
        return None
    series = Series(str(node.name), str(source.name), shape_of(source) or (), before)
    shape = series.shape
    last, turned = series.as_rows(rows.axes)
    inner = tuple(shape[axis] for axis in _order(len(shape), rows.axes)) if turned else shape
    if mask is not None:
        rows = replace(rows, mask=mask.rows(), position=mask.position)
    series.work(node.op_type, rows, target.parameters)
    if node.op_type in REDUCED:
        return _reduced(series, source, target)
    if last or turned:
        series.move("Reshape", inner)
    if turned:
        series.move("Transpose", tuple(int(place) for place in np.argsort(_order(len(shape), rows.axes))))
    if target.limited:
        series.add("Clip", "clip", series.shape, **target.limits)
    return series.unit(source, target.output)


def _reduced(series: "Series", source: ir.Value, target: Target) -> Unit:
    """The first element of each row, all of which are its number."""
    axis = 1 if len(series.shape) == 4 else len(series.shape) - 1
    kept = tuple(1 if place == axis else size for place, size in enumerate(series.shape))
    if kept != series.shape:
        series.add("Slice", "first", kept, starts=(0,), ends=(1,), axes=(axis,), steps=(1,))
    series.move("Reshape", target.output.shape)
    if target.limited:
        series.add("Clip", "clip", series.shape, **target.limits)
    return series.unit(source, target.output)


def _order(rank: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that brings these axes last."""
    return tuple(axis for axis in range(rank) if axis not in axes) + axes


class Series:
    """Nodes one after the other; `own` are the parameters of what the last one made."""

    def __init__(self, name: str, source: str, shape: Shape, own: qdq.Parameters) -> None:
        self.name, self.made, self.shape, self.own = name, source, shape, own
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.positions: tuple[ir.Value, ...] = ()

    def move(self, operator: str, value: Shape) -> None:
        """A Reshape to a shape, or a Transpose; nothing where nothing changes."""
        if operator == "Reshape":
            if value != self.shape:
                self.add(operator, "reshaped", value, shape=value)
        elif value != tuple(range(len(value))):
            self.add(operator, "turned", tuple(self.shape[axis] for axis in value), perm=value)

    def as_rows(self, axes: tuple[int, ...]) -> tuple[bool, bool]:
        """Brings what lies along the axes last, in a tensor of at most three dimensions; the channels of an image stay.

        Returns whether they were last before, and whether they had to be turned there.
        """
        shape = self.shape
        first, last = axes[0], axes[-1] + 1 == len(shape)
        turned = not last and not (len(shape) == 4 and axes == (1,))
        if turned:
            self.move("Transpose", _order(len(shape), axes))
            first = len(shape) - len(axes)
        if last or turned:
            inner = self.shape
            leading = inner[:first] if first <= 2 else (math.prod(inner[: first - 1]), inner[first - 1])
            self.move("Reshape", (*leading, math.prod(inner[first:])))
        return last, turned

    def work(self, operator: str, rows: Rows, own: qdq.Parameters) -> None:
        """The operator itself."""
        self.own = own
        names = []
        for part, data in rows.constants.items():
            names.append(f"{self.name}.{part}")
            self.tensors.append(Tensor(names[-1], data.shape, "float32"))
            self.constants[names[-1]] = data
        if rows.mask is not None:
            operator = f"Masked{operator}"
            names.append(f"{self.name}.mask")
            made = Tensor(names[-1], rows.mask.shape, "int8", np.array(1, np.float32), 0)
            self.tensors.append(made)
            if rows.position is None:
                self.constants[made.name] = rows.mask
            else:
                sizes = {"rows": made.shape[0], "columns": made.shape[1]}
                self.positions = (rows.position,)
                self.nodes.append(
                    make_node(made.name, "PositionMask", (str(rows.position.name),), (made.name,), **sizes)
                )
            if len(self.shape) == 1:
                self.move("Reshape", (1, *self.shape))
        self.add(operator, "", self.shape, *names, **rows.attributes)

    def add(self, operator: str, what: str, result_shape: Shape, *others: str, **attributes: Any) -> None:
        """One node."""
        name = f"{self.name}.{what}" if what else self.name
        while any(node.name == name for node in self.nodes):
            name += "_back"
        made = of_scale(f"{name}.made", result_shape, self.own)
        self.nodes.append(make_node(name, operator, (self.made, *others), (made.name,), **attributes))
        self.tensors.append(made)
        self.made, self.shape = made.name, result_shape

    def append(self, node: Node, *tensors: Tensor) -> None:
        """A node of its own, and the tensors that it makes."""
        self.nodes.append(node)
        self.tensors += tensors

    def unit(self, source: ir.Value, output: Tensor) -> Unit:
        """All of it; the last node makes the output."""
        last = self.nodes[-1]
        nodes = (*self.nodes[:-1], Node(last.name, last.operator, last.inputs, (output.name,), last.attributes))
        return Unit((source, *self.positions), nodes, (*self.tensors[:-1], output), self.constants)


RULES: Mapping[str, Callable[[ir.Node, Target], Unit | None]] = {
    **dict.fromkeys(("Softmax", "LogSoftmax", *NORMS, *REDUCED, "LpNormalization"), row_operator),
    **dict.fromkeys(GROUPED, grouped_operator),
}
"""ONNX operator -> the rule that reads it."""
