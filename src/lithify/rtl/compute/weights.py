"""W: holds the instruction that starts next and reads its parameters and weight sets, a word a port and cycle."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.memories import TABLE_BYTES
from lithify.chip.pipeline import MEMORY_READ
from lithify.isa import BY_NAME
from lithify.rtl.compute.stages import COMPUTE, delayed
from lithify.rtl.instruction import SECOND_PORT
from lithify.rtl.ports import InstructionPort

PARAMETER_WORDS = 8
"""Words of parameters for each result word: 4 of bias, 4 of multiplier."""

PARAMETER_BUFFERS = 2

LOAD_TABLE = 1
"""The value of `lookup` with which an instruction brings its table."""

POSITION_BITS = 17
"""Positions of an instruction; each writes a word at least, and the scratchpad has at most 65536."""


def word_numbers(chip: Chip) -> range:
    """Numbers of the reads of a group's parameters, and of the table."""
    parameters = PARAMETER_WORDS * chip.column_words // chip.weight_ports
    return range(max(parameters, TABLE_BYTES // chip.port_bytes * chip.has("lookup")))


def address_names(chip: Chip) -> tuple[str, ...]:
    """Names of the addresses, one for each port."""
    return ("address", *(f"address_{number}" for number in range(1, chip.weight_ports)))


class WeightSequencer(wiring.Component):
    """Starts instructions and reads what they need of the weight memory.

    ``enable``, ``address``, ``address_1``: the read ports; the words come ``MEMORY_READ`` cycles later, and in that
    cycle either ``load_set`` with its ``column``, ``load_parameters`` with ``buffer`` and ``number`` (of the buffer's
    words) or ``load_table`` with ``number`` (of the table's words) is high. Two ports read words 2 ``number`` and the
    next, each its own from where these lie one behind the other. ``alone``: earlier instructions have retired.
    ``swap``: F issues the first word of a pass; ``set_ready``: a set is complete for it.
    ``held``, ``fields``: the instruction that F has yet to take (``take``); ``offer`` is high from ``take`` cycles
    after its start. ``release``: P gives back a parameter buffer.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "instruction": In(InstructionPort("CONV", chip)),
                "enable": Out(1),
                **dict.fromkeys(address_names(chip), Out(16)),
                "load_set": Out(1),
                "column": Out(range(chip.columns // chip.weight_ports)),
                "load_parameters": Out(1),
                "buffer": Out(range(PARAMETER_BUFFERS)),
                "load_table": Out(1),
                "number": Out(word_numbers(chip)),
                "alone": In(1),
                "swap": In(1),
                "set_ready": Out(1),
                "held": Out(1),
                "offer": Out(1),
                "fields": Out(COMPUTE),
                "take": In(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        fields = self.fields
        busy, aged, taken, done = Signal(), Signal(), Signal(), Signal()
        start, table = Signal(), Signal()
        m.d.comb += [
            self.instruction.ready.eq(~busy),
            start.eq(self.instruction.valid & ~busy),
            self.held.eq(busy & ~taken),
            self.offer.eq(self.held & aged & ~table),
        ]

        depthwise = Signal()
        m.d.comb += depthwise.eq(chip.has("depthwise") & (fields.opcode == BY_NAME["DEPTHWISE"].opcode))
        # The words being read are those of the table, or else of parameters, or else of a weight set.
        parameters = Signal()
        ports = chip.weight_ports
        table_words = TABLE_BYTES // chip.port_bytes if chip.has("lookup") else 0
        group_words = PARAMETER_WORDS * chip.column_words // ports
        word = Signal(range(max(chip.columns // ports, group_words, table_words)))
        last_word, first_word = Signal(), Signal()
        set_last = Mux(depthwise, chip.word_bytes // ports - 1, chip.columns // ports - 1)
        parameters_last = Mux(depthwise, PARAMETER_WORDS // ports - 1, group_words - 1)
        part_last = Mux(parameters, parameters_last, set_last)
        if chip.has("lookup"):
            part_last = Mux(table, table_words - 1, part_last)
        m.d.comb += [first_word.eq(word == 0), last_word.eq(word == part_last)]

        # What the first words wait for.
        free_buffers = Signal(range(PARAMETER_BUFFERS + 1), init=PARAMETER_BUFFERS)
        shadow_free = Signal(init=1)
        issue = self.enable
        may_start = Mux(table, self.alone, Mux(parameters, free_buffers != 0, shadow_free | self.swap))
        m.d.comb += issue.eq(busy & ~done & (~first_word | may_start))
        set_issue, parameter_issue, table_issue = Signal(), Signal(), Signal()
        m.d.comb += [
            table_issue.eq(issue & table),
            set_issue.eq(issue & ~table & ~parameters),
            parameter_issue.eq(issue & ~table & parameters),
        ]
        m.d.sync += [
            free_buffers.eq(free_buffers + self.release - (parameter_issue & first_word)),
            shadow_free.eq((shadow_free | self.swap) & ~(set_issue & first_word)),
            self.set_ready.eq((self.set_ready & ~self.swap) | (set_issue & last_word)),
        ]

        # The positions of the output, two bits of the height a cycle and port: there before a second tile is due.
        total, digit = Signal(POSITION_BITS), Signal(5 - ports)
        height_bits = fields.out_height.word_select(~digit[:-1], 2 * ports)
        with m.If(busy & ~digit[-1]):
            more = total << len(height_bits)
            for bit in reversed(range(len(height_bits))):
                width = fields.out_width << bit if bit else fields.out_width
                more = more + Mux(height_bits[bit], width, Const(0, unsigned(16 + bit)))
            m.d.sync += [total.eq(more), digit.eq(digit + 1)]

        # The loops: passes of a tile, tiles of a group, groups.
        chunks, passes_x, passes_y = Signal(16), Signal(8), Signal(8)
        groups, covered = Signal(16), Signal(POSITION_BITS)  # covered: positions up to the end of the tile
        addresses = [getattr(self, name) for name in address_names(chip)]
        set_starts = [Signal(16, name=f"set_start{name[7:]}") for name in address_names(chip)]
        next_addresses = [Signal(16, name=f"next_{name}") for name in address_names(chip)]
        last_pass, last_tile, last_group = Signal(), Signal(), Signal()
        m.d.comb += [
            *(following.eq(address + 1) for following, address in zip(next_addresses, addresses, strict=True)),
            last_pass.eq((chunks == 1) & (passes_x == 1) & (passes_y == 1)),
            last_tile.eq(fields.keep | (covered >= total)),
            last_group.eq(groups == 1),
        ]
        ending = Signal()
        with m.If(issue):
            m.d.sync += [*_moved(addresses, next_addresses), word.eq(word + 1)]
        stream = Signal()
        m.d.comb += stream.eq(fields.opcode == BY_NAME["STREAM"].opcode)
        with m.If(table_issue & last_word):
            m.d.sync += [word.eq(0), table.eq(0)]
            m.d.comb += ending.eq(stream)
        with m.Elif(issue & last_word):
            m.d.sync += [word.eq(0), chunks.eq(fields.chunks), passes_x.eq(fields.passes_x)]
            with m.If(parameters):
                m.d.sync += [parameters.eq(0), *_moved(set_starts, next_addresses), passes_y.eq(fields.passes_y)]
            with m.Elif(chunks != 1):
                m.d.sync += [chunks.eq(chunks - 1), passes_x.eq(passes_x)]
            with m.Elif(passes_x != 1):
                m.d.sync += passes_x.eq(passes_x - 1)
            with m.Else():
                m.d.sync += passes_y.eq(passes_y - 1)
            with m.If(~parameters & last_pass):
                m.d.sync += passes_y.eq(fields.passes_y)
                with m.If(~last_tile):
                    m.d.sync += [*_moved(addresses, set_starts), covered.eq(covered + fields.tile)]
                with m.Else():
                    m.d.sync += [parameters.eq(1), covered.eq(fields.tile), groups.eq(groups - 1)]
                    m.d.comb += ending.eq(last_group)

        incoming = self.instruction.fields
        brings_table = incoming.lookup == LOAD_TABLE if chip.has("lookup") else Const(0)
        m.d.sync += [aged.eq(busy), taken.eq(taken | self.take), done.eq(done | ending)]
        with m.If((taken | self.take) & (done | ending)):
            m.d.sync += busy.eq(0)
        with m.If(start):
            m.d.sync += [
                fields.eq(incoming),
                busy.eq(1),
                aged.eq(0),
                taken.eq(0),
                done.eq((incoming.opcode == BY_NAME["STREAM"].opcode) & ~brings_table),
                table.eq(brings_table),
                parameters.eq(~incoming.keep),
                word.eq(0),
                *_moved(addresses, _first_addresses(chip, incoming)),
                chunks.eq(incoming.chunks),
                passes_x.eq(incoming.passes_x),
                passes_y.eq(incoming.passes_y),
                groups.eq(incoming.groups),
                covered.eq(incoming.tile),
                total.eq(0),
                digit.eq(0),
            ]

        # Where the words go when they come.
        fill = Signal(range(PARAMETER_BUFFERS))
        with m.If(parameter_issue & last_word):
            m.d.sync += fill.eq(fill + 1)
        m.d.comb += [
            self.load_set.eq(delayed(m, set_issue, MEMORY_READ, "load_set", reset=True)[-1]),
            self.load_parameters.eq(delayed(m, parameter_issue, MEMORY_READ, "load_parameters", reset=True)[-1]),
            self.load_table.eq(delayed(m, table_issue, MEMORY_READ, "load_table", reset=True)[-1]),
            self.buffer.eq(delayed(m, fill, MEMORY_READ, "buffer")[-1]),
        ]
        number = delayed(m, word, MEMORY_READ, "number")[-1]
        m.d.comb += [self.column.eq(number), self.number.eq(number)]
        return m


def _first_addresses(chip: Chip, fields: Any) -> list[Any]:
    """Where each port begins to read: the second half of the banks away from the first."""
    first = [fields.weight_address]
    return first if chip.weight_ports == 1 else [*first, first[0] + fields[SECOND_PORT] * (chip.bank_words // 2)]


def _moved(targets: list[Any], sources: list[Any]) -> list[Any]:
    """Assignments of an address for each port."""
    return [target.eq(source) for target, source in zip(targets, sources, strict=True)]
