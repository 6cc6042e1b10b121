"""Inverted residuals: MobileNetV2 (Sandler et al., 2018), V3 (Howard et al., 2019), EfficientNet (Tan and Le, 2019).

A block widens its input by a 1x1 convolution, filters each channel, weighs the channels where the network does so, and
narrows again without activation. Layers and padding are torchvision's.
"""

import onnx_ir as ir

from lithify.networks.builder import CLASSIFIER_GAIN, Activation, Builder, channels_of

_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""MobileNetV2: expansion, channels, repeats, stride."""

_B0 = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
"""EfficientNet-B0: expansion, kernel, channels, repeats, stride."""

V3_LARGE = (
    (3, 16, 16, False, Builder.relu, 1),
    (3, 64, 24, False, Builder.relu, 2),
    (3, 72, 24, False, Builder.relu, 1),
    (5, 72, 40, True, Builder.relu, 2),
    (5, 120, 40, True, Builder.relu, 1),
    (5, 120, 40, True, Builder.relu, 1),
    (3, 240, 80, False, Builder.hard_swish, 2),
    (3, 200, 80, False, Builder.hard_swish, 1),
    (3, 184, 80, False, Builder.hard_swish, 1),
    (3, 184, 80, False, Builder.hard_swish, 1),
    (3, 480, 112, True, Builder.hard_swish, 1),
    (3, 672, 112, True, Builder.hard_swish, 1),
    (5, 672, 160, True, Builder.hard_swish, 2),
    (5, 960, 160, True, Builder.hard_swish, 1),
    (5, 960, 160, True, Builder.hard_swish, 1),
)
"""MobileNetV3: kernel, widened channels, channels, squeeze-excite, activation, stride."""

V3_SMALL = (
    (3, 16, 16, True, Builder.relu, 2),
    (3, 72, 24, False, Builder.relu, 2),
    (3, 88, 24, False, Builder.relu, 1),
    (5, 96, 40, True, Builder.hard_swish, 2),
    (5, 240, 40, True, Builder.hard_swish, 1),
    (5, 240, 40, True, Builder.hard_swish, 1),
    (5, 120, 48, True, Builder.hard_swish, 1),
    (5, 144, 48, True, Builder.hard_swish, 1),
    (5, 288, 96, True, Builder.hard_swish, 2),
    (5, 576, 96, True, Builder.hard_swish, 1),
    (5, 576, 96, True, Builder.hard_swish, 1),
)


def mobilenet_v2(net: Builder) -> list[ir.Value]:
    x = net.conv_bn(net.input, 32, 3, 2, padding=1, activation=Builder.relu6)
    for stage, (expansion, channels, repeats, stride) in enumerate(_V2):
        for index in range(repeats):
            with net.scope(f"stage{stage + 1}/block{index + 1}"):
                wide = expansion * channels_of(x)
                x = _inverted(net, x, 3, wide, channels, 1 if index else stride, Builder.relu6)
    x = net.conv_bn(x, 1280, 1, activation=Builder.relu6)
    return [net.classify(x, 1000)]


def efficientnet_b0(net: Builder) -> list[ir.Value]:
    x = net.conv_bn(net.input, 32, 3, 2, padding=1, activation=Builder.silu)
    for stage, (expansion, kernel, channels, repeats, stride) in enumerate(_B0):
        for index in range(repeats):
            with net.scope(f"stage{stage + 1}/block{index + 1}"):
                narrow = channels_of(x)
                gate = (narrow // 4, Builder.silu, Builder.sigmoid)
                step = 1 if index else stride
                x = _inverted(net, x, kernel, expansion * narrow, channels, step, Builder.silu, gate)
    x = net.conv_bn(x, 1280, 1, activation=Builder.silu)
    return [net.classify(x, 1000)]


def mobilenet_v3(
    net: Builder, blocks: tuple[tuple[int, int, int, bool, Activation, int], ...], features: int
) -> list[ir.Value]:
    """features: width of the layer before the classifier."""
    x = net.conv_bn(net.input, 16, 3, 2, padding=1, activation=Builder.hard_swish)
    for index, (kernel, wide, channels, excite, activation, stride) in enumerate(blocks):
        with net.scope(f"block{index + 1}"):
            gate = (_divisible(wide // 4), Builder.relu, Builder.hard_sigmoid) if excite else None
            x = _inverted(net, x, kernel, wide, channels, stride, activation, gate)
    x = net.conv_bn(x, 6 * channels_of(x), 1, activation=Builder.hard_swish)
    x = net.flatten(net.global_average_pool(x))
    x = net.hard_swish(net.dense(x, features, gain=2.0))
    return [net.dense(x, 1000, CLASSIFIER_GAIN)]


def _inverted(
    net: Builder,
    x: ir.Value,
    kernel: int,
    wide: int,
    channels: int,
    stride: int,
    activation: Activation,
    gate: tuple[int, Activation, Activation] | None = None,
) -> ir.Value:
    y = x if wide == channels_of(x) else net.conv_bn(x, wide, 1, activation=activation)
    y = net.conv_bn(y, wide, kernel, stride, padding=kernel // 2, groups=wide, activation=activation)
    if gate:
        y = net.squeeze_excite(y, *gate)
    y = net.conv_bn(y, channels, 1)
    return net.add(x, y) if stride == 1 and channels_of(x) == channels else y


def _divisible(channels: int) -> int:
    """The nearest multiple of 8, never more than a tenth below."""
    nearest = max(8, (channels + 4) // 8 * 8)
    return nearest + 8 if 10 * nearest < 9 * channels else nearest
