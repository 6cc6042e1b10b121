"""Operators along the rows of an int8 tensor that are float32 arithmetic: Softmax and what is like it.

A row is the channels at a place: the last axis, or axis 1 of an image [N, C, H, W]. What an element stands for enters
as the exact integer x - offset, and the scales are folded into numbers known beforehand, as a convolution's multiplier
is; what remains is a written function of the row (`quantized_rows.py`), whose result is rounded to int8 as
`arithmetic.round_to_int8` rounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lithify.reference.arithmetic import INT8_MAXIMUM, centred, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.quantized_rows import SOFTMAX, SOFTMAX_OF_MAXIMUM
from lithify.reference.written import Written, evaluate

REACH = np.float32(64)
"""How far below its top an argument of `SOFTMAX` may lie: e^-64 is far from the smallest float32."""
FINEST = np.float32(2.0**-24)
"""The smallest step of a result with which no number of `SOFTMAX` leaves float32."""


@dataclass(frozen=True, eq=False)
class RowWork:
    """What is computed of every row: `function` of x = f32(f32(value - offset) * scale) and of its other inputs.

    numbers: those that are one float32 number. rows: those that have one for every element, float32 [n].
    """

    function: Written
    offset: int
    scale: np.float32
    numbers: Mapping[str, np.float32]
    rows: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))


def softmax_work(x: Tensor, y: Tensor) -> RowWork:
    """e^(x - top) over its sum, in steps of y.

    The top is what cancels out: the row's maximum or, where no x is more than `REACH` below, the largest int8, so that
    no maximum is looked for.
    """
    scale, step = np.float32(scale_of(x)), np.float32(scale_of(y))
    with np.errstate(over="ignore"):
        steps = np.float32(np.float32(1) / step)
    if np.float32(255) * scale <= REACH and step >= FINEST:
        return RowWork(SOFTMAX, INT8_MAXIMUM, scale, {"steps": steps})
    return RowWork(SOFTMAX_OF_MAXIMUM, x.zero_point, np.float32(1), {"scale": scale, "steps": steps})


ROW_WORKS: Mapping[str, Callable[[Tensor, Tensor], RowWork]] = MappingProxyType({"Softmax": softmax_work})
"""Operator -> its work, given the tensors it reads and makes."""


def work_of(node: Node, graph: Graph) -> RowWork:
    """The work of a node of a graph."""
    return ROW_WORKS[node.operator](graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]])


def along_rows(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(function of the row) + y_zero_point) for every operator of `ROW_WORKS`."""
    x = operands[0]
    assert x is not None
    work = ROW_WORKS[node.operator](x.tensor, outputs[0])
    rows = np.moveaxis(x.data, 1, -1) if x.data.ndim == 4 else x.data
    values = np.multiply(centred(rows, work.offset).astype(np.float32), work.scale)
    given = {"x": values, **work.numbers, **work.rows}
    result = evaluate(work.function, *(given[name] for name in work.function.inputs))
    made = round_to_int8(result, outputs[0].zero_point)
    return (np.ascontiguousarray(np.moveaxis(made, -1, 1) if x.data.ndim == 4 else made),)
