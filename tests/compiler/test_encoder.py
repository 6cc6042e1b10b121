"""A transformer encoder layer, whole on the chip: attention with its softmax, normalisations, GELU and sums."""

from collections import Counter

import numpy as np
import pytest

from compiler.compiled import check
from compiler.test_rows import WITH_UNIT, device
from lithify.compiler import compile_graph
from lithify.networks import transformer
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.quantize.data import Input
from lithify.reference.graph import Graph
from lithify.verify import verify


def encoder(tokens: int, width: int, heads: int) -> Graph:
    """One layer of BERT, quantised."""
    net = Builder("encoder", (1, tokens, width), 0)
    model = optimize(net.model(tuple(transformer.bert(net, 1, heads))))
    return read(quantize(model, seeded(inputs_of(model), 4)))


def vision(heads: int) -> Graph:
    """A small Vision Transformer: patches, a class token, normalisation before each part."""
    net = Builder("vision", (1, 3, 16, 16), 0)
    model = optimize(net.model(tuple(transformer.vision_transformer(net, 4, 32, 1, heads, 10))))
    return read(quantize(model, seeded(inputs_of(model), 4)))


@pytest.mark.parametrize(("tokens", "width", "heads"), [(16, 32, 2), (11, 48, 3)])
@pytest.mark.parametrize("chip", WITH_UNIT)
def test_an_encoder_layer_is_one_segment_of_the_chip(chip: str, tokens: int, width: int, heads: int) -> None:
    graph = encoder(tokens, width, heads)
    inputs = {name: np.random.default_rng(1).normal(0, 1, graph.tensors[name].shape) for name in graph.inputs}
    compilation = check(graph, WITH_UNIT[chip], {name: data.astype(np.float32) for name, data in inputs.items()})
    assert not compilation.reasons
    (segment,) = compilation.segments
    moved = Counter(operation.operator for operation in segment.operations)
    # V is turned, an operation for each head; nothing else moves.
    assert moved["Transpose"] == heads and moved["MatMul"] == 2 * heads and not moved["Reshape"]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["bert", "vision"])
def test_encoders_agree_in_rtl(network: str) -> None:
    """Reference, functional simulator and RTL on every bit of every tensor, timing simulator and RTL on every cycle."""
    graph = encoder(16, 32, 2) if network == "bert" else vision(2)
    program = compile_graph(graph, WITH_UNIT["tiny"])
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    result = verify(program, graph, seeded(inputs, 4), rtl="layers", device=device("tiny"))
    assert result.agreed, result
