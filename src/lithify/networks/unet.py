"""U-Net (Ronneberger et al., 2015), half as wide; layers as in mateuszbuda/brain-segmentation-pytorch."""

import onnx_ir as ir

from lithify.networks.builder import Builder

_WIDTHS = (32, 64, 128, 256)


def unet(net: Builder) -> list[ir.Value]:
    """Four times down and up, with transposed convolutions; a probability for each pixel."""
    x, skipped = net.input, []
    for level, width in enumerate(_WIDTHS):
        with net.scope(f"down{level + 1}"):
            skipped.append(_twice(net, x, width))
            x = net.max_pool(skipped[-1], 2, 2)
    with net.scope("bottom"):
        x = _twice(net, x, 2 * _WIDTHS[-1])
    for level, width in reversed(list(enumerate(_WIDTHS))):
        with net.scope(f"up{level + 1}"):
            x = _twice(net, net.concat(net.conv_transpose(x, width, 2), skipped[level]), width)
    return [net.sigmoid(net.conv(x, 1, 1, gain=1.0))]


def _twice(net: Builder, x: ir.Value, channels: int) -> ir.Value:
    for _ in range(2):
        x = net.conv_bn(x, channels, 3, padding=1, activation=Builder.relu)
    return x
