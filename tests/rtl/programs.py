"""Programs for tests: streams of transfers, and what they do, in numpy."""

import functools
import random
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module
from amaranth.lib import wiring

from lithify.chip import Chip
from lithify.chip.pipeline import LIST_BYTES
from lithify.isa import Instruction, Queue, encode, instruction
from lithify.rtl.chip import Top
from lithify.rtl.netlist import modules
from lithify.rtl.ports import ComputePorts
from lithify.rtl.simulation import Build, build
from lithify.runtime.chip import verilog_of

PROGRAM = 0x1000
DATA = 0x10000
DATA_BYTES = 0x40000
BASES = {0: DATA, 5: DATA + 0x3080}


class NoCompute(wiring.Component):
    """A compute unit that never takes an instruction: for tests of transfers on chips whose arrays are large."""

    def __init__(self, chip: Chip) -> None:
        super().__init__(ComputePorts(chip))

    def elaborate(self, platform: Any) -> Module:
        return Module()


@functools.cache
def hardware(chip: Chip) -> Build:
    """The simulator of a chip; of one that is no preset, without its compute unit."""
    whole = chip.name != "variant"
    return build(verilog_of(chip) if whole else modules(Top(chip, NoCompute(chip))), Top.module_name)


def image(program: list[Instruction], seed: int) -> tuple[npt.NDArray[np.uint8], int]:
    """A DRAM image with the program at PROGRAM and random data at DATA; and the program's size in bytes."""
    text = encode([*program, instruction("END")])
    size = -(-len(text) // 128) * 128
    dram = np.zeros(DATA + DATA_BYTES, np.uint8)
    dram[PROGRAM : PROGRAM + size] = np.frombuffer(text.ljust(size, b"\xee"), np.uint8)
    dram[DATA:] = np.random.default_rng(seed).integers(0, 256, DATA_BYTES, np.uint8)
    assert size + PROGRAM <= DATA
    return dram, size


def transfer(chip: Chip, dram: npt.NDArray[np.uint8], pad: npt.NDArray[np.uint8], entry: Instruction) -> None:
    """What a LOAD or a STORE does, row by row (docs/architecture.md, section 3). ``pad`` has a row for each word."""
    value = entry.integer
    size = chip.word_bytes
    for plane in range(value("planes")):
        for row in range(value("rows")):
            word = value("address") + plane * value("plane_words") + row * value("row_words")
            start = BASES[value("base")] + value("offset") + row * value("row_stride")
            if entry.operation.name == "LOAD" and value("listed"):
                place = BASES[value("list_base")] + value("plane_stride") + 4 * plane
                start += int.from_bytes(dram[place : place + 4].tobytes(), "little")
            else:
                start += plane * value("plane_stride")
            count = value("row_bytes")
            words = -(-count // size)
            if entry.operation.name == "LOAD":
                line = np.full(words * size, value("fill"), np.int8).view(np.uint8)
                line[:count] = dram[start : start + count]
                pad[word : word + words] = line.reshape(words, size)
            else:
                dram[start : start + count] = pad[word : word + words].reshape(-1)[:count]


def random_transfers(chip: Chip, rng: random.Random, count: int) -> list[Instruction]:
    """Loads and stores of all shapes, with the tokens that their use of the scratchpad's banks asks for.

    Loads read the lower half of the data in DRAM and stores write the upper half. An instruction that touches a bank
    last used by the other queue waits for the last instruction there to retire.
    """
    program: list[dict[str, int | str]] = []
    size = chip.word_bytes
    last_use: dict[tuple[int, str], int] = {}  # bank and operation -> its last instruction
    safe = {"LOAD": -1, "STORE": -1}  # the last instruction of the operation that the other queue has waited for
    for index in range(count):
        kind, other = rng.choice([("LOAD", "STORE"), ("LOAD", "STORE"), ("STORE", "LOAD")])
        rows, planes = rng.choice([1, 1, 2, 3, 7]), rng.choice([1, 1, 2])
        banks = rng.randint(1, 3)
        first = rng.randint(0, chip.scratchpad_banks - banks)
        space = banks * chip.bank_words
        words = rng.randint(1, min(space // (rows * planes), rng.choice([1, 2, 5, 40, 200])))
        row_words = words + rng.randint(0, min(3, space // (rows * planes) - words))
        address = first * chip.bank_words + rng.randint(0, space - row_words * rows * planes)
        row_bytes = words * size
        if kind == "LOAD":
            row_bytes -= rng.choice([0, 0, rng.randint(0, size - 1)])
            stride, offset = rng.randint(0, row_bytes + 20), rng.randint(0, 0x3000)
        else:
            stride, offset = row_bytes + size * rng.randint(0, 3), DATA_BYTES // 2 + size * rng.randint(0, 500)
        fields: dict[str, int | str] = {
            "operation": kind, "base": rng.choice(list(BASES)), "offset": offset, "row_bytes": row_bytes,
            "rows": rows, "planes": planes, "row_stride": stride, "plane_stride": rows * stride, "address": address,
            "row_words": row_words, "plane_words": rows * row_words, "wait": 0, "signal": 0,
        }  # fmt: skip
        if kind == "LOAD":
            fields["fill"] = rng.randint(-128, 127)
        used = range(address // chip.bank_words, (address + rows * planes * row_words - 1) // chip.bank_words + 1)
        before = max(last_use.get((bank, other), -1) for bank in used)
        if before > safe[other]:
            safe[other] = before
            program[before]["signal"] = 1 << Queue[kind]
            fields["wait"] = 1 << Queue[other]
        last_use |= {(bank, kind): index for bank in used}
        program.append(fields)
    return [instruction(str(fields.pop("operation")), **fields) for fields in program]  # type: ignore[arg-type]


def with_lists(
    chip: Chip, rng: random.Random, program: list[Instruction], dram: npt.NDArray[np.uint8]
) -> list[Instruction]:
    """The program with every other LOAD taking its planes from a list, which is written into ``dram``."""
    made, place = [], 0x8000
    for entry in program:
        if entry.operation.name != "LOAD" or rng.random() < 0.5:
            made.append(entry)
            continue
        # Multiples of 4 KB: they change nothing about how rows are cut.
        pages = np.array([4096 * rng.randrange(4) for _ in range(entry.integer("planes"))], "<u4")
        base = rng.choice(list(BASES))
        dram[BASES[base] + place :][: pages.nbytes] = pages.view(np.uint8)
        made.append(
            instruction("LOAD", **{**entry.values, "listed": 1, "list_base": base, "plane_stride": place,
                                   "table": DATA_BYTES // 128})
        )  # fmt: skip
        place += max(LIST_BYTES, chip.bus_bytes)
    return made


def with_conditions(rng: random.Random, program: list[Instruction]) -> list[Instruction]:
    """The program with every other instruction under one of the conditions 1 to 3, or 15."""
    return [
        instruction(entry.operation.name, **{**entry.values, "when": rng.choice([0, 0, 0, 1, 2, 3, 15])})
        for entry in program
    ]
