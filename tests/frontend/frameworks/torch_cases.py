"""One small network for each PyTorch operator: a layer, then the operator, as it stands in a network."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE, ROW, TOKENS = (1, 4, 6, 6), (1, 12), (1, 5, 8)


class Behind(nn.Module):
    """A layer, so that what follows reads what a layer made; then a function or a module."""

    def __init__(self, shape: tuple[int, ...], then: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(shape[1], shape[1], 1) if len(shape) == 4 else nn.Linear(shape[-1], shape[-1])
        self.then = then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.layer(x))


CASES: Mapping[str, tuple[tuple[int, ...], Callable[[], Callable[..., Any]]]] = {
    "nn.Conv2d": (IMAGE, lambda: nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=2)),
    "nn.Conv2d, depthwise": (IMAGE, lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4)),
    "nn.Conv1d": ((1, 4, 9), lambda: nn.Sequential(nn.Linear(9, 9), nn.Conv1d(4, 8, 3, padding=2, dilation=2))),
    "nn.ConvTranspose2d": (IMAGE, lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1)),
    "nn.Linear": (ROW, lambda: nn.Linear(12, 7)),
    "nn.Linear, tokens": (TOKENS, lambda: nn.Linear(8, 7)),
    "matmul": (TOKENS, lambda: lambda x: x @ x.transpose(1, 2)),
    "nn.BatchNorm2d": (IMAGE, lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4))),
    "nn.LayerNorm": (TOKENS, lambda: nn.LayerNorm(8)),
    "nn.RMSNorm": (TOKENS, lambda: nn.RMSNorm(8)),
    "nn.GroupNorm": (IMAGE, lambda: nn.GroupNorm(2, 4)),
    "nn.InstanceNorm2d": (IMAGE, lambda: nn.InstanceNorm2d(4)),
    "add": (IMAGE, lambda: lambda x: x + F.relu(x)),
    "sub": (IMAGE, lambda: lambda x: x - F.relu(x)),
    "mul": (IMAGE, lambda: lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "div": (IMAGE, lambda: lambda x: x / (2 + F.relu(x.mean((2, 3), keepdim=True)))),
    "relu": (IMAGE, lambda: F.relu),
    "relu6": (IMAGE, lambda: F.relu6),
    "leaky_relu": (IMAGE, lambda: lambda x: F.leaky_relu(x, 0.1)),
    "nn.PReLU": (IMAGE, lambda: nn.PReLU(4)),
    "elu": (IMAGE, lambda: F.elu),
    "gelu": (IMAGE, lambda: F.gelu),
    "gelu, tanh": (IMAGE, lambda: lambda x: F.gelu(x, approximate="tanh")),
    "silu": (IMAGE, lambda: F.silu),
    "mish": (IMAGE, lambda: F.mish),
    "hardswish": (IMAGE, lambda: F.hardswish),
    "hardsigmoid": (IMAGE, lambda: F.hardsigmoid),
    "sigmoid": (IMAGE, lambda: torch.sigmoid),
    "tanh": (IMAGE, lambda: torch.tanh),
    "softplus": (IMAGE, lambda: F.softplus),
    "exp": (IMAGE, lambda: torch.exp),
    "softmax": (TOKENS, lambda: nn.Sequential(nn.Softmax(-1), nn.Linear(8, 3))),
    "softmax, at the end": (ROW, lambda: lambda x: F.softmax(x, -1)),
    "log_softmax": (TOKENS, lambda: nn.Sequential(nn.LogSoftmax(-1), nn.Linear(8, 3))),
    "log_softmax, at the end": (ROW, lambda: lambda x: F.log_softmax(x, -1)),
    "max_pool2d": (IMAGE, lambda: lambda x: F.max_pool2d(x, 3, 2, 1)),
    "avg_pool2d": (IMAGE, lambda: lambda x: F.avg_pool2d(x, 2)),
    "adaptive_avg_pool2d": (IMAGE, lambda: lambda x: F.adaptive_avg_pool2d(x, 1)),
    "interpolate, nearest": (IMAGE, lambda: lambda x: F.interpolate(x, scale_factor=2)),
    "interpolate, bilinear": (IMAGE, lambda: lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "pixel_shuffle": (IMAGE, lambda: lambda x: F.pixel_shuffle(x, 2)),
    "cat": (IMAGE, lambda: lambda x: torch.cat([x, F.relu(x)], 1)),
    "chunk": (IMAGE, lambda: lambda x: x.chunk(2, 1)),
    "slice": (IMAGE, lambda: lambda x: x[:, :, 1:5:2, 2:]),
    "pad": (IMAGE, lambda: lambda x: F.pad(x, (1, 2, 0, 1))),
    "flatten": (IMAGE, lambda: lambda x: x.flatten(1)),
    "permute": (TOKENS, lambda: lambda x: x.permute(0, 2, 1)),
    "index": (TOKENS, lambda: lambda x: x[:, [3, 1, 4]]),
    "mean": (IMAGE, lambda: lambda x: x.mean((2, 3))),
    "sum": (IMAGE, lambda: lambda x: x.sum((2, 3))),
    "amax": (IMAGE, lambda: lambda x: x.amax((2, 3))),
    "argmax": (ROW, lambda: lambda x: x.argmax(-1)),
    "where": (IMAGE, lambda: lambda x: torch.where(x > 0, x, -x)),
    "cumsum": (ROW, lambda: lambda x: x.cumsum(-1)),
    "topk": (ROW, lambda: lambda x: x.topk(3)),
    "scaled_dot_product_attention": (TOKENS, lambda: lambda x: F.scaled_dot_product_attention(*[x[:, None]] * 3)),
    "nn.LSTM": (TOKENS, lambda: nn.LSTM(8, 6, batch_first=True)),
    "nn.GRU": (TOKENS, lambda: nn.GRU(8, 6, batch_first=True)),
    "nn.RNN": (TOKENS, lambda: nn.RNN(8, 6, batch_first=True)),
    "special.bessel_j0": (ROW, lambda: torch.special.bessel_j0),
    "view_as_complex": ((1, 4, 2), lambda: torch.view_as_complex),
}
"""Operator -> the shape that the layer before it makes, and what makes the operator."""


def build(name: str) -> tuple[nn.Module, Tensor]:
    """The network of seed 0 in evaluation mode, and an input."""
    torch.manual_seed(0)
    shape, make = CASES[name]
    return Behind(shape, make()).eval(), torch.randn(shape)


def answers(module: nn.Module, x: Tensor) -> list[Any]:
    """What PyTorch computes."""
    with torch.no_grad():
        return [one.numpy() for one in torch.utils._pytree.tree_leaves(module(x))]
