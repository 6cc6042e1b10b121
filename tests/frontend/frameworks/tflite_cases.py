"""One case for each TFLite operator that is read: operands, options, results; in float and, where usual, int8."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tests.frontend.frameworks.tflite_writer import Operator, Tensor, litert, write

RANDOM = np.random.default_rng(11)
STEP, ZERO = 1 / 32, 3
"""Scale and zero point of int8 inputs: from -4.1 to 3.9."""


@dataclass(frozen=True)
class X:
    """An input of the network: normal numbers, or integers below `below`; positive ones where a function wants them."""

    shape: tuple[int, ...]
    positive: bool = False
    below: int = 0


@dataclass(frozen=True)
class W:
    """Weights, in int8 with a scale for each entry of `axis`, or one for all."""

    data: NDArray[Any]
    axis: int | None = None


@dataclass(frozen=True)
class B:
    """A bias, int32 beside int8 weights."""

    data: NDArray[Any]


@dataclass(frozen=True)
class C:
    """Another constant."""

    data: NDArray[Any]


@dataclass(frozen=True)
class S:
    """What the operator keeps from call to call."""

    shape: tuple[int, ...]


ABSENT = S(())
"""In the place of an operand that is left out."""

Scale = Literal["own", "same", "probability", "tanh", "none"]


@dataclass(frozen=True)
class Case:
    """results: shapes of the outputs. scale: that of an int8 output; "none": the operator is taken in float only."""

    operands: tuple[X | W | B | C | S, ...]
    results: tuple[tuple[int, ...], ...]
    scale: Scale = "own"
    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"


def _f(*shape: int) -> NDArray[np.float32]:
    return RANDOM.standard_normal(shape).astype(np.float32) * np.float32(0.5)


def _i(*numbers: Any) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


IMAGE = X((1, 6, 5, 4))
SAME = (1, 6, 5, 4)
ROW = X((1, 12))
RELU, RELU6 = 1, 3


def _one(scale: Scale = "own", kind: str = "", positive: bool = False, **options: Any) -> Case:
    return Case((X(SAME, positive),), (SAME,), scale, kind, options)


def _lstm(by_time: bool = False, peepholes: bool = False) -> Case:
    steps, batch, inputs, hidden = 4, 2, 5, 6
    shapes = [(hidden, inputs)] * 4 + [(hidden, hidden)] * 4
    weights = [C(_f(*shape)) for shape in shapes]
    seen = [C(_f(hidden)) for _ in range(3)] if peepholes else [ABSENT] * 3
    biases = [C(_f(hidden)) for _ in range(4)]
    states = [S((batch, hidden)), S((batch, hidden))]
    order = (steps, batch) if by_time else (batch, steps)
    operands = (X((*order, inputs)), *weights, *seen, *biases, ABSENT, ABSENT, *states, *([ABSENT] * 4))
    options = {"fusedActivationFunction": 4, "timeMajor": by_time}
    return Case(operands, ((*order, hidden),), "none", "UnidirectionalSequenceLSTMOptions", options)


def _two(kind: str = "", **options: Any) -> Case:
    return Case((IMAGE, X(SAME, positive=kind == "DivOptions")), (SAME,), "own", kind, options)


CASES: Mapping[str, Case] = {
    "CONV_2D": Case(
        (IMAGE, W(_f(8, 3, 3, 4), 0), B(_f(8))), ((1, 3, 3, 8),), "own", "Conv2DOptions",
        {"padding": 0, "strideH": 2, "strideW": 2, "fusedActivationFunction": RELU},
    ),
    "CONV_2D dilated": Case(
        (IMAGE, W(_f(8, 3, 2, 4), 0), B(_f(8))), ((1, 2, 3, 8),), "own", "Conv2DOptions",
        {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 2, "dilationWFactor": 2},
    ),
    "DEPTHWISE_CONV_2D": Case(
        (IMAGE, W(_f(1, 3, 3, 8), 3), B(_f(8))), ((1, 6, 5, 8),), "own", "DepthwiseConv2DOptions",
        {"padding": 0, "strideH": 1, "strideW": 1, "depthMultiplier": 2, "fusedActivationFunction": RELU6},
    ),
    "TRANSPOSE_CONV": Case(
        (C(_i(1, 12, 10, 8)), W(_f(8, 3, 3, 4), 0), IMAGE), ((1, 12, 10, 8),), "own", "TransposeConvOptions",
        {"padding": 0, "strideH": 2, "strideW": 2},
    ),
    "FULLY_CONNECTED": Case(
        (IMAGE, W(_f(7, 120)), B(_f(7))), ((1, 7),), "own", "FullyConnectedOptions", {"fusedActivationFunction": RELU}
    ),
    "FULLY_CONNECTED kept": Case(
        (X((1, 3, 12)), W(_f(7, 12)), B(_f(7))), ((1, 3, 7),), "own", "FullyConnectedOptions", {"keepNumDims": True}
    ),
    "BATCH_MATMUL": Case((X((1, 2, 5, 6)), X((1, 2, 6, 3))), ((1, 2, 5, 3),), "none", "BatchMatMulOptions"),
    "ADD": _two("AddOptions", fusedActivationFunction=RELU),
    "SUB": _two("SubOptions"),
    "MUL": _two("MulOptions"),
    "DIV": Case((IMAGE, X(SAME, positive=True)), (SAME,), "none", "DivOptions"),
    "MAXIMUM": Case((IMAGE, IMAGE), (SAME,), "same", "MaximumMinimumOptions"),
    "MINIMUM": Case((IMAGE, IMAGE), (SAME,), "same", "MaximumMinimumOptions"),
    "POW": Case((X(SAME, True), C(np.float32(1.5).reshape(1))), (SAME,), "none", "PowOptions"),
    "PRELU": Case((IMAGE, W(np.abs(_f(1, 1, 4)))), (SAME,), "own"),
    "ADD_N": Case((IMAGE, IMAGE, IMAGE), (SAME,), "none", "AddNOptions"),
    "SQUARED_DIFFERENCE": Case((IMAGE, IMAGE), (SAME,), "none", "SquaredDifferenceOptions"),
    "RELU": _one("own"),
    "RELU6": _one("own"),
    "RELU_N1_TO_1": _one("own"),
    "RELU_0_TO_1": _one("none"),
    "LEAKY_RELU": _one("own", "LeakyReluOptions", alpha=0.1),
    "ELU": _one("own"),
    "LOGISTIC": _one("probability"),
    "TANH": _one("tanh"),
    "HARD_SWISH": _one("own", "HardSwishOptions"),
    "GELU": _one("own", "GeluOptions", approximate=False),
    "ABS": _one("own", "AbsOptions"),
    "NEG": _one("none", "NegOptions"),
    "EXP": _one("own", "ExpOptions"),
    "LOG": _one("none", positive=True),
    "SQRT": _one("none", positive=True),
    "RSQRT": _one("none", positive=True),
    "SQUARE": _one("none", "SquareOptions"),
    "SIN": _one("none"),
    "COS": _one("none", "CosOptions"),
    "FLOOR": _one("none"),
    "CEIL": _one("none"),
    "ROUND": _one("none"),
    "SIGN": _one("none", "SignOptions"),
    "SOFTMAX": Case((ROW,), ((1, 12),), "probability", "SoftmaxOptions", {"beta": 1.5}),
    "LOG_SOFTMAX": Case((ROW,), ((1, 12),), "none", "LogSoftmaxOptions"),
    "AVERAGE_POOL_2D": Case(
        (IMAGE,), ((1, 3, 3, 4),), "same", "Pool2DOptions",
        {"padding": 0, "strideH": 2, "strideW": 2, "filterHeight": 3, "filterWidth": 3},
    ),
    "MAX_POOL_2D": Case(
        (IMAGE,), ((1, 3, 3, 4),), "same", "Pool2DOptions",
        {"padding": 0, "strideH": 2, "strideW": 2, "filterHeight": 3, "filterWidth": 3},
    ),
    "MEAN": Case((IMAGE, C(_i(1, 2))), ((1, 4),), "own", "ReducerOptions", {"keepDims": False}),
    "SUM": Case((IMAGE, C(_i(1, 2))), ((1, 1, 1, 4),), "none", "ReducerOptions", {"keepDims": True}),
    "REDUCE_MAX": Case((IMAGE, C(_i(1, 2))), ((1, 4),), "same", "ReducerOptions", {"keepDims": False}),
    "REDUCE_MIN": Case((IMAGE, C(_i(3))), ((1, 6, 5),), "same", "ReducerOptions", {"keepDims": False}),
    "REDUCE_PROD": Case((IMAGE, C(_i(3))), ((1, 6, 5),), "none", "ReducerOptions", {"keepDims": False}),
    "ARG_MAX": Case((ROW, C(_i(1))), ((1,),), "none", "ArgMaxOptions", {"outputType": 2}, "int32"),
    "RESIZE_BILINEAR": Case(
        (IMAGE, C(_i(12, 10))), ((1, 12, 10, 4),), "same", "ResizeBilinearOptions", {"halfPixelCenters": True}
    ),
    "RESIZE_NEAREST_NEIGHBOR": Case(
        (IMAGE, C(_i(12, 10))), ((1, 12, 10, 4),), "same", "ResizeNearestNeighborOptions", {"halfPixelCenters": True}
    ),
    "RESIZE_NEAREST_NEIGHBOR down": Case((IMAGE, C(_i(4, 3))), ((1, 4, 3, 4),), "same", "ResizeNearestNeighborOptions"),
    "SPACE_TO_DEPTH": Case((X((1, 6, 4, 4)),), ((1, 3, 2, 16),), "same", "SpaceToDepthOptions", {"blockSize": 2}),
    "DEPTH_TO_SPACE": Case((IMAGE,), ((1, 12, 10, 1),), "same", "DepthToSpaceOptions", {"blockSize": 2}),
    "RESHAPE": Case((IMAGE, C(_i(1, 120))), ((1, 120),), "same", "ReshapeOptions", {"newShape": [1, 120]}),
    "SQUEEZE": Case((X((1, 1, 5, 4)),), ((1, 5, 4),), "same", "SqueezeOptions", {"squeezeDims": [1]}),
    "EXPAND_DIMS": Case((ROW, C(_i(1))), ((1, 1, 12),), "same", "ExpandDimsOptions"),
    "TRANSPOSE": Case((IMAGE, C(_i(0, 2, 1, 3))), ((1, 5, 6, 4),), "same", "TransposeOptions"),
    "PAD": Case((IMAGE, C(_i([0, 0], [1, 2], [0, 1], [0, 0]))), ((1, 9, 6, 4),), "same", "PadOptions"),
    "PADV2": Case(
        (IMAGE, C(_i([0, 0], [1, 2], [0, 1], [0, 0])), C(np.float32(0.5).reshape(1))), ((1, 9, 6, 4),), "none",
        "PadV2Options",
    ),
    "MIRROR_PAD": Case(
        (IMAGE, C(_i([0, 0], [1, 2], [0, 1], [0, 0]))), ((1, 9, 6, 4),), "same", "MirrorPadOptions", {"mode": 0}
    ),
    "CONCATENATION": Case((IMAGE, IMAGE), ((1, 6, 5, 8),), "same", "ConcatenationOptions", {"axis": 3}),
    "PACK": Case((ROW, ROW), ((1, 2, 12),), "same", "PackOptions", {"axis": 1, "valuesCount": 2}),
    "UNPACK": Case((X((1, 2, 12)),), ((1, 12), (1, 12)), "same", "UnpackOptions", {"axis": 1, "num": 2}),
    "SPLIT": Case((C(_i(3)), IMAGE), ((1, 6, 5, 2), (1, 6, 5, 2)), "same", "SplitOptions", {"numSplits": 2}),
    "SPLIT_V": Case(
        (IMAGE, C(_i(1, 5)), C(_i(1))), ((1, 1, 5, 4), (1, 5, 5, 4)), "same", "SplitVOptions", {"numSplits": 2}
    ),
    "SLICE": Case((IMAGE, C(_i(0, 1, 2, 0)), C(_i(1, 3, -1, 2))), ((1, 3, 3, 2),), "same", "SliceOptions"),
    "STRIDED_SLICE": Case(
        (IMAGE, C(_i(0, 1, 4, 2)), C(_i(0, 6, 0, 3)), C(_i(1, 2, -2, 1))), ((1, 3, 3),), "same", "StridedSliceOptions",
        {"beginMask": 1, "endMask": 5, "shrinkAxisMask": 8},
    ),
    "GATHER": Case((IMAGE, C(_i(2, 0))), ((1, 6, 5, 2),), "same", "GatherOptions", {"axis": 3}),
    "TILE": Case((IMAGE, C(_i(1, 2, 1, 1))), ((1, 12, 5, 4),), "none", "TileOptions"),
    "BROADCAST_TO": Case((X((1, 1, 5, 4)), C(_i(1, 3, 5, 4))), ((1, 3, 5, 4),), "none", "BroadcastToOptions"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm(),
    "UNIDIRECTIONAL_SEQUENCE_LSTM by time": _lstm(by_time=True, peepholes=True),
    "CAST": Case((IMAGE,), (SAME,), "none", "CastOptions", {"inDataType": 0, "outDataType": 2}, "int32"),
}  # fmt: skip
"""By operator; a second word tells cases of one operator apart."""


def float_file(name: str) -> tuple[bytes, list[NDArray[Any]]]:
    """The operator in float, and an input."""
    case = CASES[name]
    tensors = [
        Tensor(one.shape, variable=isinstance(one, S))
        if isinstance(one, X | S)
        else Tensor(one.data.shape, one.data.dtype.name, one.data)
        for one in case.operands
    ]
    return _finish(name, tensors, [Tensor(shape, case.dtype) for shape in case.results]), inputs(name)


def inputs(name: str) -> list[NDArray[Any]]:
    """Seeded inputs of the operator in float, on the steps of its int8 form."""
    random = np.random.default_rng(5)
    made = []
    for one in CASES[name].operands:
        if isinstance(one, X):
            steps = random.integers(-100, 100, one.shape)
            made.append(((np.abs(steps) + 1 if one.positive else steps) * STEP).astype(np.float32))
    return made


def int8_file(name: str) -> tuple[bytes, list[NDArray[Any]]]:
    """The operator in int8, its output scale from the float answers, and an input."""
    case = CASES[name]
    content, real = float_file(name)
    tensors, scales = [], np.array([STEP], np.float32)
    for one in case.operands:
        assert not isinstance(one, S), "what keeps a state is taken in float"
        if isinstance(one, X):
            tensors.append(Tensor(one.shape, "int8", None, [STEP], ZERO))
        elif isinstance(one, W):
            along = tuple(axis for axis in range(one.data.ndim) if axis != one.axis)
            steps = np.abs(one.data).max(axis=along if one.axis is not None else None, keepdims=True) / 127
            scales = (np.float32(STEP) * steps.reshape(-1)).astype(np.float32)
            stored = np.rint(one.data / steps).astype(np.int8)
            tensors.append(Tensor(one.data.shape, "int8", stored, steps.reshape(-1).tolist(), 0, one.axis or 0))
        elif isinstance(one, B):
            stored = np.rint(one.data / scales).astype(np.int32)
            tensors.append(Tensor(one.data.shape, "int32", stored, np.broadcast_to(scales, stored.shape).tolist()))
        else:
            tensors.append(Tensor(one.data.shape, one.data.dtype.name, one.data))
    results = []
    for shape, answer in zip(case.results, litert(content, real), strict=True):
        low, high = min(float(answer.min()), 0.0), max(float(answer.max()), 0.0)
        scale, zero = {
            "own": ((high - low) / 255, round(-128 - low * 255 / (high - low))),
            "same": (STEP, ZERO),
            "probability": (1 / 256, -128),
            "tanh": (1 / 128, 0),
        }[case.scale]
        results.append(Tensor(shape, "int8", None, [scale], zero))
    return _finish(name, tensors, results), [
        np.rint(data / STEP + ZERO).clip(-128, 127).astype(np.int8) for data in real
    ]


def _finish(name: str, operands: list[Tensor], results: list[Tensor]) -> bytes:
    case, count = CASES[name], len(operands)
    outputs = tuple(range(count, count + len(results)))
    places = tuple(-1 if one is ABSENT else index for index, one in enumerate(case.operands))
    operator = Operator(name.split()[0], places, outputs, case.kind, case.options)
    given = [index for index, one in enumerate(case.operands) if isinstance(one, X)]
    return write([*operands, *results], [operator], given, outputs)
