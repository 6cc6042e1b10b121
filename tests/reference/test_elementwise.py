"""Quantize, Dequantize, Signed, Unsigned, Reshape, Clip, Lookup and Add against ONNX Runtime and small known cases."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node

from . import judge, random_layers

ONE = np.array(1, np.float32)


@pytest.mark.parametrize("kind", ["any", "power of two"])
def test_quantize_divides_as_onnx_runtime(kind: str) -> None:
    by_reciprocal = 0
    for random in random_layers.layers(40, 60):
        scale = random_layers.scale(random, kind)
        shape = (int(random.integers(1, 3000)),)
        graph = random_layers.one_node(
            "Quantize", [Tensor("x", shape, "float32")], (scale, random_layers.zero_point(random)), {}
        )
        # Whole and half steps and their neighbours, where rounding and division matter, and what lies beyond int8.
        steps = random.integers(-600, 600, shape) / 2
        x = (steps.astype(np.float32) * scale).astype(np.float32)
        x = np.where(random.integers(0, 2, shape) == 0, np.nextafter(x, np.float32(0)), x)
        ours = run(graph, {"x": x})["y"]
        assert np.array_equal(ours, judge.run(graph, {"x": x}, "plain"))
        zero_point = graph.tensors["y"].zero_point
        reciprocal = np.clip(np.rint(x * (ONE / scale)) + zero_point, -128, 127)
        by_reciprocal += int(np.count_nonzero(reciprocal != ours))
    # The inputs do tell a division from a multiplication by the reciprocal, unless that is exact.
    assert (by_reciprocal == 0) == (kind == "power of two")


def test_quantize_of_what_is_no_number() -> None:
    # 32 of each, so that vector and scalar code both see them.
    x = np.repeat(np.array([np.inf, -np.inf, 3e38, -3e38, -0.0, 1e-45, 0.5, 1.5, -0.5], np.float32), 32)
    for zero_point in (-128, -3, 0, 127):
        graph = random_layers.one_node("Quantize", [Tensor("x", x.shape, "float32")], (ONE, zero_point), {})
        ours = run(graph, {"x": x})["y"]
        assert np.array_equal(ours, judge.run(graph, {"x": x}, "plain"))
        rounded = np.array([300, -300, 300, -300, 0, 0, 0, 2, 0])
        assert np.array_equal(ours[::32], np.clip(rounded + zero_point, -128, 127))


def test_not_a_number_quantizes_to_the_minimum() -> None:
    x = np.full((40,), np.nan, np.float32)
    graph = random_layers.one_node("Quantize", [Tensor("x", x.shape, "float32")], (ONE, 5), {})
    assert set(run(graph, {"x": x})["y"].tolist()) == {-128}
    assert set(judge.run(graph, {"x": x}, "plain").tolist()) == {-128}


def test_every_byte_becomes_signed_and_unsigned_again() -> None:
    every = np.arange(256, dtype=np.uint8)
    x, y = Tensor("x", (256,), "uint8"), Tensor("x", (256,), "int8", ONE, -128)
    signed = run(random_layers.one_node("Signed", [x], (ONE, -128), {}), {"x": every})["y"]
    assert signed.dtype == np.int8 and signed.tolist() == list(range(-128, 128))
    again = run(random_layers.one_node("Unsigned", [y], (None, 0), {}), {"x": signed})["y"]
    assert again.dtype == np.uint8 and np.array_equal(again, every)


@pytest.mark.parametrize("kind", ["any", "power of two"])
def test_dequantize_is_that_of_onnx_runtime(kind: str) -> None:
    for random in random_layers.layers(41, 30):
        x = Tensor("x", (256,), "int8", random_layers.scale(random, kind), random_layers.zero_point(random))
        graph = random_layers.one_node("Dequantize", [x], (None, 0), {})
        every = {"x": np.arange(-128, 128).astype(np.int8)}
        assert np.array_equal(run(graph, every)["y"], judge.run(graph, every, "plain"))


@pytest.mark.parametrize("level", ["fused", "plain"])
def test_reshape_and_clip_are_those_of_onnx_runtime(level: str) -> None:
    for random in random_layers.layers(42, 30):
        scale, zero_point = random_layers.scale(random, "any"), random_layers.zero_point(random)
        x = Tensor("x", (2, 3, 4, 5), "int8", scale, zero_point)
        inputs = {"x": random_layers.int8(random, x.shape)}
        low, high = sorted(int(limit) for limit in random.integers(-128, 128, 2))
        reshape = random_layers.one_node("Reshape", [x], (scale, zero_point), {}, shape=(6, 20))
        clip = random_layers.one_node("Clip", [x], (scale, zero_point), {}, minimum=low, maximum=high)
        for graph in (reshape, clip):
            assert np.array_equal(run(graph, inputs)["y"], judge.run(graph, inputs, level))
        assert np.array_equal(run(clip, inputs)["y"], np.clip(inputs["x"], low, high))


def test_reshape_of_floats_passes_them_through() -> None:
    graph = random_layers.one_node("Reshape", [Tensor("x", (2, 3), "float32")], (None, 0), {}, shape=(3, 1, 2))
    x = np.array([[np.nan, -0.0, 1], [np.inf, 5, 6]], np.float32)
    assert run(graph, {"x": x})["y"].tobytes() == x.tobytes()


def test_a_table_of_sigmoid_is_that_of_onnx_runtime() -> None:
    """Whoever makes the table takes it from the float definition; the look-up then equals ONNX Runtime's kernel."""
    for random in random_layers.layers(43, 10):
        x = Tensor("x", (5, 67), "int8", random_layers.scale(random, "any"), random_layers.zero_point(random))
        y = np.array(1 / 256, np.float32), -128
        constants = [
            numpy_helper.from_array(value, name)
            for name, value in {
                "x_scale": x.scale,
                "x_zero": np.int8(x.zero_point),
                "y_scale": y[0],
                "y_zero": np.int8(y[1]),
            }.items()
        ]
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["a"]),
            helper.make_node("Sigmoid", ["a"], ["b"]),
            helper.make_node("QuantizeLinear", ["b", "y_scale", "y_zero"], ["y"]),
        ]
        ends = [helper.make_tensor_value_info(name, TensorProto.INT8, None) for name in "xy"]
        model = helper.make_model(
            helper.make_graph(nodes, "sigmoid", ends[:1], ends[1:], constants),
            opset_imports=[helper.make_opsetid("", 19)],
            ir_version=9,
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        table = session.run(None, {"x": np.arange(-128, 128).astype(np.int8)})[0]
        graph = random_layers.one_node("Lookup", [x, Tensor("t", (256,), "int8")], y, {"t": table})
        inputs = {"x": random_layers.int8(random, x.shape)}
        assert np.array_equal(run(graph, inputs)["y"], session.run(None, inputs)[0])


def test_add_broadcasts_and_limits() -> None:
    a = Tensor("x", (1, 2, 1, 3), "int8", np.array(0.5, np.float32), 1)
    b = Tensor("b", (1, 2, 2, 1), "int8", np.array(0.25, np.float32), -2)
    graph = random_layers.one_node("Add", [a, b], (np.array(0.5, np.float32), 3), {}, minimum=3, maximum=9)
    x = np.array([[[[1, 2, 3]], [[4, 5, 127]]]], np.int8)
    values = np.array([[[[-2], [-1]], [[0], [2]]]], np.int8)
    result = run(graph, {"x": x, "b": values})["y"]
    # (x - 1) + (b + 2) / 2, halves to even before the zero point 3 is added, then limited to 3..9.
    assert result.tolist() == [[[[3, 4, 5], [3, 5, 5]], [[7, 8, 9], [8, 9, 9]]]]
    assert np.array_equal(result, np.clip(judge.run(graph, {"x": x, "b": values}, "plain"), 3, 9))


def test_a_lookup_reads_from_minus_128_up() -> None:
    x = Tensor("x", (3,), "int8", ONE, 0)
    table = np.arange(255, -1, -1).astype(np.uint8).view(np.int8)
    graph = random_layers.one_node("Lookup", [x, Tensor("t", (256,), "int8")], (ONE, 0), {"t": table})
    values = np.array([-128, 0, 127], np.int8)
    assert run(graph, {"x": values})["y"].tolist() == [table[0], table[128], table[255]]


def test_host_runs_the_model_in_its_attribute() -> None:
    softmax = helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("logits", "probabilities")]
    model = helper.make_model(
        helper.make_graph([softmax], "softmax", info[:1], info[1:]),
        opset_imports=[helper.make_opsetid("", 19)],
        ir_version=9,
    )
    tensors = {name: Tensor(name, (1, 4), "float32") for name in ("logits", "probabilities")}
    node = make_node("softmax", "Host", ("logits",), ("probabilities",), model=model.SerializeToString())
    graph = Graph("host", ("logits",), ("probabilities",), tensors, {}, (node,))
    values = run(graph, {"logits": np.array([[0, 1, 2, 3]], np.float32)})
    assert list(values) == ["logits", "probabilities"]
    expected = np.exp([0.0, 1, 2, 3]) / np.exp([0.0, 1, 2, 3]).sum()
    # A float against a float: float32 of ONNX Runtime against float64 of numpy.
    assert np.allclose(values["probabilities"][0], expected, rtol=1e-6)
