"""Tokens: `wait` and `signal` masks from program order, and `serial` flags within the compute queue.

One generic pass: two instructions of different queues that touch a bank, or a stretch of DRAM that one of them writes,
must keep their order. Token counters pair the signals of a queue with the waits of another first in, first out; a wait
is therefore only made for a later signal than any awaited before, and only where earlier waits do not imply it
already.
"""

from collections import defaultdict

from lithify.chip import Chip
from lithify.compiler.instructions.schedule import COUNTER, Action
from lithify.compiler.instructions.spans import LastTouched
from lithify.errors import LithifyError
from lithify.isa import Queue


def add_tokens(actions: tuple[Action, ...], chip: Chip) -> tuple[Action, ...]:
    """The actions with their masks set."""
    waits, signals = [0] * len(actions), [0] * len(actions)
    needs = _needs(actions)
    # For each instruction and queue: the last instruction of that queue that has retired when this one starts.
    nothing = dict.fromkeys(Queue, -1)
    known_at_start: list[dict[Queue, int]] = []
    last_of: dict[Queue, int] = {}
    for index, action in enumerate(actions):
        known = dict(known_at_start[last_of[action.queue]]) if action.queue in last_of else dict(nothing)
        # The latest first: waiting for it may imply the others.
        for queue, before in sorted(needs[index].items(), key=lambda entry: -entry[1]):
            if known[queue] >= before:
                continue
            waits[index] |= 1 << queue
            signals[before] |= 1 << action.queue
            for other, retired in known_at_start[before].items():
                known[other] = max(known[other], retired)
            known[queue] = max(known[queue], before)
        known_at_start.append(known)
        last_of[action.queue] = index
    _check_counters(actions, waits, signals, chip)
    return tuple(action.with_masks(waits[i], signals[i]) for i, action in enumerate(actions))


def _needs(actions: tuple[Action, ...]) -> list[dict[Queue, int]]:
    """For each action and other queue: the latest earlier action of that queue that it must follow."""
    needs: list[dict[Queue, int]] = []
    banks: dict[int, dict[Queue, int]] = defaultdict(dict)
    reads = {queue: LastTouched() for queue in Queue}
    writes = {queue: LastTouched() for queue in Queue}
    for index, action in enumerate(actions):
        need: dict[Queue, int] = {}

        def follow(queue: Queue, before: int, need: dict[Queue, int] = need, own: Queue = action.queue) -> None:
            if queue != own and before >= 0:
                need[queue] = max(need.get(queue, -1), before)

        remaining = action.banks
        while remaining:
            bank = (remaining & -remaining).bit_length() - 1
            remaining &= remaining - 1
            for queue, before in banks[bank].items():
                follow(queue, before)
            banks[bank][action.queue] = index
        for spans, tables in ((action.reads, (writes,)), (action.writes, (writes, reads))):
            for table in tables:
                for queue, touched in table.items():
                    if queue != action.queue:
                        for span in spans:
                            follow(queue, touched.last(span))
        for span in action.reads:
            reads[action.queue].touch(span, index)
        for span in action.writes:
            writes[action.queue].touch(span, index)
        needs.append(need)
    return needs


def _check_counters(actions: tuple[Action, ...], waits: list[int], signals: list[int], chip: Chip) -> None:
    """No token counter can pass its largest value: tokens of dispatched signals less those of waits surely taken."""
    for sender in Queue:
        for receiver in Queue:
            outstanding = 0
            for index, action in enumerate(actions):
                if action.queue == receiver and waits[index] >> sender & 1:
                    outstanding -= 1
                if action.queue == sender and signals[index] >> receiver & 1:
                    outstanding += 1
                if outstanding + chip.queue_depth + 1 > COUNTER:
                    raise LithifyError(
                        f"The program would leave {outstanding} tokens from {sender.name} to {receiver.name}, and a "
                        f"counter holds {COUNTER}; this is a fault of the compiler, please report it."
                    )


RETIRE_BEATS = 64
"""Beats of post-processing after which an earlier instruction's last word is surely written."""


def serial_flags(steps: "tuple[SerialStep, ...]") -> tuple[bool, ...]:
    """Which compute instructions may start feeding only when all earlier ones have retired.

    An instruction overlaps with earlier ones that are still being drained; they must not meet in a bank: its
    activations with their results or residuals, its residual with their results. Its own results are written behind
    all that earlier ones read: those have been fed, and are drained in order.
    """
    flags: list[bool] = []
    for index, step in enumerate(steps):
        serial, beats, fed, before = step.stream, 0, 0, index - 1
        while not serial and before >= 0 and beats < RETIRE_BEATS:
            earlier = steps[before]
            # It was being drained when the one behind it began to be fed: while those between are it retires.
            if fed >= earlier.beats + RETIRE_BEATS:
                break
            serial = bool(step.activations & (earlier.results | earlier.residual) or step.residual & earlier.results)
            # Whatever came before a serial instruction had retired when that one started.
            if flags[before]:
                break
            # Feeding begins when draining of the instruction just before has begun, so its beats may all be to come.
            if before < index - 1:
                beats += earlier.beats
            fed += earlier.words
            before -= 1
        flags.append(serial)
    return tuple(flags)


class SerialStep:
    """Banks of one compute instruction, as bit masks, the words that are fed to it at least, one a cycle, and the beats
    that draining it takes.
    """

    __slots__ = ("activations", "beats", "residual", "results", "stream", "words")

    def __init__(self, activations: int, residual: int, results: int, words: int, beats: int, stream: bool) -> None:
        self.activations, self.residual, self.results = activations, residual, results
        self.words, self.beats, self.stream = words, beats, stream
