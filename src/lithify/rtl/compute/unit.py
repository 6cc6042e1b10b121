"""The compute unit: its blocks and the wires between them."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring

from lithify.chip import Chip
from lithify.chip.pipeline import compute_pipeline
from lithify.isa import BY_NAME
from lithify.rtl.compute.array import Array
from lithify.rtl.compute.drain import Drain
from lithify.rtl.compute.feeder import Feeder
from lithify.rtl.compute.post import PostProcessing
from lithify.rtl.compute.stages import delayed
from lithify.rtl.compute.weights import WeightSequencer, address_names
from lithify.rtl.ports import ComputePorts, activation_ports, weight_ports

UNRETIRED_BITS = 3
"""At most four instructions are in the unit: in W, in F or P's waiting place, and two in post-processing."""


class ComputeUnit(wiring.Component):
    """Runs CONV, DEPTHWISE and STREAM (docs/architecture.md, sections 4 and 5). Ports: ``rtl/ports.py``."""

    module_name = "lithify_compute"

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(ComputePorts(chip))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, pipeline = self.chip, compute_pipeline(self.chip)
        m.submodules.weights = weights = WeightSequencer(chip)
        m.submodules.feeder = feeder = Feeder(chip)
        m.submodules.array = array = Array(chip)
        m.submodules.drain = drain = Drain(chip)
        m.submodules.post = post = PostProcessing(chip)
        wiring.connect(m, wiring.flipped(self.instruction), weights.instruction)
        wiring.connect(m, post.residual, wiring.flipped(self.residual))
        wiring.connect(m, post.results, wiring.flipped(self.results))
        wiring.connect(m, post.retirement, wiring.flipped(self.retirement))
        m.d.comb += self.array_active.eq(array.active)

        weight_reads = [getattr(self, name) for name in weight_ports(chip)]
        names, words = address_names(chip), Cat(port.data for port in weight_reads)
        unretired, unretired_next, alone = Signal(UNRETIRED_BITS), Signal(UNRETIRED_BITS), Signal()
        start = self.instruction.valid & self.instruction.ready
        m.d.comb += unretired_next.eq(unretired + start - post.retirement.retire)
        m.d.sync += unretired.eq(unretired_next)
        m.d.comb += alone.eq(weights.fields.serial | (weights.fields.opcode == BY_NAME["STREAM"].opcode))

        # W to F and P.
        m.d.comb += [
            *(port.enable.eq(weights.enable) for port in weight_reads),
            *(port.address.eq(getattr(weights, name)) for port, name in zip(weight_reads, names, strict=True)),
            weights.swap.eq(feeder.swap),
            weights.take.eq(feeder.take),
            weights.release.eq(drain.release_buffer),
            weights.alone_next.eq(unretired_next == 1),
            feeder.held.eq(weights.held),
            feeder.offer.eq(weights.offer),
            feeder.fields.eq(weights.fields),
            feeder.may_take.eq(drain.room & (~alone | (unretired == 1))),
            feeder.set_ready_next.eq(weights.set_ready_next),
            feeder.release.eq(drain.release_accumulator),
            drain.offer.eq(feeder.take),
            drain.fields.eq(weights.fields),
        ]
        for number, name in enumerate(activation_ports(chip)):
            port = getattr(self, name)
            m.d.comb += [
                port.enable.eq(feeder.enable[number]),
                port.address.eq(feeder.addresses[number]),
                array.words[number].eq(port.data),
            ]
        # Words to the array, sums to post-processing.
        tile_done = delayed(m, feeder.tile_done, pipeline.accumulate - 1, "tile_done", reset=True)
        stream = delayed(m, feeder.step.ends_stream, pipeline.stream, "stream", reset=True)
        walk = stream[pipeline.walk - 1] if chip.has("multiply") else 0
        # The sums of a beat come a cycle after its number has gone to the columns; the rest of the beat keeps pace.
        beats = delayed(m, drain.beat.as_value(), pipeline.sums, "beat", reset=True)
        asked = data.View(drain.beat.shape(), beats[-2])
        m.d.comb += [
            array.step.eq(feeder.step),
            array.weight.eq(words),
            array.load_set.eq(weights.load_set),
            array.column.eq(weights.column),
            array.read_index.eq(asked.index),
            drain.tile_ready.eq(tile_done[-1]),
            drain.stream_next.eq(stream[-2]),
            drain.walk_next.eq(walk),
            drain.retired.eq(post.retirement.retire),
            post.beat.eq(beats[-1]),
            post.constants_0.eq(drain.constants_0),
            post.constants_1.eq(drain.constants_1),
            post.sums.eq(array.sums),
            post.maximum.eq(array.maximum),
            post.step.eq(drain.step),
            post.load_table.eq(weights.load_table),
            post.load.eq(weights.load_parameters),
            post.buffer.eq(weights.buffer),
            post.number.eq(weights.number),
            post.word.eq(words),
        ]
        return m
