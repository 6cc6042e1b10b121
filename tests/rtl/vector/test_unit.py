"""The vector unit in Verilog against the functional and the timing model: equal bits, equal cycles."""

import ctypes
import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from lithify.chip.vector import VectorShape
from lithify.compiler.vector import Streamed, translate
from lithify.isa.vector import A, B, Format, Micro, Second, Stream, VectorInstruction, encode_program
from lithify.reference.arithmetic import round_to_int8
from lithify.reference.row_functions import ROW_FUNCTIONS
from lithify.reference.written import evaluate
from lithify.rtl.vector.sequencer import VECTOR
from lithify.rtl.vector.unit import VectorUnit
from lithify.sim.functional.vector import run_vector
from lithify.sim.timing.vector import retirement
from rtl.compute.verilated import build

from .programs import looks_up, random_program, softmax

pytestmark = pytest.mark.slow  # the unit is compiled
FIELD_BYTES = (VECTOR.size + 7) // 8
SHAPES = {"4 lanes": VectorShape(4, 16), "2 lanes": VectorShape(2, 8), "8 lanes": VectorShape(8, 32)}
WORDS = 8192


@dataclass(frozen=True)
class Run:
    """addresses and words that were written, in order; cycles from start to retirement of each instruction."""

    addresses: list[int]
    words: np.ndarray
    cycles: list[int]


@functools.cache
def library(shape: VectorShape) -> Any:
    sizes = f"#pragma once\nenum {{ WORD_BYTES = {shape.word_bytes}, FIELD_BYTES = {FIELD_BYTES} }};\n"
    return build(VectorUnit(shape), "../vector/unit.cpp", {"sizes.h": sizes})


def run(shape: VectorShape, instructions: list[VectorInstruction], memory: np.ndarray) -> Run:
    count, room = len(instructions), 1 << 17
    fields = b"".join(VECTOR.const(entry.values).as_bits().to_bytes(FIELD_BYTES, "little") for entry in instructions)
    code, memory = np.frombuffer(fields, np.uint8), np.ascontiguousarray(memory)
    addresses, words = np.zeros(room, np.uint16), np.zeros((room, shape.word_bytes), np.int8)
    starts, retired = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    at = [ctypes.c_void_p(array.ctypes.data) for array in (memory, code, addresses, words, starts, retired)]
    long, limit = ctypes.c_int64, 3_000_000
    call = library(shape).run
    call.restype = ctypes.c_int64
    written = call(at[0], at[1], long(count), long(limit), at[2], at[3], long(room), at[4], at[5])
    return Run(addresses[:written].tolist(), words[:written], (retired - starts).tolist())


def scratchpad(random: np.random.Generator, shape: VectorShape) -> np.ndarray:
    return random.integers(-128, 128, (WORDS, shape.word_bytes)).astype(np.int8)


def put(memory: np.ndarray, shape: VectorShape, instruction: VectorInstruction) -> None:
    """The instruction's program into the scratchpad."""
    code = np.frombuffer(encode_program(instruction.operations), np.int8)
    whole = np.zeros(-(-code.size // shape.word_bytes) * shape.word_bytes, np.int8)
    whole[: code.size] = code
    memory[instruction.program : instruction.program + whole.size // shape.word_bytes] = whole.reshape(
        -1, shape.word_bytes
    )


def compare(shape: VectorShape, instructions: list[VectorInstruction], memory: np.ndarray) -> list[np.ndarray]:
    """The words that each instruction writes; asserts that hardware and models agree."""
    for entry in instructions:
        put(memory, shape, entry)
    streams = [run_vector(shape, entry, memory) for entry in instructions]
    got = run(shape, instructions, memory)
    assert got.cycles == [retirement(entry.encoded(shape)) for entry in instructions]
    assert got.addresses == [int(at) for stream in streams for at in stream.addresses]
    wanted = np.concatenate([stream.words for stream in streams])
    wrong = np.argwhere(got.words != wanted)
    assert not wrong.size, f"{len(wrong)} bytes differ; the first in word {wrong[0][0]}, byte {wrong[0][1]}"
    return [stream.words for stream in streams]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("columns", [64, 128, 100, 5, 197])
def test_softmax_is_that_of_the_reference(name: str, columns: int) -> None:
    shape, random = SHAPES[name], np.random.default_rng(columns)
    memory = scratchpad(random, shape)
    scale, y_scale = np.float32(0.0371), np.float32(1 / 256)
    instruction = softmax(7, columns, float(scale), 11, float(y_scale), -128, (0, 600, 4000), shape.word_bytes)
    (words,) = compare(shape, [instruction], memory)
    row_words = instruction.x.row_words
    x = memory[600 : 600 + 7 * row_words].reshape(7, -1)[:, :columns].astype(np.float32)
    exact = evaluate(ROW_FUNCTIONS["softmax"], (x - np.float32(11)) * scale)
    wanted = round_to_int8(exact / y_scale, -128)
    assert words.reshape(7, -1)[:, :columns].tolist() == wanted.tolist()
    assert np.unique(wanted).size > min(5, columns // 2)


@pytest.mark.parametrize("name", SHAPES)
def test_layer_norm_as_the_compiler_translates_it(name: str) -> None:
    shape, random, columns = SHAPES[name], np.random.default_rng(4), 200
    memory = scratchpad(random, shape)
    scale, bias = random.normal(size=(2, columns)).astype(np.float32)
    x_scale, y_scale = np.float32(0.021), np.float32(0.017)
    row_words, scale_words = -(-columns // shape.word_bytes), 4 * columns // shape.word_bytes
    for at, row in ((3000, scale), (4500, bias)):
        memory[at : at + scale_words] = row.view(np.int8).reshape(-1, shape.word_bytes)
    sources = {"x": Streamed(0, float(x_scale)), "n": 200.0, "epsilon": 1e-5, "scale": Streamed(1), "bias": Streamed(2)}
    program = translate(ROW_FUNCTIONS["layer_norm"], sources, divide_by=float(y_scale))
    instruction = VectorInstruction(
        0, 5, columns, program, Stream(600, row_words, Format.INT8, -4), Stream(3000, 0, Format.FLOAT32),
        Stream(6000, row_words, Format.INT8, 9), minimum=-100, v_address=4500, v_format=Format.FLOAT32,
    )  # fmt: skip
    (words,) = compare(shape, [instruction], memory)
    x = (memory[600 : 600 + 5 * row_words].reshape(5, -1)[:, :columns].astype(np.float32) + np.float32(4)) * x_scale
    exact = evaluate(ROW_FUNCTIONS["layer_norm"], x, 200, np.float32(1e-5), scale, bias)
    wanted = round_to_int8(exact / y_scale, 9, -100)
    assert words.reshape(5, -1)[:, :columns].tolist() == wanted.tolist()
    assert np.unique(wanted).size > 100


@pytest.mark.parametrize("name", SHAPES)
def test_a_register_divided_by_a_register(name: str) -> None:
    """x / w and w / x, the divisor written just before, in registers numbered by the strip too."""
    shape, random, columns = SHAPES[name], np.random.default_rng(6), 150
    memory = scratchpad(random, shape)
    x, w = random.normal(size=(2, columns)).astype(np.float32)
    words = -(-4 * columns // shape.word_bytes)
    for at, row in ((600, x), (3000, w)):
        memory[at : at + words].reshape(-1)[: 4 * columns] = row.view(np.int8)
    for numerator, strip in ((0, 0), (1, 0), (0, 1)):
        operations = (
            Micro(a=A.STREAM, stream=numerator, first=1, write=1, target=0),
            Micro(a=A.STREAM, stream=1 - numerator, write=1, target=3, write_strip=strip),
            Micro(Second.DIVIDE, A.REGISTER, B.REGISTER, register=0, target=3, write_strip=strip),
            Micro(a=A.REGISTER, register=3, read_strip=strip, store=1, last=1),
        )
        y = Stream(6000, words, Format.FLOAT32)
        given = Stream(600, words, Format.FLOAT32), Stream(3000, words, Format.FLOAT32)
        (written,) = compare(shape, [VectorInstruction(0, 2, columns, operations, *given, y)], memory)
        quotient = (x / w, w / x)[numerator]
        assert (written.view(np.float32).reshape(2, -1)[0, :columns] == quotient).all()


def random_instruction(random: np.random.Generator, shape: VectorShape, program: int) -> VectorInstruction:
    columns = int(random.choice([1, 3, 17, 63, 64, 65, 100, 128, 150]))

    def stream(address: int) -> Stream:
        form = (Format.INT8, Format.INT32, Format.FLOAT32)[int(random.integers(0, 3))]
        row_words = -(-columns * form.bytes // shape.word_bytes) + int(random.integers(0, 3))
        return Stream(address, row_words * int(random.random() < 0.8), form, int(random.integers(-128, 128)))

    y = stream(6000)
    y = Stream(y.address, y.row_words, Format.FLOAT32 if random.random() < 0.6 else Format.INT8, y.zero_point)
    low, high = np.sort(random.integers(-128, 128, 2)).tolist()
    operations, x = random_program(random), stream(1000)
    # The table, of whatever bytes are there, lies behind the program.
    table = looks_up(operations) or (x.format is Format.INT8 and bool(random.integers(0, 2)))
    if table:
        x = replace(x, format=Format.INT8)
    return VectorInstruction(
        program, int(random.integers(1, 4)), columns, operations, x, stream(3000), y, minimum=low, maximum=high,
        v_address=5000, v_format=Format(int(random.integers(0, 3))), table=table,
    )  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(6))
def test_random_programs(name: str, seed: int) -> None:
    shape, random = SHAPES[name], np.random.default_rng(100 + seed)
    memory = scratchpad(random, shape)
    # Numbers of ordinary size in part of what is read as float32.
    numbers = random.normal(size=(1000, shape.word_bytes // 4)).astype(np.float32)
    memory[1000:2000] = np.where(random.random((1000, 1)) < 0.7, numbers.view(np.int8), memory[1000:2000])
    instructions = [random_instruction(random, shape, 70 * number) for number in range(12)]
    written = compare(shape, instructions, memory)
    assert sum(words.size for words in written) > 0


@pytest.mark.campaign
@pytest.mark.parametrize("name", SHAPES)
def test_many_random_programs(name: str) -> None:
    for seed in range(6, 300):
        test_random_programs(name, seed)
