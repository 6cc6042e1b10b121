"""The tests of ONNX's own backend suite, as the `onnx` wheel carries them: nothing is downloaded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from lithify.frontend.onnx import OLDEST_IR

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
"""Kinds of tests whose models and data are in the wheel, and small."""

_DATA = ("Add", "Sub", "Mul", "Div", "Concat", "Max", "Min", "Mean", "Sum", "Pow", "Equal", "Less", "Greater", "Where")
"""Operators whose inputs are all data. Of every other the first is data and the rest are parameters: in a network they
are weights, shapes and axes, which are constants.
"""
_PLACES = {"Attention": (0, 1, 2, 4, 5)}
"""Which inputs are data of operators with several: queries, keys and values, and those of the past."""


@dataclass(frozen=True, eq=False)
class Case:
    """One test: a model, inputs by name, and the outputs expected of them, each within rtol and atol.

    model: with what a network would hold as constants among its initializers. operators: its operators, each once.
    constants: the inputs of the original model that became constants.
    """

    name: str
    kind: str
    model: onnx.ModelProto
    operators: tuple[str, ...]
    constants: tuple[str, ...]
    data: tuple[tuple[dict[str, Any], tuple[Any, ...]], ...]
    rtol: float
    atol: float


def cases(kinds: Sequence[str] = KINDS, chosen: str = "") -> Iterator[Case]:
    """The tests of these kinds whose name contains `chosen`, in order of kind and name. Takes seconds to begin with."""
    for kind in kinds:
        for test in sorted(_tests(kind), key=lambda test: str(test.name)):
            if chosen in test.name:
                yield _case(kind, test)


@cache
def _tests(kind: str) -> Sequence[Any]:
    import warnings

    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the suite computes its expectations, infinities and all
        return tuple(load_model_tests(kind=kind))


def _case(kind: str, test: Any) -> Case:
    model = test.model if test.model is not None else onnx.load(str(Path(test.model_dir) / "model.onnx"))
    stored = test.data_sets if test.data_sets is not None else _stored(Path(test.model_dir), model)
    initializers = {tensor.name for tensor in model.graph.initializer}
    names = [entry.name for entry in model.graph.input if entry.name not in initializers]
    sets = [({name: _array(value) for name, value in zip(names, given, strict=False)}, tuple(map(_array, expected)))
            for given, expected in stored]  # fmt: skip
    constants = _parameters(model, sets[0][0])
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    bound.ir_version = max(bound.ir_version, OLDEST_IR)
    kept = [entry for entry in bound.graph.input if entry.name not in constants]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    bound.graph.initializer.extend(numpy_helper.from_array(sets[0][0][name], name) for name in constants)
    data = tuple(({name: value for name, value in given.items() if name not in constants}, expected)
                 for given, expected in sets)  # fmt: skip
    operators = tuple(dict.fromkeys(node.op_type for node in model.graph.node))
    return Case(test.name, kind, bound, operators, constants, data, test.rtol, test.atol)


def _parameters(model: onnx.ModelProto, given: dict[str, Any]) -> tuple[str, ...]:
    """Inputs that no node takes as data; none of them where the model would be left without an input."""
    data = {
        name
        for node in model.graph.node
        for index, name in enumerate(node.input)
        if node.op_type in _DATA or index in _PLACES.get(node.op_type, (0,))
    }
    outputs = {entry.name for entry in model.graph.output}
    inner = {name for node in model.graph.node for attribute in node.attribute for name in _names(attribute)}
    found = tuple(
        name
        for name, value in given.items()
        if name not in data | outputs | inner and isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    )
    return found if len(found) < len(given) else ()


def _names(attribute: onnx.AttributeProto) -> Iterator[str]:
    """Names that the graphs of an If, Loop or Scan read."""
    for graph in (attribute.g, *attribute.graphs):
        for node in graph.node:
            yield from node.input


def _stored(folder: Path, model: onnx.ModelProto) -> list[tuple[list[Any], list[Any]]]:
    """The data sets of a folder of the suite."""
    sets = []
    for place in sorted(folder.glob("test_data_set_*")):
        sets.append(
            (
                [_read(place / f"input_{index}.pb", entry) for index, entry in enumerate(model.graph.input)
                 if (place / f"input_{index}.pb").exists()],
                [_read(place / f"output_{index}.pb", entry) for index, entry in enumerate(model.graph.output)],
            )
        )  # fmt: skip
    return sets


def _read(path: Path, entry: onnx.ValueInfoProto) -> Any:
    proto: Any = {
        "sequence_type": onnx.SequenceProto,
        "optional_type": onnx.OptionalProto,
    }.get(entry.type.WhichOneof("value") or "", onnx.TensorProto)()
    proto.ParseFromString(path.read_bytes())
    return proto


def _array(value: Any) -> NDArray[Any] | Any:
    """Tensors as arrays; sequences and optional values as they are: Lithify refuses those models anyway."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
