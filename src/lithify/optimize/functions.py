"""Functions of one variable: neighbouring elementwise operators that together take one tensor to another.

x * Sigmoid(x) is one function of x, however many operators an exporter wrote it with, and so are HardSwish, Gelu and
every other composition: what counts is that one tensor goes in and that no element meets another. On the chip each
is one look-up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.limits import bounds
from lithify.optimize.values import constant, shape_of
from lithify.reference import functions

Values = NDArray[np.float32]

_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "LeakyRelu": ("alpha",),
    "ThresholdedRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Elu": ("alpha",),
    "Selu": ("alpha", "gamma"),
    "Celu": ("alpha",),
    "Swish": ("alpha",),
    "QuickGelu": ("alpha",),
    "Shrink": ("bias", "lambd"),
}
"""ONNX operator -> the attributes that are parameters of its function."""

_NAMES: Mapping[str, str] = {"Silu": "Swish", "QuickGelu": "Swish"}
"""ONNX operator -> its name among the functions, where that is another."""

_DEFAULTS: Mapping[str, Mapping[str, float]] = {"QuickGelu": {"alpha": 1.702}}

_DOMAINS: Mapping[str, tuple[str, ...]] = {"": tuple(functions.FUNCTIONS), "com.microsoft": ("Gelu", "QuickGelu")}


@dataclass(frozen=True)
class Function:
    """The nodes, in order of execution, that make `output` of `source` and constants alone; the last one makes it."""

    source: ir.Value
    output: ir.Value
    nodes: tuple[ir.Node, ...]


def elementwise(node: ir.Node) -> bool:
    """Whether the node treats every element alike: a known function or a pair of operands, at most one tensor constant.

    Parameters are constant; a constant operand is one number.
    """
    x = node.inputs[0] if node.inputs else None
    if x is None or node.outputs[0].dtype != ir.DataType.FLOAT or shape_of(node.outputs[0]) is None:
        return False
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    if node.domain == "" and node.op_type in functions.PAIRS:
        return len(node.inputs) == 2 and bool(variables(node)) and _same_shapes(node)
    if node.op_type in ("Relu", "Clip"):
        return bounds(node) is not None and bool(variables(node))
    if node.domain == "" and node.op_type in ("PRelu", "Pow"):
        return len(node.inputs) == 2 and number(node.inputs[1]) is not None and constant(x) is None
    return node.op_type in _DOMAINS.get(node.domain, ()) and constant(x) is None


def number(value: ir.Value | None) -> float | None:
    """The value of a constant of one number."""
    data = constant(value)
    return float(data.reshape(())[()]) if data is not None and data.size == 1 and data.dtype.kind in "fi" else None


def variables(node: ir.Node) -> tuple[ir.Value, ...]:
    """The tensors among the operands of an elementwise node, each once; none if a constant is more than a number."""
    found: dict[ir.Value, None] = {}
    operands = node.inputs if node.op_type in functions.PAIRS else node.inputs[:1]
    for value in operands:
        if value is None or (constant(value) is not None and number(value) is None):
            return ()
        if constant(value) is None:
            found[value] = None
    return tuple(found)


def _same_shapes(node: ir.Node) -> bool:
    shape = shape_of(node.outputs[0])
    return all(shape_of(value) == shape for value in variables(node))


def between(source: ir.Value, output: ir.Value) -> Function:
    """The function from one of the `sources` of `output`."""
    nodes: dict[ir.Node, None] = {}

    def visit(value: ir.Value) -> None:
        node = value.producer()
        if value is source or node is None or node in nodes:
            return
        for operand in variables(node):
            visit(operand)
        nodes[node] = None

    visit(output)
    return Function(source, output, tuple(nodes))


class Sources:
    """Finds the tensors that others are functions of, and remembers them.

    opaque: nodes that may not be part of such a function.
    """

    def __init__(self, opaque: Iterable[ir.Node] = ()) -> None:
        self._opaque = set(opaque)
        self._found: dict[ir.Value, tuple[ir.Value, ...]] = {}

    def of(self, value: ir.Value) -> tuple[ir.Value, ...]:
        """Every tensor that `value` is a function of one variable of, the nearest first; without `value` itself."""
        waiting = [value]
        while waiting:  # not recursive: a chain may be longer than Python's stack
            last = waiting[-1]
            node = last.producer()
            if last in self._found:
                waiting.pop()
            elif node is None or node in self._opaque or node.outputs[0] is not last or not elementwise(node):
                self._found[waiting.pop()] = (last,)
            elif missing := [operand for operand in variables(node) if operand not in self._found]:
                waiting.extend(missing)
            else:
                first, *others = (self._found[operand] for operand in variables(node))
                common = [one for one in first if all(one in other for other in others)]
                self._found[waiting.pop()] = (last, *common)
        return self._found[value][1:]


def evaluate(nodes: Iterable[ir.Node], output: ir.Value, sources: Iterable[ir.Value], x: Values) -> Values:
    """`output` at every x, float32, each operator by its written definition: the same bits on every machine.

    nodes: elementwise, in order of execution, up to that which makes `output`; sources: the values that are x.
    """
    values: dict[ir.Value, Values] = {source: np.asarray(x, np.float32) for source in sources}
    for node in nodes:
        values[node.outputs[0]] = _apply(node, values)
    return values[output]


def _apply(node: ir.Node, values: Mapping[ir.Value, Values]) -> Values:
    def operand(value: ir.Value | None) -> Values:
        assert value is not None
        single = number(value)
        return values[value] if single is None else np.float32(single)  # type: ignore[return-value]

    if node.op_type in functions.PAIRS:
        shape = next(iter(values.values())).shape
        first, second = map(operand, node.inputs)
        return np.broadcast_to(functions.combine(node.op_type, first, second), shape)
    x = operand(node.inputs[0])
    if node.op_type in ("Relu", "Clip"):
        limits = bounds(node)
        assert limits is not None
        return functions.apply("Clip", x, min=limits[0], max=limits[1])
    if node.op_type in ("PRelu", "Pow"):
        parameter = number(node.inputs[1])
        assert parameter is not None
        return functions.apply(node.op_type, x, **{"slope" if node.op_type == "PRelu" else "exponent": parameter})
    name = _NAMES.get(node.op_type, node.op_type)
    if name == "Gelu" and node.attributes.get_string("approximate", "none") == "tanh":
        name = "GeluTanh"
    defaults = {**functions.FUNCTIONS[name].defaults, **_DEFAULTS.get(node.op_type, {})}
    given = {key: node.attributes.get_float(key, defaults[key]) for key in _PARAMETERS.get(node.op_type, ())}
    return functions.apply(name, x, **given)
