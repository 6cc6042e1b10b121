"""The vector unit: lanes, registers, the divider, and the streams from and to the scratchpad (docs/vector.md)."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip.vector import (
    DIVIDER,
    LANE,
    LEAD,
    OPERANDS,
    REGISTER_READ,
    REGISTERS,
    RESULT,
    SCALARS,
    STORED,
    STRIP,
    TABLE,
    VectorShape,
)
from lithify.isa.vector import INPUTS, TABULATED, A, B, C, Format, Second
from lithify.rtl.compute.stages import delayed
from lithify.rtl.leaf import place
from lithify.rtl.scratchpad import SramBank
from lithify.rtl.vector.convert import FromInteger, ToInt8
from lithify.rtl.vector.divide import Divide
from lithify.rtl.vector.lane import FloatLane
from lithify.rtl.vector.sequencer import MICRO, VECTOR, Sequencer

ONE, MINUS_ZERO = 0x3F800000, 0x80000000
ADDRESS_BITS = 16
PORT = 1
"""From the issue of a group to its word's address at the scratchpad."""

WORD = PORT + 3
"""From the issue of a group to its word in a register."""

assert FloatLane.LATENCY == LANE and Divide.LATENCY == DIVIDER
assert WORD + FromInteger.LATENCY + 1 == OPERANDS and FromInteger.LATENCY == 2 and RESULT + ToInt8.LATENCY + 1 == STORED


class VectorUnit(wiring.Component):
    """Runs an instruction at a time: ``start`` with ``fields`` in a cycle with ``ready``, to the pulse of ``retire``.

    ``read_*`` and ``write_*`` are a reading and a writing port of the scratchpad, as in ``rtl/ports.py``.
    """

    def __init__(self, shape: VectorShape) -> None:
        self.shape = shape
        word_bits = 8 * shape.word_bytes
        super().__init__(
            {
                "start": In(1),
                "ready": Out(1),
                "fields": In(VECTOR),
                "retire": Out(1),
                "read_enable": Out(1),
                "read_address": Out(ADDRESS_BITS),
                "read_data": In(word_bits),
                "write_enable": Out(1),
                "write_address": Out(ADDRESS_BITS),
                "write_data": Out(word_bits),
            }
        )

    @property
    def module_name(self) -> str:
        return f"lithify_vector_{self.shape.lanes}x{self.shape.word_bytes}"

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.shape
        m.submodules.sequencer = sequencer = Sequencer(shape)
        self._sequencer = sequencer
        m.d.comb += [
            sequencer.start.eq(self.start),
            sequencer.fields.eq(self.fields),
            sequencer.word.eq(self.read_data),
            self.ready.eq(sequencer.ready),
            self.retire.eq(sequencer.retire),
        ]
        # The micro-operation with its registers numbered; where operands are chosen, and where results come out.
        self._micro = micro = Signal(MICRO)
        m.d.comb += micro.eq(sequencer.micro)
        with m.If(sequencer.micro.read_strip):
            m.d.comb += micro.register.eq(sequencer.micro.register + sequencer.strip)
        with m.If(sequencer.micro.write_strip):
            m.d.comb += micro.target.eq(sequencer.micro.target + sequencer.strip)
        self._chooses, self._results = Signal(MICRO), Signal(MICRO)
        entered = delayed(m, sequencer.entered, RESULT - 1, "entered", reset=True)
        with m.If(entered[OPERANDS - 1]):
            m.d.sync += self._chooses.eq(micro)
        with m.If(entered[RESULT - 1]):
            m.d.sync += self._results.eq(self._chooses)
        self._issued = delayed(m, sequencer.issue, RESULT, "issued", reset=True)
        self._groups = delayed(m, sequencer.group, RESULT, "group")
        first = sequencer.group * shape.lanes
        exists = Cat((first + lane) < sequencer.remaining for lane in range(shape.lanes))
        self._exists = delayed(m, exists, OPERANDS, "exists")

        streamed = self._stream(m, platform)
        scalars = [Signal(32, name=f"scalar_{number}", reset_less=True) for number in range(SCALARS)]
        results = [Signal(32, name=f"result_{lane}") for lane in range(shape.lanes)]
        division = self._division(m)
        read = self._registers(m, platform, results, division)
        self._lanes(m, platform, streamed, read, scalars, results)
        self._divide(m, read, scalars, division)
        chosen, out = self._results, self._issued[RESULT]
        with m.If(out & chosen.to_scalar & (self._groups[RESULT] == 0)):
            m.d.sync += Array(scalars)[chosen.target[:2]].eq(results[0])
        self._store(m, platform, results)
        return m

    def _place(self, m: Module, row: Any, wide: Any) -> tuple[Any, Any]:
        """Address of the word that the issued group has in the row at ``row``, and the group's place in the word."""
        shape, sequencer = self.shape, self._sequencer
        ways = []
        for size in (1, 4):
            groups = (shape.word_bytes // (size * shape.lanes) - 1).bit_length()  # of a word, as a power of two
            strip_bits = (shape.strip_words(size) - 1).bit_length()
            address = (row + (sequencer.strip << strip_bits) + (sequencer.group >> groups))[:ADDRESS_BITS]
            ways.append((address, sequencer.group[:groups] if groups else Const(0, 1)))
        (narrow_address, narrow_part), (wide_address, wide_part) = ways
        return Mux(wide, wide_address, narrow_address)[:ADDRESS_BITS], Mux(wide, wide_part, narrow_part)

    def _stream(self, m: Module, platform: Any) -> list[Any]:
        """The elements of the streams as float32, in the cycle in which operands are chosen."""
        shape, sequencer, held = self.shape, self._sequencer, self._sequencer.held
        second = sequencer.micro.stream
        sources = (*INPUTS, "x")  # the last is looked up
        form = _among(second, {number: held[f"{name}_format"] for number, name in enumerate(sources)})
        row = _among(second, {number: getattr(sequencer, f"{name}_row") for number, name in enumerate(sources)})
        address, part = self._place(m, row, form != Format.INT8)
        wanted = sequencer.issue & (sequencer.micro.a == A.STREAM) & (part == 0) & self._exists[0][0]
        enable, at = Signal(), Signal(ADDRESS_BITS, reset_less=True)
        m.d.sync += [enable.eq(wanted), at.eq(address)]
        m.d.comb += [
            self.read_enable.eq(enable | sequencer.program_read),
            self.read_address.eq(Mux(sequencer.program_read, sequencer.program_address, at)),
        ]
        word = Signal(8 * shape.word_bytes, name="stream_word", reset_less=True)
        with m.If(delayed(m, enable, WORD - PORT - 1, "arrives", reset=True)[-1]):
            m.d.sync += word.eq(self.read_data)

        parts = delayed(m, part, WORD, "part")[-1]
        forms = delayed(m, form, OPERANDS - 1, "format")
        looked_up = delayed(m, second == TABULATED, OPERANDS - 1, "looked_up")
        of_w = delayed(m, (second != 0) & (second != TABULATED), WORD, "of_w")[-1]
        zero_point = Mux(of_w, held.w_zero_point, held.x_zero_point).as_signed()
        narrow, wide = _part(word, 8 * shape.lanes, parts), _part(word, 32 * shape.lanes, parts)
        elements = []
        for lane in range(shape.lanes):
            convert = FromInteger()
            place(m, f"from_integer_{lane}", convert, platform)
            raw = wide.word_select(lane, 32)
            number = Mux(
                forms[WORD] == Format.INT8, narrow.word_select(lane, 8).as_signed() - zero_point, raw.as_signed()
            )
            m.d.comb += [convert.valid.eq(self._issued[WORD]), convert.value.eq(number)]
            floats = delayed(m, raw, FromInteger.LATENCY, f"raw_{lane}")[-1]
            element = Signal(32, name=f"streamed_{lane}", reset_less=True)
            there = self._exists[OPERANDS - 1][lane]
            is_float = forms[OPERANDS - 1] == Format.FLOAT32
            found = self._looked_up(m, platform, lane, narrow.word_select(lane, 8), looked_up[WORD])
            number = Mux(looked_up[OPERANDS - 1], found, Mux(is_float, floats, convert.result))
            m.d.sync += element.eq(Mux(there, number, 0))
            elements.append(element)
        return elements

    def _looked_up(self, m: Module, platform: Any, lane: int, value: Any, enable: Any) -> Signal:
        """What the lane's copy of the table has for an int8, two cycles later."""
        sequencer = self._sequencer
        bank = SramBank(TABLE, 32)
        place(m, f"table_{lane}", bank, platform)
        m.d.comb += [
            bank.enable.eq(sequencer.table_write | enable),
            bank.write_enable.eq(sequencer.table_write),
            # Entry 0 is that of -128.
            bank.address.eq(Mux(sequencer.table_write, sequencer.table_address, Cat(value[:7], ~value[7]))),
            bank.write_data.eq(sequencer.table_data),
        ]
        found = Signal(32, name=f"looked_up_{lane}", reset_less=True)
        m.d.sync += found.eq(bank.read_data)
        return found

    def _registers(self, m: Module, platform: Any, results: list[Any], division: dict[str, Any]) -> Any:
        """The vector registers, by the parity of the group; gives the word read where operands are chosen."""
        shape, micro = self.shape, self._micro
        half = shape.groups // 2
        at = OPERANDS - REGISTER_READ
        number = delayed(m, micro.register, at, "register")[-1]
        divides = division["reads"] | division["reads_divisor"]
        read_group = Mux(divides, division["read_group"], self._groups[at])
        divided = Mux(division["reads"], self._chooses.register, self._chooses.target)
        read_number = Mux(divides, divided, number)
        reads = divides | self._issued[at]
        writes = (self._issued[RESULT] & self._results.write) | division["writes"]
        write_group = Mux(division["writes"], division["write_group"], self._groups[RESULT])
        data = Mux(division["writes"], division["data"], Cat(results))
        words = []
        for parity in range(2):
            bank = SramBank(REGISTERS * half, 32 * shape.lanes)
            place(m, f"registers_{parity}", bank, platform)
            write, read = writes & (write_group[0] == parity), reads & (read_group[0] == parity)
            m.d.comb += [
                bank.enable.eq(write | read),
                bank.write_enable.eq(write),
                bank.address.eq(
                    Mux(write, Cat(write_group[1:], self._results.target), Cat(read_group[1:], read_number))
                ),
                bank.write_data.eq(data),
            ]
            words.append(bank.read_data)
        word = Signal(32 * shape.lanes, name="register_word", reset_less=True)
        parity = delayed(m, read_group[0], 1, "parity")[-1]
        found = Mux(parity, words[1], words[0])
        of_divisor = delayed(m, division["reads_divisor"], 1, "divisor_reads", reset=True)[-1]
        arrives = delayed(m, reads, 1, "register_reads", reset=True)[-1]
        with m.If(of_divisor):
            m.d.sync += division["divisor"].eq(found)
        with m.Elif(arrives):
            m.d.sync += word.eq(found)
        return word

    def _lanes(
        self, m: Module, platform: Any, streamed: list[Any], read: Any, scalars: list[Any], results: list[Any]
    ) -> None:
        shape, micro, group = self.shape, self._chooses, self._groups[OPERANDS]
        back = shape.period - (RESULT - OPERANDS)
        line = delayed(m, Cat(results), back + shape.groups // 2, "line")
        folds = [n for n in range(1, 7) if 1 << n - 1 >= shape.lanes]
        masks = [Signal(shape.lanes, name=f"mask_{number}", reset_less=True) for number in range(shape.groups)]
        mask = Mux(micro.present, self._exists[OPERANDS], Array(masks)[group])
        scalar = Array(scalars)[micro.scalar]
        for lane in range(shape.lanes):
            accumulator = line[back].word_select(lane, 32)
            folded: Any = Const(0, 32)
            for n in range(1, 7):
                distance = 1 << n - 1
                if n in folds:
                    source = line[back + distance // shape.lanes].word_select(lane, 32)
                else:
                    source = line[back].word_select((lane + distance) % shape.lanes, 32)
                folded = Mux(micro.register == n, source, folded)
            register = read.word_select(lane, 32)
            a = {A.ACCUMULATOR: accumulator, A.REGISTER: register, A.CONSTANT: micro.constant, A.STREAM: streamed[lane]}
            b = {B.ONE: ONE, B.CONSTANT: micro.constant, B.REGISTER: register, B.SCALAR: scalar,
                 B.ACCUMULATOR: accumulator}  # fmt: skip
            c = {C.NOTHING: MINUS_ZERO, C.CONSTANT: micro.constant, C.REGISTER: register, C.SCALAR: scalar,
                 C.ACCUMULATOR: accumulator, C.FOLDED: folded}  # fmt: skip
            unit = FloatLane()
            place(m, f"lane_{lane}", unit, platform)
            operands = {"a": _among(micro.a, a), "b": _among(micro.b, b), "c": _among(micro.c, c),
                        "scale": micro.scale, "operation": micro.second, "mask": mask[lane]}  # fmt: skip
            for name, value in operands.items():
                port = getattr(unit, name)
                held = Signal(port.shape(), name=f"{name}_{lane}", reset_less=True)
                with m.If(self._issued[OPERANDS]):
                    m.d.sync += held.eq(value)
                m.d.comb += port.eq(held)
            m.d.comb += [unit.valid.eq(self._issued[OPERANDS + 1]), results[lane].eq(unit.result)]
        with m.If(self._issued[RESULT] & self._results.set_mask):
            m.d.sync += Array(masks)[self._groups[RESULT]].eq(Cat(result.any() for result in results))

    def _division(self, m: Module) -> dict[str, Any]:
        """When the division of a register reads and writes groups; its data is filled in by ``_divide``."""
        shape, sequencer = self.shape, self._sequencer
        lane_bits = (shape.lanes - 1).bit_length()
        on = (sequencer.micro.second == Second.DIVIDE) & (sequencer.time >= LEAD) & (sequencer.time < LEAD + STRIP)
        element = Signal(range(STRIP), name="element")
        m.d.comb += element.eq((sequencer.time - LEAD)[: len(element)])
        # A group of divisors is read in the cycle before the group that they divide.
        ahead = Signal(range(STRIP), name="element_ahead")
        m.d.comb += ahead.eq((sequencer.time - (LEAD - 1))[: len(ahead)])
        early = (sequencer.time >= LEAD - 1) & (sequencer.time < LEAD - 1 + STRIP) & (ahead[:lane_bits] == 0)
        by_register = (sequencer.micro.second == Second.DIVIDE) & (sequencer.micro.b == B.REGISTER)
        reads = Signal(name="division_reads")
        m.d.comb += reads.eq(on & (element[:lane_bits] == 0))
        there = DIVIDER + REGISTER_READ + 1 + _late(shape)
        valid = delayed(m, on, there, "division", reset=True)
        elements = delayed(m, element, there, "element")
        last = shape.lanes - 1
        return {
            "reads": reads,
            "reads_divisor": by_register & early,
            "read_group": Mux(reads, element[lane_bits:], ahead[lane_bits:]),
            "lane": elements[REGISTER_READ][:lane_bits],
            "divisor_lane": elements[REGISTER_READ - 1][:lane_bits],
            "divisor": Signal(32 * shape.lanes, name="divisor_word", reset_less=True),
            "writes": valid[-1] & (elements[-1][:lane_bits] == last),
            "write_group": elements[-1][lane_bits:],
            "enters": valid[REGISTER_READ + 1],
            "arrives": valid[-1],
            "arrives_lane": elements[-1][:lane_bits],
            "data": Signal(32 * shape.lanes, name="quotients"),
        }

    def _divide(self, m: Module, read: Any, scalars: list[Any], division: dict[str, Any]) -> None:
        """The divider: an element of a register a cycle, or a scalar."""
        shape, micro = self.shape, self._chooses
        m.submodules.divider = divider = Divide()
        scalar = Array(scalars)[micro.scalar]
        a = Mux(micro.a == A.REGISTER, scalar, micro.constant)
        element = Array(read.word_select(lane, 32) for lane in range(shape.lanes))[division["lane"]]
        divisors = Array(division["divisor"].word_select(lane, 32) for lane in range(shape.lanes))
        divisor = Signal(32, reset_less=True)
        m.d.sync += divisor.eq(divisors[division["divisor_lane"]])
        operands = {
            "a": Mux(micro.second == Second.DIVIDE, element, a),
            "b": _among(micro.b, {B.ONE: ONE, B.CONSTANT: micro.constant, B.REGISTER: divisor, B.SCALAR: scalar}),
            "root": micro.second == Second.SCALAR_ROOT,
        }
        on_scalars = delayed(
            m, (self._sequencer.micro.second > Second.DIVIDE) & self._sequencer.entered, OPERANDS + 1 + DIVIDER,
            "scalar_ready", reset=True,
        )  # fmt: skip
        m.d.comb += divider.valid.eq(division["enters"] | on_scalars[OPERANDS + 1])
        for name, value in operands.items():
            port = getattr(divider, name)
            held = Signal(port.shape(), name=f"divider_{name}", reset_less=True)
            m.d.sync += held.eq(value)
            m.d.comb += port.eq(held)
        result = delayed(m, divider.result, _late(shape), "divided")[-1]
        collected = []
        for lane in range(shape.lanes - 1):
            quotient = Signal(32, name=f"quotient_{lane}", reset_less=True)
            with m.If(division["arrives"] & (division["arrives_lane"] == lane)):
                m.d.sync += quotient.eq(result)
            collected.append(quotient)
        m.d.comb += division["data"].eq(Cat(collected, result))

        with m.If(on_scalars[-1]):
            m.d.sync += Array(scalars)[self._results.target[:2]].eq(divider.result)

    def _store(self, m: Module, platform: Any, results: list[Any]) -> None:
        """Results to bytes, bytes to words."""
        shape, sequencer, held = self.shape, self._sequencer, self._sequencer.held
        wide = held.y_format != Format.INT8
        address, part = self._place(m, sequencer.y_row, wide)
        narrow_groups, wide_groups = (shape.word_bytes // (size * shape.lanes) for size in (1, 4))
        # The group fills its word, or is the row's last.
        over = sequencer.remaining <= (sequencer.group + 1) * shape.lanes
        full = part == Mux(wide, wide_groups - 1, narrow_groups - 1)
        ends = over | full | (sequencer.group == shape.groups - 1)
        there = self._exists[0][0]
        addresses = delayed(m, address, STORED, "store_address")
        parts, last = (
            delayed(m, part, STORED - 1, "store_part")[-1],
            delayed(m, ends & there, STORED - 1, "store_ends")[-1],
        )
        exists = delayed(m, there, STORED - 1, "store_exists")[-1]
        converts = delayed(m, self._issued[RESULT] & self._results.store, ToInt8.LATENCY, "stores", reset=True)
        stores = converts[-1]
        bytes_, floats = [], []
        for lane in range(shape.lanes):
            convert = ToInt8()
            place(m, f"to_int8_{lane}", convert, platform)
            m.d.comb += [
                convert.valid.eq(converts[0]),
                convert.value.eq(results[lane]),
                convert.zero_point.eq(held.y_zero_point),
                convert.minimum.eq(held.minimum),
                convert.maximum.eq(held.maximum),
            ]
            bytes_.append(convert.result)
            floats.append(delayed(m, results[lane], ToInt8.LATENCY, f"float_{lane}")[-1])
        word, write = Signal(8 * shape.word_bytes, name="store_word", reset_less=True), Signal()
        with m.If(stores & exists):
            with m.If(parts == 0):
                m.d.sync += word.eq(0)
            for group in range(narrow_groups):
                with m.If(~wide & (parts == group)):
                    m.d.sync += word.word_select(group, 8 * shape.lanes).eq(Cat(bytes_))
            for group in range(wide_groups):
                with m.If(wide & (parts == group)):
                    m.d.sync += word.word_select(group, 32 * shape.lanes).eq(Cat(floats))
        m.d.sync += write.eq(stores & last)
        m.d.comb += [
            self.write_enable.eq(write),
            self.write_address.eq(addresses[-1]),
            self.write_data.eq(word),
        ]


def _late(shape: VectorShape) -> int:
    """Cycles by which quotients are held back, so that a register is not written in a bank that is read just then."""
    return 2 if shape.lanes == 2 else 0


def _among(select: Any, values: dict[Any, Any]) -> Any:
    """The value that ``select`` names."""
    most = max(values)
    return Array(values.get(code, 0) for code in range(most + 1))[select]


def _part(word: Any, bits: int, number: Any) -> Any:
    """Part ``number`` of ``bits`` bits of a word."""
    parts = len(word) // bits
    return word if parts == 1 else Array(word.word_select(part, bits) for part in range(parts))[number]
