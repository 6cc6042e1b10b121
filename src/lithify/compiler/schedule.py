"""Schedule: the order of instructions in the program, loads moved ahead as far as their banks and data allow.

Every dependence is kept by program order (`tokens.py` turns it into tokens), so moving a load ahead is safe where no
step between uses its banks and no store between writes what it reads.
"""

from dataclasses import dataclass, replace
from typing import Literal

from lithify.chip import Chip
from lithify.isa import Instruction, Queue

Span = tuple[int, int, int]
"""A stretch of DRAM: base, first byte, end."""


@dataclass(frozen=True)
class Action:
    """An instruction and what it touches.

    banks: bit mask of scratchpad banks. reads, writes: stretches of DRAM. step: index of the step it belongs to.
    places: stretches of the scratchpad, (address, words). exact: of a load, that it may go before what uses its banks
    and not its words, though that then waits for it: so rows are loaded while the rows before the last are used.
    """

    queue: Queue
    instruction: Instruction
    banks: int
    reads: tuple[Span, ...]
    writes: tuple[Span, ...]
    step: int
    places: tuple[tuple[int, int], ...] = ()
    exact: bool = False

    def with_masks(self, wait: int, signal: int) -> "Action":
        """The same with its token masks."""
        values = {**self.instruction.values, "wait": wait, "signal": signal}
        return replace(self, instruction=Instruction(self.instruction.operation, values))


@dataclass(frozen=True)
class StepActions:
    """The instructions of one step."""

    loads: tuple[Action, ...]
    compute: Action
    stores: tuple[Action, ...]


Kind = Literal["load", "compute", "store"]


def order(steps: tuple[StepActions, ...], chip: Chip) -> tuple[Action, ...]:
    """All actions in program order."""
    ordered: list[Action] = []
    loads = [(index, load) for index, step in enumerate(steps) for load in step.loads]
    # More loads than the queue holds would stop the decoder, and with it the compute instructions behind them.
    ahead = chip.queue_depth - 1
    position = 0
    for index, step in enumerate(steps):
        while position < len(loads) and loads[position][0] <= index:
            ordered.append(loads[position][1])
            position += 1
        # Loads are taken in the order in which they are needed, so the first that may not move stops all behind it.
        limit = position + ahead
        early = position
        while early < min(limit, len(loads)) and _may_move(loads[early][1], steps[index : loads[early][0]]):
            ordered.append(loads[early][1])
            early += 1
        position = early
        ordered.append(step.compute)
        ordered += step.stores
    return tuple(ordered)


def _may_move(load: Action, between: tuple[StepActions, ...]) -> bool:
    """Whether a load may go before all steps of `between`."""
    for step in between:
        if _meet(load, step.compute):
            return False
        for store in step.stores:
            if _meet(load, store) or any(overlap(a, b) for a in load.reads for b in store.writes):
                return False
    return True


def _meet(load: Action, other: Action) -> bool:
    """Whether a load and another action use the same words, or banks where the load is not exact."""
    if not load.banks & other.banks or not load.exact:
        return bool(load.banks & other.banks)
    return any(
        first < begin + words and begin < first + count for first, count in load.places for begin, words in other.places
    )


def overlap(a: Span, b: Span) -> bool:
    """Whether two stretches of DRAM share a byte."""
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]
