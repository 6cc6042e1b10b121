"""Static post-training quantisation of a float model to int8, written as a QDQ model."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import onnx_ir as ir
from onnx_ir.passes.common import NameFixPass

from lithify.errors import LithifyError
from lithify.frontend.onnx import NEWEST_IR
from lithify.frontend.shapes import infer
from lithify.optimize.equalize import equalize as equalized
from lithify.optimize.equalize import has_pairs
from lithify.optimize.pixels import take_pixels
from lithify.preprocessing import KEY, Chain, Preprocessing, chain_from_json
from lithify.quantize import data, qoperator, ranges
from lithify.quantize.bias_correction import correct
from lithify.quantize.dynamic import with_static_scales
from lithify.quantize.pairs import write
from lithify.quantize.placement import Work, place
from lithify.quantize.ranges import METHODS, Method, Range
from lithify.quantize.report import ErrorReport, compare
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
    errors: layer by layer; None where `chosen` is. chain: how pictures go into the model; None where none was stated.
    """

    model: ir.Model
    chosen: Trial | None
    trials: tuple[Trial, ...]
    errors: ErrorReport | None = None
    chain: Chain | None = None


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
    preprocessing: Preprocessing | None = None,
) -> ir.Model:
    """The model in int8: activations asymmetric, weights symmetric per output channel, biases int32, as Q/DQ pairs.

    model: float, shapes fixed. One that is quantised already keeps its bits: its uint8 becomes int8, its QOperators
        Q/DQ pairs, exactly. One that is quantised dynamically becomes static (`dynamic`).
    calibration: samples, in any form that `data.read` takes.
    method: how the range of each tensor follows from its values on the samples, see `ranges`; "auto" takes the one
        with which the outputs come closest to the float model's.
    bias_correction, equalize: see `bias_correction` and `optimize.equalize`; None: no or, under "auto", what is best.
    keep_float: names of nodes that stay float: what they read and make is rounded to int8 only for int8 neighbours.
        They run on the host, except that an operator without weights between two int8 tensors is computed by the chip:
        its definition is the float operator, rounded once.
    input_ranges: float inputs whose range is known, whatever the samples hold. That of a uint8 input is 0 to 255.
    preprocessing: how pictures become the input. Its normalisation moves into the model where it can
        (`optimize.pixels`), which then takes pixels as uint8; the model carries it, and the program compiled from it.
    Operators without an int8 definition stay float (see `candidates`).
    Raises LithifyError for data that does not fit the model, an unknown method and an unknown node.
    """
    return quantize_with_choice(
        model, calibration, method, bias_correction, equalize, keep_float, input_ranges, preprocessing
    ).model


def quantize_with_choice(
    model: ir.Model,
    calibration: data.Source,
    method: Literal["auto"] | Method = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Collection[str] = (),
    input_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    preprocessing: Preprocessing | None = None,
) -> Quantization:
    """As `quantize`, and what was chosen and why."""
    if method != "auto" and method not in METHODS:
        raise LithifyError(f"There is no calibration method '{method}'. Choose auto, {', '.join(METHODS)}.")
    if preprocessing is None:
        chain = chain_of(model)
    else:
        taken = take_pixels(model, preprocessing)
        model, chain = taken.model, taken.chain
    wanted = _Wanted(method, bias_correction, equalize, keep_float, input_ranges)
    found = _quantized(model, calibration, wanted, chain)
    if chain is not None:
        found.model.metadata_props[KEY] = chain.to_json()
    return replace(found, chain=chain)


def chain_of(model: ir.Model) -> Chain | None:
    """How pictures go into the model, as `quantize` noted it; None where nothing was stated."""
    text = model.metadata_props.get(KEY)
    return None if text is None else chain_from_json(text)


@dataclass(frozen=True)
class _Wanted:
    """What `quantize` was asked for."""

    method: Literal["auto"] | Method
    bias_correction: bool | None
    equalize: bool | None
    keep_float: Collection[str]
    input_ranges: Mapping[str, tuple[float, float]]


def _quantized(model: ir.Model, calibration: data.Source, wanted: _Wanted, chain: Chain | None) -> Quantization:
    model = with_static_scales(model)
    if is_quantized(model):
        return Quantization(to_signed(qoperator.to_qdq(model)), None, ())
    _check_names(model, wanted.keep_float)
    for name in wanted.input_ranges:
        if name not in {str(value.name) for value in model.graph.inputs}:
            known = _listed([str(value.name) for value in model.graph.inputs])
            raise LithifyError(f"A range is given for the input '{name}'; the model's inputs are: {known}.")
    samples = data.read(calibration, data.inputs_of(model), "calibration", chain.host if chain else None)
    source = model.clone()
    NameFixPass()(source)
    source.ir_version = min(source.ir_version, NEWEST_IR)
    if not place(source, wanted.keep_float):
        return Quantization(source, None, ())
    if wanted.method != "auto":
        trial = Trial(wanted.method, bool(wanted.bias_correction), bool(wanted.equalize), 0.0)
        made = _Way(source, samples, wanted, trial.equalize).quantized(wanted.method, trial.bias_correction)
        errors = compare(source, made, samples, _JUDGED)
        return Quantization(made, replace(trial, noise_db=_noise(errors)), (), errors)
    return _best(source, samples, wanted)


def _best(source: ir.Model, samples: data.Samples, wanted: _Wanted) -> Quantization:
    """The way whose outputs are nearest to the float model's; of equal ones the simplest, which comes first."""
    found: list[tuple[Trial, ir.Model, ErrorReport]] = []
    choices = (False, True) if has_pairs(source) else (False,)
    for equal in choices if wanted.equalize is None else (wanted.equalize,):
        way = _Way(source, samples, wanted, equal)
        for method in METHODS:
            for corrected in (False, True) if wanted.bias_correction is None else (wanted.bias_correction,):
                made = way.quantized(method, corrected)
                errors = compare(source, made, samples, _JUDGED)
                found.append((Trial(method, corrected, equal, _noise(errors)), made, errors))
    found.sort(key=lambda entry: -entry[0].noise_db)
    best, model, errors = found[0]
    return Quantization(model, best, tuple(trial for trial, _, _ in found), errors)


def _noise(errors: ErrorReport) -> float:
    return min(errors.scores.values(), default=float("inf"))


class _Way:
    """A float model prepared for quantisation; the ranges of each method are measured once."""

    def __init__(self, source: ir.Model, samples: data.Samples, wanted: _Wanted, equal: bool) -> None:
        self._source = equalized(source) if equal else source
        self._samples, self._kept = samples, wanted.keep_float
        self._given = {name: Range(min(low, 0.0), max(high, 0.0)) for name, (low, high) in wanted.input_ranges.items()}
        self._given |= {name: Range(0.0, 255.0) for name in _floats_of_bytes(source)}
        self._ranges: dict[Method, dict[str, Range]] = {}

    def quantized(self, method: Method, corrected: bool) -> ir.Model:
        model = self._source.clone()
        works = place(model, self._kept)
        values = dict.fromkeys(value for work in works for value in (*work.inputs, *work.outputs))
        if method not in self._ranges:
            names = [str(value.name) for value in values]
            self._ranges[method] = ranges.find(watch(model, names, self._samples), method) | self._given
        works = _covered(model, works, self._ranges[method], self._kept)
        if not works:
            first = next(value for value in values if str(value.name) not in self._ranges[method])
            maker = first.producer()
            where = f"what '{maker.name}' ({maker.op_type}) makes" if maker is not None else f"'{first.name}'"
            raise LithifyError(
                f"The float network computes NaN or infinite numbers from the calibration data, first in {where}, and "
                "no tensor is left that int8 could hold. Give data that the network is made for, or repair its weights."
            )
        steps = scales(works, self._ranges[method])
        if corrected:
            correct(model, works, steps, self._samples)
        write(model.graph, works, steps)
        NameFixPass()(model)
        infer(model, model.graph.name or "model")
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


def _floats_of_bytes(model: ir.Model) -> list[str]:
    """The names of the float tensors that uint8 inputs are cast to: their 256 values are the 256 integers."""
    inputs = [value for value in model.graph.inputs if value.dtype == ir.DataType.UINT8]
    casts = [user for value in inputs for user, _ in value.uses() if user.op_type == "Cast"]
    return [str(cast.outputs[0].name) for cast in casts if cast.outputs[0].dtype == ir.DataType.FLOAT]


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
