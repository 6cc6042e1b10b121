"""What is asked of every model whatever framework it is from: its framework's answers, and the whole line."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray

import lithify
from lithify.chip import Chip

FLOAT_TOLERANCE = 2e-5
"""Relative to the largest output: the same float32 operators in another order and other libraries."""


def answers(model: ir.Model, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """What ONNX Runtime computes."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Else ONNX Runtime computes pairs around int8 operators in another rule than the written one on some processors.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = ort.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)
    return list(session.run(None, dict(feeds)))


def agree(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> None:
    """All outputs equal within float error."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        assert np.abs(ours - theirs).max() <= FLOAT_TOLERANCE * max(1.0, float(np.abs(theirs).max()))


def take_the_line(
    model: ir.Model, chip: str | Chip = "tiny", *, samples: Sequence[NDArray[Any]] | None = None, proof: bool = True
) -> lithify.Program:
    """Optimised, quantised and compiled; with `proof`, the program computes what the reference says, on all bits."""
    names = [str(value.name) for value in model.graph.inputs]
    calibration = None if samples is None else [dict(zip(names, samples, strict=True))]
    quantized = lithify.quantize(lithify.optimize(model), calibration)
    program = lithify.compile(quantized, chip=chip)
    assert not proof or program.verify(rtl="none").agreed
    return program
