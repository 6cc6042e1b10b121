"""Segment: one stretch of chip work becomes placements, constants and instructions in program order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.cost import step_cycles
from lithify.compiler.image import DramImage, Image, image_shape
from lithify.compiler.instructions.actions import lookup_fields, make_actions
from lithify.compiler.instructions.conditions import Conditions
from lithify.compiler.instructions.emit import result_channel
from lithify.compiler.instructions.gathered import Lists, check_no_table, steps_in_dram
from lithify.compiler.instructions.schedule import Action, order
from lithify.compiler.instructions.tokens import add_tokens
from lithify.compiler.memories import Memories
from lithify.compiler.operation import Operation
from lithify.compiler.planning.beside import banks_for, side_by_side
from lithify.compiler.planning.best import best_plan
from lithify.compiler.planning.plan import Plan
from lithify.compiler.planning.spread import spread_images
from lithify.compiler.planning.views import branches_first, strided_views, view_of
from lithify.compiler.rows import pack_rows
from lithify.compiler.steps.make import make_steps
from lithify.compiler.steps.ring import place_weights
from lithify.compiler.steps.shared import share_chunks
from lithify.compiler.steps.step import Step
from lithify.compiler.steps.turns import take_turns
from lithify.errors import LithifyError
from lithify.isa import instruction
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
    conditions = Conditions(operations, steps, lookup_fields(operations, steps), images, samples, shown, batch)
    for operation in operations:
        if operation.append and operation.y.name not in memories.cache:
            raise LithifyError(
                f"Layer '{operation.layer}' adds rows to '{operation.append}', but what this becomes is no state; "
                f"compile with state={{'{operation.append}': '{operation.y.name}'}}."
            )
    actions = order(make_actions(operations, steps, images, dram, memories, lists, conditions, chip), cycles, chip)
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


def _earliest(operations: tuple[Operation, ...], steps: tuple[Step, ...]) -> list[int]:
    """For each step the first before which its weights can be loaded: any, or the first of its operation where they
    are a tensor that earlier steps may make.
    """
    first: dict[int, int] = {}
    for index, step in enumerate(steps):
        first.setdefault(step.operation, index)
    return [first[step.operation] if operations[step.operation].second else 0 for step in steps]


END = instruction("END")


def result_of(step: Step, operation: Operation, chip: Chip) -> tuple[int, int, int] | None:
    """(y, x, channel) of the first element that a step writes; None if it keeps its sums."""
    if step.keep:
        return None
    channel = result_channel(step, operation, chip)
    if operation.landing is None:
        return step.out.y, step.out.x, channel
    return *operation.landing.pixel(step.out.y, step.out.x), channel + operation.landing.word * chip.word_bytes
