"""A mapped netlist as Verilog that a simulator runs in place of the block it was made of.

The functions of the cells are those of the kit's liberty file, so that what is simulated is what would be laid out, but
for the delays. Memory macros are modelled by their ports. The netlist is flat, and its logic stands in the order in
which values flow (`gate_order`), once for the registers and once for what the outputs need of it: a simulator has
nothing to sort.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lithify.errors import LithifyError
from lithify.silicon.cells import NAME, Cell, translated
from lithify.silicon.gate_order import ALWAYS, Gate, Held, Logic, Ordered, concatenated, declared
from lithify.silicon.kit import ClockGate, Macro, MacroPins
from lithify.silicon.netlist import Kind, Netlist, Nets

MOST = 64
"""Instances of a module whose cells are one vector: a word of the machine that simulates."""

_PORT = re.compile(r"^\s*(input|output)\s+(?:wire\s+)?(?:signed\s+)?(?:\[(\d+):0\]\s*)?(\w+)\s*;", re.MULTILINE)
_TWICE = re.compile(r"(?<=\])_\d+$")
"""What Yosys adds to a bit of a port where something else has its name."""

_HEAD_PORT = re.compile(r"(input|output)\s+(?:wire|reg)\s+(?:signed\s+)?(?:\[(\d+):0\]\s*)?(\w+)")


@dataclass(frozen=True)
class Parts:
    """What a netlist's cells are. cells: by name, macros' apart; macros: with their pins; gate: the clock gate."""

    cells: Mapping[str, Cell]
    macros: Mapping[str, tuple[Macro, MacroPins]]
    gate: ClockGate | None


def macro_verilog(macro: Macro, pins: MacroPins) -> str:
    """A single-port memory macro by its ports: a write, or a read whose word stays until the next."""
    ports = [
        f"input {pins.clock}", f"input {pins.enable}", f"input {pins.write}",
        *([f"input {pins.read}"] if pins.read else []),
        f"input [{(macro.words - 1).bit_length() - 1}:0] {pins.address}", f"input [{macro.bits - 1}:0] {pins.data_in}",
        f"output reg [{macro.bits - 1}:0] {pins.data_out}",
    ]  # fmt: skip
    ports += [f"input [{tied.width(macro) - 1}:0] {tied.pin}" for tied in (*pins.ones, *pins.zeros)]
    step = _access(pins, lambda pin: pin, "memory", pins.data_out, "<=")
    return f"""module {macro.name}({", ".join(ports)});
  reg [{macro.bits - 1}:0] memory [0:{macro.words - 1}];
  always @(posedge {pins.clock}) {step}
endmodule
"""


def _access(pins: MacroPins, wire: Callable[[str], str], memory: str, word: str, becomes: str) -> str:
    """What a memory macro does at an edge of its clock. wire: what is at a pin; becomes: the assignment."""
    read = f"if ({pins.level('read', wire(pins.read))}) " if pins.read else ""
    return (
        f"if ({pins.level('enable', wire(pins.enable))}) begin "
        f"if ({pins.level('write', wire(pins.write))}) {memory}[{wire(pins.address)}] {becomes} {wire(pins.data_in)}; "
        f"else {read}{word} {becomes} {memory}[{wire(pins.address)}]; end"
    )


def gate_level(
    netlist: Netlist, top: str, verilog: str, parts: Parts, states: Mapping[int, str] = MappingProxyType({})
) -> str:
    """The netlist as module `top`, behind the ports that `verilog`, the text of that module before synthesis, gives it.

    states: names for registers, by the nets that they drive; others are numbered. Registers behind a clock gate keep
    their values in cycles in which its enable is 0, which is what its latch and its gate come to. Errors: LithifyError
    for what cannot be run so: a clock that is made by logic, a reset without a clock, a loop of logic.
    """
    ports = [(kind, int(high) + 1 if high else 1, name) for kind, high, name in _ports(verilog)]
    return _Writer(netlist, parts, states).module(top, ports)


def _ports(verilog: str) -> list[tuple[str, str, str]]:
    """Direction, highest bit ("" of a single one) and name of each port."""
    return _PORT.findall(verilog) or _HEAD_PORT.findall(verilog.partition(";")[0])


@dataclass(frozen=True)
class _Register:
    """Registers that correspond. held: their outputs; cell: what they are; inputs: nets by pin, one for each; enables:
    of their clocks, ALWAYS of one that runs in every cycle.
    """

    held: Held
    cell: Cell
    inputs: Mapping[str, tuple[int, ...]]
    enables: tuple[int, ...]


class _Writer:
    def __init__(self, netlist: Netlist, parts: Parts, names: Mapping[int, str]) -> None:
        self.netlist, self.parts, self.names = netlist, parts, names
        self.logic = Logic(pins=np.zeros(netlist.count, np.int64))
        self.registers: list[_Register] = []
        self.memories: list[tuple[Kind, int]] = []
        self.clocks: dict[int, int] = {}
        """Nets that are clocks: the enable of each, ALWAYS of the chip's own."""
        self._sort()
        self.logic.joined()
        for kind in netlist.kinds:
            cell = parts.cells.get(kind.cell)
            if cell is not None and cell.next_state is not None:
                for cells in self._alike(kind):
                    self._register(kind, cell, cells)
        for kind in netlist.kinds:
            if parts.gate is not None and kind.cell == parts.gate.cell:
                for net in kind.pins[parts.gate.clock].tolist():
                    self.clocks.setdefault(net, ALWAYS)

    def _alike(self, kind: Kind) -> Iterator[Nets]:
        """Indices of cells that correspond, as many as are one vector."""
        for cells in kind.alike():
            yield from (cells[start : start + MOST] for start in range(0, len(cells), MOST))

    def _sort(self) -> None:
        """Which cell drives which net, and how many pins are on it."""
        gate = self.parts.gate
        for kind in self.netlist.kinds:
            for nets in kind.pins.values():
                np.add.at(self.logic.pins, nets, 1)
            if kind.cell in self.parts.macros:
                pins = self.parts.macros[kind.cell][1]
                for index, nets in enumerate(kind.pins.get(pins.data_out, ())):
                    self.logic.drive(Held(f"word_{len(self.memories) + index}", tuple(nets.tolist())))
                self.memories += [(kind, index) for index in range(len(kind.owners))]
            elif gate is not None and kind.cell == gate.cell:
                self.clocks |= dict(zip(kind.pins[gate.output].tolist(), kind.pins[gate.enable].tolist(), strict=True))
            else:
                self._sort_cells(kind, self._cell(kind))

    def _cell(self, kind: Kind) -> Cell:
        cell = self.parts.cells.get(kind.cell)
        if cell is None:
            raise LithifyError(f"The netlist has cells '{kind.cell}', which no liberty file describes.")
        return cell

    def _sort_cells(self, kind: Kind, cell: Cell) -> None:
        """Enter logic; registers are checked alone."""
        for pin in kind.pins:
            if not cell.pins[pin].output:
                continue
            function = cell.pins[pin].function
            if function is None or (cell.registered and cell.next_state is None):
                raise LithifyError(f"The netlist has cells '{kind.cell}', which are neither logic nor registers.")
            driven = kind.pins[pin]
            if cell.registered:
                continue
            if function in ("0", "1"):
                self.logic.constants |= dict.fromkeys(driven.tolist(), function)
            elif function in kind.pins:
                self.logic.same |= dict(zip(driven.tolist(), kind.pins[function].tolist(), strict=True))
            else:
                for cells in self._alike(kind):
                    inputs = _nets(kind, cell, cells)
                    self.logic.drive(Gate(function, tuple(driven[cells].tolist()), inputs))

    def _register(self, kind: Kind, cell: Cell, cells: Nets) -> None:
        inputs = _nets(kind, cell, cells)
        for text in cell.held:
            if any(self._constant(text, inputs, place) != 0 for place in range(len(cells))):
                raise LithifyError(f"The register '{kind.cell}' has a reset without a clock: it cannot be run.")
        clocks = inputs[str(cell.clock)]
        for clock in clocks:
            self.clocks.setdefault(clock, ALWAYS)
        for pin, nets in kind.pins.items():
            if cell.pins[pin].output:
                driven = tuple(nets[cells].tolist())
                name = self.names.get(driven[0], f"q{driven[0]}")
                function = str(cell.pins[pin].function)
                inverse = function in (cell.inverse, f"!{cell.state}")
                if not inverse and function != cell.state:
                    raise LithifyError(f"The register '{kind.cell}' gives '{function}', which is not its state.")
                held = Held(name, driven, inverse)
                self.logic.drive(held)
                self.registers.append(_Register(held, cell, inputs, tuple(self.clocks[clock] for clock in clocks)))

    def _constant(self, text: str, inputs: Mapping[str, tuple[int, ...]], place: int) -> int | None:
        """The value of a function of nets that are tied, None of others."""
        levels = {}
        for name in NAME.findall(text):
            level = self.logic.constants.get(self.logic.root(inputs[name][place]))
            if level is None:
                return None
            levels[name] = level
        return int(eval(translated(text, levels))) & 1

    def module(self, top: str, ports: Sequence[tuple[str, int, str]]) -> str:
        """The text."""
        self._given(ports)
        clock = self._clock()
        step, shown = Ordered(self.logic, "n"), Ordered(self.logic, "c")
        edge = [*self._becomes(step), *self._accesses(step)]
        results = self._results(shown, ports)
        # Declared one by one, as the chip's own Verilog does, which the simulator's harness reads.
        widths = {name: f"[{count - 1}:0] " if count > 1 else "" for _, count, name in ports}
        heads = [f"  {kind} {widths[name]}{name};" for kind, _, name in ports]
        heads += [f"  reg {widths[name]}{name};" for kind, _, name in ports if kind == "output"]
        tasks, calls, kept = step.tasks()
        states = {register.held.name: len(register.held.nets) for register in self.registers}
        return "\n".join(
            [
                "/* verilator lint_off IMPURE */  // one process calls the tasks, in turn",
                f"module {top}({', '.join(name for _, _, name in ports)});", *heads,
                *declared(states | {name: step.widths[name] for name in kept}), *self._memories(), *tasks,
                f"  always @(posedge {clock}) begin", *calls, *(f"    {line}" for line in edge), "  end",
                *declared(shown.widths),
                "  always_comb begin", *(f"    {name} = {text};" for name, text in shown.lines),
                *(f"    {line}" for line in results), "  end",
                "endmodule", "",
            ]
        )  # fmt: skip

    def _given(self, ports: Sequence[tuple[str, int, str]]) -> None:
        """Enter the input ports."""
        nets = {_TWICE.sub("", name): net for name, net in self.netlist.inputs.items()}
        for kind, count, name in ports:
            if kind == "input":
                bits = [nets[f"{name}[{bit}]" if count > 1 else name] for bit in range(count)]
                self.logic.drive(Held(name, tuple(bits)))

    def _becomes(self, step: Ordered) -> list[str]:
        """The registers' next values, those of a clock gate together, once all have been worked out."""
        by_enable: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for register in self.registers:
            enables = register.enables[:1] if len(set(register.enables)) == 1 else register.enables
            following = self._following(step, register)
            by_enable.setdefault(enables, []).append((register.held.name, following))
        statements = [f"{name} = {text};" for name, text in by_enable.pop((ALWAYS,), [])]
        for enables, pairs in by_enable.items():
            enable = step.kept(enables)
            if len(enables) == 1:
                lines = [f"{name} = {text};" for name, text in pairs]
            else:
                lines = [f"{name} = ({name} & ~{enable}) | ({text} & {enable});" for name, text in pairs]
            statements += [f"if ({enable}) begin" if len(enables) == 1 else f"if (|{enable}) begin", *lines, "end"]
        return statements

    def _following(self, step: Ordered, register: _Register) -> str:
        """What registers become at an edge of their clocks, as such a name."""
        function, inputs = str(register.cell.next_state), register.inputs
        if function in inputs:
            return step.kept(inputs[function])
        name = register.held.name
        texts = {str(register.cell.state): name, str(register.cell.inverse): f"(~{name})"}
        texts |= {pin: step.vector(inputs[pin]) for pin in NAME.findall(function) if pin in inputs}
        return step.kept(register.held.nets, translated(function, texts))

    def _accesses(self, step: Ordered) -> list[str]:
        """What the memory macros do."""
        statements = []
        for number, (kind, index) in enumerate(self.memories):
            pins = self.parts.macros[kind.cell][1]
            used = (pins.enable, pins.write, pins.read, pins.address, pins.data_in)
            wires = {
                pin: step.kept(tuple(np.atleast_1d(kind.pins[pin][index]).tolist())) for pin in used if pin is not None
            }
            statements.append(_access(pins, wires.__getitem__, f"memory_{number}", f"word_{number}", "="))
        return statements

    def _memories(self) -> list[str]:
        """Their words, and what was read last."""
        macros = [self.parts.macros[kind.cell][0] for kind, _ in self.memories]
        return [
            f"  reg [{macro.bits - 1}:0] word_{number}, memory_{number} [0:{macro.words - 1}];"
            for number, macro in enumerate(macros)
        ]

    def _results(self, shown: Ordered, ports: Sequence[tuple[str, int, str]]) -> list[str]:
        """The values of the output ports."""
        nets = {_TWICE.sub("", name): net for name, net in self.netlist.outputs.items()}
        statements = []
        for kind, count, name in ports:
            if kind == "output":
                bits = [nets[f"{name}[{bit}]" if count > 1 else name] for bit in range(count)]
                statements.append(f"{name} = {concatenated([shown.bit(net) for net in bits])};")
        return statements

    def _clock(self) -> str:
        """The name of the one input that is the clock of all."""
        # A clock gate behind another one would be a clock that is made by logic too.
        homes = [self.logic.home.get(self.logic.root(net)) for net, enable in self.clocks.items() if enable == ALWAYS]
        roots = {home[0].name if home and isinstance(home[0], Held) else "" for home in homes}
        if len(roots) != 1 or "" in roots:
            raise LithifyError("The netlist has a clock that is made by logic: it cannot be run.")
        (root,) = roots
        return root


def _nets(kind: Kind, cell: Cell, cells: Nets) -> dict[str, tuple[int, ...]]:
    """The nets at the inputs of cells that correspond, by pin."""
    return {pin: tuple(nets[cells].tolist()) for pin, nets in kind.pins.items() if not cell.pins[pin].output}
