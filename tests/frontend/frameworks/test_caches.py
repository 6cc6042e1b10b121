"""Caches as PyTorch writes them: however a step puts its keys and values in, they stay in the chip's DRAM."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import lithify  # noqa: E402
from compiler.test_rows import WITH_UNIT  # noqa: E402

LENGTH, HEADS, DEPTH = 16, 2, 8


def assigned(cache: Tensor, new: Tensor, position: Tensor) -> Tensor:
    changed = cache.clone()
    changed[:, :, position] = new
    return changed


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "index_copy": lambda cache, new, position: cache.index_copy(2, position, new),
    "assignment": assigned,
    "scatter": lambda cache, new, position: cache.scatter(2, position.view(1, 1, 1, 1).expand(new.shape), new),
}


class Step(nn.Module):
    """One token through one layer of attention."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.put = FORMS[form]
        self.layers = nn.ModuleList(nn.Linear(HEADS * DEPTH, HEADS * DEPTH) for _ in range(4))

    def forward(self, x: Tensor, position: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (layer(x).view(1, 1, HEADS, DEPTH).transpose(1, 2) for layer in list(self.layers)[:3])
        keys, values = self.put(keys, k, position), self.put(values, v, position)
        seen = torch.arange(LENGTH)[None, :] <= position[:, None]
        mixed = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen)
        return self.layers[3](mixed.transpose(1, 2).reshape(1, 1, -1)), keys, values


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_step_keeps_its_caches(form: str) -> None:
    cache = torch.zeros(1, HEADS, LENGTH, DEPTH)
    example = torch.randn(1, 1, HEADS * DEPTH), torch.tensor([3]), cache, cache
    model = lithify.optimize(lithify.load(Step(form), inputs=example))
    (_, *pasts), (_, *presents) = (
        [str(value.name) for value in values if value.name != "position"]
        for values in (model.graph.inputs, model.graph.outputs)
    )
    model = lithify.quantize(model, state=dict(zip(pasts, presents, strict=True)))
    one = lithify.compile(model, WITH_UNIT["tiny"], strict=True)
    assert one.cache is not None and (one.cache.position, one.cache.rows, one.cache.added) == ("position", LENGTH, 1)
    assert one.cache.whole == "" and len(one.states) == 2
    assert one.verify(rtl="none").agreed
