"""MatMul of two int8 activations: exact int32 sums of products, then one multiplication and one rounding to int8."""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import accumulator, product_multiplier, requantize
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def matmul_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[M, K] and [N, K] -> [M, N]; or several matrices, [B, M, K] and [B, N, K], of which either may be one for all."""
    a, b = inputs
    assert a is not None and b is not None
    ranks = len(a.shape), len(b.shape)
    fits = all(rank in (2, 3) for rank in ranks) and a.shape[-1] == b.shape[-1]
    counts = {shape[0] for shape in (a.shape, b.shape) if len(shape) == 3} - {1}
    if not fits or len(counts) > 1:
        raise LithifyError(
            f"Node '{node.name}' (MatMul) was given a of shape {a.shape} and b of shape {b.shape}; a must be [M, K] or "
            "[B, M, K], b [N, K] or [B, N, K], with the same K, and B the same or 1."
        )
    count = () if max(ranks) == 2 else (max(counts, default=1),)
    return ((*count, a.shape[-2], b.shape[-2]),)


def matmul(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y[m, n] = clip(rint(f32(f32(sum_k((a[m, k] - za) * (b[n, k] - zb))) * m)) + zy), m = f32(f32(sa * sb) / sy)."""
    a, b = operands
    assert a is not None and b is not None
    # Integers that float64 holds exactly: |a - za| and |b - zb| are at most 255, and K is far below 2**37.
    rows, columns = (operand.data.astype(np.float64) - operand.tensor.zero_point for operand in (a, b))
    total = (rows @ np.swapaxes(columns, -1, -2)).astype(np.int64)
    multiplier = product_multiplier(a.tensor, b.tensor, outputs[0])
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return (requantize(accumulator(node.name, total), multiplier, outputs[0], *limits),)
