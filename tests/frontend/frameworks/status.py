"""The page of what each front end reads and where it runs: written from the cases, and read back to be checked.

python -m tests.frontend.frameworks.status docs/frontends.md
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.frontend.frameworks.line import take_the_line

import lithify

PAGE = Path(__file__).parents[3] / "docs" / "frontends.md"
BEGIN = "<!-- status: begin -->"
END = "<!-- status: end -->"
HEADS = {"PyTorch": "operator", "Keras": "layer", "TFLite": "operator"}


def status(load: Callable[[], object]) -> str:
    """`chip`, `host: OPERATORS` or `refused`, after the whole line for `edge`, proof included."""
    try:
        model = load()
    except lithify.LithifyError:
        return "refused"
    host = tuple(dict.fromkeys(take_the_line(model, chip="edge").host_nodes))  # type: ignore[arg-type]
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


def rows() -> Mapping[str, Mapping[str, str]]:
    """Front end -> operator -> status, computed now. Takes some minutes."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from tests.frontend.frameworks import keras_cases, tflite_cases, torch_cases

    def from_torch(name: str) -> object:
        module, x = torch_cases.build(name)
        return lithify.load(module, inputs=(x,))

    found: dict[str, dict[str, str]] = {"PyTorch": {}, "Keras": {}, "TFLite": {}}
    for name in torch_cases.CASES:
        found["PyTorch"][name] = status(lambda name=name: from_torch(name))
    for name in keras_cases.CASES:
        found["Keras"][name] = status(lambda name=name: lithify.load(keras_cases.build(name)))
    with tempfile.TemporaryDirectory() as folder:
        for name in tflite_cases.CASES:
            found["TFLite"][name] = status(lambda name=name: lithify.load(tflite_file(name, Path(folder))))
    return found


def tflite_file(name: str, folder: Path) -> Path:
    """The file of a case, int8 where it has that form."""
    from tests.frontend.frameworks import tflite_cases

    whole = tflite_cases.CASES[name].scale != "none"
    path = folder / "case.tflite"
    path.write_bytes((tflite_cases.int8_file if whole else tflite_cases.float_file)(name)[0])
    return path


def main(path: Path) -> None:
    """Writes the tables between the marks."""
    text = path.read_text(encoding="utf-8")
    lines = [BEGIN, ""]
    for front_end, table in rows().items():
        lines += [f"### {front_end}", "", f"| {HEADS[front_end]} | runs on |", "|---|---|"]
        lines += [f"| {name} | {where} |" for name, where in table.items()] + [""]
    before, _, after = text.partition(BEGIN)
    path.write_text(f"{before}{chr(10).join(lines)}{END}{after.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
