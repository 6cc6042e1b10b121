"""A program as text: its segments, its layers, and one line for every instruction."""

from collections.abc import Callable, Iterator

from lithify.isa.encoding import Instruction, Value
from lithify.isa.operations import Field, Queue
from lithify.isa.program import Base, ChipSegment, Conversion, HostSegment, Placement, Program
from lithify.isa.sequence import chip_segments, first_instruction, segment_instructions

_NAME_WIDTH = max(len(name) for name in ("DEPTHWISE", "STREAM"))

# Counts whose usual value, which does nothing, is 1.
_NEUTRAL: dict[str, int] = dict.fromkeys(
    ("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "groups", "rows", "planes"), 1
)


def _loops(count: str) -> Callable[[Instruction], bool]:
    return lambda entry: entry.integer(count) > 1


def _post(entry: Instruction) -> bool:
    return not entry.integer("keep")


def _residual(entry: Instruction) -> bool:
    return _post(entry) and bool(entry.integer("residual"))


def _listed(entry: Instruction) -> bool:
    return entry.operation.name == "LOAD" and bool(entry.integer("listed"))


# When a field has a meaning at all; a field that is not named here always has.
_MATTERS: dict[str, Callable[[Instruction], bool]] = {
    **dict.fromkeys(("position_y", "position_y_words", "out_row_words"), _loops("out_height")),
    **dict.fromkeys(("position_x", "position_x_words", "out_pixel_words"), _loops("out_width")),
    **dict.fromkeys(("tap_y", "tap_y_words"), _loops("window_height")),
    **dict.fromkeys(("tap_x", "tap_x_words"), _loops("window_width")),
    **dict.fromkeys(("pass_y", "pass_y_words"), _loops("passes_y")),
    **dict.fromkeys(("pass_x", "pass_x_words"), _loops("passes_x")),
    **dict.fromkeys(("group_in_words", "group_words"), _loops("groups")),
    **dict.fromkeys(("row_stride", "row_words"), _loops("rows")),
    "plane_words": _loops("planes"),
    "plane_stride": lambda entry: entry.integer("planes") > 1 or _listed(entry),
    "list_base": lambda entry: _listed(entry),
    **dict.fromkeys(("out_address", "last_group_words", "minimum", "maximum"), _post),
    "slide": lambda entry: entry.operation.name == "DEPTHWISE",
    "weight_address": lambda entry: entry.operation.name != "STREAM",
    "zero_point": lambda entry: _post(entry) and entry.operation.name != "STREAM",
    **dict.fromkeys(
        (
            "residual_address",
            "a_zero_point",
            "b_zero_point",
            "sum_zero_point",
            "sum_minimum",
            "sum_maximum",
            "a_multiplier",
            "b_multiplier",
        ),
        _residual,
    ),
}


def listing(program: Program) -> str:
    """The whole program as text, ending in a line break."""
    lines = [
        f"program {program.name} for chip {program.chip.name}: {_counted(program)}, "
        f"{len(program.constants)} bytes of constants",
        *(f"input {_tensor(program, name)}" for name in program.inputs),
        *(f"output {_tensor(program, name)}" for name in program.outputs),
        *(f"state {state.input} <- {state.output}: {_placement(state.placement)}" for state in program.states),
        *_cache(program),
    ]
    for segment in program.segments:
        lines.append("")
        if isinstance(segment, ChipSegment):
            for entry in (segment, *segment.shorter):
                lines += _chip_segment(program, entry)
        elif isinstance(segment, HostSegment):
            lines.append(
                f"host {segment.name}: {', '.join(segment.operators)}, "
                f"{', '.join(segment.inputs)} -> {', '.join(segment.outputs)}"
            )
        else:
            lines.append(_conversion(segment))
    return "\n".join(lines) + "\n"


def _cache(program: Program) -> Iterator[str]:
    cache = program.cache
    if cache is not None:
        shorter = {entry.rows for entry in chip_segments(program) if entry.rows}
        lengths = ", ".join(map(str, sorted(shorter))) or "no fewer"
        why = f", because {cache.whole}" if cache.whole else ""
        yield (
            f"caches of {cache.rows} rows of {cache.pitch} bytes, {cache.added} added at '{cache.position}'; "
            f"instructions for {lengths} rows too{why}"
        )


def instruction_line(index: int, entry: Instruction) -> str:
    """One instruction with the fields that say something: index, operation, tokens, then field=value."""
    parts = [f"{name}={_text(entry, field, entry[name])}" for name, field in _shown(entry)]
    return f"{index:6}  {entry.operation.name:{_NAME_WIDTH}}  {' '.join(parts)}".rstrip()


def _counted(program: Program) -> str:
    count = sum(len(segment_instructions(program, segment)) for segment in chip_segments(program))
    return f"{count} instructions in {len(program.instructions)} bytes"


def _tensor(program: Program, name: str) -> str:
    info = program.tensors[name]
    quantization = "" if info.scale is None else f" scale {info.scale:.9g} zero point {info.zero_point}"
    return f"{name}: {info.dtype} {'x'.join(map(str, info.shape)) or 'scalar'}{quantization}"


def _conversion(segment: Conversion) -> str:
    return f"host {segment.name}: {segment.operator}, {segment.input} -> {segment.output}"


def _chip_segment(program: Program, segment: ChipSegment) -> Iterator[str]:
    yield f"chip {segment.name}: bytes {segment.start} to {segment.start + segment.size - 1}"
    for direction, placements in (("in", segment.inputs), ("out", segment.outputs)):
        for placement in placements:
            yield f"  {direction} {_placement(placement)}"
    for listed in segment.lists:
        yield (
            f"  list {listed.tensor}: INPUTS+{listed.offset}, {len(listed.places)} of {listed.entries} entries "
            f"{listed.pitch} bytes apart"
        )
    headings: dict[int, list[str]] = {}
    for layer in program.layers:
        headings.setdefault(layer.first, []).append(f"  {layer.name} ({layer.operator}, {layer.macs} MACs)")
    for index, entry in enumerate(segment_instructions(program, segment), first_instruction(program, segment)):
        yield from headings.get(index, ())
        yield instruction_line(index, entry)


def _placement(place: Placement) -> str:
    sides = {"top": place.top, "bottom": place.bottom, "left": place.left, "right": place.right}
    together = f", {place.rows_together} rows together" if place.rows_together > 1 else ""
    borders = "".join(f", {side} {size}" for side, size in sides.items() if size)
    return (
        f"{place.tensor}: {place.base.name}+{place.offset}, {place.height} x {place.width} pixels of "
        f"{place.channels} in {place.pixel_bytes} bytes{borders}, fill {place.fill}{together}"
    )


def _shown(entry: Instruction) -> Iterator[tuple[str, Field]]:
    for field in entry.operation.fields:
        matters = _MATTERS.get(field.name)
        # A base of 0 is a base all the same, and so is an address.
        usual = None if field.name in ("base", "list_base", "address") else _NEUTRAL.get(field.name, 0)
        if field.name != "opcode" and entry[field.name] != usual and (matters is None or matters(entry)):
            yield field.name, field


def _text(entry: Instruction, field: Field, value: Value) -> str:
    if field.kind == "mask":
        return "+".join(queue.name for queue in Queue if int(value) >> queue & 1)
    if field.name in ("base", "list_base") and value in set(Base):
        return Base(int(value)).name
    return f"{value:.9g}" if field.kind == "float32" else str(value)
