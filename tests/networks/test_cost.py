"""Counting, and the figures of the rows that nobody publishes: written out layer by layer here, without the builder."""

from itertools import pairwise

import onnx_ir as ir
import pytest

from lithify.errors import LithifyError
from lithify.networks import NETWORKS, build, count_macs, count_parameters


def _model(
    operator: str, shapes: list[tuple[int, ...] | None], output: tuple[int, ...], attributes: dict[str, int]
) -> ir.Model:
    inputs = [
        ir.Value(name=f"x{i}", shape=None if shape is None else ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))
        for i, shape in enumerate(shapes)
    ]
    y = ir.Value(name="y", shape=ir.Shape(output), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node(operator, inputs, attributes, outputs=[y], name="only")
    return ir.Model(ir.Graph(inputs, [y], nodes=[node], opset_imports={"": 20}), ir_version=10)


@pytest.mark.parametrize(
    ("operator", "shapes", "output", "attributes", "macs"),
    [
        ("Conv", [(1, 4, 9, 9), (6, 4, 3, 3)], (1, 6, 7, 7), {}, 7 * 7 * 6 * 4 * 9),
        ("Conv", [(1, 4, 9, 9), (4, 1, 3, 3)], (1, 4, 7, 7), {"group": 4}, 7 * 7 * 4 * 9),
        ("Conv", [(2, 4, 9), (6, 2, 5)], (2, 6, 5), {"group": 2}, 2 * 5 * 6 * 2 * 5),
        ("ConvTranspose", [(1, 8, 5, 5), (8, 3, 2, 2)], (1, 3, 10, 10), {}, 5 * 5 * 8 * 3 * 4),
        ("Gemm", [(2, 7), (7, 5)], (2, 5), {}, 2 * 5 * 7),
        ("Gemm", [(7, 2), (5, 7)], (2, 5), {"transA": 1, "transB": 1}, 2 * 5 * 7),
        ("MatMul", [(3, 2, 7), (3, 7, 5)], (3, 2, 5), {}, 3 * 2 * 5 * 7),
        ("Add", [(2, 7), (2, 7)], (2, 7), {}, 0),
    ],
)
def test_macs_of_one_operator(
    operator: str, shapes: list[tuple[int, ...] | None], output: tuple[int, ...], attributes: dict[str, int], macs: int
) -> None:
    assert count_macs(_model(operator, shapes, output, attributes)) == macs


def test_missing_shape_is_refused() -> None:
    with pytest.raises(LithifyError) as error:
        count_macs(_model("MatMul", [None, (7, 5)], (2, 5), {}))
    assert str(error.value) == (
        "The shape of 'x0' at node 'only' is not known; multiply-accumulates are counted from fixed shapes: "
        "read the model with lithify.load, giving a shape where it is dynamic."
    )


def test_parameters_with_statistics_are_the_total_of_keras() -> None:
    # github.com/MLCommons/tiny, keyword spotting: Total params: 24,908, Trainable params: 23,756.
    model = build("ds_cnn")
    assert count_parameters(model) == 23_756
    assert count_parameters(model, statistics=True) == 24_908


def _conv(outputs: int, inputs: int, window: int, places: int) -> tuple[int, int]:
    """Multiply-accumulates, and parameters with bias."""
    weights = outputs * inputs * window
    return places * weights, weights + outputs


def _total(layers: list[tuple[int, int]], normalized: int = 0) -> tuple[int, int]:
    return sum(macs for macs, _ in layers), sum(parameters for _, parameters in layers) + 2 * normalized


def _figures(name: str) -> tuple[int, int]:
    return NETWORKS[name].macs, NETWORKS[name].parameters


def test_resnet8_layer_by_layer() -> None:
    layers = [
        _conv(16, 3, 9, 1024),
        *[_conv(16, 16, 9, 1024)] * 2,
        *(_conv(32, 16, 9, 256), _conv(32, 32, 9, 256), _conv(32, 16, 1, 256)),
        *(_conv(64, 32, 9, 64), _conv(64, 64, 9, 64), _conv(64, 32, 1, 64)),
        _conv(10, 64, 1, 1),
    ]
    assert _total(layers, 3 * 16 + 2 * 32 + 2 * 64) == _figures("resnet8")


def test_ds_cnn_layer_by_layer() -> None:
    separable = [_conv(64, 1, 9, 125), _conv(64, 64, 1, 125)]
    assert _total([_conv(64, 1, 40, 125), *separable * 4, _conv(12, 64, 1, 1)], 9 * 64) == _figures("ds_cnn")


def test_small_mobilenet_layer_by_layer() -> None:
    pairs = [(8, 16, 48), (16, 32, 24), (32, 32, 24), (32, 64, 12), (64, 64, 12), (64, 128, 6)]
    pairs += [(128, 128, 6)] * 5 + [(128, 256, 3), (256, 256, 3)]
    layers = [_conv(8, 3, 9, 48 * 48)]
    for inputs, outputs, side in pairs:
        layers += [_conv(inputs, 1, 9, side * side), _conv(outputs, inputs, 1, side * side)]
    normalized = 8 + sum(inputs + outputs for inputs, outputs, _ in pairs)
    assert _total([*layers, _conv(2, 256, 1, 1)], normalized) == _figures("mobilenet_v1_025")


def test_autoencoder_layer_by_layer() -> None:
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    layers = [_conv(after, before, 1, 1) for before, after in pairwise(widths)]
    assert _total(layers, sum(widths[1:-1])) == _figures("autoencoder")


def test_espcn_layer_by_layer() -> None:
    layers = [_conv(64, 1, 25, 6400), _conv(32, 64, 9, 6400), _conv(9, 32, 9, 6400)]
    assert _total(layers) == _figures("espcn")


def test_temporal_network_layer_by_layer() -> None:
    layers = [_conv(25, 1, 7, 784), *[_conv(25, 25, 7, 784)] * 15, _conv(25, 1, 1, 784), _conv(10, 25, 1, 1)]
    macs, parameters = _total(layers)
    assert macs == NETWORKS["tcn"].macs
    assert parameters == count_parameters(build("tcn"))


def test_unet_layer_by_layer() -> None:
    macs = 0
    widths = [3, 32, 64, 128, 256, 512]
    for level, (before, after) in enumerate(pairwise(widths)):
        places = (256 >> level) ** 2
        macs += places * 9 * (before * after + after * after)
        if level < 4:
            up = places // 4 * 2 * after * after * 4
            macs += up + places * 9 * (2 * after * after + after * after)
    assert macs + 256 * 256 * 32 == NETWORKS["unet"].macs
