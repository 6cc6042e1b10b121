"""Operators along the rows of an int8 tensor that are float32 arithmetic: Softmax, LayerNormalization and the like.

A row is the channels at a place: the last axis, or axis 1 of an image [N, C, H, W]. What an element stands for enters
as the exact integer x - offset, and the scales are folded into numbers known beforehand, as a convolution's multiplier
is; what remains is a written function of the row (`quantized_rows.py`), whose result is rounded to int8 as
`arithmetic.round_to_int8` rounds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import INT8_MAXIMUM, centred, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.expressions import NAMES, expression, steps_in_one
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.indices import BYTE, BYTES
from lithify.reference.quantized_rows import (
    LAYER_NORM,
    LAYER_NORM_OF_PRESENT,
    LOG_SOFTMAX,
    LOG_SOFTMAX_OF_MAXIMUM,
    LP_NORMALIZATIONS,
    REDUCTIONS,
    RMS_NORM,
    SOFTMAX,
    SOFTMAX_OF_KEPT,
    SOFTMAX_OF_KEPT_MAXIMUM,
    SOFTMAX_OF_MAXIMUM,
    search,
)
from lithify.reference.written import Written, evaluate

SEARCHES = ("ArgMax", "ArgMin")
"""Operators that say where in its row an element lies, as bytes; the tensor that they make has scale 1 and zero point
-128, so that each of its integers stands for one from 0 to 255."""
REACH = np.float32(64)
"""How far below its top an argument of `SOFTMAX` may lie: e^-64 is far from the smallest float32."""
FINEST = np.float32(2.0**-24)
"""The smallest step of a result with which no number of `SOFTMAX` leaves float32."""


@dataclass(frozen=True)
class Beside:
    """A second tensor whose rows are read beside those of x: the input `name` is f32(f32(value - offset) * scale)."""

    name: str
    offset: int
    scale: np.float32


@dataclass(frozen=True, eq=False)
class RowWork:
    """What is computed of a row: `function` of its first input, f32(f32(value - offset) * scale), and of the others.

    numbers: those that are one float32 number. rows: those that have one for every element, float32 [n], or [rows, n]
    where they are others for each row, taken in turn by the rows. beside: the
    input that is a second tensor's, if one is.
    """

    function: Written
    offset: int
    scale: np.float32
    numbers: Mapping[str, np.float32]
    rows: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))
    beside: Beside | None = None


@dataclass(frozen=True, eq=False)
class RowNode:
    """A node along rows with the tensors that it reads and makes. operands: the data of its inputs behind the first.
    beside: its second input, if that is a tensor of rows beside those of x.
    """

    node: Node
    x: Tensor
    y: Tensor
    operands: tuple[Array, ...]
    beside: Tensor | None = None

    @property
    def columns(self) -> int:
        """Elements of a row."""
        groups = self.node.attributes.get("groups")
        return row_length(self.x.shape) if groups is None else self.x.shape[1] * self.x.shape[2] // groups


def row_length(shape: Shape) -> int:
    """Elements of a row of a tensor of this shape."""
    return shape[1] if len(shape) == 4 else shape[-1] if shape else 1


def _softmax(of: RowNode, of_top: Written, of_maximum: Written) -> RowWork:
    """What cancels out is the row's maximum or, where no x is more than `REACH` below it, the largest int8: then no
    maximum is looked for.
    """
    scale, step = np.float32(scale_of(of.x)), np.float32(scale_of(of.y))
    with np.errstate(over="ignore"):
        steps = np.float32(np.float32(1) / step)
    if np.float32(255) * scale <= REACH and step >= FINEST:
        return RowWork(of_top, INT8_MAXIMUM, scale, {"steps": steps})
    return RowWork(of_maximum, of.x.zero_point, np.float32(1), {"scale": scale, "steps": steps})


def _masked_softmax(of: RowNode) -> RowWork:
    """As `_softmax`; the mask is 1 where an element counts and 0 where not, as it is stored."""
    return replace(_softmax(of, SOFTMAX_OF_KEPT, SOFTMAX_OF_KEPT_MAXIMUM), beside=Beside("keep", 0, np.float32(1)))


def _reduction(of: RowNode) -> RowWork:
    """A number of the row, in the place of each of its elements; scales are divided in float64."""
    scale, step = float(scale_of(of.x)), float(scale_of(of.y))
    with np.errstate(over="ignore"):
        known = {
            "scale": np.float32(scale),
            "steps": np.float32(1 / step),
            "once": np.float32(scale / step),
            "twice": np.float32(scale * scale / step),
            "shift": np.float32(of.columns * math.log(scale) - math.log(step)),
        }
    function = REDUCTIONS[of.node.operator]
    return RowWork(function, of.x.zero_point, np.float32(1), {name: known[name] for name in function.inputs[1:]})


def _search(of: RowNode) -> RowWork:
    """A byte of the index of the largest or the smallest element, the first or the last such, in place of each."""
    last, high = bool(of.node.attributes["last"]), bool(of.node.attributes["byte"])
    places = np.arange(of.columns, dtype=np.float32)
    function = search(of.node.operator == "ArgMin", last, of.columns > BYTE, high)
    return RowWork(function, of.x.zero_point, np.float32(1), {}, {"place": places if last else -places})


def _lp_normalization(of: RowNode) -> RowWork:
    """The step of x cancels out."""
    function = LP_NORMALIZATIONS[of.node.attributes["p"]]
    return RowWork(function, of.x.zero_point, np.float32(1), {"steps": steps_in_one(of.y)})


def _group_norm(of: RowNode) -> RowWork:
    """LayerNormalization of rows that are several channels with all their values; scale and bias are a channel's."""
    groups, places = of.node.attributes["groups"], of.x.shape[-1]
    values = of.node.attributes["values"] or places
    scale, bias = (np.repeat(operand, places).reshape(-1, places) for operand in of.operands)
    if values == places:
        return _norm(replace(of, operands=(scale.reshape(groups, -1), bias.reshape(groups, -1))), LAYER_NORM)
    bias[:, values:] = np.nan
    rows = scale.reshape(groups, -1), bias.reshape(groups, -1)
    work = _norm(replace(of, operands=rows), LAYER_NORM_OF_PRESENT)
    return replace(work, numbers={**work.numbers, "n": np.float32(of.columns // places * values)})


def _elementwise(of: RowNode) -> RowWork:
    """No row, but the unit works on rows."""
    function, numbers = expression(of.node), {"steps": steps_in_one(of.y)}
    beside = of.beside
    second = None if beside is None else Beside(NAMES[1], beside.zero_point, np.float32(scale_of(beside)))
    return RowWork(function, of.x.zero_point, np.float32(scale_of(of.x)), numbers, beside=second)


def _norm(of: RowNode, function: Written) -> RowWork:
    """The step of x cancels out, but from epsilon; scale and bias are in steps of y."""
    step = np.float32(scale_of(of.y))
    with np.errstate(all="ignore"):
        epsilon = np.float32(of.node.attributes["epsilon"] / np.square(scale_of(of.x).astype(np.float64)))
        rows = [np.divide(operand, step) for operand in of.operands]
    numbers = {"n": np.float32(of.columns), "epsilon": epsilon}
    return RowWork(function, of.x.zero_point, np.float32(1), numbers, dict(zip(("scale", "bias"), rows, strict=False)))


ROW_WORKS: Mapping[str, Callable[[RowNode], RowWork]] = MappingProxyType(
    {
        "Softmax": lambda of: _softmax(of, SOFTMAX, SOFTMAX_OF_MAXIMUM),
        "Elementwise": _elementwise,
        **dict.fromkeys(REDUCTIONS, _reduction),
        **dict.fromkeys(SEARCHES, _search),
        "LpNormalization": _lp_normalization,
        "GroupNormalization": _group_norm,
        "MaskedSoftmax": _masked_softmax,
        "LogSoftmax": lambda of: _softmax(of, LOG_SOFTMAX, LOG_SOFTMAX_OF_MAXIMUM),
        "LayerNormalization": lambda of: _norm(of, LAYER_NORM),
        "RMSNormalization": lambda of: _norm(of, RMS_NORM),
    }
)
"""Operator -> its work."""


BESIDE = ("MaskedSoftmax", "Elementwise")
"""Those whose second input is a tensor of rows beside those of x."""


def work_of(node: Node, graph: Graph) -> RowWork:
    """The work of a node of a graph; raises LithifyError if its scale or bias is no constant."""
    for name in node.inputs[1:] if node.operator not in BESIDE else ():
        if name not in graph.constants:
            raise LithifyError(f"Node '{node.name}' ({node.operator}) reads '{name}', which must be a constant.")
    names = node.inputs[1:] if node.operator not in BESIDE else ()
    operands: tuple[NDArray[Any], ...] = tuple(graph.constants[name] for name in names)
    beside = graph.tensors[node.inputs[1]] if node.operator in BESIDE and len(node.inputs) > 1 else None
    return ROW_WORKS[node.operator](
        RowNode(node, graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]], operands, beside)
    )


def search_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of x, whose rows have no more elements than two bytes count."""
    (x,) = inputs
    assert x is not None
    if row_length(x.shape) > BYTE**BYTES:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given rows of {row_length(x.shape)} elements; it takes at most "
            f"{BYTE**BYTES}."
        )
    return (x.shape,)


def norm_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of x; scale and bias are a row."""
    x = inputs[0]
    assert x is not None
    for row in inputs[1:]:
        assert row is not None
        if row.shape != (row_length(x.shape),):
            raise LithifyError(
                f"Node '{node.name}' ({node.operator}) was given '{row.name}' of shape {row.shape}; "
                f"it must be ({row_length(x.shape)},), a number for each element of a row."
            )
    return (x.shape,)


def group_norm_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of x, [images, channels, values]; scale and bias are a number for each channel."""
    x, scale, bias = inputs
    assert x is not None and scale is not None and bias is not None
    channels = x.shape[1] if len(x.shape) == 3 else 0
    if scale.shape != (channels,) or bias.shape != (channels,) or channels % node.attributes["groups"]:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {x.shape}, scale {scale.shape}, bias {bias.shape} and "
            f"{node.attributes['groups']} groups; it takes [images, channels, values], a number for each channel and "
            "groups of equally many channels."
        )
    if node.attributes["values"] > x.shape[2]:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {x.shape} and {node.attributes['values']} values of each "
            f"channel; there are {x.shape[2]}."
        )
    return (x.shape,)


def masked_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of x, whose rows are its last axis; the mask has some rows, which x's rows take in turn."""
    x, mask = inputs
    assert x is not None and mask is not None
    rows = math.prod(x.shape[:-1])
    fits = len(mask.shape) == 2 and mask.shape[1] == x.shape[-1] and rows % mask.shape[0] == 0
    if len(x.shape) not in (2, 3) or not fits:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {x.shape} and the mask '{mask.name}' of shape "
            f"{mask.shape}; it takes two or three dimensions, and a mask of two, whose rows are as long and go into "
            "those of x a whole number of times."
        )
    return (x.shape,)


def along_rows(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(function of the row) + y_zero_point) for every operator of `ROW_WORKS`."""
    x, *others = operands
    assert x is not None
    second = others.pop() if node.operator in BESIDE else None
    given = tuple(operand.data for operand in others if operand is not None)
    work = ROW_WORKS[node.operator](RowNode(node, x.tensor, outputs[0], given))
    image = x.data.ndim == 4
    rows = np.moveaxis(x.data, 1, -1) if image else x.data.reshape(x.data.shape or (1,))
    if "groups" in node.attributes:
        rows = rows.reshape(rows.shape[0], node.attributes["groups"], -1)
    values = np.multiply(centred(rows, work.offset).astype(np.float32), work.scale)
    first, *names = work.function.inputs
    known = {first: values, **work.numbers, **work.rows}
    if second is not None and work.beside is not None:
        beside = centred(second.data, work.beside.offset).astype(np.float32) * work.beside.scale
        known[first] = values.reshape(-1, *beside.shape)
        known[work.beside.name] = beside
    result = evaluate(work.function, *(known[name] for name in (first, *names)))
    # What is one number of a row stands in the place of each of its elements.
    made = round_to_int8(np.broadcast_to(result, np.asarray(known[first]).shape), outputs[0].zero_point)
    return (np.ascontiguousarray(np.moveaxis(made, -1, 1) if image else made.reshape(x.data.shape)),)
