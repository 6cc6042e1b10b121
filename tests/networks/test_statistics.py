"""Batch normalisations hold what flows through them; sample data looks as it should."""

import numpy as np
import onnx_ir as ir

from lithify.networks import NETWORKS, statistics
from lithify.networks.builder import Builder
from lithify.networks.sample import sample

from .running import outputs_of, values_of


def test_statistics_are_those_of_the_samples() -> None:
    row = NETWORKS["resnet8"]
    builder = Builder("measured", row.input_shape, seed=5)
    model = builder.model(row.layers(builder))
    samples = sample(row.input_shape, 8, seed=2)
    statistics.measure(model, samples)
    runs = [values_of(model, one[np.newaxis]) for one in samples]
    found = 0
    for node in model.graph:
        if node.op_type == "BatchNormalization":
            x = np.concatenate([run[node.inputs[0].name] for run in runs]).astype(np.float64)
            # Float sums in another order: equal to about four digits.
            np.testing.assert_allclose(_constant(node, 3), x.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(_constant(node, 4), x.var((0, 2, 3)), rtol=1e-3)
            found += 1
    assert found == 7


def test_scores_have_mean_zero_over_the_samples() -> None:
    row = NETWORKS["tcn"]
    builder = Builder("measured", row.input_shape, seed=5)
    model = builder.model(row.layers(builder))
    samples = sample(row.input_shape, 8, seed=2)
    statistics.measure(model, samples)
    (scores,) = outputs_of(model, samples)
    np.testing.assert_allclose(scores.mean(0), 0.0, atol=1e-5)
    assert scores.std() > 0.1


def test_a_network_without_norm_and_dense_layer_stays_as_it_is() -> None:
    row = NETWORKS["espcn"]
    builder = Builder("measured", row.input_shape, seed=5)
    model = builder.model(row.layers(builder))
    before = ir.serde.serialize_model(model).SerializeToString()
    statistics.measure(model, sample(row.input_shape, 2))
    assert ir.serde.serialize_model(model).SerializeToString() == before


def test_samples_are_normalised_seeded_and_smooth() -> None:
    images = sample((1, 3, 64, 48), 5, seed=1)
    assert images.shape == (5, 3, 64, 48)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(images.std((1, 2, 3)), 1.0, atol=1e-4)
    assert (images == sample((1, 3, 64, 48), 5, seed=1)).all()
    assert not (images == sample((1, 3, 64, 48), 5, seed=2)).all()
    near = np.corrcoef(images[..., 1:].ravel(), images[..., :-1].ravel())[0, 1]
    far = np.corrcoef(images[..., 24:].ravel(), images[..., :-24].ravel())[0, 1]
    assert near > 0.7 > far


def test_samples_of_features_are_white() -> None:
    features = sample((1, 640), 3)
    assert features.shape == (3, 640)
    assert abs(np.corrcoef(features[:, 1:].ravel(), features[:, :-1].ravel())[0, 1]) < 0.1


def _constant(node: ir.Node, index: int) -> np.ndarray:
    value = node.inputs[index]
    assert value is not None and value.const_value is not None
    return value.const_value.numpy()
