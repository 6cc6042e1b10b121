"""Stretches whose columns are cut in strips: what is loaded overlaps, what lies between is made once."""

import numpy as np
from tests.compiler.compiled import check, make_chip
from tests.compiler.random_graphs import Drawing

from lithify.compiler.planning.bands import Bands
from lithify.compiler.planning.cuts import narrowed, strip_columns, strip_counts
from lithify.compiler.planning.stretch import Stretch
from lithify.reference.graph import Graph

WIDTH = 24


def block(channels: int, wide: int) -> Graph:
    """Two residual blocks, 3x3 and 1x1, of few rows that are long."""
    drawing = Drawing(np.random.default_rng(23))
    x = drawing.tensor((1, channels, 12, WIDTH))
    first = drawing.add("Conv", (x.name, *drawing.products(wide, channels, 1, 1)))
    made = drawing.add("Conv", (x.name, *drawing.products(channels, channels, 3, 3)), pads=(1, 1, 1, 1))
    made = drawing.add("Conv", (made.name, *drawing.products(wide, channels, 1, 1)))
    made = drawing.add("Add", (made.name, first.name))
    return Graph("block", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def test_strips_equal_the_reference() -> None:
    """Where whole rows leave no room for transfers beside the computation, the plan takes strips, and all is exact."""
    graph = block(16, 64)
    chip = make_chip("strips", 8, 8, 32, 8, 64, 40, 8)
    random = np.random.default_rng(1)
    shape = graph.tensors[graph.inputs[0]].shape
    compilation = check(graph, chip, {graph.inputs[0]: random.integers(-128, 128, shape).astype(np.int8)})
    phases = [phase for segment in compilation.segments for phase in segment.plan.phases]
    stripped = [phase for phase in phases if isinstance(phase, Bands) and phase.strips > 1]
    assert stripped
    (segment,) = compilation.segments
    for phase in stripped:
        operations, stretch = segment.operations, phase.stretch
        images = {image.name: image for entry in operations for image in (entry.x, entry.y)}
        assert phase.strips in strip_counts(operations, stretch)
        columns = strip_columns(operations, stretch, images, phase.strips)
        for index in range(stretch.first, stretch.end):
            made = columns[operations[index].y.name]
            assert [first for first, _ in made] == [0, *(end for _, end in made[:-1])]
            assert made[-1][1] == WIDTH
        widest = {name: max(end - first for first, end in spans) for name, spans in columns.items()}
        assert {
            name: image.width for name, image in narrowed(operations, stretch, images, phase.strips).items()
        } == widest


def test_strips_need_several_operations_and_rings() -> None:
    """A single operation goes by blocks; an image that is resident has rows of another length than a strip's."""
    graph = block(16, 64)
    chip = make_chip("strips", 8, 8, 32, 8, 64, 40, 8)
    shape = graph.tensors[graph.inputs[0]].shape
    (segment,) = check(graph, chip, {graph.inputs[0]: np.zeros(shape, np.int8)}).segments
    kernels = [operation.sliding.kernel for operation in segment.operations]
    last = len(kernels)
    assert kernels.count((3, 3)) == 1
    alone = Stretch(0, last, frozenset(), frozenset())
    assert strip_counts(segment.operations, alone) == (1, 2, 4)
    resident = Stretch(0, last, frozenset({segment.operations[0].y.name}), frozenset())
    assert strip_counts(segment.operations, resident) == (1,)
    assert strip_counts(segment.operations, Stretch(0, 1, frozenset(), frozenset())) == (1,)
