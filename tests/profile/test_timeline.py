"""The timeline holds every instruction once, where the simulator put it, and nothing overlaps within a thread."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lithify.profile.timeline import RTL, SIMULATED, chrome_trace, events, write_trace
from lithify.program import Program
from lithify.quantize import seeded
from lithify.runtime import run
from lithify.sim.inference import SegmentRun


def slices(trace: dict[str, Any], process: int) -> list[dict[str, Any]]:
    return [row for row in trace["traceEvents"] if row["ph"] == "X" and row["pid"] == process]


def test_every_instruction_once(program: Program, runs: tuple[SegmentRun, ...]) -> None:
    found = events(program, runs)
    instructions = [entry for segment in runs for entry in segment.instructions]
    assert sorted(event.index for event in found) == [
        index for index, entry in enumerate(instructions) if entry.operation.queue is not None
    ]
    for event in found:
        assert event.operation == instructions[event.index].operation.name
    (segment,) = runs
    assert sorted(event.end for event in found) == sorted(segment.timing.cycle[:-1].tolist())


def test_the_trace_is_one_that_opens(program: Program, runs: tuple[SegmentRun, ...], tmp_path: Path) -> None:
    """As the format asks: numbers for process, thread, time and length; slices of a thread one after the other."""
    path = tmp_path / "trace.json"
    write_trace(path, chrome_trace(program, runs))
    trace = json.loads(path.read_text(encoding="utf-8"))
    threads: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in slices(trace, SIMULATED):
        assert row["dur"] > 0 and row["ts"] >= 0 and row["name"]
        threads[row["tid"]].append((row["ts"], row["ts"] + row["dur"]))
    named = {row["tid"]: row["args"]["name"] for row in trace["traceEvents"] if row["name"] == "thread_name"}
    assert set(named) == set(threads)
    assert {"load", "compute", "store", "array: words fed"} <= set(named.values())
    for rows in threads.values():
        rows.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(rows))
    assert max(end for rows in threads.values() for _, end in rows) <= sum(segment.timing.cycles for segment in runs)


@pytest.mark.slow
def test_the_retirements_of_the_rtl(program: Program, runs: tuple[SegmentRun, ...]) -> None:
    """They stand at the ends of the simulated instructions."""
    from lithify.runtime.chip import RtlDevice

    outcome = run(program, seeded(program.model_inputs, 1, 0)[0], RtlDevice.of(program.chip))
    trace = chrome_trace(program, runs, [entry.result for entry in outcome.segments])
    told = {row["args"]["instruction"]: row["ts"] for row in slices(trace, RTL)}
    assert told == {event.index: event.end for event in events(program, runs)}
