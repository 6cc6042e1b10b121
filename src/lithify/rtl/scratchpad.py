"""The scratchpad: single-port SRAM banks behind the ports of the units."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.rtl.leaf import place
from lithify.rtl.ports import ScratchpadRead, ScratchpadWrite, activation_ports, weight_ports

WRITERS = ("load", "results")


def readers(chip: Chip) -> tuple[str, ...]:
    """Names of the reading ports."""
    return (*activation_ports(chip), *weight_ports(chip), "residual", "store", *(["vector"] if chip.vector else []))


def writers(chip: Chip) -> tuple[str, ...]:
    """Names of the writing ports."""
    return (*WRITERS, *(["vector_results"] if chip.vector else []))


def bank_name(words: int, bits: int) -> str:
    """The name of a bank's Verilog module."""
    return f"lithify_sram_{words}x{bits}"


class SramBank(wiring.Component):
    """One single-port SRAM: the block that a foundry's macro replaces.

    In a cycle with ``enable`` it writes ``write_data`` (``write_enable`` high) or reads: ``read_data`` has the word in
    the next cycle and keeps it until the next read. Whole words only. The contents are undefined after power-up.
    """

    def __init__(self, depth: int, width: int) -> None:
        self.depth, self.width = depth, width
        super().__init__(
            {
                "enable": In(1),
                "write_enable": In(1),
                "address": In(range(depth)),
                "write_data": In(width),
                "read_data": Out(width),
            }
        )

    @property
    def module_name(self) -> str:
        return bank_name(self.depth, self.width)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = cells = memory.Memory(shape=self.width, depth=self.depth, init=[])
        write, read = cells.write_port(), cells.read_port()
        m.d.comb += [
            write.addr.eq(self.address),
            write.data.eq(self.write_data),
            write.en.eq(self.enable & self.write_enable),
            read.addr.eq(self.address),
            read.en.eq(self.enable & ~self.write_enable),
            self.read_data.eq(read.data),
        ]
        return m


class Scratchpad(wiring.Component):
    """``scratchpad_banks`` banks of consecutive words, one access a bank and cycle.

    Ports: see ``rtl/ports.py``; four readers, more where several activations or weights are read at once, and two
    writers. A read
    presented in cycle c has its word at the port in c+2: the bank's clock-to-output time, a register, then the choice
    among the banks. ``conflict`` is high in the cycle after two ports met in one bank; what they then read or write is
    undefined.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                **{name: In(ScratchpadRead(chip)) for name in readers(chip)},
                **{name: In(ScratchpadWrite(chip)) for name in writers(chip)},
                "conflict": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        names = readers(chip)
        low_bits = (chip.bank_words - 1).bit_length()
        ports = {name: getattr(self, name) for name in (*names, *writers(chip))}
        first = {name: Signal(chip.scratchpad_banks, name=f"{name}_first") for name in names}
        second = {name: Signal(chip.scratchpad_banks, name=f"{name}_second") for name in names}
        words, met = [], Signal(chip.scratchpad_banks)
        for number in range(chip.scratchpad_banks):
            bank = SramBank(chip.bank_words, 8 * chip.word_bytes)
            place(m, f"bank{number}", bank, platform)
            selected = {name: port.enable & (port.address[low_bits:] == number) for name, port in ports.items()}
            hits = Signal(len(ports), name=f"hits{number}")
            m.d.comb += hits.eq(Cat(*selected.values()))
            m.d.comb += [
                bank.enable.eq(hits.any()),
                bank.write_enable.eq(hits[len(names) :].any()),
                bank.address.eq(_choose(hits, [port.address[:low_bits] for port in ports.values()])),
                bank.write_data.eq(_choose(hits[len(names) :], [ports[name].data for name in writers(chip)])),
            ]
            m.d.sync += met[number].eq((hits & (hits - 1)[: len(ports)]).any())
            for bit, name in enumerate(names):
                m.d.comb += first[name][number].eq(hits[bit])
            word = Signal(8 * chip.word_bytes, name=f"word{number}", reset_less=True)
            m.d.sync += word.eq(bank.read_data)
            words.append(word)
        m.d.comb += self.conflict.eq(met.any())
        for name in names:
            at_output = Signal(chip.scratchpad_banks, name=f"{name}_at_output")
            m.d.sync += [at_output.eq(first[name]), second[name].eq(at_output)]
            m.d.comb += ports[name].data.eq(_choose(second[name], words))
        return m


def _choose(select: Any, values: list[Any]) -> Any:
    """The value whose bit of the one-hot ``select`` is set (an and-or network); 0 where none is."""
    total: Any = 0
    for bit, value in enumerate(values):
        total = total | Mux(select[bit], value, 0)
    return total
