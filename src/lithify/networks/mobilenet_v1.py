"""Depthwise-separable networks. Howard et al., "MobileNets" (2017); Zhang et al., "Hello Edge" (2017) for keywords."""

import onnx_ir as ir

from lithify.networks.builder import CLASSIFIER_GAIN, Activation, Builder

_LAYERS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *((16, 1),) * 5, (32, 2), (32, 1))
"""Of each separable layer: the output channels, in widths of the first layer, and the stride."""


def mobilenet_v1(net: Builder, width: int, classes: int, activation: Activation, bias: bool) -> list[ir.Value]:
    """width: channels of the first layer, 32 at multiplier 1. bias: whether convolutions have one before their norm."""
    x = net.conv_bn(net.input, width, 3, 2, bias=bias, activation=activation)
    for index, (channels, stride) in enumerate(_LAYERS):
        with net.scope(f"layer{index + 1}"):
            x = _separable(net, x, channels * width, stride, activation, bias)
    return [net.softmax(net.classify(x, classes))]


def ds_cnn(net: Builder) -> list[ir.Value]:
    """Keyword spotting of MLPerf Tiny: 49 frames of 10 coefficients, 12 words."""
    x = net.conv_bn(net.input, 64, (10, 4), 2, bias=True, activation=Builder.relu)
    for index in range(4):
        with net.scope(f"layer{index + 1}"):
            x = _separable(net, x, 64, 1, Builder.relu, bias=True)
    x = net.flatten(net.average_pool(x, (24, 5), (24, 5)))
    return [net.softmax(net.dense(x, 12, CLASSIFIER_GAIN))]


def _separable(net: Builder, x: ir.Value, channels: int, stride: int, activation: Activation, bias: bool) -> ir.Value:
    x = activation(net, net.batch_normalization(net.depthwise(x, 3, stride, bias=bias)))
    return net.conv_bn(x, channels, 1, bias=bias, activation=activation)
