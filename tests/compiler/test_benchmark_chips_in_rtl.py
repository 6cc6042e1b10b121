"""Every chip of the benchmarks in Verilog: a convolution and a depthwise layer, values equal and no cycle off.

Simulators of 2048 and 4096 multipliers take minutes to build: this is a campaign, run as
`pytest -m campaign tests/compiler/test_benchmark_chips_in_rtl.py`.
"""

from pathlib import Path

import numpy as np
import pytest

from compiler.random_graphs import Drawing
from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.isa.program import HostSegment
from lithify.isa.sequence import all_instructions
from lithify.networks.builder import Builder
from lithify.networks.transformer import bert
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read
from lithify.quantize.data import Input, seeded
from lithify.reference.graph import Graph
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify

ROOT = Path(__file__).parents[2]
PRESETS = (ROOT / "src" / "lithify" / "chip" / "presets").glob("mac*.toml")
CHIPS = sorted((*(ROOT / "benchmarks" / "chips").glob("*.toml"), *PRESETS))


def network() -> Graph:
    """A convolution of 3x3 with a stride, a depthwise one, and a projection."""
    drawing = Drawing(np.random.default_rng(17))
    x = drawing.tensor((1, 40, 14, 13))
    made = drawing.add("Conv", (x.name, *drawing.products(72, 40, 3, 3)), strides=(2, 1), pads=(1, 1, 1, 1))
    weights, bias = drawing.products(72, 1, 3, 3)
    made = drawing.add("Conv", (made.name, weights, bias), group=72, pads=(1, 1, 1, 1))
    made = drawing.add("Conv", (made.name, *drawing.products(24, 72, 1, 1)))
    return Graph("layers", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("path", CHIPS, ids=lambda path: path.stem)
def test_layers_agree_in_rtl(path: Path) -> None:
    chip, graph = load_chip(path), network()
    program = compile_graph(graph, chip)
    assert {"CONV", "DEPTHWISE"} <= {entry.operation.name for entry in all_instructions(program)}
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    result = verify(program, graph, seeded(inputs, 1), rtl="layers", device=RtlDevice.of(chip, lambda note: None))
    assert result.agreed, result
    assert result.summary.cycles_rtl == result.summary.cycles_timing


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("name", [path.stem for path in CHIPS if load_chip(path).vector_lanes])
def test_a_layer_of_a_transformer_agrees_in_rtl(name: str) -> None:
    """Every tensor and every retirement of BERT's encoder layer, array and vector unit side by side."""
    chip = load_chip(next(path for path in CHIPS if path.stem == name))
    net = Builder("encoder", (1, 128, 192), 0)
    model = optimize(net.model(bert(net, layers=1, heads=3)))
    graph = read(quantize(model, seeded(inputs_of(model), 2)))
    program = compile_graph(graph, chip)
    assert not [segment for segment in program.segments if isinstance(segment, HostSegment)]
    device = RtlDevice.of(chip, lambda note: None)
    result = verify(program, graph, seeded(inputs_of(model), 1), rtl="full", device=device)
    assert result.agreed, result
    assert result.summary.cycles_rtl == result.summary.cycles_timing
