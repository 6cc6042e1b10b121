"""The builder's layers: padding, shapes and names, against ONNX Runtime."""

import numpy as np
import onnx_ir as ir
import pytest

from lithify.networks.builder import Builder
from lithify.networks.transformer import attention

from .running import values_of


def _run(net: Builder, *outputs: ir.Value) -> dict[str, np.ndarray]:
    model = net.model(outputs)
    shape = net.input.shape.numpy()
    values = values_of(model, np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    for value in (value for node in model.graph for value in node.outputs):
        assert values[value.name].shape == value.shape.numpy(), value.name
    return values


@pytest.mark.parametrize(("size", "kernel", "stride"), [(9, 3, 2), (8, 3, 2), (10, 4, 2), (7, 1, 2), (11, 5, 3)])
def test_same_padding_is_that_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    # TensorFlow: output ceil(size / stride); the odd zero at the end.
    net = Builder("padding", (1, 2, size, size), 0)
    y = net.conv(net.input, 3, kernel, stride)
    zeros = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    begin, end = zeros // 2, zeros - zeros // 2
    values = _run(net, y)
    assert values["output"].shape == (1, 3, -(-size // stride), -(-size // stride))
    assert list(y.producer().attributes["pads"].as_ints()) == [begin, begin, end, end]


def test_pooling_with_ceil_counts_the_last_window() -> None:
    net = Builder("pooling", (1, 1, 6, 7), 0)
    values = _run(net, net.max_pool(net.input, 3, 2), net.max_pool(net.input, 3, 2, ceil=True))
    assert values["output_0"].shape == (1, 1, 2, 3)
    assert values["output_1"].shape == (1, 1, 3, 3)


def test_shuffle_takes_one_channel_of_each_group() -> None:
    net = Builder("shuffle", (1, 6, 1, 1), 0)
    assert _run(net, net.shuffle_channels(net.input, 2))["output"].ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_causal_padding_sees_no_future() -> None:
    net = Builder("causal", (1, 1, 16), 0)
    y = net.conv(net.input, 1, 3, padding=(4, 0), dilation=2)
    model = net.model([y])
    x = np.zeros((1, 1, 16), np.float32)
    quiet = values_of(model, x)["output"]
    x[0, 0, 9] = 1.0
    changed = np.flatnonzero(values_of(model, x)["output"] != quiet)
    assert changed.tolist() == [9, 11, 13]


def test_halves_upsample_last_and_depth_to_space() -> None:
    net = Builder("shapes", (1, 4, 2, 3), 0)
    low, high = net.halves(net.input)
    values = _run(net, low, high, net.upsample(net.input, 2), net.depth_to_space(net.input, 2))
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3)
    assert (values["output_0"] == x[:, :2]).all()
    assert (values["output_1"] == x[:, 2:]).all()
    assert (values["output_2"] == x.repeat(2, 2).repeat(2, 3)).all()
    assert values["output_3"][0, 0, :2, :2].ravel().tolist() == x[0, :, 0, 0].tolist()
    net = Builder("sequence", (1, 2, 5), 0)
    assert _run(net, net.last(net.input))["output"].ravel().tolist() == [4, 9]


def test_names_follow_the_scopes() -> None:
    net = Builder("names", (1, 2, 5, 5), 0)
    with net.scope("stage1"), net.scope("block2"):
        y = net.conv_bn(net.conv(net.input, 2, 3), 2, 1, activation=Builder.relu6)
    model = net.model([y])
    assert [node.name for node in model.graph] == [
        "stage1/block2/Conv_1",
        "stage1/block2/Conv_2",
        "stage1/block2/BatchNormalization_1",
        "stage1/block2/Clip_1",
    ]
    assert list(model.graph.initializers)[:3] == [
        "stage1/block2/Conv_1.weight",
        "stage1/block2/Conv_1.bias",
        "stage1/block2/Conv_2.weight",
    ]


def test_a_row_of_zeros_stands_before_the_tokens() -> None:
    net = Builder("tokens", (2, 3, 4), 0)
    padded = net.prepend_zeros(net.input)
    values = _run(net, padded, net.first_token(padded))
    assert (values["output_0"][:, 1:].ravel() == np.arange(24)).all()
    assert not values["output_1"].any()
    assert values["output_1"].shape == (2, 1, 4)


def test_attention_mixes_the_values_of_all_tokens() -> None:
    net = Builder("attention", (1, 5, 8), 0)
    model = net.model([attention(net, net.input, heads=2)])
    x = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
    values = values_of(model, x)
    weights = next(values[node.outputs[0].name] for node in model.graph if node.op_type == "Softmax")
    assert weights.shape == (1, 2, 5, 5)
    assert np.allclose(weights.sum(-1), 1.0, atol=1e-6)
    x[0, 4] += 1.0
    assert (values_of(model, x)["output"] != values["output"]).any(-1).all()
