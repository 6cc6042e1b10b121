"""Host models of the operators along rows: the written function, primitive by primitive, as ONNX operators.

Each is one IEEE operation in ONNX too. Only subnormal numbers differ, which the primitives take as zeros: in the rows'
functions they are added to larger ones or rounded to an int8 step, and change nothing.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from lithify.compiler.host.builder import Builder, Rule
from lithify.reference.float32 import SUM_WAYS
from lithify.reference.quantized_rows import REDUCTIONS
from lithify.reference.rows import ROW_WORKS, SEARCHES, Beside, work_of
from lithify.reference.written import Step

_SAME: Mapping[str, str] = MappingProxyType(
    {
        "add": "Add",
        "subtract": "Sub",
        "multiply": "Mul",
        "divide": "Div",
        "square_root": "Sqrt",
        "maximum": "Max",
        "minimum": "Min",
        "round": "Round",
    }
)
"""Primitive -> the ONNX operator of the same meaning."""

_REDUCED: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"row_sum": ("Add", 0.0), "row_maximum": ("Max", float("-inf"))}
)
"""Reduction -> the operator that combines two, and what each partial result starts from."""

LEAST, MOST = -126, 127
"""Exponents of normal numbers."""

FARTHEST = 512
"""Powers of 2 that the primitive `scale` knows, up and down."""


def row_operator(b: Builder) -> str:
    """The int8 result of an operator along rows."""
    x, rank = b.tensor(0), len(b.tensor(0).shape)
    turned = rank == 4 and b.node.operator != "Elementwise"
    work = work_of(b.node, b.graph)
    name = b.cast(b.node.inputs[0], "int32")
    if turned:
        name = b.op("Transpose", name, perm=[0, 2, 3, 1])
    name = b.cast(b.op("Sub", name, b.constant(np.array(work.offset, np.int32))), "float32")
    known = {work.function.inputs[0]: b.op("Mul", name, b.constant(np.array(work.scale)))}
    known |= {key: b.constant(np.asarray(value)) for key, value in (*work.numbers.items(), *work.rows.items())}
    if work.beside is not None:
        known[work.beside.name] = _beside(b, work.beside)
    columns = x.shape[1] if rank == 4 else x.shape[-1]
    grouped = "groups" in b.node.attributes
    if grouped:
        groups, first = b.node.attributes["groups"], work.function.inputs[0]
        columns = x.shape[1] * x.shape[2] // groups
        known[first] = b.reshape(known[first], x.shape[0], groups, columns)
    for step in work.function.steps:
        known[step.result] = _made(b, step, known, columns)
    limits = b.node.attributes.get("minimum", -128), b.node.attributes.get("maximum", 127)
    result = known[work.function.results[0]]
    of_row = b.node.operator in (*REDUCTIONS, *SEARCHES)
    if work.beside is not None or of_row or grouped:
        lowest = b.constant(np.array(-np.inf, np.float32))
        result = b.op("Where", b.op("IsNaN", result), lowest, result)
    made = b.round(result, *limits)
    if grouped:
        return b.reshape(made, *x.shape)
    if of_row:
        shape = (x.shape[0], *x.shape[2:], x.shape[1]) if turned else x.shape
        made = b.op("Expand", made, b.constant(np.array(shape, np.int64)))
    return b.op("Transpose", made, perm=[0, 3, 1, 2]) if turned else made


def _beside(b: Builder, beside: Beside) -> str:
    """The second tensor's rows, as often as those of x take them in turn."""
    x, other = b.tensor(0), b.tensor(1)
    name = b.cast(
        b.op("Sub", b.cast(b.node.inputs[1], "int32"), b.constant(np.array(beside.offset, np.int32))), "float32"
    )
    name = b.op("Mul", name, b.constant(np.array(beside.scale)))
    if other.shape == x.shape:
        return name
    turns = math.prod(x.shape[:-1]) // math.prod(other.shape[:-1])
    repeats = np.array([turns] + [1] * (len(other.shape) - 1), np.int64)
    return b.op("Reshape", b.op("Tile", name, b.constant(repeats)), b.constant(np.array(x.shape, np.int64)))


def _made(b: Builder, step: Step, known: Mapping[str, str], columns: int) -> str:
    operands = [known[op] if isinstance(op, str) else b.constant(np.array(op, np.float32)) for op in step.operands]
    if step.instruction in _SAME:
        return b.op(_SAME[step.instruction], *operands)
    if step.instruction in _REDUCED:
        return _reduce(b, step.instruction, operands[0], columns)
    return _OTHERS[step.instruction](b, *operands)


def _reduce(b: Builder, reduction: str, name: str, columns: int) -> str:
    """64 partial results over the strips, then halves: the order of `float32.row_sum`."""
    operator, start = _REDUCED[reduction]
    # Behind the row stands what each partial result starts from. All axes are named: with the input `axes` ONNX
    # Runtime moves a Transpose over the Pad and then fails.
    pads = np.zeros(2 * max(1, len(b.tensor(0).shape)), np.int64)
    pads[-1] = -columns % SUM_WAYS
    name = b.op("Pad", name, b.constant(pads), b.constant(np.array(start, np.float32)))
    partial = b.constant(np.array(start, np.float32))
    for first in range(0, columns, SUM_WAYS):
        partial = b.op(operator, partial, _slice(b, name, first, first + SUM_WAYS))
    ways = SUM_WAYS
    while ways > 1:
        ways //= 2
        partial = b.op(operator, _slice(b, partial, 0, ways), _slice(b, partial, ways, 2 * ways))
    return partial


def _slice(b: Builder, name: str, first: int, end: int) -> str:
    return b.op("Slice", name, *(b.constant(np.array([value], np.int64)) for value in (first, end, -1)))


def _scale(b: Builder, x: str, steps: str) -> str:
    """x * 2^rint(steps), steps taken as within +-FARTHEST; exact but for infinity and what is flushed to zero."""
    nothing, unknown = b.constant(np.array(0, np.float32)), b.op("IsNaN", steps)
    ends = (b.constant(np.array(end, np.float32)) for end in (-FARTHEST, FARTHEST))
    whole = b.op("Clip", b.op("Round", b.op("Where", unknown, nothing, steps)), *ends)
    powers = b.constant(np.ldexp(1.0, np.arange(-FARTHEST, FARTHEST + 1)))
    place = b.op("Add", b.cast(whole, "int64"), b.constant(np.array(FARTHEST, np.int64)))
    made = b.cast(b.op("Mul", b.cast(x, "float64"), b.op("Gather", powers, place)), "float32")
    least = b.constant(np.array(np.finfo(np.float32).tiny, np.float32))
    normal = b.op("Where", b.op("Less", b.op("Abs", made), least), b.op("Mul", made, nothing), made)
    return b.op("Where", unknown, b.constant(np.array(np.nan, np.float32)), normal)


def _exponent(b: Builder, x: str) -> str:
    """Of positive normal numbers: how many powers of 2 are not above them, one at a time."""
    powers = b.constant(np.ldexp(np.float32(1), np.arange(LEAST, MOST + 1)).astype(np.float32))
    axis = b.constant(np.array([-1], np.int64))
    there = b.cast(b.op("GreaterOrEqual", b.op("Unsqueeze", x, axis), powers), "float32")
    count = b.op("ReduceSum", there, axis, keepdims=0)
    return b.op("Add", count, b.constant(np.array(LEAST - 1, np.float32)))


def _significand(b: Builder, x: str) -> str:
    """Of positive normal numbers; halved before the power that might be subnormal, doubled behind."""
    less = b.op("Neg", _exponent(b, x))
    half = b.constant(np.array(0.5, np.float32))
    once = b.op("Floor", b.op("Mul", less, half))
    return _scale(b, _scale(b, x, once), b.op("Sub", less, once))


def _less(b: Builder, x: str, y: str) -> str:
    return b.cast(b.op("Less", x, y), "float32")


def _equal(b: Builder, x: str, y: str) -> str:
    return b.cast(b.op("Equal", x, y), "float32")


def _select(b: Builder, mask: str, x: str, y: str) -> str:
    return b.op("Where", b.cast(mask, "bool"), x, y)


_OTHERS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "scale": _scale,
        "exponent": _exponent,
        "significand": _significand,
        "less": _less,
        "equal": _equal,
        "absolute": lambda b, x: b.op("Abs", x),
        "negate": lambda b, x: b.op("Neg", x),
        "select": _select,
    }
)

ROW_RULES: Mapping[str, Rule] = MappingProxyType(dict.fromkeys(ROW_WORKS, row_operator))
"""Operator along rows -> the rule that writes it in ONNX."""
