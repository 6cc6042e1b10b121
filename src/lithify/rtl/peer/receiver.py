"""The receiving half of the link: it checks frames, takes those in order, writes them to memory, and answers."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.isa.peer import CHECKED_BYTES, FRAME_WORDS, KIND_BITS, SEQUENCE_BITS, SLOTS, WORD_BYTES, Kind
from lithify.rtl.axi import BURST_INCREMENT, AXI4Write
from lithify.rtl.peer.crc import INITIAL, advanced, check
from lithify.rtl.peer.ports import ANSWER, HEAD, WORDS_BITS, Answers, Words
from lithify.rtl.peer.sender import FRAME, INDEX_BITS, SLOT_BITS, WORD_SHIFT


class Receiver(wiring.Component):
    """A frame is taken when it is whole, is the next, and there is room; it is then written once, in its order.

    ``answered``: the answer that is due goes. ``arrived``: a message is whole in DRAM; ``taken``: a frame was taken;
    ``wrong``: a check was; all three pulse. ``failed``: the memory answered with an error.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "words": In(Words()),
                "memory": Out(AXI4Write(WORD_BYTES)),
                "answers": Out(Answers()),
                "answered": In(1),
                "arrived": Out(1),
                "taken": Out(1),
                "wrong": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Frames by number: expected, the next to be taken; issued, the next whose burst is asked for; drained, the next
        # to be in memory.
        expected, issued, drained = (Signal(SEQUENCE_BITS, name=name) for name in ("expected", "issued", "drained"))
        frames = Array(Signal(FRAME, name=f"frame_{slot}") for slot in range(SLOTS))
        m.submodules.kept = kept = memory.Memory(shape=8 * WORD_BYTES, depth=SLOTS * FRAME_WORDS, init=[])
        put = kept.write_port()

        # A word comes, and is looked at in the next cycle.
        kind, word = Signal(KIND_BITS), Signal(8 * WORD_BYTES)
        m.d.sync += [kind.eq(self.words.kind), word.eq(self.words.data)]
        head, answer = data.View(HEAD, word), data.View(ANSWER, word)
        right = Signal()
        m.d.comb += right.eq((check(word[: 8 * CHECKED_BYTES]) == head.check) & (head.kind == kind))
        answers = self.answers
        m.d.comb += [
            answers.valid.eq((kind == Kind.ANSWER) & right),
            answers.again.eq(answer.again[0]),
            answers.expected.eq(answer.expected),
            answers.limit.eq(answer.limit),
        ]

        inside, accept, now = Signal(), Signal(), Signal(FRAME)
        number, count, crc = Signal(SEQUENCE_BITS), Signal(WORDS_BITS), Signal(32)
        whole, lost, drains = Signal(), Signal(), Signal()
        m.d.comb += [
            put.addr.eq(Cat(count[:INDEX_BITS], expected[:SLOT_BITS])),
            put.data.eq(word),
            put.en.eq((kind == Kind.BODY) & inside & accept & ~count[INDEX_BITS]),
            whole.eq((kind == Kind.TAIL) & inside & (word[:32] == (~crc)[:32]) & (count == now.words)),
            lost.eq((kind == Kind.TAIL) & ~whole),
            self.wrong.eq(lost | (((kind == Kind.HEAD) | (kind == Kind.ANSWER)) & ~right)),
            self.taken.eq(whole & accept),
        ]
        with m.Switch(kind):
            with m.Case(Kind.HEAD):
                with m.If(right):
                    m.d.sync += [
                        inside.eq(1),
                        accept.eq((head.sequence == expected) & ((expected - drained)[:SEQUENCE_BITS] != SLOTS)),
                        number.eq(head.sequence),
                        now.words.eq(head.words),
                        now.last.eq(head.last),
                        now.address.eq(head.address),
                        count.eq(0),
                        crc.eq(advanced(INITIAL, word)),
                    ]
            with m.Case(Kind.BODY):
                m.d.sync += crc.eq(advanced(crc, word))
                with m.If(~count.all()):  # more words than a frame has never look like fewer
                    m.d.sync += count.eq(count + 1)
            with m.Case(Kind.TAIL):
                m.d.sync += inside.eq(0)
        with m.If(self.taken):
            m.d.sync += [frames[expected[:SLOT_BITS]].eq(now), expected.eq(expected + 1)]

        # Answers: of what was taken, of what was there already, of room; and, once, of what is missing.
        due, again, asked = Signal(), Signal(), Signal()
        gap, wants = Signal(), Signal()
        m.d.comb += [
            gap.eq(whole & ~accept & (number != expected) & ~(number - expected)[SEQUENCE_BITS - 1]),
            wants.eq((lost | gap) & ~asked),
            answers.due.eq(due),
            answers.own_again.eq(again),
            answers.own_expected.eq(expected),
            answers.own_limit.eq(drained + SLOTS),
        ]
        with m.If(self.answered):
            m.d.sync += [due.eq(0), again.eq(0)]
        with m.If((whole & ~gap) | drains | wants):
            m.d.sync += due.eq(1)
        with m.If(wants):
            m.d.sync += [again.eq(1), asked.eq(1)]
        with m.If((kind == Kind.HEAD) & right & (head.sequence == expected)):  # what was asked for comes
            m.d.sync += asked.eq(0)

        self._write(m, frames, kept.read_port(), expected, issued, drained, drains)
        return m

    def _write(
        self, m: Module, frames: Any, read: Any, expected: Signal, issued: Signal, drained: Signal, drains: Signal
    ) -> None:
        """Frames that were taken to memory, a burst each; a token has none."""
        bus = self.memory
        frame = Signal(FRAME)
        m.d.comb += [
            frame.eq(frames[issued[:SLOT_BITS]]),
            bus.awsize.eq(WORD_SHIFT),
            bus.awburst.eq(BURST_INCREMENT),
            bus.wstrb.eq(-1),
            bus.bready.eq(1),
        ]
        with m.If(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        with m.If((issued != expected) & (~bus.awvalid | bus.awready)):
            m.d.sync += issued.eq(issued + 1)
            with m.If(frame.words != 0):
                m.d.sync += [bus.awvalid.eq(1), bus.awaddr.eq(frame.address), bus.awlen.eq(frame.words - 1)]

        # The word at the bus is the one that was read in the cycle before.
        slot, index, there = Signal(SEQUENCE_BITS), Signal(INDEX_BITS), Signal()
        next_slot, next_index = Signal(SEQUENCE_BITS), Signal(INDEX_BITS)
        going = Signal(FRAME)
        moves = Signal()
        m.d.comb += [
            going.eq(frames[slot[:SLOT_BITS]]),
            bus.wvalid.eq(there),
            bus.wdata.eq(read.data),
            bus.wlast.eq(index == going.words - 1),
            moves.eq(there & bus.wready),
            next_slot.eq(slot),
            next_index.eq(index),
            read.en.eq(1),
            read.addr.eq(Cat(next_index, next_slot[:SLOT_BITS])),
        ]
        with m.If(moves):
            m.d.comb += next_index.eq(index + 1)
            with m.If(bus.wlast):
                m.d.comb += [next_slot.eq(slot + 1), next_index.eq(0)]
        with m.Elif(~there & (slot != issued) & (going.words == 0)):
            m.d.comb += next_slot.eq(slot + 1)
        m.d.sync += [
            slot.eq(next_slot),
            index.eq(next_index),
            there.eq((next_slot != issued) & (frames[next_slot[:SLOT_BITS]].words != 0)),
        ]

        # Frames are in memory in their order; a token is when all before it are.
        responses = Signal(range(SLOTS + 1))
        oldest, used = Signal(FRAME), Signal()
        m.d.comb += [
            oldest.eq(frames[drained[:SLOT_BITS]]),
            used.eq((drained != issued) & (oldest.words != 0) & (responses != 0)),
            drains.eq(used | ((drained != issued) & (oldest.words == 0))),
            self.arrived.eq(drains & oldest.last),
        ]
        m.d.sync += responses.eq(responses + Mux(bus.bvalid, 1, 0) - Mux(used, 1, 0))
        with m.If(drains):
            m.d.sync += drained.eq(drained + 1)
        with m.If(bus.bvalid & bus.bresp[1]):
            m.d.sync += self.failed.eq(1)
