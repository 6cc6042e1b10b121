"""What a row of the table of operators holds: its operands, its attributes, its output shape and its meaning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.graph import Node, Tensor

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """A tensor and the data it holds now."""

    tensor: Tensor
    data: Array


_ALLOWED = {
    "bytes": "bytes",
    "strings": "a tuple of strings",
    "flag": "0 or 1",
    "positive": "a finite number above zero",
}


@dataclass(frozen=True)
class Attribute:
    """One attribute of an operator.

    kind: "int", "flag" (0 or 1), "ints" (a tuple of integers), "choice" (one of `choices`), "strings" (a tuple of
        strings), "bytes" or "positive" (a finite number above zero).
    length: how many integers an "ints" has; None for any number.
    least, most: the smallest and the largest integer allowed.
    default: the value when the node says nothing; None if the node must say.
    """

    kind: str
    default: Any = None
    length: int | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        if self.kind in _ALLOWED:
            return _ALLOWED[self.kind]
        if self.kind == "choice":
            return f"one of: {', '.join(self.choices)}"
        noun = "an integer" if self.kind == "int" else "integers" if self.length is None else f"{self.length} integers"
        if self.most is not None:
            return f"{noun} from {self.least} to {self.most}"
        return noun if self.least is None else f"{noun} of at least {self.least}"

    def admits(self, value: Any) -> bool:
        """Whether `value` is of this kind and within its bounds."""
        if self.kind == "bytes":
            return isinstance(value, bytes)
        if self.kind == "choice":
            return isinstance(value, str) and value in self.choices
        if self.kind == "strings":
            return isinstance(value, tuple) and all(isinstance(entry, str) for entry in value)
        if self.kind == "ints":
            entries = tuple(value) if isinstance(value, tuple | list) else ("not a sequence",)
            return (self.length is None or len(entries) == self.length) and all(map(self._admits_integer, entries))
        if self.kind == "positive":
            number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
            return number and bool(np.isfinite(value) and value > 0)
        if self.kind == "flag":
            return isinstance(value, int | np.integer) and int(value) in (0, 1)
        return self._admits_integer(value)

    def _admits_integer(self, value: Any) -> bool:
        return (
            isinstance(value, int | np.integer)
            and not isinstance(value, bool)
            and (self.least is None or bool(value >= self.least))
            and (self.most is None or bool(value <= self.most))
        )


# Shapes of the outputs, from the node and its input tensors (None where an optional input is absent).
ShapeRule = Callable[[Node, tuple[Tensor | None, ...]], tuple[Shape, ...]]
# Values of the outputs, from the node, its operands and the tensors they go to.
Meaning = Callable[[Node, tuple[Operand | None, ...], tuple[Tensor, ...]], tuple[Array, ...]]


@dataclass(frozen=True)
class Operator:
    """One operator of the quantised graph.

    inputs: what each input must be: "float32", "int8" (a quantised activation), "weights" (int8, zero point 0, one
        scale or one per entry of axis 0), "bias" (int32, may be absent), "table" (int8 without a meaning of its own),
        "index" (int32 or int64), "number" (float32, bool, int32 or int64), "any" or "same" (as the first input, its
        scale and zero point included); None for any number of any.
    outputs: "float32", "int8", "bool", "index" or "same" (as the first input) for each output; None for any number of
        any.
    same_quantization: whether the outputs must carry the scale and zero point of the first input.
    more_inputs, more_outputs: whether there may be any number of the last kind, but at least one.
    shapes: the shape rule; None where only running tells.
    """

    name: str
    inputs: tuple[str, ...] | None
    outputs: tuple[str, ...] | None
    meaning: Meaning
    shapes: ShapeRule | None
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))
    same_quantization: bool = False
    more_inputs: bool = False
    more_outputs: bool = False

    def input_kinds(self, count: int) -> tuple[str, ...] | None:
        """The kinds of `count` inputs; None for any."""
        return _repeated(self.inputs, count, self.more_inputs)

    def output_kinds(self, count: int) -> tuple[str, ...] | None:
        """The kinds of `count` outputs; None for any."""
        return _repeated(self.outputs, count, self.more_outputs)


def _repeated(kinds: tuple[str, ...] | None, count: int, more: bool) -> tuple[str, ...] | None:
    if kinds is None or not more:
        return kinds
    return kinds + kinds[-1:] * (count - len(kinds))


def complete(name: str, operator: Operator, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of the node called `name` with the defaults filled in, as `Node.attributes` wants them.

    Raises LithifyError for an attribute that the operator does not have, or that is missing or of the wrong kind.
    """
    where = f"Node '{name}' ({operator.name})"
    unknown = sorted(set(attributes) - set(operator.attributes))
    if unknown:
        known = ", ".join(operator.attributes) or "none"
        raise LithifyError(f"{where} has no attribute '{unknown[0]}'; it has: {known}.")
    values: dict[str, Any] = {}
    for key, attribute in operator.attributes.items():
        value = attributes.get(key, attribute.default)
        if value is None:
            raise LithifyError(f"{where} lacks its attribute '{key}'; give it a value.")
        if not attribute.admits(value):
            given = f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)
            raise LithifyError(f"{where} was given {key} = {given}; it must be {attribute.allowed}.")
        values[key] = tuple(map(int, value)) if attribute.kind == "ints" else value
    return MappingProxyType(values)
