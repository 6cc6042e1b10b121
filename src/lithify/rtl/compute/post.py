"""Post-processing: the lanes, their constants at the right stage, the residual word, and the result word."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import MEMORY_READ, compute_pipeline
from lithify.isa import BY_NAME
from lithify.rtl.compute.drain import (
    FLIGHT,
    FLOAT_ONE,
    NEUTRAL,
    PRODUCT,
    SCALE,
    beat_layout,
    constants_layout,
    reduced,
    ring_names,
)
from lithify.rtl.compute.lane import Lane
from lithify.rtl.compute.parameters import Parameters
from lithify.rtl.compute.stages import delayed
from lithify.rtl.compute.table import Table
from lithify.rtl.compute.weights import word_numbers
from lithify.rtl.leaf import place
from lithify.rtl.ports import Retirement, ScratchpadRead, ScratchpadWrite

STREAM = BY_NAME["STREAM"].opcode
FACTOR_ZERO_POINTS = ("a_zero_point", "b_zero_point")
ADD_OPERANDS = ("a_zero_point", "b_zero_point")
ADD_MULTIPLIERS = ("a_multiplier", "b_multiplier")
ADD_RESULT = ("sum_zero_point", "sum_minimum", "sum_maximum")
PARAMETER_PORTS = ("load", "buffer", "number", "word")


class PostProcessing(wiring.Component):
    """Rounds the sums (or the maximum) of each ``beat`` and writes the words; retires instructions.

    ``step``: a beat of P's loops, which for a product comes before its ``beat``, to fetch the factor.
    ``beat`` comes ``pipeline.sums`` cycles after its issue, with its ``sums``: 32 bits for each column. ``maximum``: of
    the STREAM position whose beats these are. ``constants_0``, ``constants_1``: of the instructions in flight.
    ``load``, ``buffer``, ``number``, ``word``: a parameter word for a buffer; ``load_table``, ``number``, ``word``: a
    word of the look-up table.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.constants = constants_layout(chip)
        self.parameters = Parameters(chip)
        members = self.parameters.signature.members
        super().__init__(
            {
                "step": In(beat_layout(chip)),
                "beat": In(beat_layout(chip)),
                "sums": In(32 * chip.columns),
                "maximum": In(8 * chip.word_bytes),
                **{f"constants_{number}": In(self.constants) for number in range(FLIGHT)},
                **{name: members[name] for name in PARAMETER_PORTS if name != "number"},
                "load_table": In(1),
                "number": In(word_numbers(chip)),
                "residual": Out(ScratchpadRead(chip)),
                "results": Out(ScratchpadWrite(chip)),
                "retirement": Out(Retirement()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, pipeline, beat = self.chip, compute_pipeline(self.chip), self.beat
        m.submodules.parameters = parameters = self.parameters
        m.d.comb += [getattr(parameters, name).eq(getattr(self, name)) for name in PARAMETER_PORTS]

        slots = delayed(m, beat.constants, pipeline.result + 1, "slot")
        firsts = delayed(m, beat.first, pipeline.residual + MEMORY_READ, "first", reset=True)
        buffers = delayed(m, beat.buffer, pipeline.multiplier, "buffer_read")
        parts = delayed(m, beat.part, pipeline.multiplier, "part_read")
        beats = delayed(m, beat.beat, pipeline.result, "beat_number")
        chosen: dict[int, Any] = {}

        def constants(at: int) -> Any:
            """The constants of the instruction whose beat was issued ``at`` cycles ago."""
            if at not in chosen:
                chosen[at] = Signal(self.constants, name=f"constants_at_{at}")
                m.d.comb += chosen[at].eq(Mux(slots[at], self.constants_1, self.constants_0))
            return chosen[at]

        def operand(at: int, name: str) -> Any:
            """A constant for all lanes in cycle ``at``, chosen in the cycle before; those of the addition are neutral
            where nothing is added.
            """
            value = constants(at - 1)[name]
            if chip.has("multiply") and name in PRODUCT:
                value = Mux(constants(at - 1).residual, value, NEUTRAL.get(name, FLOAT_ONE))
            chosen = Signal(constants(at - 1)[name].shape(), name=f"{name}_at_{at}", reset_less=True)
            m.d.sync += chosen.eq(value)
            return chosen

        # What the lanes take, and when.
        lane_bits = 32 * chip.lanes
        sums, biases, multipliers = Signal(lane_bits), Signal(lane_bits), Signal(31 * chip.lanes)
        m.d.comb += [
            sums.eq(_part(self.sums, lane_bits, beat.part)),
            biases.eq(parameters.bias),
            multipliers.eq(parameters.multiplier),
            parameters.bias_buffer.eq(buffers[pipeline.bias]),
            parameters.bias_part.eq(parts[pipeline.bias]),
            parameters.multiplier_buffer.eq(buffers[pipeline.multiplier]),
            parameters.multiplier_part.eq(parts[pipeline.multiplier]),
        ]
        if chip.streams:  # a maximum passes the scaling unchanged: times one, plus nothing
            maxima = _part(self.maximum, 8 * chip.lanes, beat.beat)
            with m.If(constants(0).opcode == STREAM):
                m.d.comb += sums.eq(_widened(maxima))
            with m.If(constants(pipeline.bias).opcode == STREAM):
                m.d.comb += biases.eq(0)
            with m.If(constants(pipeline.multiplier).opcode == STREAM):
                m.d.comb += multipliers.eq(Const(FLOAT_ONE, 31).replicate(chip.lanes))

        # The second tensor: its words are kept for the beats of a word.
        residual = Signal(8 * chip.word_bytes, reset_less=True)
        added = Signal(8 * chip.lanes)
        if chip.second_tensor:
            second_address = self._address(m, self.step, "residual")
        if chip.has("add"):
            read, arrive = pipeline.residual, pipeline.residual + MEMORY_READ
            m.d.comb += [
                self.residual.enable.eq(firsts[read] & constants(read).residual),
                self.residual.address.eq(delayed(m, second_address, pipeline.sums + read - 2, "residual_address")[-1]),
            ]
            with m.If(firsts[arrive] & constants(arrive).residual):
                m.d.sync += residual.eq(self.residual.data)
            with m.If(constants(arrive + 1).residual):
                m.d.comb += added.eq(_part(residual, 8 * chip.lanes, beats[arrive + 1]))
        if chip.has("multiply"):
            products = self._products(m, second_address, residual)
            with m.If(constants(0).multiply):
                m.d.comb += sums.eq(products)
            with m.If(constants(pipeline.multiplier).multiply):
                m.d.comb += multipliers.eq(constants(pipeline.multiplier).a_multiplier[:31].replicate(chip.lanes))

        shared = {name: operand(pipeline.rounded, name) for name in SCALE}
        if chip.has("add"):
            for at, names in (
                (pipeline.rounded + 1, ADD_OPERANDS),
                (pipeline.addend, ADD_MULTIPLIERS),
                (pipeline.lane - 1, ADD_RESULT),
            ):
                shared |= {name: operand(at, name) for name in names}
        taken = delayed(m, multipliers, 1, "multiplier_taken")[-1]
        valid = Cat(delayed(m, beat.writes, pipeline.lane - 1, "valid", reset=True))
        results = []
        for number in range(chip.lanes):
            lane = Lane(chip)
            place(m, f"lane_{number}", lane, platform)
            m.d.comb += [
                lane.valid.eq(valid),
                lane.sum.eq(sums.word_select(number, 32)),
                lane.bias.eq(biases.word_select(number, 32)),
                lane.multiplier.eq(taken.word_select(number, 31)),
                *(getattr(lane, name).eq(value) for name, value in shared.items()),
            ]
            if chip.has("add"):
                m.d.comb += lane.b.eq(added.word_select(number, 8))
            results.append(lane.result)

        if chip.has("lookup"):
            m.submodules.table = table = Table(chip)
            entries = Signal(8 * chip.lanes, reset_less=True)
            m.d.comb += [
                table.load.eq(self.load_table),
                table.number.eq(self.number),
                table.word.eq(self.word),
                table.values.eq(Cat(results)),
            ]
            m.d.sync += entries.eq(Mux(constants(pipeline.lane).lookup.any(), table.entries, Cat(results)))
            results = [entries]

        # The word is written with its last beat.
        before = []
        for number in range(chip.word_beats - 1):
            held = Signal(8 * chip.lanes, name=f"result_{number}", reset_less=True)
            with m.If(beats[pipeline.result] == number):
                m.d.sync += held.eq(Cat(results))
            before.append(held)
        address = self._address(m, beat, "result")
        m.d.comb += [
            self.results.enable.eq(delayed(m, beat.last, pipeline.result, "last", reset=True)[-1]),
            self.results.address.eq(delayed(m, address, pipeline.result - 2, "result_address")[-1]),
            self.results.data.eq(Cat(before, results)),
            self.retirement.retire.eq(delayed(m, beat.ends, pipeline.result + 1, "ends", reset=True)[-1]),
            self.retirement.signal.eq(constants(pipeline.result + 1).signal),
        ]
        return m

    def _address(self, m: Module, beat: Any, tensor: str) -> Signal:
        """Where a tensor's word of a beat lies, two cycles after the beat."""
        row, offset = (delayed(m, beat[name], 1, name)[-1] for name in (f"{tensor}_row", f"{tensor}_offset"))
        slot = delayed(m, beat.constants, 1, f"{tensor}_slot")[-1]
        end, words = (Mux(slot, self.constants_1[name], self.constants_0[name]) for name in ring_names(tensor))
        address = Signal(16, name=f"{tensor}_at", reset_less=True)
        m.d.sync += address.eq(reduced(row, offset, end, words))
        return address

    def _products(self, m: Module, address: Any, residual: Signal) -> Any:
        """(x - a_zero_point) * (b - b_zero_point), 32 bits for each lane, in the cycle of the beat.

        address: of the factor's word, ``pipeline.factor`` cycles after the step; residual: the register of its word.
        """
        chip, pipeline, step = self.chip, compute_pipeline(self.chip), self.step
        arrive = pipeline.factor + MEMORY_READ
        zero_points = {}
        slots = delayed(m, step.constants, arrive + 1, "factor_slot")
        beats = delayed(m, step.beat, arrive + 1, "factor_beat")
        for name, at in zip(FACTOR_ZERO_POINTS, (arrive, arrive + 1), strict=True):
            zero_points[name] = Mux(slots[at], self.constants_1[name], self.constants_0[name]).as_signed()
        multiplies = Mux(step.constants, self.constants_1.multiply, self.constants_0.multiply)
        firsts = delayed(m, step.first & multiplies, arrive, "factor_first", reset=True)
        with m.If(firsts[pipeline.factor]):
            m.d.comb += [self.residual.enable.eq(1), self.residual.address.eq(address)]
        with m.If(firsts[arrive]):
            m.d.sync += residual.eq(self.residual.data)

        # The maximum is there a cycle before the factor's register is filled.
        early = pipeline.stream + pipeline.sums - pipeline.walk
        x = delayed(m, _part(self.maximum, 8 * chip.lanes, beats[early]), arrive - early, "factor_x")[-1]
        b = _part(residual, 8 * chip.lanes, beats[arrive + 1])
        products = []
        for lane in range(chip.lanes):
            a, factor, product = (Signal(signed(bits), name=f"{name}_{lane}", reset_less=True)
                                  for name, bits in (("a", 9), ("factor", 9), ("product", 18)))  # fmt: skip
            (waiting,) = delayed(m, a, 1, f"a_{lane}")[1:]
            m.d.sync += [
                a.eq(x.word_select(lane, 8).as_signed() - zero_points["a_zero_point"]),
                factor.eq(b.word_select(lane, 8).as_signed() - zero_points["b_zero_point"]),
                product.eq(waiting * factor),
            ]
            products.append(Cat(product, product[-1].replicate(14)))
        return Cat(products)


def _widened(bytes_: Any) -> Any:
    """Each int8 of a value as an int32."""
    return Cat(Cat(byte, byte[7].replicate(24)) for byte in (bytes_.word_select(n, 8) for n in range(len(bytes_) // 8)))


def _part(value: Any, bits: int, number: Any) -> Any:
    """Part ``number`` of ``bits`` bits of a value."""
    parts = len(value) // bits
    return value if parts == 1 else Array(value.word_select(part, bits) for part in range(parts))[number]
