"""Products of two activations: quantised without zero points where ranges allow, read from any Q/DQ pairs."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, kinds

from lithify.networks import transformer
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, seeded
from lithify.quantize.ranges import Range
from lithify.quantize.scales import factor_scale
from lithify.reference.check import check
from lithify.reference.graph import Graph


def pairs(name: str) -> str:
    """Q and DQ of a float tensor, whose parameters are constants called after it."""
    own = f"{name}_s, {name}_z"
    return f"{name}_q = QuantizeLinear({name}, {own})\n {name}_d = DequantizeLinear({name}_q, {own})\n"


def model(first: tuple[int, ...], second: tuple[int, ...], zero_points: tuple[int, int, int], dtype: type) -> ir.Model:
    """A product of two inputs between pairs."""
    outer = np.broadcast_shapes(first[:-2], second[:-2])
    y = [*outer, first[-2], second[-1]]
    values: dict[str, NDArray[Any]] = {}
    for name, zero_point, scale in zip(
        "aby", zero_points, (0.02, 0.03, 0.02 * 0.03 * 75 * np.sqrt(first[-1])), strict=True
    ):
        values |= {f"{name}_s": np.array(scale, np.float32), f"{name}_z": np.array(zero_point, dtype)}
    text = f"""g (float{list(first)} a, float{list(second)} b) => (float{y} y_d) {{
        {pairs("a")} {pairs("b")} y = MatMul(a_d, b_d)
        {pairs("y")} }}"""
    return typed(text, values)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((5, 7), (7, 6)),
        ((3, 5, 7), (3, 7, 6)),
        ((2, 3, 5, 7), (2, 3, 7, 6)),
        ((2, 3, 5, 7), (1, 3, 7, 6)),
        ((2, 3, 5, 7), (3, 7, 6)),
        ((2, 3, 5, 7), (7, 6)),
        ((5, 7), (3, 7, 6)),
        ((1, 1, 5, 7), (1, 1, 7, 6)),
    ],
)
@pytest.mark.parametrize("zero_points", [(0, 0, 0), (-128, 5, 3), (17, -128, -128)])
def test_a_product_between_pairs_is_read_whole(
    first: tuple[int, ...], second: tuple[int, ...], zero_points: tuple[int, int, int]
) -> None:
    """ONNX Runtime judges the plain form: on processors without VNNI its integer kernels saturate."""
    graph = agree(model(first, second, zero_points, np.int8), fused=False)
    check(graph)
    assert "MatMul" in kinds(graph) and "Host" not in kinds(graph)


def test_a_product_of_uint8_becomes_one_of_int8() -> None:
    graph = agree(model((4, 8), (8, 4), (128, 0, 255), np.uint8), fused=False)
    (node,) = (node for node in graph.nodes if node.operator == "MatMul")
    assert [graph.tensors[name].zero_point for name in (*node.inputs, *node.outputs)] == [0, -128, 127]


def attention() -> Graph:
    net = Builder("attention", (1, 6, 32), 0)
    made = optimize(net.model((transformer.attention(net, net.input, 2),)))
    graph = agree(quantize(made, seeded(inputs_of(made), 4)), fused=False)
    check(graph)
    return graph


def test_factors_have_no_zero_point_where_their_ranges_have_two_sides() -> None:
    graph = attention()
    products = [node for node in graph.nodes if node.operator == "MatMul"]
    assert len(products) == 2
    zero_points = [[graph.tensors[name].zero_point for name in node.inputs] for node in products]
    # A probability is never below 0.
    assert zero_points == [[0, 0], [-127, 0]]


@pytest.mark.parametrize(
    ("low", "high", "zero_point", "step"),
    [
        (-1.0, 1.0, 0, 1 / 127),
        (-1.0, 0.3, 0, 1 / 127),
        (0.0, 1.0, -127, 1 / 254),
        (-2.0, 0.0, 127, 2 / 254),
        (-0.1, 1.0, -104, 1.1 / 254),
        (0.0, 0.0, 0, 1.0),
    ],
)
def test_scales_of_factors(low: float, high: float, zero_point: int, step: float) -> None:
    found = factor_scale(Range(low, high))
    assert found.zero_point == zero_point and found.step == np.float32(step)
    assert -128 <= found.zero_point + np.rint(low / found.step) and found.zero_point + np.rint(high / found.step) <= 127


def test_an_unknown_broadcast_of_vectors_stays_float() -> None:
    """ONNX's products of a vector and a matrix are no matrices; they run on the host, and are right."""
    values = {"w": floats(1, 6, 6), "s": np.array(0.05, np.float32), "z": np.array(0, np.int8)}
    text = """g (float[6] a, float[6, 4] b) => (float[4] y) {
        aq = QuantizeLinear(a, s, z)
        ad = DequantizeLinear(aq, s, z)
        bq = QuantizeLinear(b, s, z)
        bd = DequantizeLinear(bq, s, z)
        v = MatMul(ad, bd)
        vq = QuantizeLinear(v, s, z)
        y = DequantizeLinear(vq, s, z) }"""
    assert "Host" in kinds(agree(typed(text, values), fused=False))
