"""Normalisations and reductions that take float32: read whole, near ONNX Runtime, on the chip without the host."""

import numpy as np
import pytest
from tests.frontend.models import floats, typed
from tests.quantize.judge import by_reference, by_runtime, kinds

from compiler.compiled import check
from compiler.test_rows import WITH_UNIT
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded

VALUES = {
    "w": floats(1, 8, 8),
    "c": floats(2, 6, 5, 1, 1),
    "scale": floats(3, 6) + 1,
    "bias": floats(4, 6),
    "each": floats(5, 3),
    "two": np.array(2, np.float32),
    "last": np.array([-1]),
    "first": np.array([0]),
    "both": np.array([0, 1]),
}
MATRIX = "g (float[7, 8] x) => (float[{}] y) {{\n a = MatMul(x, w)\n {} }}"
IMAGE = "g (float[1, 5, 8, 8] x) => (float[1, 6, 8, 8] y) <float[1, 6, 8, 8] d> {{\n a = Conv(x, c)\n {} }}"
MODELS = {
    "l1": ("ReduceL1", MATRIX.format("7, 1", "y = ReduceL1(a, last)")),
    "l2 of columns": ("ReduceL2", MATRIX.format("1, 8", "y = ReduceL2(a, first)")),
    "sum of squares": ("ReduceSumSquare", MATRIX.format("7", "y = ReduceSumSquare<keepdims = 0>(a, last)")),
    "of all": ("ReduceSumSquare", MATRIX.format("1, 1", "y = ReduceSumSquare(a, both)")),
    "log of sum": ("ReduceLogSum", MATRIX.format("7, 1", "d = Abs(a)\n y = ReduceLogSum(d, last)")),
    "log of sum of powers": ("ReduceLogSumExp", MATRIX.format("7, 1", "y = ReduceLogSumExp(a, last)")),
    "product": ("ReduceProd", MATRIX.format("7, 1", "t = Tanh(a)\n s = Mul(t, two)\n y = ReduceProd(s, last)")),
    "product of columns": ("ReduceProd", MATRIX.format("8", "t = Tanh(a)\n y = ReduceProd<keepdims = 0>(t, first)")),
    "lp 1": ("LpNormalization", MATRIX.format("7, 8", "y = LpNormalization<p = 1, axis = 0>(a)")),
    "lp 2": ("LpNormalization", MATRIX.format("7, 8", "y = LpNormalization(a)")),
    "log softmax at the end": ("LogSoftmax", MATRIX.format("7, 8", "y = LogSoftmax(a)")),
    "instance": ("GroupNormalization", IMAGE.format("y = InstanceNormalization(a, scale, bias)")),
    "group": (
        "GroupNormalization",
        IMAGE.format("d = GroupNormalization<num_groups = 3>(a, scale, bias)\n y = Relu(d)"),
    ),
    "group of any size": (
        "GroupNormalization",
        IMAGE.format("d = GroupNormalization<num_groups = 2>(a, scale, bias)\n y = Relu(d)").replace("8, 8", "5, 7"),
    ),
    "mean and variance": ("GroupNormalization", IMAGE.format("y = MeanVarianceNormalization<axes = [0, 2, 3]>(a)")),
}


@pytest.mark.parametrize("name", MODELS)
def test_norms(name: str) -> None:
    operator, text = MODELS[name]
    model = optimize(typed(text, VALUES, 21 if name.startswith("group") else 18))
    quantized = quantize(model, seeded(inputs_of(model), 8))
    graph = read(quantized)
    assert kinds(graph).count(operator) == 1 and "Host" not in kinds(graph)
    given = seeded(inputs_of(quantized), 3, seed=9)
    for index in range(3):
        (ours,), (theirs,) = by_reference(graph, given[index]), by_runtime(quantized, given[index], fused=False)
        step = graph.tensors[graph.nodes[-1].inputs[0]].scale
        assert np.abs(ours - theirs).max() <= step * 1.01 and np.mean(ours != theirs) < 0.01
    made = check(graph, WITH_UNIT["tiny"], given[0])
    assert not made.reasons and len(made.segments) == 1, "between quantising and the result nothing leaves the chip"


def test_group_norm_of_opset_18_has_a_scale_for_each_group() -> None:
    text = IMAGE.format("d = GroupNormalization<num_groups = 3>(a, each, each)\n y = Relu(d)")
    model = optimize(typed(text, VALUES, 18))
    graph = read(quantize(model, seeded(inputs_of(model), 4)))
    (node,) = (node for node in graph.nodes if node.operator == "GroupNormalization")
    assert np.array_equal(graph.constants[node.inputs[1]], np.repeat(VALUES["each"], 2))
