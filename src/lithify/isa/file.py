"""The program file: one `.lith` file holds everything that running a compiled network needs.

    offset  bytes
         0      8   magic
         8      4   version of the file format, little-endian like all numbers here
        12      4   version of the instruction set
        16      8   bytes of the header
        24     32   SHA-256 of bytes 0 to 23 and the header
        56      -   header: JSON with the section table and the entry points
         -      -   sections, each from a multiple of 64 bytes on, zeros between them

Sections: `chip` (the chip description, TOML), `instructions`, `constants`, `map` (JSON: tensors, segments, placements,
layers), `host_model_<n>` (ONNX), `preprocessing` (JSON, see `lithify.preprocessing.Chain`; empty without one), and
`signature`, empty and reserved. Every section has its digest in the table: the SHA-256 of the SHA-256s of its blocks of
1 MiB, one after the other.
"""

import hashlib
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lithify.chip import parse_chip, write_chip
from lithify.errors import LithifyError
from lithify.isa.consistency import contradiction
from lithify.isa.digest import digest
from lithify.isa.operations import ISA_VERSION
from lithify.isa.program import (
    Base,
    Cache,
    ChipSegment,
    Conversion,
    HostSegment,
    Layer,
    Program,
    Result,
    Segment,
    State,
    TensorInfo,
)
from lithify.preprocessing import Chain, chain_from_json

MAGIC = b"\x8fLITH\r\n\x1a"
FORMAT_VERSION = 4
MAPPED = 2**24
"""Files of this many bytes and more are mapped into memory: what a run does not read is never loaded."""
ALIGNMENT = 64
"""Sections begin at multiples of this, so that they can be mapped into memory."""

Block = bytes | memoryview

_PREAMBLE = struct.Struct("<8sIIQ")
_HEADER_START = _PREAMBLE.size + 32
_AGAIN = "copy it again from where it came, or compile the network again"


@dataclass(frozen=True)
class Section:
    """One row of the section table. offset: from the first section, in bytes; digest: see `lithify.isa.digest`."""

    name: str
    offset: int
    size: int
    digest: str


@dataclass(frozen=True)
class EntryPoint:
    """Where running begins: `segment` is an index into the program's segments."""

    name: str
    segment: int


@dataclass(frozen=True)
class Header:
    """What the header holds; name: the network's."""

    name: str
    entry_points: tuple[EntryPoint, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class _Host:
    name: str
    operators: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    section: str


@dataclass(frozen=True)
class _Step:
    chip: ChipSegment | None = None
    host: _Host | None = None
    conversion: Conversion | None = None


@dataclass(frozen=True)
class _Map:
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: tuple[TensorInfo, ...]
    steps: tuple[_Step, ...]
    base_bytes: dict[str, int]
    results: tuple[Result, ...]
    layers: tuple[Layer, ...]
    aliases: dict[str, str]
    fused: tuple[str, ...]
    batch: int = 1
    mixed: str = ""
    states: tuple[State, ...] = ()
    cache: Cache | None = None
    originals: dict[str, str] = field(default_factory=dict)


_HEADER_JSON = TypeAdapter(Header)
_MAP_JSON = TypeAdapter(_Map)


def save(program: Program, path: str | Path) -> None:
    """Writes the program file; an existing file is replaced only when the new one is whole.

    Raises LithifyError if the file cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(_sealed(program.name, _contents(program)))
            # mkstemp keeps the file to its owner; a program is as readable as any file its owner makes.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise LithifyError(
            f"Cannot write the program '{path}': {error.strerror}; give a file name in a folder you may write to."
        ) from error


def load_program(path: str | Path) -> Program:
    """The program that `save` wrote, every digest verified. The constants of a large one stay in the file, mapped.

    Raises LithifyError if the file cannot be read, is no program, is damaged, or is of another version.
    """
    data: bytes | memoryview
    try:
        with Path(path).open("rb") as file:
            large = os.fstat(file.fileno()).st_size >= MAPPED
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if large else None
            data = file.read() if mapped is None else memoryview(mapped)
    except OSError as error:
        raise LithifyError(
            f"Cannot read the program '{path}': {error.strerror}; give a .lith file that Lithify compiled."
        ) from error
    if mapped is None or not hasattr(mapped, "madvise"):  # not everywhere there
        return from_bytes(data, str(path))
    mapped.madvise(mmap.MADV_SEQUENTIAL)  # for the digests; a run goes where it likes
    try:
        return from_bytes(data, str(path))
    finally:
        mapped.madvise(mmap.MADV_NORMAL)


def to_bytes(program: Program) -> bytes:
    """The contents of the program file."""
    return seal(program.name, _contents(program))


def _contents(program: Program) -> dict[str, Block]:
    """The sections, in their order."""
    steps, models = _steps(program.segments)
    mapping = _Map(
        inputs=program.inputs,
        outputs=program.outputs,
        tensors=tuple(program.tensors.values()),
        steps=steps,
        base_bytes={Base(base).name: size for base, size in program.base_bytes.items()},
        results=program.results,
        layers=program.layers,
        aliases=dict(program.aliases),
        fused=program.fused,
        batch=program.batch,
        mixed=program.mixed,
        states=program.states,
        cache=program.cache,
        originals=dict(program.originals),
    )
    return {
        "chip": write_chip(program.chip).encode(),
        "instructions": program.instructions,
        "constants": program.constants,
        "map": _MAP_JSON.dump_json(mapping),
        **models,
        "preprocessing": program.preprocessing.to_json().encode() if program.preprocessing is not None else b"",
        "signature": b"",
    }


def seal(name: str, contents: Mapping[str, Block]) -> bytes:
    """The program file of a network called `name`, of these sections in this order, with their digests."""
    return b"".join(_sealed(name, contents))


def _sealed(name: str, contents: Mapping[str, Block]) -> Iterator[Block]:
    """The parts of `seal`, one behind the other."""
    # The header's length depends on the offsets, which depend on the header's length: offsets count from the first
    # section, which begins at the first aligned byte after the header.
    sections, offset = [], 0
    for section, block in contents.items():
        sections.append(Section(section, offset, len(block), digest(block)))
        offset = _aligned(offset + len(block))
    header = _HEADER_JSON.dump_json(Header(name, (EntryPoint("main", 0),), tuple(sections)))
    preamble = _PREAMBLE.pack(MAGIC, FORMAT_VERSION, ISA_VERSION, len(header))
    yield from (preamble, hashlib.sha256(preamble + header).digest(), header)
    size = _HEADER_START + len(header)
    for block in contents.values():
        yield from (bytes(_aligned(size) - size), block)
        size = _aligned(size) + len(block)


def from_bytes(data: Block, where: str) -> Program:
    """The program in a file's contents; `where` names the file in errors. Errors as of `load_program`."""
    header, start = _read_header(data, where)
    contents: dict[str, bytes] = {}
    constants: Block = b""
    for name, block in _read_sections(data, where, header.sections, start):
        if name == "constants":
            constants = block
        contents[name] = b"" if name == "constants" else bytes(block)
    try:
        chip = parse_chip(contents["chip"].decode(), f"{where}: chip")
        mapping = _MAP_JSON.validate_json(contents["map"])
        segments = tuple(_segment(step, contents) for step in mapping.steps)
        program = Program(
            name=header.name,
            chip=chip,
            inputs=mapping.inputs,
            outputs=mapping.outputs,
            tensors={tensor.name: tensor for tensor in mapping.tensors},
            segments=segments,
            instructions=contents["instructions"],
            constants=constants,
            base_bytes={Base[name]: size for name, size in mapping.base_bytes.items()},
            results=mapping.results,
            layers=mapping.layers,
            aliases=mapping.aliases,
            fused=mapping.fused,
            preprocessing=_chain(contents["preprocessing"], mapping.inputs, where),
            batch=mapping.batch,
            mixed=mapping.mixed,
            states=mapping.states,
            cache=mapping.cache,
            originals=mapping.originals,
        )
    except (KeyError, ValidationError, UnicodeDecodeError) as error:
        raise _damaged(where, "its contents do not fit together") from error
    what = contradiction(program)
    if what is not None:
        raise _damaged(where, what)
    return program


def open_sections(data: bytes, where: str) -> tuple[str, dict[str, bytes]]:
    """The network's name and the sections of a file, every digest verified. Errors as of `load_program`."""
    header, start = _read_header(data, where)
    return header.name, {name: bytes(block) for name, block in _read_sections(data, where, header.sections, start)}


def _chain(text: bytes, inputs: Sequence[str], where: str) -> Chain | None:
    if not text:
        return None
    try:
        chain = chain_from_json(text)
    except LithifyError as error:
        raise _damaged(where, "its preprocessing is not readable") from error
    if chain.input not in inputs:
        raise _damaged(where, f"its preprocessing is for an input '{chain.input}' that it does not have")
    return chain


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _steps(segments: Sequence[Segment]) -> tuple[tuple[_Step, ...], dict[str, bytes]]:
    steps: list[_Step] = []
    models: dict[str, bytes] = {}
    for segment in segments:
        if isinstance(segment, ChipSegment):
            steps.append(_Step(chip=segment))
        elif isinstance(segment, HostSegment):
            section = f"host_model_{len(models)}"
            models[section] = segment.model
            steps.append(_Step(host=_Host(segment.name, segment.operators, segment.inputs, segment.outputs, section)))
        else:
            steps.append(_Step(conversion=segment))
    return tuple(steps), models


def _segment(step: _Step, contents: dict[str, bytes]) -> Segment:
    if step.host is not None:
        host = step.host
        return HostSegment(host.name, host.operators, host.inputs, host.outputs, contents[host.section])
    if step.chip is not None:
        return step.chip
    if step.conversion is not None:
        return step.conversion
    raise KeyError("an empty step")


def _damaged(where: str, what: str) -> LithifyError:
    return LithifyError(f"The program '{where}' is damaged: {what}; {_AGAIN}.")


def _read_header(data: Block, where: str) -> tuple[Header, int]:
    """The header, and the offset of the first section."""
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise LithifyError(f"The file '{where}' is no Lithify program; give a .lith file that Lithify compiled.")
    if len(data) < _HEADER_START:
        raise _damaged(where, f"it ends after {len(data)} bytes, inside its header")
    _, version, isa_version, size = _PREAMBLE.unpack_from(data)
    for what, given, known in (
        ("the file format", version, FORMAT_VERSION),
        ("the instruction set", isa_version, ISA_VERSION),
    ):
        if given > known:
            raise LithifyError(
                f"The program '{where}' has version {given} of {what}, but this Lithify knows version {known}; "
                "install a newer Lithify."
            )
        if given < known:
            raise LithifyError(
                f"The program '{where}' has version {given} of {what}, but this Lithify knows version {known}; "
                "compile the network again."
            )
    if len(data) < _HEADER_START + size:
        raise _damaged(where, f"it ends after {len(data)} bytes, inside its header")
    header = bytes(data[_HEADER_START : _HEADER_START + size])
    if hashlib.sha256(bytes(data[: _PREAMBLE.size]) + header).digest() != data[_PREAMBLE.size : _HEADER_START]:
        raise _damaged(where, "its header does not match its digest")
    try:
        return _HEADER_JSON.validate_json(header), _aligned(_HEADER_START + size)
    except ValidationError as error:
        raise _damaged(where, "its header is not readable") from error


def _read_sections(data: Block, where: str, sections: Sequence[Section], start: int) -> Iterator[tuple[str, Block]]:
    if not sections:
        raise _damaged(where, "its header lists no sections")
    end = start + max(section.offset + section.size for section in sections)
    if len(data) < end:
        raise _damaged(where, f"it ends after {len(data)} bytes of {end}")
    if len(data) > end:
        raise _damaged(where, f"it goes on after its {end} bytes")
    position = _HEADER_START + _PREAMBLE.unpack_from(data)[3]
    for section in sections:
        first = start + section.offset
        block = data[first : first + section.size]
        if digest(block) != section.digest:
            raise _damaged(where, f"its section '{section.name}' does not match its digest")
        if any(data[position:first]):
            raise _damaged(where, f"the bytes before its section '{section.name}' are not zero")
        position = first + section.size
        yield section.name, block
