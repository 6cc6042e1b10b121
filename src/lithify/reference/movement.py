"""Transpose, Expand, Tile, Pad, DepthToSpace and SpaceToDepth: elements move, values, scale and zero point stay."""

from typing import Literal

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import INT8_MAXIMUM, INT8_MINIMUM
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def transpose_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """Dimension d of the output is dimension perm[d] of the input."""
    (x,) = inputs
    assert x is not None
    perm: tuple[int, ...] = node.attributes["perm"]
    if sorted(perm) != list(range(len(x.shape))):
        raise LithifyError(
            f"Node '{node.name}' (Transpose) was given perm {perm} for {len(x.shape)} dimensions; "
            "it must hold each of them once, counted from 0."
        )
    return (tuple(x.shape[axis] for axis in perm),)


def transpose(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The dimensions in the order of `perm`."""
    (x,) = operands
    assert x is not None
    return (x.data.transpose(node.attributes["perm"]),)


def expand_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The attribute `shape`; aligned at the back, each dimension of x is 1 or that of `shape`."""
    (x,) = inputs
    assert x is not None
    shape: Shape = node.attributes["shape"]
    behind = shape[len(shape) - len(x.shape) :]
    if len(x.shape) > len(shape) or any(m not in (1, n) for m, n in zip(x.shape, behind, strict=True)):
        raise LithifyError(
            f"Node '{node.name}' (Expand) was given {x.shape} to expand to {shape}; "
            "aligned at the last, each dimension must be 1 or that of the new shape."
        )
    return (shape,)


def expand(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """Dimensions of size 1 repeated."""
    (x,) = operands
    assert x is not None
    return (np.broadcast_to(x.data, node.attributes["shape"]).copy(),)


def tile_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """Each dimension times its entry of `repeats`."""
    (x,) = inputs
    assert x is not None
    repeats = node.attributes["repeats"]
    if len(repeats) != len(x.shape):
        raise LithifyError(
            f"Node '{node.name}' (Tile) was given repeats {repeats} for {len(x.shape)} dimensions; "
            "it must have one for each."
        )
    return (tuple(size * times for size, times in zip(x.shape, repeats, strict=True)),)


def tile(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The whole tensor repeated along each dimension."""
    (x,) = operands
    assert x is not None
    return (np.tile(x.data, node.attributes["repeats"]),)


def pad_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """Each dimension plus its two pads, the first half of `pads` before and the second half behind; negative: cut."""
    (x,) = inputs
    assert x is not None
    pads, mode, rank = node.attributes["pads"], node.attributes["mode"], len(x.shape)
    if len(pads) != 2 * rank:
        raise LithifyError(
            f"Node '{node.name}' (Pad) was given pads {pads} for {rank} dimensions; "
            "it must have one before each dimension, then one behind each."
        )
    shape = tuple(size + pads[axis] + pads[axis + rank] for axis, size in enumerate(x.shape))
    kept = tuple(size + min(pads[axis], 0) + min(pads[axis + rank], 0) for axis, size in enumerate(x.shape))
    if min(shape, default=1) < 1 or (mode != "constant" and min(kept, default=1) < 1):
        raise LithifyError(f"Node '{node.name}' (Pad) cuts {pads} off {x.shape}, which leaves nothing; cut off less.")
    if mode == "reflect" and any(max(pads[axis], pads[axis + rank]) >= size for axis, size in enumerate(kept)):
        raise LithifyError(
            f"Node '{node.name}' (Pad) was given pads {pads} to reflect of {x.shape}; "
            "each must be smaller than its dimension."
        )
    if not INT8_MINIMUM <= x.zero_point + node.attributes["value"] <= INT8_MAXIMUM:
        raise LithifyError(
            f"Node '{node.name}' (Pad) was given value {node.attributes['value']} with zero point {x.zero_point}; "
            "their sum, which stands in the padding, must be from -128 to 127."
        )
    return (shape,)


_NUMPY: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """Padding of zero point + `value`, or of the tensor itself: mirrored, its edge, or from its other end."""
    (x,) = operands
    assert x is not None
    pads, mode, rank = node.attributes["pads"], node.attributes["mode"], x.data.ndim
    # Negative pads cut first: what is cut is not there to be mirrored.
    kept = x.data[tuple(slice(max(-pads[a], 0), n - max(-pads[a + rank], 0)) for a, n in enumerate(x.data.shape))]
    margins = tuple((max(pads[axis], 0), max(pads[axis + rank], 0)) for axis in range(rank))
    if mode == "constant":
        return (np.pad(kept, margins, constant_values=np.int8(x.tensor.zero_point + node.attributes["value"])),)
    return (np.pad(kept, margins, mode=_NUMPY[mode]),)


def _check_image(node: Node, x: Tensor) -> None:
    if len(x.shape) != 4:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given x of shape {x.shape}; it must have 4 dimensions, NCHW."
        )


def depth_to_space_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] -> [N, C / blocksize^2, H * blocksize, W * blocksize]."""
    (x,) = inputs
    assert x is not None
    _check_image(node, x)
    block = node.attributes["blocksize"]
    if x.shape[1] % block**2:
        raise LithifyError(
            f"Node '{node.name}' (DepthToSpace) was given {x.shape[1]} channels and blocksize {block}; "
            f"channels must be a multiple of {block**2}."
        )
    return ((x.shape[0], x.shape[1] // block**2, x.shape[2] * block, x.shape[3] * block),)


def depth_to_space(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y[n, c, h*b + i, w*b + j] = x[n, channel, h, w]; channel = (i*b + j)*C/b^2 + c (DCR) or c*b^2 + i*b + j (CRD)."""
    (x,) = operands
    assert x is not None
    block = node.attributes["blocksize"]
    batch, channels, height, width = x.data.shape
    if node.attributes["mode"] == "DCR":
        parts = x.data.reshape(batch, block, block, channels // block**2, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = x.data.reshape(batch, channels // block**2, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    return (parts.reshape(outputs[0].shape),)


def space_to_depth_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] -> [N, C * blocksize^2, H / blocksize, W / blocksize]."""
    (x,) = inputs
    assert x is not None
    _check_image(node, x)
    block = node.attributes["blocksize"]
    if x.shape[2] % block or x.shape[3] % block:
        raise LithifyError(
            f"Node '{node.name}' (SpaceToDepth) was given an image of {x.shape[2]}x{x.shape[3]} and blocksize {block}; "
            "both sides must be multiples of it."
        )
    return ((x.shape[0], x.shape[1] * block**2, x.shape[2] // block, x.shape[3] // block),)


def space_to_depth(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y[n, (i*b + j)*C + c, h, w] = x[n, c, h*b + i, w*b + j]."""
    (x,) = operands
    assert x is not None
    block = node.attributes["blocksize"]
    batch, channels, height, width = x.data.shape
    parts = x.data.reshape(batch, channels, height // block, block, width // block, block)
    return (parts.transpose(0, 3, 5, 1, 2, 4).reshape(outputs[0].shape),)
