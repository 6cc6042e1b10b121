"""Every error that a user can cause, word for word: a sentence on standard error, status 1, standard output empty."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.cli.conftest import DATA, NETWORK
from tests.conftest import Ran

from lithify.chip import Chip, load_chip, write_chip
from lithify.isa.file import load_program

Run = Callable[..., Ran]


def network(path: Path, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> Path:
    """An ONNX file with one Identity node."""
    values = [helper.make_tensor_value_info(name, dtype, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def refused(ran: Ran) -> str:
    """The sentence with which a command refused."""
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err.startswith("Error: ") and ran.err.endswith("\n") and ran.err.count("\n") == 1, ran.err
    return ran.err.removeprefix("Error: ").removesuffix("\n")


def test_missing_model(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    assert refused(run("load", path)) == f"There is no file '{path}'. Give the path of an ONNX model."


def test_not_onnx(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("a picture of a network", encoding="utf-8")
    expected = f"'{path}' is not an ONNX model. Export the network to ONNX and give that file."
    assert refused(run("load", path)) == expected


def test_unsupported_type(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", [1, 4], TensorProto.DOUBLE)
    assert refused(run("load", path)) == (
        f"Input 'x' of '{path}' has the type float64; Lithify takes float32, int8, uint8, int32, int64, bool. "
        "Change the model and export it again."
    )


def test_dynamic_shape(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", ["N", 3, 8, 8])
    assert refused(run("load", path)) == (
        "Input 'x' has the dynamic shape [N, 3, 8, 8] and Lithify compiles fixed shapes. Give --shape x=1,3,8,8."
    )
    assert run("load", path, "--shape", "x=1,3,8,8").status == 0


def test_calibration_data_of_wrong_shape(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data.npy"
    np.save(data, np.zeros((4, 3, 8, 8), np.float32))
    assert refused(run("quantize", NETWORK, "--data", data, "-o", tmp_path / "q.onnx")) == (
        f"The shape [4, 3, 8, 8] of the array of '{data}' does not fit the input 'input' of shape [1, 1, 28, 28]. "
        "Give one sample of that shape or several stacked along a new first axis."
    )
    assert not (tmp_path / "q.onnx").exists()


def test_calibration_data_with_nan(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data.npy"
    samples = np.zeros((4, 1, 28, 28), np.float32)
    samples[2, 0, 1, 1] = np.nan
    np.save(data, samples)
    assert refused(run("quantize", NETWORK, "--data", data, "-o", tmp_path / "q.onnx")) == (
        f"1 values of the array of '{data}' are NaN or infinite, the first of them in sample 2. "
        "Repair or remove those samples."
    )


def test_missing_data(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    assert refused(run("quantize", NETWORK, "--data", data, "-o", tmp_path / "q.onnx")) == (
        f"There is no file '{data}'. Give an .npz or .npy file with samples, or a folder of pictures."
    )


def test_unknown_chip(run: Run, quantized: Path, tmp_path: Path) -> None:
    assert refused(run("compile", quantized, "--chip", "huge", "-o", tmp_path / "p.lith")) == (
        "Unknown chip 'huge': give a preset (edge, mac256_vector, tiny) or the path of a chip description ending in "
        ".toml."
    )


def test_unknown_key(run: Run, quantized: Path, tmp_path: Path) -> None:
    chip = tmp_path / "mine.toml"
    chip.write_text(write_chip(load_chip("tiny")) + "colour = 3\n", encoding="utf-8")
    assert refused(run("compile", quantized, "--chip", chip, "-o", tmp_path / "p.lith")) == (
        "The chip description 'mine.toml' has an unknown key 'colour'; the keys are schema, name, clock_hz, rows, "
        "columns, accumulators, lanes, scratchpad_bytes, scratchpad_banks, bus_bytes, dram_bytes_per_cycle, "
        "queue_depth, activation_ports, weight_ports, vector_lanes, units."
    )


def test_bad_value(run: Run, tmp_path: Path) -> None:
    chip = tmp_path / "mine.toml"
    chip.write_text(write_chip(load_chip("tiny")).replace("rows = 8 ", "rows = 7 "), encoding="utf-8")
    assert refused(run("chips", chip)) == (
        "The chip description 'mine.toml' is not valid: rows is 7, but must be 4, 8, 16, 32, 64 or 128."
    )


def test_chip_too_small_for_one_tile(run: Run, quantized: Path, tmp_path: Path) -> None:
    """32 words of scratchpad, where one weight set takes 128."""
    chip = load_chip("tiny").model_dump(by_alias=True)
    chip.update(name="small", rows=32, columns=128, lanes=32, scratchpad_bytes=1024, scratchpad_banks=16)
    path = tmp_path / "small.toml"
    path.write_text(write_chip(Chip.model_validate(chip)), encoding="utf-8")
    assert refused(run("compile", quantized, "--chip", path, "-o", tmp_path / "p.lith")) == (
        "Chip 'small' is too small for one tile of layer 'node_conv2d': it needs 5120 bytes of scratchpad for weights, "
        "and has 1024; give it more `scratchpad_bytes`."
    )


def test_float_model(run: Run, tmp_path: Path) -> None:
    assert refused(run("compile", NETWORK, "-o", tmp_path / "p.lith")) == (
        "The model is not quantised, and the chip computes in int8; quantise it first (lithify.quantize, or "
        "`lithify quantize`)."
    )


def test_damaged_program(run: Run, program: Path, tmp_path: Path) -> None:
    data = bytearray(program.read_bytes())
    data[data.index(load_program(program).constants)] ^= 1
    bad = tmp_path / "bad.lith"
    bad.write_bytes(data)
    image = tmp_path / "image.npy"
    np.save(image, np.zeros((28, 28), np.float32))
    assert refused(run("run", bad, image)) == (
        f"The program '{bad}' is damaged: its section 'constants' does not match its digest; "
        "copy it again from where it came, or compile the network again."
    )


def test_foreign_program(run: Run) -> None:
    for command in ("disassemble", "simulate", "verify"):
        assert refused(run(command, DATA)) == (
            f"The file '{DATA}' is no Lithify program; give a .lith file that Lithify compiled."
        )


def test_program_for_another_chip(run: Run, program: Path, tmp_path: Path) -> None:
    for command in ("simulate", "verify"):
        assert refused(run(command, program, "--chip", "edge")) == (
            f"The program '{program}' is for the chip 'tiny', not for 'edge'; "
            "compile the network again with --chip edge."
        )
    other = tmp_path / "tiny.toml"
    other.write_text(write_chip(load_chip("tiny")).replace("queue_depth = 4 ", "queue_depth = 8 "), encoding="utf-8")
    assert refused(run("simulate", program, "--chip", other)) == (
        f"The program '{program}' is for a chip 'tiny' whose queue_depth is 4, not for one whose queue_depth is 8; "
        f"compile the network again with --chip {other}."
    )


@pytest.mark.parametrize(
    "words",
    [("quantize", NETWORK), ("optimize", NETWORK), ("build", NETWORK), ("rtl",)],
    ids=lambda words: words[0],
)
def test_no_write_permission(run: Run, tmp_path: Path, words: tuple[object, ...]) -> None:
    """A path below a file cannot be made, not even by root."""
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    target = file / "out"
    named = {"build": target / "report.json", "rtl": target / "lithify_chip.v"}.get(str(words[0]), target)
    assert refused(run(*words, "-o", target)) == (
        f"Cannot write '{named}': '{file}' is a file, not a folder; choose another place."
    )


def test_no_report(run: Run, tmp_path: Path) -> None:
    assert refused(run("report", tmp_path)) == (
        f"There is no report '{tmp_path / 'report.json'}'; give the folder of a finished `lithify build`."
    )


def test_wrong_number_of_inputs(run: Run, program: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.npy"
    np.save(image, np.zeros((28, 28), np.float32))
    assert refused(run("run", program, image, image)) == (
        "The network takes 1 inputs (input), but 2 files were given; give one for each, "
        "or one .npz file that names them."
    )


def test_wrong_usage_is_status_2(run: Run) -> None:
    for words in (
        ("frobnicate",),
        ("build",),
        ("load", "x.onnx", "--shape", "nothing"),
        ("verify", "p", "--inputs", "0"),
    ):
        ran = run(*words)
        assert ran.status == 2
        assert ran.out == ""
        assert "Traceback" not in ran.err


def test_a_fault_of_our_own_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lithify.doctor.doctor", lambda: 1 // 0)
    ran = run("doctor")
    assert ran.status == 70
    assert ran.err == (
        "Error: Lithify itself failed (ZeroDivisionError: integer division or modulo by zero); "
        "please report it, with what LITHIFY_DEBUG=1 in the environment prints.\n"
    )


def test_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lithify.doctor.doctor", interrupt)
    ran = run("doctor")
    # click ends the line on which the terminal shows ^C.
    assert (ran.status, ran.err) == (130, "\nStopped; nothing was left half written.\n")
