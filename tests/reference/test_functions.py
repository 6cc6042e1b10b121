"""Functions of one number: rounded once, equal on every machine, and as tables judged by ONNX Runtime."""

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference import table
from lithify.reference.evaluate import run
from lithify.reference.functions import FUNCTIONS, PAIRS, apply, combine, nearest_float32
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node

from . import judge, random_layers
from .judge import Tally
from .onnx_form import Form

# Range of each parameter in the random tables.
PARAMETERS = {
    "alpha": (0.1, 2.0),
    "beta": (0.3, 0.7),
    "gamma": (0.5, 1.5),
    "min": (-3.0, 0.0),
    "max": (0.0, 6.0),
    "slope": (-1.0, 1.0),
    "exponent": (2.0, 2.0),
    "bias": (0.0, 1.0),
    "lambd": (0.1, 2.0),
}
OPSETS = {"Swish": 24, "Gelu": 20, "GeluTanh": 20}
TABLES = {"fast": 2, "slow": 150}


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Counts over all tests of this file; printed at its end."""
    counts = Tally()
    yield counts
    print(f"\nTables against ONNX Runtime {judge.onnxruntime.__version__}\n{counts}")


def onnx_form(name: str, parameters: dict[str, float]) -> Form:
    """The function as ONNX writes it: some parameters are inputs there."""
    inputs = {key: np.float32(value) for key, value in parameters.items() if key in ("min", "max", "exponent")}
    inputs |= {key: np.full(1, value, np.float32) for key, value in parameters.items() if key == "slope"}
    attributes: dict[str, object] = {key: value for key, value in parameters.items() if key not in inputs}
    if name == "GeluTanh":
        name, attributes = "Gelu", {"approximate": "tanh"}
    return Form(name, attributes, {key: np.asarray(value) for key, value in inputs.items()}, opset=OPSETS.get(name, 20))


def layer(x: Tensor, y: Tensor, entries: judge.Array) -> Graph:
    tensors = {"x": x, "y": y, "t": Tensor("t", (256,), "int8")}
    return Graph("g", ("x",), ("y",), tensors, {"t": entries}, (make_node("n", "Lookup", ("x", "t"), ("y",)),))


# Differences per million entries that docs/numbers.md promises not to exceed.
MOST_PER_MILLION = 500


@pytest.mark.parametrize("pace", ["fast", pytest.param("slow", marks=[pytest.mark.slow, pytest.mark.campaign])])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tables_are_those_of_onnx_runtime(tally: Tally, name: str, pace: str) -> None:
    """Every entry, or one step beside it where the function lies within 2^-20 of a half."""
    every = {"x": np.arange(-128, 128).astype(np.int8)}
    for kind in ("any", "power of two"):
        for random in random_layers.layers(sum(map(ord, name)), TABLES[pace]):
            parameters = {key: float(np.float32(random.uniform(*PARAMETERS[key]))) for key in FUNCTIONS[name].defaults}
            x = Tensor("x", (256,), "int8", random_layers.scale(random, kind), random_layers.zero_point(random))
            steps = np.arange(-128, 128) - x.zero_point
            values = apply(name, steps.astype(np.float32) * x.scale, **parameters)
            largest = float(np.abs(values[np.isfinite(values)]).max(initial=1e-3))
            y_scale = random_layers.scale(random, kind, largest / 150)
            y = Tensor("y", (256,), "int8", y_scale, random_layers.zero_point(random))
            entries = table.fill(lambda a, p=parameters: apply(name, a, **p), x, y)
            graph = layer(x, y, entries)
            ours = run(graph, every)["y"]
            form = onnx_form(name, parameters)
            # The table is ours; ONNX Runtime computes the function.
            bare = Graph("g", ("x",), ("y",), graph.tensors, {}, (make_node("n", "Clip", ("x",), ("y",)),))
            theirs = judge.run(bare, every, "plain", form=form)
            where = tally.add((name, kind, "plain"), ours, theirs)
            assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1, (name, parameters)
            exact = values[where].astype(np.float64) / float(y_scale)
            assert np.all(np.abs(exact - np.floor(exact) - 0.5) < 2.0**-20 * (np.abs(exact) + 1)), (name, parameters)
    different = sum(tally.different[name, kind, "plain"] for kind in ("any", "power of two"))
    compared = sum(tally.compared[name, kind, "plain"] for kind in ("any", "power of two"))
    assert different <= max(1, MOST_PER_MILLION * compared / 1e6)


# To 30 digits, from Abramowitz and Stegun's tables and the definitions.
KNOWN = [
    ("Exp", 1.0, "2.71828182845904523536028747135"),
    ("Log", 2.0, "0.693147180559945309417232121458"),
    ("Tanh", 1.0, "0.761594155955764888119458282605"),
    ("Tanh", -1.0, "-0.761594155955764888119458282605"),
    ("Sigmoid", 1.0, "0.731058578630004879251159944749"),
    ("Erf", 1.0, "0.842700792949714869341220635083"),
    ("Erf", -0.5, "-0.520499877813046537682746653892"),
    ("Erf", 2.0, "0.995322265018952734162069256367"),
    ("Softplus", 0.0, "0.693147180559945309417232121458"),
    ("Gelu", 1.0, "0.841344746068542948585232545632"),
    ("Elu", -1.0, "-0.632120558828557678404476229839"),
    ("Mish", 1.0, "0.865098388267309873574842646146"),
    ("Sqrt", 2.0, "1.41421356237309504880168872421"),
    ("Sin", 1.0, "0.841470984807896506652502321630"),
    ("Cos", 1.0, "0.540302305868139717400936607443"),
    ("Tan", 1.0, "1.55740772465490223050697480746"),
    ("Asin", 0.5, "0.523598775598298873077107230547"),
    ("Acos", 0.5, "1.04719755119659774615421446109"),
    ("Atan", 1.0, "0.785398163397448309615660845820"),
    ("Sinh", 1.0, "1.17520119364380145688238185060"),
    ("Cosh", 1.0, "1.54308063481524377847790562076"),
    ("Asinh", 1.0, "0.881373587019543025232609324980"),
    ("Acosh", 2.0, "1.31695789692481670862504634731"),
    ("Atanh", 0.5, "0.549306144334054845697622618461"),
]


@pytest.mark.parametrize(("name", "at", "value"), KNOWN)
def test_known_values(name: str, at: float, value: str) -> None:
    assert apply(name, np.array([at], np.float32))[0] == nearest_float32(Decimal(value))


def test_functions_are_those_of_the_mathematics_library() -> None:
    """float64 of Python's own library agrees wherever its last bits cannot matter."""
    x = np.linspace(-8, 8, 97, dtype=np.float32)
    theirs = {
        "Exp": math.exp,
        "Tanh": math.tanh,
        "Erf": math.erf,
        "Sigmoid": lambda v: 1 / (1 + math.exp(-v)),
        "Softplus": lambda v: math.log1p(math.exp(v)),
        "Mish": lambda v: v * math.tanh(math.log1p(math.exp(v))),
        "Gelu": lambda v: v / 2 * math.erfc(-v / math.sqrt(2)),
        "Elu": lambda v: v if v > 0 else math.expm1(v),
        "Swish": lambda v: v / (1 + math.exp(-v)),
        **{name: getattr(math, name.lower()) for name in ("Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Asinh")},
    }
    for name, function in theirs.items():
        expected = np.array([function(float(item)) for item in x])
        assert np.abs(apply(name, x) / np.where(expected == 0, 1, expected) - (expected != 0)).max() < 2.0**-23, name


def test_small_arguments_keep_their_digits() -> None:
    tiny = np.array([1e-30, -1e-30, 1e-45, -3e-5, -0.009, -0.011], np.float32)
    assert np.array_equal(apply("Tanh", tiny)[:3], tiny[:3])
    expected = np.array([item if item > 0 else math.expm1(float(item)) for item in tiny]).astype(np.float32)
    assert np.array_equal(apply("Elu", tiny), expected)
    low = np.array([-2, -9, -11, -30], np.float32)
    expected = np.array([math.log1p(math.exp(float(item))) for item in low]).astype(np.float32)
    assert np.array_equal(apply("Softplus", low), expected)


def test_what_has_no_value() -> None:
    x = np.array([-1, 0, np.inf, -np.inf, np.nan], np.float32)
    assert str(apply("Log", x).tolist()) == "[nan, -inf, inf, nan, nan]"
    assert str(apply("Sqrt", x).tolist()) == "[nan, 0.0, inf, nan, nan]"
    assert str(apply("Reciprocal", x).tolist()) == "[-1.0, inf, 0.0, -0.0, nan]"
    assert str(apply("Sigmoid", x)[2:].tolist()) == "[1.0, 0.0, nan]"
    assert str(apply("Tanh", x)[2:].tolist()) == "[1.0, -1.0, nan]"
    assert str(apply("Erf", x)[2:].tolist()) == "[1.0, -1.0, nan]"
    assert str(apply("Relu", x).tolist()) == "[0.0, 0.0, inf, 0.0, nan]"
    assert str(apply("Sin", x)[2:].tolist()) == str(apply("Tan", x)[2:].tolist()) == "[nan, nan, nan]"
    assert str(apply("Acosh", x).tolist()) == "[nan, nan, inf, nan, nan]"
    assert str(apply("Atanh", x).tolist()) == "[-inf, 0.0, nan, nan, nan]"
    assert apply("Atan", x)[3] == np.float32(-math.pi / 2) and apply("Acos", -x[:1])[0] == 0
    assert str(apply("Exp", np.array([1e30, -1e30], np.float32)).tolist()) == "[inf, 0.0]"


def test_one_rounding_to_float32() -> None:
    """A value just beside a half of float32, which float64 rounds onto the half."""
    half = Fraction(2**24 + 1, 2**24)
    decimal = Decimal(half.numerator) / Decimal(half.denominator)
    hair = Decimal("1e-25")
    assert float(decimal + hair) == float(decimal)
    above, even = np.float32(1 + 2.0**-23), np.float32(1)
    assert [nearest_float32(value) for value in (decimal - hair, decimal, decimal + hair)] == [even, even, above]
    assert [nearest_float32(-value) for value in (decimal - hair, decimal, decimal + hair)] == [-even, -even, -above]
    assert nearest_float32(Decimal("1e-46")) == 0 and nearest_float32(Decimal("1e39")) == np.inf


def test_pairs_round_once_each() -> None:
    a, b = np.array([1, -1, 0], np.float32), np.array(3, np.float32)
    assert combine("Div", a, b).tolist() == [np.float32(1 / 3), np.float32(-1 / 3), 0]
    assert str(combine("Div", a, np.zeros(3, np.float32)).tolist()) == "[inf, -inf, nan]"
    assert combine("Max", a, np.zeros(3, np.float32)).tolist() == [1, 0, 0]
    assert set(PAIRS) == {"Add", "Sub", "Mul", "Div", "Max", "Min"}


def test_a_table_of_nothing_changes_scale_and_zero_point() -> None:
    for random in random_layers.layers(61, 20):
        x = Tensor("x", (256,), "int8", random_layers.scale(random, "any"), random_layers.zero_point(random))
        y = Tensor("y", (256,), "int8", random_layers.scale(random, "any"), random_layers.zero_point(random))
        every = np.arange(-128, 128).astype(np.int8)
        tensors = {"x": x, "f": Tensor("f", (256,), "float32"), "y": y}
        nodes = make_node("d", "Dequantize", ("x",), ("f",)), make_node("q", "Quantize", ("f",), ("y",))
        expected = run(Graph("g", ("x",), ("y",), tensors, {}, nodes), {"x": every})["y"]
        assert np.array_equal(table.fill(lambda a: a, x, y), expected)


def test_no_number_becomes_the_minimum_as_in_quantize() -> None:
    x, y = (Tensor(name, (256,), "int8", np.array(0.1, np.float32), 0) for name in "xy")
    entries = table.fill(lambda a: apply("Log", a), x, y)
    assert entries[:129].tolist() == [-128] * 129
    assert entries[130] == round(math.log(float(np.float32(0.1) * 2)) * 10)


def test_prelu_with_a_slope_for_each_channel_is_two_convolutions_and_an_add() -> None:
    """docs/numbers.md, Lookup: exact, because one of the two addends is always 0."""
    for random in random_layers.layers(62, 20):
        channels = int(random.integers(1, 9))
        shape = (1, channels, 4, 5)
        x = Tensor("x", shape, "int8", random_layers.scale(random, "any"), random_layers.zero_point(random))
        y_parameters = random_layers.scale(random, "any"), random_layers.zero_point(random)
        slope = random.uniform(-1, 1, channels).astype(np.float32)
        same = {name: Tensor(name, x.shape, "int8", x.scale, x.zero_point) for name in ("above", "below")}
        made = {name: Tensor(name, x.shape, "int8", *y_parameters) for name in ("p", "n", "y")}
        ones = np.ones((channels, 1, 1, 1), np.int8)
        weights = {
            "wp": Tensor("wp", ones.shape, "int8", np.array(1, np.float32)),
            "wn": Tensor("wn", ones.shape, "int8", np.where(slope == 0, np.float32(1), np.abs(slope))),
        }
        nodes = (
            make_node("a", "Clip", ("x",), ("above",), minimum=x.zero_point),
            make_node("b", "Clip", ("x",), ("below",), maximum=x.zero_point),
            make_node("c", "Conv", ("above", "wp", ""), ("p",), group=channels),
            make_node("d", "Conv", ("below", "wn", ""), ("n",), group=channels),
            make_node("e", "Add", ("p", "n"), ("y",)),
        )
        constants = {"wp": ones, "wn": (ones * np.sign(slope).reshape(-1, 1, 1, 1)).astype(np.int8)}
        graph = Graph("g", ("x",), ("y",), {"x": x, **same, **made, **weights}, constants, nodes)
        data = {"x": random_layers.int8(random, x.shape)}
        form = Form("PRelu", {}, {"slope": slope.reshape(-1, 1, 1)})
        bare = Graph("g", ("x",), ("y",), graph.tensors, {}, (make_node("n", "Clip", ("x",), ("y",)),))
        assert np.array_equal(run(graph, data)["y"], judge.run(bare, data, "plain", form=form))


def test_unknown_functions_are_refused() -> None:
    x = np.zeros(1, np.float32)
    with pytest.raises(LithifyError) as refusal:
        apply("Sine", x)
    assert str(refusal.value) == f"There is no function 'Sine' of one number; known are: {', '.join(FUNCTIONS)}."
    with pytest.raises(LithifyError) as refusal:
        apply("Elu", x, beta=1)
    assert str(refusal.value) == "The function Elu has no parameter 'beta'; it has: alpha."
    with pytest.raises(LithifyError) as refusal:
        apply("Relu", x, alpha=1)
    assert str(refusal.value) == "The function Relu has no parameter 'alpha'; it has: none."
    with pytest.raises(LithifyError) as refusal:
        combine("Mod", x, x)
    assert str(refusal.value) == "There is no operation 'Mod' of two numbers; known are: Add, Sub, Mul, Div, Max, Min."
