"""The float32 blocks in Verilog against the primitives of the reference, bit by bit."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lithify.isa.vector import Second
from lithify.reference.float32 import PRIMITIVES
from lithify.rtl.vector.add import Add
from lithify.rtl.vector.divide import Divide
from lithify.rtl.vector.lane import FloatLane
from lithify.rtl.vector.multiply import Multiply
from rtl.compute.verilated import build

SPECIAL = (
    0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC12345, 0x7F800001,
    0x00800000, 0x80800000, 0x00FFFFFF, 0x00800001, 0x007FFFFF, 0x807FFFFF, 0x00000001, 0x7F7FFFFF, 0xFF7FFFFF,
    0x3F7FFFFF, 0x3F800001, 0x40000000, 0x4B000000, 0x4B000001, 0x40400000, 0x3F000000, 0x3EFFFFFF, 0x3FC00000,
    0x40200000, 0x34000000, 0x33800000, 0x5F000000, 0x1F800000, 0x4A7FFFFF, 0x4AFFFFFF, 0xC3FF8000, 0x44000000,
)  # fmt: skip
CASES = 40_000
Bits = np.ndarray

pytestmark = pytest.mark.slow  # four blocks are compiled


def numbers(random: np.random.Generator, count: int) -> Bits:
    """Bit patterns: any, specials, around one, and with few bits set, of which many are halves of something."""
    sign = random.integers(0, 2, count, np.uint32) << np.uint32(31)
    near = random.integers(118, 154, count, np.uint32) << 23 | random.integers(0, 2**23, count, np.uint32) | sign
    few = random.integers(118, 160, count, np.uint32) << 23 | random.integers(0, 32, count, np.uint32) << 18 | sign
    kinds = [random.integers(0, 2**32, count, np.uint32), random.choice(np.uint32(SPECIAL), count), near, few, near]
    return np.choose(random.integers(0, len(kinds), count), kinds).astype(np.uint32)


def pairs(seed: int) -> tuple[Bits, Bits]:
    """Pairs of numbers: all pairs of specials, random ones, nearly equal ones, results around the ends of the range."""
    random = np.random.default_rng(seed)
    a, b = numbers(random, CASES), numbers(random, CASES)
    every = np.array(np.meshgrid(SPECIAL, SPECIAL), np.uint32).reshape(2, -1)
    a[: every.shape[1]], b[: every.shape[1]] = every
    part = slice(2000, 9000)
    b[part] = a[part] ^ random.integers(0, 16, 7000, np.uint32) ^ random.integers(0, 2, 7000, np.uint32) << 31
    part = slice(9000, 13000)
    b[part] = (a[part] + (random.integers(-3, 4, 4000) << 23).astype(np.uint32)) ^ random.integers(
        0, 4, 4000, np.uint32
    )
    part, half = slice(13000, 21000), 4000
    exponent = random.integers(1, 255, 8000)
    other = np.clip(np.r_[127 - exponent[:half], 254 + 127 - exponent[half:]] + random.integers(-2, 3, 8000), 1, 254)
    fraction = random.choice([0, 1, 0x7FFFFF, 0x7FFFFE, 0x400000], (2, 8000))
    fraction = np.where(random.random((2, 8000)) < 0.5, random.integers(0, 2**23, (2, 8000)), fraction)
    a[part] = (exponent << 23 | fraction[0]).astype(np.uint32)
    b[part] = (other << 23 | fraction[1]).astype(np.uint32)
    return a, b


@functools.cache
def block(kind: Callable[[], Any], names: tuple[str, ...]) -> Any:
    lines = "".join(f"    dut.{name} = inputs[{column}];\n" for column, name in enumerate(names))
    header = f"#pragma once\nstatic void set_inputs(Vdut &dut, const uint32_t *inputs) {{\n{lines}}}\n"
    return build(kind(), "../vector/floats.cpp", {"inputs.h": header})


def run(kind: Any, **inputs: Bits) -> Bits:
    """The results of the hardware for each case."""
    library = block(kind, tuple(inputs))
    arrays = np.broadcast_arrays(*(np.asarray(value, np.uint32) for value in inputs.values()))
    table = np.ascontiguousarray(np.stack(arrays, 1))
    results = np.zeros(len(table), np.uint32)
    pointer = ctypes.c_void_p
    library.run(pointer(table.ctypes.data), len(inputs), len(table), kind.LATENCY, pointer(results.ctypes.data))
    return results


def same(got: Bits, wanted: Any, *operands: Bits) -> None:
    bits = np.asarray(wanted, np.float32).view(np.uint32)
    wrong = np.flatnonzero(got != bits)
    first = [hex(int(value[wrong[0]])) for value in (*operands, got, bits)] if wrong.size else []
    assert not wrong.size, f"{wrong.size} differ; the first: operands, result and wanted {first}"


def floats(bits: Bits) -> np.ndarray:
    return bits.view(np.float32)


def test_multiply() -> None:
    a, b = pairs(1)
    same(run(Multiply, a=a, b=b, scale=0), PRIMITIVES["multiply"].meaning(floats(a), floats(b)), a, b)


def test_scale() -> None:
    a, b = pairs(2)
    steps = np.random.default_rng(0).uniform(-300, 300, b.size).astype(np.float32)
    halves = np.float32(np.random.default_rng(1).integers(-1100, 1100, b.size) / 2)
    kind = np.arange(b.size) % 3
    b = np.choose(kind, [b, steps.view(np.uint32), halves.view(np.uint32)])
    same(run(Multiply, a=a, b=b, scale=1), PRIMITIVES["scale"].meaning(floats(a), floats(b)), a, b)


TWO = {
    "add": Second.ADD,
    "subtract": Second.SUBTRACT,
    "maximum": Second.MAXIMUM,
    "minimum": Second.MINIMUM,
    "less": Second.LESS,
    "equal": Second.EQUAL,
    "signed": Second.SIGNED,
}
ONE = {"round": Second.ROUND, "exponent": Second.EXPONENT, "significand": Second.SIGNIFICAND}


@pytest.mark.parametrize("name", TWO)
def test_two_operands(name: str) -> None:
    a, b = pairs(3)
    got = run(Add, a=a, b=b, operation=TWO[name], mask=0)
    same(got, PRIMITIVES[name].meaning(floats(a), floats(b)), a, b)


def test_reverse() -> None:
    a, b = pairs(4)
    got = run(Add, a=a, b=b, operation=Second.REVERSE, mask=0)
    same(got, PRIMITIVES["subtract"].meaning(floats(b), floats(a)), a, b)


@pytest.mark.parametrize("name", ONE)
def test_one_operand(name: str) -> None:
    a, b = pairs(5)
    got = run(Add, a=a, b=b, operation=ONE[name], mask=0)
    same(got, PRIMITIVES[name].meaning(floats(a)), a)


def test_select() -> None:
    a, b = pairs(6)
    mask = np.random.default_rng(6).integers(0, 2, a.size, np.uint32)
    got = run(Add, a=a, b=b, operation=Second.SELECT, mask=mask)
    same(got, PRIMITIVES["select"].meaning(mask.astype(np.float32), floats(a), floats(b)), a, b)


def test_divide() -> None:
    a, b = pairs(7)
    same(run(Divide, a=a, b=b, root=0), PRIMITIVES["divide"].meaning(floats(a), floats(b)), a, b)


def test_square_root() -> None:
    a, b = pairs(8)
    a[21000:] &= np.uint32(0x7FFFFFFF)
    got = run(Divide, a=a, b=b, root=1)
    same(got, PRIMITIVES["square_root"].meaning(floats(a)), a)
    # Roots of squares, and of their neighbours.
    root = np.random.default_rng(8).integers(0x20000000, 0x5F000000, CASES, np.uint32)
    square = (floats(root) * floats(root)).view(np.uint32) + np.random.default_rng(9).integers(-1, 2, CASES, np.int64)
    a = square.astype(np.uint32)
    same(run(Divide, a=a, b=b, root=1), PRIMITIVES["square_root"].meaning(floats(a)), a)


@pytest.mark.parametrize("operation", [entry for entry in Second if entry < Second.DIVIDE])
def test_a_lane_rounds_twice(operation: Second) -> None:
    """The product, then the second operation: never fused."""
    a, b = pairs(10)
    c, _ = pairs(11)
    product = PRIMITIVES["multiply"].meaning(floats(a), floats(b))
    close = np.arange(c.size) % 2 == 0
    c = np.where(close, product.view(np.uint32) ^ np.uint32(0x80000001), c)
    mask = np.random.default_rng(12).integers(0, 2, a.size, np.uint32)
    got = run(FloatLane, a=a, b=b, c=c, scale=0, operation=operation, mask=mask)
    name = operation.name.lower()
    if operation is Second.REVERSE:
        wanted = PRIMITIVES["subtract"].meaning(floats(c), product)
    elif operation is Second.SELECT:
        wanted = PRIMITIVES["select"].meaning(mask.astype(np.float32), product, floats(c))
    else:
        wanted = PRIMITIVES[name].meaning(*(product, floats(c))[: PRIMITIVES[name].operands])
    same(got, wanted, a, b, c)
