"""Group norms as PyTorch writes them, and MeanVarianceNormalization, as one operator: the same values."""

import numpy as np
import pytest
from tests.frontend.models import floats, operators, typed
from tests.optimize.test_passes import FLOAT_TOLERANCE, check

from lithify.optimize.group_norm import join_group_norms

VALUES = {
    "groups": np.array([2, 3, -1], np.int64),
    "back": np.array([2, 6, 4, 5], np.int64),
    "ones": np.ones(3, np.float32),
    "zeros": np.zeros(3, np.float32),
    "odd": floats(1, 3),
    "scale": floats(2, 6, 1, 1),
    "bias": floats(3, 1, 6, 1, 1),
    "row": floats(4, 5),
    "groups_last": np.array([2, 4, 5, 3, 2], np.int64),
    "shape": np.array([2, 4, 5, 6], np.int64),
    "axes": np.array([1, 2, 4], np.int64),
    "other_axes": np.array([1, 2], np.int64),
    "two": np.array(2, np.float32),
    "epsilon": np.array(0.001, np.float32),
    "gamma": floats(5, 1, 1, 1, 3, 2),
    "beta": floats(6, 1, 1, 1, 3, 2),
}
HEAD = "g (float[2, 6, 4, 5] x) => (float[2, 6, 4, 5] y) {\n "
NORM = "a = Reshape(x, groups)\n b = InstanceNormalization(a, ones, zeros)\n c = Reshape(b, back)\n "


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"{NORM}d = Mul(c, scale)\n y = Add(d, bias)", ["GroupNormalization"]),
        (f"{NORM}d = Mul(scale, c)\n y = Relu(d)", ["GroupNormalization", "Relu"]),
        (f"{NORM}y = Add(c, row)", ["GroupNormalization", "Add"]),
        (f"{NORM.replace('ones, zeros', 'odd, odd')}y = Add(c, bias)", ["GroupNormalization"]),
        (f"{NORM}d = Relu(c)\n y = Add(d, c)", ["GroupNormalization", "Relu", "Add"]),
        ("y = MeanVarianceNormalization<axes = [2, 3]>(x)", ["InstanceNormalization"]),
        ("y = MeanVarianceNormalization<axes = [1, 2, 3]>(x)", ["MeanVarianceNormalization"]),
        (
            "y = MeanVarianceNormalization<axes = [0, 2, 3]>(x)",
            ["MeanVarianceNormalization"],
        ),  # of both images together
    ],
)
def test_group_norms(body: str, expected: list[str]) -> None:
    check(join_group_norms, typed(f"{HEAD}{body} }}", VALUES), expected, FLOAT_TOLERANCE)


KERAS = """g (float[2, 4, 5, 6] x) => (float[2, 4, 5, 6] y) {
    v = Reshape(x, groups_last)
    m = ReduceMean(v, AXES)
    p = Pow(v, two)
    q = ReduceMean(p, AXES)
    o = Pow(m, two)
    u = Sub(q, o)
    t = Add(u, epsilon)
    r = Sqrt(t)
    i = Reciprocal(r)
    s = Mul(i, gamma)
    n = Neg(m)
    k = Mul(n, s)
    b = Add(k, beta)
    f = Mul(v, s)
    a = Add(f, b)
    y = Reshape(a, shape) }"""


def test_group_norms_of_channels_that_come_last() -> None:
    """As Keras writes them: from the mean of the squares, which costs digits that the joined norm keeps."""
    model = typed(KERAS.replace("AXES", "axes"), VALUES)
    check(join_group_norms, model, ["Transpose", "GroupNormalization", "Transpose"], 8 * FLOAT_TOLERANCE)
    model = typed(KERAS.replace("AXES", "other_axes"), VALUES)
    assert operators(join_group_norms(model)) == operators(model)
