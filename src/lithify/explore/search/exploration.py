"""What a search found: all points, the front, and the point that meets the budgets."""

from dataclasses import dataclass, field
from typing import Any, Literal

from lithify.chip.clock import clock_limit
from lithify.explore.search.front import Binding, Judge, chosen, closest, front
from lithify.explore.search.point import Point
from lithify.explore.search.space import Space
from lithify.explore.search.workload import Source

Sampler = Literal["tpe", "nsga2"]
"""How points are proposed."""


@dataclass(frozen=True)
class Exploration:
    """What a search found. points: all, in order. budgets: what was asked for. chosen: the point that meets them best;
    None where none does: then `closest`, and what binds. notes: what was assumed.
    """

    networks: tuple[str, ...]
    space: Space
    judge: Judge
    points: tuple[Point, ...]
    seed: int
    sampler: Sampler
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = field(default=(), repr=False)

    @property
    def front(self) -> list[Point]:
        """The points that no other beats, smallest first."""
        return front(self.points)

    @property
    def chosen(self) -> Point | None:
        """See `front.chosen`."""
        return chosen(self.points, self.judge)

    @property
    def closest(self) -> tuple[Point | None, tuple[Binding, ...]]:
        """See `front.closest`."""
        return closest(self.points, self.judge)

    @property
    def best(self) -> Point | None:
        """The chosen point, or where there is none the closest."""
        return self.chosen or self.closest[0]

    def sentences(self) -> list[str]:
        """The answer in words: what was assumed, which point is best, and what stands in the way of the budgets."""
        said = list(self.notes)
        best, binding = self.closest
        if self.best is not None and self.space.clock_hz > (limit := clock_limit(self.best.chip)).hz:
            said.append(
                f"The clock of {self.space.clock_hz / 1e6:g} MHz is more than the {limit.hz / 1e6:.0f} MHz at which "
                f"point {self.best.number} closes on IHP SG13G2 (modelled; slowest: {limit.path})."
            )
        if self.chosen is not None:
            return [*said, f"Point {self.chosen.number} is within all budgets." if self.judge.budgets else
                    f"Point {self.chosen.number} has the least product of area, latency and energy."]  # fmt: skip
        if best is None:
            last = next((point.error for point in reversed(self.points) if point.error), "")
            return [*said, f"No chip of the space takes the networks, so there is no closest one: {last}"]
        said.append(f"No chip that was tried is within all budgets; point {best.number} comes closest.")
        return [*said, *(entry.text for entry in binding)]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        from lithify.profile.energy import SOURCE

        best, binding = self.closest
        picked = self.chosen
        return {
            "networks": list(self.networks),
            "seed": self.seed,
            "sampler": self.sampler,
            "space": {parameter.name: list(parameter.values) for parameter in self.space.parameters},
            "clock_hz": self.space.clock_hz,
            "dram_bytes_per_s": self.space.dram_bytes_per_s,
            "budgets": [entry.to_json() for entry in self.judge.budgets],
            "accuracy": dict(self.judge.accuracies),
            "met": picked is not None,
            "chosen": None if picked is None else picked.to_json(),
            "closest": None if picked is not None or best is None else best.to_json(),
            "binding": [] if picked is not None else [entry.to_json() for entry in binding],
            "front": [point.to_json() for point in self.front],
            "points": [point.short_json() for point in self.points],
            "counts": self.counts(),
            "notes": list(self.notes),
            "obtained": {
                "cycles": "timing simulator, which is exactly the RTL's count",
                "latency_s": "cycles over the clock; operators on the host measured on this machine and added",
                "mm2": "modelled: gates fitted to synthesis on IHP SG13G2, memory macros by a formula",
                "energy_j": SOURCE,
                "mw": "energy an inference times inferences a second: those asked for, or as many as it makes",
            },
        }

    def counts(self) -> dict[str, int]:
        """Points by what became of them."""
        return {
            "points": len(self.points),
            "compiled": sum(point.compiled for point in self.points),
            "settled_by_bounds": sum(bool(point.bound) for point in self.points),
            "do_not_fit": sum(bool(point.error) for point in self.points),
        }
