"""A mapped netlist as Verilog that a simulator runs in place of the block it was made of.

The functions of the cells are those of the kit's liberty file, so that what is simulated is what would be laid out, but
for the delays. Memory macros are modelled by their ports. The netlist is flat, and its logic stands in the order in
which values flow, once for the registers and once for what the outputs need of it: a simulator has nothing to sort.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lithify.errors import LithifyError
from lithify.silicon.cells import NAME, Cell, translated
from lithify.silicon.kit import ClockGate, Macro, MacroPins
from lithify.silicon.netlist import Kind, Netlist

STATEMENTS = 1000
"""Of a task: a function of C++, which compilers like short."""

LONGEST = 160
"""Characters of an expression that is written in place of a net with one reader."""

READ_ONCE = 2
"""Pins on such a net: that which drives it, and that which reads it."""

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
class _Gate:
    """A cell of logic that drives a net: its function, and the nets at its inputs, by pin."""

    function: str
    inputs: Mapping[str, int]


@dataclass(frozen=True)
class _Register:
    """net: of its output; cell: what it is; inputs: nets by pin; enable: of its clock, None where it runs always."""

    net: int
    cell: Cell
    inputs: Mapping[str, int]
    enable: int | None


class _Writer:
    def __init__(self, netlist: Netlist, parts: Parts, names: Mapping[int, str]) -> None:
        self.netlist, self.parts, self.names = netlist, parts, names
        self.logic: dict[int, _Gate] = {}
        self.state: dict[int, str] = {}
        """Expressions of nets that are no logic: registers, words of memories, pins."""
        self.memories: list[tuple[Kind, int]] = []
        self.clocks: dict[int, int | None] = {}
        """Nets that are clocks: the enable of each, None of the chip's own."""
        self.pins = np.zeros(netlist.count, np.int64)
        self._sort()
        self.registers = [register for kind in netlist.kinds for register in self._registers(kind)]
        for kind in netlist.kinds:
            if parts.gate is not None and kind.cell == parts.gate.cell:
                for net in kind.pins[parts.gate.clock].tolist():
                    self.clocks.setdefault(net, None)

    def register(self, net: int) -> str:
        """The name of the register that drives a net."""
        return self.names.get(net, f"q{net}")

    def states(self, cell: Cell, net: int) -> dict[str, str]:
        """How the state of the register that drives a net is written, by its names in functions."""
        return {str(cell.state): self.register(net), str(cell.inverse): f"~{self.register(net)}"}

    def _sort(self) -> None:
        """Which cell drives which net, and how many pins are on it."""
        gate = self.parts.gate
        for kind in self.netlist.kinds:
            for nets in kind.pins.values():
                np.add.at(self.pins, nets, 1)
            if kind.cell in self.parts.macros:
                pins = self.parts.macros[kind.cell][1]
                for index, nets in enumerate(kind.pins.get(pins.data_out, ())):
                    word = f"word_{len(self.memories) + index}"
                    self.state |= {int(net): f"{word}[{bit}]" for bit, net in enumerate(nets)}
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
        outputs = [pin for pin in kind.pins if cell.pins[pin].output]
        inputs = {pin: nets.tolist() for pin, nets in kind.pins.items() if pin not in outputs}
        for pin in outputs:
            function = cell.pins[pin].function
            if function is None or (cell.registered and cell.next_state is None):
                raise LithifyError(f"The netlist has cells '{kind.cell}', which are neither logic nor registers.")
            for index, net in enumerate(kind.pins[pin].tolist()):
                if cell.registered:
                    text = translated(function, self.states(cell, net))
                    self.state[net] = f"({text})" if "~" in text else text
                else:
                    self.logic[net] = _Gate(function, {name: nets[index] for name, nets in inputs.items()})

    def _registers(self, kind: Kind) -> Iterator[_Register]:
        cell = self.parts.cells.get(kind.cell)
        if cell is None or cell.next_state is None:
            return
        inputs = {pin: nets.tolist() for pin, nets in kind.pins.items() if not cell.pins[pin].output}
        driven = [nets.tolist() for pin, nets in kind.pins.items() if cell.pins[pin].output]
        for index in range(len(kind.owners)):
            wires = {pin: nets[index] for pin, nets in inputs.items()}
            for text in cell.held:
                if self._constant(text, wires) != 0:
                    raise LithifyError(f"The register '{kind.cell}' has a reset without a clock: it cannot be run.")
            clock = wires[str(cell.clock)]
            self.clocks.setdefault(clock, None)
            for nets in driven:
                yield _Register(nets[index], cell, wires, self.clocks[clock])

    def _constant(self, text: str, wires: Mapping[str, int]) -> int | None:
        """The value of a function of nets that are tied, None of others."""
        levels = {}
        for name in NAME.findall(text):
            source = self.logic.get(wires[name])
            if source is None or source.function not in ("0", "1"):
                return None
            levels[name] = source.function
        return int(eval(translated(text, levels))) & 1

    def module(self, top: str, ports: Sequence[tuple[str, int, str]]) -> str:
        """The text."""
        counts = {name: count for _, count, name in ports}
        for name, net in self.netlist.inputs.items():
            bit = _TWICE.sub("", name)
            port = bit.partition("[")[0]
            self.state[net] = port if counts[port] == 1 else bit
        clock = self._clock()
        step, shown = _Ordered(self, "n"), _Ordered(self, "c")
        edge = [*self._becomes(step), *self._accesses(step)]
        results = self._results(shown, ports)
        # Declared one by one, as the chip's own Verilog does, which the simulator's harness reads.
        widths = {name: f"[{count - 1}:0] " if count > 1 else "" for _, count, name in ports}
        heads = [f"  {kind} {widths[name]}{name};" for kind, _, name in ports]
        heads += [f"  reg {widths[name]}{name};" for kind, _, name in ports if kind == "output"]
        tasks, calls, kept = step.tasks()
        states = [self.register(register.net) for register in self.registers]
        return "\n".join(
            [
                "/* verilator lint_off IMPURE */  // one process calls the tasks, in turn",
                f"module {top}({', '.join(name for _, _, name in ports)});", *heads,
                *_declared("reg", [*states, *kept]), *self._memories(), *tasks,
                f"  always @(posedge {clock}) begin", *calls, *(f"    {line}" for line in edge), "  end",
                *_declared("reg", shown.names()),
                "  always_comb begin", *(f"    {name} = {text};" for name, text in shown.lines),
                *(f"    {line}" for line in results), "  end",
                "endmodule", "",
            ]
        )  # fmt: skip

    def _becomes(self, step: "_Ordered") -> list[str]:
        """The registers' next values, those of a clock gate together, once all have been worked out."""
        by_enable: dict[int | None, list[str]] = {}
        for register in self.registers:
            line = f"{self.register(register.net)} = {step.following(register)};"
            by_enable.setdefault(register.enable, []).append(line)
        statements = by_enable.pop(None, [])
        for enable, lines in by_enable.items():
            assert enable is not None
            statements += [f"if ({step.named(enable)}) begin", *lines, "end"]
        return statements

    def _accesses(self, step: "_Ordered") -> list[str]:
        """What the memory macros do."""
        statements = []
        for number, (kind, index) in enumerate(self.memories):
            pins = self.parts.macros[kind.cell][1]
            used = (pins.enable, pins.write, pins.read, pins.address, pins.data_in)
            wires = {pin: step.vector(np.atleast_1d(kind.pins[pin][index])) for pin in used if pin is not None}
            statements.append(_access(pins, wires.__getitem__, f"memory_{number}", f"word_{number}", "="))
        return statements

    def _memories(self) -> list[str]:
        """Their words, and what was read last."""
        macros = [self.parts.macros[kind.cell][0] for kind, _ in self.memories]
        return [
            f"  reg [{macro.bits - 1}:0] word_{number}, memory_{number} [0:{macro.words - 1}];"
            for number, macro in enumerate(macros)
        ]

    def _results(self, shown: "_Ordered", ports: Sequence[tuple[str, int, str]]) -> list[str]:
        """The values of the output ports."""
        nets = {_TWICE.sub("", name): net for name, net in self.netlist.outputs.items()}
        statements = []
        for kind, count, name in ports:
            if kind == "output":
                found = [nets[f"{name}[{bit}]" if count > 1 else name] for bit in reversed(range(count))]
                statements.append(f"{name} = {{{', '.join(shown.expression(net) for net in found)}}};")
        return statements

    def _clock(self) -> str:
        """The name of the one input that is the clock of all."""
        # A clock gate behind another one would be a clock that is made by logic too.
        roots = {self.state.get(net, "") for net, enable in self.clocks.items() if enable is None}
        if len(roots) != 1 or "" in roots:
            raise LithifyError("The netlist has a clock that is made by logic: it cannot be run.")
        (root,) = roots
        return root


class _Ordered:
    """Logic as assignments, each after those that it reads."""

    def __init__(self, writer: _Writer, letter: str) -> None:
        self.writer, self.letter = writer, letter
        self.lines: list[tuple[str, str]] = []
        self.known: dict[int, str] = {}
        self.fixed: set[str] = set()
        """Names that are read after all the assignments."""

    def names(self) -> list[str]:
        """What is assigned."""
        return [name for name, _ in self.lines]

    def expression(self, net: int) -> str:
        """A net as an expression of what was assigned before."""
        if net not in self.known:
            self._reach(net)
        return self.known[net]

    def named(self, net: int) -> str:
        """A net as a name that keeps its value while registers change."""
        text = self.expression(net)
        if text in ("1'b0", "1'b1"):
            return text
        if text.startswith(self.letter) and text[1:].isdigit():
            self.fixed.add(text)
            return text
        return self._assign(f"{self.letter}{net}_", text, fixed=True)

    def following(self, register: _Register) -> str:
        """What a register becomes at an edge of its clock, as such a name."""
        function, inputs = str(register.cell.next_state), register.inputs
        if function in inputs:
            return self.named(inputs[function])
        names = self.writer.states(register.cell, register.net)
        names |= {name: self.expression(inputs[name]) for name in NAME.findall(function) if name in inputs}
        return self._assign(f"{self.letter}{register.net}__", translated(function, names), fixed=True)

    def vector(self, nets: Iterable[int]) -> str:
        """Nets as a vector, bit 0 first."""
        return f"{{{', '.join(reversed([self.named(int(net)) for net in nets]))}}}"

    def _assign(self, name: str, text: str, fixed: bool = False) -> str:
        if fixed and name in self.fixed:
            return name
        self.lines.append((name, text))
        if fixed:
            self.fixed.add(name)
        return name

    def _reach(self, root: int) -> None:
        """Assign a net, those before it first."""
        logic, known = self.writer.logic, self.known
        stack, entered = [root], set()
        while stack:
            net = stack[-1]
            if net in known:
                stack.pop()
                continue
            gate = logic.get(net)
            if gate is None:
                if net not in self.writer.state:
                    raise LithifyError("The netlist has a net that nothing drives, or logic behind a clock.")
                known[net] = self.writer.state[net]
                stack.pop()
                continue
            if gate.function in ("0", "1"):
                known[net] = f"1'b{gate.function}"
                stack.pop()
                continue
            waiting = [source for source in gate.inputs.values() if source not in known]
            if waiting:
                if net in entered:
                    raise LithifyError("The netlist has a loop of logic: it cannot be run.")
                entered.add(net)
                stack += waiting
                continue
            buffered = gate.inputs.get(gate.function)
            if buffered is not None:
                known[net] = known[buffered]
                stack.pop()
                continue
            text = f"({translated(gate.function, {pin: known[source] for pin, source in gate.inputs.items()})})"
            if self.writer.pins[net] > READ_ONCE or len(text) > LONGEST:
                text = self._assign(f"{self.letter}{net}", text)
            known[net] = text
            stack.pop()

    def tasks(self) -> tuple[list[str], list[str], list[str]]:
        """Tasks of so many assignments each, the calls of all, and the names that more than one of them knows."""
        place = {name: index // STATEMENTS for index, (name, _) in enumerate(self.lines)}
        pattern = re.compile(rf"\b{self.letter}\d+_*")
        kept = set(self.fixed)
        for index, (_, text) in enumerate(self.lines):
            kept |= {name for name in pattern.findall(text) if place[name] != index // STATEMENTS}
        found, calls = [], []
        for number, start in enumerate(range(0, len(self.lines), STATEMENTS)):
            lines = self.lines[start : start + STATEMENTS]
            own = [name for name, _ in lines if name not in kept]
            body = [f"    {name} = {text};" for name, text in lines]
            found += [f"  task automatic step_{number};", *_declared("reg", own), _APART, "    begin", *body,
                      "    end", "  endtask"]  # fmt: skip
            calls.append(f"    step_{number};")
        return found, calls, sorted(kept)


_APART = "    /*verilator no_inline_task*/"


def _declared(kind: str, names: Sequence[str]) -> list[str]:
    return [f"  {kind} {', '.join(names[start : start + 20])};" for start in range(0, len(names), 20)]
