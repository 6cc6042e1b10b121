"""Do a program's tokens and `serial` flags order every conflict? Checked from the instructions alone.

The functional simulator runs instructions in program order. The chip runs its queues side by side and up to three
compute instructions at once; its result is the same if

- of two instructions in different queues that use one bank (a bank serves one requester a cycle), or one of which
  writes DRAM bytes that the other touches, the earlier has retired when the later starts;
- within the compute queue no unit meets another in a bank, nor reads what has not been written (`_check_compute`).

An instruction has retired for certain when a chain of tokens says so: the k-th token that a queue takes from another is
the k-th that was given, by an instruction that had retired, and so had all before it in its queue.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lithify.chip import Chip
from lithify.chip.pipeline import compute_pipeline
from lithify.errors import LithifyError
from lithify.isa.addresses import positions, set_words
from lithify.isa.checks import check_instruction
from lithify.isa.encoding import Instruction
from lithify.isa.operations import Queue
from lithify.sim.functional.banks import Banks, banks_of, residual_meets_results
from lithify.sim.functional.dram import Span, appended_spans, dram_spans, spans_meet

LARGEST_TOKEN_COUNT = 255


@dataclass
class _Entry:
    """An instruction with its place.

    index: in the program. number: in its queue. retired: for each queue the number of the last instruction that has
    retired for certain when this one starts, -1 if none has; so have all before it.
    """

    index: int
    number: int
    instruction: Instruction
    queue: Queue
    banks: Banks
    spans: tuple[Span, ...]
    retired: dict[Queue, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"instruction {self.index} ({self.instruction.operation.name})"


def check_order(chip: Chip, instructions: Sequence[Instruction]) -> None:
    """Raises LithifyError, naming both instructions, unless the chip gives the results of program order.

    instructions: one chip segment, with or without its END. Also refused: a program that waits for ever, and a token
    counter that could pass 255.
    """
    entries = _entries(chip, instructions)
    queues = {queue: [entry for entry in entries if entry.queue is queue] for queue in Queue}
    _play_tokens(chip, entries)
    _check_counters(chip, queues)
    _check_queues(entries)
    _check_compute(chip, queues[Queue.COMPUTE])
    for entry in queues[Queue.VECTOR]:
        _check_vector(entry)


def _entries(chip: Chip, instructions: Sequence[Instruction]) -> list[_Entry]:
    entries = []
    numbers = dict.fromkeys(Queue, 0)
    spans = appended_spans([dram_spans(instruction) for instruction in instructions])
    for index, instruction in enumerate(instructions):
        queue = instruction.operation.queue
        if queue is None:
            continue
        check_instruction(chip, index, instruction)
        banks = banks_of(chip, index, instruction)
        entries.append(_Entry(index, numbers[queue], instruction, queue, banks, spans[index]))
        numbers[queue] += 1
    return entries


def _masked(instruction: Instruction, mask: str) -> list[Queue]:
    return [queue for queue in Queue if instruction.integer(mask) >> queue & 1]


def _play_tokens(chip: Chip, entries: list[_Entry]) -> None:
    """Runs the queues on tokens alone, and sets what is known to have retired when each instruction starts.

    Every counter has one giver and one taker, so the order of play does not change who gets which token.
    """
    waiting: dict[Queue, deque[_Entry]] = {queue: deque() for queue in Queue}
    given: dict[tuple[Queue, Queue], deque[_Entry]] = {(a, b): deque() for a in Queue for b in Queue}
    last: dict[Queue, dict[Queue, int]] = {queue: dict.fromkeys(Queue, -1) for queue in Queue}
    dispatched = 0
    moved = True
    while moved:
        moved = False
        while dispatched < len(entries) and len(waiting[entries[dispatched].queue]) < chip.queue_depth:
            waiting[entries[dispatched].queue].append(entries[dispatched])
            dispatched, moved = dispatched + 1, True
        for queue in Queue:
            while waiting[queue]:
                entry = waiting[queue][0]
                sources = _masked(entry.instruction, "wait")
                if not all(given[source, queue] for source in sources):
                    break
                moved = True
                waiting[queue].popleft()
                known = last[queue]
                for source in sources:
                    giver = given[source, queue].popleft()
                    known = {other: max(known[other], giver.retired[other]) for other in Queue}
                    known[source] = max(known[source], giver.number)
                entry.retired = last[queue] = known
                for target in _masked(entry.instruction, "signal"):
                    given[queue, target].append(entry)
    for queue in Queue:
        if waiting[queue]:
            entry = waiting[queue][0]
            lacking = [source.name for source in _masked(entry.instruction, "wait") if not given[source, queue]]
            raise LithifyError(
                f"The program waits for ever: {entry} waits for a token from {' and '.join(lacking)} that no "
                "instruction can give before it starts."
            )


def _check_counters(chip: Chip, queues: dict[Queue, list[_Entry]]) -> None:
    """No counter can pass its largest value, however far its giver runs ahead of its taker."""
    for giver in Queue:
        for taker in Queue:
            signals = [entry for entry in queues[giver] if entry.instruction.integer("signal") >> taker & 1]
            if len(signals) <= LARGEST_TOKEN_COUNT:
                continue
            # For each giver the last taker that has surely started: it signalled the giver, or the decoder could not
            # have gone on to the giver with more than `queue_depth` instructions of the taker's queue waiting.
            started = []
            for entry in signals:
                before = bisect_left(queues[taker], entry.index, key=lambda other: other.index)
                started.append(max(entry.retired[taker], before - chip.queue_depth - 1))
            takes = [entry.number for entry in queues[taker] if entry.instruction.integer("wait") >> giver & 1]
            for count, entry in enumerate(signals, 1):
                surely_taken = bisect_left(takes, started[count - 1] + 1)
                if count - surely_taken > LARGEST_TOKEN_COUNT:
                    raise LithifyError(
                        f"The tokens from {giver.name} to {taker.name} can pass {LARGEST_TOKEN_COUNT} when {entry} "
                        f"retires; {taker.name} must take some of them earlier."
                    )


def _check_queues(entries: list[_Entry]) -> None:
    """Conflicts between different queues."""
    users: dict[tuple[Queue, int], _Entry] = {}
    transfers: dict[Queue, list[_Entry]] = {Queue.LOAD: [], Queue.STORE: []}
    for entry in entries:
        for bank in _bits(entry.banks.every):
            for queue in Queue:
                other = users.get((queue, bank))
                if other is not None and queue is not entry.queue and entry.retired[queue] < other.number:
                    raise LithifyError(
                        f"{_capital(entry)} and {other} both use scratchpad bank {bank}, "
                        "but no token makes the later wait until the earlier has retired."
                    )
            users[entry.queue, bank] = entry
        if not entry.spans:
            continue
        opposite = Queue.STORE if entry.queue is Queue.LOAD else Queue.LOAD
        for other in transfers[opposite][entry.retired[opposite] + 1 :]:
            for span in entry.spans:
                if any(spans_meet(span, before) for before in other.spans):
                    raise LithifyError(
                        f"{_capital(entry)} and {other} meet in DRAM behind base register {span.base}, "
                        "but no token makes the later wait until the earlier has retired."
                    )
        transfers[entry.queue].append(entry)


def _bits(mask: int) -> list[int]:
    return [bank for bank in range(mask.bit_length()) if mask >> bank & 1]


def _capital(entry: _Entry) -> str:
    text = str(entry)
    return text[0].upper() + text[1:]


def _check_vector(entry: _Entry) -> None:
    """A VECTOR has the unit to itself: the one before it has retired."""
    met = entry.banks.streams & entry.banks.stored
    if met:
        raise LithifyError(
            f"{_capital(entry)} reads and writes in scratchpad bank {_bits(met)[0]}; "
            "its output must be in banks of its own."
        )


def _check_compute(chip: Chip, queue: list[_Entry]) -> None:
    """Conflicts within an instruction, and between it and those before it that may not have retired.

    The feeder takes instructions one after the other, and so does post-processing, which starts later: activations of
    one never meet results or residuals of a later one. What remains:

    - activations of an instruction against residuals and results of those before it, and its residual against their
      results; `serial` orders these;
    - weights of an instruction, which are read early and whatever its own `serial` says, against residuals and results
      of those before it, and against the activations of the one before it, where the feeder may still be.
    """
    # From an instruction's last beat of post-processing to its retirement; its last word is written before.
    retire = compute_pipeline(chip).retire
    last_serial = -1
    for number, entry in enumerate(queue):
        _check_one(chip, entry)
        banks, value = entry.banks, entry.instruction.integer
        # The table's first word, and so all that follows it, waits until every earlier compute instruction has retired.
        alone = value("lookup") == 1
        earliest = max(entry.retired[Queue.COMPUTE] + 1, last_serial, 0)
        for other in [] if alone else reversed(queue[earliest:number]):
            if _cycles_after(chip, queue, other.number, number - 2, number - 2) >= retire:
                break
            drained = other.banks.results | other.banks.residual
            met = banks.weights & (drained | (other.banks.activations if other.number == number - 1 else 0))
            if met:
                raise LithifyError(
                    f"{_capital(entry)} reads weights in scratchpad bank {_bits(met)[0]} while {other} may still use "
                    "it; weights must lie in other banks than what the instructions before read and write."
                )
        if alone or value("serial") or entry.instruction.operation.name == "STREAM":
            last_serial = number
            continue
        for other in reversed(queue[max(earliest, last_serial) : number]):
            if _cycles_after(chip, queue, other.number, number - 1, number) >= retire:
                break
            for role, mine, theirs in (
                ("activations", banks.activations, other.banks.results | other.banks.residual),
                ("the residual", banks.residual, other.banks.results),
            ):
                if mine & theirs:
                    raise LithifyError(
                        f"{_capital(entry)} reads {role} in scratchpad bank {_bits(mine & theirs)[0]} while {other} "
                        "may still use it; the later must be `serial`, or they must use different banks."
                    )


def _check_one(chip: Chip, entry: _Entry) -> None:
    banks = entry.banks
    roles = {
        "activations": banks.activations,
        "weights": banks.weights,
        "residual": banks.residual,
        "results": banks.results,
    }
    names = list(roles)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            met = roles[first] & roles[second]
            if met and (first, second) == ("residual", "results"):
                met = residual_meets_results(chip, entry.instruction)
            if met:
                raise LithifyError(
                    f"{_capital(entry)} has {first} and {second} in scratchpad bank "
                    f"{_bits(met)[0]}; each must be in banks of its own."
                )


def _cycles_after(chip: Chip, queue: list[_Entry], earlier: int, drained: int, fed: int) -> int:
    """Cycles that pass for certain after the last beat of `earlier`, by three bounds of which the best counts.

    drained: all instructions before this one have been drained since, a beat a cycle; and they and this one have been
    fed, a word a cycle, since post-processing had `earlier` before it, fed already, and drained it without a gap.
    fed: the weights of all instructions from `earlier` + 3 to this one have been read since, a word a port and cycle: a
    set is read only when the set before it is in use, and the feeder was at `earlier` + 2 at best.
    """
    beats = sum(_beats(chip, entry.instruction) for entry in queue[earlier + 1 : drained])
    sets = [entry.instruction for entry in queue[earlier + 3 : fed + 1] if entry.instruction.operation.name != "STREAM"]
    words = sum(_words(entry.instruction) for entry in queue[earlier + 1 : drained + 1])
    left = words - _beats(chip, queue[earlier].instruction) - compute_pipeline(chip).accumulate
    return max(beats, sum(set_words(chip, entry) // chip.weight_ports for entry in sets), left)


def _words(instruction: Instruction) -> int:
    """Cycles for which an instruction is fed, at least."""
    value = instruction.integer
    passes = 1
    if instruction.operation.name != "STREAM":
        passes = value("passes_y") * value("passes_x") * value("chunks")
    return positions(instruction) * value("groups") * passes


def _beats(chip: Chip, instruction: Instruction) -> int:
    """Beats of post-processing that an instruction takes, at least."""
    if instruction.integer("keep"):
        return 1
    value = instruction.integer
    words = (value("groups") - 1) * value("group_words") + value("last_group_words")
    return positions(instruction) * words * chip.word_beats
