"""The instructions of a program as one list, and the stretch of it that each chip segment runs."""

from functools import lru_cache

from lithify.isa.encoding import Instruction, decode
from lithify.isa.operations import Queue
from lithify.isa.program import ChipSegment, Program


def chip_segments(program: Program) -> tuple[ChipSegment, ...]:
    """The chip segments, those for fewer rows included, in the order of their instructions."""
    segments = [segment for segment in program.segments if isinstance(segment, ChipSegment)]
    entries = [entry for segment in segments for entry in (segment, *segment.shorter)]
    return tuple(sorted(entries, key=lambda segment: segment.start))


def segment_instructions(program: Program, segment: ChipSegment) -> tuple[Instruction, ...]:
    """The decoded instructions of a segment, END included."""
    return _decoded(program.instructions[segment.start : segment.start + segment.size])


def first_instruction(program: Program, segment: ChipSegment) -> int:
    """Index of the segment's first instruction in the program's list, which counts every instruction and every END."""
    before = [entry for entry in chip_segments(program) if entry.start < segment.start]
    return sum(len(segment_instructions(program, entry)) for entry in before)


def all_instructions(program: Program) -> tuple[Instruction, ...]:
    """The program's instruction list, of which `Result.instruction`, `Layer.first` and `Layer.last` are indices."""
    return tuple(entry for segment in chip_segments(program) for entry in segment_instructions(program, segment))


def instruction_layers(program: Program) -> dict[int, str]:
    """The layer of each instruction, by its index: of a compute instruction the one whose result it works on, of a load
    that of the compute instruction behind it, of a store that of the one before. END has none.

    Layers may take turns, so the stretches from `Layer.first` to `Layer.last` may overlap.
    """
    owners = {result.instruction: result.layer for result in program.results}
    found: dict[int, str] = {}
    index = 0
    for segment in chip_segments(program):
        entries = segment_instructions(program, segment)
        behind = ""
        for place in range(len(entries) - 1, -1, -1):
            behind = owners.get(index + place, behind)
            if behind and entries[place].operation.queue is not None:
                found[index + place] = behind
        before = ""
        for place, entry in enumerate(entries):
            if entry.operation.queue is Queue.COMPUTE:
                before = found.get(index + place, before)
            elif entry.operation.queue is Queue.STORE:
                found[index + place] = before
        index += len(entries)
    return found


@lru_cache(maxsize=16)
def _decoded(instructions: bytes) -> tuple[Instruction, ...]:
    return tuple(decode(instructions))
