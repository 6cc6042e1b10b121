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


OPERATORS = Path(__file__).parents[3] / "docs" / "operators.md"
TOGETHER = "All front ends"

operators_of: dict[str, dict[str, set[str]]] = {}
"""Front end -> status -> the ONNX operators that its cases of this status were loaded as."""


def status(
    load: Callable[[], object], samples: Sequence[Any] | None = None, *, proof: bool = True, front_end: str = ""
) -> str:
    """`chip`, `host: OPERATORS` or `refused`, after the whole line for `edge`, with its proof or without.

    front_end: where the operators that were met are noted, see `operators_of`.
    """
    try:
        model = load()
    except lithify.LithifyError:
        return "refused"
    met = {node.op_type for node in model.graph}  # type: ignore[attr-defined]
    program = take_the_line(model, chip="edge", samples=samples, proof=proof)  # type: ignore[arg-type]
    host = tuple(dict.fromkeys(program.host_nodes))
    noted = operators_of.setdefault(front_end, {"chip": set(), "host": set()})
    noted["chip"] |= met - set(host)
    noted["host"] |= met & set(host)
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


def by_onnx_tests() -> dict[str, str]:
    """Operator -> on the chip, on the host and refused, by the counts of docs/operators.md."""
    found: dict[str, str] = {}
    for line in OPERATORS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("| ") and len(cells) == 7 and cells[1].isdigit() and " " not in cells[0]:
            tests, chip, _, host, refused, _ = (int(cell.split()[0]) for cell in cells[1:])
            counts = {"chip": chip, "host": host, "refused": refused}
            parts = [f"{name} {count}" for name, count in counts.items() if count]
            found[cells[0]] = ", ".join(parts) if len(parts) > 1 or not tests else parts[0].split()[0]
    return found


def together() -> list[str]:
    """The table of ONNX operators by front end: where each ran in the cases that hold it, and in ONNX's own tests."""
    tested = by_onnx_tests()
    met = {name for noted in operators_of.values() for names in noted.values() for name in names}
    lines = [
        f"### {TOGETHER}",
        "",
        f"| operator | ONNX's tests | {' | '.join(HEADS)} |",
        "|---|---|" + "---|" * len(HEADS),
    ]
    for operator in sorted(met & set(tested) | {name for name in met if name[:1].isupper()}):
        cells = [tested.get(operator, "")]
        for front_end in HEADS:
            noted = operators_of.get(front_end, {})
            cells.append(", ".join(where for where in ("chip", "host") if operator in noted.get(where, ())))
        lines.append(f"| {operator} | {' | '.join(cells)} |")
    return [*lines, ""]


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

        return {
            name: status(lambda name=name: module(name), proof=False, front_end=front_end) for name in torch_cases.CASES
        }
    if front_end == "Keras":
        from tests.frontend.frameworks import keras_cases

        return {
            name: status(lambda name=name: lithify.load(keras_cases.build(name)), proof=False, front_end=front_end)
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
    return status(lambda: lithify.load(tflite_file(name, folder)), samples, proof=proof, front_end="TFLite")


def tflite_file(name: str, folder: Path) -> Path:
    """The file of a case, int8 where it has that form."""
    from tests.frontend.frameworks import tflite_cases

    whole = tflite_cases.CASES[name].scale != "none"
    path = folder / "case.tflite"
    path.write_bytes((tflite_cases.int8_file if whole else tflite_cases.float_file)(name)[0])
    return path


def main(path: Path, *names: str) -> None:
    """Writes the tables between the marks, all or those of the front ends that are named.

    The table of all front ends is written with all of them, and else left out.
    """
    tables = {front_end: recorded().get(front_end, {}) for front_end in HEADS}
    tables |= {front_end: dict(rows(front_end)) for front_end in names or HEADS}
    lines = [BEGIN, ""]
    for front_end, table in tables.items():
        lines += [f"### {front_end}", "", f"| {HEADS[front_end]} | runs on |", "|---|---|"]
        lines += [*(f"| {name} | {where} |" for name, where in table.items()), ""]
    if set(names or HEADS) == set(HEADS):
        lines += together()
    text = path.read_text(encoding="utf-8")
    before, _, after = text.partition(BEGIN)
    lines = [before, "\n".join(lines), END, after.partition(END)[2]]
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
