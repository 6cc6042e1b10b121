"""Super-resolution in one step. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network" (2016)."""

import onnx_ir as ir

from lithify.networks.builder import Builder


def espcn(net: Builder, factor: int) -> list[ir.Value]:
    """Luminance in, luminance `factor` times as large out."""
    x = net.tanh(net.conv(net.input, 64, 5, gain=1.0))
    x = net.tanh(net.conv(x, 32, 3, gain=2.0))
    return [net.depth_to_space(net.conv(x, factor * factor, 3, gain=1.0), factor)]
