"""Actions: every step's instructions, and which banks and bytes of DRAM each touches."""

from collections.abc import Mapping
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.image import DramImage, Image
from lithify.compiler.instructions.conditions import Conditions
from lithify.compiler.instructions.constants import add_second_constants, add_weights, cut_where_free, transfers_of
from lithify.compiler.instructions.emit import emit_compute, emit_transfer, emit_vector, emit_weights
from lithify.compiler.instructions.gathered import Lists, emit_gather, gathered_pieces
from lithify.compiler.instructions.schedule import Action, StepActions
from lithify.compiler.instructions.second import Constants, second_loads
from lithify.compiler.instructions.spans import Span
from lithify.compiler.instructions.tokens import SerialStep, serial_flags
from lithify.compiler.memories import Memories
from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Buffer, Chunk, Step
from lithify.compiler.weights import group_result_words
from lithify.isa import Instruction, Queue
from lithify.isa.lists import TABLE_BYTES, list_bytes
from lithify.isa.program import Base


def make_actions(
    operations: tuple[Operation, ...],
    steps: tuple[Step, ...],
    images: Mapping[str, Image],
    dram: Mapping[str, DramImage],
    memories: Memories,
    lists: Lists,
    conditions: Conditions,
    chip: Chip,
) -> tuple[StepActions, ...]:
    offsets = add_weights(operations, steps, memories, chip)
    seconds = add_second_constants(operations, memories, chip)
    users = {step.chunk.key: step for step in steps if step.chunk is not None}
    lookups = lookup_fields(operations, steps)
    flags = _serial_flags(operations, steps, lookups, chip)
    made = []
    # Of each bank: the last step so far that uses it.
    touched = [-1] * chip.scratchpad_banks
    for index, (step, serial, lookup) in enumerate(zip(steps, flags, lookups, strict=True)):
        operation = operations[step.operation]
        loads = []
        stored = tuple(chunk for chunk in step.weights if chunk.key in offsets)
        parts = [part for run in transfers_of(stored, offsets, chip) for part in cut_where_free(run, touched, chip)]
        # What lies where another step's words are the longest comes last, and by itself.
        for address, words, offset in sorted(parts, key=lambda part: touched[part[0] // chip.bank_words]):
            entry = emit_weights(address, words, offset, chip)
            action = Action(Queue.LOAD, entry, banks_of(address, words, chip), (), (), index)
            loads.append(action.under(conditions.weights(stored)))
        for chunk in step.weights:
            if chunk.key not in offsets:
                made_loads = _second_actions(chunk, users[chunk.key], operations, dram, seconds, index, chip)
                loads += [action.under(conditions.weights([chunk])) for action in made_loads]
        for buffer in step.loads:
            if buffer.image in lists.gathers:
                own = _gathered(buffer, dram, lists, index, chip)
            else:
                own = [_transfer("LOAD", buffer, images, dram, index, chip)]
            loads += [action.under(conditions.buffer(buffer)) for action in own]
        stores = tuple(
            _transfer("STORE", buffer, images, dram, index, chip).under(conditions.buffer(buffer))
            for buffer in step.stores
        )
        vector = operation.program is not None
        compute = Action(
            Queue.VECTOR if vector else Queue.COMPUTE,
            emit_vector(step, operation, chip) if vector else emit_compute(step, operation, serial, lookup, chip),
            _all_banks(step, chip),
            (),
            (),
            index,
            _all_places(step, chip),
        ).under(conditions.step(index))
        made.append(StepActions(tuple(loads), compute, stores))
        used = compute.banks
        for store in stores:
            used |= store.banks
        touched = [index if used >> bank & 1 else before for bank, before in enumerate(touched)]
    return tuple(made)


def _serial_flags(
    operations: tuple[Operation, ...], steps: tuple[Step, ...], lookups: tuple[int, ...], chip: Chip
) -> tuple[bool, ...]:
    """The field `serial` of every step; vector instructions have a queue of their own, and none."""
    array = [index for index, step in enumerate(steps) if operations[step.operation].program is None]
    flags = [False] * len(steps)
    found = serial_flags(
        tuple(_serial_step(steps[index], operations[steps[index].operation], lookups[index], chip) for index in array)
    )
    for index, flag in zip(array, found, strict=True):
        flags[index] = flag
    return tuple(flags)


def _second_actions(
    chunk: Chunk,
    user: Step,
    operations: tuple[Operation, ...],
    dram: Mapping[str, DramImage],
    seconds: Mapping[int, tuple[int, Constants]],
    step: int,
    chip: Chip,
) -> list[Action]:
    """The loads of a chunk that is made of a second operand. user: a step that uses it; step: before which they go."""
    operation = operations[chunk.operation]
    assert operation.second is not None
    offset, constants = seconds[chunk.operation]
    made = []
    for entry in second_loads(chunk, user, operation, dram[operation.second.image.name], offset, constants, chip):
        value = entry.integer
        last = (value("planes") - 1) * value("plane_words") + (value("rows") - 1) * value("row_words")
        words = last + -(-value("row_bytes") // chip.word_bytes)
        spans = () if value("base") == int(Base.CONSTANTS) else (_span(entry),)
        made.append(Action(Queue.LOAD, entry, banks_of(value("address"), words, chip), spans, (), step))
    return made


def lookup_fields(operations: tuple[Operation, ...], steps: tuple[Step, ...]) -> tuple[int, ...]:
    """The field `lookup` of every step: 1 where an operation's table is not the one that was loaded last."""
    lookups: list[int] = []
    loaded: bytes | None = None
    for step in steps:
        table = operations[step.operation].table
        if table is None or step.keep:
            lookups.append(0)
            continue
        wanted = table.tobytes()
        lookups.append(2 if loaded == wanted else 1)
        loaded = wanted
    return tuple(lookups)


def banks_of(address: int, words: int, chip: Chip) -> int:
    """Bit mask of the banks of a stretch of the scratchpad."""
    first, last = address // chip.bank_words, (address + words - 1) // chip.bank_words
    return (1 << last + 1) - (1 << first)


def _buffer_banks(buffer: Buffer | None, chip: Chip) -> int:
    mask = 0
    for address, words in buffer.places if buffer else ():
        mask |= banks_of(address, words, chip)
    return mask


def _all_banks(step: Step, chip: Chip) -> int:
    weights = 0
    for address, words in step.chunk.places(chip) if step.chunk else ():
        weights |= banks_of(address, words, chip)
    return (
        weights
        | _buffer_banks(step.input, chip)
        | _buffer_banks(step.residual, chip)
        | _buffer_banks(step.output, chip)
    )


def _all_places(step: Step, chip: Chip) -> tuple[tuple[int, int], ...]:
    weights = step.chunk.places(chip) if step.chunk else ()
    buffers = [buffer for buffer in (step.input, step.residual, step.output) if buffer is not None]
    return (*weights, *(place for buffer in buffers for place in buffer.places))


def _serial_step(step: Step, operation: Operation, lookup: int, chip: Chip) -> SerialStep:
    count = step.groups[1] - step.groups[0]
    beats = step.out.positions * count * group_result_words(operation, chip) * chip.word_beats
    return SerialStep(
        _buffer_banks(step.input, chip),
        0 if step.keep else _buffer_banks(step.residual, chip),
        0 if step.keep else _buffer_banks(step.output, chip),
        step.out.positions * count * (step.part.sets if step.part else 1),
        1 if step.keep else beats,
        operation.unit == "stream" or lookup == 1,
    )


def _transfer(
    name: str, buffer: Buffer, images: Mapping[str, Image], dram: Mapping[str, DramImage], step: int, chip: Chip
) -> Action:
    image, lies = images[buffer.image], dram[buffer.image]
    words = image.pixel_words(chip.word_bytes)
    cache = name == "STORE" and lies.base is Base.CACHE
    if cache:
        # Which rows these are only the launch knows.
        whole = int(Base.CACHE), lies.offset, lies.offset + image.width * lies.pixel_stride
        lies = replace(lies, base=Base.APPEND, apart=True)
    entry = emit_transfer(name, buffer, lies, image.width, words, chip)
    span = whole if cache else _span(entry)
    banks = _buffer_banks(buffer, chip)
    if name == "LOAD":
        return Action(Queue.LOAD, entry, banks, (span,), (), step, buffer.places, True)
    return Action(Queue.STORE, entry, banks, (), (span,), step, buffer.places)


def _gathered(
    buffer: Buffer,
    dram: Mapping[str, DramImage],
    lists: Lists,
    step: int,
    chip: Chip,
) -> list[Action]:
    """The loads of rows that indices choose."""
    lies, gather = dram[buffer.image], lists.gathers[buffer.image]
    made = []
    for piece, first, skipped in gathered_pieces(buffer, gather, chip):
        count = -(-piece.rectangle.width // gather.rows)
        base, place = lists.place(buffer.image, first, count, gather.rows * lies.pixel_stride)
        entry = emit_gather(piece, lies, gather, skipped, base, place, chip)
        value = entry.integer
        table = value("base"), value("offset"), value("offset") + value("table") * TABLE_BYTES
        spans = (table, (value("list_base"), place, place + list_bytes(chip)))
        banks = _buffer_banks(piece, chip)
        made.append(Action(Queue.LOAD, entry, banks, spans, (), step, piece.places, True))
    return made


def _span(entry: Instruction) -> Span:
    value = entry.integer
    last = (value("planes") - 1) * value("plane_stride") + (value("rows") - 1) * value("row_stride")
    return value("base"), value("offset"), value("offset") + last + value("row_bytes")
