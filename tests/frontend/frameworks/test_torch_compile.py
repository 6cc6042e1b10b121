"""`torch.compile(model, backend="lithify")`: what it answers, when it compiles again, what it names and refuses."""

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import lithify.torch as backend  # noqa: E402
from lithify.errors import LithifyError  # noqa: E402


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    backend._SAID.clear()
    yield
    torch._dynamo.reset()


def network(*last: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU()]
    return torch.nn.Sequential(
        *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5), *last
    ).eval()


def compiled(model: torch.nn.Module, **options: object) -> torch.nn.Module:
    return torch.compile(model, backend="lithify", options={"chip": "tiny", **options})


def of(model: torch.nn.Module) -> backend.Graph:
    (graph,) = [graph for graph in backend.graphs() if graph.compiled]
    return graph


@torch.no_grad()
def test_it_answers_as_its_session() -> None:
    model, x = network(), torch.randn(2, 3, 8, 8)
    fast = compiled(model)
    for batch in (x, torch.randn(2, 3, 8, 8)):
        found = fast(batch)
        (entry,) = of(model).compiled
        (same,) = entry.session.run(None, {entry.program.inputs[0]: batch.numpy()})
        assert np.array_equal(found.numpy(), same)
        assert float((found - model(batch)).abs().max()) < 0.05
    assert of(model).host_nodes == ()


@torch.no_grad()
def test_new_shapes_and_changed_weights_are_compiled_again() -> None:
    model = network()
    fast = compiled(model)
    for batch in (2, 3, 2):
        x = torch.randn(batch, 3, 8, 8)
        assert float((fast(x) - model(x)).abs().max()) < 0.05
    x = torch.randn(2, 3, 8, 8)
    before = fast(x)
    old = {entry.session for graph in backend.graphs() for entry in graph.compiled}
    model[0].weight.mul_(-1.5)
    after = fast(x)
    assert float((after - model(x)).abs().max()) < 0.05 < float((after - before).abs().max())
    entries = [entry for graph in backend.graphs() for entry in graph.compiled]
    shapes = {tuple(entry.program.tensors[entry.program.inputs[0]].shape) for entry in entries}
    assert shapes == {(2, 3, 8, 8), (3, 3, 8, 8)}
    (left,) = old - {entry.session for entry in entries}
    with pytest.raises(LithifyError, match="closed"):
        left.run(None, {left.program.inputs[0]: x.numpy()})


@torch.no_grad()
def test_the_first_batches_decide_on_the_scales() -> None:
    model = network()
    fast = compiled(model, calibration=3)
    batches = [torch.randn(1, 3, 8, 8) * scale for scale in (0.01, 4.0, 1.0)]
    for batch in batches[:2]:
        assert torch.equal(fast(batch), model(batch))
        assert of(model).compiled[0].session is None
    fast(batches[2])
    (entry,) = of(model).compiled
    assert entry.session is not None
    # The scale of the input is that of the second batch, the widest.
    scale = max(info.scale for info in entry.program.tensors.values() if info.scale and info.shape == (1, 3, 8, 8))
    widest = float(batches[1].max()) - min(float(batches[1].min()), 0.0)
    assert scale == pytest.approx(widest / 255, rel=0.02)


@torch.no_grad()
def test_several_inputs_and_outputs(caplog: pytest.LogCaptureFixture) -> None:
    """One output is an argument handed on, one is computed; a part that the chip lacks is named."""

    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(16, 16)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            return torch.relu(self.linear(a) + b), a, torch.linalg.det(self.linear(b).reshape(1, 4, 4))

    model = Two().eval()
    a, b = torch.randn(1, 16), torch.randn(1, 16)
    with caplog.at_level(logging.WARNING):
        found = compiled(model)(a, b)
    expected = model(a, b)
    assert found[1] is a or torch.equal(found[1], a)
    assert float((found[0] - expected[0]).abs().max()) < 0.05
    said = [record.message for record in caplog.records if record.name == "lithify.torch"]
    assert len(said) == 1 and ("On the host run: Det" in said[0] or "A graph runs in PyTorch" in said[0])


def test_gradients_are_pytorchs(caplog: pytest.LogCaptureFixture) -> None:
    model, x = network(), torch.randn(2, 3, 8, 8)
    fast = compiled(model)
    with caplog.at_level(logging.WARNING):
        fast(x).sum().backward()
        fast(x)
    assert model[0].weight.grad is not None
    assert [record.message for record in caplog.records if record.name == "lithify.torch"] == [
        "A graph runs in PyTorch: gradients are asked for, which a compiled network does not give; call it under "
        "torch.no_grad()."
    ]
    with pytest.raises(Exception, match="refused with strict: gradients are asked for"):
        compiled(network(), strict=True)(x)


def test_wrong_options() -> None:
    with pytest.raises(LithifyError, match="has no option 'chips'; its options are: chip, device, calibration"):
        backend.Options.of({"chips": "tiny"})
    with pytest.raises(LithifyError, match="it must be at least 1"):
        backend.Options.of({"calibration": 0})
    for slip, message in (({"device": "gpu"}, "Unknown device 'gpu'"), ({"chip": "nope"}, "Unknown chip 'nope'")):
        with torch.no_grad(), pytest.raises(Exception, match=message):
            compiled(network(), **slip)(torch.randn(1, 3, 8, 8))
