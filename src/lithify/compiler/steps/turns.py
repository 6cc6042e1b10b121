"""Turns: steps of operations that go on side by side, in the order in which they will start."""

from collections.abc import Sequence
from itertools import accumulate, groupby

from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Step


def take_turns(operations: Sequence[Operation], steps: Sequence[Step], cycles: Sequence[int]) -> tuple[Step, ...]:
    """The steps of operations beside each other in the order in which they will start, about; others keep their place.

    An operation's own steps, and those of one unit, keep their order, and none comes before what it reads is made.
    """
    ordered: list[Step] = []
    for beside, run in groupby(range(len(steps)), lambda index: operations[steps[index].operation].beside is not None):
        places = list(run)
        if beside:
            starts: dict[int, float] = {}
            for number, group in groupby(places, lambda index: steps[index].operation):
                own = list(group)
                first, end = operations[number].beside or (0, 0)
                scale = (end - first) / max(1, sum(cycles[index] for index in own))
                for before, index in zip(accumulate((cycles[index] for index in own), initial=0), own, strict=False):
                    starts[index] = first + before * scale
            places.sort(key=starts.__getitem__)
        ordered += [steps[index] for index in places]
    return tuple(ordered)
