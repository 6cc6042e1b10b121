"""ShuffleNetV2 1.0. Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (2018)."""

import onnx_ir as ir

from lithify.networks.builder import Builder

_STAGES = ((116, 4), (232, 8), (464, 4))
"""Channels, units; the first unit of a stage halves the map."""


def shufflenet_v2(net: Builder) -> list[ir.Value]:
    x = net.conv_bn(net.input, 24, 3, 2, padding=1, activation=Builder.relu)
    x = net.max_pool(x, 3, 2, padding=1)
    for stage, (channels, units) in enumerate(_STAGES):
        for index in range(units):
            with net.scope(f"stage{stage + 2}/unit{index + 1}"):
                x = _unit(net, x, channels // 2) if index else _halving_unit(net, x, channels // 2)
    x = net.conv_bn(x, 1024, 1, activation=Builder.relu)
    return [net.classify(x, 1000)]


def _unit(net: Builder, x: ir.Value, channels: int) -> ir.Value:
    kept, changed = net.halves(x)
    return net.shuffle_channels(net.concat(kept, _branch(net, changed, channels, 1)), 2)


def _halving_unit(net: Builder, x: ir.Value, channels: int) -> ir.Value:
    y = net.batch_normalization(net.depthwise(x, 3, 2, padding=1, bias=False))
    y = net.conv_bn(y, channels, 1, activation=Builder.relu)
    return net.shuffle_channels(net.concat(y, _branch(net, x, channels, 2)), 2)


def _branch(net: Builder, x: ir.Value, channels: int, stride: int) -> ir.Value:
    x = net.conv_bn(x, channels, 1, activation=Builder.relu)
    x = net.batch_normalization(net.depthwise(x, 3, stride, padding=1, bias=False))
    return net.conv_bn(x, channels, 1, activation=Builder.relu)
