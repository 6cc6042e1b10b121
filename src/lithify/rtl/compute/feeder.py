"""F: issues the words of the activations when weights and accumulators are there."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.rtl.compute.addresses import Addresses
from lithify.rtl.compute.stages import COMPUTE


def step_layout(chip: Chip) -> data.StructLayout:
    """What the array is told about a word, or a group of taps, in the cycle of its issue.

    valid: a word is issued; inside, pad_value: each word itself, or its padding; more: words after the first. swap: the
    first word of a pass. fires: an accumulator (``index``) takes the sum; clears: it begins with it. depthwise: of the
    window, not the word. stream (an issued word of one), starts_position, ends_stream: the maximum over a window.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "inside": chip.activation_ports,
            **({"more": range(chip.activation_ports)} if chip.activation_ports > 1 else {}),
            "pad_value": 8,
            "swap": 1,
            "fires": 1,
            "clears": 1,
            "index": range(chip.accumulators),
            "depthwise": 1,
            "stream": 1,
            "starts_position": 1,
            "ends_stream": 1,
        }
    )


class Feeder(wiring.Component):
    """Takes an instruction from W and issues its words, one a cycle or as many as the taps at once.

    ``held``, ``offer``, ``fields``: W's instruction, which ``take`` takes. ``may_take``: P has room (and, for an
    instruction that ``alone`` is high for, every earlier one has retired). ``set_ready_next``: in the next cycle a set
    of weights is complete. ``enable``, ``addresses``: the read ports. ``step``: what the
    array does with the word. ``release``: P gives back an accumulator. ``tile_done``: the issue of a tile's last word.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "held": In(1),
                "offer": In(1),
                "fields": In(COMPUTE),
                "may_take": In(1),
                "take": Out(1),
                "set_ready_next": In(1),
                "swap": Out(1),
                "release": In(1),
                "enable": Out(chip.activation_ports),
                "addresses": Out(data.ArrayLayout(16, chip.activation_ports)),
                "step": Out(step_layout(chip)),
                "tile_done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        m.submodules.words = addresses = Addresses(chip)
        word, step = addresses.word, self.step

        # The addresses run ahead: they take W's instruction as soon as they are through with the one before.
        loaded = Signal()
        m.d.comb += [
            addresses.fields.eq(self.fields),
            addresses.load.eq(self.held & ~loaded & addresses.idle),
        ]
        m.d.sync += loaded.eq((loaded | addresses.load) & ~self.take)

        # Whether a word is issued is decided in the cycle before, for the word and the counts of this one.
        flags, coming = word.flags, addresses.coming
        busy, busy_next, valid_next = Signal(), Signal(), Signal()
        issue, claims = Signal(), Signal()
        free = Signal(range(chip.accumulators + 1), init=chip.accumulators)
        none_free, none_free_next = Signal(), Signal()
        m.d.comb += [
            self.take.eq(self.offer & self.may_take & ~busy),
            busy_next.eq((busy & ~(issue & flags.ends_instruction)) | self.take),
            valid_next.eq(addresses.valid_next),
            claims.eq(issue & flags.claims),
            none_free_next.eq(~self.release & Mux(claims, free == 1, none_free)),
            addresses.next.eq(issue),
        ]
        may_issue = ~(coming.swaps & ~self.set_ready_next) & ~(coming.claims & none_free_next)
        if chip.word_beats > 1:
            # A STREAM position occupies the lanes for the beats of its word.
            left, held, held_next = Signal(range(chip.word_beats)), Signal(), Signal()
            starts = issue & flags.starts_stream
            m.d.comb += held_next.eq(starts | (held & (left != 1)))
            m.d.sync += held.eq(held_next)
            with m.If(starts):
                m.d.sync += left.eq(chip.word_beats - 1)
            with m.Elif(held):
                m.d.sync += left.eq(left - 1)
            may_issue &= ~(coming.starts_stream & held_next)
        m.d.sync += [
            busy.eq(busy_next),
            issue.eq(busy_next & valid_next & may_issue),
            free.eq(free + self.release - claims),
            none_free.eq(none_free_next),
        ]

        # The accumulators are a ring; a tile begins at `base`, and every pass goes over the same ones.
        base, index = Signal(range(chip.accumulators)), Signal(range(chip.accumulators))
        after = Signal(range(chip.accumulators))
        m.d.comb += after.eq(Mux(index == chip.accumulators - 1, 0, index + 1))
        with m.If(issue & flags.sums):
            m.d.sync += index.eq(after)
            with m.If(flags.ends_tile & ~flags.keeps):
                m.d.sync += base.eq(after)
            with m.Elif(flags.ends_pass):
                m.d.sync += index.eq(base)

        m.d.comb += [
            self.swap.eq(issue & flags.swaps),
            self.enable.eq(Mux(issue, word.inside, 0)),
            self.addresses.eq(word.addresses),
            self.tile_done.eq(issue & flags.done),
            step.valid.eq(issue),
            step.inside.eq(word.inside),
            step.pad_value.eq(word.pad_value),
            step.swap.eq(self.swap),
            step.fires.eq(issue & flags.sums),
            step.clears.eq(word.clears),
            step.index.eq(index),
            step.depthwise.eq(flags.depthwise),
            step.stream.eq(issue & flags.stream),
            step.starts_position.eq(word.starts_position),
            step.ends_stream.eq(issue & flags.ends_stream),
        ]
        if chip.activation_ports > 1:
            m.d.comb += step.more.eq(word.more)
        return m
