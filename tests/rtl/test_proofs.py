"""Formal proofs: every block keeps its promise, one with a gate changed does not, and what is missing is named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Assert, Module, Signal
from tests.cli.test_errors import refused

import lithify
from lithify.rtl.proofs import sby
from lithify.rtl.proofs.contract import before, contract, free
from lithify.rtl.proofs.proof import Proof
from lithify.rtl.proofs.table import PROOFS


@pytest.mark.slow
def test_every_proof_holds_and_can_fail() -> None:
    """Each with its block as it is, and with one gate changed by each of three seeds, of which one at least is caught:
    some changes make no difference.
    """
    found = lithify.prove(mutants=3)
    assert [entry.result.proof.name for entry in found.checked] == [proof.name for proof in PROOFS]
    assert [entry.result.proof.name for entry in found.checked if entry.result.outcome != "proved"] == []
    assert [entry.result.proof.name for entry in found.checked if not entry.caught] == []
    assert found.agreed


def counter(wrong: bool) -> Module:
    """A counter that stays below 10; `wrong`: that does not."""
    m = contract()
    inner, step = Module(), Signal()
    count = Signal(4)
    free(m, step)
    with inner.If(step):
        inner.d.sync += count.eq(count + 1)
        with inner.If(count == (10 if wrong else 9)):
            inner.d.sync += count.eq(0)
    m.submodules.proven = inner
    m.d.comb += Assert(count < 10)
    return m


def proof(**changes: Any) -> Proof:
    return replace(Proof("counter", "", "", lambda: counter(False), "induction", 1), **changes)


@pytest.mark.slow
def test_what_does_not_hold_is_refuted() -> None:
    assert sby.prove(proof()).outcome == "proved"
    wrong = sby.prove(proof(contract=lambda: counter(True), depth=12))
    assert wrong.outcome == "refuted" and "test_proofs.py" in wrong.said
    # From no state that it begins in within so few cycles, but the step does not hold.
    assert sby.prove(proof(contract=lambda: counter(True), depth=2)).outcome == "undecided"


def test_a_register_inside_of_a_condition_is_refused() -> None:
    m, flag = contract(), Signal()
    with m.If(flag), pytest.raises(AssertionError, match="a register inside of an If"):
        before(m, flag, "flag")


def test_the_list(run: Any) -> None:
    ran = run("prove", "--list", "--json")
    assert ran.status == 0 and [row["name"] for row in json.loads(ran.out)] == [entry.name for entry in PROOFS]


def test_the_page_has_every_proof() -> None:
    text = (Path(__file__).parents[2] / "docs" / "proofs.md").read_text(encoding="utf-8")
    for entry in PROOFS:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{entry.name}` |")]
        _, _, block, _, holds, _ = (cell.strip() for cell in row.split("|"))
        assert block.strip("`") == entry.block
        assert entry.reach.startswith(holds)


def test_an_unknown_proof_is_refused(run: Any) -> None:
    expected = f"There is no proof 'adder'; the proofs are {', '.join(entry.name for entry in PROOFS)}."
    assert refused(run("prove", "adder")) == expected


def test_a_missing_solver_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sby, "SOLVER", "no-such-solver")
    assert refused(run("prove", "queue")) == "Proofs need the solver no-such-solver: pip install 'lithify[proofs]'."
