"""A temporal convolutional network: the one for sequential MNIST of Bai et al., "An Empirical Evaluation of Generic
Convolutional and Recurrent Networks for Sequence Modeling" (2018).

Weight normalisation and dropout are gone at inference.
"""

import onnx_ir as ir

from lithify.networks.builder import Builder, channels_of

_CHANNELS = 25
_KERNEL = 7
_LEVELS = 8


def tcn(net: Builder) -> list[ir.Value]:
    """784 pixels one after the other, 10 classes; the dilation doubles from level to level."""
    x = net.input
    for level in range(_LEVELS):
        with net.scope(f"level{level + 1}"):
            y = net.relu(_causal(net, x, 1 << level, 2.0))
            # A small second gain: eight sums of unit variance would grow 256-fold, there is no norm to stop them.
            y = net.relu(_causal(net, y, 1 << level, 0.5))
            shortcut = x if channels_of(x) == _CHANNELS else net.conv(x, _CHANNELS, 1, gain=1.0)
            x = net.relu(net.add(y, shortcut))
    return [net.dense(net.flatten(net.last(x)), 10)]


def _causal(net: Builder, x: ir.Value, dilation: int, gain: float) -> ir.Value:
    """A convolution that sees the present and the past only."""
    return net.conv(x, _CHANNELS, _KERNEL, padding=((_KERNEL - 1) * dilation, 0), dilation=dilation, gain=gain)
