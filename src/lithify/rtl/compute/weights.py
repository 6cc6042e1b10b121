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
    next, each its own from where these lie one behind the other. ``alone_next``: in the next cycle
    earlier instructions have retired.
    ``swap``: F issues the first word of a pass; ``set_ready_next``: from the next cycle on a set is complete for it.
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
                "alone_next": In(1),
                "swap": In(1),
                "set_ready_next": Out(1),
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
        last_word, first_word = Signal(), Signal()  # registers beside `word`
        set_words = Mux(depthwise, word == chip.word_bytes // ports - 2, word == chip.columns // ports - 2)
        parameter_words = Mux(depthwise, word == PARAMETER_WORDS // ports - 2, word == group_words - 2)
        last_follows = Mux(parameters, parameter_words, set_words)
        if chip.has("lookup"):
            last_follows = Mux(table, word == table_words - 2, last_follows)

        # What the first words wait for. Whether a word is issued is known from registers, but for a set that F's issue
        # of the same cycle makes room for (`awaits_swap`).
        free_buffers = Signal(range(PARAMETER_BUFFERS + 1), init=PARAMETER_BUFFERS)
        buffer_taken, buffer_next = Signal(), Signal()
        shadow_free, shadow_next = Signal(init=1), Signal()
        set_ready = Signal()
        issue, may_issue, awaits_swap = self.enable, Signal(), Signal()
        m.d.comb += issue.eq(may_issue | (awaits_swap & self.swap))
        set_issue, parameter_issue, table_issue = Signal(), Signal(), Signal()
        m.d.comb += [
            table_issue.eq(issue & table),
            set_issue.eq(issue & ~table & ~parameters),
            parameter_issue.eq(issue & ~table & parameters),
            buffer_taken.eq(parameter_issue & first_word),
            buffer_next.eq(self.release | Mux(buffer_taken, free_buffers[1], free_buffers.any())),
            shadow_next.eq((shadow_free | self.swap) & ~(set_issue & first_word)),
            self.set_ready_next.eq((set_ready & ~self.swap) | (set_issue & last_word)),
        ]
        m.d.sync += [
            free_buffers.eq(free_buffers + self.release - buffer_taken),
            shadow_free.eq(shadow_next),
            set_ready.eq(self.set_ready_next),
        ]

        # The positions of the output, two bits of the height a cycle and port: there before a second tile is due.
        total, digit = Signal(POSITION_BITS), Signal(5 - ports)
        height = Signal(16, reset_less=True)
        height_bits = height[-2 * ports :]
        with m.If(busy & ~digit[-1]):
            m.d.sync += height.eq(height << len(height_bits))
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
        chunks_last, passes_x_last, passes_y_last, last_group = (
            Signal(name=name) for name in ("chunks_last", "passes_x_last", "passes_y_last", "last_group")
        )
        chunks_single, passes_x_single, passes_y_single = (
            Signal(name=name) for name in ("chunks_single", "passes_x_single", "passes_y_single")
        )
        last_pass, last_tile = Signal(), Signal()
        m.d.comb += [
            *(following.eq(address + 1) for following, address in zip(next_addresses, addresses, strict=True)),
            last_pass.eq(chunks_last & passes_x_last & passes_y_last),
        ]
        # A tile's first set is of two words at least, and comes after the parameters in the first tile: so this is
        # there a cycle after the numbers it compares, and in time.
        m.d.sync += last_tile.eq(fields.keep | (covered >= total))
        ending = Signal()
        ends_part, going = Signal(), Signal()
        m.d.comb += ends_part.eq(may_issue & last_word)  # what awaits the swap is a first word, and no last
        with m.If(issue):
            m.d.sync += _moved(addresses, next_addresses)
            m.d.sync += [word.eq(word + 1), first_word.eq(0), last_word.eq(last_follows)]
        stream = Signal()
        m.d.comb += stream.eq(fields.opcode == BY_NAME["STREAM"].opcode)
        table_next, parameters_next = Signal(), Signal()
        m.d.comb += [table_next.eq(table), parameters_next.eq(parameters)]
        with m.If(ends_part):
            m.d.sync += [word.eq(0), first_word.eq(1), last_word.eq(0)]
        with m.If(ends_part & table):
            m.d.comb += [table_next.eq(0), ending.eq(stream)]
        with m.Elif(ends_part & parameters):
            m.d.comb += parameters_next.eq(0)
            m.d.sync += _moved(set_starts, next_addresses)
            m.d.sync += _all(chunks, chunks_last, fields.chunks, chunks_single)
            m.d.sync += _all(passes_x, passes_x_last, fields.passes_x, passes_x_single)
            m.d.sync += _all(passes_y, passes_y_last, fields.passes_y, passes_y_single)
        with m.Elif(ends_part):
            with m.If(~chunks_last):
                m.d.sync += _less(chunks, chunks_last)
            with m.Else():
                m.d.sync += _all(chunks, chunks_last, fields.chunks, chunks_single)
                with m.If(~passes_x_last):
                    m.d.sync += _less(passes_x, passes_x_last)
                with m.Else():
                    m.d.sync += _all(passes_x, passes_x_last, fields.passes_x, passes_x_single)
                    with m.If(~passes_y_last):
                        m.d.sync += _less(passes_y, passes_y_last)
                    with m.Else():
                        m.d.sync += _all(passes_y, passes_y_last, fields.passes_y, passes_y_single)
            with m.If(last_pass & ~last_tile):
                m.d.sync += [*_moved(addresses, set_starts), covered.eq(covered + fields.tile)]
            with m.If(last_pass & last_tile):
                m.d.comb += parameters_next.eq(1)
                m.d.sync += [covered.eq(fields.tile), *_less(groups, last_group)]
                m.d.comb += ending.eq(last_group)
        m.d.sync += [table.eq(table_next), parameters.eq(parameters_next)]

        incoming = self.instruction.fields
        brings_table = incoming.lookup == LOAD_TABLE if chip.has("lookup") else Const(0)
        m.d.sync += [aged.eq(busy), taken.eq(taken | self.take), done.eq(done | ending)]
        # What may be issued in the next cycle: the words within a part, and the first when what it waits for is there.
        swapped = awaits_swap & self.swap
        first_next = Mux(may_issue, last_word, first_word & ~swapped)
        set_next = ~table_next & ~parameters_next
        there = Mux(table_next, self.alone_next, Mux(parameters_next, buffer_next, shadow_next))
        m.d.comb += going.eq(busy & ~done & ~ending)
        m.d.sync += [
            may_issue.eq(going & (~first_next | there)),
            awaits_swap.eq(~self.swap & (awaits_swap | (going & ends_part & set_next & ~shadow_free))),
        ]
        with m.If((taken | self.take) & (done | ending)):
            m.d.sync += busy.eq(0)
        nothing = Signal()
        begins = Mux(brings_table, self.alone_next, Mux(incoming.keep, shadow_next, buffer_next))
        m.d.comb += nothing.eq((incoming.opcode == BY_NAME["STREAM"].opcode) & ~brings_table)
        with m.If(start):
            m.d.sync += [
                fields.eq(incoming),
                busy.eq(1),
                aged.eq(0),
                taken.eq(0),
                done.eq(nothing),
                may_issue.eq(~nothing & begins),
                awaits_swap.eq(~nothing & ~brings_table & incoming.keep & ~shadow_next),
                table.eq(brings_table),
                parameters.eq(~incoming.keep),
                word.eq(0),
                first_word.eq(1),
                last_word.eq(0),
                *_moved(addresses, _first_addresses(chip, incoming)),
                *_all(chunks, chunks_last, incoming.chunks, incoming.chunks == 1),
                *_all(passes_x, passes_x_last, incoming.passes_x, incoming.passes_x == 1),
                *_all(passes_y, passes_y_last, incoming.passes_y, incoming.passes_y == 1),
                *_all(groups, last_group, incoming.groups, incoming.groups == 1),
                chunks_single.eq(incoming.chunks == 1),
                passes_x_single.eq(incoming.passes_x == 1),
                passes_y_single.eq(incoming.passes_y == 1),
                covered.eq(incoming.tile),
                height.eq(incoming.out_height),
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


def _all(count: Signal, last: Signal, turns: Any, single: Any) -> list[Any]:
    """Assignments that begin a loop of ``turns``; ``last``: of its counter, that one is left."""
    return [count.eq(turns), last.eq(single)]


def _less(count: Signal, last: Signal) -> list[Any]:
    """Assignments that take a turn of a loop."""
    return [count.eq(count - 1), last.eq(count == 2)]


def _first_addresses(chip: Chip, fields: Any) -> list[Any]:
    """Where each port begins to read: the second half of the banks away from the first."""
    first = [fields.weight_address]
    return first if chip.weight_ports == 1 else [*first, first[0] + fields[SECOND_PORT] * (chip.bank_words // 2)]


def _moved(targets: list[Any], sources: list[Any]) -> list[Any]:
    """Assignments of an address for each port."""
    return [target.eq(source) for target, source in zip(targets, sources, strict=True)]
