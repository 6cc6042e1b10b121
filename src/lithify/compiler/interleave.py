"""Interleave: steps of the array between those of a vector operation in flight, in the order in which they would start.

Program order is what tokens keep and what the queues of transfers follow, so a step of the array that is free to start
must stand before the vector steps that start later. It may, where the two touch no bank and no byte of DRAM in common.
"""

from collections.abc import Sequence

from lithify.compiler.schedule import StepActions, overlap
from lithify.isa import Queue


def interleave(steps: Sequence[StepActions], cycles: Sequence[int]) -> list[int]:
    """The numbers of the steps in a new order; those of one queue keep theirs."""
    order: list[int] = []
    waiting: list[int] = []
    now = {Queue.COMPUTE: 0, Queue.VECTOR: 0}
    ends: dict[int, dict[Queue, int]] = {}

    def take(index: int) -> None:
        queue = steps[index].compute.queue
        start = now[queue]
        touched = _banks(steps[index])
        bank, rest = 0, touched
        while rest:
            if rest & 1 and bank in ends:
                start = max(start, *(end for other, end in ends[bank].items() if other is not queue), 0)
            bank, rest = bank + 1, rest >> 1
        now[queue] = start + cycles[index]
        bank, rest = 0, touched
        while rest:
            if rest & 1:
                ends.setdefault(bank, {})[queue] = now[queue]
            bank, rest = bank + 1, rest >> 1
        order.append(index)

    for index, step in enumerate(steps):
        if step.compute.queue is Queue.VECTOR:
            waiting.append(index)
            continue
        while waiting and (now[Queue.VECTOR] <= now[Queue.COMPUTE] or any(_meet(steps[i], step) for i in waiting)):
            take(waiting.pop(0))
        take(index)
    for index in waiting:
        take(index)
    return order


def _banks(step: StepActions) -> int:
    mask = step.compute.banks
    for action in (*step.loads, *step.stores):
        mask |= action.banks
    return mask


def _meet(one: StepActions, other: StepActions) -> bool:
    """Whether two steps touch a bank, or a byte of DRAM that one of them writes."""
    if _banks(one) & _banks(other):
        return True
    for first, second in ((one, other), (other, one)):
        written = [span for store in first.stores for span in store.writes]
        touched = [span for action in (*second.loads, *second.stores) for span in (*action.reads, *action.writes)]
        if any(overlap(a, b) for a in written for b in touched):
            return True
    return False
