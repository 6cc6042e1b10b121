"""What the commands print: with --json nothing but JSON on standard output, without it the facts as text."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.cli.conftest import DATA, NETWORK
from tests.conftest import Ran

from compiler.test_batch import model
from compiler.test_states import elman
from lithify.chip import Chip, load_chip, parse_chip
from lithify.isa.file import load_program
from lithify.isa.sequence import all_instructions

Run = Callable[..., Ran]


def as_json(ran: Ran) -> Any:
    """Standard output as JSON; the command ended well."""
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.npy"
    np.save(path, np.load(DATA)["images_28"][7])
    return path


def test_load(run: Run) -> None:
    facts = as_json(run("load", NETWORK, "--json"))
    assert facts["inputs"] == [{"name": "input", "shape": [1, 1, 28, 28], "dtype": "float32"}]
    assert facts["outputs"][0]["shape"] == [1, 10]
    assert facts["operators"]["Conv"] == 1 and facts["macs"] == 26 * 26 * 32 * 9 + 5408 * 10
    assert facts["parameters"] == 32 * 9 + 32 + 5408 * 10 + 10 + 2, "weights, biases, and the shape of the Reshape"
    text = run("load", NETWORK).out
    assert "input input" in text and "248,768" in text


def test_optimize_and_quantize(run: Run, tmp_path: Path) -> None:
    steps = [("optimize", NETWORK, "-o", tmp_path / "o.onnx"), ("quantize", NETWORK, "-o", tmp_path / "q.onnx")]
    for words in steps:
        facts = as_json(run(*words, "--json"))
        assert Path(facts["model"]).exists() and facts["macs"] == 248_768
    assert "DequantizeLinear" in as_json(run("load", tmp_path / "q.onnx", "--json"))["operators"]


def test_a_quantised_model_keeps_its_bits(run: Run, quantized: Path, tmp_path: Path) -> None:
    ran = run("quantize", quantized, "--data", DATA, "-o", tmp_path / "again.onnx")
    assert ran.out == f"{tmp_path / 'again.onnx'}: quantised already; its bits are kept\n"


def test_compile(run: Run, quantized: Path, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "net.lith"
    facts = as_json(run("compile", quantized, "--chip", "tiny", "-o", path, "--strict", "--json"))
    program = load_program(path)
    assert facts == {
        "program": str(path),
        "chip": "tiny",
        "instruction_bytes": len(program.instructions),
        "constant_bytes": len(program.constants),
        "layers": len(program.layers),
        "host_nodes": ["Softmax"],
    }
    assert "on the host: Softmax" in run("compile", quantized, "--chip", "tiny", "-o", path).out


def test_run(run: Run, program: Path, image: Path, tmp_path: Path) -> None:
    values = as_json(run("run", program, image, "--json"))
    scores = np.array(values["probabilities"], np.float32)
    assert scores.shape == (1, 10) and scores.argmax() == np.load(DATA)["labels"][7]
    out = tmp_path / "out.npz"
    assert as_json(run("run", program, image, "-o", out, "--json")) == {"outputs": str(out)}
    assert np.array_equal(np.load(out)["probabilities"], scores)
    assert run("run", program, image).out.startswith("probabilities  float32 [1, 10]\n")
    many = as_json(run("run", program, DATA, "-o", out, "--json"))
    assert many and np.load(out)["probabilities"].shape == (360, 10)


def test_simulate(run: Run, program: Path, tmp_path: Path) -> None:
    out = tmp_path / "retired.npz"
    facts = as_json(run("simulate", program, "-o", out, "--json"))
    assert facts["cycles"] == sum(layer["cycles"] for layer in facts["layers"])
    retired = np.load(out)
    assert retired["cycle"].max() == facts["cycles"] - 1 and (retired["queue"] == 4).sum() == 1
    assert len(retired["cycle"]) == len(all_instructions(load_program(program)))
    assert f"{facts['cycles']:,}" in run("simulate", program).out


def test_verify(run: Run, program: Path, quantized: Path) -> None:
    words = ("verify", program, "--model", quantized, "--data", DATA, "--rtl", "none")
    facts = as_json(run(*words, "--json"))
    assert facts["agreed"] and facts["values_different"] == 0 and facts["inputs"] == 8 and facts["differences"] == []
    text = run(*words).out
    assert "reference = functional" in text and "not run" in text


def test_verify_needs_the_model(run: Run, program: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.lith"
    alone.write_bytes(program.read_bytes())
    ran = run("verify", alone, "--rtl", "none")
    assert ran.status == 1
    assert "came without the quantised model it was compiled from; give that model (--model" in ran.err


def test_verify_refuses_another_model(run: Run, program: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    assert run("quantize", NETWORK.with_name("digits_resnet8.onnx"), "-o", other).status == 0
    ran = run("verify", program, "--model", other, "--rtl", "none")
    assert ran.status == 1
    name = load_program(program).name
    assert ran.err.splitlines()[-1] == (
        f"Error: '{other}' is not the model that the program '{name}' was compiled from: its inputs are "
        "input [1, 1, 32, 32], the program's input [1, 1, 28, 28]; give the right one with --model."
    )


def test_verify_tells_the_first_difference(run: Run, quantized: Path, tmp_path: Path) -> None:
    """The program of one network, judged by another with other weights: status 1, layer, index, values, instruction."""
    import lithify

    other = lithify.quantize(lithify.optimize(lithify.load(NETWORK)), seed=9)
    lithify.compile(other, "tiny").save(tmp_path / "other.lith")
    ran = run("verify", tmp_path / "other.lith", "--model", quantized, "--data", DATA, "--rtl", "none")
    assert ran.status == 1
    assert "differs from" in ran.out
    first = next(line for line in ran.out.splitlines() if line.startswith("Input "))
    assert "layer '" in first and " in the reference, " in first and " in the functional simulator" in first
    found = run("verify", tmp_path / "other.lith", "--model", quantized, "--data", DATA, "--rtl", "none", "--json")
    facts = json.loads(found.out)
    assert found.status == 1 and facts["agreed"] is False and facts["first_difference"] == first


def test_rtl(run: Run, tmp_path: Path) -> None:
    facts = as_json(run("rtl", "--chip", "tiny", "-o", tmp_path / "rtl", "--json"))
    assert "lithify_chip.v" in facts["files"]
    assert sorted(path.name for path in (tmp_path / "rtl").iterdir()) == facts["files"]


def test_disassemble(run: Run, program: Path, tmp_path: Path) -> None:
    rows = as_json(run("disassemble", program, "--json"))
    assert [row["index"] for row in rows] == list(range(len(rows))) and rows[-1]["operation"] == "END"
    text = run("disassemble", program).out
    assert text.count("\n") > len(rows) and "CONV" in text
    assert run("disassemble", program, "-o", tmp_path / "net.txt").out == ""
    assert (tmp_path / "net.txt").read_text(encoding="utf-8") == text


def test_chips(run: Run) -> None:
    assert [chip["name"] for chip in as_json(run("chips", "--json"))] == ["edge", "mac256_vector", "tiny"]
    assert Chip.model_validate_json(run("chips", "edge", "--json").out, strict=False) == load_chip("edge")
    assert parse_chip(run("chips", "tiny").out, "shown") == load_chip("tiny")
    assert as_json(run("chips", "--schema"))["properties"]["clock_hz"]["type"] == "integer"


def test_doctor(run: Run) -> None:
    findings = as_json(run("doctor", "--json"))
    assert {finding["group"] for finding in findings} >= {
        "processor",
        "accelerators",
        "frameworks",
        "simulators",
        "kits",
    }
    assert "AMARANTH" not in run("doctor").out and "amaranth" in run("doctor").out


def test_report(run: Run, tmp_path: Path) -> None:
    words = ("build", NETWORK, "--chip", "tiny", "--rtl", "none", "-o", tmp_path / "build", "--json")
    ran = run(*words)
    built = as_json(ran)
    assert re.match(r"\[ ?1/\d+\] load  ", ran.err), "progress goes to standard error"
    assert as_json(run("report", tmp_path / "build", "--json")) == built
    text = run("report", tmp_path / "build").out
    assert "digits_cnn on tiny" in text and "node_conv2d" in text


def test_version(run: Run) -> None:
    import lithify

    assert run("--version").out == f"lithify {lithify.__version__}\n"


def test_layers_that_stay_float(run: Run, tmp_path: Path) -> None:
    words = ("quantize", NETWORK, "--data", DATA, "--method", "percentile", "-o", tmp_path / "q.onnx")
    assert run(*words, "--keep-float", "node_linear").status == 0
    assert as_json(run("compile", tmp_path / "q.onnx", "-o", tmp_path / "p.lith", "--json"))["host_nodes"][0] == "Gemm"
    assert run(*words, "--keep-float", "node_lin").err == (
        "Error: --keep-float names the layer 'node_lin', which the model does not have. "
        "Near it are: 'node_linear', 'node_view', 'node_relu'.\n"
    )


def test_a_state_goes_from_the_quantiser_into_the_program(run: Run, tmp_path: Path) -> None:
    onnx.save(elman(), tmp_path / "elman.onnx")
    as_json(run("quantize", tmp_path / "elman.onnx", "--state", "h=h_out", "-o", tmp_path / "q.onnx", "--json"))
    as_json(run("compile", tmp_path / "q.onnx", "--chip", "tiny", "--strict", "-o", tmp_path / "e.lith", "--json"))
    program = load_program(tmp_path / "e.lith")
    assert [(state.input, state.output) for state in program.states] == [("h", "h_out")]
    assert program.inputs == ("x",) and program.outputs == ("y",)
    wrong = run("quantize", tmp_path / "elman.onnx", "--state", "h", "-o", tmp_path / "r.onnx")
    assert (
        wrong.status != 0 and "'h' is no state: write an input's name, '=' and an output's, as in h=h_out." in wrong.err
    )


@pytest.mark.slow
def test_the_whole_line_with_a_state(run: Run, tmp_path: Path) -> None:
    onnx.save(elman(), tmp_path / "elman.onnx")
    words = ("--chip", "tiny", "--rtl", "none", "--inputs", 20, "--json")
    built = as_json(run("build", tmp_path / "elman.onnx", "--state", "h=h_out", "-o", tmp_path / "built", *words))
    assert built["verify"]["inputs"] == 20 and built["verify"]["values_different"] == 0
    assert sorted(np.load(tmp_path / "built" / "inputs.npz")) == ["x"]


def test_cycles_of_fewer_samples_than_the_batch(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pictures.onnx"
    onnx.save(model("pictures"), path)
    run("quantize", path, "--shape", "image=3,3,12,12", "-o", tmp_path / "q.onnx")
    run("compile", tmp_path / "q.onnx", "--chip", "tiny", "-o", tmp_path / "p.lith")
    one, all_three = (
        as_json(run("simulate", tmp_path / "p.lith", *more, "--json"))["cycles"] for more in (("--samples", "1"), ())
    )
    assert one < all_three / 2
    assert run("simulate", tmp_path / "p.lith", "--samples", "4").status == 1
