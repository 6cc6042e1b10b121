"""Networks on clusters: the bits of one chip, the cycles of the stages, clusters that are refused."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import lithify
from compiler.test_batch import loaded_from
from compiler.test_batch import model as batched
from lithify.cluster import Cluster, data_parallel, load_cluster, pipeline
from lithify.cluster.stages import Stages
from lithify.errors import LithifyError

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO = Cluster(chip="tiny", chips=2)


@pytest.fixture(scope="module")
def quantized() -> ir.Model:
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_resnet8.onnx"))
    return lithify.quantize(model, EXAMPLES / "digits.npz")


def images(count: int) -> list[np.ndarray]:
    return [image[None] for image in np.load(EXAMPLES / "digits.npz")["images_32"][:count]]


@pytest.mark.slow
def test_every_cut_keeps_the_bits(quantized: ir.Model) -> None:
    """Inside residual blocks two tensors cross; the stages are verified as any program is."""
    whole = lithify.compile(quantized, "tiny")
    stages = Stages(quantized)
    assert any(len(cut.crossing) == 2 for cut in stages.cuts)
    (image,) = images(1)
    (expected,) = whole.run(image)
    for cut in stages.cuts[2:14:3]:
        known = {whole.inputs[0]: image}
        for model in stages.models([cut]):
            program = lithify.compile(model, "tiny")
            outputs = program.run(*(known[name] for name in program.inputs))
            known.update(zip(program.outputs, outputs, strict=True))
        assert np.array_equal(known[whole.outputs[0]], expected), cut
        assert set(cut.crossing) <= set(known)


def test_a_pipeline_and_whole_networks_give_the_same(quantized: ir.Model) -> None:
    staged, whole = pipeline(quantized, TWO), data_parallel(quantized, TWO)
    for image in images(3):
        feed = {staged.programs[0].inputs[0]: image}
        assert all(np.array_equal(a, b) for a, b in zip(staged.run(feed), whole.run(feed), strict=True))
    assert staged.cycles == tuple(program.simulate().cycles for program in staged.programs)
    assert staged.timing.period == max(staged.cycles)
    assert 1.99 < whole.speed_up <= 2.0 and 1.5 < staged.speed_up < 2.0
    found = staged.to_json()
    assert (
        found["network"] == whole.network
        and found["parallelism"] == "pipeline"
        and found["limit"] == f"chip {staged.cycles.index(max(staged.cycles))}"
    )


def test_an_output_that_is_dequantised_alone() -> None:
    """Nothing computes the output behind its quantisation: the stage that has the int8 tensor gives it."""
    model = lithify.quantize(lithify.optimize(loaded_from(batched("pictures"), {"image": (1, 3, 12, 12)})))
    assert [node.op_type for node in model.graph][-1] == "DequantizeLinear"
    staged, whole = pipeline(model, TWO), data_parallel(model, TWO)
    feed = {"image": np.random.default_rng(0).uniform(-1, 1, (1, 3, 12, 12)).astype(np.float32)}
    assert np.array_equal(staged.run(feed)[0], whole.run(feed)[0])


@pytest.mark.slow
def test_links_that_are_slow_are_the_limit(quantized: ir.Model) -> None:
    """A tensor of 16 KB over a byte in each cycle takes 16,384 cycles; through the host twice that and more."""
    slow = TWO.model_copy(update={"topology": "host", "host_bytes_per_cycle": 1})
    found = pipeline(quantized, slow)
    assert found.timing.busy["host link"] > 2 * sum(found.crossing)
    # 4,096 bytes in and 40 out: 4,136 cycles of the link, 48 times in the 199,843 of a chip.
    plan = data_parallel(quantized, Cluster(chip="tiny", chips=64, host_bytes_per_cycle=1))
    assert plan.timing.limit == "host link" and float(plan.timing.period) == pytest.approx(4136, rel=0.02)


def test_what_is_refused(quantized: ir.Model, tmp_path: Path) -> None:
    with pytest.raises(LithifyError, match=r"so into at most .* stages, and the cluster has 40 chips"):
        pipeline(quantized, Cluster(chip="tiny", chips=40))
    for text, message in (
        ("chips = 0", "is wrong at chips"),
        ("chips = 2\nlinks = 3", r"is wrong at links: .* its keys are name, chip, chips"),
        ("chips = ", "is no TOML"),
    ):
        (tmp_path / "cluster.toml").write_text(text)
        with pytest.raises(LithifyError, match=message):
            load_cluster(tmp_path / "cluster.toml")
    with pytest.raises(LithifyError, match="Cannot read the cluster"):
        load_cluster(tmp_path / "none.toml")
    (tmp_path / "cluster.toml").write_text('chip = "tiny"\nchips = 2\n')
    assert load_cluster(tmp_path / "cluster.toml") == TWO
