"""ONNX's own backend test suite on the chip: which operators run there, and which tests show it.

    found = lithify.conformance("test_conv", chip="tiny")

`page.py` writes docs/operators.md from it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lithify.chip import Chip
    from lithify.conformance.judge import Conformance
    from lithify.progress import Progress


def conformance(
    chosen: str = "", chip: "str | Path | Chip" = "edge", *, progress: "Progress | None" = None
) -> "Conformance":
    """Takes the tests of the `onnx` wheel whose names contain `chosen` through the whole line, and judges each.

    All of them take about a minute and a half of one processor.
    """
    from lithify.chip import load_chip
    from lithify.conformance.cases import cases
    from lithify.conformance.judge import judge_all

    return judge_all(cases(chosen=chosen), load_chip(chip), progress)
