"""Movements and strided results in the chip's Verilog: reference, functional simulator and RTL agree, cycles too."""

import numpy as np
import pytest

from compiler.compiled import CHIPS
from compiler.random_graphs import Drawing, draw
from lithify.compiler import compile_graph
from lithify.quantize.data import Input, seeded
from lithify.reference.coordinates import linear
from lithify.reference.graph import Graph
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify


@pytest.fixture(scope="module")
def device() -> RtlDevice:
    return RtlDevice.of(CHIPS["tiny"], lambda note: None)


def proven(graph: Graph, device: RtlDevice, rtl: str = "layers", chip: str = "tiny") -> None:
    """Compiles, nothing on the host, and verifies on eight inputs, the first of them in RTL."""
    program = compile_graph(graph, CHIPS[chip])
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    result = verify(program, graph, seeded(inputs, 8), rtl=rtl, device=device)
    assert result.agreed, result


def moving() -> Graph:
    """Every way in which results lie apart or a window is turned, most of them between convolutions."""
    drawing = Drawing(np.random.default_rng(21))
    x = drawing.tensor((1, 16, 7, 6))
    weights, bias = drawing.products(24, 16, 3, 3)
    up = drawing.add("ConvTranspose", (x.name, weights, bias), strides=(2, 2), pads=(1, 1, 1, 1), output_padding=(1, 1))
    wide = drawing.add("ResizeNearest", (up.name,), True, rows=tuple(i // 2 for i in range(28)),
                       columns=tuple(i // 2 for i in range(24)))  # fmt: skip
    turned = drawing.add("Transpose", (up.name,), True, perm=(0, 1, 3, 2))
    padded = drawing.add("Pad", (turned.name,), True, pads=(0, 0, 2, 1, 0, 0, 1, 2), mode="reflect")
    blend = linear(7, 14, 2.0, "half_pixel"), linear(6, 12, 2.0, "half_pixel")
    drawing.add("ResizeLinear", (x.name,), rows=blend[0].first, row_weights=blend[0].weights, row_steps=blend[0].steps,
                columns=blend[1].first, column_weights=blend[1].weights, column_steps=blend[1].steps)  # fmt: skip
    parted = drawing.add("Reshape", (wide.name,), True, shape=(1, 3, 8, 28, 24))
    exchanged = drawing.add("Transpose", (parted.name,), True, perm=(0, 2, 1, 3, 4))
    shuffled = drawing.add("Reshape", (exchanged.name,), True, shape=(1, 24, 28, 24))
    drawing.add("DepthToSpace", (shuffled.name,), True, blocksize=2)
    drawing.add("ReduceMin", (padded.name,), True, axes=(2, 3))
    pooled = drawing.add("MaxPool", (up.name,), True, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    drawing.add("Concat", (up.name, pooled.name), True, axis=1)
    read = {name for node in drawing.nodes for name in node.inputs}
    outputs = tuple(name for node in drawing.nodes for name in node.outputs if name not in read)
    return Graph("moving", (x.name,), outputs, drawing.tensors, drawing.constants, tuple(drawing.nodes))


@pytest.mark.slow
def test_movements_agree_in_rtl(device: RtlDevice) -> None:
    proven(moving(), device)


@pytest.mark.slow
def test_random_graphs_agree_in_rtl(device: RtlDevice) -> None:
    for number in range(8):
        random = np.random.default_rng((31, number))
        proven(draw(random, int(random.integers(2, 9))), device)


@pytest.mark.slow
def test_two_weight_ports_agree_in_rtl() -> None:
    """Weights in the halves of some banks: every kind of movement, and random graphs with tables and poolings."""
    device = RtlDevice.of(CHIPS["ports"], lambda note: None)
    proven(moving(), device, chip="ports")
    for number in range(8):
        random = np.random.default_rng((37, number))
        proven(draw(random, int(random.integers(2, 9))), device, chip="ports")
