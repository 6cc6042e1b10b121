"""Conv and Gemm against plain loops over Python integers, and the exactness of the integer product behind them."""

import itertools

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference.arithmetic import EXACT_CHUNK, integer_matmul
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.reference.transposed import weights_of_onnx

from . import judge, random_layers
from .judge import Array


def rounded(total: int, multiplier: np.float32, zero_point: int, limits: tuple[int, int]) -> int:
    """One output of Conv or Gemm, with Python's round, which takes halves to even."""
    return min(max(round(float(np.float32(total) * multiplier)) + zero_point, limits[0]), limits[1])


def naive_conv(graph: Graph, inputs: dict[str, Array]) -> Array:
    (node,) = graph.nodes
    x, w, y = (graph.tensors[name] for name in ("x", "w", "y"))
    data, weights = inputs["x"].tolist(), graph.constants["w"].tolist()
    bias = graph.constants["b"].tolist() if "b" in graph.constants else [0] * w.shape[0]
    scales = np.broadcast_to(w.scale, w.shape[:1])
    attributes = node.attributes
    (top, left, _, _), (down, right) = attributes["pads"], attributes["strides"]
    result = np.zeros(y.shape, np.int8)
    for n, o, i, j in itertools.product(*map(range, y.shape)):
        first = o // (w.shape[0] // attributes["group"]) * w.shape[1]
        total = bias[o]
        for c, p, q in itertools.product(*map(range, w.shape[1:])):
            row, column = (
                i * down - top + p * attributes["dilations"][0],
                j * right - left + q * attributes["dilations"][1],
            )
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                total += (data[n][first + c][row][column] - x.zero_point) * weights[o][c][p][q]
        multiplier = (x.scale * scales[o]) / y.scale
        result[n, o, i, j] = rounded(total, multiplier, y.zero_point, (attributes["minimum"], attributes["maximum"]))
    return result


@pytest.mark.parametrize("depthwise", [False, True])
def test_conv_is_the_naive_loop(depthwise: bool) -> None:
    compared = 0
    for random in random_layers.layers(20, 60):
        graph = random_layers.conv(random, "any", depthwise)
        if np.prod(graph.tensors["y"].shape) * np.prod(graph.tensors["w"].shape[1:]) > 20_000:
            continue
        inputs = random_layers.inputs(random, graph)
        assert np.array_equal(run(graph, inputs)["y"], naive_conv(graph, inputs)), graph.nodes[0]
        compared += 1
    assert compared >= 10


def test_a_transposed_convolution_is_one_over_an_image_with_gaps() -> None:
    """The kernel turned round, over the image with strides - 1 zeros between its pixels."""
    compared = 0
    for random in random_layers.layers(26, 40):
        graph = random_layers.conv_transpose(random, "any")
        (node,), (x, w, y) = graph.nodes, (graph.tensors[name] for name in ("x", "w", "y"))
        inputs, attributes = random_layers.inputs(random, graph), node.attributes
        span = [d * (k - 1) for d, k in zip(attributes["dilations"], w.shape[2:], strict=False)]
        pads = [reach - pad for reach, pad in zip(span * 2, attributes["pads"], strict=False)]
        if len(x.shape) == 3 or min(pads) < 0:
            continue
        (down, right), extra = attributes["strides"], attributes["output_padding"]
        sides = down * (x.shape[2] - 1) + 1, right * (x.shape[3] - 1) + 1
        stuffed = np.full((*x.shape[:2], *sides), x.zero_point, np.int8)
        stuffed[:, :, ::down, ::right] = inputs["x"]
        conv = make_node(
            "conv",
            "Conv",
            node.inputs,
            ("y",),
            pads=(*pads[:2], pads[2] + extra[0], pads[3] + extra[1]),
            dilations=attributes["dilations"],
            group=attributes["group"],
        )
        tensors = {**graph.tensors, "x": Tensor("x", stuffed.shape, "int8", x.scale, x.zero_point)}
        constants = {**graph.constants, "w": np.ascontiguousarray(graph.constants["w"][:, :, ::-1, ::-1])}
        whole = Graph("conv", ("x",), ("y",), tensors, constants, (conv,))
        assert np.array_equal(run(graph, inputs)["y"], run(whole, {"x": stuffed})["y"]), node
        assert y.shape == run(graph, inputs)["y"].shape
        compared += 1
    assert compared >= 20


def test_weights_of_a_transposed_convolution_in_the_order_of_onnx() -> None:
    """[C, O / group, ...] with consecutive groups of input channels -> [O, C / group, ...]."""
    weights = np.arange(4 * 3 * 2, dtype=np.int8).reshape(4, 3, 2)  # 4 input channels, 2 groups of 3 outputs
    ours = weights_of_onnx(weights, 2)
    assert ours.shape == (6, 2, 2)
    for output, channel in itertools.product(range(6), range(2)):
        group = output // 3
        assert ours[output, channel].tolist() == weights[2 * group + channel, output % 3].tolist()


def test_gemm_is_the_naive_loop() -> None:
    for random in random_layers.layers(21, 10):
        graph = random_layers.gemm(random, "power of two", bias=True)
        x, w, y = (graph.tensors[name] for name in ("x", "w", "y"))
        inputs = random_layers.inputs(random, graph)
        scales, bias = np.broadcast_to(w.scale, w.shape[:1]), graph.constants["b"].tolist()
        total = (inputs["x"].astype(object) - x.zero_point) @ graph.constants["w"].astype(object).T
        expected = [
            [
                rounded(value + bias[n], (x.scale * scales[n]) / y.scale, y.zero_point, (-128, 127))
                for n, value in enumerate(row)
            ]
            for row in total.tolist()
        ]
        assert np.array_equal(run(graph, inputs)["y"], np.array(expected, np.int8))


@pytest.mark.parametrize("terms", [1, EXACT_CHUNK, EXACT_CHUNK + 1, 3 * EXACT_CHUNK + 7])
def test_integer_product_is_exact_at_its_worst(terms: int) -> None:
    left = np.full((2, 3, terms), -255, np.float32)
    right = np.full((terms, 5), -128, np.float32)
    left[0, 1, ::2] = 254  # odd partial sums, that a wider chunk would round
    expected = left.astype(np.int64) @ right.astype(np.int64)
    assert np.array_equal(integer_matmul(left, right), expected)


def test_integer_product_of_random_values() -> None:
    for random in random_layers.layers(22, 20):
        rows, terms, columns = random.integers(1, 2000, 3) // (20, 1, 20) + 1
        left, right = random.integers(-255, 256, (rows, terms)), random.integers(-128, 128, (terms, columns))
        assert np.array_equal(integer_matmul(left.astype(np.float32), right.astype(np.float32)), left @ right)


def test_limits_act_after_rounding() -> None:
    for random in random_layers.layers(23, 20):
        graph = random_layers.conv(random, "any", False)
        inputs = random_layers.inputs(random, graph)
        low, high = sorted(int(limit) for limit in random.integers(-128, 128, 2))
        node = make_node(
            "limited",
            "Conv",
            graph.nodes[0].inputs,
            ("y",),
            **{**graph.nodes[0].attributes, "minimum": low, "maximum": high},
        )
        limited = Graph("limited", graph.inputs, graph.outputs, graph.tensors, graph.constants, (node,))
        assert np.array_equal(run(limited, inputs)["y"], np.clip(run(graph, inputs)["y"], low, high))


@pytest.mark.parametrize("operator", ["Conv", "Gemm"])
def test_a_relu_is_the_zero_point_as_minimum(operator: str) -> None:
    """ONNX Runtime folds a Relu away where the zero point is -128: the limit is then int8's own."""
    for random in random_layers.layers(24, 10):
        make = {"Conv": random_layers.conv, "Gemm": random_layers.gemm}[operator]
        graph = make(random, "any", True, judge.weight_limit())
        tensors = {**graph.tensors, "y": Tensor("y", graph.tensors["y"].shape, "int8", graph.tensors["y"].scale, -128)}
        node = graph.nodes[0]
        relu = make_node("relu", operator, node.inputs, ("y",), **{**node.attributes, "minimum": -128})
        rectified = Graph("relu", graph.inputs, graph.outputs, tensors, graph.constants, (relu,))
        inputs = random_layers.inputs(random, graph)
        kernel = {"Conv": "QLinearConv", "Gemm": "QGemm"}[operator]
        assert np.array_equal(run(rectified, inputs)["y"], judge.run(rectified, inputs, "fused", kernel))


def test_matmul_over_more_dimensions() -> None:
    random = np.random.default_rng(25)
    graph = random_layers.gemm(random, "any", bias=True)
    rows, terms = graph.tensors["x"].shape
    x, y = graph.tensors["x"], graph.tensors["y"]
    deeper = {
        **graph.tensors,
        "x": Tensor("x", (1, rows, 1, terms), "int8", x.scale, x.zero_point),
        "y": Tensor("y", (1, rows, 1, y.shape[1]), "int8", y.scale, y.zero_point),
    }
    data = random_layers.inputs(random, graph)["x"]
    flat = run(graph, {"x": data})["y"]
    deep = Graph("deep", graph.inputs, graph.outputs, deeper, graph.constants, graph.nodes)
    assert np.array_equal(run(deep, {"x": data.reshape(1, rows, 1, terms)})["y"], flat.reshape(1, rows, 1, -1))


def test_matmul_of_activations_is_a_plain_sum() -> None:
    random = np.random.default_rng(26)
    for _ in range(20):
        graph = random_layers.matmul(random, "any")
        inputs = random_layers.inputs(random, graph)
        a, b, y = (graph.tensors[name] for name in ("a", "b", "y"))
        first, second = inputs["a"], graph.constants["b"]
        multiplier = np.float32(np.float32(a.scale * b.scale) / y.scale)
        values = run(graph, inputs)["y"]
        for _ in range(20):
            place = tuple(int(random.integers(0, size)) for size in y.shape)
            batch, m, n = place if len(place) == 3 else (0, *place)
            row, column = (
                data[batch if data.shape[0] > 1 else 0] if data.ndim == 3 else data for data in (first, second)
            )
            terms = zip(row[m].tolist(), column[n].tolist(), strict=True)
            total = sum((p - a.zero_point) * (q - b.zero_point) for p, q in terms)
            rounded = int(np.rint(np.float32(np.float32(total) * multiplier)))
            assert values[place] == min(max(rounded + y.zero_point, -128), 127)


def test_an_accumulator_that_overflows_is_refused() -> None:
    one = np.array(1, np.float32)
    tensors = {
        "x": Tensor("x", (1, 1), "int8", one, 0),
        "w": Tensor("w", (1, 1), "int8", one),
        "b": Tensor("b", (1,), "int32"),
        "y": Tensor("y", (1, 1), "int8", one, 0),
    }
    constants = {"w": np.array([[1]], np.int8), "b": np.array([2**31 - 1], np.int32)}
    graph = Graph("g", ("x",), ("y",), tensors, constants, (make_node("sum", "Gemm", ("x", "w", "b"), ("y",)),))
    assert run(graph, {"x": np.array([[0]], np.int8)})["y"][0, 0] == 127
    with pytest.raises(LithifyError) as refusal:
        run(graph, {"x": np.array([[1]], np.int8)})
    assert str(refusal.value) == (
        "Node 'sum' sums to 2147483648, which does not fit its 32-bit accumulator; "
        "use smaller weights or a smaller bias, or split the layer."
    )
