"""Does a program fit together? Asked of every file that is loaded: digests only say that nobody changed it since."""

import math
from collections.abc import Iterator

from lithify.isa.program import Base, ChipSegment, HostSegment, IndexList, Program

DTYPES = ("int8", "uint8", "int32", "int64", "float32", "bool")
LARGEST_MEMORY = 2**40
"""DRAM addresses have 40 bits."""
_TYPES = {
    "Quantize": (("float32", "bool", "int32", "int64"), ("int8",)),
    "Dequantize": (("int8",), ("float32",)),
    "Signed": (("uint8",), ("int8",)),
    "Unsigned": (("int8",), ("uint8",)),
    "Truth": (("int8",), ("bool",)),
    "Indices": (("int8",), ("int32", "int64")),
}
"""What conversions read and make; others keep the type."""
_INDICES = ("int32", "int64")
_OF_POSITION = {"PositionMask": ("int8", 2), "PositionRange": ("int64", 0)}
"""What is made of a position: its type, and its dimensions where they are known."""
_INDEX_BYTES = 2
"""Of an index, at most: `Indices` makes one number of them."""


def contradiction(program: Program) -> str | None:
    """The first thing that does not fit, in words that follow "it is damaged: "; None where all does."""
    return next(_contradictions(program), None)


def _contradictions(program: Program) -> Iterator[str]:
    tensors = program.tensors
    hosts = [part for part in program.segments if isinstance(part, HostSegment)]
    of_host = {name for part in hosts for name in (*part.inputs, *part.outputs)}
    for tensor in tensors.values():
        if tensor.dtype not in DTYPES:
            yield f"the tensor '{tensor.name}' has the type '{tensor.dtype}'"
        # 0: as many as the data decide.
        if any(size < (0 if tensor.name in of_host else 1) for size in tensor.shape):
            yield f"the tensor '{tensor.name}' has the shape {tensor.shape}"
        if tensor.scale is not None and not (math.isfinite(tensor.scale) and tensor.scale > 0):
            yield f"the tensor '{tensor.name}' has the scale {tensor.scale}"
        if not -128 <= tensor.zero_point <= 127:
            yield f"the tensor '{tensor.name}' has the zero point {tensor.zero_point}"
    for name in _names(program):
        if name not in tensors:
            yield f"it uses a tensor '{name}' that it does not list"
            return
    for base, size in program.base_bytes.items():
        if not 0 <= size <= LARGEST_MEMORY:
            yield f"its memory {base.name} has {size} bytes"
    yield from _shapes(program)
    yield from _made(program)


def _names(program: Program) -> Iterator[str]:
    yield from (*program.inputs, *program.outputs, *program.aliases, *program.aliases.values())
    yield from (result.tensor for result in program.results)
    yield from (state.placement.tensor for state in program.states)
    yield from (*program.originals, *program.originals.values())
    for segment in program.segments:
        if isinstance(segment, ChipSegment):
            for one in (segment, *segment.shorter):
                yield from (place.tensor for place in (*one.inputs, *one.outputs))
                yield from (entry.tensor for entry in one.lists)
        elif isinstance(segment, HostSegment):
            yield from (*segment.inputs, *segment.outputs)
        else:
            yield from (segment.input, segment.output)


def _shapes(program: Program) -> Iterator[str]:
    """What has other bytes than it must."""
    tensors = program.tensors
    for state in program.states:
        place = state.placement
        bases = (Base.CACHE,) if place.base is Base.CACHE else (Base.STATE, Base.NEXT)
        end, held = place.offset + place.bytes, [program.base_bytes.get(base, 0) for base in bases]
        if place.base not in bases[:1] or place.offset < 0 or end > min(held) or tensors[place.tensor].dtype != "int8":
            yield f"the state '{state.input}' lies beyond its memory"
    cache, held_rows = (
        program.cache,
        [state.placement for state in program.states if state.placement.base is Base.CACHE],
    )
    if cache is None and held_rows:
        yield f"nothing says where rows of '{held_rows[0].tensor}' are added"
    if cache is not None:
        whole = all((place.width, place.pixel_bytes) == (cache.rows, cache.pitch) for place in held_rows)
        position = tensors[cache.position] if cache.position in program.inputs else None
        number = position is not None and position.dtype in _INDICES and math.prod(position.shape) == 1
        if not (whole and number and held_rows) or not 0 < cache.added <= cache.rows or cache.pitch % 128:
            yield f"its caches cannot be added to at '{cache.position}'"
    for short, original in program.originals.items():
        a, b = tensors[short], tensors[original]
        if (
            a.dtype != b.dtype
            or len(a.shape) != len(b.shape)
            or any(x > y for x, y in zip(a.shape, b.shape, strict=True))
        ):
            yield f"'{short}' cannot be the first elements of '{original}'"
    for alias, original in program.aliases.items():
        a, b = tensors[alias], tensors[original]
        if math.prod(a.shape) != math.prod(b.shape) or a.dtype != b.dtype:
            yield f"'{alias}' cannot be '{original}' in another shape"
        seen = {alias}
        while original in program.aliases:
            if original in seen:
                yield f"'{alias}' is another shape of itself"
                return
            seen.add(original)
            original = program.aliases[original]
    for segment in program.segments:
        if isinstance(segment, ChipSegment):
            places = [place for one in (segment, *segment.shorter) for place in (*one.inputs, *one.outputs)]
            for place in places:
                numbers = (place.offset, place.top, place.bottom, place.left, place.right)
                if min(numbers) < 0 or min(place.height, place.width, place.channels) < 1:
                    yield f"the place of '{place.tensor}' has a size below zero"
                elif place.rows_together < 1 or (place.top + place.height + place.bottom) % place.rows_together:
                    yield f"the rows of '{place.tensor}' cannot lie together in groups of {place.rows_together}"
                if tensors[place.tensor].dtype != "int8" or not -128 <= place.fill <= 127:
                    yield f"the chip cannot hold '{place.tensor}'"
            lists = [entry for one in (segment, *segment.shorter) for entry in one.lists]
            yield from (problem for entry in lists for problem in _list(entry, program))
        elif not isinstance(segment, HostSegment):
            x, y = tensors[segment.input], tensors[segment.output]
            if segment.operator in _OF_POSITION:
                kind = y.dtype, len(y.shape) if segment.operator == "PositionMask" else 0
                if x.dtype not in _INDICES or math.prod(x.shape) != 1 or kind != _OF_POSITION[segment.operator]:
                    yield f"its conversion '{segment.name}' cannot make '{y.name}' of '{x.name}'"
                continue
            reads, makes = _TYPES.get(segment.operator, ((x.dtype,), (x.dtype,)))
            small = x if reads == ("int8",) else y
            scaled = segment.operator not in _TYPES or small.scale is not None
            size, sizes = math.prod(x.shape), [math.prod(y.shape)]
            if segment.operator == "Indices":
                sizes = [count * sizes[0] for count in range(1, _INDEX_BYTES + 1)]
            if x.dtype not in reads or y.dtype not in makes or size not in sizes or not scaled:
                yield f"its conversion '{segment.name}' cannot make '{y.name}' of '{x.name}'"


def _list(entry: IndexList, program: Program) -> Iterator[str]:
    tensor = program.tensors[entry.tensor]
    end = entry.offset + 4 * len(entry.places)
    if tensor.dtype not in _INDICES or min(entry.entries, entry.pitch) < 1:
        yield f"'{entry.tensor}' cannot be the indices of a list"
    elif not all(0 <= place < math.prod(tensor.shape) for place in entry.places):
        yield f"a list holds more than '{entry.tensor}' does"
    elif entry.offset < 0 or end > program.base_bytes.get(Base.INPUTS, 0):
        yield f"a list of '{entry.tensor}' lies beyond its memory"


def _made(program: Program) -> Iterator[str]:
    """What is read before anything made it."""

    def original(name: str) -> str:
        while name in program.aliases:
            name = program.aliases[name]
        return name

    known = {original(name) for name in (*program.inputs, *(state.placement.tensor for state in program.states))}
    for segment in program.segments:
        if isinstance(segment, ChipSegment):
            reads, writes = ([place.tensor for place in places] for places in (segment.inputs, segment.outputs))
            reads += [entry.tensor for entry in segment.lists]
        elif isinstance(segment, HostSegment):
            reads, writes = list(segment.inputs), list(segment.outputs)
        else:
            reads, writes = [segment.input], [segment.output]
        missing = [name for name in reads if original(name) not in known]
        if missing:
            yield f"it reads '{missing[0]}' before anything makes it"
        known.update(map(original, writes))
    missing = [name for name in program.outputs if original(name) not in known]
    if missing:
        yield f"nothing makes its output '{missing[0]}'"
