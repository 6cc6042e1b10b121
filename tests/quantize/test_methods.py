"""How ranges are found, what is corrected and equalised, which way is chosen, and what the report says of layers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, proto
from tests.quantize.judge import agree, by_runtime, kinds

from lithify.errors import LithifyError
from lithify.frontend.shapes import infer
from lithify.optimize.equalize import equalize, has_pairs
from lithify.quantize import compare, inputs_of, quantize, quantize_with_choice, read, read_data, seeded
from lithify.quantize.placement import place
from lithify.quantize.ranges import METHODS, Range, find
from lithify.quantize.report import worst

WEIGHTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 8, 3, 3, 3, scale=0.2), "b": floats(2, 8, scale=0.3), "v": floats(3, 6, 8, 1, 1, scale=0.4),
    "d": floats(4, 6, 1, 3, 3, scale=0.4), "dense": floats(5, 5, 6),
}  # fmt: skip
TEXT = """g (float[1, 3, 8, 8] x) => (float[1, 5] y) {
    a = Conv(x, w, b)
    r = Relu(a)
    c = Conv(r, v)
    m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c)
    e = Conv<group = 6>(m, d)
    k = GlobalAveragePool(e)
    f = Flatten(k)
    l = Gemm<transB = 1>(f, dense)
    y = Softmax(l)
}"""


def _model() -> ir.Model:
    model = ir.serde.deserialize_model(proto(TEXT, WEIGHTS))
    infer(model, Path("test"))
    return model


def _samples(model: ir.Model, count: int = 12) -> list[dict[str, NDArray[Any]]]:
    samples = seeded(inputs_of(model), count, seed=4)
    return [samples[index] for index in range(count)]


def _tail(seed: int = 0) -> list[dict[str, NDArray[Any]]]:
    """A normal distribution with a single value far out."""
    data = floats(seed, 40000)
    data[7] = 60.0
    return [{"t": part} for part in data.reshape(4, -1)]


def test_minmax_covers_all_values() -> None:
    found = find(_tail(), "minmax")["t"]
    data = np.concatenate([sample["t"] for sample in _tail()])
    assert found == Range(float(data.min()), 60.0)


@pytest.mark.parametrize(("method", "most"), [("percentile", 6), ("entropy", 30)])
def test_a_single_value_is_left_out(method: Any, most: float) -> None:
    found = find(_tail(), method)["t"]
    assert 3 < found.high < most and -6 < found.low < -3


def test_mse_has_the_least_squared_error() -> None:
    data = np.concatenate([sample["t"] for sample in _tail()])

    def error(covered: Range) -> float:
        step = covered.width / 255
        return float(((data - np.clip(np.rint(data / step) * step, covered.low, covered.high)) ** 2).sum())

    errors = {method: error(find(_tail(), method)["t"]) for method in METHODS}
    assert errors["mse"] == min(errors.values())
    assert errors["mse"] < errors["minmax"]


def test_ranges_hold_zero() -> None:
    for method in METHODS:
        found = find([{"t": np.abs(floats(1, 500)) + 1}], method)["t"]
        assert found.low == 0 and found.high > 1


def test_a_tensor_of_zeros_has_a_scale() -> None:
    text, zeros = "g (float[1, 3, 4, 4] x) => (float[1, 2, 2, 2] y) { y = Conv(x, z) }", np.zeros((2, 3, 3, 3), "f4")
    model = ir.serde.deserialize_model(proto(text, {"z": zeros}))
    infer(model, Path("test"))
    for method in METHODS:
        agree(quantize(model, [np.zeros((1, 3, 4, 4), np.float32)], method))


@pytest.mark.parametrize(
    ("method", "corrected", "equal"),
    [("minmax", True, False), ("percentile", False, True), ("entropy", True, True), ("mse", True, False)],
)
def test_every_way_gives_a_model_of_exact_bits(method: Any, corrected: bool, equal: bool) -> None:
    graph = agree(quantize(_model(), _samples(_model(), 4), method, corrected, equal))
    assert [kind for kind in kinds(graph) if kind == "Host"] == ["Host"]


def test_auto_takes_the_best() -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[1, 6, 6, 6] y) { a = Conv(x, w, b)\n r = Relu(a)\n y = Conv(r, v) }"
    model = ir.serde.deserialize_model(proto(text, {name: WEIGHTS[name] for name in "wbv"}))
    infer(model, Path("test"))
    data = _samples(model, 3)
    made = quantize_with_choice(model, data, "auto")
    assert len(made.trials) == 16 and made.trials[0] == made.chosen
    assert [trial.noise_db for trial in made.trials] == sorted((t.noise_db for t in made.trials), reverse=True)
    best = made.trials[0]
    again = quantize_with_choice(model, data, best.method, best.bias_correction, best.equalize)
    assert again.chosen == best and again.trials == ()
    assert ir.serde.serialize_model(again.model) == ir.serde.serialize_model(made.model)
    fixed = quantize_with_choice(model, data, "auto", bias_correction=False, equalize=False)
    assert [(t.bias_correction, t.equalize) for t in fixed.trials] == [(False, False)] * 4


def test_what_is_quantised_already_needs_no_choice() -> None:
    once = quantize(_model(), _samples(_model()))
    made = quantize_with_choice(once, "unread", "auto")
    assert (made.chosen, made.trials) == (None, ())
    assert ir.serde.serialize_model(made.model) == ir.serde.serialize_model(once)


def test_bias_correction_takes_the_mean_error_of_rounded_weights_away() -> None:
    text = "g (float[1, 16, 6, 6] x) => (float[1, 4, 6, 6] y) { y = Conv(x, w) }"
    # Weights of which most round to nothing, and inputs far from 0: the mean of the result moves.
    weights = floats(1, 4, 16, 1, 1, scale=0.002) + np.where(np.arange(16) == 0, 1, 0).reshape(1, 16, 1, 1)
    model = ir.serde.deserialize_model(proto(text, {"w": weights.astype(np.float32)}))
    infer(model, Path("test"))
    data = [{"x": (3 + floats(seed, 1, 16, 6, 6, scale=0.3))} for seed in range(8)]

    def shift(made: ir.Model) -> NDArray[Any]:
        errors = [by_runtime(made, feed, False)[0] - by_runtime(model, feed, False)[0] for feed in data]
        return np.abs(np.mean(errors, axis=(0, 1, 3, 4)))

    plain = shift(quantize(model, data))
    corrected = shift(quantize(model, data, bias_correction=True))
    assert corrected.max() < plain.max() / 4


def test_bias_correction_of_dense_and_grouped_layers() -> None:
    model = _model()
    text = str(ir.serde.serialize_model(model))
    made = quantize(model, _samples(model), bias_correction=True)
    assert str(ir.serde.serialize_model(model)) == text
    # Every layer has a bias now: the correction.
    layers = [node for node in made.graph if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 4 and all(len(node.inputs) == 3 and node.inputs[2] is not None for node in layers)


def test_equalisation_changes_weights_and_not_results() -> None:
    values = {**WEIGHTS, "w": WEIGHTS["w"] * np.logspace(-2, 2, 8, dtype=np.float32).reshape(-1, 1, 1, 1)}
    model = ir.serde.deserialize_model(proto(TEXT, values))
    infer(model, Path("test"))
    made = equalize(model)
    assert operators(made) == operators(model) and has_pairs(model)
    for feed in _samples(model, 3):
        (before,), (after,) = by_runtime(model, feed, False), by_runtime(made, feed, False)
        assert np.abs(before - after).max() < 1e-5  # the same float32 numbers, rounded elsewhere
    spread = [np.abs(_weights(graph, 0)).reshape(8, -1).max(axis=1) for graph in (model, made)]
    assert spread[0].max() / spread[0].min() > 1000 and spread[1].max() / spread[1].min() < 100


def _weights(model: ir.Model, index: int) -> NDArray[Any]:
    convs = [node for node in model.graph if node.op_type == "Conv"]
    data = convs[index].inputs[1].const_value  # type: ignore[union-attr]
    assert data is not None
    return data.numpy()


@pytest.mark.parametrize("between", ["r = Clip(a, low, high)", "r = Sigmoid(a)", "r = Add(a, a)"])
def test_what_does_not_commute_is_not_equalised(between: str) -> None:
    text = f"g (float[1, 3, 8, 8] x) => (float[1, 6, 6, 6] y) {{ a = Conv(x, w)\n {between}\n y = Conv(r, v) }}"
    bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    used = {name: data for name, data in {**WEIGHTS, **bounds}.items() if name in text}
    model = ir.serde.deserialize_model(proto(text, used))
    infer(model, Path("test"))
    assert not has_pairs(model)


def test_keep_float() -> None:
    model = _model()
    names = {node.op_type: str(node.name) for node in model.graph}
    graph = read(quantize(model, _samples(model), keep_float=[names["Gemm"]]))
    (host,) = (node for node in graph.nodes if node.operator == "Host")
    assert host.attributes["operators"] == ("Gemm", "Softmax")
    conv = read(quantize(model, _samples(model), keep_float=["conv_2", "conv_4"]))
    hosts = [node.attributes["operators"] for node in conv.nodes if node.operator == "Host"]
    assert hosts == [("Conv",), ("Conv",), ("Softmax",)]
    every = quantize(model, _samples(model), keep_float=[str(node.name) for node in model.graph])
    assert kinds(read(every)) == ["Host"]


def test_unknown_names_and_methods() -> None:
    model = _model()
    with pytest.raises(LithifyError) as caught:
        quantize(model, _samples(model), keep_float=["conv_1"])
    assert str(caught.value) == (
        "--keep-float names the layer 'conv_1', which the model does not have. "
        "Near it are: 'conv_4', 'conv_2', 'conv_0'."
    )
    with pytest.raises(LithifyError) as caught:
        quantize(model, _samples(model), "kl")  # type: ignore[arg-type]
    assert str(caught.value) == ("There is no calibration method 'kl'. Choose auto, minmax, percentile, entropy, mse.")


def test_report() -> None:
    model = _model()
    given = _samples(model)
    samples = read_data(given, inputs_of(model))
    made = quantize(model, given)
    report = compare(model, made, samples, 5)
    assert report.samples == 5
    assert [(entry.layer, entry.operator) for entry in report.layers] == [
        ("conv_0", "Conv"), ("conv_2", "Conv"), ("maxpool_3", "MaxPool"), ("conv_4", "Conv"),
        ("globalaveragepool_5", "GlobalAveragePool"), ("flatten_6", "Flatten"), ("gemm_7", "Gemm"),
    ]  # fmt: skip
    graph = read(made)
    first, last = report.layers[0], report.layers[-1]
    assert (first.tensor, last.tensor) == ("r", "l")
    real = np.concatenate([by_runtime(_until(model, "l"), given[index], False)[0] for index in range(5)])
    ours = np.concatenate([by_runtime(_until(made, "l_dequantized"), given[index], False)[0] for index in range(5)])
    expected = 10 * math.log10(float((real.astype(float) ** 2).sum() / ((real.astype(float) - ours) ** 2).sum()))
    assert last.noise_db == pytest.approx(expected, rel=1e-9)
    assert last.own_noise_db > last.noise_db > 10 and last.clipped == 0
    tensor = graph.tensors[graph.nodes[-2].inputs[0]]
    assert tensor.scale is not None and last.step == float(tensor.scale) and last.zero_point == tensor.zero_point
    assert report.scores == {"y": last.noise_db} and set(report.outputs) == {"y"}
    assert [entry.noise_db for entry in worst(report, 3)] == sorted(entry.noise_db for entry in report.layers)[:3]


def _until(model: ir.Model, name: str) -> ir.Model:
    """The model with this tensor as its only output."""
    model = model.clone()
    value = next(value for node in model.graph for value in node.outputs if value.name == name)
    model.graph.outputs.clear()
    model.graph.outputs.append(value)
    return model


def test_report_of_clipped_values() -> None:
    text = "g (float[1, 3, 8, 8] x) => (float[1, 8, 6, 6] y) { y = Conv(x, w) }"
    model = ir.serde.deserialize_model(proto(text, {"w": WEIGHTS["w"]}))
    infer(model, Path("test"))
    made = quantize(model, [{"x": np.full((1, 3, 8, 8), 0.1, np.float32)}])
    report = compare(model, made, read_data([{"x": floats(1, 1, 3, 8, 8)}], inputs_of(model)))
    assert report.layers[0].clipped > 0.5 and report.layers[0].own_noise_db < 10
    assert report.outputs["y"] == report.layers[0].noise_db


def test_concat_shares_a_scale_unless_a_part_is_small_and_read_elsewhere() -> None:
    text = """g (float[1, 3, 8, 8] x) => (float[1, 14, 6, 6] y, float[1, 8, 6, 6] z) {
        a = Conv(x, w)
        s = Conv(x, tiny)
        y = Concat<axis = 1>(a, s)
        z = Conv(s, v8)
    }"""
    for factor, expected in ((1.0, 0), (0.01, 1)):
        values = {"w": WEIGHTS["w"], "tiny": WEIGHTS["w"][:6] * np.float32(factor), "v8": floats(7, 8, 6, 1, 1)}
        model = ir.serde.deserialize_model(proto(text, values))
        infer(model, Path("test"))
        graph = agree(quantize(model, _samples(model)), fused=False)
        assert kinds(graph).count("Lookup") == expected and kinds(graph).count("Concat") == 1


def test_movement_far_from_arithmetic_stays_float() -> None:
    text = """g (float[1, 3, 8, 8] x) => (float[1, 8, 36] y) {
        a = Conv(x, w)
        s = Hardmax<axis = 1>(a)
        r = Reshape(s, shape)
        u = Hardmax(r)
        y = Sigmoid(u)
    }"""
    model = ir.serde.deserialize_model(proto(text, {"w": WEIGHTS["w"], "shape": np.array([1, 8, 36], np.int64)}))
    infer(model, Path("test"))
    assert [work.layer.op_type for work in place(model)] == ["Conv"]
