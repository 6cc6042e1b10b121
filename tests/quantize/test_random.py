"""Random models, quantised and read: no crash, a sound graph, and on every tensor the bits of ONNX Runtime."""

import numpy as np
import onnx_ir as ir
import pytest
from tests.quantize.judge import by_runtime

from lithify.fuzz.models import random_model
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.check import check
from lithify.reference.evaluate import run

SEED = 20


def _differences(number: int) -> tuple[int, int]:
    """How many integers are compared, and how many of them differ; the first tensor that does, by one step at most."""
    model = optimize(random_model(SEED, number))
    samples = seeded(inputs_of(model), 3, seed=number)
    made = quantize(model, samples)
    graph = read(made)
    check(graph)
    shown = made.clone()
    stored = [node.outputs[0] for node in shown.graph if node.op_type == "QuantizeLinear"]
    shown.graph.outputs.extend(value for value in stored if not value.is_graph_output())
    names = [str(value.name) for value in shown.graph.outputs]
    feed = samples[0]
    ours = run(graph, feed)
    compared = different = 0
    for name, theirs in zip(names, by_runtime(shown, feed, fused=False), strict=True):
        if name in ours and theirs.dtype == np.int8:
            off = np.abs(ours[name].astype(int) - theirs.astype(int))
            assert off.max(initial=0) <= (1 if not different else 255), (number, name)
            compared += off.size
            different += int((off > 0).sum())
    return compared, different


def _campaign(numbers: range) -> None:
    counted = np.array([_differences(number) for number in numbers]).sum(axis=0)
    assert counted[0] > 100 * len(numbers)
    # Sums at an exact half may round either way (docs/numbers.md), and what follows such a sum carries it on.
    assert counted[1] <= counted[0] * 0.002, counted


def test_random_models() -> None:
    _campaign(range(40))


@pytest.mark.slow
def test_many_random_models() -> None:
    _campaign(range(40, 1040))


def test_numbers_name_the_same_model_again() -> None:
    assert ir.serde.serialize_model(random_model(1, 5)) == ir.serde.serialize_model(random_model(1, 5))
