"""The sending half of the link: it reads messages ahead, sends them as frames, and sends again what is not answered."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lithify.isa.peer import CHECKED_BYTES, FRAME_WORDS, SEQUENCE_BITS, SLOTS, TRANSFERS, WORD_BYTES, Kind
from lithify.rtl.axi import ADDRESS_BITS, BURST_INCREMENT, AXI4Read
from lithify.rtl.peer.crc import INITIAL, advanced, check
from lithify.rtl.peer.ports import ANSWER, HEAD, TRANSFER, WORDS_BITS, Answers, Words

FRAME = data.StructLayout({"words": WORDS_BITS, "last": 1, "address": ADDRESS_BITS})
"""What is kept of a frame beside its words."""

INDEX_BITS = (FRAME_WORDS - 1).bit_length()
SLOT_BITS = (SLOTS - 1).bit_length()
WORD_SHIFT = (WORD_BYTES - 1).bit_length()


class Sender(wiring.Component):
    """Go-back-N over frames numbered modulo 256, of which `SLOTS` are kept until they are answered.

    ``transfer`` is a stream of messages, at least one word long or a token. ``timeout``, ``tries``: as their registers.
    ``idle``: all that was to be sent is answered. ``dead``: the other end does not answer; nothing but answers is sent
    any more. ``failed``: the memory answered with an error. ``framed``, ``repeated``, ``timed_out``: pulses, to count.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "memory": Out(AXI4Read(WORD_BYTES)),
                "words": Out(Words()),
                "answers": In(Answers()),
                "answered": Out(1),
                "transfer": In(TRANSFER),
                "transfer_valid": In(1),
                "transfer_ready": Out(1),
                "timeout": In(32),
                "tries": In(8),
                "idle": Out(1),
                "dead": Out(1),
                "failed": Out(1),
                "framed": Out(1),
                "repeated": Out(1),
                "timed_out": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Frames by number: base, not answered yet; following, the next to be sent; sent, never sent yet;
        # filled, not all there yet; reserved, not read yet; limit, for which the other end has no room.
        base, following, sent, filled, reserved = (
            Signal(SEQUENCE_BITS, name=name) for name in ("base", "following", "sent", "filled", "reserved")
        )
        limit = Signal(SEQUENCE_BITS, init=SLOTS)
        frames = Array(Signal(FRAME, name=f"frame_{slot}") for slot in range(SLOTS))
        m.submodules.kept = kept = memory.Memory(shape=8 * WORD_BYTES, depth=SLOTS * FRAME_WORDS, init=[])
        waiting = self._read(m, frames, kept.write_port(), base, filled, reserved)
        m.d.comb += self.idle.eq(~waiting & (base == reserved))

        # Answers that came.
        answers = self.answers
        step = Signal(SEQUENCE_BITS)
        progress, rewind, probe = Signal(), Signal(), Signal()
        m.d.comb += [
            step.eq(answers.expected - base),
            progress.eq(answers.valid & (step != 0) & (step <= (sent - base)[:SEQUENCE_BITS])),
        ]
        with m.If(progress):
            m.d.sync += base.eq(answers.expected)
        with m.If(answers.valid):
            m.d.sync += limit.eq(answers.limit)

        # Frames that go, an answer between any two words.
        frame = Signal(FRAME)
        m.d.comb += frame.eq(frames[following[:SLOT_BITS]])
        head, answer = Signal(HEAD), Signal(ANSWER)
        m.d.comb += [
            head.words.eq(frame.words),
            head.sequence.eq(following),
            head.last.eq(frame.last),
            head.kind.eq(Kind.HEAD),
            head.address.eq(frame.address),
            head.check.eq(check(head.as_value()[: 8 * CHECKED_BYTES])),
            answer.again.eq(answers.own_again),
            answer.expected.eq(answers.own_expected),
            answer.limit.eq(answers.own_limit),
            answer.kind.eq(Kind.ANSWER),
            answer.check.eq(check(answer.as_value()[: 8 * CHECKED_BYTES])),
        ]
        behind, may, ahead = Signal(), Signal(), Signal(SEQUENCE_BITS)
        m.d.comb += [
            behind.eq((following - base)[SEQUENCE_BITS - 1]),  # what would go next was answered meanwhile
            ahead.eq(limit - following),
            may.eq((ahead != 0) & ~ahead[-1]),
        ]
        index, following_index, count = Signal(INDEX_BITS), Signal(INDEX_BITS), Signal(WORDS_BITS)
        crc = Signal(32)
        words = kept.read_port()
        m.d.comb += [words.en.eq(1), words.addr.eq(Cat(following_index, following[:SLOT_BITS]))]
        go = Signal()
        m.d.comb += go.eq(~answers.due)
        out = self.words
        m.d.comb += self.answered.eq(answers.due)
        m.d.sync += out.kind.eq(Kind.IDLE)
        with m.If(answers.due):
            m.d.sync += [out.kind.eq(Kind.ANSWER), out.data.eq(answer)]
        with m.FSM():
            with m.State("BETWEEN"):
                with m.If(rewind | behind):
                    m.d.sync += [following.eq(base), rewind.eq(0)]
                with m.Elif(go & ~self.dead & (following != filled) & (may | probe)):
                    m.d.sync += [
                        out.kind.eq(Kind.HEAD),
                        out.data.eq(head),
                        crc.eq(advanced(INITIAL, head.as_value())),
                        count.eq(frame.words),
                        index.eq(0),
                        probe.eq(0),
                    ]
                    m.next = "TAIL"
                    with m.If(frame.words != 0):
                        m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += following_index.eq(index)
                with m.If(go):
                    m.d.comb += following_index.eq(index + 1)
                    m.d.sync += [
                        out.kind.eq(Kind.BODY),
                        out.data.eq(words.data),
                        crc.eq(advanced(crc, words.data)),
                        index.eq(index + 1),
                    ]
                    with m.If(index == count - 1):
                        m.next = "TAIL"
            with m.State("TAIL"):
                with m.If(go):
                    m.d.comb += [self.framed.eq(1), self.repeated.eq(following != sent)]
                    m.d.sync += [out.kind.eq(Kind.TAIL), out.data.eq(~crc), following.eq(following + 1)]
                    with m.If(following == sent):
                        m.d.sync += sent.eq(sent + 1)
                    m.next = "BETWEEN"

        # Silence, and answers that ask for more: the later statement counts.
        timer, tried = Signal(32), Signal(8)
        m.d.comb += self.timed_out.eq((base != filled) & ~progress & (timer == self.timeout) & ~self.dead)
        m.d.sync += timer.eq(timer + 1)
        with m.If(self.timed_out):
            m.d.sync += [timer.eq(0), tried.eq(tried + 1), rewind.eq(1), probe.eq(1)]
            with m.If(tried + 1 == self.tries):
                m.d.sync += self.dead.eq(1)
        with m.If((base == filled) | progress):
            m.d.sync += [timer.eq(0), tried.eq(0)]
        with m.If(answers.valid & answers.again):
            m.d.sync += rewind.eq(1)
        return m

    def _read(self, m: Module, frames: Any, write: Any, base: Signal, filled: Signal, reserved: Signal) -> Signal:
        """Messages cut into frames, read ahead into the slots that are free; whether there are any."""
        bus = self.memory
        m.submodules.transfers = transfers = SyncFIFO(width=TRANSFER.size, depth=TRANSFERS)
        m.d.comb += [
            transfers.w_data.eq(self.transfer),
            transfers.w_en.eq(self.transfer_valid),
            self.transfer_ready.eq(transfers.w_rdy),
        ]
        active, now = Signal(), Signal(TRANSFER)
        room, ahead = Signal(), Signal(WORDS_BITS)
        to_source, to_target = Signal(WORDS_BITS), Signal(WORDS_BITS)
        first = slice(WORD_SHIFT, WORD_SHIFT + INDEX_BITS)
        nearer = Mux(to_source < to_target, to_source, to_target)
        m.d.comb += [
            room.eq((reserved - base)[:SEQUENCE_BITS] != SLOTS),
            to_source.eq(FRAME_WORDS - now.source[first]),
            to_target.eq(FRAME_WORDS - now.target[first]),
            ahead.eq(Mux(now.words < nearer, now.words, nearer)),
            bus.arsize.eq(WORD_SHIFT),
            bus.arburst.eq(BURST_INCREMENT),
            bus.rready.eq(1),
        ]
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        with m.If(~active):
            m.d.comb += transfers.r_en.eq(1)
            m.d.sync += [active.eq(transfers.r_rdy), now.eq(transfers.r_data)]
        # A token has no words to wait for: what was asked for before has to be there.
        token, cut = Signal(), Signal()
        m.d.comb += [
            token.eq(active & (now.words == 0) & room & (filled == reserved)),
            cut.eq(active & (now.words != 0) & room & (~bus.arvalid | bus.arready)),
        ]
        kept = frames[reserved[:SLOT_BITS]]
        with m.If(token | cut):
            m.d.sync += [
                kept.words.eq(ahead),
                kept.last.eq(ahead == now.words),
                kept.address.eq(now.target),
                reserved.eq(reserved + 1),
                now.words.eq(now.words - ahead),
                now.source.eq(now.source + (ahead << WORD_SHIFT)),
                now.target.eq(now.target + (ahead << WORD_SHIFT)),
                active.eq(ahead != now.words),
            ]
        with m.If(cut):
            m.d.sync += [bus.arvalid.eq(1), bus.araddr.eq(now.source), bus.arlen.eq(ahead - 1)]
        beat = Signal(INDEX_BITS)
        m.d.comb += [
            write.addr.eq(Cat(beat, filled[:SLOT_BITS])),
            write.data.eq(bus.rdata),
            write.en.eq(bus.rvalid),
        ]
        with m.If(bus.rvalid):
            m.d.sync += beat.eq(Mux(bus.rlast, 0, beat + 1))
            with m.If(bus.rresp[1]):
                m.d.sync += self.failed.eq(1)
        with m.If((bus.rvalid & bus.rlast) | token):
            m.d.sync += filled.eq(filled + 1)
        waiting = Signal()
        m.d.comb += waiting.eq(active | transfers.r_rdy)
        return waiting
