"""The energy of every cell in every recorded window: its nets' activity, and the tables of its liberty file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.silicon.cells import NAME, Cell, Energy
from lithify.silicon.netlist import Kind, Netlist, Nets
from lithify.silicon.power.evaluate import compiled, driven
from lithify.silicon.power.waves import WINDOW, Words

Floats = NDArray[np.float64]

_ALL = ~np.uint64(0)
_PAIRS = np.uint64((1 << (WINDOW - 1)) - 1)
"""The cycles of a window whose next is in it too."""


@dataclass(frozen=True)
class Energies:
    """Picojoules a cycle, [modules, windows]. clock: of clock pins and clock gates; data: of all other pins and of
    wires' loads; memory: of memory macros. leakage: watts, [modules].

    registers, gated: how many there are, and behind clock gates. edges: the share of a register's clock edges that
    reach it, on average.
    """

    clock: Floats
    data: Floats
    memory: Floats
    leakage: Floats
    registers: int
    gated: int
    edges: float


def energies(
    netlist: Netlist, cells: Mapping[str, Cell], values: Words, voltage: float, clock: str = "clk"
) -> Energies:
    """What the cells take, from the windows of all nets (`evaluate`). Every clock comes from the pin `clock`, directly
    or through one clock gate.

    Errors: LithifyError where the netlist's registers do not become what the run says that they became.
    """
    loads = net_loads(netlist, cells)
    gates, running = _clocks(netlist, cells, values, netlist.inputs[clock])
    shape = (len(netlist.modules), values.shape[1])
    found = {name: np.zeros(shape) for name in ("clock", "data", "memory")}
    leakage = np.zeros(shape[0])
    registers = gated = 0
    edges = 0.0
    for kind in netlist.kinds:
        cell = cells[kind.cell]
        np.add.at(leakage, kind.owners, cell.leakage)
        pulse = next((pin for pin, facts in cell.pins.items() if facts.clock and pin in kind.pins), None)
        macro = any(nets.ndim > 1 for nets in kind.pins.values())
        gate = cell.registered and not macro and any(cell.pins[pin].function is None for pin in driven(kind, cell))
        for pin, nets in kind.pins.items():
            facts = cell.pins[pin]
            where = "memory" if macro else "data"
            if facts.clock and nets.ndim == 1:
                where = "memory" if macro else "clock"
                on = running(nets)
                energy = _conditional(kind, cell, values, on, facts.energies, pulse=None) * 2
                energy += np.bitwise_count(on) * facts.capacitance * voltage**2 / WINDOW
            elif facts.output and gate:
                where, on = "clock", running(nets)
                energy = np.bitwise_count(on) * (_both(facts.energies, loads[nets]) * 2)[:, None] / WINDOW
            elif facts.output:
                own = [entry for entry in facts.energies if pulse is None or entry.related in (None, pulse)]
                switched = 0.5 * loads[nets] * voltage**2
                change = _changes(values[nets])
                energy = np.bitwise_count(change) * (_both(own, loads[nets]) + switched)[..., None] / (WINDOW - 1)
            else:
                change = _changes(values[nets])
                energy = _conditional(kind, cell, values, change, facts.energies, pulse=pulse) * WINDOW / (WINDOW - 1)
            np.add.at(found[where], kind.owners, energy.sum(axis=1) if energy.ndim > 2 else energy)
        if pulse is not None and not macro and not gate:
            on = running(kind.pins[pulse])
            if {"D", "Q"} <= kind.pins.keys():
                _check(kind, values, on)
            registers += len(kind.owners)
            gated += int(np.isin(kind.pins[pulse], gates).sum())
            edges += float(np.bitwise_count(on).mean(axis=1).sum()) / WINDOW
    share = edges / registers if registers else 0.0
    return Energies(found["clock"], found["data"], found["memory"], leakage, registers, gated, share)


def net_loads(netlist: Netlist, cells: Mapping[str, Cell]) -> Floats:
    """The pins that each net drives, in picofarads, wires not counted."""
    loads = np.zeros(netlist.count)
    for kind in netlist.kinds:
        for pin, nets in kind.pins.items():
            if not cells[kind.cell].pins[pin].output:
                np.add.at(loads, nets, cells[kind.cell].pins[pin].capacitance)
    return loads


def _changes(words: Words) -> Words:
    """The cycles of each window at whose end the value changes."""
    return np.asarray((words ^ (words >> np.uint64(1))) & _PAIRS)


def _both(entries: "tuple[Energy, ...] | list[Energy]", loads: Floats) -> Floats:
    """Picojoules of an edge, rising or falling, on average over the pins that cause it."""
    if not entries:
        return np.zeros(loads.shape)
    return np.asarray(sum((entry.rise.at(loads) + entry.fall.at(loads)) / 2 for entry in entries) / len(entries))


def _conditional(
    kind: Kind, cell: Cell, values: Words, when: Words, entries: tuple[Energy, ...], pulse: str | None
) -> Floats:
    """Picojoules a cycle of edges in the cycles `when`, by the state of the other pins, [cells, windows] (or with the
    bits of a bus between). pulse: the clock pin, which is high for half of each cycle.
    """
    total = np.zeros(when.shape)
    stated = [entry for entry in entries if entry.when is not None]
    for entry in stated or entries:
        each = float((entry.rise.energies[0] + entry.fall.energies[0]) / 2)
        if not each:
            continue
        if entry.when is None:
            total += np.bitwise_count(when) * (each / WINDOW)
            continue
        pins = tuple(dict.fromkeys(NAME.findall(entry.when)))
        function = compiled(entry.when, pins)
        for level in (np.uint64(0), _ALL) if pulse in pins else (_ALL,):
            states = [np.full_like(values[kind.pins[pin]], level) if pin == pulse else values[kind.pins[pin]]
                      for pin in pins]  # fmt: skip
            holds = function(states, states[0].shape)
            holds = holds[:, None] if when.ndim > 2 else holds
            share = 0.5 if pulse in pins else 1.0
            total += np.bitwise_count(when & holds) * (each * share / WINDOW)
    return total


def _clocks(
    netlist: Netlist, cells: Mapping[str, Cell], values: Words, root: int
) -> tuple[Nets, Callable[[Nets], Words]]:
    """The nets behind clock gates, and a function: nets of clock pins -> the cycles in which their clock runs."""
    enables: dict[int, int] = {}
    for kind in netlist.kinds:
        cell = cells[kind.cell]
        if not cell.registered or any(nets.ndim > 1 for nets in kind.pins.values()):
            continue
        for pin, nets in driven(kind, cell).items():
            if cell.pins[pin].function is None:
                (enable,) = (name for name in kind.pins if not cell.pins[name].output and not cell.pins[name].clock)
                enables.update(zip(nets.tolist(), kind.pins[enable].tolist(), strict=True))
    table = np.full(netlist.count, -1, np.int64)
    gates = np.array(sorted(enables), np.int64)
    table[gates] = [enables[int(gate)] for gate in gates]

    def running(nets: Nets) -> Words:
        on = values[np.maximum(table[nets], 0)].copy()
        on[table[nets] < 0] = 0
        on[nets == root] = _ALL
        return on

    return gates, running


def _check(kind: Kind, values: Words, on: Words) -> None:
    """Registers of the netlist have to become what those of the run became: their names, and the mapping, are right."""
    before, after = values[kind.pins["Q"]], values[kind.pins["Q"]] >> np.uint64(1)
    data = values[kind.pins["D"]]
    wrong = (((on & data) | (~on & before)) ^ after) & _PAIRS
    if wrong.any():
        name = kind.names[int(np.flatnonzero(wrong.any(axis=1))[0])]
        raise LithifyError(
            f"The register '{name}' of the netlist does not do what the simulated Verilog did: its activity is unknown."
        )
