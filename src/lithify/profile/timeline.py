"""When each instruction ran: a timeline in Chrome's trace format, which https://ui.perfetto.dev opens.

The format: "Trace Event Format", Google, 2016. A microsecond of the trace is a cycle of the chip.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lithify.folder import write_text
from lithify.isa import Queue
from lithify.isa.addresses import result_count
from lithify.isa.program import Program
from lithify.isa.sequence import instruction_layers
from lithify.runtime.device import DeviceResult
from lithify.sim.inference import SegmentRun, moved_by

SIMULATED, RTL = 1, 2
"""Processes of the trace: the timing simulator's prediction, and what the RTL told."""

_FEED, _RESULTS = 50, 51
"""The threads of the array's input and of what post-processing writes, behind those of the queues."""

SAMPLES, POINTS = 50_000, 2_000
"""About as often the RTL's counters are looked at, and as many points a curve has."""


def sampling(cycles: int) -> int:
    """Cycles between two samples of the RTL's counters in a run of about `cycles`: 1 where that is not too much."""
    return max(1, cycles // SAMPLES)


@dataclass(frozen=True)
class Event:
    """An instruction in time. index: in the program's list; start: the cycle in which it left its queue; end: the cycle
    of its retirement, both from the doorbell of the first segment; layer: "" where it serves none.
    """

    index: int
    queue: Queue
    operation: str
    layer: str
    start: int
    end: int


def events(program: Program, runs: Sequence[SegmentRun]) -> tuple[Event, ...]:
    """Every instruction but END, queue by queue, each in order."""
    layers = instruction_layers(program)
    found, before = [], 0
    for run in runs:
        timing = run.timing
        for queue in Queue:
            own = timing.queue == queue
            rows = zip(run.indices(queue), timing.start[own].tolist(), timing.cycle[own].tolist(), strict=True)
            for index, start, end in rows:
                name = run.instructions[index - run.first].operation.name
                found.append(Event(index, queue, name, layers.get(index, ""), before + start, before + end))
        before += timing.cycles
    return tuple(found)


def chrome_trace(program: Program, runs: Sequence[SegmentRun], rtl: Sequence[DeviceResult] = ()) -> dict[str, Any]:
    """The trace: instructions by queue, when the array is fed, layers and DRAM's bytes, from the timing simulator;
    where the RTL ran, its retirements and, from samples of its counters, DRAM's bytes and when each instruction's
    results were written. Instructions of a queue that overlap lie in lanes below each other.
    """
    rows: list[dict[str, Any]] = []
    seen = events(program, runs)
    for queue in Queue:
        rows += _lanes([event for event in seen if event.queue is queue], queue)
    rows += _feeding(program, runs)
    if rtl:
        rows += _retirements(runs, rtl)
        rows += _written(program, runs, rtl)
    used = {(row["pid"], row["tid"]) for row in rows}
    rows += _moved(program, runs, rtl)
    names = {SIMULATED: f"{program.name} on {program.chip.name}: timing simulator", RTL: "RTL"}
    head: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": names[pid]}}
        for pid in sorted({pid for pid, _ in used})
    ]
    for pid, tid in sorted(used):
        head.append({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": _thread(tid)}})
        head.append({"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}})
    return {
        "traceEvents": head + rows,
        "displayTimeUnit": "ns",
        "otherData": {"program": program.name, "chip": program.chip.name, "unit": "a microsecond here is a cycle"},
    }


def write_trace(path: Path, trace: Mapping[str, Any]) -> None:
    """Writes the trace as JSON."""
    write_text(path, json.dumps(trace, separators=(",", ":"), ensure_ascii=False) + "\n")


_LANE = 100
"""Threads of a queue's lanes lie this far apart: lane 0 of a queue has the queue's number."""


_UNITS = {_FEED: "array: words fed", _RESULTS: "post-processing: results written"}


def _thread(tid: int) -> str:
    if tid in _UNITS:
        return _UNITS[tid]
    lane, queue = divmod(tid, _LANE)
    return Queue(queue).name.lower() + (f" ({lane + 1})" if lane else "")


def _lanes(rows: Sequence[Event], queue: Queue) -> Iterator[dict[str, Any]]:
    free: list[int] = []
    for event in rows:
        lane = next((at for at, end in enumerate(free) if end <= event.start), len(free))
        free[lane:lane + 1] = [event.end + 1]  # fmt: skip
        yield {
            "ph": "X", "pid": SIMULATED, "tid": lane * _LANE + queue, "ts": event.start,
            "dur": event.end + 1 - event.start, "name": event.operation, "cat": queue.name.lower(),
            "args": {"instruction": event.index, "layer": event.layer},
        }  # fmt: skip


def _feeding(program: Program, runs: Sequence[SegmentRun]) -> Iterator[dict[str, Any]]:
    layers = instruction_layers(program)
    before = 0
    for run in runs:
        for index, issue in zip(run.indices(Queue.COMPUTE), run.issues, strict=True):
            first, last = issue.feed
            waits = {"weight set": issue.waits.weights, "accumulators": issue.waits.accumulators}
            yield {
                "ph": "X", "pid": SIMULATED, "tid": _FEED, "ts": before + first, "dur": last + 1 - first,
                "name": layers.get(index, "") or f"instruction {index}", "cat": "array",
                "args": {"instruction": index, "cycles waited": waits},
            }  # fmt: skip
        before += run.timing.cycles


def _retirements(runs: Sequence[SegmentRun], results: Sequence[DeviceResult]) -> Iterator[dict[str, Any]]:
    before = 0
    for run, result in zip(runs, results, strict=True):
        assert result.queue is not None and result.cycle is not None and result.cycles is not None
        for queue in Queue:
            cycles = result.cycle[result.queue == queue].tolist()
            for index, cycle in zip(run.indices(queue), cycles, strict=True):
                name = run.instructions[index - run.first].operation.name
                yield {
                    "ph": "X", "pid": RTL, "tid": int(queue), "ts": before + cycle, "dur": 1, "name": f"{name} retires",
                    "cat": queue.name.lower(), "args": {"instruction": index},
                }  # fmt: skip
        before += result.cycles


def _written(program: Program, runs: Sequence[SegmentRun], results: Sequence[DeviceResult]) -> Iterator[dict[str, Any]]:
    """From the first to the last result of each instruction that the RTL wrote, as exactly as it was sampled."""
    layers = instruction_layers(program)
    before = 0
    for run, result in zip(runs, results, strict=True):
        assert result.cycles is not None
        if result.samples is not None:
            cycle, words = result.samples[:, 0], result.samples[:, 3]
            done = 0
            for index in run.indices(Queue.COMPUTE):
                count = result_count(run.instructions[index - run.first])
                if count:
                    first, last = cycle[np.searchsorted(words, [done + 1, done + count])].tolist()
                    done += count
                    yield {
                        "ph": "X", "pid": RTL, "tid": _RESULTS, "ts": before + first, "dur": last + 1 - first,
                        "name": layers.get(index, "") or f"instruction {index}", "cat": "post",
                        "args": {"instruction": index, "words": count},
                    }  # fmt: skip
        before += result.cycles


def _moved(program: Program, runs: Sequence[SegmentRun], results: Sequence[DeviceResult]) -> Iterator[dict[str, Any]]:
    """DRAM bytes a cycle over time: as the timing simulator says and, where it was sampled, as the RTL counted."""
    before = 0
    for place, run in enumerate(runs):
        edges = np.linspace(0, run.timing.cycles, min(POINTS, run.timing.cycles) + 1).astype(np.int64)
        curves = {SIMULATED: np.interp(edges, *moved_by(run.timing.bursts)) * program.chip.bus_bytes}
        samples = results[place].samples if results else None
        if samples is not None:
            cycles, counted = np.concatenate([[0], samples[:, 0] + 1]), samples[:, 1] + samples[:, 2]
            curves[RTL] = np.interp(edges, cycles, np.concatenate([[0], counted]))
        for process, curve in curves.items():
            rates = np.diff(curve) / np.diff(edges)
            for cycle, rate in zip(edges.tolist(), [*rates.tolist(), 0.0], strict=True):
                yield {
                    "ph": "C", "pid": process, "tid": 0, "ts": before + cycle, "name": "DRAM bytes a cycle",
                    "args": {"bytes": round(rate, 3)},
                }  # fmt: skip
        before += run.timing.cycles
