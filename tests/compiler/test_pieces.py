"""The compiler's pieces on their own, each against the plainest statement of what it must do."""

import numpy as np
import pytest
from tests.compiler.compiled import CHIPS, check
from tests.compiler.random_graphs import Drawing
from tests.reference.random_layers import int8

from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.products import dense_weights, depthwise_cut, fold
from lithify.compiler.lowering.windows import equal_regions
from lithify.compiler.operation import Operation, Parameters, Sliding
from lithify.compiler.planning.blocks import tiles
from lithify.compiler.weights import groups, pack_parameters, pack_sets, weight_words, whole_part
from lithify.reference.graph import Graph


def operation(kernel: tuple[int, int], inputs: int, outputs: int, cut: tuple[int, int] | None = None) -> Operation:
    """A conv, or with `cut` a depthwise, with random weights."""
    random = np.random.default_rng(3)
    shape = (outputs, *kernel) if cut else (outputs, *kernel, inputs)
    parameters = Parameters(
        random.integers(-128, 128, shape).astype(np.int8),
        random.integers(-(2**31), 2**31, outputs).astype(np.int32),
        random.random(outputs).astype(np.float32),
    )
    x, y = Image("x", 9, 9, inputs), Image("y", 9, 9, outputs)
    unit = "depthwise" if cut else "conv"
    return Operation(
        "l", "Conv", unit, x, y, y.whole, Sliding(kernel), cut or (1, 1), 0, 0, -128, 127, parameters, None, 0, "y"
    )


@pytest.mark.parametrize("chip", ["edge", "wide"])
def test_conv_sets_follow_the_architecture(chip: str) -> None:
    """Byte r of column c's word in the set of (group, py, px, chunk) multiplies channel chunk * R + r for output c."""
    made = operation((2, 3), 21, 37)
    described = CHIPS[chip]
    sets = pack_sets(made, described).view(np.int8)
    assert made.parameters is not None
    for group, py, px, chunk, column, row in np.ndindex(sets.shape):
        output, channel = group * described.columns + column, chunk * described.rows + row
        exists = output < 37 and channel < 21
        expected = made.parameters.weights[output, py, px, channel] if exists else 0
        assert sets[group, py, px, chunk, column, row] == expected


def test_depthwise_sets_follow_the_architecture() -> None:
    """Tap (ty, tx) of a window of h x w lies at byte h*w - 1 - (tx*h + ty)."""
    made = operation((5, 4), 19, 19, cut=(3, 2))
    chip = CHIPS["tiny"]
    sets = pack_sets(made, chip).view(np.int8)
    expected = np.zeros(sets.shape, np.int8)
    assert made.parameters is not None
    for channel, y, x in np.ndindex(made.parameters.weights.shape):
        byte = 3 * 2 - 1 - (x % 2 * 3 + y % 3)
        place = channel // chip.rows, y // 3, x // 2, 0, channel % chip.rows, byte
        expected[place] = made.parameters.weights[channel, y, x]
    assert np.array_equal(sets, expected)


def test_parameters_are_bias_then_multiplier_of_each_result_word() -> None:
    made = operation((1, 1), 4, 13)
    chip = CHIPS["wide"]
    packed = pack_parameters(made, chip)
    assert packed.shape == (1, 8 * chip.column_words, chip.word_bytes)
    words = packed[0].reshape(chip.column_words, 2, -1)
    bias, multiplier = words[:, 0].copy().view("<i4").ravel(), words[:, 1].copy().view("<f4").ravel()
    assert made.parameters is not None
    assert np.array_equal(bias[:13], made.parameters.bias) and not bias[13:].any()
    assert np.array_equal(multiplier[:13], made.parameters.multiplier) and (multiplier[13:] == 1).all()


def test_fold_wraps_like_the_accumulators() -> None:
    weights = np.full((1, 3), 127, np.int8)
    bias = np.array([-(2**31)], np.int32)
    assert fold(weights, bias, 127)[0] == -(2**31) - 127 * 3 * 127 + 2**32


def test_depthwise_cut_reads_the_fewest_words() -> None:
    assert depthwise_cut(Sliding((3, 3)), 16) == (3, 3)
    # 8 multipliers hold no window of 9 taps: three rows, each read with the overlap left in the shift register.
    assert depthwise_cut(Sliding((3, 3)), 8) == (1, 3)
    # Nothing is left of the neighbour's window at a stride of 3, nor with a dilation that the stride is no multiple of.
    assert depthwise_cut(Sliding((3, 3), strides=(3, 3)), 16) == (3, 3)
    assert depthwise_cut(Sliding((5, 5), dilations=(2, 2)), 16) == (1, 5)
    for rows in (4, 8, 16):
        for kernel in ((1, 1), (7, 7), (2, 9), (9, 2)):
            height, width = depthwise_cut(Sliding(kernel), rows)
            assert height * width <= rows and height <= kernel[0] and width <= kernel[1]


def test_depthwise_cut_of_few_positions_reads_the_fewest_weights() -> None:
    # Where windows slide a row of taps is read anew; at a single position seven rows would be seven sets of weights.
    assert depthwise_cut(Sliding((7, 7)), 32) == (1, 7)
    assert depthwise_cut(Sliding((7, 7)), 32, 1, 32) == (4, 7)
    assert depthwise_cut(Sliding((7, 7)), 32, 100, 32) == (1, 7)


@pytest.mark.parametrize("chip", ["tiny", "small", "ports"])
@pytest.mark.parametrize("channels", [40, 44])
def test_an_average_loads_one_groups_weights_for_all(chip: str, channels: int) -> None:
    drawing = Drawing(np.random.default_rng(3))
    x = drawing.tensor((1, channels, 5, 6))
    y = drawing.add("GlobalAveragePool", (x.name,))
    graph = Graph("mean", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    made = check(graph, CHIPS[chip], {x.name: int8(np.random.default_rng(4), x.shape)})
    (segment,) = made.segments
    (operation,) = segment.operations
    loaded = sum(chunk.words for step in segment.steps for chunk in step.weights)
    one = weight_words(operation, CHIPS[chip], whole_part(operation, CHIPS[chip]), True)
    # Channels that are missing in the last group have other words, so such an average loads all groups'.
    assert loaded == (one if channels == 40 else one * groups(operation, CHIPS[chip]))


def test_equal_regions_cover_everything_once() -> None:
    counted = np.outer([2, 3, 3, 2, 2], [1, 4, 4, 1])
    regions = equal_regions(counted)
    assert len(regions) == 9
    seen = np.zeros(counted.shape, int)
    for region in regions:
        part = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
        seen[part] += 1
        assert (counted[part] == counted[region.y, region.x]).all()
    assert (seen == 1).all()


def test_dense_weights_are_zero_across_groups() -> None:
    weights = np.arange(1, 4 * 2 * 1 * 1 + 1, dtype=np.int8).reshape(4, 2, 1, 1)
    assert dense_weights(weights, 2)[:, 0, 0].tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 5, 6], [0, 0, 7, 8]]


@pytest.mark.parametrize("height, width", [(7, 7), (1, 100), (3, 5), (56, 56)])
def test_tiles_hold_at_most_the_accumulators(height: int, width: int) -> None:
    chip = CHIPS["edge"]
    pieces = tiles(Rectangle(2, 3, height, width), chip)
    assert sum(piece.positions for piece in pieces) == height * width
    assert max(piece.positions for piece in pieces) <= chip.accumulators


@pytest.mark.parametrize("pads", [(0, 0), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (3, 2)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 3)])
def test_input_of_is_what_the_taps_touch(
    pads: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int]
) -> None:
    made = operation((3, 2), 4, 4)
    object.__setattr__(made, "sliding", Sliding((3, 2), strides, pads, dilations))
    for out in (Rectangle(0, 0, 1, 1), Rectangle(1, 0, 2, 3), Rectangle(2, 1, 1, 2)):
        rows = {
            y * strides[0] - pads[0] + tap * dilations[0] for y in range(out.y, out.y + out.height) for tap in range(3)
        }
        columns = {
            x * strides[1] - pads[1] + tap * dilations[1] for x in range(out.x, out.x + out.width) for tap in range(2)
        }
        found = made.input_of(out)
        assert (found.y, found.y + found.height) == limits(rows)
        assert (found.x, found.x + found.width) == limits(columns)


def limits(touched: set[int]) -> tuple[int, int]:
    """From the first to behind the last touched, as far as the image of 9 goes; one pixel where all is padding."""
    first = min(max(min(touched), 0), 8)
    return first, max(min(max(touched) + 1, 9), first + 1)
