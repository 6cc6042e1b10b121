"""Segment: one stretch of chip work becomes placements, constants and instructions in program order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.beside import banks_for, side_by_side
from lithify.compiler.conditions import Conditions
from lithify.compiler.cost import step_cycles
from lithify.compiler.emit import emit_compute, emit_transfer, emit_vector, emit_weights, result_channel
from lithify.compiler.gathered import Lists, check_no_table, emit_gather, gathered_pieces, steps_in_dram
from lithify.compiler.image import DramImage, Image, image_shape
from lithify.compiler.memories import Memories, Runs
from lithify.compiler.operation import Operation
from lithify.compiler.plan import Plan, best_plan
from lithify.compiler.ring import place_weights
from lithify.compiler.rows import pack_rows
from lithify.compiler.schedule import Action, StepActions, order
from lithify.compiler.second import Constants, constants_of, second_loads
from lithify.compiler.shared import share_chunks
from lithify.compiler.spans import Span
from lithify.compiler.spread import spread_images
from lithify.compiler.steps import Buffer, Chunk, Step, make_steps
from lithify.compiler.tokens import SerialStep, add_tokens, serial_flags
from lithify.compiler.turns import take_turns
from lithify.compiler.views import branches_first, strided_views, view_of
from lithify.compiler.weights import group_result_words, pack_parameters, pack_program, pack_sets
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue, instruction
from lithify.isa.lists import TABLE_BYTES, list_bytes
from lithify.isa.program import Base, IndexList, Placement
from lithify.reference.graph import Tensor


@dataclass(frozen=True)
class Compiled:
    """A chip segment. actions: in program order, END excepted. plan: how its memory is used. lists: of its loads that
    gather.
    """

    inputs: tuple[Placement, ...]
    outputs: tuple[Placement, ...]
    operations: tuple[Operation, ...]
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    plan: Plan
    lists: tuple[IndexList, ...] = ()


def compile_segment(
    operations: tuple[Operation, ...],
    outside: Mapping[str, Tensor],
    wanted: frozenset[str],
    constants: Mapping[str, NDArray[np.int8]],
    memories: Memories,
    chip: Chip,
    samples: Mapping[str, NDArray[np.int32]] = MappingProxyType({}),
    batch: int = 1,
    planned: Callable[[Sequence[Operation], Sequence[Step], bool], None] | None = None,
) -> Compiled:
    """outside: tensors that exist before the segment; wanted: those of its own that are used after it.

    constants: int8 tensors among `outside` that the program carries. samples: of each pixel of those wanted its sample
    (`samples.samples_of`), of which there are `batch`. planned: is told the steps, without and with places for
    their weights (`compile.Listener`).
    """
    operations, placements, dram = _inputs(operations, outside, constants, memories, chip)
    before = {operation.layer: operation.sliding.strides for operation in operations}
    operations, views = strided_views(side_by_side(branches_first(operations), chip), chip)
    seconds = frozenset(operation.second.image.name for operation in operations if operation.second)
    gathers = {operation.x.name: operation.gather for operation in operations if operation.gather}
    tables = {gather.table for gather in gathers.values()}
    # What is gathered shows rows of its table, which must lie in DRAM by then.
    views |= {name: gather.table for name, gather in gathers.items()}
    made = {operation.y.name for operation in operations}
    stored = wanted | frozenset(views.values()) | (seconds & made)
    operations = spread_images(operations, stored, chip)
    images = {name: Image(name, *image_shape(tensor.shape)) for name, tensor in outside.items()}
    for operation in operations:
        images |= {image.name: image for image in (operation.x, operation.y)[operation.excerpt is not None :]}
    for operation in operations:
        if operation.second is not None:
            images.setdefault(operation.second.image.name, operation.second.image)
        residual = operation.residual
        if residual is not None and residual.image not in images:
            height, width = (1, 1) if residual.broadcast else (operation.y.height, operation.y.width)
            images[residual.image] = replace(operation.y, name=residual.image, height=height, width=width, spread=0)
    plan = best_plan(operations, images, frozenset(dram) | frozenset(views), stored, views, chip)
    outputs = []
    for name in sorted(made):
        image = images[name]
        if name in wanted:
            pixel = image.pixel_words(chip.word_bytes) * chip.word_bytes
            step, alignment = steps_in_dram(pixel, name in tables, chip)
            if name in memories.cache:
                step = memories.pitch
            placement = Placement(name, Base.OUTPUTS, 0, image.height, image.width, image.channels, step)
            base = Base.OUTPUTS
            if name in memories.cache:
                check_no_table(name, name in tables)
                base, offset = Base.CACHE, memories.cache[name]
            elif name in memories.next:
                check_no_table(name, name in tables)
                base, offset = Base.NEXT, memories.next[name]
            else:
                offset = memories.reserve(Base.OUTPUTS, placement.bytes, f"'{name}'", alignment)
            outputs.append(replace(placement, base=base, offset=offset))
            dram[name] = DramImage(base, offset, image.width * step, step, pixel)
        elif name not in plan.homes or name in stored:
            pixel = image.pixel_words(chip.word_bytes) * chip.word_bytes
            step, alignment = steps_in_dram(pixel, name in tables, chip)
            offset = memories.reserve(Base.WORKSPACE, image.height * image.width * step, f"'{name}'", alignment)
            dram[name] = DramImage(Base.WORKSPACE, offset, image.width * step, step, pixel)
    for operation in operations:
        if operation.gather is not None:
            dram[operation.x.name] = dram[operation.gather.table]
        elif operation.x.name in views:
            dram[operation.x.name] = view_of(dram[views[operation.x.name]], before[operation.layer])
    steps = make_steps(operations, plan, images, stored, chip)
    if not any(operation.beside for operation in operations):
        # The halves of a layer read the same, each all of it before the other: nothing would stay.
        steps = share_chunks(steps, operations, chip)
    if plan.apart:
        steps = take_turns(operations, steps, _cycles(operations, steps, chip))
    if planned is not None:
        planned(operations, steps, False)
    cycles = _cycles(operations, steps, chip)
    whole = 0, chip.scratchpad_banks
    areas = [banks_for(operations[step.operation], chip) if plan.apart else whole for step in steps]
    # The array's steps give the time; what the vector unit does beside them takes none of it.
    spent = [
        0 if plan.apart and operations[step.operation].beside and operations[step.operation].program else count
        for step, count in zip(steps, cycles, strict=True)
    ]
    steps = place_weights(steps, plan, areas, spent, chip, _earliest(operations, steps))
    if planned is not None:
        planned(operations, steps, True)
    lists = Lists(gathers, constants, memories, chip)
    shown: dict[str, tuple[str, tuple[int, int] | None]] = {}
    for operation in operations:
        if operation.x.name in views:
            strides = None if operation.gather is not None else before[operation.layer]
            shown[operation.x.name] = views[operation.x.name], strides
    conditions = Conditions(operations, steps, _lookups(operations, steps), images, samples, shown, batch)
    for operation in operations:
        if operation.append and operation.y.name not in memories.cache:
            raise LithifyError(
                f"Layer '{operation.layer}' adds rows to '{operation.append}', but what this becomes is no state; "
                f"compile with state={{'{operation.append}': '{operation.y.name}'}}."
            )
    actions = order(_actions(operations, steps, images, dram, memories, lists, conditions, chip), cycles, chip)
    made_tokens = add_tokens(actions, chip)
    return Compiled(tuple(placements), tuple(outputs), operations, steps, made_tokens, plan, tuple(lists.made))


def _cycles(operations: tuple[Operation, ...], steps: tuple[Step, ...], chip: Chip) -> list[int]:
    return [
        step_cycles(operations[step.operation], chip, step.out, step.groups[1] - step.groups[0], step.part)
        for step in steps
    ]


def _inputs(
    operations: tuple[Operation, ...],
    outside: Mapping[str, Tensor],
    constants: Mapping[str, NDArray[np.int8]],
    memories: Memories,
    chip: Chip,
) -> tuple[tuple[Operation, ...], list[Placement], dict[str, DramImage]]:
    """Placements of what the segment reads, and the operations with inputs of few channels turned into packed rows."""
    changed: list[Operation] = []
    placements: list[Placement] = []
    dram: dict[str, DramImage] = {}
    for operation in operations:
        if operation.x.name in outside and operation.x.name not in constants and operation.x.name not in memories.state:
            packed = pack_rows(operation, outside[operation.x.name], chip)
            if packed is not None:
                operation, placement, lies = packed
                offset = memories.reserve(Base.INPUTS, placement.bytes, f"'{placement.tensor}'")
                placements.append(replace(placement, offset=offset))
                dram[operation.x.name] = replace(lies, offset=offset)
        changed.append(operation)
    tables = {operation.gather.table for operation in changed if operation.gather}
    for name in dict.fromkeys(name for operation in changed for name in operation.sources):
        if name not in outside:
            continue
        shape = image_shape(outside[name].shape)
        image = Image(name, *shape)
        pixel = image.pixel_words(chip.word_bytes) * chip.word_bytes
        step, alignment = steps_in_dram(pixel, name in tables, chip)
        if name in memories.cache:
            # What a cache is before a run nothing reads: rows are read of what it becomes.
            raise LithifyError(
                f"Layers read the cache '{name}' beside that which adds rows to it; let them read what it becomes."
            )
        if name in constants:
            data = constants[name]
            pixels = (data.transpose(0, 2, 3, 1) if data.ndim == 4 else data).reshape(shape)
            padded = np.zeros((*shape[:2], step), np.int8)
            padded[:, :, : image.channels] = pixels
            base, offset = Base.CONSTANTS, memories.add_constant(padded, f"'{name}'", alignment)
        else:
            fill = outside[name].zero_point
            placement = Placement(name, Base.INPUTS, 0, *shape, step, fill=fill)
            if name in memories.state:
                check_no_table(name, name in tables)
                base, offset = Base.STATE, memories.state[name]
            else:
                base, offset = Base.INPUTS, memories.reserve(Base.INPUTS, placement.bytes, f"'{name}'", alignment)
            placements.append(replace(placement, base=base, offset=offset))
        dram[name] = DramImage(base, offset, image.width * step, step, pixel)
    for operation in changed:
        if operation.append:
            if operation.append not in memories.cache:
                raise LithifyError(
                    f"Layer '{operation.layer}' adds rows to '{operation.append}', which is no state of the program; "
                    f"compile with state={{'{operation.append}': '{operation.y.name}'}}."
                )
            placements.append(_cache(operation.append, operation.y, memories))
    return tuple(changed), placements, dram


def _cache(name: str, image: Image, memories: Memories) -> Placement:
    """Where a cache lies. name: of the tensor that it is before the run."""
    shape = image.height, image.width, image.channels
    return Placement(name, Base.CACHE, memories.cache[name], *shape, memories.pitch)


def _actions(
    operations: tuple[Operation, ...],
    steps: tuple[Step, ...],
    images: Mapping[str, Image],
    dram: Mapping[str, DramImage],
    memories: Memories,
    lists: Lists,
    conditions: Conditions,
    chip: Chip,
) -> tuple[StepActions, ...]:
    offsets = _constants(operations, steps, memories, chip)
    seconds = _second_constants(operations, memories, chip)
    users = {step.chunk.key: step for step in steps if step.chunk is not None}
    lookups = _lookups(operations, steps)
    flags = _serial_flags(operations, steps, lookups, chip)
    made = []
    # Of each bank: the last step so far that uses it.
    touched = [-1] * chip.scratchpad_banks
    for index, (step, serial, lookup) in enumerate(zip(steps, flags, lookups, strict=True)):
        operation = operations[step.operation]
        loads = []
        stored = tuple(chunk for chunk in step.weights if chunk.key in offsets)
        parts = [part for run in _runs(stored, offsets, chip) for part in _apart(run, touched, chip)]
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


def _earliest(operations: tuple[Operation, ...], steps: tuple[Step, ...]) -> list[int]:
    """For each step the first before which its weights can be loaded: any, or the first of its operation where they
    are a tensor that earlier steps may make.
    """
    first: dict[int, int] = {}
    for index, step in enumerate(steps):
        first.setdefault(step.operation, index)
    return [first[step.operation] if operations[step.operation].second else 0 for step in steps]


def _second_constants(
    operations: tuple[Operation, ...], memories: Memories, chip: Chip
) -> dict[int, tuple[int, Constants]]:
    """Adds what operations with second operands load of the constants; by operation the offset and what lies there."""
    found: dict[int, tuple[int, Constants]] = {}
    known: dict[bytes, int] = {}
    for index, operation in enumerate(operations):
        if operation.second is not None:
            data, constants = constants_of(operation, chip)
            key = data.tobytes()
            if key not in known:
                known[key] = memories.add_constant(data, f"layer '{operation.layer}'")
            found[index] = known[key], constants
    return found


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


def _lookups(operations: tuple[Operation, ...], steps: tuple[Step, ...]) -> tuple[int, ...]:
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


def _runs(
    chunks: tuple[Chunk, ...], offsets: Mapping[tuple[int, int, int], tuple[Runs, ...]], chip: Chip
) -> list[tuple[int, int, int]]:
    """(address, words, offset) of the transfers for some chunks: those that touch in both memories are one."""
    runs: list[tuple[int, int, int]] = []
    for port in range(chip.weight_ports):
        for chunk in chunks:
            if port >= chunk.ports:
                continue
            place, _ = chunk.places(chip)[port]
            for offset, size in offsets[chunk.key][port]:
                count = size // chip.word_bytes
                if runs and sum(runs[-1][:2]) == place and runs[-1][2] + runs[-1][1] * chip.word_bytes == offset:
                    runs[-1] = runs[-1][0], runs[-1][1] + count, runs[-1][2]
                else:
                    runs.append((place, count, offset))
                place += count
    return runs


def _apart(run: tuple[int, int, int], touched: Sequence[int], chip: Chip) -> list[tuple[int, int, int]]:
    """A transfer cut where the steps that used its banks last differ, so that each part is loaded when it can."""
    address, words, offset = run
    parts: list[tuple[int, int, int]] = []
    place = address
    while place < address + words:
        before = touched[place // chip.bank_words]
        end = place
        while end < address + words and touched[end // chip.bank_words] == before:
            end = min((end // chip.bank_words + 1) * chip.bank_words, address + words)
        parts.append((place, end - place, offset + (place - address) * chip.word_bytes))
        place = end
    return parts


def _constants(
    operations: tuple[Operation, ...], steps: tuple[Step, ...], memories: Memories, chip: Chip
) -> dict[tuple[int, int, int], tuple[Runs, ...]]:
    """Adds every chunk of weights to the constants once, in the order of loading; offsets by chunk and port.

    Of what is loaded together all words that one port reads come first, then those of the next.
    """
    offsets: dict[tuple[int, int, int], tuple[Runs, ...]] = {}
    parts = {step.chunk.key: step for step in steps if step.chunk is not None}
    packed: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
    for step in steps:
        data: list[NDArray[np.uint8]] = []
        fresh: list[Chunk] = []
        for chunk in step.weights:
            if operations[chunk.operation].second is not None:
                continue
            if chunk.key in offsets or any(chunk.key == other.key for other in fresh):
                continue
            operation = operations[chunk.operation]
            if operation.program is not None:
                fresh.append(chunk)
                data.append(pack_program(operation, chip))
                continue
            if chunk.operation not in packed and operation.parameters is not None:
                # Operations come one after the other; what lies behind is not needed again.
                packed = {key: entry for key, entry in packed.items() if key >= chunk.operation - 1}
                packed[chunk.operation] = pack_parameters(operation, chip), pack_sets(operation, chip)
            fresh.append(chunk)
            if operation.parameters is not None:
                data.append(_chunk_words(chunk, parts[chunk.key], operation.table, *packed[chunk.operation]))
            elif operation.table is not None:
                data.append(operation.table.view(np.uint8).reshape(-1, chip.word_bytes))
        if fresh:
            made = list(zip(fresh, data, strict=True))
            read = [
                (chunk.key, words[port :: chunk.ports], _groups_alone(chunk, operations, parts))
                for port in range(chip.weight_ports)
                for chunk, words in made
                if port < chunk.ports
            ]
            layer = f"layer '{operations[step.operation].layer}'"
            places = memories.add_parts([(words, groups) for _, words, groups in read], layer)
            for (key, _, _), offset in zip(read, places, strict=True):
                offsets[key] = (*offsets.get(key, ()), offset)
    return offsets


def _groups_alone(chunk: Chunk, operations: tuple[Operation, ...], steps: Mapping[tuple[int, int, int], Step]) -> int:
    """How many groups of weights a chunk consists of, as each port reads it; 0: of something else too."""
    operation = operations[chunk.operation]
    if operation.parameters is None or operation.program is not None:
        return 0
    step, count = steps[chunk.key], chunk.end - chunk.first
    table = operation.table is not None and not step.keep
    return 0 if table or chunk.words // count % chunk.ports else count


def _chunk_words(
    chunk: Chunk, step: Step, table: NDArray[np.int8] | None, parameters: NDArray[np.uint8], sets: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """[words, word bytes] of a chunk that `step` uses."""
    part = step.part
    assert part is not None
    chosen = sets[chunk.first : chunk.end, slice(*part.y), slice(*part.x), slice(*part.chunks)]
    words = chosen.reshape(chunk.end - chunk.first, -1, chosen.shape[-1])
    if not step.keep:
        words = np.concatenate([parameters[chunk.first : chunk.end], words], axis=1)
    flat = words.reshape(-1, words.shape[-1])
    if table is not None and not step.keep:
        flat = np.concatenate([table.view(np.uint8).reshape(-1, flat.shape[-1]), flat])
    assert flat.shape[0] == chunk.words
    return flat


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


END = instruction("END")


def result_of(step: Step, operation: Operation, chip: Chip) -> tuple[int, int, int] | None:
    """(y, x, channel) of the first element that a step writes; None if it keeps its sums."""
    if step.keep:
        return None
    channel = result_channel(step, operation, chip)
    if operation.landing is None:
        return step.out.y, step.out.x, channel
    return *operation.landing.pixel(step.out.y, step.out.x), channel + operation.landing.word * chip.word_bytes
