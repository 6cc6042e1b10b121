"""Each network is valid ONNX, costs what its authors say, and keeps its activations in a healthy range."""

import hashlib

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from lithify.errors import LithifyError
from lithify.networks import NETWORKS, build, count_macs, count_parameters, sample

from .running import outputs_of, values_of

_SMALL = ("resnet8", "ds_cnn", "mobilenet_v1_025", "autoencoder", "tcn", "espcn", "squeezenet", "bert_tiny")
_EVERY = [name if name in _SMALL else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]


@pytest.fixture(scope="module", params=_EVERY)
def model(request: pytest.FixtureRequest) -> ir.Model:
    return build(request.param)


def test_model_is_valid_onnx(model: ir.Model) -> None:
    onnx.checker.check_model(ir.serde.serialize_model(model), full_check=True)
    assert model.graph.opset_imports == {"": 20}
    assert all(value.const_value.dtype in (ir.DataType.FLOAT, ir.DataType.INT64) for value in _constants(model))


def test_cost_is_the_published_one(model: ir.Model) -> None:
    row = NETWORKS[model.graph.name]
    assert abs(count_macs(model) - row.macs) <= row.macs_within * row.macs
    assert abs(count_parameters(model) - row.parameters) <= row.parameters_within * row.parameters


def test_activations_neither_vanish_nor_explode(model: ir.Model) -> None:
    row = NETWORKS[model.graph.name]
    values = values_of(model, sample(row.input_shape, seed=1))
    inner = [node for node in model.graph if node.op_type in ("BatchNormalization", "Conv", "Add", "Concat")]
    deviations = np.array([values[node.outputs[0].name].std() for node in inner])
    assert deviations.min() > 0.01
    assert deviations.max() < 30.0
    for node in inner:
        if node.op_type == "BatchNormalization":
            assert 0.1 < values[node.outputs[0].name].std() < 5.0, node.name


def test_small_errors_stay_small(model: ir.Model) -> None:
    """A network that multiplied errors from layer to layer would leave nothing to see after quantisation."""
    row = NETWORKS[model.graph.name]
    x = sample(row.input_shape, 4, seed=1)
    noise = np.random.default_rng(2).normal(0.0, 0.01, x.shape).astype(np.float32)
    for exact, disturbed in zip(outputs_of(model, x), outputs_of(model, x + noise), strict=True):
        assert 0.0 < (disturbed - exact).std() < 0.25 * exact.std()


def test_shapes_are_those_that_run(model: ir.Model) -> None:
    row = NETWORKS[model.graph.name]
    values = values_of(model, sample(row.input_shape))
    for value in (value for node in model.graph for value in node.outputs):
        assert value.shape is not None
        assert values[value.name].shape == value.shape.numpy(), value.name


@pytest.mark.parametrize("name", ["resnet8", "autoencoder", "tcn"])
def test_equal_seeds_give_equal_bits(name: str) -> None:
    assert _digest(build(name, 3)) == _digest(build(name, 3))
    assert _digest(build(name, 3)) != _digest(build(name, 4))


@pytest.mark.slow
def test_equal_seeds_give_equal_bits_in_a_large_network() -> None:
    assert _digest(build("mobilenet_v2")) == _digest(build("mobilenet_v2"))


@pytest.mark.parametrize("name", ["resnet8", "squeezenet"])
def test_inputs_give_different_answers(name: str) -> None:
    model = build(name)
    (scores,) = outputs_of(model, sample(NETWORKS[name].input_shape, 12, seed=1))
    assert len(set(scores.argmax(1).tolist())) > 3


def test_unknown_name_is_refused() -> None:
    with pytest.raises(LithifyError) as error:
        build("resnet9")
    assert str(error.value) == f"There is no network 'resnet9'; there are {', '.join(NETWORKS)}."


def test_every_row_says_where_it_comes_from() -> None:
    for name, row in NETWORKS.items():
        assert name == row.name
        assert row.source and row.counted
        assert 0.0 <= row.macs_within <= 0.01


def _constants(model: ir.Model) -> list[ir.Value]:
    return list(model.graph.initializers.values())


def _digest(model: ir.Model) -> str:
    return hashlib.sha256(ir.serde.serialize_model(model).SerializeToString()).hexdigest()
