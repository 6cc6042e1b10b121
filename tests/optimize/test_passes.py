"""Every pass: what it makes of a small graph, and that ONNX Runtime computes the same before and after."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, typed

from lithify.optimize import PASSES, optimize
from lithify.optimize.affine import fold_affine
from lithify.optimize.bias import fold_bias
from lithify.optimize.constants import fold_constants
from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.gemm import make_gemm
from lithify.optimize.identity import remove_identity
from lithify.optimize.limits import merge_limits
from lithify.optimize.mean import pool_means
from lithify.optimize.normalize import convolve_norms
from lithify.optimize.padding import fold_padding
from lithify.optimize.reshape import unify_reshapes

FLOAT_TOLERANCE = 2e-5
"""Relative to the largest value: folding multiplies and adds the same float32 numbers in another order."""

Pass = Callable[[ir.Model], ir.Model]


def outputs(model: ir.Model, seed: int = 5) -> list[NDArray[Any]]:
    """What ONNX Runtime computes on seeded inputs, its own optimisations off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)
    feeds = {item.name: floats(seed, *item.shape, scale=2) for item in session.get_inputs()}
    return list(session.run(None, feeds))


def names(model: ir.Model) -> tuple[list[str | None], list[str | None]]:
    return [value.name for value in model.graph.inputs], [value.name for value in model.graph.outputs]


def check(apply: Pass, model: ir.Model, expected: list[str], tolerance: float = 0) -> ir.Model:
    """Applies the pass; its argument is left alone, the names stay and the values agree."""
    before, text = operators(model), str(ir.serde.serialize_model(model))
    after = apply(model)
    assert operators(model) == before and str(ir.serde.serialize_model(model)) == text
    assert operators(after) == expected
    assert names(after) == names(model)
    for old, new in zip(outputs(model), outputs(after), strict=True):
        assert old.shape == new.shape
        assert np.abs(old - new).max() <= tolerance * np.abs(old).max()
    return after


def test_constants_are_folded_but_stored_int8_is_not() -> None:
    text = """g (float[2, 3] x) => (float[2, 3] y) {
        a = Add(c, c)
        w = DequantizeLinear(q, s)
        b = Mul(a, w)
        y = Add(x, b)
    }"""
    values = {"c": floats(1, 3), "q": np.array([1, -2, 3], np.int8), "s": np.array(0.5, np.float32)}
    check(fold_constants, typed(text, values), ["DequantizeLinear", "Mul", "Add"])


def test_dead_code() -> None:
    text = "g (float[3] x) => (float[3] y) { a = Relu(x)\n b = Neg(a)\n y = Abs(x) }"
    after = check(remove_dead_code, typed(text, {"unused": floats(1, 3)}), ["Abs"])
    assert "unused" not in after.graph.initializers


def test_identities() -> None:
    text = """g (float[3] x) => (float[3] y, float[3] z) {
        a = Identity(x)
        b, mask = Dropout(a)
        c = Cast<to = 1>(b)
        d = Relu(c)
        y = Identity(d)
        z = Identity(x)
    }"""
    check(remove_identity, typed(text), ["Relu", "Identity"])


def test_two_outputs_of_one_value_keep_both_names() -> None:
    text = "g (float[3] x) => (float[3] y, float[3] z) { y = Relu(x)\n z = Identity(y) }"
    check(remove_identity, typed(text), ["Relu", "Identity"])


def test_dropout_in_training_stays() -> None:
    text = "g (float[3] x) => (float[3] y) { y = Dropout(x, ratio, training) }"
    model = typed(text, {"ratio": np.array(0.5, np.float32), "training": np.array(True)})
    assert operators(remove_identity(model)) == ["Dropout"]


LIMITS = {
    "six": np.array(6, np.float32),
    "zero": np.array(0, np.float32),
    "one": np.array(1, np.float32),
    "minus": np.array(-1, np.float32),
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Clip(x, zero)", ["Relu"]),
        ("a = Relu(x)\n y = Relu(a)", ["Relu"]),
        ("a = Relu(x)\n y = Clip(a, minus, six)", ["Clip"]),
        ("a = Clip(x, zero, six)\n y = Relu(a)", ["Clip"]),
        ("a = Clip(x, minus, one)\n y = Clip(a, zero)", ["Clip"]),
        ("a = Clip(x, one, six)\n y = Clip(a, minus, zero)", ["Clip"]),
        ("a = Neg(x)\n b = Clip(a)\n y = Relu(b)", ["Neg", "Relu"]),
        ("a = Relu(x)\n b = Neg(a)\n y = Add(a, b)", ["Relu", "Neg", "Add"]),
    ],
)
def test_limits(body: str, expected: list[str]) -> None:
    check(merge_limits, typed(f"g (float[40] x) => (float[40] y) {{ {body} }}", LIMITS), expected)


def test_a_limit_read_twice_is_not_merged() -> None:
    text = "g (float[40] x) => (float[40] y, float[40] z) { a = Relu(x)\n y = Clip(a, minus, one)\n z = Neg(a) }"
    check(merge_limits, typed(text, LIMITS), ["Relu", "Clip", "Neg"])


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
def test_image_means(kept: int, axes: list[int]) -> None:
    shape = "2, 3, 1, 1" if kept else "2, 3"
    text = f"g (float[2, 3, 4, 5] x) => (float[{shape}] y) {{ y = ReduceMean<keepdims = {kept}>(x, axes) }}"
    model = typed(text, {"axes": np.array(axes, np.int64)})
    check(pool_means, model, ["GlobalAveragePool"] if kept else ["GlobalAveragePool", "Reshape"], FLOAT_TOLERANCE)


def test_image_mean_with_axes_as_attribute() -> None:
    text = "g (float[2, 3, 4, 5] x) => (float[2, 3, 1, 1] y) { y = ReduceMean<axes = [2, 3]>(x) }"
    check(pool_means, typed(text, opset=17), ["GlobalAveragePool"], FLOAT_TOLERANCE)


def test_other_means_stay() -> None:
    text = "g (float[2, 3, 4, 5] x) => (float[2, 1, 1, 5] y) { y = ReduceMean(x, axes) }"
    check(pool_means, typed(text, {"axes": np.array([1, 2], np.int64)}), ["ReduceMean"])


def test_reshapes() -> None:
    text = """g (float[2, 3, 1, 4] x) => (float[2, 12] y, float[2, 3, 4, 1] z) {
        a = Squeeze(x, two)
        b = Unsqueeze(a, two)
        c = Relu(b)
        y = Flatten<axis = 1>(c)
        z = Transpose<perm = [0, 1, 3, 2]>(c)
    }"""
    check(unify_reshapes, typed(text, {"two": np.array([2], np.int64)}), ["Relu", "Reshape", "Reshape"])


def test_real_transposes_stay() -> None:
    text = "g (float[2, 3, 4] x) => (float[3, 2, 4] y) { y = Transpose<perm = [1, 0, 2]>(x) }"
    check(unify_reshapes, typed(text), ["Transpose"])


PAD = {"sides": np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64), "zero": np.array(0, np.float32)}
IMAGE = "g (float[1, 2, 7, 8] x) => (float[1, c, h, w] y)"


@pytest.mark.parametrize(
    ("body", "folded"),
    [
        ("p = Pad(x, sides)\n y = Conv(p, w)", True),
        ("p = Pad(x, sides, zero)\n y = Conv<pads = [1, 1, 1, 1]>(p, w)", True),
        ("p = Pad(x, sides, one)\n y = Conv(p, w)", False),
        ('p = Pad<mode = "reflect">(x, sides)\n y = Conv(p, w)', False),
        ("p = Pad(x, sides)\n y = AveragePool<kernel_shape = [3, 3]>(p)", True),
        ("p = Pad(x, sides)\n y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(p)", False),
        ("p = Pad(x, sides)\n y = AveragePool<kernel_shape = [2, 2]>(p)", False),
        ("r = Relu(x)\n p = Pad(r, sides)\n y = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(p)", True),
        ("p = Pad(x, sides)\n y = MaxPool<kernel_shape = [3, 3]>(p)", False),
        ("p = Pad(x, sides, lowest)\n y = MaxPool<kernel_shape = [3, 3]>(p)", True),
    ],
)
def test_padding(body: str, folded: bool) -> None:
    values = PAD | {"w": floats(2, 3, 2, 3, 3), "one": np.array(1, np.float32), "lowest": np.array(-np.inf, np.float32)}
    model = typed(f"{IMAGE} {{ {body} }}", values)
    expected = [name for name in operators(model) if not folded or name != "Pad"]
    check(fold_padding, model, expected, FLOAT_TOLERANCE)


def test_padding_of_chosen_axes() -> None:
    sides, axes = np.array([1, 2, 3, 4], np.int64), np.array([-1, 2], np.int64)
    values = {"sides": sides, "axes": axes, "w": floats(2, 3, 2, 3, 3)}
    model = typed(f"{IMAGE} {{ p = Pad(x, sides, , axes)\n y = Conv(p, w) }}", values)
    check(fold_padding, model, ["Conv"], FLOAT_TOLERANCE)


def test_matmul_becomes_gemm() -> None:
    text = "g (float[2, 5] x) => (float[2, 4] y) { y = MatMul(x, w) }"
    check(make_gemm, typed(text, {"w": floats(1, 5, 4)}), ["Gemm"], FLOAT_TOLERANCE)


def test_matmul_over_three_dimensions_with_bias() -> None:
    text = "g (float[2, 3, 5] x) => (float[2, 3, 4] y) { a = MatMul(x, w)\n y = Add(b, a) }"
    model = typed(text, {"w": floats(1, 5, 4), "b": floats(2, 4)})
    made = check(make_gemm, model, ["Reshape", "Gemm", "Reshape", "Add"], FLOAT_TOLERANCE)
    check(fold_bias, made, ["Reshape", "Gemm", "Reshape"], FLOAT_TOLERANCE)


def test_gemm_without_alpha_and_beta() -> None:
    text = "g (float[2, 5] x) => (float[2, 4] y) { y = Gemm<alpha = 0.5, beta = 3.0, transB = 1>(x, w, c) }"
    made = check(make_gemm, typed(text, {"w": floats(1, 4, 5), "c": floats(2, 1, 1)}), ["Gemm"], FLOAT_TOLERANCE)
    assert set(made.graph.node(0).attributes) == {"transB"}


@pytest.mark.parametrize("operator", ["Add(a, b)", "Add(b, a)", "Sub(a, b)"])
def test_bias_behind_conv(operator: str) -> None:
    values = {"w": floats(1, 3, 2, 3, 3), "b": floats(2, 3, 1, 1)}
    check(fold_bias, typed(f"{IMAGE} {{ a = Conv(x, w)\n y = {operator} }}", values), ["Conv"], FLOAT_TOLERANCE)


def test_bias_subtracted_from_stays() -> None:
    values = {"w": floats(1, 3, 2, 3, 3), "b": floats(2, 3, 1, 1)}
    check(fold_bias, typed(f"{IMAGE} {{ a = Conv(x, w)\n y = Sub(b, a) }}", values), ["Conv", "Sub"])


def test_bias_per_column_of_an_image_stays() -> None:
    values = {"w": floats(1, 3, 2, 3, 3), "b": floats(2, 6)}
    check(fold_bias, typed(f"{IMAGE} {{ a = Conv(x, w)\n y = Add(a, b) }}", values), ["Conv", "Add"])


def norm(count: int) -> dict[str, NDArray[np.float32]]:
    return {"g": floats(7, count), "h": floats(8, count), "m": floats(9, count), "v": np.abs(floats(10, count)) + 0.1}


@pytest.mark.parametrize("bias", ["", ", b"])
def test_batch_norm_behind_conv(bias: str) -> None:
    values = {"w": floats(1, 4, 1, 3, 3), "b": floats(2, 4), **norm(4)}
    body = f"a = Conv<group = 2>(x, w{bias})\n y = BatchNormalization<epsilon = 0.01>(a, g, h, m, v)"
    check(fold_affine, typed(f"{IMAGE} {{ {body} }}", values), ["Conv"], FLOAT_TOLERANCE)


@pytest.mark.parametrize("transposed", [0, 1])
def test_batch_norm_behind_gemm(transposed: int) -> None:
    values = {"w": floats(1, *((4, 5) if transposed else (5, 4))), "b": floats(2, 4), **norm(4)}
    body = f"a = Gemm<transB = {transposed}>(x, w, b)\n y = BatchNormalization(a, g, h, m, v)"
    check(fold_affine, typed(f"g (float[2, 5] x) => (float[2, 4] y) {{ {body} }}", values), ["Gemm"], FLOAT_TOLERANCE)


def test_shared_weights_are_folded_apart() -> None:
    values = {"w": floats(1, 2, 2, 3, 3), **norm(2)}
    text = f"{IMAGE} {{ a = Conv(x, w)\n b = BatchNormalization(a, g, h, m, v)\n y = Conv(b, w) }}"
    check(fold_affine, typed(text, values), ["Conv", "Conv"], FLOAT_TOLERANCE)


def test_batch_norm_behind_a_value_read_twice_stays() -> None:
    values = {"w": floats(1, 2, 2, 1, 1), **norm(2)}
    text = f"{IMAGE} {{ a = Conv(x, w)\n b = BatchNormalization(a, g, h, m, v)\n y = Add(a, b) }}"
    check(fold_affine, typed(text, values), ["Conv", "BatchNormalization", "Add"])


def test_batch_norm_alone_becomes_a_depthwise_convolution() -> None:
    text = f"{IMAGE} {{ a = Relu(x)\n y = BatchNormalization(a, g, h, m, v) }}"
    check(convolve_norms, typed(text, norm(2)), ["Relu", "Conv"], FLOAT_TOLERANCE)


@pytest.mark.parametrize("operator", ["Mul(a, s)", "Add(s, a)", "Sub(a, s)"])
@pytest.mark.parametrize("shape", ["1, 5", "1, 1, 5"])
def test_a_row_is_scaled_and_shifted_as_a_pixel(operator: str, shape: str) -> None:
    text = f"g (float[{shape}] x) => (float[{shape}] y) {{ a = Relu(x)\n y = {operator} }}"
    check(convolve_norms, typed(text, {"s": floats(3, 1, 5)}), ["Relu", "Reshape", "Conv", "Reshape"], FLOAT_TOLERANCE)


@pytest.mark.parametrize("operator", ["Mul(a, s)", "Mul(s, a)", "Div(a, s)"])
def test_scale_behind_conv(operator: str) -> None:
    values = {"w": floats(1, 3, 2, 3, 3), "b": floats(2, 3), "s": floats(3, 1, 3, 1, 1)}
    check(fold_affine, typed(f"{IMAGE} {{ a = Conv(x, w, b)\n y = {operator} }}", values), ["Conv"], FLOAT_TOLERANCE)


def test_the_whole_list() -> None:
    text = f"""{IMAGE} {{
        p = Pad(x, sides)
        a = Conv(p, w)
        n = BatchNormalization(a, g, h, m, v)
        c = Clip(n, zero, six)
        i = Identity(c)
        r = ReduceMean<keepdims = 0>(i, axes)
        d = MatMul(r, dense)
        e = Add(d, bias)
        f = Unsqueeze(e, axes)
        y = Relu(f)
    }}"""
    values = {
        **PAD, **norm(4), "w": floats(1, 4, 2, 3, 3), "six": np.array(6, np.float32),
        "axes": np.array([2, 3], np.int64), "dense": floats(4, 4, 5), "bias": floats(5, 5),
    }  # fmt: skip
    expected = ["Conv", "Clip", "GlobalAveragePool", "Reshape", "Gemm", "Reshape", "Relu"]
    check(optimize, typed(text, values), expected, FLOAT_TOLERANCE)


def test_quantised_models_keep_their_bits() -> None:
    text = f"""{IMAGE} {{
        q = QuantizeLinear(x, s, z)
        dq = DequantizeLinear(q, s, z)
        wf = DequantizeLinear(wq, s, z)
        a = Conv<pads = [1, 1, 1, 1]>(dq, wf)
        b = Relu(a)
        i = Identity(b)
        q2 = QuantizeLinear(i, s2, z)
        y = DequantizeLinear(q2, s2, z)
    }}"""
    values = {
        "s": np.array(0.05, np.float32), "s2": np.array(0.1, np.float32), "z": np.array(0, np.int8),
        "wq": np.random.default_rng(3).integers(-127, 128, (3, 2, 3, 3), np.int8),
    }  # fmt: skip
    model = typed(text, values)
    check(optimize, model, [name for name in operators(model) if name != "Identity"])


def test_pieces_of_a_constant_are_constants() -> None:
    text = """g (float[2, 3] x) => (float[2, 3] y) {
        a, b = Split<axis = 0>(c, sizes)
        d = Add(x, a)
        y = Mul(d, b)
    }"""
    values = {"c": floats(1, 3, 3), "sizes": np.array([1, 2], np.int64)}
    check(fold_constants, typed(text, values), ["Add", "Mul"])


def test_the_order_of_the_passes() -> None:
    assert [apply.__name__ for apply in PASSES] == [
        "fold_constants", "remove_identity", "expand_attention", "place_caches", "plain_indices", "plain_products",
        "split_norm_outputs", "pair_many", "search_scores", "simplify_masks", "pair_choices", "join_norms",
        "join_group_norms", "expand_einsum", "unroll_recurrent", "move_transposes", "merge_limits", "image_volumes",
        "image_sequences",
        "pool_means", "count_matrices", "level_ranks", "unify_reshapes", "fold_padding", "make_gemm", "fold_flattened",
        "split_prelus", "fold_bias", "scale_factors", "fold_affine", "convolve_norms", "fold_bias", "fold_affine",
        "unify_reshapes", "remove_dead_code",
    ]  # fmt: skip


def test_sequences_become_images() -> None:
    text = """g (float[1, 4, 20] x) => (float[1, 6, 8] y, float[1, 4, 9] z) {
        a = Conv<pads = [2, 1], dilations = [2]>(x, w, b)
        r = Relu(a)
        n = Add(r, row)
        p = MaxPool<kernel_shape = [2], strides = [2]>(n)
        c = Conv<auto_pad = "SAME_UPPER">(p, v)
        s = Add(c, p)
        j = Concat<axis = -1>(s, p)
        h = LeakyRelu(j)
        z = Slice(h, start, end, axis)
        t = Slice(s, start, end, axis)
        e, f = Split<axis = 2>(t, parts)
        y0 = Mul(f, half)
        y = Conv(y0, u)
    }"""
    values = {
        "w": floats(1, 4, 4, 3), "b": floats(2, 4), "v": floats(3, 4, 4, 3), "u": floats(4, 6, 4, 1),
        "row": floats(5, 1, 4, 1), "start": np.array([0], np.int64), "end": np.array([9], np.int64),
        "axis": np.array([2], np.int64), "parts": np.array([1, 8], np.int64), "half": np.array(0.5, np.float32),
    }  # fmt: skip
    made = optimize(typed(text, values))
    before, after = outputs(typed(text, values)), outputs(made)
    for old, new in zip(before, after, strict=True):
        assert old.shape == new.shape and np.abs(old - new).max() <= FLOAT_TOLERANCE * np.abs(old).max()
    # Reshapes stand at the two ends only.
    assert operators(made).count("Reshape") == 3
    assert all(len(node.inputs[1].shape) == 4 for node in made.graph if node.op_type == "Conv")  # type: ignore
