"""Residual networks. He et al., "Deep Residual Learning for Image Recognition" (2016)."""

from collections.abc import Callable, Sequence

import onnx_ir as ir

from lithify.networks.builder import CLASSIFIER_GAIN, Builder, channels_of

Block = Callable[[Builder, ir.Value, int, int], ir.Value]


def resnet(net: Builder, block: Block, repeats: Sequence[int]) -> list[ir.Value]:
    """The ImageNet networks as torchvision has them: four stages of blocks, the width doubling with each."""
    x = net.conv_bn(net.input, 64, 7, 2, padding=3, activation=Builder.relu)
    x = net.max_pool(x, 3, 2, padding=1)
    for stage, count in enumerate(repeats):
        for index in range(count):
            with net.scope(f"stage{stage + 1}/block{index + 1}"):
                x = block(net, x, 64 << stage, 2 if stage and not index else 1)
    return [net.classify(x, 1000)]


def basic(net: Builder, x: ir.Value, width: int, stride: int) -> ir.Value:
    """Two 3x3 convolutions."""
    y = net.conv_bn(x, width, 3, stride, padding=1, activation=Builder.relu)
    y = net.conv_bn(y, width, 3, padding=1)
    return net.relu(net.add(y, _shortcut(net, x, width, stride)))


def bottleneck(net: Builder, x: ir.Value, width: int, stride: int) -> ir.Value:
    """1x1, 3x3, 1x1, four times as wide at the end; the stride is in the 3x3, which is called version 1.5."""
    y = net.conv_bn(x, width, 1, activation=Builder.relu)
    y = net.conv_bn(y, width, 3, stride, padding=1, activation=Builder.relu)
    y = net.conv_bn(y, 4 * width, 1)
    return net.relu(net.add(y, _shortcut(net, x, 4 * width, stride)))


def _shortcut(net: Builder, x: ir.Value, channels: int, stride: int) -> ir.Value:
    if channels_of(x) == channels and stride == 1:
        return x
    return net.conv_bn(x, channels, 1, stride, padding=0)


def resnet8(net: Builder) -> list[ir.Value]:
    """Image classification of MLPerf Tiny: three stages of one block each, CIFAR-10."""
    x = net.conv_bn(net.input, 16, 3, bias=True, activation=Builder.relu)
    for stage in range(3):
        width, stride = 16 << stage, 2 if stage else 1
        with net.scope(f"stage{stage + 1}"):
            y = net.conv_bn(x, width, 3, stride, bias=True, activation=Builder.relu)
            y = net.conv_bn(y, width, 3, bias=True)
            shortcut = net.conv(x, width, 1, stride, gain=1.0) if stage else x
            x = net.relu(net.add(shortcut, y))
    x = net.flatten(net.average_pool(x, 8, 8))
    return [net.softmax(net.dense(x, 10, CLASSIFIER_GAIN))]
