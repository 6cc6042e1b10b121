"""Attention as PyTorch writes it: one segment of a chip with a vector unit, in which nothing moves but V is turned."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import lithify  # noqa: E402
from compiler.compiled import check  # noqa: E402
from compiler.test_rows import WITH_UNIT, device  # noqa: E402
from lithify.compiler import compile_graph  # noqa: E402
from lithify.optimize import optimize  # noqa: E402
from lithify.quantize import inputs_of, quantize, read, seeded  # noqa: E402
from lithify.quantize.data import Input  # noqa: E402
from lithify.reference.graph import Graph  # noqa: E402
from lithify.verify import verify  # noqa: E402


class Attention(nn.Module):
    """Projections of its own around `scaled_dot_product_attention`."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(32, 32) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = (layer(x).view(batch, tokens, 2, 16).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    """A block of a GPT: causal attention, then a feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(2))
        self.qkv, self.out, self.up, self.down = (nn.Linear(*size) for size in ((32, 96), (32, 32), (32, 64), (64, 32)))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        parts = self.qkv(self.norms[0](x)).split(width, 2)
        q, k, v = (part.view(batch, tokens, 2, 16).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


MASKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a bool": lambda scores, keep: scores.masked_fill(~keep, -torch.inf),
    "the least float": lambda scores, keep: torch.where(keep, scores, torch.finfo(torch.float32).min),
    "an addition": lambda scores, keep: scores + torch.where(keep, 0, -1e9)[None, None],
    "an addition with a bias": lambda scores, keep: scores + torch.where(keep, torch.eye(16), -torch.inf),
}


class Masked(nn.Module):
    """Attention of one input with itself, masked in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.mask = MASKS[how]
        self.q, self.k, self.v = (nn.Linear(32, 32) for _ in range(3))
        self.register_buffer("keep", torch.tril(torch.ones(16, 16, dtype=torch.bool)))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).view(1, 16, 2, 16).transpose(1, 2) for layer in (self.q, self.k, self.v))
        shares = self.mask(q @ k.transpose(-1, -2) / 4, self.keep).softmax(-1)
        return (shares @ v).transpose(1, 2).flatten(2)


MODULES = {
    "projections of its own": Attention,
    "post-norm": lambda: nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, activation="gelu"),
    "pre-norm": lambda: nn.TransformerEncoderLayer(32, 2, 64, batch_first=True, norm_first=True),
}


def quantized(name: str) -> Graph:
    torch.manual_seed(0)
    module = {**MODULES, **MASKED}[name]().eval()
    model = optimize(lithify.load(module, inputs=(torch.randn(1, 16, 32),)))
    return read(quantize(model, seeded(inputs_of(model), 4)))


MASKED: dict[str, Callable[[], nn.Module]] = {
    "a block of a GPT": Block,
    **{f"masked by {how}": partial(Masked, how) for how in MASKS},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name.endswith("bias") else pytest.mark.slow) for name in MASKED]
)
def test_masks_stay_on_the_chip(name: str) -> None:
    graph = quantized(name)
    (x,) = graph.inputs
    compilation = check(graph, WITH_UNIT["tiny"], {x: torch.randn(1, 16, 32).numpy()})
    assert not compilation.reasons and len(compilation.segments) == 1
    assert [node.operator for node in graph.nodes if "Softmax" in node.operator] == ["MaskedSoftmax"]
    assert "Host" not in {node.operator for node in graph.nodes}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_nothing_runs_on_the_host(name: str) -> None:
    graph = quantized(name)
    (x,) = graph.inputs
    compilation = check(graph, WITH_UNIT["tiny"], {x: torch.randn(1, 16, 32).numpy()})
    assert not compilation.reasons
    (segment,) = compilation.segments
    # A vector operation is cut where its input is made in pieces.
    assert len({operation.layer for operation in segment.operations if operation.operator == "Softmax"}) == 1
    found = Counter(operation.operator for operation in segment.operations)
    assert found["MatMul"] == 4
    assert (found["Transpose"], found["Reshape"], found["Slice"]) == (2, 0, 0)


@pytest.mark.slow
def test_an_encoder_layer_agrees_in_rtl() -> None:
    graph = quantized("post-norm")
    program = compile_graph(graph, WITH_UNIT["tiny"])
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    result = verify(program, graph, seeded(inputs, 4), rtl="layers", device=device("tiny"))
    assert result.agreed, result
