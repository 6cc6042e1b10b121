"""Fetch and decode: granules from DRAM, instructions to their queues."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import FETCH_BURST_BYTES, FETCH_GRANULES
from lithify.isa import BY_NAME, GRANULE_BYTES, OPERATIONS, Queue
from lithify.rtl.axi import ADDRESS_BITS
from lithify.rtl.fifo import Fifo

BURST_GRANULES = FETCH_BURST_BYTES // GRANULE_BYTES
OPCODE_BITS = BY_NAME["END"].fields[0].bits
INSTRUCTION_BITS = 8 * GRANULE_BYTES * max(operation.granules for operation in OPERATIONS)


class Fetch(wiring.Component):
    """Reads the program and hands each instruction to its queue.

    ``start`` begins at ``program`` (a multiple of 128) with ``program_bursts`` bursts of 128 bytes. A burst is
    requested while four granules of the queue are neither filled nor promised, a granule can be decoded from the cycle
    after its last beat is seen here on. The decoder takes a granule a cycle, then a cycle or more for the hand-over:
    ``push`` (one bit a queue) with ``instruction``, while ``room`` of that queue is high. At END, and at an opcode it
    does not know (``unknown``), it drops what it has read beyond, a row of its queue a cycle, and when that is done, no
    burst is under way and all units are ``idle``, ``ended`` is high for one cycle.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "start": In(1),
                "program": In(ADDRESS_BITS),
                "program_bursts": In(26),
                "request": Out(1),
                "request_ready": In(1),
                "request_address": Out(ADDRESS_BITS),
                "beat_valid": In(1),
                "beat_last": In(1),
                "beat_data": In(8 * chip.bus_bytes),
                "push": Out(len(Queue)),
                "room": In(len(Queue)),
                "instruction": Out(INSTRUCTION_BITS),
                "idle": In(1),
                "ended": Out(1),
                "unknown": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        granule_bits = 8 * GRANULE_BYTES

        # Requests. `claimed` counts the granules that are filled or promised.
        left, more = Signal(26), Signal()  # more: left is not 0, from a register: the whole read side waits for it
        block = Signal(ADDRESS_BITS - 7)
        claimed, room = Signal(range(FETCH_GRANULES + 1)), Signal(init=1)  # room: for the granules of a burst
        asked = Signal()
        taken = Signal()
        flying = Signal(4)
        stopped = Signal()  # the instruction in the register is END, or unknown
        active = Signal()
        m.d.comb += [
            self.request.eq(active & ~stopped & more & room),
            self.request_address.eq(Cat(Const(0, 7), block)),
            asked.eq(self.request & self.request_ready),
        ]
        left_over = FETCH_GRANULES - BURST_GRANULES
        m.d.sync += [
            claimed.eq(claimed + (asked << 2) - taken),
            room.eq(Mux(asked, claimed - taken <= left_over - BURST_GRANULES, claimed - taken <= left_over)),
            flying.eq(flying + asked - (self.beat_valid & self.beat_last)),
        ]
        with m.If(asked):
            m.d.sync += [left.eq(left - 1), more.eq(left != 1), block.eq(block + 1)]

        # Beats to rows of the queue: a row is a granule, or a beat where beats are wider.
        row_bytes = max(GRANULE_BYTES, self.chip.bus_bytes)
        parts, granules = row_bytes // self.chip.bus_bytes, row_bytes // GRANULE_BYTES
        m.submodules.queue = queue = Fifo(width=8 * row_bytes, depth=FETCH_GRANULES // granules)
        part = Signal(range(parts))
        if parts == 1:
            m.d.comb += [queue.w_data.eq(self.beat_data), queue.w_en.eq(self.beat_valid)]
        else:
            before = Signal(8 * (row_bytes - self.chip.bus_bytes), reset_less=True)
            m.d.comb += [queue.w_data.eq(Cat(before, self.beat_data)), queue.w_en.eq(self.beat_valid & part.all())]
            with m.If(self.beat_valid):
                m.d.sync += [part.eq(part + 1), before.eq(Cat(before, self.beat_data)[8 * self.chip.bus_bytes :])]
        choice = Signal(max(1, (granules - 1).bit_length()))
        granule = Signal(granule_bits)
        m.d.comb += [
            granule.eq(queue.r_data.word_select(choice, granule_bits)),
            queue.r_en.eq((taken & (choice == granules - 1)) | stopped),
        ]
        with m.If(taken):
            m.d.sync += choice.eq(Mux(choice == granules - 1, 0, choice + 1))

        # Decoder: granule after granule into the instruction register, then the hand-over.
        register = Signal(INSTRUCTION_BITS)
        index = Signal(range(INSTRUCTION_BITS // granule_bits))
        length = Signal.like(index)
        target, new_target = Signal(len(Queue)), Signal(len(Queue))
        known, new_known = Signal(), Signal()
        built = [entry for entry in OPERATIONS if entry.queue is not Queue.VECTOR or self.chip.vector]
        with m.Switch(granule[:OPCODE_BITS]):
            for operation in built:
                with m.Case(operation.opcode):
                    m.d.comb += length.eq(operation.granules - 1)
                    if operation.queue is not None:
                        m.d.comb += [new_target.eq(1 << operation.queue), new_known.eq(1)]
        remaining = Signal.like(index)
        end = BY_NAME["END"].opcode
        m.d.comb += self.instruction.eq(register)
        with m.FSM():
            with m.State("FIRST"):
                with m.If(active & queue.r_rdy):
                    m.d.comb += taken.eq(1)
                    m.d.sync += [register[:granule_bits].eq(granule), index.eq(1), remaining.eq(length)]
                    m.d.sync += [target.eq(new_target), known.eq(new_known)]
                    m.d.sync += stopped.eq((length == 0) & ~new_known)
                    with m.If(length == 0):
                        m.next = "HAND"
                    with m.Else():
                        m.next = "MORE"
            with m.State("MORE"):
                with m.If(queue.r_rdy):
                    m.d.comb += taken.eq(1)
                    m.d.sync += [register.word_select(index, granule_bits).eq(granule), index.eq(index + 1)]
                    with m.If(index == remaining):
                        m.d.sync += stopped.eq(~known)
                        m.next = "HAND"
            with m.State("HAND"):
                with m.If(known):
                    m.d.comb += self.push.eq(target & self.room)
                    with m.If(self.push.any()):
                        m.next = "FIRST"
                with m.Else():
                    with m.If(self.idle & (flying == 0) & ~queue.r_rdy):
                        m.d.comb += [self.ended.eq(1), self.unknown.eq(register[:OPCODE_BITS] != end)]
                        m.d.sync += [active.eq(0), claimed.eq(0), room.eq(1), choice.eq(0), stopped.eq(0)]
                        m.next = "FIRST"
        with m.If(self.start):
            m.d.sync += [active.eq(1), left.eq(self.program_bursts), more.eq(self.program_bursts != 0)]
            m.d.sync += block.eq(self.program[7:])
        return m
