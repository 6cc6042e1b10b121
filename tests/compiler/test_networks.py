"""Whole networks, from files or built by code, on chips of several sizes: every tensor equals the reference's."""

from pathlib import Path

import numpy as np
import pytest
from tests.compiler.compiled import CHIPS, check

from lithify import networks
from lithify.compiler import compile_with_reasons
from lithify.frontend import load
from lithify.isa.program import HostSegment
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph

EXAMPLES = Path(__file__).parents[2] / "examples"


def values(graph: Graph) -> dict[str, np.ndarray]:
    random = np.random.default_rng(6)
    return {name: random.normal(size=graph.tensors[name].shape).astype(np.float32) for name in graph.inputs}


def built(name: str, shape: tuple[int, ...] | None = None) -> Graph:
    model = optimize(networks.build(name, shape=shape))
    return read(quantize(model, seeded(inputs_of(model), 2)))


@pytest.mark.parametrize("name", ["cnn", "resnet8", "mobilenet"])
def test_examples(name: str) -> None:
    graph = read(quantize(optimize(load(EXAMPLES / f"digits_{name}.onnx")), EXAMPLES / "digits.npz"))
    for chip in ("tiny", "edge", "wide"):
        compilation = check(graph, CHIPS[chip], values(graph))
        assert not compilation.reasons
        hosts = [segment for segment in compilation.program.segments if isinstance(segment, HostSegment)]
        assert [segment.operators for segment in hosts] == [("Softmax",)]


@pytest.mark.parametrize("name", ["resnet8", "ds_cnn"])
def test_small_networks(name: str) -> None:
    graph = built(name)
    for chip in ("tiny", "edge"):
        assert not check(graph, CHIPS[chip], values(graph)).reasons


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
@pytest.mark.parametrize("chip", ["tiny", "edge", "wide"])
def test_large_networks(name: str, chip: str) -> None:
    graph = built(name)
    assert not check(graph, CHIPS[chip], values(graph)).reasons


SIZES = {
    "autoencoder": (1, 640),
    "tcn": (1, 1, 100),
    "espcn": (1, 1, 20, 20),
    "unet": (1, 3, 16, 16),
    "yolov8n": (1, 3, 64, 64),
    "googlenet": (1, 3, 64, 64),
}
"""Sizes at which compiling and the reference take seconds; 32 x 32 for the others."""


def check_all_on_chip(name: str, shape: tuple[int, ...] | None, *chips: str) -> None:
    """Nothing on the host but a last Softmax."""
    graph = built(name, shape)
    for chip in chips:
        compilation = check(graph, CHIPS[chip], values(graph))
        assert not compilation.reasons
        hosts = [segment for segment in compilation.program.segments if isinstance(segment, HostSegment)]
        assert all(segment.operators == ("Softmax",) for segment in hosts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chip"),
    [
        ("tcn", "tiny"),
        ("espcn", "edge"),
        ("unet", "tiny"),
        ("shufflenet_v2", "edge"),
        ("squeezenet", "tiny"),
        ("mobilenet_v3_small", "edge"),
    ],
)
def test_every_kind_of_network_runs_on_the_chip(name: str, chip: str) -> None:
    check_all_on_chip(name, SIZES.get(name, (1, 3, 32, 32)), chip)


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("name", [name for name in networks.NETWORKS if name != "ds_cnn"])
def test_every_network_of_a_small_image_runs_on_the_chip(name: str) -> None:
    check_all_on_chip(name, SIZES.get(name.removesuffix("_320"), (1, 3, 32, 32)), "tiny", "edge")


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_network_of_its_own_size_runs_on_the_chip(name: str) -> None:
    check_all_on_chip(name, None, "tiny", "edge")


@pytest.mark.slow
def test_resnet50_on_edge() -> None:
    graph = built("resnet50")
    assert not check(graph, CHIPS["edge"], values(graph)).reasons


@pytest.mark.parametrize("batch", [1, 3])
def test_the_layers_of_a_network_hold_all_its_work(batch: int) -> None:
    compilation = compile_with_reasons(built("resnet8", (batch, 3, 32, 32)), CHIPS["edge"])
    row = networks.NETWORKS["resnet8"]
    assert sum(layer.macs for layer in compilation.program.layers) == batch * row.macs
