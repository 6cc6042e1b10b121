"""The compute unit in Verilator, with instructions and a scratchpad."""

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from lithify.chip import Chip
from lithify.isa import BY_NAME, Instruction, encode
from lithify.rtl.compute import ComputeUnit
from lithify.rtl.instruction import layout

from .verilated import build


@dataclass(frozen=True)
class Run:
    """What the hardware did. results: (address, word) in order; the lists hold a cycle for each instruction."""

    results: list[tuple[int, bytes]]
    starts: list[int]
    retired: list[int]
    signals: list[int]
    active: int


@functools.cache
def library(chip: Chip) -> Any:
    field_bytes = (layout(BY_NAME["CONV"], chip).size + 7) // 8
    sizes = f"#pragma once\nenum {{ WORD_BYTES = {chip.word_bytes}, FIELD_BYTES = {field_bytes} }};\n"
    sizes += f"#define ACTIVATION_PORTS {chip.activation_ports}\n#define WEIGHT_PORTS {chip.weight_ports}\n"
    return build(ComputeUnit(chip), "unit.cpp", {"sizes.h": sizes})


def run(chip: Chip, program: list[Instruction], memory: np.ndarray, earliest: list[int], limit: int = 1_000_000) -> Run:
    """Run instructions, each offered from its cycle in `earliest` on, to the last retirement or `limit` cycles."""
    count, room = len(program), 1 << 18
    memory = np.ascontiguousarray(memory)
    code = np.frombuffer(encode(program), np.uint8)
    addresses, words = np.zeros(room, np.uint16), np.zeros((room, chip.word_bytes), np.uint8)
    cycles, starts, retired = np.zeros(room, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    signals, trace = np.zeros(count, np.uint8), np.zeros(5, np.int64)
    first = np.array(earliest, np.int64)
    at = [ctypes.c_void_p(array.ctypes.data) for array in
          (memory, code, first, addresses, words, cycles, starts, retired, signals, trace)]  # fmt: skip
    long = ctypes.c_int64
    library(chip).run(at[0], at[1], at[2], long(count), long(limit), at[3], at[4], at[5], long(room), *at[6:])
    results, started, ended, active, _ = trace.tolist()
    return Run(
        [(int(addresses[n]), words[n].tobytes()) for n in range(results)],
        starts[:started].tolist(), retired[:ended].tolist(), signals[:ended].tolist(), active,
    )  # fmt: skip
