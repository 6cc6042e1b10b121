"""Measures networks on clusters and writes the tables of docs/clusters.md.

    python benchmarks/multichip.py              measures everything (minutes), then writes
    python benchmarks/multichip.py --write      measures nothing: writes the tables from benchmarks/multichip.json

Every number is of `lithify bench multichip --json`; benchmarks/multichip.json keeps them.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "multichip.json"
PAGE = ROOT / "docs" / "clusters.md"
BEGIN, END = "<!-- multichip: begin -->\n", "<!-- multichip: end -->\n"

Row = dict[str, Any]


def written(page: str, rows: list[Row]) -> str:
    """The page with its tables made of the rows."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    lines = [*table(rows), "", *failures(rows), "", *shares(rows), "", *sums(rows), "", *reasons(rows)]
    return head + BEGIN + "\n".join(lines) + "\n" + END + tail


def table(rows: list[Row]) -> list[str]:
    """One line for each row."""
    lines = [
        "| network | chips | parallel | one chip | an answer every | throughput | latency | as fast | what limits |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {', '.join(row['networks'])} | {row['chips']} x {row['chip']} | {row['parallelism']} | "
            f"{row['cycles_of_one']:,} | {row['period_cycles']:,.0f} | {row['speed_up']:.2f} x | "
            f"{row['latency_cycles']:,} | {row['latency_speed_up']:.2f} x | "
            f"{row['limit']}, {max(row['busy'].values()):.1%} busy |"
        )
    return lines


def failures(rows: list[Row]) -> list[str]:
    """What a failed chip costs."""
    lines = [
        "| network | chips | parallel | answered before | begun anew | lost | pause | then an answer every | rate |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        broken = row["failed"]
        if broken is not None:
            lines.append(
                f"| {', '.join(row['networks'])} | {row['chips']}, then {broken['chips_left']} | "
                f"{row['parallelism']} | "
                f"{broken['answered_before']} of {broken['requests']} | {broken['begun_anew']} | {broken['lost']} | "
                f"{broken['pause_cycles']:,} | {broken['degraded_period_cycles']:,.0f} | "
                f"{broken['degraded_rate']:.2f} x |"
            )
    return lines


def shares(rows: list[Row]) -> list[str]:
    """Where the cycles of a request go that all chips work on."""
    lines = [
        "Where the cycles of a request go, tensor parallel:",
        "",
        "| network | chips | of one chip, shared evenly | a chip's parts | exchanges | the host's link |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["parallelism"] == "tensor":
            own, exchanged = max(row["stage_cycles"]), row["exchange_cycles"]
            lines.append(
                f"| {', '.join(row['networks'])} | {row['chips']} x {row['chip']} | "
                f"{row['cycles_of_one'] / row['chips']:,.0f} | {own:,} | {exchanged:,} | "
                f"{row['latency_cycles'] - own - exchanged:,} |"
            )
    return lines


def sums(rows: list[Row]) -> list[str]:
    """What cutting costs a pipeline: stages together, and the longest of them."""
    lines = ["Stages, and what they take beyond an even share of the whole network:", ""]
    for row in rows:
        if row["parallelism"] == "pipeline":
            stages, one = row["stage_cycles"], row["cycles_of_one"]
            lines.append(
                f"- {', '.join(row['networks'])} in {len(stages)}: all together {sum(stages) / one - 1:.1%}, "
                f"the longest {max(stages) * len(stages) / one - 1:.1%}."
            )
    return lines


def reasons(rows: list[Row]) -> list[str]:
    """What was found where the choice was left to the cluster."""
    lines = ["What `--parallel auto` said:", ""]
    for row in rows:
        if row["asked"] == "auto" and len(row["networks"]) == 1:
            lines.append(f"- {row['networks'][0]} on {row['chips']}, for {row['goal']}: " + " ".join(row["reasons"]))
    return lines


def main() -> None:
    """Measures, unless told not to, and writes."""
    if "--write" not in sys.argv[1:]:
        from lithify.multichip import multichip

        rows = [row.to_json() for row in multichip(found=lambda row: print(row.plan.to_json(), flush=True))]
        RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
