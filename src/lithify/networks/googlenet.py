"""GoogLeNet, as torchvision has it. Szegedy et al., "Going Deeper with Convolutions" (2015).

torchvision's differs from the paper: batch normalisation, and 3x3 where the paper has 5x5.
"""

import onnx_ir as ir

from lithify.networks.builder import Builder

_STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Inception modules between the poolings: 1x1; reduction, 3x3; reduction, second 3x3; 1x1 behind the pooling."""


def googlenet(net: Builder) -> list[ir.Value]:
    x = _conv(net, net.input, 64, 7, 2)
    x = net.max_pool(x, 3, 2, ceil=True)
    x = _conv(net, _conv(net, x, 64, 1), 192, 3)
    for stage, modules in enumerate(_STAGES):
        x = net.max_pool(x, 2 if stage == 2 else 3, 2, ceil=True)
        for index, module in enumerate(modules):
            with net.scope(f"inception{stage + 3}{'abcde'[index]}"):
                x = _inception(net, x, *module)
    return [net.classify(x, 1000)]


def _inception(
    net: Builder, x: ir.Value, one: int, reduced: int, three: int, reduced_more: int, five: int, pooled: int
) -> ir.Value:
    return net.concat(
        _conv(net, x, one, 1),
        _conv(net, _conv(net, x, reduced, 1), three, 3),
        _conv(net, _conv(net, x, reduced_more, 1), five, 3),
        _conv(net, net.max_pool(x, 3, 1, padding=1), pooled, 1),
    )


def _conv(net: Builder, x: ir.Value, channels: int, kernel: int, stride: int = 1) -> ir.Value:
    return net.conv_bn(x, channels, kernel, stride, kernel // 2, activation=Builder.relu, epsilon=1e-3)
