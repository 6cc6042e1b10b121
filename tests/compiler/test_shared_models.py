"""Trained models from outside the repository, as they came: whole in RTL. Skipped where their folder is not there."""

from pathlib import Path

import pytest

import lithify
from lithify.quantize import inputs_of, seeded

MODELS = Path(__file__).parents[2].parent / "shared" / "models"


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["tiny", "edge"])
@pytest.mark.parametrize("name", ["model_kws", "model_ad"])
def test_model_is_verified_whole_in_rtl(name: str, chip: str) -> None:
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{name}.onnx is not in {MODELS}")
    model = lithify.optimize(lithify.load(path))
    program = lithify.compile(lithify.quantize(model, seeded(inputs_of(model), 16)), chip=chip)
    assert program.host_nodes == ()
    proof = program.verify()
    assert proof.agreed and proof.summary.rtl_inputs == 8
    assert proof.summary.cycles_rtl == proof.summary.cycles_timing
