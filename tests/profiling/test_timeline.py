"""The timeline holds every instruction once, where the simulator put it, and nothing overlaps within a thread."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lithify.profile.timeline import RTL, SIMULATED, chrome_trace, events, sampling, write_trace
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


def test_dram_moves_as_many_bytes_as_the_simulator_says(program: Program, runs: tuple[SegmentRun, ...]) -> None:
    trace = chrome_trace(program, runs)
    rows = [row for row in trace["traceEvents"] if row["ph"] == "C"]
    assert {row["pid"] for row in rows} == {SIMULATED}
    moved = sum(one["args"]["bytes"] * (other["ts"] - one["ts"]) for one, other in pairwise(rows))
    beats = sum(segment.timing.read_beats + segment.timing.write_beats for segment in runs)
    assert moved == pytest.approx(beats * program.chip.bus_bytes, rel=1e-3)
    assert max(row["args"]["bytes"] for row in rows) <= program.chip.bus_bytes


@pytest.mark.slow
def test_what_the_rtl_tells(program: Program, runs: tuple[SegmentRun, ...]) -> None:
    """Looked at in every cycle: retirements stand at the ends of the simulated instructions, each instruction's last
    result in the cycle before its retirement, and every burst's last beat in the cycle that the simulator says.
    """
    from lithify.runtime.chip import RtlDevice

    device = replace(RtlDevice.of(program.chip), sample_every=1)
    outcome = run(program, seeded(program.model_inputs, 1, 0)[0], device)
    trace = chrome_trace(program, runs, [entry.result for entry in outcome.segments])
    told = {row["args"]["instruction"]: row["ts"] for row in slices(trace, RTL) if "retires" in row["name"]}
    ends = {event.index: event.end for event in events(program, runs)}
    assert told == ends
    written = [row for row in slices(trace, RTL) if row["cat"] == "post"]
    for row in written:
        assert row["ts"] + row["dur"] == ends[row["args"]["instruction"]]
    assert len(written) == len({result.instruction for result in program.results})
    (segment,), (result,) = runs, [entry.result for entry in outcome.segments]
    assert result.samples is not None
    cycle, moved = result.samples[:, 0], result.samples[:, 1] + result.samples[:, 2]
    _, last, beats = segment.timing.bursts.T
    through = beats.cumsum() * program.chip.bus_bytes
    assert np.array_equal(moved[np.searchsorted(cycle, last)], through)
    assert np.array_equal(moved[np.searchsorted(cycle, last) - 1], through - program.chip.bus_bytes)


def test_sampling_is_as_fine_as_it_can_be() -> None:
    assert [sampling(cycles) for cycles in (0, 11_243, 99_999, 18_000_000)] == [1, 1, 1, 360]
