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
    instruction that ``alone`` is high for, every earlier one has retired). ``enable``, ``addresses``: the read ports.
    ``step``: what the array does with the word. ``release``: P gives back an accumulator. ``tile_done``: the issue of
    a tile's last word.
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
                "set_ready": In(1),
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

        busy, issue = Signal(), Signal()
        free = Signal(range(chip.accumulators + 1), init=chip.accumulators)
        claims, waits = Signal(), Signal()
        m.d.comb += [
            self.take.eq(self.offer & self.may_take & ~busy),
            claims.eq(word.fires & word.first_pass & ~word.stream),
            waits.eq((word.starts_pass & ~word.stream & ~self.set_ready) | (claims & (free == 0))),
        ]
        if chip.word_beats > 1:
            # A STREAM position occupies the lanes for the beats of its word.
            hold = Signal(range(chip.word_beats))
            held_back = word.stream & word.starts_position & (hold != 0)
            with m.If(issue & word.stream & word.starts_position):
                m.d.sync += hold.eq(chip.word_beats - 1)
            with m.Elif(hold != 0):
                m.d.sync += hold.eq(hold - 1)
            m.d.comb += issue.eq(busy & addresses.valid & ~waits & ~held_back)
        else:
            m.d.comb += issue.eq(busy & addresses.valid & ~waits)
        m.d.comb += addresses.next.eq(issue)
        m.d.sync += free.eq(free + self.release - (issue & claims))
        m.d.sync += busy.eq((busy & ~(issue & word.ends_instruction)) | self.take)

        # The accumulators are a ring; a tile begins at `base`, and every pass goes over the same ones.
        base, index = Signal(range(chip.accumulators)), Signal(range(chip.accumulators))
        after = Signal(range(chip.accumulators))
        m.d.comb += after.eq(Mux(index == chip.accumulators - 1, 0, index + 1))
        with m.If(issue & word.fires & ~word.stream):
            m.d.sync += index.eq(after)
            with m.If(word.ends_tile & ~word.keeps):
                m.d.sync += base.eq(after)
            with m.Elif(word.ends_pass):
                m.d.sync += index.eq(base)

        m.d.comb += [
            self.swap.eq(issue & word.starts_pass & ~word.stream),
            self.enable.eq(Mux(issue, word.inside, 0)),
            self.addresses.eq(word.addresses),
            self.tile_done.eq(issue & word.ends_tile & ~word.stream),
            step.valid.eq(issue),
            step.inside.eq(word.inside),
            step.pad_value.eq(word.pad_value),
            step.swap.eq(self.swap),
            step.fires.eq(issue & word.fires & ~word.stream),
            step.clears.eq(word.first_pass),
            step.index.eq(index),
            step.depthwise.eq(word.depthwise),
            step.stream.eq(issue & word.stream),
            step.starts_position.eq(word.starts_position),
            step.ends_stream.eq(issue & word.fires & word.stream),
        ]
        if chip.activation_ports > 1:
            m.d.comb += step.more.eq(word.more)
        return m
