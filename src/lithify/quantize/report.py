"""How far int8 is from float, layer by layer: what a user looks at to see which layer costs the accuracy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.limits import bounds
from lithify.optimize.values import shape_of, used_once
from lithify.quantize import qdq
from lithify.quantize.data import Samples
from lithify.quantize.running import watch


@dataclass(frozen=True)
class LayerError:
    """One int8 tensor against the same tensor of the float model, over all samples.

    layer, operator: of the float node that makes it. tensor: its name in the float model.
    noise_db: signal-to-noise ratio, 10 log10(sum of squares / sum of squared errors) in decibels, everything before
        being int8 too; own_noise_db: the same if this tensor alone were int8. Infinite where nothing differs.
    clipped: share of the float values beyond what the tensor's 256 integers cover.
    """

    layer: str
    operator: str
    tensor: str
    step: float
    zero_point: int
    noise_db: float
    own_noise_db: float
    clipped: float


@dataclass(frozen=True)
class ErrorReport:
    """layers: in order of execution. outputs: signal-to-noise ratio in decibels of each float output of the model.

    scores: the same, but of what a final Softmax reads instead of what it makes.
    """

    layers: tuple[LayerError, ...]
    outputs: Mapping[str, float]
    scores: Mapping[str, float]
    samples: int


def compare(model: ir.Model, quantized: ir.Model, samples: Samples, most: int = 16) -> ErrorReport:
    """The report on the first `most` samples. quantized: what `quantize` made of the float `model`."""
    samples = samples.first(most)
    made = {str(value.name): node for node in model.graph for value in node.outputs}
    pairs = [pair for node in quantized.graph if (pair := _pair(node, made)) is not None]
    # Of an output whose shape the data decide int8 may make another one, and there is nothing to compare.
    fixed = [value for value in model.graph.outputs if shape_of(value) is not None]
    outputs = [str(value.name) for value in fixed if value.dtype == ir.DataType.FLOAT]
    real = watch(model, list(dict.fromkeys([*(name for name, _, _ in pairs), *outputs])), samples)
    ours = watch(quantized, list(dict.fromkeys([*(str(up.outputs[0].name) for _, _, up in pairs), *outputs])), samples)
    sums = {name: np.zeros(4) for name in (*(name for name, _, _ in pairs), *outputs)}
    for expected, found in zip(real, ours, strict=True):
        for name, down, up in pairs:
            own = qdq.parameters(down)
            assert own is not None
            sums[name] += _squares(expected[name], found[str(up.outputs[0].name)], own)
        for name in set(outputs) - {name for name, _, _ in pairs}:
            sums[name] += _squares(expected[name], found[name], None)
    layers = tuple(_layer(name, made[name], down, sums[name], len(samples)) for name, down, _ in pairs)
    noise = {name: _decibels(*sums[name][:2]) for name in sums}
    scores = {name: noise.get(_before_softmax(made.get(name)), noise[name]) for name in outputs}
    return ErrorReport(layers, {name: noise[name] for name in outputs}, scores, len(samples))


def _before_softmax(node: ir.Node | None) -> str:
    if node is None or node.op_type not in ("Softmax", "LogSoftmax") or node.inputs[0] is None:
        return ""
    return str(node.inputs[0].name)


def _pair(down: ir.Node, made: Mapping[str, ir.Node]) -> tuple[str, ir.Node, ir.Node] | None:
    """The tensor of the float model that a QuantizeLinear rounds, with the pair of nodes."""
    if down.op_type != "QuantizeLinear" or down.inputs[0] is None:
        return None
    up = next((user for user, _ in down.outputs[0].uses() if user.op_type == "DequantizeLinear"), None)
    name = str(down.inputs[0].name)
    if up is not None and up.outputs[0].is_graph_output():
        name = str(up.outputs[0].name)  # the result kept the name; the float before it has another
    return (name, down, up) if up is not None and name in made else None


def _squares(real: NDArray[np.float32], ours: NDArray[np.float32], own: qdq.Parameters | None) -> NDArray[np.float64]:
    """Sum of squares, of squared errors, of squared errors of rounding alone, and the share of clipped values."""
    exact = real.astype(np.float64)
    signal, noise = float((exact**2).sum()), float(((exact - ours) ** 2).sum())
    if own is None:
        return np.array([signal, noise, 0.0, 0.0])
    steps = np.rint(exact / float(own.scale)) + int(own.zero_point)
    rounded = (np.clip(steps, -128, 127) - int(own.zero_point)) * float(own.scale)
    clipped = float(((steps < -128) | (steps > 127)).mean()) if exact.size else 0.0
    return np.array([signal, noise, float(((exact - rounded) ** 2).sum()), clipped])


def _layer(name: str, node: ir.Node, down: ir.Node, sums: NDArray[np.float64], samples: int) -> LayerError:
    own = qdq.parameters(down)
    assert own is not None
    while bounds(node) is not None and (before := node.inputs[0]) is not None and used_once(before):
        earlier = before.producer()
        if earlier is None:
            break
        node = earlier  # a Relu is part of the layer before it
    signal, noise, rounding, clipped = map(float, sums)
    return LayerError(
        layer=str(node.name),
        operator=node.op_type,
        tensor=name,
        step=float(own.scale),
        zero_point=int(own.zero_point),
        noise_db=_decibels(signal, noise),
        own_noise_db=_decibels(signal, rounding),
        clipped=clipped / samples,
    )


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def worst(report: ErrorReport, count: int = 5) -> Sequence[LayerError]:
    """The layers that lose most, the worst first."""
    return sorted(report.layers, key=lambda entry: entry.noise_db)[:count]
