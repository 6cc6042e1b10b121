"""DenseNet-121. Huang et al., "Densely Connected Convolutional Networks" (2017)."""

import onnx_ir as ir

from lithify.networks.builder import Builder, channels_of

_GROWTH = 32
_REPEATS = (6, 12, 24, 16)


def densenet121(net: Builder) -> list[ir.Value]:
    """Normalisation and activation stand before the convolutions: those behind a concatenation cannot be folded."""
    x = net.conv_bn(net.input, 64, 7, 2, padding=3, activation=Builder.relu)
    x = net.max_pool(x, 3, 2, padding=1)
    for stage, repeats in enumerate(_REPEATS):
        if stage:
            with net.scope(f"transition{stage}"):
                x = net.conv(_active(net, x), channels_of(x) // 2, 1, bias=False)
                x = net.average_pool(x, 2, 2)
        for index in range(repeats):
            with net.scope(f"block{stage + 1}/layer{index + 1}"):
                y = net.conv_bn(_active(net, x), 4 * _GROWTH, 1, activation=Builder.relu)
                x = net.concat(x, net.conv(y, _GROWTH, 3, padding=1, bias=False))
    return [net.classify(_active(net, x), 1000)]


def _active(net: Builder, x: ir.Value) -> ir.Value:
    return net.relu(net.batch_normalization(x))
