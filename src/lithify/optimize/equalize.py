"""Equalisation across layers: channels scaled between two layers until both use them with weights of like size.

Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction" (2019): what stands between two
layers and commutes with a factor above zero (Relu, LeakyRelu, poolings, nothing) lets channel c of the first be
divided by s[c] and its weights in the second multiplied by it, exactly up to float rounding.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.channels import fold, layer
from lithify.optimize.values import add_constant, constant, integer, set_input, used_once

_SWEEPS = 20
_SETTLED = 1e-3
_MOST = 1e4
"""No channel is scaled by more than this, or less than its inverse: a channel of tiny weights stays what it is."""

_COMMUTING = ("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool")


def equalize(model: ir.Model) -> ir.Model:
    """Equalises every pair of a Conv and the one Conv that alone reads it, until nothing moves."""
    model = model.clone()
    pairs = _pairs(model)
    for _ in range(_SWEEPS):
        moved = [_balance(model.graph, *pair) for pair in pairs]
        if max(moved, default=0.0) < _SETTLED:
            break
    return model


def has_pairs(model: ir.Model) -> bool:
    """Whether there is anything to equalise."""
    return bool(_pairs(model))


def _pairs(model: ir.Model) -> list[tuple[ir.Node, ir.Node]]:
    return [pair for node in model.graph if (pair := _pair(node)) is not None]


def _pair(second: ir.Node) -> tuple[ir.Node, ir.Node] | None:
    """The layer before this Conv, where only commuting operators stand between and nothing else reads them."""
    weights = constant(second.inputs[1]) if second.op_type == "Conv" and second.domain == "" else None
    if weights is None or weights.dtype != np.float32:
        return None
    value = second.inputs[0]
    while value is not None and used_once(value) and (node := value.producer()) is not None:
        if node.op_type not in _COMMUTING or node.domain != "":
            break
        value = node.inputs[0]
    first = layer(value)
    return (first, second) if first is not None and first.op_type == "Conv" else None


def _balance(graph: ir.Graph, first: ir.Node, second: ir.Node) -> float:
    """Scales the channels between the two layers once; returns the largest change, as a logarithm."""
    before, after = constant(first.inputs[1]), constant(second.inputs[1])
    assert before is not None and after is not None
    groups = integer(second, "group", 1)
    made = np.abs(before.astype(np.float64)).reshape(before.shape[0], -1).max(axis=1)
    # [O, C / group, ...] -> the largest weight of each of the C inputs.
    read = np.abs(after.astype(np.float64)).reshape(groups, after.shape[0] // groups, after.shape[1], -1)
    read = read.max(axis=(1, 3)).reshape(-1)
    usable = (made > 0) & (read > 0)
    scale = np.ones_like(made)
    scale[usable] = np.clip(np.sqrt(made[usable] / read[usable]), 1 / _MOST, _MOST)
    fold(graph, first, 1 / scale, np.zeros_like(scale))
    grouped = after.astype(np.float64).reshape(groups, -1, *after.shape[1:])
    grouped *= scale.reshape(groups, 1, -1, *(1 for _ in after.shape[2:]))
    set_input(second, 1, add_constant(graph, f"{second.name}_weights", _float32(grouped.reshape(after.shape))))
    return float(np.abs(np.log(scale)).max())


def _float32(data: NDArray[np.float64]) -> NDArray[np.float32]:
    return data.astype(np.float32)
