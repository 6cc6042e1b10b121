"""Results that take the place of what is added to them, and weights tap by tap where two groups' do not fit."""

from functools import cache

import numpy as np
import pytest
from tests.compiler.compiled import check, make_chip
from tests.compiler.random_graphs import Drawing
from tests.reference.random_layers import int8

from lithify.compiler import Compilation
from lithify.compiler.planning.plan import Single
from lithify.quantize.data import Input, seeded
from lithify.reference.graph import Graph
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify

# Two wide images of 36 banks each and a narrow one of 9 do not fit; nor do two images of 27 and twice 14 of weights.
CHIP = make_chip("over", 8, 8, 32, 8, 32, 76, 4).model_copy(update={"weight_ports": 2})


def bottlenecks() -> Graph:
    """Residual blocks of a wide image, as ResNet-50's."""
    drawing = Drawing(np.random.default_rng(29))
    x = drawing.tensor((1, 16, 12, 12))
    wide = drawing.add("Conv", (x.name, *drawing.products(64, 16, 1, 1)))
    for _ in range(3):
        made = drawing.add("Conv", (wide.name, *drawing.products(16, 64, 1, 1)))
        made = drawing.add("Conv", (made.name, *drawing.products(16, 16, 3, 3)), pads=(1, 1, 1, 1))
        made = drawing.add("Conv", (made.name, *drawing.products(64, 16, 1, 1)))
        wide = drawing.add("Add", (made.name, wide.name))
    return Graph("bottlenecks", (x.name,), (wide.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def windows() -> Graph:
    """3x3 after 3x3, of many channels."""
    drawing = Drawing(np.random.default_rng(30))
    made = x = drawing.tensor((1, 48, 12, 12))
    for _ in range(3):
        made = drawing.add("Conv", (made.name, *drawing.products(48, 48, 3, 3)), pads=(1, 1, 1, 1))
    return Graph("windows", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


GRAPHS = {"bottlenecks": bottlenecks(), "windows": windows()}


@cache
def compiled(name: str) -> Compilation:
    """Every tensor equals the reference."""
    graph = GRAPHS[name]
    x = graph.tensors[graph.inputs[0]]
    return check(graph, CHIP, {x.name: int8(np.random.default_rng(1), x.shape)})


def test_results_take_the_place_of_what_is_added() -> None:
    (segment,) = compiled("bottlenecks").segments
    homes = segment.plan.homes
    added = [(operation.residual.image, operation.y.name) for operation in segment.operations if operation.residual]
    assert [name for image, name in added if name in homes and homes[name] == homes.get(image, 0) - 1]


def test_taps_come_one_by_one() -> None:
    """Each group's weights are loaded once, though all tiles use them and two groups' have no room."""
    (segment,) = compiled("windows").segments
    singles = [phase for phase in segment.plan.phases if isinstance(phase, Single)]
    by_taps = [phase for phase in singles if phase.blocks.weights and len(phase.blocks.weights.parts) == 9]
    assert by_taps
    for phase in by_taps:
        loads = [chunk.key for step in segment.steps for chunk in step.weights if chunk.operation == phase.operation]
        assert len(loads) == len(set(loads)) == 9 * 6


@pytest.mark.slow
def test_both_agree_in_rtl_on_more_than_64_banks() -> None:
    """Values, cycles, and no two units in a bank."""
    device = RtlDevice.of(CHIP, lambda note: None)
    for name, graph in GRAPHS.items():
        x = graph.tensors[graph.inputs[0]]
        entries = seeded((Input(x.name, x.shape, x.dtype),), 1)
        result = verify(compiled(name).program, graph, entries, rtl="full", device=device)
        assert result.agreed, result
        assert result.summary.cycles_rtl == result.summary.cycles_timing
