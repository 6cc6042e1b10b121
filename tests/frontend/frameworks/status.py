"""The page of what each front end reads and where it runs: written from the cases, and read back to be checked.

python -m tests.frontend.frameworks.status docs/frontends.md
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.frontend.frameworks.line import take_the_line

import lithify

PAGE = Path(__file__).parents[3] / "docs" / "frontends.md"
BEGIN = "<!-- status: begin -->"
END = "<!-- status: end -->"
HEADS = {"PyTorch": "operator", "Keras": "layer", "TFLite": "operator"}


def status(load: Callable[[], object], samples: Sequence[Any] | None = None, *, proof: bool = True) -> str:
    """`chip`, `host: OPERATORS` or `refused`, after the whole line for `edge`, with its proof or without."""
    try:
        model = load()
    except lithify.LithifyError:
        return "refused"
    program = take_the_line(model, chip="edge", samples=samples, proof=proof)  # type: ignore[arg-type]
    host = tuple(dict.fromkeys(program.host_nodes))
    return f"host: {', '.join(host)}" if host else "chip"


def recorded() -> dict[str, dict[str, str]]:
    """Front end -> operator -> status, as the page has it."""
    found: dict[str, dict[str, str]] = {}
    for line in PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("### "):
            rows = found.setdefault(line[4:], {})
        elif line.startswith("| ") and not line.startswith(("| operator", "| layer")):
            name, _, where = (cell.strip() for cell in line.strip("| ").partition(" | "))
            rows[name] = where
    return found


def check(front_end: str, name: str, found: str) -> None:
    """The page never promises more than is true. Where the chip has learnt something since, a warning says so."""
    written = recorded()[front_end].get(name)
    again = f"docs/frontends.md is stale: python -m {__spec__.name} docs/frontends.md"
    assert written is not None and (found == "chip" or found == written or written.startswith("host")), (
        f"{again}: {front_end} {name} is '{found}', the page says '{written}'"
    )
    assert not (found == "refused") ^ (written == "refused"), f"{again}: {name}"
    if found != written:
        warnings.warn(f"{again}: {front_end} {name} is '{found}' now", stacklevel=2)


def rows(front_end: str) -> Mapping[str, str]:
    """Operator -> status, computed now. Takes a minute or two."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    if front_end == "PyTorch":
        from tests.frontend.frameworks import torch_cases

        def module(name: str) -> object:
            made, x = torch_cases.build(name)
            return lithify.load(made, inputs=(x,))

        return {name: status(lambda name=name: module(name), proof=False) for name in torch_cases.CASES}
    if front_end == "Keras":
        from tests.frontend.frameworks import keras_cases

        return {
            name: status(lambda name=name: lithify.load(keras_cases.build(name)), proof=False)
            for name in keras_cases.CASES
        }
    from tests.frontend.frameworks import tflite_cases

    with tempfile.TemporaryDirectory() as folder:
        return {name: of_tflite(name, Path(folder), proof=False) for name in tflite_cases.CASES}


def of_tflite(name: str, folder: Path, *, proof: bool = True) -> str:
    """The status of a TFLite case; a float one is calibrated with its own inputs, for some are to be positive."""
    from tests.frontend.frameworks import tflite_cases

    whole = tflite_cases.CASES[name].scale != "none"
    samples = None if whole else tflite_cases.inputs(name)
    return status(lambda: lithify.load(tflite_file(name, folder)), samples, proof=proof)


def tflite_file(name: str, folder: Path) -> Path:
    """The file of a case, int8 where it has that form."""
    from tests.frontend.frameworks import tflite_cases

    whole = tflite_cases.CASES[name].scale != "none"
    path = folder / "case.tflite"
    path.write_bytes((tflite_cases.int8_file if whole else tflite_cases.float_file)(name)[0])
    return path


def main(path: Path, *names: str) -> None:
    """Writes the tables between the marks, all or those of the front ends that are named."""
    tables = {front_end: recorded().get(front_end, {}) for front_end in HEADS}
    tables |= {front_end: dict(rows(front_end)) for front_end in names or HEADS}
    lines = [BEGIN, ""]
    for front_end, table in tables.items():
        lines += [f"### {front_end}", "", f"| {HEADS[front_end]} | runs on |", "|---|---|"]
        lines += [*(f"| {name} | {where} |" for name, where in table.items()), ""]
    text = path.read_text(encoding="utf-8")
    before, _, after = text.partition(BEGIN)
    lines = [before, "\n".join(lines), END, after.partition(END)[2]]
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
