"""The checks of the link: sums of bits against zlib, word by word."""

import zlib

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from lithify.isa.peer import CHECKED_BYTES, WORD_BYTES, answer, head
from lithify.rtl.peer.crc import INITIAL, advanced, check


def test_words_give_what_zlib_gives() -> None:
    m = Module()
    word, register, start = Signal(8 * WORD_BYTES), Signal(32), Signal(32)
    m.d.comb += start.eq(check(word[: 8 * CHECKED_BYTES]))
    m.d.sync += register.eq(advanced(register, word))
    data = np.random.default_rng(0).bytes(4 * WORD_BYTES)

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        ctx.set(register, INITIAL)
        for end in range(WORD_BYTES, len(data) + 1, WORD_BYTES):
            ctx.set(word, int.from_bytes(data[end - WORD_BYTES : end], "little"))
            assert ctx.get(start) == zlib.crc32(data[end - WORD_BYTES : end - WORD_BYTES + CHECKED_BYTES])
            await ctx.tick()
            assert ctx.get(register) ^ 0xFFFFFFFF == zlib.crc32(data[:end])

    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def test_heads_and_answers_are_checked_as_a_whole() -> None:
    """Bytes by hand: a frame of 64 words, number 5, the last of its message, for 0x123456780; an answer."""
    data = head(64, 5, True, 0x123456780)
    assert data[:12] == bytes([64, 5, 1, 1, 0x80, 0x67, 0x45, 0x23, 0x01, 0, 0, 0])
    assert int.from_bytes(data[12:], "little") == zlib.crc32(data[:12])
    assert answer(7, 23, True)[:12] == bytes([1, 7, 23, 4]) + bytes(8)
