"""The clock at which a chip closes on IHP SG13G2 (130 nm), modelled before any synthesis: its slowest kind of path.

Every figure that comes from here is to be marked "modelled". Typical corner, before layout, `MARGIN` for wires. Fitted
to chips mapped by `lithify synth` and timed by OpenSTA; `python benchmarks/clock.py` draws chips by a seed, times each
and compares.
"""

from dataclasses import dataclass

from lithify.chip.description import Chip
from lithify.chip.memories import VECTOR_MEMORIES, memories

MARGIN = 1.2
"""Times before layout are multiplied by it: a fifth for wires."""

LOGIC_NS = 3.41
"""What every chip has, of nearly equal length: the product of two significands in a lane, the counters of a transfer
behind the queue, the choice of the array's words."""

VECTOR_NS = 4.00
"""The vector unit: an integer becomes a float."""

MACRO_NS = ((256, 3.28), (512, 4.03))
"""From the address of a memory macro of at most so many words to the register of its word; deeper memories are several
macros of 512 words above each other."""

ERROR = 0.05
"""Of the clock: what `benchmarks/clock.py` allows the model to be off from synthesis."""


@dataclass(frozen=True)
class ClockLimit:
    """The fastest clock, and the kind of path that sets it."""

    hz: float
    path: str


def clock_limit(chip: Chip) -> ClockLimit:
    """The fastest clock of a chip, wires allowed for."""
    macros = [memory for memory in memories(chip) if memory.name in ("scratchpad", *VECTOR_MEMORIES)]
    paths = [(LOGIC_NS, "lanes and control")]
    paths += [(macro_ns(memory.words), f"a macro of the {memory.name}") for memory in macros]
    if chip.vector_lanes:
        paths.append((VECTOR_NS, "the vector unit's conversion of integers"))
    slowest, path = max(paths, key=lambda entry: entry[0])
    return ClockLimit(1e9 / (slowest * MARGIN), path)


def macro_ns(words: int) -> float:
    """From the address of a memory of so many words to the register behind it, ns."""
    return next((ns for deepest, ns in MACRO_NS if words <= deepest), MACRO_NS[-1][1])
