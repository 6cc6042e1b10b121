"""Operators that take two tensors element by element: Add, Sub and Mul, with broadcasting."""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred, finite, product_multiplier, requantize, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def pair_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """Equal ranks; along each dimension equal sizes, or 1 against any."""
    a, b = inputs
    assert a is not None and b is not None
    fits = len(a.shape) == len(b.shape) and all(m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True))
    if not fits:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given shapes {a.shape} and {b.shape}; they must have as many "
            "dimensions, each of equal size or of size 1 in one of them."
        )
    return (tuple(max(m, n) for m, n in zip(a.shape, b.shape, strict=True)),)


def add(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(a' * ma) + f32(b' * mb))) + zy), a' = a - za, ma = f32(sa / sy), and so for b."""
    a, b = _terms(operands, outputs[0])
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add(a, b)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return (round_to_int8(total, outputs[0].zero_point, *limits),)


def sub(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(a' * ma) - f32(b' * mb))) + zy): Add with the multiplier of b negated."""
    a, b = _terms(operands, outputs[0])
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.subtract(a, b)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return (round_to_int8(total, outputs[0].zero_point, *limits),)


def _terms(operands: tuple[Operand | None, ...], y: Tensor) -> list[Array]:
    terms = []
    for operand in operands:
        assert operand is not None
        with np.errstate(over="ignore"):
            multiplier = finite(np.divide(scale_of(operand.tensor), scale_of(y)), y)
            terms.append(np.multiply(centred(operand.data, operand.tensor.zero_point).astype(np.float32), multiplier))
    return terms


def mul(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(a' * b') * m)) + zy), m = f32(f32(sa * sb) / sy); a' * b' is exact, within +-65025."""
    a, b = operands
    assert a is not None and b is not None
    product = centred(a.data, a.tensor.zero_point) * centred(b.data, b.tensor.zero_point)
    multiplier = product_multiplier(a.tensor, b.tensor, outputs[0])
    return (requantize(product, multiplier, outputs[0], node.attributes["minimum"], node.attributes["maximum"]),)
