"""A network shared out over two linked chips along channels: pieces gathered over the link, the bits of one chip."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from cluster.linking import QUIET, images, in_both, of_one_chip, quantized
from lithify.chip import load_chip
from lithify.cluster.linked import run_in_simulators
from lithify.cluster.linked.node import Code, copy_instructions
from lithify.cluster.linked.pair import Work
from lithify.cluster.linked.sharded import sharded
from lithify.cluster.rules import Way, ways
from lithify.cluster.sharding import Sharding, shard
from lithify.errors import LithifyError
from lithify.isa.peer import Wires
from lithify.isa.program import Base
from lithify.quantize import read
from lithify.reference.graph import Graph, Node
from lithify.sim.functional import run_segment

TINY = load_chip("tiny")
UNIT = 8
"""Channels of a scratchpad word of `tiny`."""


def along_channels(graph: Graph, node: Node) -> Way:
    """Convolutions and what follows them a half of the channels each; what is behind them whole, on both."""
    found = ways(graph, node, 2, UNIT)
    shape = graph.tensors[node.outputs[0]].shape
    cut = [way for way in found if way.output.axis == 1 and len(shape) == 4]
    return cut[0] if cut and node.operator in ("Conv", "Add", "MaxPool") else found[0]


def shared_out(model: ir.Model, chips: int = 2, way: Callable[[Graph, Node], Way] = along_channels) -> Sharding:
    graph = read(model)
    return shard(graph, chips, {node.name: way(graph, node) for node in graph.nodes})


@pytest.fixture(scope="module")
def resnet() -> ir.Model:
    return quantized("digits_resnet8")


@pytest.fixture(scope="module")
def work(resnet: ir.Model) -> Work:
    """A request to ResNet-8."""
    return sharded(shared_out(resnet), TINY, images(1))


@pytest.fixture(scope="module")
def mobilenet() -> ir.Model:
    return quantized("digits_mobilenet")


@pytest.mark.slow
def test_two_requests_in_the_simulators(mobilenet: ir.Model) -> None:
    """Eight parts; of every part but the last each node gives the other its piece of one tensor."""
    sharding, requests = shared_out(mobilenet), images(2)
    work = sharded(sharding, TINY, requests)
    history = run_in_simulators(work, QUIET, [0, 5])
    of_one_chip(mobilenet, work, history, requests)
    assert len(sharding.parts) == 8
    assert [node.counters["MESSAGES"] for node in history.nodes] == [2 * 7 + 2] * 2


@pytest.mark.slow
@pytest.mark.parametrize("wires", [QUIET, Wires(latency=30, seed=3, rate=0.003)], ids=["quiet", "errors"])
def test_in_rtl(resnet: ir.Model, work: Work, library: Path, wires: Wires) -> None:
    hard, _ = in_both(work, wires, library)
    one = of_one_chip(resnet, work, hard, images(1))
    assert hard.cycles < one
    again = sum(node.counters["FRAMES_AGAIN"] for node in hard.nodes)
    assert (hard.damaged > 0) == (again > 0) == (wires.rate > 0)


@pytest.mark.parametrize("size", [16, 4096, 32768, 32776, 100_000])
def test_copies(size: int) -> None:
    """By halves of the scratchpad, 32 KB each."""
    code = Code(TINY, copy_instructions(TINY, size), {Base.INPUTS: size, Base.OUTPUTS: size})
    source, target = np.random.default_rng(size).integers(0, 256, size, np.uint8), np.zeros(size, np.uint8)
    run_segment(TINY, code.instructions, {int(Base.INPUTS): source, int(Base.OUTPUTS): target}, False)
    assert np.array_equal(source, target) and len(code.instructions) % 128 == 0


def test_what_two_nodes_cannot_share_is_refused(mobilenet: ir.Model) -> None:
    with pytest.raises(LithifyError, match="shared out over 2 chips; this is over 3"):
        sharded(shared_out(mobilenet, 3, lambda graph, node: ways(graph, node, 3, UNIT)[0]), TINY, [])
    with pytest.raises(LithifyError, match="A chip copies words of 8 bytes; 12 bytes are none"):
        copy_instructions(TINY, 12)


@pytest.mark.slow
def test_pieces_that_the_link_cannot_fill_are_refused(mobilenet: ir.Model) -> None:
    """Ten classes cut into five and five: bytes beside the channels."""

    def last(graph: Graph, node: Node) -> Way:
        found = ways(graph, node, 2, UNIT)
        return next((way for way in found if node.operator == "Gemm" and way.output.axis == 1), found[0])

    with pytest.raises(LithifyError, match="with borders or with bytes beside its channels"):
        sharded(shared_out(mobilenet, way=last), TINY, images(1))
