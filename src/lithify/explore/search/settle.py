"""Which chips need not be compiled for: those whose least possible figures rule them out, before anything is compiled
or half-way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Step
from lithify.explore.search.budget import Budget
from lithify.explore.search.front import Judge, dominates, front
from lithify.explore.search.least import Least, of_operations, of_steps
from lithify.explore.search.point import Point

AtLeast = Mapping[str, tuple[float, float]]
"""Of each network: seconds and joules of an inference, at least."""


class Settled(Exception):
    """A chip need not be compiled for. why: for a person; least: what it takes at least."""

    def __init__(self, why: str, least: AtLeast) -> None:
        super().__init__(why)
        self.why, self.least = why, least


@dataclass(frozen=True)
class Rivals:
    """judge: the budgets. met: whether some point is within all of them. points: numbers of points of which none beats
    another, with their area, latency and energy.
    """

    judge: Judge
    met: bool
    points: tuple[tuple[int, tuple[float, float, float]], ...]

    @classmethod
    def among(cls, judge: Judge, points: Iterable[Point]) -> "Rivals":
        """Those that are there so far.

        What is beaten in area, latency and energy misses every budget that its rival misses, and by more: but power,
        of which a slow chip draws less, where no rate is asked for. Then only points within all budgets are rivals.
        """
        known = list(points)
        meeting = [point for point in known if judge.meets(point)]
        asked = {budget.network for budget in judge.budgets if budget.quantity.name == "mw"}
        slower = any(name not in judge.rates for name in judge.accuracies if asked & {None, name})
        best = front(meeting if slower else known)
        return cls(judge, bool(meeting), tuple((point.number, point.numbers) for point in best))

    def why(self, mm2: float, least: AtLeast) -> str:
        """Why a chip need not be compiled for; nothing where it must be. Even if it did as well as any schedule can, a
        rival is at least as good in everything, or it misses a budget: what does may still be the closest as long as no
        point is within all of them.
        """
        for limit in self.judge.budgets if self.met else ():
            reached = self._best(limit, mm2, least)
            if reached is not None and limit.excess(reached) > 0:
                said = "" if limit.quantity.name == "mm2" else "at most " if limit.quantity.least else "at least "
                return f"{limit.text}, and it has {said}{limit.quantity_text(reached)}"
        numbers = mm2, sum(seconds for seconds, _ in least.values()), sum(joules for _, joules in least.values())
        for number, others in self.points:
            if dominates(others, numbers):
                return f"point {number} is better whatever the schedule"
        return ""

    def _best(self, limit: Budget, mm2: float, least: AtLeast) -> float | None:
        """The best value that a chip can have of a budget's quantity; None where nothing is known of it."""
        own = [(name, *figures) for name, figures in least.items() if limit.network in (None, name)]
        seconds, joules = max(entry[1] for entry in own), max(entry[2] for entry in own)
        match limit.quantity.name:
            case "mm2":
                return mm2
            case "latency":
                return seconds
            case "fps":
                return 1 / seconds if seconds else None
            case "energy":
                return joules
            case "mw":
                # At a rate that is asked for; a chip that does not reach it misses that.
                rates = self.judge.rates
                drawn = [1000 * figure * rates[name] for name, _, figure in own if name in rates]
                return max(drawn, default=None)
            case _:
                return None


class Watcher:
    """Listens to the compilation of a network, and ends it by Settled.

    network: its name. figures: what all networks take at least, as far as is known; those of this one grow.
    """

    def __init__(self, rivals: Rivals, chip: Chip, mm2: float, network: str, figures: AtLeast) -> None:
        self.rivals, self.chip, self.mm2, self.network = rivals, chip, mm2, network
        self.figures = dict(figures)
        self.whole, self.planned_segments = Least(), Least()

    def assigned(self, operations: Sequence[Operation]) -> None:
        """Of all segments."""
        self.whole = of_operations(operations, self.chip)
        self._judge(self.whole)

    def planned(self, operations: Sequence[Operation], steps: Sequence[Step], placed: bool) -> None:
        """Of a segment, first without and then with the loads of its weights."""
        found = self.planned_segments + of_steps(operations, steps, self.chip)
        if placed:
            self.planned_segments = found
        self._judge(self.whole | found)

    def _judge(self, least: Least) -> None:
        seconds, joules = self.figures[self.network]
        self.figures[self.network] = max(seconds, least.seconds(self.chip)), max(joules, least.joules(self.chip))
        if why := self.rivals.why(self.mm2, self.figures):
            raise Settled(why, self.figures)
