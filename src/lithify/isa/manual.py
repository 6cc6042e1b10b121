"""The manual of the instruction set, docs/isa.md, written from the tables: python -m lithify.isa.manual docs/isa.md"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lithify.isa.operations import GRANULE_BYTES, ISA_VERSION, OPERATIONS, Field, Operation, Queue
from lithify.isa.program import Base
from lithify.isa.registers import BASES, REGISTERS

_KINDS = {"unsigned": "unsigned", "signed": "signed", "float32": "float32", "flag": "flag", "mask": "mask of queues"}


def manual() -> str:
    """The whole manual in Markdown."""
    return "\n".join([*_introduction(), *_queues(), *_operations(), *_registers(), *_file(), ""])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def _introduction() -> list[str]:
    return [
        "# The instruction set",
        "",
        "Written from the tables in `src/lithify/isa/`; do not edit. `python -m lithify.isa.manual docs/isa.md` writes",
        "it again. What each unit does with the fields, and in which cycle, is in [architecture.md](architecture.md).",
        "",
        f"Version {ISA_VERSION}. An instruction is a number of granules of {GRANULE_BYTES} bytes; fields lie one after",
        "the other from bit 0 on, bit 0 being the lowest bit of the first byte. Bits that no field covers are 0.",
        "A word is a scratchpad word: as many bytes as the array has rows.",
        "",
    ]


def _queues() -> list[str]:
    rows = [
        (queue.name, str(int(queue)), ", ".join(f"`{op.name}`" for op in OPERATIONS if op.queue is queue) or "none yet")
        for queue in Queue
    ]
    return ["## Queues", "", *_table(("queue", "bit in `wait` and `signal`", "operations"), rows), ""]


def _operations() -> list[str]:
    rows = [
        (
            f"`{operation.name}`",
            str(operation.opcode),
            "dispatcher" if operation.queue is None else operation.queue.name,
            str(operation.granules * GRANULE_BYTES),
            operation.meaning,
        )
        for operation in OPERATIONS
    ]
    lines = ["## Instructions", "", *_table(("operation", "opcode", "queue", "bytes", "meaning"), rows), ""]
    described: dict[tuple[Field, ...], str] = {}
    for operation in OPERATIONS:
        lines += [f"### {operation.name}", "", operation.meaning, ""]
        same = described.get(operation.fields)
        if same is None:
            described[operation.fields] = operation.name
            lines += [*_table(("bits", "field", "type", "unit", "meaning"), _fields(operation)), ""]
        else:
            lines += [f"The fields are those of [{same}](#{same.lower()}).", ""]
    return lines


def _fields(operation: Operation) -> Sequence[tuple[str, ...]]:
    rows = []
    for field in operation.fields:
        first = operation.offsets[field.name]
        bits = str(first) if field.bits == 1 else f"{first + field.bits - 1}:{first}"
        kind = _KINDS[field.kind] + ("" if field.kind in ("float32", "flag", "mask") else f" {field.bits}")
        rows.append((bits, f"`{field.name}`", kind, field.unit, field.meaning))
    return rows


def _registers() -> list[str]:
    access = {"rw": "read, write", "r": "read", "w": "write"}
    rows = [
        (f"0x{register.offset:03X}", f"`{register.name}`", access[register.access], register.meaning)
        for register in REGISTERS
    ]
    bases = [(f"`BASE{int(base)}`", base.name) for base in Base]
    return [
        "## Registers",
        "",
        "32 bits each, behind AXI4-Lite.",
        "",
        *_table(("offset", "register", "access", "meaning"), rows),
        "",
        f"Of the {BASES} base registers compiled programs use these:",
        "",
        *_table(("register", "points to"), bases),
        "",
    ]


def _file() -> list[str]:
    from lithify.isa import file  # its docstring is the description of the format

    text = (file.__doc__ or "").split("\n\n", 1)[1].rstrip()
    return ["## Program file", "", "One `.lith` file holds everything that running a compiled network needs:", "", text]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(manual(), encoding="utf-8", newline="\n")
