"""Nodes that move, reduce or combine tensors, one at a time: chip or host, every tensor equals the reference's."""

import numpy as np
import pytest

from compiler.compiled import CHIPS, check
from compiler.random_graphs import Drawing
from lithify.compiler import Compilation
from lithify.reference.graph import Graph, Node
from lithify.reference.operators import make_node
from reference.random_layers import inputs


def compiled(
    seed: int, chip: str, shape: tuple[int, ...], operator: str, outputs: int = 1, **attributes
) -> Compilation:
    """One node on an image of random values, `outputs` of equal scale, checked against the reference."""
    random = np.random.default_rng(seed)
    drawing = Drawing(random)
    x = drawing.tensor(shape)
    if outputs == 1:
        drawing.add(operator, (x.name,), True, **attributes)
    else:
        names = [drawing.tensor((shape[0], size, *shape[2:]), like=x).name for size in attributes["split"]]
        node = make_node("n0", operator, (x.name,), tuple(names), **attributes)
        drawing.nodes.append(Node("n0", operator, (x.name,), tuple(names), node.attributes))
    made = tuple(name for node in drawing.nodes for name in node.outputs)
    graph = Graph("one", (x.name,), made, drawing.tensors, drawing.constants, tuple(drawing.nodes))
    return check(graph, CHIPS[chip], inputs(random, graph))


@pytest.mark.parametrize("chip", ["tiny", "small"])
@pytest.mark.parametrize("sizes", [(8, 8, 16), (3, 20, 9), (1, 31)])
def test_split_is_a_slice_for_each_output(chip: str, sizes: tuple[int, ...]) -> None:
    made = compiled(1, chip, (1, sum(sizes), 5, 7), "Split", len(sizes), axis=1, split=sizes)
    assert not made.reasons and len(made.segments[0].operations) == len(sizes)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Slice", {"starts": (-1,), "ends": (-99,), "axes": (1,), "steps": (-2,)}),
        ("Slice", {"starts": (1, 2), "ends": (6, 7), "axes": (2, 3), "steps": (2, 3)}),
        ("Pad", {"pads": (0, 3, 1, 2, 0, 4, 2, 1), "value": 0}),
        ("Pad", {"pads": (0, -2, -1, 3, 0, 5, 2, -2), "value": 0}),
        ("SpaceToDepth", {"blocksize": 2}),
        ("ReduceMax", {"axes": (2, 3), "keepdims": 0}),
    ],
)
@pytest.mark.parametrize("chip", ["edge", "least"])
def test_movement_runs_on_the_chip(chip: str, operator: str, attributes: dict) -> None:
    assert not compiled(2, chip, (1, 11, 6, 8), operator, **attributes).reasons


@pytest.mark.parametrize(
    ("operator", "attributes", "reason"),
    [
        ("Slice", {"starts": (-1,), "ends": (-99,), "axes": (3,), "steps": (-1,)},
         "it reverses rows or columns, and the chip walks forwards"),
        ("Pad", {"pads": (0, 0, 1, 1, 0, 0, 1, 1), "mode": "edge"},
         "its mode is 'edge', and the chip pads with a constant"),
        ("ReduceMax", {"axes": (1,)}, "it takes the largest of the channels, and the chip compares pixels"),
        ("DepthToSpace", {"blocksize": 2}, "the chip has no unit for DepthToSpace"),
    ],
)  # fmt: skip
def test_what_the_chip_cannot_move_runs_on_the_host_by_name(operator: str, attributes: dict, reason: str) -> None:
    assert list(compiled(3, "tiny", (1, 12, 6, 8), operator, **attributes).reasons.values()) == [reason]


def test_a_table_follows_the_operation_that_makes_what_it_reads() -> None:
    random = np.random.default_rng(4)
    drawing = Drawing(random)
    x = drawing.tensor((1, 12, 9, 9))
    for channels in (20, 40):
        weights, bias = drawing.products(channels, drawing.tensors[drawing.nodes[-1].outputs[0]].shape[1]
                                         if drawing.nodes else 12, 3, 3)  # fmt: skip
        made = drawing.add("Conv", (drawing.nodes[-1].outputs[0] if drawing.nodes else x.name, weights, bias))
        table = drawing.constant(random.integers(-128, 128, 256).astype(np.int8), np.float32(1).reshape(()))
        drawing.add("Lookup", (made.name, table))
    graph = Graph("two", (x.name,), (drawing.nodes[-1].outputs[0],), drawing.tensors, drawing.constants,
                  tuple(drawing.nodes))  # fmt: skip
    for chip in ("tiny", "small", "least"):
        (segment,) = check(graph, CHIPS[chip], inputs(random, graph)).segments
        assert len(segment.operations) == 2 and all(entry.table is not None for entry in segment.operations)
        lookups = [a.instruction.integer("lookup") for a in segment.actions if "lookup" in a.instruction.values]
        assert lookups.count(1) == 2
