"""Transposes that meet, that rise to an input, and that go into the weights behind a flattening."""

import numpy as np
import onnx_ir as ir
import pytest
from tests.frontend.models import floats, operators, typed
from tests.optimize.test_passes import FLOAT_TOLERANCE, check, outputs

from lithify.optimize import optimize
from lithify.optimize.flatten import fold_flattened
from lithify.optimize.transposes import move_transposes

FIRST = "Transpose<perm = [0, 3, 1, 2]>"
LAST = "Transpose<perm = [0, 2, 3, 1]>"
CONSTANTS = {
    "row": floats(1, 1, 1, 1, 3), "channels": floats(2, 3), "one": floats(3), "image": floats(4, 1, 4, 6, 3),
    "axes": np.array([1, 2], np.int64), "last": np.array([3], np.int64), "starts": np.array([1, 0], np.int64),
    "ends": np.array([3, 2], np.int64), "sizes": np.array([1, 2], np.int64), "s": np.array(0.1, np.float32),
    "z": np.array(3, np.int8), "pads": np.array([0, 1, 2, 0, 0, 0, 1, 0], np.int64), "w": floats(5, 72, 4),
    "low": np.array(-1, np.float32), "high": np.array(1, np.float32), "flat": np.array([1, 72], np.int64),
    "scales": np.array([0.1, 0.2, 0.3], np.float32), "zeros": np.array([0, 0, 0], np.int8),
}  # fmt: skip
ACROSS = {
    "function": ("Sigmoid(t)", ["Sigmoid"]),
    "limits": ("Clip(t, low, high)", ["Clip"]),
    "a constant a channel": ("Mul(t, row)", ["Mul"]),
    "a constant of fewer dimensions": ("Sub(channels, t)", ["Sub"]),
    "one number": ("Add(t, one)", ["Add"]),
    "a whole constant": ("Add(image, t)", ["Add"]),
    "with itself": ("Mul(t, t)", ["Mul"]),
    "softmax": ("Softmax<axis = -1>(t)", ["Softmax"]),
    "concat": ("Concat<axis = 3>(t, image)", ["Concat"]),
    "slice": ("Slice(t, starts, ends, axes)", ["Slice"]),
    "pad": ("Pad(t, pads)", ["Pad"]),
    "mean over an image": ("ReduceMean<keepdims = 1>(t, axes)", ["ReduceMean"]),
    "most over channels": ("ReduceMax<keepdims = 1>(t, last)", ["ReduceMax"]),
}


def _model(body: str, shape: str = "1, 3, 4, 6", output: str = "N, C, H, W") -> ir.Model:
    constants = {
        name: data for name, data in CONSTANTS.items() if f"{name}" in body.replace("(", " ").replace(")", " ")
    }
    words = set("".join(letter if letter.isalnum() else " " for letter in body).split())
    text = f"g (float[{shape}] x) => (float[{output}] y) {{ {body} }}"
    return typed(text, {name: data for name, data in constants.items() if name in words})


@pytest.mark.parametrize("name", ACROSS)
def test_what_commutes_is_passed_and_two_that_meet_vanish(name: str) -> None:
    body, expected = ACROSS[name]
    check(move_transposes, _model(f"t = {LAST}(x)\n u = {body}\n y = {FIRST}(u)"), expected, FLOAT_TOLERANCE)


def test_what_reduces_dimensions_leaves_what_is_left_in_order() -> None:
    check(
        move_transposes,
        _model(f"t = {LAST}(x)\n y = ReduceMean<keepdims = 0>(t, axes)", output="N, C"),
        ["ReduceMean"],
        FLOAT_TOLERANCE,
    )
    body = f"t = {LAST}(x)\n y = ReduceMean<keepdims = 0>(t, last)"
    check(move_transposes, _model(body, output="N, H, W"), ["ReduceMean"], FLOAT_TOLERANCE)
    body = "t = Transpose<perm = [0, 3, 2, 1]>(x)\n y = ReduceMean<keepdims = 0>(t, last)"
    check(move_transposes, _model(body, output="N, H, W"), ["ReduceMean", "Transpose"], FLOAT_TOLERANCE)


def test_both_outputs_of_a_split_and_both_operands_of_a_sum() -> None:
    body = f"t = {LAST}(x)\n a, b = Split<axis = 3>(t, sizes)\n c = Add(a, b)\n d = Relu(c)\n y = {FIRST}(d)"
    check(move_transposes, _model(body), ["Split", "Add", "Relu"], FLOAT_TOLERANCE)
    body = f"t = {LAST}(x)\n r = Relu(t)\n v = Sigmoid(t)\n u = Add(r, v)\n y = {FIRST}(u)"
    check(move_transposes, _model(body), ["Relu", "Sigmoid", "Add"], FLOAT_TOLERANCE)


def test_an_operand_of_one_place_is_reshaped() -> None:
    body = f"t = {LAST}(x)\n m = ReduceMean<keepdims = 0>(t, axes)\n r = Relu(m)\n u = Mul(t, r)\n y = {FIRST}(u)"
    check(move_transposes, _model(body), ["ReduceMean", "Relu", "Reshape", "Mul"], FLOAT_TOLERANCE)


def test_images_of_one_pixel_are_no_exception() -> None:
    body = f"t = {LAST}(x)\n u = Add(t, row)\n v = Relu(u)\n y = {FIRST}(v)"
    check(move_transposes, _model(body, "1, 3, 1, 1"), ["Add", "Relu"])


def test_pairs_of_one_scale_are_passed_and_those_a_channel_are_not() -> None:
    body = f"t = {LAST}(x)\n q = QuantizeLinear(t, s, z)\n d = DequantizeLinear(q, s, z)\n y = {FIRST}(d)"
    check(move_transposes, _model(body), ["QuantizeLinear", "DequantizeLinear"])
    pair = "q = QuantizeLinear<axis = 3>(t, scales, zeros)\n d = DequantizeLinear<axis = 3>(q, scales, zeros)"
    body = f"t = {LAST}(x)\n {pair}\n y = {FIRST}(d)"
    check(move_transposes, _model(body), ["Transpose", "QuantizeLinear", "DequantizeLinear", "Transpose"])


def test_what_another_needs_stays() -> None:
    body = f"t = {LAST}(x)\n u = Add(t, z)\n y = {FIRST}(u)"
    text = f"g (float[1, 3, 4, 6] x, float[1, 4, 6, 3] z) => (float[N, C, H, W] y) {{ {body} }}"
    check(move_transposes, typed(text), ["Transpose", "Add", "Transpose"])


def test_one_that_comes_late_rises_to_the_input() -> None:
    body = f"a = Mul(x, channels)\n b = Sub(a, row)\n c = Relu(b)\n d = Pad(c, pads)\n y = {FIRST}(d)"
    after = check(move_transposes, _model(body, "1, 4, 6, 3"), ["Transpose", "Mul", "Sub", "Relu", "Pad"])
    assert operators(move_transposes(after)) == operators(after)


def test_an_output_of_the_model_keeps_its_name_and_layout() -> None:
    check(
        move_transposes,
        _model(f"m = MaxPool<kernel_shape = [2, 2]>(x)\n t = {LAST}(m)\n y = Relu(t)"),
        ["MaxPool", "Relu", "Transpose"],
    )
    check(move_transposes, _model(f"a = {LAST}(x)\n y = {FIRST}(a)"), ["Transpose"])


@pytest.mark.parametrize("pair", ["", "q = QuantizeLinear(f, s, z)\n g = DequantizeLinear(q, s, z)\n"])
def test_a_flattened_image_meets_weights_in_its_own_order(pair: str) -> None:
    body = f"t = {LAST}(x)\n f = Reshape(t, flat)\n {pair}y = MatMul({'g' if pair else 'f'}, w)"
    model = _model(body, output="N, M")
    made = ["Reshape", *(["QuantizeLinear", "DequantizeLinear"] if pair else []), "MatMul"]
    check(fold_flattened, model, made, FLOAT_TOLERANCE)


def test_a_channels_last_network_becomes_channels_first() -> None:
    body = f"""a = Mul(x, one)
        b = {FIRST}(a)
        c = Conv<pads = [1, 1, 1, 1]>(b, kernel)
        d = {LAST}(c)
        e = Add(d, row)
        f = Relu(e)
        g = {FIRST}(f)
        h = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(g)
        i = {LAST}(h)
        k = Reshape(i, flat)
        y = MatMul(k, w)"""
    constants = {name: CONSTANTS[name] for name in ("one", "row")} | {
        "kernel": floats(6, 3, 3, 3, 3), "w": floats(7, 18, 4), "flat": np.array([1, 18], np.int64),
    }  # fmt: skip
    model = typed(f"g (float[1, 4, 6, 3] x) => (float[N, M] y) {{ {body} }}", constants)
    after = optimize(model)
    assert operators(after) == ["Transpose", "Mul", "Conv", "Relu", "MaxPool", "Reshape", "Gemm"]
    (old,), (new,) = outputs(model), outputs(after)
    assert np.abs(old - new).max() <= FLOAT_TOLERANCE * np.abs(old).max()
