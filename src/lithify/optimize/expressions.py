"""Expressions of one or two tensors, element by element: quotients, powers, extremes, and choices by what comparisons
say.

They are what the chip's table of one int8 cannot do. An expression is written as a body of `reference/expressions.py`,
of the float tensors that its operators read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from lithify.optimize.functions import number
from lithify.optimize.values import constant, shape_of
from lithify.reference.expressions import NAMES

ROOTS = ("Div", "Max", "Min", "Pow", "PRelu", "Where", "Cast")
"""Operators that end one."""
COMPARED = ("Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal")
JOINED = ("And", "Or", "Xor", "Not")
CONDITIONS = (*COMPARED, *JOINED)
"""Operators that say what holds."""
LARGEST = 1e4
"""Above this a constant of several numbers is no value but a mask, which would leave nothing of a scale."""


@dataclass(frozen=True)
class Expression:
    """nodes: in order of execution; the last makes the result. operands: the tensors that are `a` and `b` in the body;
    they broadcast to the result.
    """

    nodes: tuple[ir.Node, ...]
    operands: tuple[ir.Value, ...]
    body: tuple[str, ...]


def expression_of(node: ir.Node, most: int = len(NAMES)) -> Expression | None:
    """The expression that ends in this node; None for another node, and for more than `most` tensors."""
    output = node.outputs[0]
    if node.domain != "" or node.op_type not in ROOTS or output.dtype != ir.DataType.FLOAT or not shape_of(output):
        return None
    if node.op_type in ("Pow", "PRelu") and number(node.inputs[1]) is not None:
        return None  # a function of one tensor, which has a definition of its own
    return _expression(_Writing(most), lambda writing: writing.root(node))


def condition_of(node: ir.Node, most: int = len(NAMES)) -> Expression | None:
    """What says whether something holds, as the number 1 or 0; None as for `expression_of`."""
    if node.domain != "" or node.op_type not in CONDITIONS or not shape_of(node.outputs[0]):
        return None
    return _expression(_Writing(most), lambda writing: writing.condition(node.outputs[0]))


def _expression(writing: "_Writing", write: Callable[["_Writing"], str]) -> Expression | None:
    try:
        result = write(writing)
    except _No:
        return None
    if not any(constant(value) is None for value in writing.operands):
        return None
    if not writing.lines:  # the largest of one
        result = writing.line("multiply", result, "1")
    *lines, last = writing.lines
    assert last.startswith(f"{result} = "), "the last line makes the result"
    return Expression(tuple(writing.nodes), tuple(writing.operands), (*lines, f"y{last.removeprefix(result)}"))


class _No(Exception):
    """The expression is none."""


class _Writing:
    def __init__(self, most: int) -> None:
        self.most = most
        self.nodes: dict[ir.Node, None] = {}
        self.operands: dict[ir.Value, str] = {}
        self.lines: list[str] = []

    def root(self, node: ir.Node) -> str:
        if node.op_type == "Div":
            made = self.line("divide", *(self.operand(value) for value in node.inputs))
        elif node.op_type in ("Max", "Min"):
            made, *others = (self.operand(value) for value in node.inputs)
            for other in others:
                made = self.line("maximum" if node.op_type == "Max" else "minimum", made, other)
        elif node.op_type == "Pow":
            made = self.line("power_near", *(self.operand(value) for value in node.inputs))
        elif node.op_type == "PRelu":
            x, slope = (self.operand(value) for value in node.inputs)
            sloped = self.line("multiply", x, slope)
            made = self.line("select", self.line("less", x, "0"), sloped, x)
        elif node.op_type == "Where":
            # The mask of the choice is the newest one.
            first, second = self.operand(node.inputs[1]), self.operand(node.inputs[2])
            made = self.line("select", self.mask(node.inputs[0]), first, second)
        else:
            made = self.condition(node.inputs[0])
        self.nodes[node] = None
        return made

    def line(self, instruction: str, *operands: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {instruction}({', '.join(operands)})")
        return name

    def operand(self, value: ir.Value | None) -> str:
        """A number, or the name of a tensor."""
        if value is None or value.dtype != ir.DataType.FLOAT:
            raise _No
        single = number(value)
        return repr(single) if single is not None else self.tensor(value)

    def tensor(self, value: ir.Value) -> str:
        """The name of a tensor."""
        if value not in self.operands:
            data = constant(value)
            masks = data is not None and not (np.isfinite(data).all() and np.abs(data).max() <= LARGEST)
            if len(self.operands) == self.most or shape_of(value) is None or masks:
                raise _No
            known = len(self.operands)
            self.operands[value] = NAMES[known] if known < len(NAMES) else f"more_{known}"
        return self.operands[value]

    def mask(self, value: ir.Value | None) -> str:
        """A condition whose last instruction compares."""
        node = value.producer() if value is not None else None
        made = self.condition(value)
        direct = node is not None and node.op_type in ("Less", "Greater", "Equal", "Not")
        return made if direct else self.line("less", "0.5", made)

    def condition(self, value: ir.Value | None) -> str:
        """1 where it holds, else 0."""
        node = value.producer() if value is not None else None
        if value is not None and value.dtype == ir.DataType.BOOL and constant(value) is not None:
            return self.tensor(value)
        if node is None or node.domain != "" or node.op_type not in CONDITIONS:
            raise _No
        if node.op_type in COMPARED:
            a, b = (self.operand(entry) for entry in node.inputs)
            if node.op_type.startswith("Greater"):
                a, b = b, a
            made = self.line("equal" if node.op_type == "Equal" else "less", a, b)
            if node.op_type.endswith("OrEqual"):
                made = self.line("maximum", made, self.line("equal", a, b))
        elif node.op_type == "Not":
            made = self.line("less", self.condition(node.inputs[0]), "0.5")
        else:
            a, b = (self.condition(entry) for entry in node.inputs)
            made = self.line(*_WRITTEN[node.op_type](self, a, b))
        self.nodes[node] = None
        return made


_WRITTEN: dict[str, Callable[[_Writing, str, str], tuple[str, str, str]]] = {
    "And": lambda writing, a, b: ("multiply", a, b),
    "Or": lambda writing, a, b: ("maximum", a, b),
    "Xor": lambda writing, a, b: ("subtract", writing.line("maximum", a, b), writing.line("multiply", a, b)),
}
