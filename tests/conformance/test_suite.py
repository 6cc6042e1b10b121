"""ONNX's backend tests on the chip: how a test is judged, and that the page of operators tells the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import lithify
from lithify.chip import load_chip
from lithify.conformance.cases import cases
from lithify.conformance.judge import RUNTIME, Conformance, judge
from lithify.conformance.page import page
from lithify.program import Program

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def test_a_float_test_is_judged_through_quantisation() -> None:
    (case,) = cases(("pytorch-operator",), "test_operator_selu")
    verdict = judge(case, load_chip("tiny"))
    assert (verdict.outcome, verdict.quantised, verdict.reason) == ("chip", True, "")


def test_a_wrong_bit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = cases(("pytorch-converted",), "test_Conv2d_strided")
    right = Program.run
    monkeypatch.setattr(Program, "run", lambda *inputs: [array * np.float32(1.001) for array in right(*inputs)])
    verdict = judge(case, load_chip("tiny"))
    assert (verdict.outcome, verdict.reason) == ("failed", "'3' differs from the reference")


@pytest.mark.slow
def test_an_integer_test_is_judged_by_its_own_expectation() -> None:
    (case,) = cases(("node",), "test_maxpool_2d_uint8")
    verdict = judge(case, load_chip("tiny"))
    assert verdict.outcome in ("chip", "host") and not verdict.quantised and RUNTIME not in verdict.reason
    ((given, (expected,)),) = case.data
    changed = judge(replace(case, data=((given, (expected + np.uint8(1),)),)), load_chip("tiny"))
    assert changed.outcome != "failed" and changed.reason == RUNTIME


@pytest.mark.slow
def test_what_lithify_does_not_take_is_refused_with_a_sentence() -> None:
    (case,) = cases(("node",), "test_add_int16")
    assert case.constants == ()
    verdict = judge(case, load_chip("tiny"))
    assert verdict.outcome == "refused"
    assert verdict.reason.startswith("Input 'x' of 'model' has the type int16; Lithify takes ")


@pytest.mark.slow
def test_no_test_fails_and_the_page_holds() -> None:
    found: Conformance = lithify.conformance()
    failed = [(verdict.name, verdict.reason) for verdict in found.verdicts if verdict.outcome == "failed"]
    assert not failed
    text = PAGE.read_text(encoding="utf-8")
    assert page(found).splitlines()[0] == text.splitlines()[0]
    if f"onnx {onnx.__version__}," in text:
        gone = on_chip(text) - on_chip(page(found))
        assert not gone, f"docs/operators.md says that these run on the chip, which they do no longer: {gone}"


def on_chip(text: str) -> set[str]:
    """The tests that a page lists as run by the chip."""
    lists = [line.split("`")[1] for line in text.splitlines() if line.startswith("- chip: ")]
    return {name for names in lists for name in names.split()}
