"""What networks take and give, through the whole line: several inputs and outputs, open shapes, uint8 for the user."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from tests.conftest import Ran
from tests.frontend.models import floats, proto, typed
from tests.quantize.judge import by_runtime

import lithify

WEIGHTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 6, 3, 3, 3, scale=0.2), "v": floats(2, 6, 4, 1, 1, scale=0.3), "bias": floats(3, 6),
}  # fmt: skip
TWO = """g (float[batch, 3, side, side] picture, float[batch, 4, side, side] mask)
    => (float[batch, 6, side, side] map, float[batch, 6, one, one] mean) {
    a = Conv<pads = [1, 1, 1, 1]>(picture, w, bias)
    b = Conv(mask, v)
    s = Add(a, b)
    map = Relu(s)
    mean = GlobalAveragePool(map)
}"""


def test_several_inputs_and_outputs_of_open_shapes(run: Callable[..., Ran], tmp_path: Path) -> None:
    """Every step as a command: shapes by --shape, samples by name, outputs by name."""
    onnx.save(proto(TWO, WEIGHTS), tmp_path / "two.onnx")
    samples = {"picture": floats(4, 5, 1, 3, 8, 8), "mask": floats(5, 5, 1, 4, 8, 8)}
    np.savez(tmp_path / "data.npz", **samples)
    shape = ("--shape", "picture=1,3,8,8", "--shape", "mask=1,4,8,8")
    refused = run("load", tmp_path / "two.onnx")
    assert refused.err == (
        "Error: Input 'picture' has the dynamic shape [batch, 3, side, side] and Lithify compiles fixed shapes. "
        "Give --shape picture=1,3,side,side with numbers for the names.\n"
    )
    data = ("--data", tmp_path / "data.npz")
    assert run("quantize", tmp_path / "two.onnx", *shape, *data, "-o", tmp_path / "quantized.onnx").status == 0
    words = ("--chip", "tiny", "--strict", "-o", tmp_path / "program.lith")
    assert run("compile", tmp_path / "quantized.onnx", *words).status == 0
    outputs = json.loads(run("run", tmp_path / "program.lith", tmp_path / "data.npz", "--json").out)
    assert list(outputs) == ["map", "mean"]
    maps, means = (np.array(outputs[name], np.float32) for name in outputs)
    assert maps.shape == (5, 6, 8, 8) and means.shape == (5, 6, 1, 1)
    model = lithify.load(tmp_path / "quantized.onnx")
    for index in range(5):
        feed = {name: array[index] for name, array in samples.items()}
        expected = by_runtime(model, feed)
        assert np.array_equal(maps[index], expected[0][0]) and np.array_equal(means[index], expected[1][0])
    for name, array in samples.items():
        np.save(tmp_path / f"{name}.npy", array[2])
    alone = run("run", tmp_path / "program.lith", tmp_path / "picture.npy", tmp_path / "mask.npy", "--json")
    assert np.array_equal(np.array(json.loads(alone.out)["map"], np.float32)[0], maps[2])
    verified = json.loads(run("verify", tmp_path, *data, "--rtl", "none", "--json").out)
    assert verified["agreed"] and verified["values_different"] == 0


def test_one_symbol_fixes_both_inputs(run: Callable[..., Ran], tmp_path: Path) -> None:
    onnx.save(proto(TWO, WEIGHTS), tmp_path / "two.onnx")
    facts = json.loads(run("load", tmp_path / "two.onnx", "--shape", "picture=1,3,5,5", "--json").out)
    assert [entry["shape"] for entry in facts["inputs"]] == [[1, 3, 5, 5], [1, 4, 5, 5]]


BYTES = """g (uint8[1, 3, 8, 8] x) => (uint8[1, 6, 8, 8] y) {
    d = DequantizeLinear(x, sx, zx)
    wd = DequantizeLinear<axis = 0>(wq, sw, zw)
    c = Conv<pads = [1, 1, 1, 1]>(d, wd)
    r = Relu(c)
    y = QuantizeLinear(r, sy, zy)
}"""


def test_bytes_in_and_out_need_no_host(tmp_path: Path) -> None:
    """A uint8 model, as ONNX Runtime, TFLite and Brevitas write them: its bits are kept and the user's type stays."""
    constants: dict[str, NDArray[Any]] = {
        "sx": np.array(0.02, np.float32), "zx": np.array(113, np.uint8),
        "sw": (np.arange(1, 7) * 0.004).astype(np.float32), "zw": np.zeros(6, np.int8),
        "wq": np.random.default_rng(1).integers(-127, 128, (6, 3, 3, 3), np.int8),
        "sy": np.array(0.05, np.float32), "zy": np.array(9, np.uint8),
    }  # fmt: skip
    model = typed(BYTES, constants)
    program = lithify.compile(model, "tiny", strict=True)
    assert program.host_nodes == ()
    given = np.random.default_rng(2).integers(0, 256, (4, 1, 3, 8, 8), np.uint8)
    (ours,) = program.run(given)
    assert ours.dtype == np.uint8 and ours.shape == (4, 6, 8, 8)
    for index in range(4):
        assert np.array_equal(ours[index : index + 1], by_runtime(model, {"x": given[index]})[0])
    program.save(tmp_path / "bytes.lith")
    assert np.array_equal(lithify.run(tmp_path / "bytes.lith", given)[0], ours)
    assert program.verify([{"x": entry} for entry in given], rtl="none").agreed
