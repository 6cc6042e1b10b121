"""Static post-training quantisation of a float model to int8, written as a QDQ model."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from lithify.errors import LithifyError
from lithify.frontend.onnx import NEWEST_IR
from lithify.frontend.shapes import infer
from lithify.optimize.equalize import equalize as equalized
from lithify.optimize.equalize import has_pairs
from lithify.quantize import data, qoperator, ranges
from lithify.quantize.bias_correction import correct
from lithify.quantize.pairs import write
from lithify.quantize.placement import Work, place
from lithify.quantize.ranges import METHODS, Method, Range
from lithify.quantize.report import compare
from lithify.quantize.running import watch
from lithify.quantize.scales import scales
from lithify.quantize.signed import to_signed

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger", *qoperator.OPERATORS)

_JUDGED = 16
"""Calibration samples on which `auto` compares the methods."""


@dataclass(frozen=True)
class Trial:
    """One way to quantise, and the least signal-to-noise ratio (decibels) of the model's outputs with it.

    Of an output that a Softmax makes the scores before it are judged: probabilities near 0 and 1 hide all errors.
    """

    method: Method
    bias_correction: bool
    equalize: bool
    noise_db: float


@dataclass(frozen=True)
class Quantization:
    """model: QDQ. chosen: the way taken; None where the model came quantised or nothing of it could be.
    trials: all that were compared, the best first; empty unless a choice was left to be made.
    """

    model: ir.Model
    chosen: Trial | None
    trials: tuple[Trial, ...]


def is_quantized(model: ir.Model) -> bool:
    """Whether the model already carries its own quantisation."""
    return any(node.op_type in _QUANTIZED for node in model.graph)


def quantize(
    model: ir.Model,
    calibration: data.Source,
    method: Literal["auto"] | Method = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Collection[str] = (),
    input_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> ir.Model:
    """The model in int8: activations asymmetric, weights symmetric per output channel, biases int32, as Q/DQ pairs.

    model: float, shapes fixed. One that is quantised already keeps its bits: its uint8 becomes int8, its QOperators
        Q/DQ pairs, exactly.
    calibration: samples, in any form that `data.read` takes.
    method: how the range of each tensor follows from its values on the samples, see `ranges`; "auto" takes the one
        with which the outputs come closest to the float model's.
    bias_correction, equalize: see `bias_correction` and `optimize.equalize`; None: no or, under "auto", what is best.
    keep_float: names of nodes that stay float: what they read and make is rounded to int8 only for int8 neighbours.
        They run on the host, except that an operator without weights between two int8 tensors is computed by the chip:
        its definition is the float operator, rounded once.
    input_ranges: inputs whose range is known, whatever the samples hold: 0 to 255 of pixels is exact, for example.
    Operators without an int8 definition stay float (see `candidates`).
    Raises LithifyError for data that does not fit the model, an unknown method and an unknown node.
    """
    return quantize_with_choice(model, calibration, method, bias_correction, equalize, keep_float, input_ranges).model


def quantize_with_choice(
    model: ir.Model,
    calibration: data.Source,
    method: Literal["auto"] | Method = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Collection[str] = (),
    input_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Quantization:
    """As `quantize`, and what was chosen and why."""
    if method != "auto" and method not in METHODS:
        raise LithifyError(f"There is no calibration method '{method}'. Choose auto, {', '.join(METHODS)}.")
    if is_quantized(model):
        return Quantization(to_signed(qoperator.to_qdq(model)), None, ())
    _check_names(model, keep_float)
    for name in input_ranges:
        if name not in {str(value.name) for value in model.graph.inputs}:
            known = _listed([str(value.name) for value in model.graph.inputs])
            raise LithifyError(f"A range is given for the input '{name}'; the model's inputs are: {known}.")
    samples = data.read(calibration, data.inputs_of(model), "calibration")
    source = model.clone()
    NameFixPass()(source)
    source.ir_version = min(source.ir_version, NEWEST_IR)
    if not place(source, keep_float):
        return Quantization(source, None, ())
    if method != "auto":
        made = _Way(source, samples, keep_float, bool(equalize), input_ranges).quantized(method, bool(bias_correction))
        trial = Trial(method, bool(bias_correction), bool(equalize), _noise(source, made, samples))
        return Quantization(made, trial, ())
    return _best(source, samples, keep_float, bias_correction, equalize, input_ranges)


def _best(
    source: ir.Model,
    samples: data.Samples,
    keep_float: Collection[str],
    bias_correction: bool | None,
    equalize: bool | None,
    input_ranges: Mapping[str, tuple[float, float]],
) -> Quantization:
    """The way whose outputs are nearest to the float model's; of equal ones the simplest, which comes first."""
    found: list[tuple[Trial, ir.Model]] = []
    choices = (False, True) if has_pairs(source) else (False,)
    for equal in choices if equalize is None else (equalize,):
        way = _Way(source, samples, keep_float, equal, input_ranges)
        for method in METHODS:
            for corrected in (False, True) if bias_correction is None else (bias_correction,):
                made = way.quantized(method, corrected)
                found.append((Trial(method, corrected, equal, _noise(source, made, samples)), made))
    found.sort(key=lambda entry: -entry[0].noise_db)
    return Quantization(found[0][1], found[0][0], tuple(trial for trial, _ in found))


def _noise(source: ir.Model, made: ir.Model, samples: data.Samples) -> float:
    report = compare(source, made, samples, _JUDGED)
    return min(report.scores.values(), default=float("inf"))


class _Way:
    """A float model prepared for quantisation; the ranges of each method are measured once."""

    def __init__(
        self,
        source: ir.Model,
        samples: data.Samples,
        keep_float: Collection[str],
        equal: bool,
        input_ranges: Mapping[str, tuple[float, float]],
    ) -> None:
        self._source = equalized(source) if equal else source
        self._samples, self._kept = samples, keep_float
        self._given = {name: Range(min(low, 0.0), max(high, 0.0)) for name, (low, high) in input_ranges.items()}
        self._ranges: dict[Method, dict[str, Range]] = {}

    def quantized(self, method: Method, corrected: bool) -> ir.Model:
        model = self._source.clone()
        works = place(model, self._kept)
        values = dict.fromkeys(value for work in works for value in (*work.inputs, *work.outputs))
        if method not in self._ranges:
            names = [str(value.name) for value in values]
            self._ranges[method] = ranges.find(watch(model, names, self._samples), method) | self._given
        works = _covered(model, works, self._ranges[method], self._kept)
        steps = scales(works, self._ranges[method])
        if corrected:
            correct(model, works, steps, self._samples)
        write(model.graph, works, steps)
        NameFixPass()(model)
        infer(model, Path(model.graph.name or "model"))
        return model


def _covered(
    model: ir.Model, works: tuple[Work, ...], found: Mapping[str, Range], keep_float: Collection[str]
) -> tuple[Work, ...]:
    """The work whose tensors all have a range. What meets infinities on the way, as masks do, stays float."""
    kept = set(keep_float)
    while endless := {
        str(node.name)
        for work in works
        if any(str(value.name) not in found for value in (*work.inputs, *work.outputs))
        for node in work.nodes
    }:
        kept |= endless
        works = place(model, kept)
    return works


def _check_names(model: ir.Model, names: Collection[str]) -> None:
    known = [str(node.name) for node in model.graph]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3) or known[:3]
            raise LithifyError(
                f"--keep-float names the layer '{name}', which the model does not have. Near it are: {_listed(near)}."
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
