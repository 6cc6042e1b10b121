"""The host's models of quantised nodes: ONNX Runtime computes them to the bit as the reference defines them."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from tests.reference import random_layers, random_movement, random_resize, random_rows

from lithify.compiler.host.model import host_model
from lithify.errors import LithifyError
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph
from lithify.reference.host import run_model

LAYERS: dict[str, Callable[[Generator], Graph]] = {
    "conv": lambda random: random_layers.conv(random, "any", False),
    "conv over a sequence": lambda random: random_layers.conv(random, "any", False, sequence=True),
    "depthwise": lambda random: random_layers.conv(random, "any", True),
    "conv transpose": lambda random: random_layers.conv_transpose(random, "any"),
    "gemm": lambda random: random_layers.gemm(random, "any", True),
    **{name: lambda random, name=name: random_layers.pair(random, "any", name) for name in ("Add", "Sub", "Mul")},
    **{
        name: lambda random, name=name: random_layers.pool(random, "any", name)
        for name in ("MaxPool", "AveragePool", "GlobalAveragePool")
    },
    **{
        name: lambda random, name=name: random_movement.reduce(random, "any", name)
        for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
    },
    **{
        rule.__name__: rule
        for rule in (
            random_movement.transpose,
            random_movement.expand,
            random_movement.tile,
            random_movement.take,
            random_movement.split,
            random_movement.concat,
            random_movement.pad,
            random_movement.depth_to_space,
            random_movement.space_to_depth,
        )
    },
    **random_rows.ROWS,
    "nearest": lambda random: random_resize.nearest(random)[0],
    "linear": lambda random: random_resize.linear(random, "any")[0],
}


@pytest.mark.parametrize("name", LAYERS)
def test_random_layers(name: str) -> None:
    for random in random_layers.layers(11, 12):
        graph = LAYERS[name](random)
        given = random_layers.inputs(random, graph)
        (node,) = graph.nodes
        operators, names, model = host_model(graph, node)
        assert operators == (node.operator,)
        made = run_model(model, {name: given[name] for name in names})
        expected = run(graph, given)
        for output in node.outputs:
            assert made[output].dtype == expected[output].dtype
            assert np.array_equal(made[output], expected[output]), node


def test_without_onnx_runtime_the_host_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LithifyError, match="by ONNX Runtime, which is not installed: pip install onnxruntime"):
        run_model(b"a model of its own", {})
