"""All proofs, or some, one beside the other, and proofs that must fail: of blocks with one gate changed."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lithify.progress import Progress, Silent, Stages
from lithify.rtl import yosys
from lithify.rtl.proofs.sby import Proved, need_tools
from lithify.rtl.proofs.sby import prove as prove_one
from lithify.rtl.proofs.table import PROOFS, proof_named


@dataclass(frozen=True)
class Checked:
    """A proof, and how it fared on changed blocks. mutants: how many were tried; caught: of how many it failed."""

    result: Proved
    mutants: int
    caught: int

    @property
    def agreed(self) -> bool:
        """Proved, and refuted where a change was tried: at least one, as some changes alter nothing that is
        promised.
        """
        return self.result.outcome == "proved" and (self.caught > 0 or not self.mutants)


@dataclass(frozen=True)
class Proofs:
    """What came of several proofs, in the order of the table."""

    checked: tuple[Checked, ...]

    @property
    def agreed(self) -> bool:
        """Whether all are proved, and each can fail."""
        return all(entry.agreed for entry in self.checked)

    def to_json(self) -> list[dict[str, Any]]:
        """A row each."""
        return [
            {
                "name": entry.result.proof.name,
                "block": entry.result.proof.block,
                "promise": entry.result.proof.promise,
                "reach": entry.result.proof.reach,
                "outcome": entry.result.outcome,
                "seconds": round(entry.result.seconds, 2),
                "said": entry.result.said,
                "mutants": entry.mutants,
                "caught": entry.caught,
            }
            for entry in self.checked
        ]


def prove(names: Sequence[str] = (), *, mutants: int = 0, progress: "Progress | None" = None) -> Proofs:
    """Prove that blocks of the chip keep their promises, for all inputs; see docs/proofs.md.

    names: of the proofs; none: all. mutants: how many times each proof is tried on its block with one gate changed,
    where it must fail. Raises LithifyError for an unknown name, and where SymbiYosys or its solver is missing.
    """
    chosen = [proof_named(name) for name in dict.fromkeys(names)] or list(PROOFS)
    need_tools()
    yosys.environment()
    stages = Stages(Silent() if progress is None else progress, 1)
    work = [(proof, mutant) for proof in chosen for mutant in (None, *range(1, mutants + 1))]
    with stages("proofs") as watch, ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        results = []
        for result in pool.map(lambda item: prove_one(*item), work):
            results.append(result)
            watch.update(len(results), len(work), "proofs")
    checked = []
    for start in range(0, len(work), mutants + 1):
        first, *others = results[start : start + mutants + 1]
        checked.append(Checked(first, mutants, sum(other.outcome != "proved" for other in others)))
    return Proofs(tuple(checked))
