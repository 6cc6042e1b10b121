"""SqueezeNet 1.1. Iandola et al., "SqueezeNet" (2016)."""

import onnx_ir as ir

from lithify.networks.builder import Builder

_STAGES = (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256)))
"""Fire modules between the poolings: squeezed channels, channels of each expansion."""


def squeezenet(net: Builder) -> list[ir.Value]:
    x = net.relu(net.conv(net.input, 64, 3, 2, padding=0))
    for stage, fires in enumerate(_STAGES):
        x = net.max_pool(x, 3, 2, ceil=True)
        for index, (squeezed, expanded) in enumerate(fires):
            with net.scope(f"stage{stage + 1}/fire{index + 1}"):
                x = _fire(net, x, squeezed, expanded)
    x = net.relu(net.conv(x, 1000, 1))
    return [net.flatten(net.global_average_pool(x))]


def _fire(net: Builder, x: ir.Value, squeezed: int, expanded: int) -> ir.Value:
    x = net.relu(net.conv(x, squeezed, 1))
    return net.concat(net.relu(net.conv(x, expanded, 1)), net.relu(net.conv(x, expanded, 3, padding=1)))
