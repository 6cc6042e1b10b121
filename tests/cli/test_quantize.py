"""The quantiser's options: each does what the Python word of its name does, and what it cost is shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.cli.conftest import DATA, EXAMPLES, NETWORK
from tests.conftest import Ran

import lithify

Run = Callable[..., Ran]
RESNET = EXAMPLES / "digits_resnet8.onnx"


def quantized(run: Run, tmp_path: Path, *words: object, network: Path = NETWORK) -> tuple[onnx.ModelProto, Any]:
    """The model that the command wrote, and what it printed with --json."""
    path = tmp_path / "q.onnx"
    ran = run("quantize", network, "--data", DATA, "-o", path, "--json", *words)
    assert ran.status == 0, ran.err
    return onnx.load(path), json.loads(ran.out)


def in_python(tmp_path: Path, network: Path = NETWORK, **options: Any) -> onnx.ModelProto:
    """The model that the function gives."""
    made = lithify.quantize(lithify.optimize(lithify.load(network)), DATA, **options)
    lithify.frontend.save(made, tmp_path / "p.onnx")
    return onnx.load(tmp_path / "p.onnx")


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--method", "mse"), {"method": "mse"}),
        (("--bias-correction",), {"bias_correction": True}),
        (("--equalize", "--method", "percentile"), {"equalize": True, "method": "percentile"}),
        (("--input-range", "input=-1,3"), {"input_ranges": {"input": (-1, 3)}}),
        (("--keep-float", "node_linear"), {"keep_float": ["node_linear"]}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_commands_and_functions_are_the_same_words(
    run: Run, tmp_path: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    made, facts = quantized(run, tmp_path, *words)
    assert made == in_python(tmp_path, **options)
    chosen = facts["quantization"]["chosen"]
    assert chosen["method"] == options.get("method", "minmax")
    assert (chosen["bias_correction"], chosen["equalize"]) == ("bias_correction" in options, "equalize" in options)


def test_every_layer_has_its_error(run: Run, tmp_path: Path) -> None:
    _, facts = quantized(run, tmp_path)
    found = facts["quantization"]
    assert found["samples"] == 16 and found["trials"] == []
    assert [layer["operator"] for layer in found["layers"]] == ["Conv", "MaxPool", "Reshape", "Gemm"]
    for layer in found["layers"]:
        assert layer["own_noise_db"] >= layer["noise_db"] > 20 and layer["clipped"] == 0 and layer["step"] > 0
    assert found["chosen"]["noise_db"] == found["layers"][-1]["noise_db"]
    text = run("quantize", NETWORK, "--data", DATA, "-o", tmp_path / "q.onnx").out
    assert "all before int8" in text and "node_conv2d" in text
    assert f"{found['layers'][0]['noise_db']:.1f} dB" in text


@pytest.mark.slow
def test_auto_takes_the_best_and_shows_the_others(run: Run, tmp_path: Path) -> None:
    _, facts = quantized(run, tmp_path, "--method", "auto", "--no-equalize")
    trials = facts["quantization"]["trials"]
    assert len(trials) == 8 and trials[0] == facts["quantization"]["chosen"]
    noise = [trial["noise_db"] for trial in trials]
    assert noise == sorted(noise, reverse=True) and noise[0] > noise[-1]
    best = trials[0]
    alone = quantized(run, tmp_path, "--method", best["method"], *["--bias-correction"] * best["bias_correction"])[1]
    assert alone["quantization"]["chosen"] == best
    text = run("quantize", NETWORK, "--data", DATA, "--method", "auto", "-o", tmp_path / "q.onnx").out
    assert "ways compared" in text and "percentile + bias correction" in text


def test_equalisation_helps_where_there_are_pairs(run: Run, tmp_path: Path) -> None:
    """The figures of docs/quantization.md: 34.7 dB, 39.1 with corrected biases, 39.6 with equalised layers too."""
    chosen = [
        quantized(run, tmp_path, *words, network=RESNET)[1]["quantization"]["chosen"]["noise_db"]
        for words in ((), ("--bias-correction",), ("--bias-correction", "--equalize"))
    ]
    assert chosen == sorted(chosen) and chosen[2] > chosen[0] + 3


def test_a_known_range_is_taken_whatever_the_samples_hold(run: Run, tmp_path: Path) -> None:
    made, _ = quantized(run, tmp_path, "--input-range", "input=-1,3")
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in made.graph.initializer}
    first = next(node for node in made.graph.node if node.op_type == "QuantizeLinear")
    assert constants[first.input[1]] == np.float32(4 / 255) and constants[first.input[2]] == -64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--input-range", "input"), "'input' is no range: write the input's name, '=', the least and the greatest "),
        (("--input-range", "input=3,3"), "'input=3,3' is no range"),
        (("--method", "kl"), "'kl' is not one of"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, words: tuple[str, str], message: str) -> None:
    ran = run("quantize", NETWORK, *words, "-o", tmp_path / "q.onnx")
    assert ran.status == 2 and message in " ".join(ran.err.split()) and not (tmp_path / "q.onnx").exists()


def test_a_range_of_no_input(run: Run, tmp_path: Path) -> None:
    ran = run("quantize", NETWORK, "--input-range", "image=0,1", "-o", tmp_path / "q.onnx")
    expected = "Error: A range is given for the input 'image'; the model's inputs are: 'input'.\n"
    assert (ran.status, ran.err) == (1, expected)
