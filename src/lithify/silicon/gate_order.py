"""A netlist's logic as assignments of Verilog, each after those that it reads.

Cells of several instances of a module that correspond are one assignment of a vector, a bit for each instance.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lithify.errors import LithifyError
from lithify.silicon.cells import translated
from lithify.silicon.netlist import Nets

STATEMENTS = 1000
"""Of a task: a function of C++, which compilers like short."""

LONGEST = 160
"""Characters of an expression that is written in place of a net with one reader."""

READ_ONCE = 2
"""Pins on such a net: that which drives it, and that which reads it."""

ALWAYS = -1
"""In place of a net: what is 1 at any time."""

_APART = "    /*verilator no_inline_task*/"


@dataclass(frozen=True, eq=False)
class Gate:
    """Cells of logic that correspond. nets: which they drive; inputs: by pin, the nets at it, one for each cell."""

    function: str
    nets: tuple[int, ...]
    inputs: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Held:
    """Nets that are no logic: a register's, a word's of a memory, a port's. name: of a variable; nets: its bits, bit 0
    first; inverse: they are its complement.
    """

    name: str
    nets: tuple[int, ...]
    inverse: bool = False


@dataclass
class Logic:
    """What drives each net. home: with the net's place among the nets of that; constants: "0" or "1" of tied nets;
    same: nets that a buffer makes another's; pins: how many are on each net.
    """

    home: dict[int, tuple[Gate | Held, int]] = field(default_factory=dict)
    constants: dict[int, str] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    pins: Nets = field(default_factory=lambda: np.zeros(0, np.int64))

    def drive(self, source: Gate | Held) -> None:
        """Enter what drives nets."""
        self.home |= {net: (source, place) for place, net in enumerate(source.nets)}

    def joined(self) -> None:
        """Count the readers of buffers as those of what is buffered."""
        for net in self.same:
            self.pins[self.root(net)] += self.pins[net] - READ_ONCE

    def root(self, net: int) -> int:
        """The net itself, or that which buffers make it."""
        start = net
        while net in self.same:
            net = self.same[net]
            if net == start:
                raise LithifyError("The netlist has a loop of logic: it cannot be run.")
        return net

    def split(self, gates: Iterable[Gate]) -> None:
        """Take cells that correspond apart."""
        for gate in gates:
            for place, net in enumerate(gate.nets):
                self.drive(Gate(gate.function, (net,), {pin: (nets[place],) for pin, nets in gate.inputs.items()}))


class Ordered:
    """Assignments. letter: that names begin with."""

    def __init__(self, logic: Logic, letter: str) -> None:
        self.logic, self.letter = logic, letter
        self.lines: list[tuple[str, str]] = []
        self.widths: dict[str, int] = {}
        """Bits of each name that is assigned."""
        self.known: dict[Gate, str] = {}
        self.vectors: dict[tuple[int, ...], str] = {}
        """Names of vectors of nets that nothing drives together."""
        self.copies: dict[str, str] = {}
        self.fixed: set[str] = set()
        """Names that are read after all the assignments."""

    def bit(self, net: int) -> str:
        """A net as an expression of what was assigned before."""
        net = self.logic.root(net)
        if net == ALWAYS:
            return "1'b1"
        if net in self.logic.constants:
            return f"1'b{self.logic.constants[net]}"
        if net not in self.logic.home:
            raise LithifyError("The netlist has a net that nothing drives, or logic behind a clock.")
        self._reach(net)
        source, place = self.logic.home[net]
        if isinstance(source, Held):
            name = source.name if len(source.nets) == 1 else f"{source.name}[{place}]"
            return f"(~{name})" if source.inverse else name
        if len(source.nets) == 1:
            return self.known[source]
        return f"{self._named(source)}[{place}]"

    def vector(self, nets: tuple[int, ...]) -> str:
        """Nets as an expression of as many bits, that of the first net lowest."""
        if len(nets) == 1:
            return self.bit(nets[0])
        roots = tuple(map(self.logic.root, nets))
        if roots in self.vectors:
            return self.vectors[roots]
        source, _ = self.logic.home.get(roots[0], (None, 0))
        if source is not None and source.nets == roots:
            self._reach(roots[0])
            source, _ = self.logic.home[roots[0]]
        if isinstance(source, Held) and source.nets == roots:
            return f"(~{source.name})" if source.inverse else source.name
        if isinstance(source, Gate) and source.nets == roots:
            return self.known[source]
        if set(map(self.logic.constants.get, roots)) in ({"0"}, {"1"}):
            return f"{{{len(nets)}{{{self.bit(roots[0])}}}}}"
        bits = [self.bit(net) for net in roots]
        text = f"{{{len(nets)}{{{bits[0]}}}}}" if len(set(roots)) == 1 else concatenated(bits)
        text = self._assign(f"{self.letter}{len(self.vectors)}v", text, len(nets))
        self.vectors[roots] = text
        return text

    def kept(self, nets: tuple[int, ...], text: str | None = None) -> str:
        """Nets, or a function of so many, as an expression that keeps its value while registers change."""
        text = self.vector(nets) if text is None else text
        name, _, chosen = text.partition("[")
        if name in self.widths and (not chosen or chosen.removesuffix("]").isdigit()):
            self.fixed.add(name)
            return text
        if _CONSTANT.match(text):
            return text
        if text not in self.copies:
            self.copies[text] = self._assign(f"{self.letter}{len(self.copies)}k", text, len(nets))
        self.fixed.add(self.copies[text])
        return self.copies[text]

    def _assign(self, name: str, text: str, width: int) -> str:
        self.lines.append((name, text))
        self.widths[name] = width
        return name

    def _named(self, gate: Gate) -> str:
        """The name of cells that correspond, whose nets are read one by one."""
        if self.known[gate] not in self.widths:
            self.known[gate] = self._assign(f"{self.letter}{gate.nets[0]}", self.known[gate], len(gate.nets))
        return self.known[gate]

    def _reach(self, net: int) -> None:
        """Assign what drives a net, those before it first."""
        stack = [self.logic.home[net][0]]
        entered: dict[Gate, None] = {}
        while stack:
            gate = stack[-1]
            if isinstance(gate, Held) or gate in self.known:
                stack.pop()
                continue
            waiting = self._before(gate)
            if not waiting:
                self._compute(gate)
                stack.pop()
                continue
            if gate in entered:
                # Of several instances one reads what another gives, without a register between: they have an order.
                path = [one for one in entered if one not in self.known]
                wide = [one for one in path[path.index(gate) :] if len(one.nets) > 1]
                if not wide:
                    raise LithifyError("The netlist has a loop of logic: it cannot be run.")
                self.logic.split(wide)
                stack, entered = [self.logic.home[net][0]], {}
                continue
            entered[gate] = None
            stack += waiting

    def _before(self, gate: Gate) -> list[Gate]:
        """What drives the inputs of a gate and is not assigned yet."""
        found: dict[Gate, None] = {}
        for nets in gate.inputs.values():
            for net in nets:
                source, _ = self.logic.home.get(self.logic.root(net), (None, 0))
                if isinstance(source, Gate) and source not in self.known:
                    found[source] = None
        return list(found)

    def _compute(self, gate: Gate) -> None:
        texts = {pin: self.vector(nets) for pin, nets in gate.inputs.items()}
        text = f"({translated(gate.function, texts)})"
        if len(text) > LONGEST or any(self.logic.pins[net] > READ_ONCE for net in gate.nets):
            text = self._assign(f"{self.letter}{gate.nets[0]}", text, len(gate.nets))
        self.known[gate] = text

    def tasks(self) -> tuple[list[str], list[str], list[str]]:
        """Tasks of so many assignments each, the calls of all, and the names that more than one of them knows."""
        place = {name: index // STATEMENTS for index, (name, _) in enumerate(self.lines)}
        pattern = re.compile(rf"\b{self.letter}\d+\w*")
        kept = set(self.fixed)
        for index, (_, text) in enumerate(self.lines):
            kept |= {name for name in pattern.findall(text) if place[name] != index // STATEMENTS}
        found, calls = [], []
        for number, start in enumerate(range(0, len(self.lines), STATEMENTS)):
            lines = self.lines[start : start + STATEMENTS]
            own = {name: self.widths[name] for name, _ in lines if name not in kept}
            body = [f"    {name} = {text};" for name, text in lines]
            found += [f"  task automatic step_{number};", *declared(own), _APART, "    begin", *body,
                      "    end", "  endtask"]  # fmt: skip
            calls.append(f"    step_{number};")
        return found, calls, sorted(kept)


_CONSTANT = re.compile(r"^(\{\d+\{)?1'b[01]")
_CHOSEN = re.compile(r"^(\w+)\[(\d+)\]$")


def concatenated(bits: Sequence[str]) -> str:
    """Expressions of a bit each as a vector, the first lowest; neighbours of a variable are taken together."""
    parts: list[tuple[str, int, int]] = []
    for text in bits:
        found = _CHOSEN.match(text)
        name, bit = (found[1], int(found[2])) if found else (text, -1)
        if parts and found and parts[-1][0] == name and parts[-1][2] == bit - 1:
            parts[-1] = (name, parts[-1][1], bit)
        else:
            parts.append((name, bit, bit))
    texts = [
        name if low < 0 else f"{name}[{low}]" if low == high else f"{name}[{high}:{low}]" for name, low, high in parts
    ]
    return f"{{{', '.join(reversed(texts))}}}"


def declared(widths: Mapping[str, int]) -> list[str]:
    """Declarations of variables. widths: their bits."""
    lines = []
    for width in sorted(set(widths.values())):
        names = [name for name, bits in widths.items() if bits == width]
        kind = "reg" if width == 1 else f"reg [{width - 1}:0]"
        lines += [f"  {kind} {', '.join(names[start : start + 20])};" for start in range(0, len(names), 20)]
    return lines
