"""docs/operators.md: every operator, and by which tests of ONNX's backend suite it runs where.

`python -m lithify.conformance.page docs/operators.md` writes the page again.
"""

import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lithify.conformance.judge import OUTCOMES, Conformance, Verdict

HEAD = """\
# Operators, by ONNX's own tests

Written by `python -m lithify.conformance.page docs/operators.md` (the same as `lithify conformance`); do not edit.

The backend test suite of onnx {version}, as its wheel carries it ({kinds}),
goes through the whole line for the chip `{chip}`: imported, optimised, quantised, compiled, run on the functional
simulator. A test is

- **chip** if `--strict` takes it: nothing on the host but a final Softmax;
- **host** if some or all of it runs on the host, by name;
- **refused** if it is refused with a sentence;
- **failed** if its result is wrong or something else than a sentence came out.

Weights, shapes, axes and the like, which the suite gives as inputs, are constants, as in networks. Float tests become
int8 with their own inputs as calibration data, and are marked `*`: what the chip gives must equal the reference on
every bit, ONNX Runtime on the same quantised model but for one step, and the float model, on the inputs as int8 holds
them, but for a sixteenth of its range. All others are judged by the suite's own expectations and tolerances.
"""


def page(found: Conformance) -> str:
    """The contents of docs/operators.md."""
    ours = [verdict for verdict in found.verdicts if verdict.ours]
    others = [verdict for verdict in found.verdicts if not verdict.ours]
    parts = [HEAD.format(version=found.onnx_version, kinds=", ".join(found.kinds), chip=found.chip)]
    parts += ["## Counts", "", *_table([("operators that the chip is to run", ours), ("all tests", found.verdicts)])]
    parts += ["", "## Operators that the chip is to run", "", *_table(_by_operator(ours))]
    parts += ["", "## Their tests", "", *_lists(ours)]
    parts += ["", "## All other tests", "", *_table(_by_operator(others)), ""]
    for outcome in OUTCOMES:
        names = [_name(verdict) for verdict in others if verdict.outcome == outcome]
        if names:
            text = textwrap.fill(" ".join(names), 118, break_long_words=False, break_on_hyphens=False)
            parts += [f"{outcome.capitalize()} ({len(names)}):", "", textwrap.indent(text, "    "), ""]
    return "\n".join(parts).rstrip() + "\n"


def _table(rows: Iterable[tuple[str, Sequence[Verdict]]]) -> Iterator[str]:
    yield "| | tests | chip | of them `*` | host | refused | failed |"
    yield "|---|---|---|---|---|---|---|"
    for name, verdicts in rows:
        counts = [sum(verdict.outcome == outcome for verdict in verdicts) for outcome in OUTCOMES]
        quantised = sum(verdict.quantised for verdict in verdicts if verdict.outcome == "chip")
        share = f" ({counts[0] / len(verdicts):.0%})" if len(verdicts) > 30 else ""
        cells = (name, len(verdicts), f"{counts[0]}{share}", quantised, *counts[1:])
        yield f"| {' | '.join(map(str, cells))} |"


def _by_operator(verdicts: Sequence[Verdict]) -> list[tuple[str, list[Verdict]]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.operators[0] if len(verdict.operators) == 1 else "several"].append(verdict)
    return sorted(found.items(), key=lambda entry: (entry[0] == "several", entry[0]))


def _lists(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for operator, own in _by_operator(verdicts):
        yield f"### {operator}"
        yield ""
        for outcome in OUTCOMES:
            reasons: dict[str, list[str]] = defaultdict(list)
            for verdict in own:
                if verdict.outcome == outcome:
                    reasons[verdict.reason].append(_name(verdict))
            for reason, names in reasons.items():
                yield f"- {outcome}: `{' '.join(names)}`{f' {reason}' if reason else ''}"
        yield ""


def _name(verdict: Verdict) -> str:
    """Without what all names begin with."""
    name = verdict.name.removeprefix("test_")
    return f"{name}*" if verdict.quantised else name


if __name__ == "__main__":
    from lithify.conformance import conformance

    Path(sys.argv[1]).write_text(page(conformance()), encoding="utf-8", newline="\n")
