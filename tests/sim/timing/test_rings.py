"""Rings of rows and several taps at once on the whole chip: RTL == functional simulator == timing simulator."""

import numpy as np

from lithify.chip import load_chip
from lithify.isa import Instruction, Queue, encode, instruction
from lithify.rtl.simulation import Session, run
from lithify.sim.functional import check_order, run_segment
from lithify.sim.timing import simulate
from lithify.sim.timing.compute import ComputeTiming
from rtl.programs import PROGRAM, hardware

EDGE = load_chip("edge").model_copy(update={"activation_ports": 3, "lanes": 16, "queue_depth": 8, "vector_lanes": 0})
BANK = EDGE.bank_words
SIZE = 5  # rows and columns of the image, of one word a pixel
STEP = BANK + SIZE  # from row to row: neighbours lie in different banks of a ring of four
WEIGHTS, POOLED = 0, BANK
INPUT, MIDDLE, OUTPUT = 4 * BANK, 8 * BANK, 12 * BANK
LOAD, COMPUTE, STORE = (1 << queue for queue in (Queue.LOAD, Queue.COMPUTE, Queue.STORE))
DATA = 0x10000
WEIGHT_BYTES = (8 + EDGE.rows) * EDGE.word_bytes


def ring(tensor: str, start: int, banks: int, first: int = 0) -> dict[str, int]:
    words = banks * BANK
    return {f"{tensor}_ring_start": start, f"{tensor}_ring_words": words, f"{tensor}_address": start + first % words}


def window(name: str, **fields: int | float) -> Instruction:
    """3 x 3 over the image, padded by one."""
    ones = ("passes_y", "passes_x", "chunks", "groups", "group_words", "last_group_words", "tap_y", "tap_x")
    values = dict.fromkeys((*ones, "position_y", "position_x", "position_x_words", "tap_x_words", "out_pixel_words"), 1)
    values |= {"window_height": 3, "window_width": 3, "slide": 3 if name == "STREAM" else 1, "tile": 8, "start_y": -1}
    values |= dict.fromkeys(("in_height", "in_width", "out_height", "out_width"), SIZE)
    values |= {"start_x": -1, "position_y_words": STEP, "tap_y_words": STEP, "minimum": -128, "maximum": 127}
    return instruction(name, **{**values, **fields})


def program() -> list[Instruction]:
    def row_load(row: int, count: int, **fields: int) -> Instruction:
        address = INPUT + row * STEP % (4 * BANK)
        row_bytes = SIZE * EDGE.word_bytes
        return instruction("LOAD", offset=2 * WEIGHT_BYTES + row * row_bytes, row_bytes=row_bytes, rows=count, planes=1,
                           row_stride=row_bytes, address=address, row_words=STEP, **fields)  # fmt: skip

    padded = -STEP - 1  # the corner above and left of the image
    add = {"residual": 1, "a_multiplier": 0.5, "b_multiplier": 0.75, "sum_minimum": -128, "sum_maximum": 127}

    def save(address: int, offset: int, rows: int, words: int, **fields: int) -> Instruction:
        return instruction("STORE", base=1, offset=offset, row_bytes=words * EDGE.word_bytes, rows=rows, planes=1,
                           row_stride=words * EDGE.word_bytes, address=address, row_words=STEP, **fields)  # fmt: skip

    return [
        instruction("LOAD", row_bytes=2 * WEIGHT_BYTES, rows=1, planes=1, address=WEIGHTS),
        row_load(0, 4),
        row_load(4, 1, signal=COMPUTE),
        window("DEPTHWISE", wait=LOAD, weight_address=WEIGHTS, taps_at_once=3, out_row_words=STEP,
               **ring("in", INPUT, 4, padded), **ring("out", MIDDLE, 4, 3 * STEP)),
        window("STREAM", taps_at_once=2, out_address=POOLED, out_row_words=SIZE,
               **ring("in", MIDDLE, 4, 3 * STEP + padded)),
        window("DEPTHWISE", serial=1, signal=STORE, weight_address=WEIGHTS + 8 + EDGE.rows, taps_at_once=3,
               out_row_words=STEP, **add, **ring("in", INPUT, 4, padded), **ring("out", OUTPUT, 3, STEP),
               **ring("residual", MIDDLE, 4, 3 * STEP)),
        save(POOLED, 0, 1, SIZE * SIZE, wait=COMPUTE),
        save(OUTPUT + 3 * STEP - 3 * BANK, 0x1000, 3, SIZE),  # the last three rows
        instruction("END"),
    ]  # fmt: skip


def test_rings_and_taps_at_once_in_all_views() -> None:
    rng = np.random.default_rng(4)
    entries = program()
    check_order(EDGE, entries)
    text = encode(entries)
    size = -(-len(text) // 128) * 128
    dram = rng.integers(0, 256, DATA + 0x8000).astype(np.uint8)
    dram[PROGRAM : PROGRAM + len(text)] = np.frombuffer(text, np.uint8)
    for number in range(2):
        weights = rng.integers(-128, 128, (8 + EDGE.rows, EDGE.word_bytes)).astype(np.int8)
        weights[:4] = rng.integers(-1000, 1000, EDGE.rows).astype("<i4").view(np.int8).reshape(4, -1)
        weights[4:8] = np.full(EDGE.rows, 0.003, "<f4").view(np.int8).reshape(4, -1)
        weights[8:, 9:] = 0
        dram[DATA + number * WEIGHT_BYTES :][:WEIGHT_BYTES] = weights.view(np.uint8).ravel()
    expected = dram.copy()
    trace = run_segment(EDGE, text, {0: expected[DATA:], 1: expected[DATA + 0x4000 :]})
    assert len({word.tobytes() for word in trace.stream(EDGE).words}) > 3 * SIZE * SIZE // 2
    bases = {0: DATA, 1: DATA + 0x4000}
    with Session(hardware(EDGE).library, dram, bytes_per_cycle=EDGE.dram_bytes_per_cycle) as session:
        session.record()
        done = run(session, PROGRAM, size, bases, cycle_limit=100_000)
        addresses, words = session.results()
    assert addresses.tolist() == trace.stream(EDGE).addresses.tolist()
    assert np.array_equal(words.view(np.int8), trace.stream(EDGE).words)
    assert np.array_equal(dram, expected)
    model = simulate(EDGE, entries, size, bases, ComputeTiming(EDGE))
    assert sorted(zip(done.cycle.tolist(), done.queue.tolist(), strict=True)) == sorted(
        zip(model.cycle.tolist(), model.queue.tolist(), strict=True)
    )
    assert (done.cycles, done.array_cycles) == (model.cycles, model.array_cycles)
