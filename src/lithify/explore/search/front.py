"""Which points are worth having: the Pareto front, the one that budgets choose, what binds where none meets them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from lithify.explore.search.budget import Budget
from lithify.explore.search.point import NUMBERS, Point

NAMES = {"mm2": "mm2", "latency": "latency", "fps": "latency", "energy": "joules", "mw": "joules"}
"""Quantity of a budget -> the axis of the front that it limits."""


@dataclass(frozen=True)
class Judge:
    """What points are held against. accuracies: of the networks in int8, the same on every chip."""

    budgets: tuple[Budget, ...]
    accuracies: Mapping[str, float]

    @property
    def rates(self) -> dict[str, float]:
        """Inferences a second that are asked for, by network; for those that power is counted at."""
        found: dict[str, float] = {}
        for budget in self.budgets:
            if budget.quantity.name == "fps":
                for name in self._networks(budget):
                    found[name] = max(found.get(name, 0.0), budget.limit)
        return found

    def _networks(self, budget: Budget) -> list[str]:
        return [name for name in self.accuracies if budget.network in (None, name)]

    def milliwatts(self, point: Point, network: str | None = None) -> float:
        """Energy times inferences a second, those asked for, or as many as the chip makes where nothing is asked or it
        makes fewer; of the network that draws most.
        """
        rates, runs = self.rates, [run for run in point.runs if network in (None, run.network)]
        return max(1000 * run.joules * min(rates.get(run.network, 1 / run.latency), 1 / run.latency) for run in runs)

    def value(self, budget: Budget, point: Point) -> float:
        """What a point has of a budget's quantity: of several networks that which is worst."""
        runs = [run for run in point.runs if budget.network in (None, run.network)]
        match budget.quantity.name:
            case "mm2":
                return point.mm2
            case "mw":
                return self.milliwatts(point, budget.network)
            case "fps":
                return min(1 / run.latency for run in runs)
            case "latency":
                return max(run.latency for run in runs)
            case "energy":
                return max(run.joules for run in runs)
            case _:
                return min(self.accuracies[name] for name in self._networks(budget))

    def excess(self, point: Point) -> dict[Budget, float]:
        """By which part each budget is missed; of a point that was not compiled only the area is known."""
        known = [budget for budget in self.budgets if point.runs or budget.quantity.name == "mm2"]
        return {budget: budget.excess(self.value(budget, point)) for budget in known}

    def meets(self, point: Point) -> bool:
        """Whether a point is real and within all budgets."""
        return point.compiled and all(excess <= 0 for excess in self.excess(point).values())


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether numbers are at most those of another in all, and less in one."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other beats in area, latency and energy at once, smallest first; of equal ones the first."""
    found: list[Point] = []
    for point in sorted((point for point in points if point.compiled), key=lambda p: (*p.numbers, p.number)):
        if not any(dominates(other.numbers, point.numbers) or other.numbers == point.numbers for other in found):
            found.append(point)
    return found


def chosen(points: Iterable[Point], judge: Judge) -> Point | None:
    """Of the points within all budgets the one with the least product of those figures that no budget limits: with a
    frame rate alone, of area and energy. Where all are limited, the smallest chip. None where none meets them.
    """
    meeting = [point for point in points if judge.meets(point)]
    limited = {NAMES[budget.quantity.name] for budget in judge.budgets if budget.quantity.name in NAMES}
    free = [name for name in NUMBERS if name not in limited] or ["mm2"]
    return min(meeting, key=lambda point: (prod(getattr(point, name) for name in free), point.number), default=None)


@dataclass(frozen=True)
class Binding:
    """A budget that stands in the way. reached: by the closest point. alone: the point that comes closest to it among
    those that meet all others, and what that reaches; None where even the others cannot be met. most: the point that
    comes closest to it whatever the others say, and what that reaches.
    """

    budget: Budget
    reached: float
    alone: Point | None
    alone_reached: float | None
    most: Point
    most_reached: float

    @property
    def text(self) -> str:
        """One sentence."""
        said = self.budget.quantity_text
        text = f"{self.budget.text} is missed: the closest point has {said(self.reached)}"
        if self.alone is not None and self.alone_reached is not None:
            best = said(self.alone_reached)
            text += f"; with all other budgets kept, {best} is the best found (point {self.alone.number})"
        else:
            best = said(self.most_reached)
            text += f", and whatever the other budgets {best} is the best found (point {self.most.number})"
        return f"{text}."

    def to_json(self) -> dict[str, Any]:
        """The budget and what was reached as JSON values."""
        return {
            **self.budget.to_json(),
            "reached": self.reached,
            "alone_point": None if self.alone is None else self.alone.number,
            "alone_reached": self.alone_reached,
            "most_point": self.most.number,
            "most_reached": self.most_reached,
        }


def closest(points: Iterable[Point], judge: Judge) -> tuple[Point | None, tuple[Binding, ...]]:
    """The point that misses its worst budget least, and the budgets that it misses, the worst first."""
    real = [point for point in points if point.compiled]
    if not real:
        return None, ()

    def distance(point: Point) -> tuple[float, float, int]:
        missed = [max(0.0, excess) for excess in judge.excess(point).values()]
        return max(missed, default=0.0), sum(missed), point.number

    best = min(real, key=distance)
    excess = judge.excess(best)
    found = []
    for budget in sorted((b for b in judge.budgets if excess[b] > 0), key=lambda b: -excess[b]):
        others = Judge(tuple(b for b in judge.budgets if b is not budget), judge.accuracies)
        nearest = sorted(real, key=lambda point, b=budget: (b.excess(judge.value(b, point)), point.number))  # type: ignore[misc]
        alone = next((point for point in nearest if others.meets(point)), None)
        reached = None if alone is None else judge.value(budget, alone)
        most = nearest[0], judge.value(budget, nearest[0])
        found.append(Binding(budget, judge.value(budget, best), alone, reached, *most))
    return best, tuple(found)


def volume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """The space between points and a worse reference that they dominate: the measure of a front. Three axes.

    Slices along the first axis, of each the area that the points so far cover (While et al., IEEE TEC 2012).
    """
    inside = sorted({tuple(p) for p in points if all(a < b for a, b in zip(p, reference, strict=True))})
    total = 0.0
    for index, (first, _, _) in enumerate(inside):
        following = inside[index + 1][0] if index + 1 < len(inside) else reference[0]
        covered, low = 0.0, reference[2]
        for _, y, z in sorted(inside[: index + 1], key=lambda p: p[1]):
            if z < low:
                covered += (reference[1] - y) * (low - z)
                low = z
        total += (following - first) * covered
    return total
