"""Rounding weights moves the mean of what a layer makes; the bias moves it back.

Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction" (2019), equation 17, with the
mean inputs measured on calibration data: E[y] grows by (rounded weights - weights) x E[x], so the bias shrinks by it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant, integer, set_input
from lithify.quantize.data import Samples
from lithify.quantize.placement import Work
from lithify.quantize.running import watch
from lithify.quantize.step import Scale
from lithify.quantize.weights import bias_of, output_axis, rounded, steps_of

CORRECTED = ("Conv", "Gemm")
"""Layers that have a bias of their own and whose every output reads a full window of inputs."""


def correct(model: ir.Model, works: Sequence[Work], scales: Mapping[ir.Value, Scale], samples: Samples) -> None:
    """Corrects the float biases of the int8 layers, in place, before their weights are rounded.

    model: float, with `works` placed in its graph; samples: what the means are taken over.
    """
    layers = [work for work in works if work.layer.op_type in CORRECTED]
    means = _means(model, [work.inputs[0] for work in layers], samples)
    # Layers that share their weights, as the steps of a recurrent one do, share what they are corrected by.
    alike: dict[tuple[ir.Value | None, ...], list[Work]] = {}
    for work in layers:
        alike.setdefault(tuple(work.layer.inputs[1:]), []).append(work)
    for together in alike.values():
        layer = together[0].layer
        sources = [work.inputs[0] for work in together]
        mean = np.mean([means[str(source.name)] for source in sources], axis=0)
        shift = _shift(layer, mean, max(scales[source].step for source in sources))
        bias = bias_of(layer)
        corrected = (shift if bias is None else shift + bias.astype(np.float64)).astype(np.float32)
        graph = layer.graph
        assert isinstance(graph, ir.Graph)
        constant_bias = add_constant(graph, f"{layer.name}_corrected_bias", corrected)
        for work in together:
            set_input(work.layer, 2, constant_bias)


def _means(model: ir.Model, values: Sequence[ir.Value], samples: Samples) -> dict[str, NDArray[np.float64]]:
    """The mean of each channel (axis 1) of the tensors."""
    names = list(dict.fromkeys(str(value.name) for value in values))
    totals: dict[str, NDArray[np.float64]] = {}
    for sample in watch(model, names, samples):
        for name, array in sample.items():
            axes = tuple(axis for axis in range(array.ndim) if axis != 1)
            totals[name] = totals.get(name, np.zeros(array.shape[1])) + array.mean(axis=axes, dtype=np.float64)
    return {name: total / len(samples) for name, total in totals.items()}


def _shift(node: ir.Node, mean: NDArray[np.float64], input_step: np.float32) -> NDArray[np.float64]:
    """What to add to the bias: minus the error of the weights times the mean input, per output channel."""
    weights, axis = constant(node.inputs[1]), output_axis(node)
    assert weights is not None
    steps = steps_of(node, input_step)
    along = [-1 if index == axis else 1 for index in range(weights.ndim)]
    error = rounded(node, steps) * steps.astype(np.float64).reshape(along) - weights
    shift: NDArray[np.float64]
    if node.op_type == "Gemm":
        shift = -(error @ mean if axis == 0 else mean @ error)
        return shift
    groups = integer(node, "group", 1)
    per_tap = error.sum(axis=tuple(range(2, error.ndim))).reshape(groups, -1, error.shape[1])
    shift = -np.einsum("goc,gc->go", per_tap, mean.reshape(groups, -1)).reshape(-1)
    return shift
