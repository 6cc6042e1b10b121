"""Graphs shared out over chips: every tensor of every split equals that of one chip, by reference and by programs."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

import lithify
from lithify.cluster import Cluster
from lithify.cluster.exchange import Exchange, exchange_steps
from lithify.cluster.layout import WHOLE, Layout, even
from lithify.cluster.rules import Way, ways
from lithify.cluster.schedule import Step
from lithify.cluster.search import choose
from lithify.cluster.sharding import Arrays, Sharding, exchanged, joined, shard
from lithify.compiler.compile import compile_graph
from lithify.compiler.fold import fold_constants
from lithify.networks.builder import Builder
from lithify.networks.transformer import attention, feed_forward
from lithify.quantize import read
from lithify.reference.evaluate import run as evaluate
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.runtime import run

EXAMPLES = Path(__file__).parents[2] / "examples"


def encoder(tokens: int, width: int, heads: int) -> Graph:
    """One layer of a transformer, quantised."""
    net = Builder("encoder", (1, tokens, width), 0)
    x = net.layer_normalization(net.input, epsilon=1e-6)
    x = net.layer_normalization(net.add(x, attention(net, x, heads)), epsilon=1e-6)
    x = net.add(x, feed_forward(net, x))
    model = net.model([x])
    return fold_constants(read(lithify.quantize(lithify.optimize(lithify.load(model)))))


@pytest.fixture(scope="module")
def transformer() -> Graph:
    return encoder(8, 32, 4)


@pytest.fixture(scope="module")
def residual() -> Graph:
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_resnet8.onnx"))
    return fold_constants(read(lithify.quantize(model)))


def inputs_of(graph: Graph) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(graph.tensors[name].shape).astype(np.float32) for name in graph.inputs}


def check_every_tensor(sharding: Sharding) -> None:
    """By the reference: every tensor that a node makes, put together, against that of one chip."""
    given = inputs_of(sharding.graph)
    expected, found = evaluate(sharding.graph, given), sharding.run(given)
    made = [name for node in sharding.graph.nodes for name in node.outputs]
    assert set(found) == set(made)
    for name in made:
        assert np.array_equal(found[name], expected[name]), name


def random_ways(graph: Graph, chips: int, unit: int, seed: int) -> dict[str, Way]:
    random = np.random.default_rng(seed)
    return {node.name: (every := ways(graph, node, chips, unit))[random.integers(len(every))] for node in graph.nodes}


@pytest.mark.parametrize(("chips", "seed"), [(2, 0), (2, 1), (3, 2), (4, 3)])
def test_any_way_of_every_node_keeps_the_bits(transformer: Graph, residual: Graph, chips: int, seed: int) -> None:
    for graph in (transformer, residual):
        check_every_tensor(shard(graph, chips, random_ways(graph, chips, 4, seed)))


def test_every_axis_of_every_node_is_taken(transformer: Graph, residual: Graph) -> None:
    """What is shared out, by operator: a rule that no longer applies would leave everything whole."""
    taken: dict[str, set[int]] = {}
    for graph in (transformer, residual):
        for node in graph.nodes:
            found = {way.output.axis for way in ways(graph, node, 2, 4) if not way.output.whole}
            taken[node.operator] = taken.get(node.operator, set()) | found
    assert taken["Gemm"] == {0, 1, 2} and taken["Conv"] == {1} and taken["MatMul"] == {0, 1, 2}
    assert taken["Softmax"] == {0, 1} and taken["LayerNormalization"] == {1} and taken["Lookup"] == {1, 2}
    assert taken["Add"] == {1, 2, 3} and taken["GlobalAveragePool"] == {1} and not taken["Host"]


@pytest.mark.slow
def test_programs_of_the_shards_make_the_same(transformer: Graph) -> None:
    """The chosen ways, compiled for a small chip and run by the functional simulator."""
    chip = Cluster(chip="tiny", chips=2)
    for alone in (False, True):
        chosen = choose(transformer, chip, {node.name: 1000 for node in transformer.nodes}, channels_alone=alone)
        sharding = shard(transformer, 2, chosen)
        check_every_tensor(sharding)

        def work(part: int, number: int, given: Arrays, sharding: Sharding = sharding) -> Arrays:
            graph = sharding.parts[part].graphs[number]
            outcome = run(compile_graph(graph, chip.described), given)
            return dict(zip(graph.outputs, outcome.outputs, strict=True))

        given = inputs_of(transformer)
        expected, found = evaluate(transformer, given), sharding.run(given, work)
        assert set(transformer.outputs) <= set(found)
        assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_groups_of_a_convolution_go_with_their_channels() -> None:
    """Four groups of 2 channels that make 4 each, and 16 of one: cut between groups, never within one."""
    graph = grouped()
    for node in graph.nodes:
        if node.operator == "Conv":
            group = node.attributes["group"]
            for chips in (2, 4):
                (way,) = [way for way in ways(graph, node, chips, 2) if way.output.axis == 1]
                assert way.inputs[0].bounds == tuple(number * 16 // chips for number in range(chips + 1)) or group == 4
            assert not [way for way in ways(graph, node, 3, 2) if way.output.axis == 1] or group == 16
    for seed in range(3):
        check_every_tensor(shard(graph, 2, random_ways(graph, 2, 2, seed)))


def grouped() -> Graph:
    random = np.random.default_rng(0)
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 20]>
        groups (float[2, 8, 6, 6] x) => (float[2, 16, 6, 6] y) {
            a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 4> (x, w1)
            b = Relu (a)
            y = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 16> (b, w2)
        }""")
    for name, shape in (("w1", (16, 2, 3, 3)), ("w2", (16, 1, 3, 3))):
        proto.graph.initializer.append(numpy_helper.from_array(random.normal(0, 0.4, shape).astype(np.float32), name))
    return fold_constants(read(lithify.quantize(lithify.optimize(lithify.load(proto)))))


def test_layouts() -> None:
    assert even(48, 1, 2, 16) == Layout(1, (0, 16, 48)) and even(3, 0, 4) is None
    assert even(20, 2, 3, 16) == Layout(2, (0, 6, 13, 20))
    data = np.arange(24).reshape(2, 12)
    layout = Layout(1, (0, 5, 12))
    pieces = [layout.piece(data, chip) for chip in range(2)]
    assert [piece.shape for piece in pieces] == [(2, 5), (2, 7)] and np.array_equal(joined(pieces, layout), data)


def test_an_exchange_by_hand() -> None:
    """8 x 12 int8 from columns to rows on three chips: 4 columns of all rows, then 2, 3 and 3 rows of all columns."""
    tensor = Tensor("x", (8, 12), "int8", np.array(1, np.float32))
    before, after = Layout(1, (0, 4, 8, 12)), Layout(0, (0, 2, 5, 8))
    exchange = Exchange(tensor, before, after, 3)
    assert [(move.source, move.target, move.bytes) for move in exchange.moves][:4] == [
        (0, 0, 8), (0, 1, 12), (0, 2, 12), (1, 0, 8),
    ]  # fmt: skip
    data = np.arange(96, dtype=np.int8).reshape(8, 12)
    found = exchanged(exchange, [before.piece(data, chip) for chip in range(3)])
    assert all(np.array_equal(piece, after.piece(data, chip)) for chip, piece in enumerate(found))
    # Chip 0 reads its 32 bytes and writes 24; a ring of three has a link from each to each.
    cluster = Cluster(chip="tiny", chips=3, link_bytes_per_cycle=4, link_latency=7)
    rate = cluster.described.dram_bytes_per_cycle
    steps = {step.resource: step for step in exchange_steps([exchange], cluster)}
    assert steps["chip 0"] == Step("chip 0", -(-56 // rate))
    assert steps["link 0 to 1"] == Step("link 0 to 1", 3, 7) and steps["link 1 to 0"] == Step("link 1 to 0", 2, 7)
    # Gathered by all, each piece goes over a link once: 32 bytes. On four chips the third hop is the other way round.
    gather = Exchange(tensor, before, WHOLE, 3)
    steps = {step.resource: step for step in exchange_steps([gather], cluster)}
    assert steps["link 0 to 1"] == Step("link 0 to 1", 8, 7)
    # Nothing leaves a chip that has it all; only its own memory works.
    kept = Exchange(tensor, WHOLE, after, 3)
    assert {step.resource for step in exchange_steps([kept], cluster)} == {"chip 0", "chip 1", "chip 2"}
    shared = exchange_steps([gather], cluster.model_copy(update={"topology": "host", "host_bytes_per_cycle": 3}))
    # Each piece up once and down to two chips: 3 x 32 x 3 bytes at 3 a cycle.
    assert shared[-1] == Step("host link", 96, 2 * cluster.host_latency)


def test_heads_are_shared_out_behind_a_reshape() -> None:
    """Twelve heads of 64 channels over eight chips, by whole heads: 96 channels each would be one and a half."""
    node = make_node("apart", "Reshape", ("x",), ("y",), shape=(4, 768))
    tensors = {"x": Tensor("x", (1, 4, 12, 64), "int8"), "y": Tensor("y", (4, 768), "int8")}
    graph = Graph("merged", ("x",), ("y",), tensors, {}, (node,))
    bounds = tuple(number * 12 // 8 for number in range(9))
    assert Way((Layout(2, bounds),), Layout(1, tuple(64 * bound for bound in bounds))) in ways(graph, node, 8, 16)
