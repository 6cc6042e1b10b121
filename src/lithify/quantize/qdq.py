"""QuantizeLinear and DequantizeLinear nodes as quantised tensors: what the pairs of a QDQ model say about numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import constant, integer

INT8 = ir.DataType.INT8


@dataclass(frozen=True)
class Parameters:
    """scale: float32, a scalar array or one entry per index of `axis`; zero_point: of the same shape; dtype: stored."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    dtype: ir.DataType
    axis: int

    @property
    def scalar(self) -> bool:
        """Whether these are the parameters of an int8 activation: one scale for the whole tensor."""
        return self.dtype == INT8 and self.scale.shape == ()

    def same(self, other: "Parameters") -> bool:
        """Whether both mean the same number by the same integer, to the last bit."""
        return (
            self.dtype == other.dtype
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
            and (self.scale.shape == () or self.axis == other.axis)
        )


def parameters(node: ir.Node) -> Parameters | None:
    """Of a QuantizeLinear or DequantizeLinear; None for another node, and for blocked or computed scales."""
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or node.domain not in ("", "com.microsoft"):
        return None
    scale: NDArray[Any] | None = constant(node.inputs[1])
    if scale is None or scale.dtype != np.float32 or integer(node, "block_size", 0):
        return None
    stored = node.inputs[0].dtype if node.op_type == "DequantizeLinear" and node.inputs[0] is not None else None
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if zero is not None:
        zero_point = constant(zero)
        if zero_point is None:
            return None
        stored = zero.dtype
    else:
        zero_point = np.zeros(scale.shape, np.int64)
        named = ir.DataType(integer(node, "output_dtype", 0))
        if node.op_type == "QuantizeLinear":
            stored = named if named != ir.DataType.UNDEFINED else ir.DataType.UINT8
    if stored is None:
        return None
    if scale.size == 1:  # exporters write scalars as [1] too
        scale, zero_point = scale.reshape(()), zero_point.reshape(())
    return Parameters(scale, zero_point.astype(np.int64), stored, integer(node, "axis", 1))


def parameters_of(value: ir.Value) -> Parameters | None:
    """What the integers of an int8 activation mean: said by its QuantizeLinear or, made otherwise, by its reader."""
    node = value.producer()
    if node is not None and node.op_type == "QuantizeLinear":
        found = parameters(node)
    else:
        readers = (parameters(user) for user, index in value.uses() if index == 0)
        found = next((item for item in readers if item is not None), None)
    return found if found is not None and found.scalar else None


def activation(value: ir.Value | None) -> ir.Value | None:
    """The int8 tensor behind the float output of a DequantizeLinear; None for any other float."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "DequantizeLinear":
        return None
    stored, own = node.inputs[0], parameters(node)
    if stored is None or own is None or constant(stored) is not None:
        return None
    made = parameters_of(stored)
    return stored if made is not None and made.same(own) else None


def weights(value: ir.Value | None, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """Constant int8 weights and their scale per index of `axis`; None unless symmetric (zero points all 0)."""
    node = value.producer() if value is not None else None
    own = parameters(node) if node is not None and node.op_type == "DequantizeLinear" else None
    if node is None or own is None or own.dtype != INT8 or own.zero_point.any():
        return None
    data = constant(node.inputs[0])
    if data is None or (own.scale.shape != () and own.axis % data.ndim != axis):
        return None
    scale = np.broadcast_to(own.scale, (data.shape[axis],)).astype(np.float32)
    return (data.astype(np.int8), scale) if (scale > 0).all() and np.isfinite(scale).all() else None


def bias(value: ir.Value | None, scale: NDArray[np.float32]) -> NDArray[np.int32] | None:
    """The bias in int32 steps of `scale` (input scale x weight scale, one per channel); None if it is not constant.

    An int32 bias stored at this scale is taken as it is. A float bias, or one of another scale, is rounded to the
    nearest step: at most half an accumulator step off, well below the rounding of the output.
    """
    node = value.producer() if value is not None else None
    if node is None:
        real = constant(value)
    else:
        own = parameters(node) if node.op_type == "DequantizeLinear" else None
        data = constant(node.inputs[0])
        if own is None or data is None:
            return None
        if own.dtype == ir.DataType.INT32 and not own.zero_point.any() and np.allclose(own.scale, scale, 1e-5, 0):
            return np.broadcast_to(data.reshape(-1), scale.shape).astype(np.int32)
        real = (data.astype(np.float64) - own.zero_point) * own.scale
    if real is None or real.size not in (1, scale.size) or real.dtype.kind != "f":
        return None
    steps = np.rint(real.reshape(-1).astype(np.float64) / scale.astype(np.float64))
    return steps.astype(np.int32) if (np.abs(steps) < 2**31).all() else None


def to_steps(real: float, own: Parameters) -> int:
    """QuantizeLinear of one float: clip(rint(real / scale) + zero_point) to int8, dividing in float32."""
    with np.errstate(over="ignore"):
        steps = np.rint(np.float32(real) / np.float32(own.scale)) + np.float32(own.zero_point)
    return int(np.clip(steps, -128, 127))
