"""The definitions against ONNX Runtime on identical random inputs; `-s` prints the table of docs/numbers.md.

The exact set must agree in every bit. For the rest a difference is at most one step, lies where the exact result is
a half to within float32's error, and is no more frequent than published.
"""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from numpy.random import Generator

from lithify.reference.evaluate import run
from lithify.reference.graph import Graph

from . import exact_values, judge, random_layers, random_movement, random_resize
from .exact_values import Exact, Real
from .judge import Array, Tally
from .onnx_form import Form

# On Arm ONNX Runtime pools and adds in fixed point, halves away from zero; the published figures are those of x86.
X86 = platform.machine().lower() in ("x86_64", "amd64")

# A random layer from a generator and the kind of its scales; with a Form where ONNX's writing is not to be derived.
Make = Callable[[Generator, str], Graph | tuple[Graph, Form]]


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """Counts over all tests of this file; printed at its end."""
    counts = Tally()
    yield counts
    print(f"\nReference against ONNX Runtime {judge.onnxruntime.__version__} on {platform.machine()}\n{counts}")


@pytest.fixture(scope="module")
def weight_limit() -> int:
    return judge.weight_limit()


# Number of random layers of each kind: (fast, slow).
LAYERS = {"fast": 40, "slow": 1500}
pace = pytest.mark.parametrize("pace", ["fast", pytest.param("slow", marks=[pytest.mark.slow, pytest.mark.campaign])])


def compare(
    tally: Tally, row: tuple[str, str, str], make: Make, pace: str, kernel: str | None
) -> Iterator[tuple[Graph, dict[str, Array], Array, Array]]:
    """Graph, inputs, our output and theirs for each layer; nothing beyond one step passes."""
    operator, kind, level = row
    kernel = kernel if level == "fused" else None
    seed = sum(map(ord, operator + pace))
    saturated = varied = 0
    for number, random in enumerate(random_layers.layers(seed, LAYERS[pace])):
        made = make(random, kind)
        graph, form = made if isinstance(made, tuple) else (made, None)
        inputs = random_layers.inputs(random, graph)
        values, results = run(graph, inputs), judge.run_all(graph, inputs, level, kernel, form)
        ours, theirs = joined([values[name] for name in graph.outputs]), joined(results)
        where = tally.add(row, ours, theirs)
        steps = np.abs(ours.astype(int) - theirs.astype(int)).max()
        assert steps <= 1, f"{row} layer {number} is {steps} steps off at {np.argwhere(where)[0]}: {graph.nodes[0]}"
        saturated += int(np.isin(ours, (-128, 127)).sum())
        varied += int(np.unique(ours).size)
        yield graph, inputs, ours, theirs
    # A judge of nothing but one value, or of no saturated value, would prove little.
    assert saturated > 0 and varied > LAYERS[pace]


def joined(outputs: list[Array]) -> Array:
    """The only output, or all of them as one vector."""
    return outputs[0] if len(outputs) == 1 else np.concatenate([output.ravel() for output in outputs])


EXACT: list[tuple[str, str | None, Callable[[int], Make]]] = [
    ("Conv", "QLinearConv", lambda limit: partial(random_layers.conv, depthwise=False, weight_limit=limit)),
    ("Conv depthwise", "QLinearConv", lambda limit: partial(random_layers.conv, depthwise=True, weight_limit=limit)),
    ("Gemm", "QGemm", lambda limit: partial(random_layers.gemm, bias=True, weight_limit=limit)),
    ("MatMul", "QLinearMatMul", lambda limit: partial(random_layers.gemm, bias=False, weight_limit=limit)),
    ("MatMul of activations", "QLinearMatMul", lambda limit: partial(random_layers.matmul, limit=limit)),
    ("MaxPool", "MaxPool", lambda _: partial(random_layers.pool, operator="MaxPool", dilated=True)),
    (
        "GlobalAveragePool",
        "QLinearGlobalAveragePool",
        lambda _: partial(random_layers.pool, operator="GlobalAveragePool"),
    ),
    (
        "Conv sequence",
        "QLinearConv",
        lambda limit: partial(random_layers.conv, depthwise=False, weight_limit=limit, sequence=True),
    ),
    ("MaxPool sequence", "MaxPool", lambda _: partial(random_layers.pool, operator="MaxPool", sequence=True)),
]


# Equal scales in and out are a case of their own only for a mean.
EXACT_CASES = [
    pytest.param(*row, kind, id=f"{row[0]}, {kind}")
    for row in EXACT
    for kind in (random_layers.SCALES if row[0] == "GlobalAveragePool" else ("any", "power of two"))
]


@pace
@pytest.mark.parametrize(("operator", "kernel", "maker", "kind"), EXACT_CASES)
def test_exact_set(
    tally: Tally, weight_limit: int, operator: str, kernel: str, maker: Callable[[int], Make], kind: str, pace: str
) -> None:
    for graph, _, ours, theirs in compare(tally, (operator, kind, "fused"), maker(weight_limit), pace, kernel):
        if X86 or operator != "GlobalAveragePool":
            assert np.array_equal(ours, theirs), f"{graph.nodes[0]} at {np.argwhere(ours != theirs)[0]}"


MOVED: dict[str, Callable[[Generator], Graph | tuple[Graph, Form]]] = {
    "Transpose": random_movement.transpose,
    "Expand": random_movement.expand,
    "Tile": random_movement.tile,
    "Slice": random_movement.take,
    "Split": random_movement.split,
    "Concat": random_movement.concat,
    "Pad": random_movement.pad,
    "DepthToSpace": random_movement.depth_to_space,
    "SpaceToDepth": random_movement.space_to_depth,
    "ReduceMax": partial(random_movement.reduce, kind="any", operator="ReduceMax"),
    "ReduceMin": partial(random_movement.reduce, kind="any", operator="ReduceMin"),
    "ResizeNearest": random_resize.nearest,
}


@pace
@pytest.mark.parametrize("level", ["fused", "plain"])
@pytest.mark.parametrize("operator", MOVED)
def test_moved_set(tally: Tally, operator: str, level: str, pace: str) -> None:
    def make(random: Generator, kind: str) -> Graph | tuple[Graph, Form]:
        return MOVED[operator](random)

    for graph, _, ours, theirs in compare(tally, (operator, "any", level), make, pace, None):
        assert np.array_equal(ours, theirs), f"{graph.nodes[0]} at {np.argwhere(ours != theirs)[0]}"


# Differences per million values that docs/numbers.md promises not to exceed, by operator, scales and judge.
PUBLISHED = {
    ("Add", "any", "fused"): 20,
    ("Add", "equal", "fused"): 20,
    ("Add", "power of two", "fused"): 150_000,
    ("Add", "any", "plain"): 20,
    ("Add", "equal", "plain"): 20,
    ("Add", "power of two", "plain"): 0,
    ("AveragePool", "any", "fused"): 100,
    ("AveragePool", "equal", "fused"): 100_000,
    ("AveragePool", "power of two", "fused"): 60_000,
    ("AveragePool", "any", "plain"): 100,
    ("AveragePool", "equal", "plain"): 50_000,
    ("AveragePool", "power of two", "plain"): 2_000,
    ("Sub", "any", "plain"): 20,
    ("Sub", "equal", "plain"): 20,
    ("Sub", "power of two", "plain"): 0,
    ("Mul", "any", "fused"): 20,
    ("Mul", "power of two", "fused"): 50_000,
    ("Mul", "any", "plain"): 100,
    ("Mul", "power of two", "plain"): 0,
    ("ConvTranspose", "any", "plain"): 100,
    ("ConvTranspose", "power of two", "plain"): 0,
    ("ReduceMean", "any", "plain"): 200,
    ("ReduceMean", "equal", "plain"): 50_000,
    ("ReduceMean", "power of two", "plain"): 20_000,
    ("ReduceSum", "any", "plain"): 200,
    ("ReduceSum", "power of two", "plain"): 0,
    ("ResizeLinear", "any", "plain"): 100,
    ("ResizeLinear", "equal", "plain"): 20_000,
    ("ResizeLinear", "power of two", "plain"): 10_000,
}


@dataclass(frozen=True)
class Rated:
    """How an operator of PUBLISHED is judged: its random layers by judge, the fused kernel, and its value in reals."""

    make: Callable[[str], Make]
    exact: Callable[[Graph, dict[str, Array]], Exact]
    kernel: str | None = None


def _average_pool(level: str) -> Make:
    # QLinearAveragePool refuses dilations, and with ceil_mode and count_include_pad divides by taps that hang over
    # the padding, unlike ONNX and its own float kernel: only the plain judge is asked about these.
    plain = level == "plain"

    def make(random: Generator, kind: str) -> Graph:
        sequence = bool(random.integers(0, 4) == 0)
        return random_layers.pool(random, kind, "AveragePool", dilated=plain, ceil_with_pad=plain, sequence=sequence)

    return make


def _pair(operator: str) -> Callable[[str], Make]:
    return lambda _: partial(random_layers.pair, operator=operator)


def _reduce(operator: str) -> Callable[[str], Make]:
    return lambda _: partial(random_movement.reduce, operator=operator)


RATED = {
    "Add": Rated(_pair("Add"), exact_values.pair, "QLinearAdd"),
    "Sub": Rated(_pair("Sub"), exact_values.pair),
    "Mul": Rated(_pair("Mul"), exact_values.pair, "QLinearMul"),
    "AveragePool": Rated(_average_pool, exact_values.average_pool, "QLinearAveragePool"),
    "ConvTranspose": Rated(lambda _: random_layers.conv_transpose, exact_values.conv_transpose),
    "ReduceMean": Rated(_reduce("ReduceMean"), exact_values.reduction),
    "ReduceSum": Rated(_reduce("ReduceSum"), exact_values.reduction),
    "ResizeLinear": Rated(lambda _: random_resize.linear, exact_values.resize_linear),
}


@pace
@pytest.mark.parametrize("row", PUBLISHED, ids=", ".join)
def test_rated_set(tally: Tally, row: tuple[str, str, str], pace: str) -> None:
    rated = RATED[row[0]]
    for graph, inputs, ours, theirs in compare(tally, row, rated.make(row[2]), pace, rated.kernel):
        value, lost, lost_by_judge = rated.exact(graph, inputs)
        check_halves(graph, value, ours, lost)
        check_halves(graph, value, theirs, lost_by_judge)
    if X86:
        assert 1e6 * tally.rate(row) <= PUBLISHED[row]


def check_halves(graph: Graph, exact: Real, result: Array, tolerance: Real) -> None:
    """The result is the exact value, clipped, rounded to nearest, to within what float32 may have lost."""
    zero_point = graph.tensors["y"].zero_point
    error = np.abs(np.clip(exact, -128 - zero_point, 127 - zero_point) + zero_point - result)
    assert np.all(error <= 0.5 + tolerance), f"{(error - tolerance).max()} off: {graph.nodes[0]}"
