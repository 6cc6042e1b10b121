"""A one-stage detector: YOLOv8n of Ultralytics (2023), as far as its three heads.

The decoding of boxes and the suppression of doubles, which follow on a processor, are left out.
"""

import onnx_ir as ir

from lithify.networks.builder import Builder, channels_of

_CLASSES = 80
_BOX = 64
"""Each of the four sides of a box is a distribution over 16 distances."""


def yolov8n(net: Builder) -> list[ir.Value]:
    """Outputs (1, 144, height, width) at an 8th, a 16th and a 32nd of the image: 64 for the box, 80 for the classes."""
    x = _conv(net, _conv(net, net.input, 16, 3, 2), 32, 3, 2)
    x = _partial(net, "stage1", x, 32, 1, True)
    eighth = _partial(net, "stage2", _conv(net, x, 64, 3, 2), 64, 2, True)
    sixteenth = _partial(net, "stage3", _conv(net, eighth, 128, 3, 2), 128, 2, True)
    x = _partial(net, "stage4", _conv(net, sixteenth, 256, 3, 2), 256, 1, True)
    thirty_second = _pyramid(net, x)

    sixteenth = _partial(net, "neck1", net.concat(net.upsample(thirty_second, 2), sixteenth), 128, 1, False)
    small = _partial(net, "neck2", net.concat(net.upsample(sixteenth, 2), eighth), 64, 1, False)
    medium = _partial(net, "neck3", net.concat(_conv(net, small, 64, 3, 2), sixteenth), 128, 1, False)
    large = _partial(net, "neck4", net.concat(_conv(net, medium, 128, 3, 2), thirty_second), 256, 1, False)
    return [_head(net, f"head{index + 1}", x) for index, x in enumerate((small, medium, large))]


def _partial(net: Builder, name: str, x: ir.Value, channels: int, repeats: int, shortcut: bool) -> ir.Value:
    """Half of the channels go through bottlenecks; every intermediate result is kept (cross-stage partial, "C2f")."""
    with net.scope(name):
        parts = list(net.halves(_conv(net, x, channels, 1)))
        for _ in range(repeats):
            y = _conv(net, _conv(net, parts[-1], channels // 2, 3), channels // 2, 3)
            parts.append(net.add(parts[-1], y) if shortcut else y)
        return _conv(net, net.concat(*parts), channels, 1)


def _pyramid(net: Builder, x: ir.Value) -> ir.Value:
    """Maxima over windows of 5, 9 and 13, beside the map itself."""
    with net.scope("pyramid"):
        parts = [_conv(net, x, channels_of(x) // 2, 1)]
        for _ in range(3):
            parts.append(net.max_pool(parts[-1], 5, 1, padding=2))
        return _conv(net, net.concat(*parts), channels_of(x), 1)


def _head(net: Builder, name: str, x: ir.Value) -> ir.Value:
    with net.scope(name):
        box = net.conv(_conv(net, _conv(net, x, _BOX, 3), _BOX, 3), _BOX, 1, gain=1.0)
        label = net.conv(_conv(net, _conv(net, x, _CLASSES, 3), _CLASSES, 3), _CLASSES, 1, gain=1.0)
        return net.concat(box, label)


def _conv(net: Builder, x: ir.Value, channels: int, kernel: int, stride: int = 1) -> ir.Value:
    return net.conv_bn(x, channels, kernel, stride, kernel // 2, activation=Builder.silu, epsilon=1e-3)
