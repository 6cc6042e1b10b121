"""Task parallelism: different networks side by side, chips shared out by the cycles that each of them takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from lithify import flow
from lithify.cluster.description import Cluster
from lithify.cluster.parallel import Plan
from lithify.cluster.port import room
from lithify.cluster.schedule import Phase, Schedule
from lithify.errors import LithifyError
from lithify.runtime import run

Shares = tuple[tuple[int, Fraction], ...]
"""Chips, and what share of a network's requests each takes."""


@dataclass(frozen=True)
class TaskPlan(Plan):
    """Several networks, of each as many requests. programs, cycles: one for each network; placed: of each network the
    chips that run it, and the share of its requests that each takes. single: cycles of one chip that runs each of them
    once. The latency is that of the first.
    """

    placed: tuple[Shares, ...]

    @property
    def network(self) -> str:
        return ", ".join(program.name for program in self.programs)

    @property
    def constant_bytes(self) -> int:
        return sum(
            (len(program.constants) + len(program.instructions)) * len(chips)
            for program, chips in zip(self.programs, self.placed, strict=True)
        )

    def run(self, inputs: Mapping[str, NDArray[Any]], network: int = 0) -> list[NDArray[Any]]:
        """The outputs of one of the networks, by the functional simulator."""
        return list(run(self.programs[network], inputs).outputs)

    @property
    def window(self) -> int:
        return super().window * len(self.programs)

    def rated(self, timing: Schedule) -> Fraction:
        """Of the whole run: answers of several networks do not come evenly."""
        return Fraction(timing.cycles, len(timing.finished))

    def requests(self, count: int) -> list[list[Phase]]:
        """In turn of each network: a round of requests is one of each."""
        networks = len(self.programs)
        rounds = max(1, count // networks)
        turns = [_turns(shares, rounds) for shares in self.placed]
        return [self._on(turns[network][turn], network) for turn in range(rounds) for network in range(networks)]

    @property
    def _requests_of_one(self) -> list[list[Phase]]:
        return [self._on(0, network) for network in range(len(self.programs))]

    def to_json(self) -> dict[str, Any]:
        """As of any plan; an answer is one of any network."""
        names = [program.name for program in self.programs]
        return {
            **super().to_json(),
            "networks": names,
            "placed": [{str(chip): round(float(share), 4) for chip, share in shares} for shares in self.placed],
        }


def task_parallel(models: Sequence[ir.Model], cluster: Cluster) -> TaskPlan:
    """Networks side by side, shared out so that every chip has as many cycles of work, if of each as many requests
    come.

    models: quantised. Raises LithifyError for none, and as `lithify.compile`.
    """
    if not models:
        raise LithifyError("Task parallelism takes one network or more, and none was given; name some.")
    programs = tuple(flow.compile(model, cluster.described) for model in models)
    runs = [program.simulate() for program in programs]
    cycles, rooms = tuple(run.cycles for run in runs), tuple(map(room, runs))
    placed = balanced(cycles, cluster.chips)
    return TaskPlan(cluster, "task", programs, cycles, rooms, (), sum(cycles), sum(rooms), cluster.chips, (), placed)


def balanced(cycles: Sequence[int], chips: int) -> tuple[Shares, ...]:
    """Of each network the chips that run it, with the share of its requests that each takes: chip after chip is filled
    with as much as every chip has to do (McNaughton's rule), so that all end together and few networks are on several.
    """
    full = Fraction(sum(cycles), chips)
    chip, used = 0, Fraction(0)
    found = []
    for own in cycles:
        shares, left = [], Fraction(own)
        while left:
            part = min(left, full - used)
            shares.append((chip, part / own))
            left, used = left - part, used + part
            if used == full:
                chip, used = chip + 1, Fraction(0)
        found.append(tuple(shares))
    return tuple(found)


def _turns(shares: Shares, count: int) -> list[int]:
    """The chips that so many requests go to: each time the one that is furthest behind its share."""
    given = dict.fromkeys((chip for chip, _ in shares), 0)
    found = []
    for turn in range(count):
        chip = max(shares, key=lambda entry: entry[1] * (turn + 1) - given[entry[0]])[0]
        given[chip] += 1
        found.append(chip)
    return found
