"""Products, volumes and norms with more outputs, rewritten: the same numbers, and on the chip without the host."""

import numpy as np
import onnx_ir as ir
import pytest
from tests.frontend.models import floats, typed
from tests.quantize.judge import by_runtime

import lithify
from lithify.optimize import optimize
from lithify.quantize import inputs_of, seeded

VALUES = {
    "v": floats(1, 5),
    "many": floats(2, 2, 1, 5, 3),
    "w": floats(3, 5, 3),
    "square": floats(4, 7, 3),
    "k": floats(5, 4, 3, 2, 3, 3),
    "g": floats(6, 4, 1, 3, 1, 1),
    "b": floats(7, 4),
    "scale": floats(8, 6, 5),
    "bias": floats(9, 6, 5),
}
VOLUME = "g (float[2, {}, 5, 6, 7] x) => (float[2, {}] y) {{\n {} }}"
TEXTS = {
    "vectors": "g (float[5] x) => (float[3] y) {\n y = MatMul(x, w) }",
    "matrix and vector": "g (float[2, 4, 5] x) => (float[2, 4] y) {\n y = MatMul(x, v) }",
    "many matrices": "g (float[3, 4, 5] x) => (float[2, 3, 4, 3] y) {\n y = MatMul(x, many) }",
    "one for many": "g (float[1, 4, 5] x) => (float[2, 1, 4, 3] y) {\n y = MatMul(x, many) }",
    "gemm": "g (float[5, 7] x) => (float[7, 3] y) {\n y = Gemm<transA = 1, alpha = 0.5, beta = 2.0>(x, w, square) }",
    "gemm, computed": "g (float[7, 5] x, float[7, 3] c) => (float[7, 3] y) {\n y = Gemm(x, w, c) }",
    "conv": VOLUME.format(3, "4, 4, 3, 4", "y = Conv<strides = [1, 2, 2], pads = [0, 1, 1, 0, 0, 1]>(x, k, b)"),
    "conv of groups": VOLUME.format(4, "4, 5, 6, 7", "y = Conv<group = 4, pads = [1, 0, 0, 1, 0, 0]>(x, g)"),
    "dilated": VOLUME.format(3, "4, 3, 2, 3", "y = Conv<dilations = [2, 2, 2]>(x, k)"),
    "largest": VOLUME.format(
        3, "3, 3, 3, 4", "y = MaxPool<kernel_shape = [3, 2, 2], strides = [2, 2, 2], pads = [1, 0, 0, 1, 0, 1]>(x)"
    ),
    "mean": VOLUME.format(3, "3, 2, 3, 3", 'y = AveragePool<kernel_shape = [2, 2, 2], strides = [2, 2, 2]>(x)'),
    "mean with pads": VOLUME.format(
        3, "3, 6, 7, 8", "y = AveragePool<kernel_shape = [2, 2, 2], pads = [1, 1, 1, 1, 1, 1]>(x)"
    ),
    "same size": VOLUME.format(3, "3, 3, 3, 4", 'y = MaxPool<kernel_shape = [3, 3, 3], strides = [2, 2, 2], '
                               'auto_pad = "SAME_UPPER">(x)'),
    "global": VOLUME.format(3, "3, 1, 1, 1", "y = GlobalAveragePool(x)"),
    "norm": """g (float[3, 6, 5] x) => (float[3, 6, 5] y, float[3, 1, 1] m, float[3, 1, 1] d) {
        y, m, d = LayerNormalization<axis = 1>(x, scale, bias) }""",
}  # fmt: skip


SLOW = {"conv of groups", "conv", "dilated"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in TEXTS]
)
def test_the_same_numbers_on_the_chip(name: str) -> None:
    source = typed(TEXTS[name], VALUES)
    model = optimize(source)
    samples = seeded(inputs_of(model), 4)
    for index in range(2):
        for ours, theirs in zip(by_runtime(model, samples[index]), by_runtime(source, samples[index]), strict=True):
            assert ours.shape == theirs.shape and np.allclose(ours, theirs, 1e-4, 1e-5)
    program = lithify.compile(lithify.quantize(model, [samples[index] for index in range(4)]), "edge", strict=True)
    found = program.run(*samples[0].values())
    for ours, theirs in zip(found, by_runtime(source, samples[0]), strict=True):
        assert np.abs(ours - theirs).max() <= 0.06 * np.ptp(np.append(theirs, 0))


def test_quantised_volumes_stay() -> None:
    text = """g (float[1, 3, 5, 6, 7] x) => (float[1, 3, 1, 1, 1] y) {
        s = Constant<value_float = 0.1>()
        z = Constant<value = int8 {0}>()
        q = QuantizeLinear(x, s, z)
        d = DequantizeLinear(q, s, z)
        y = GlobalAveragePool(d) }"""
    model: ir.Model = optimize(typed(text, {}))
    assert [node.op_type for node in model.graph][-1] == "GlobalAveragePool"
