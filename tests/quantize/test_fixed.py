"""Add, Sub and Mul of a tensor and a constant that differs from element to element are int8 work."""

import numpy as np
import onnx_ir as ir
import pytest

from compiler.compiled import CHIPS, check
from lithify import networks
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph

from .judge import by_reference, by_runtime


def _model(operator: str, constant: np.ndarray) -> ir.Model:
    """A dense layer, the operator with the constant, and another dense layer."""
    net = Builder("fixed", (1, 6, 16), 0)
    x = net.linear(net.input, 16)
    y = net._add(operator, [x, net._constant("fixed", constant)], (1, 6, 16))
    return optimize(net.model([net.linear(y, 8)]))


def _read(operator: str, constant: np.ndarray) -> tuple[ir.Model, Graph]:
    model = _model(operator, constant)
    quantized = quantize(model, seeded(inputs_of(model), 2))
    return quantized, read(quantized)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("shape", [(1, 6, 16), (6, 16)])
def test_constants_of_several_numbers_are_operands(operator: str, shape: tuple[int, ...]) -> None:
    constant = np.random.default_rng(1).normal(1.0, 0.5, shape)
    quantized, graph = _read(operator, constant)
    (node,) = (node for node in graph.nodes if node.operator == operator)
    assert graph.constants[node.inputs[1]].shape == (1,) * (3 - len(shape)) + shape
    assert not [node for node in graph.nodes if node.operator == "Host"]
    x = {"input": networks.sample((1, 6, 16), seed=2)}
    (ours,), (theirs,) = by_reference(graph, x), by_runtime(quantized, x)
    step = float(np.asarray(graph.tensors[graph.nodes[-1].inputs[0]].scale))
    assert np.abs(ours - theirs).max() <= 1.5 * step
    assert not check(graph, CHIPS["edge"], x).reasons


def test_masks_stay_float() -> None:
    """-1e9 for what must not be seen would take all of int8's range for itself."""
    constant = np.where(np.arange(96).reshape(6, 16) % 3 == 0, -1e9, 0.0)
    _, graph = _read("Add", constant)
    assert [node for node in graph.nodes if node.operator == "Host"]
