"""Nodes that move, reduce or combine tensors, one at a time: chip or host, every tensor equals the reference's."""

import numpy as np
import pytest

from compiler.compiled import CHIPS, check
from compiler.random_graphs import Drawing
from lithify.compiler import Compilation
from lithify.reference.coordinates import linear
from lithify.reference.graph import Graph, Node, Tensor
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
        ("ReduceMax", {"axes": (1,)}),
        ("ReduceMax", {"axes": (1, 3)}),
        ("ReduceMin", {"axes": (2, 3)}),
        ("ReduceMin", {"axes": (1, 2, 3)}),
        ("ReduceMin", {"axes": (3,)}),
        ("Slice", {"starts": (-1, -1), "ends": (-99, -99), "axes": (2, 3), "steps": (-1, -3)}),
        ("Pad", {"pads": (0, 0, 1, 2, 0, 0, 3, 1), "mode": "edge"}),
        ("Pad", {"pads": (0, 0, 1, 2, 0, 0, 3, 1), "mode": "wrap"}),
        ("Pad", {"pads": (0, 0, 4, 7, 0, 0, 5, 6), "mode": "reflect"}),
        ("DepthToSpace", {"blocksize": 1}),
        ("Transpose", {"perm": (0, 1, 3, 2)}),
        ("Transpose", {"perm": (0, 2, 3, 1)}),
        ("Transpose", {"perm": (0, 3, 1, 2)}),
        ("Transpose", {"perm": (0, 2, 1, 3)}),
        ("Tile", {"repeats": (1, 2, 3, 2)}),
        ("ResizeNearest", {"rows": (0, 0, 1, 1, 2, 2, 5), "columns": tuple(i * 10 // 13 for i in range(10))}),
    ],
)
@pytest.mark.parametrize("chip", ["edge", "least"])
def test_movement_runs_on_the_chip(chip: str, operator: str, attributes: dict) -> None:
    assert not compiled(2, chip, (1, 11, 6, 8), operator, **attributes).reasons


@pytest.mark.parametrize(
    ("operator", "attributes", "reason"),
    [
        ("ReduceMax", {"axes": (0,)}, "it reduces several images to one, and the chip takes one at a time"),
    ],
)
def test_what_the_chip_cannot_move_runs_on_the_host_by_name(operator: str, attributes: dict, reason: str) -> None:
    assert list(compiled(3, "tiny", (2, 12, 6, 8), operator, **attributes).reasons.values()) == [reason]


@pytest.mark.parametrize(
    ("shape", "operator", "attributes"),
    [
        ((2, 3, 9), "Transpose", {"perm": (2, 0, 1)}),
        ((4, 5, 6), "Slice", {"starts": (1, 4), "ends": (4, -9), "axes": (0, 1), "steps": (2, -2)}),
        ((4, 5, 6), "Pad", {"pads": (1, 0, 2, 0, 3, 1), "value": 1}),
        ((2, 3, 4, 5, 6), "ReduceMin", {"axes": (1, 2)}),
        ((2, 3, 4, 5, 6), "ReduceSum", {"axes": (2, 4), "keepdims": 0}),
        ((4, 5, 6), "ReduceMean", {"axes": (1,), "keepdims": 0}),
        ((4, 5, 6), "ReduceMax", {"axes": (0, 1, 2), "keepdims": 0}),
        ((11,), "ReduceMax", {"axes": (0,)}),
        ((3, 8, 6, 5), "MaxPool", {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "strides": (2, 1)}),
        ((3, 8, 6, 5), "ReduceMin", {"axes": (1, 2), "keepdims": 0}),
        ((2, 8, 6, 5), "Tile", {"repeats": (2, 1, 2, 1)}),
        ((2, 8, 6, 5), "Transpose", {"perm": (1, 0, 3, 2)}),
        ((2, 8, 6, 4), "SpaceToDepth", {"blocksize": 2}),
        ((2, 8, 6, 5), "Pad", {"pads": (0, 0, 1, 2, 0, 1, 1, 2), "value": -1}),
    ],
)
@pytest.mark.parametrize("chip", ["tiny", "small"])
def test_any_rank_and_batch_runs_on_the_chip(
    chip: str, shape: tuple[int, ...], operator: str, attributes: dict
) -> None:
    assert not compiled(14, chip, shape, operator, **attributes).reasons


@pytest.mark.parametrize("chip", ["tiny", "wide", "small"])
@pytest.mark.parametrize("group", [1, 12])
def test_a_convolution_of_a_batch_never_reaches_into_the_next_image(chip: str, group: int) -> None:
    random = np.random.default_rng((15, group))
    drawing = Drawing(random)
    x = drawing.tensor((3, 12, 5, 6))
    weights, bias = drawing.products(12, 12 // group, 3, 3)
    y = drawing.add("Conv", (x.name, weights, bias), pads=(1, 1, 1, 1), group=group)
    z = drawing.add("Concat", (x.name, x.name), True, axis=0)
    graph = Graph("batch", (x.name,), (y.name, z.name), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    assert not made.reasons
    convolutions = [operation for operation in made.segments[0].operations if operation.operator == "Conv"]
    assert [operation.first_row for operation in convolutions] == [0, 5, 10]


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 5, 4, 3), (1, 1, 4, 3)), ((1, 5, 4, 1), (1, 5, 1, 3)), ((1, 1, 1, 1), (1, 9, 4, 3)), ((2, 5, 4), (1, 5, 1)),
     ((2, 9, 4, 3), (2, 9, 1, 1)), ((1, 9, 4, 3), (1, 9, 1, 1)), ((4, 1), (1, 7))],
)  # fmt: skip
def test_pairs_of_any_shapes_run_on_the_chip(operator: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    random = np.random.default_rng((16, len(first)))
    drawing = Drawing(random)
    a, b = drawing.tensor(first), drawing.tensor(second)
    y = drawing.add(operator, (a.name, b.name))
    graph = Graph("pair", (a.name, b.name), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    assert not check(graph, CHIPS["tiny"], inputs(random, graph)).reasons


@pytest.mark.parametrize("chip", ["tiny", "small"])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_is_a_product_for_each_place_of_a_block(chip: str, mode: str) -> None:
    made = compiled(6, chip, (1, 36, 3, 5), "DepthToSpace", blocksize=3, mode=mode)
    (segment,) = made.segments
    assert not made.reasons and [operation.y.width for operation in segment.operations] == [15] * 9
    assert {operation.landing.first for operation in segment.operations} == {(y, x) for y in range(3) for x in range(3)}
    assert all(operation.landing.steps == (3, 3) for operation in segment.operations)


def test_exchanging_rows_and_columns_is_one_operation_that_walks_down_the_input() -> None:
    made = compiled(7, "tiny", (1, 20, 5, 9), "Transpose", perm=(0, 1, 3, 2))
    (operation,) = made.segments[0].operations
    assert operation.sliding.turned and operation.unit == "depthwise"


def test_scattered_values_stay_on_the_host_by_name() -> None:
    made = compiled(8, "tiny", (1, 40, 30, 20), "Slice", starts=(-1, -1), ends=(-99, -99), axes=(2, 3), steps=(-1, -1))
    assert not made.reasons and len(made.segments[0].operations) == 50
    made = compiled(8, "tiny", (1, 600, 2, 3), "Transpose", perm=(0, 2, 3, 1))
    assert list(made.reasons.values()) == ["it scatters its values, and the chip moves them in regular steps"]


def shuffled(drawing: Drawing, x: str, groups: int) -> str:
    """Channel shuffle as ShuffleNet has it."""
    _, channels, height, width = drawing.tensors[x].shape
    parted = drawing.add("Reshape", (x,), True, shape=(1, groups, channels // groups, height, width))
    turned = drawing.add("Transpose", (parted.name,), True, perm=(0, 2, 1, 3, 4))
    return drawing.add("Reshape", (turned.name,), True, shape=(1, channels, height, width)).name


@pytest.mark.parametrize("chip", ["tiny", "wide", "small", "least", "bare"])
def test_a_channel_shuffle_is_one_product(chip: str) -> None:
    random = np.random.default_rng(9)
    drawing = Drawing(random)
    x = drawing.tensor((1, 18, 5, 6))
    name = shuffled(drawing, x.name, 3)
    graph = Graph("shuffle", (x.name,), (name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    assert not made.reasons and [len(segment.operations) for segment in made.segments] == [1]
    assert len(made.program.segments) == 1


@pytest.mark.parametrize("chip", ["tiny", "small"])
@pytest.mark.parametrize("shape", [(1, 4, 10, 3), (1, 60, 1, 2), (8, 15), (2, 12, 1, 5), (4, 5, 6)])
def test_a_reshape_between_operations_moves_values_on_the_chip(chip: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(17)
    drawing = Drawing(random)
    x = drawing.tensor((1, 12, 2, 5))
    clipped = drawing.add("Clip", (x.name,), True, minimum=-90)
    other = drawing.add("Reshape", (clipped.name,), True, shape=shape)
    y = drawing.add("Clip", (other.name,), True, maximum=90)
    graph = Graph("again", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    assert not made.reasons and len(made.program.segments) == 1


def test_a_product_over_a_flattened_matrix_takes_its_rows_in_order() -> None:
    random = np.random.default_rng(18)
    drawing = Drawing(random)
    x = drawing.tensor((4, 6))
    weights, bias = drawing.products(5, 6)
    rows = drawing.add("Gemm", (x.name, weights, bias))
    flat = drawing.add("Reshape", (rows.name,), True, shape=(1, 20))
    weights, bias = drawing.products(7, 20)
    y = drawing.add("Gemm", (flat.name, weights, bias))
    graph = Graph("rows", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    assert len(check(graph, CHIPS["tiny"], inputs(random, graph)).program.segments) == 1


@pytest.mark.parametrize("perm", [(0, 2, 3, 1), (0, 1, 3, 2), (0, 3, 2, 1)])
def test_a_product_behind_a_transpose_takes_its_weights_in_another_order(perm: tuple[int, ...]) -> None:
    random = np.random.default_rng(10)
    drawing = Drawing(random)
    x = drawing.tensor((1, 12, 3, 4))
    turned = drawing.add("Transpose", (x.name,), True, perm=perm)
    flat = drawing.add("Reshape", (turned.name,), True, shape=(1, 144))
    weights, bias = drawing.products(10, 144)
    y = drawing.add("Gemm", (flat.name, weights, bias))
    graph = Graph("flat", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS["tiny"], inputs(random, graph))
    assert not made.reasons and [len(segment.operations) for segment in made.segments] == [1]
    assert set(made.program.fused) == {turned.name, flat.name}


@pytest.mark.parametrize("chip", ["tiny", "small", "bare"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(2, 2, 1), (3, 2, 1), (4, 2, 1), (3, 2, 2), (2, 3, 1)])
def test_a_transposed_convolution_is_a_convolution_for_each_phase(
    chip: str, kernel: int, stride: int, dilation: int
) -> None:
    random = np.random.default_rng((11, kernel, stride))
    drawing = Drawing(random)
    x = drawing.tensor((1, 13, 5, 4))
    weights, bias = drawing.products(21, 13, kernel, kernel)
    y = drawing.add("ConvTranspose", (x.name, weights, bias), strides=(stride,) * 2, dilations=(dilation,) * 2)
    graph = Graph("up", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    assert not made.reasons and len(made.segments[0].operations) == stride**2


@pytest.mark.parametrize("chip", ["tiny", "small", "bare"])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_linear_resize_blends_by_weights_or_by_copies_where_they_are_large(chip: str, factor: int) -> None:
    random = np.random.default_rng((12, factor))
    drawing = Drawing(random)
    x = drawing.tensor((1, 11, 3, 5))
    rows, columns = (linear(size, size * factor, float(factor), "half_pixel") for size in (3, 5))
    y = drawing.add("ResizeLinear", (x.name,), rows=rows.first, row_weights=rows.weights, row_steps=rows.steps,
                    columns=columns.first, column_weights=columns.weights, column_steps=columns.steps)  # fmt: skip
    graph = Graph("blend", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    assert not made.reasons
    copies = [operation for operation in made.segments[0].operations if operation.operator == "Copy"]
    assert len(copies) == (factor == 8)


def test_linear_resize_whose_weights_never_repeat_stays_on_the_host_by_name() -> None:
    blend = linear(31, 61, 61 / 31, "half_pixel")
    made = compiled(13, "tiny", (1, 2, 31, 31), "ResizeLinear", rows=blend.first, row_weights=blend.weights,
                    row_steps=blend.steps, columns=blend.first, column_weights=blend.weights,
                    column_steps=blend.steps)  # fmt: skip
    (reason,) = made.reasons.values()
    assert reason.startswith("its weights ")


@pytest.mark.parametrize("chip", ["tiny", "wide", "small", "least"])
def test_what_makes_a_part_of_whole_words_writes_into_the_concat(chip: str) -> None:
    """A product, a pool and a strided result need no copy; what is read elsewhere and what is an input do."""
    random = np.random.default_rng(19)
    drawing = Drawing(random)
    x = drawing.tensor((1, 16, 6, 4))
    weights, bias = drawing.products(24, 16, 3, 3)
    read_twice = drawing.add("Conv", (x.name, weights, bias), pads=(1, 1, 1, 1))
    weights, bias = drawing.products(32, 24, 1, 1)
    product = drawing.add("Conv", (read_twice.name, weights, bias))
    scales = (product.scale, product.zero_point)
    for name in (x.name, read_twice.name):
        drawing.tensors[name] = Tensor(name, drawing.tensors[name].shape, "int8", *scales)
    pooled = drawing.add("MaxPool", (x.name,), True, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    turned = drawing.add("Pad", (x.name,), True, pads=(0, 0, 1, 0, 0, 0, -1, 0), mode="edge")
    names = (product.name, pooled.name, read_twice.name, turned.name, x.name)
    drawing.add("Concat", names, True, axis=1)
    graph = Graph("parts", (x.name,), (drawing.nodes[-1].outputs[0],), drawing.tensors, drawing.constants,
                  tuple(drawing.nodes))  # fmt: skip
    made = check(graph, CHIPS[chip], inputs(random, graph))
    operators = [operation.operator for operation in made.segments[0].operations]
    assert not made.reasons and operators.count("Concat") == 2
    assert {product.name, pooled.name, turned.name} <= set(made.program.fused)


@pytest.mark.parametrize("chip", ["tiny", "small"])
def test_parts_of_broken_words_are_added(chip: str) -> None:
    random = np.random.default_rng(20)
    drawing = Drawing(random)
    x = drawing.tensor((1, 12, 5, 4))
    pooled = drawing.add("MaxPool", (x.name,), True, kernel_shape=(3, 3), pads=(1, 1, 1, 1))
    y = drawing.add("Concat", (x.name, pooled.name), True, axis=1)
    graph = Graph("parts", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], inputs(random, graph))
    concat = [operation for operation in made.segments[0].operations if operation.operator == "Concat"]
    assert len(concat) == 2 and concat[1].residual is not None


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
