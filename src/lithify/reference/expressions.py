"""Elementwise: an expression of one or two int8 tensors, element by element, worked out in float32 and rounded once.

What each element stands for enters as f32(f32(value - zero_point) * scale); `body` is a written function of `a` and `b`
(`written.py`), whose `y` is rounded to steps of the result.
"""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.graph import Node, Tensor
from lithify.reference.written import Written, evaluate, written

NAMES = ("a", "b")
"""The inputs, as the body names them."""


def expression(node: Node, steps: str = "steps") -> Written:
    """The function of the inputs and of the steps of the result in 1."""
    inputs = ", ".join((*NAMES[: len(node.inputs)], steps))
    lines = (*node.attributes["body"], f"result = multiply(y, {steps})")
    return written(f"elementwise({inputs}) -> result", "\n".join(lines), FLOAT_FUNCTIONS)


def steps_in_one(y: Tensor) -> np.float32:
    """f32(1 / scale): what the expression is multiplied with before it is rounded."""
    with np.errstate(over="ignore"):
        return np.float32(np.float32(1) / np.float32(scale_of(y)))


def expression_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """That of the inputs, which is one."""
    shapes = [tensor.shape for tensor in inputs if tensor is not None]
    if len(shapes) > len(NAMES) or len(set(shapes)) != 1:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {', '.join(map(str, shapes))}; it takes one tensor, or "
            "two of one shape."
        )
    expression(node)
    return (shapes[0],)


def elementwise(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(body(a, b) * f32(1 / sy))) + zy)."""
    (y,) = outputs
    values = [
        np.multiply(centred(operand.data, operand.tensor.zero_point).astype(np.float32), scale_of(operand.tensor))
        for operand in operands
        if operand is not None
    ]
    result = np.broadcast_to(evaluate(expression(node), *values, steps_in_one(y)), y.shape)
    return (round_to_int8(result, y.zero_point, node.attributes["minimum"], node.attributes["maximum"]),)
