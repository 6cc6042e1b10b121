"""Eight architectures in PyTorch, small, with seeded weights: what people bring."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Example = tuple[Tensor, ...]


class Residual(nn.Module):
    """Convolutions with batch normalisation and shortcuts, as in ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.one, self.two = nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.shortcut, self.dense = nn.Conv2d(8, 16, 1, stride=2), nn.Linear(16, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(image)))
        x = F.relu(self.two(F.relu(self.one(x))) + self.shortcut(x))
        return self.dense(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Mobile(nn.Module):
    """Depthwise convolutions, squeeze and excite, HardSwish, as in MobileNetV3."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.point, self.dense = nn.Conv2d(16, 16, 1), nn.Linear(16, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = F.hardswish(self.stem(image))
        y = F.hardswish(self.depthwise(x))
        y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return self.dense((x + self.point(y)).mean((2, 3)))


class Segmenter(nn.Module):
    """Down by pooling, up by transposed convolution and by resizing, joined by channels, as in U-Net."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(32, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        skip = F.leaky_relu(self.down(image), 0.1)
        deep = F.relu(self.middle(F.max_pool2d(skip, 2)))
        resized = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(torch.cat([skip, self.up(deep), resized], 1))


class Encoder(nn.Module):
    """Tokens, attention, LayerNorm, GELU, as in BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.dense = nn.Linear(16, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.dense(self.layers(self.embed(tokens))[:, 0])


class Gpt(nn.Module):
    """One step of decoding: attention over a cache that grows by the new token's key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.after = nn.Embedding(40, 16), nn.LayerNorm(16), nn.LayerNorm(16)
        self.three, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.wide, self.narrow = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, token: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.embed(token)
        query, key, value = (part.view(1, 1, 2, 8).transpose(1, 2) for part in self.three(self.norm(x)).chunk(3, -1))
        keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
        met = F.scaled_dot_product_attention(query, keys, values)
        x = x + self.out(met.transpose(1, 2).reshape(1, 1, 16))
        x = x + self.narrow(F.gelu(self.wide(self.after(x)), approximate="tanh"))
        return x @ self.embed.weight.T, keys, values


class Llama(nn.Module):
    """RMSNorm, rotary positions, grouped queries, a mask, SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.after = nn.RMSNorm(16), nn.RMSNorm(16)
        self.query, self.key, self.value = nn.Linear(16, 16), nn.Linear(16, 8), nn.Linear(16, 8)
        self.out, self.gate, self.wide, self.narrow = (
            nn.Linear(16, 16), nn.Linear(16, 32), nn.Linear(16, 32), nn.Linear(32, 16)
        )  # fmt: skip
        angles = torch.arange(6)[:, None] / 10000 ** (torch.arange(0, 8, 2) / 8)
        self.register_buffer("cosine", torch.cat([angles, angles], -1).cos())
        self.register_buffer("sine", torch.cat([angles, angles], -1).sin())

    def turned(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        return x * self.cosine + torch.cat([-second, first], -1) * self.sine

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        query = self.turned(self.query(y).view(1, 6, 2, 8).transpose(1, 2))
        key = self.turned(self.key(y).view(1, 6, 1, 8).transpose(1, 2)).expand(1, 2, 6, 8)
        value = self.value(y).view(1, 6, 1, 8).transpose(1, 2).expand(1, 2, 6, 8)
        met = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(met.transpose(1, 2).reshape(1, 6, 16))
        y = self.after(x)
        return x + self.narrow(F.silu(self.gate(y)) * self.wide(y))


class Recurrent(nn.Module):
    """An LSTM or a GRU over a sequence, and a dense layer on its last state."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.cells, self.dense = kind(6, 12, batch_first=True), nn.Linear(12, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        states, _ = self.cells(sequence)
        return self.dense(states[:, -1])


def _image() -> Example:
    return (torch.randn(1, 3, 16, 16),)


ARCHITECTURES: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Example]]] = {
    "residual": (Residual, _image),
    "mobile": (Mobile, _image),
    "segmenter": (Segmenter, _image),
    "encoder": (Encoder, lambda: (torch.randint(0, 40, (1, 6)),)),
    "gpt": (Gpt, lambda: (torch.randint(0, 40, (1, 1)), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8))),
    "llama": (Llama, lambda: (torch.randn(1, 6, 16),)),
    "lstm": (lambda: Recurrent(nn.LSTM), lambda: (torch.randn(1, 7, 6),)),
    "gru": (lambda: Recurrent(nn.GRU), lambda: (torch.randn(1, 7, 6),)),
}
"""Name -> what makes the module, and what draws an example of its inputs."""


def build(name: str) -> tuple[nn.Module, Example]:
    """The module in evaluation mode and an example, both of seed 0; batch norms have seen some data."""
    torch.manual_seed(0)
    make, draw = ARCHITECTURES[name]
    module = make()
    with torch.no_grad():
        for _ in range(3):
            module(*draw())
    return module.eval(), draw()
