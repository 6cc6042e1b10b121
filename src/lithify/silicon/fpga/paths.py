"""Where a mapped system is slow, in seconds and without placing it: every path between registers, reckoned.

Yosys's netlist for ECP5 is a graph of look-up tables, carry chains, memories and multipliers. The delay of each is that
of nextpnr's tables; a wire is given one delay, for nothing is placed yet. So the reckoning tells which register waits
for which, and through how much logic; placement and routing have the last word about the clock.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Delays:
    """In ns. clock_to_q, look_up and so on: of the cells of a part of one grade; wire: assumed of every net;
    neighbour: of a net from a look-up table to the register beside it."""

    clock_to_q: float = 0.52
    look_up: float = 0.24
    select: float = 0.20
    carry_in: float = 0.45
    carry: float = 0.14
    carry_out: float = 0.45
    multiply: float = 3.93
    memory_to_q: float = 5.60
    wire: float = 1.10
    neighbour: float = 0.25


GRADE_6 = Delays()
"""As nextpnr reports them for LFE5U-..F-6."""


@dataclass(frozen=True)
class Path:
    """A slowest path that ends at one register (all its bits taken together). ns: its delay; start, end: registers by
    their names in the hierarchy; steps: the cells between, in order.
    """

    ns: float
    start: str
    end: str
    steps: tuple[str, ...]


Arc = tuple[str, str, float, bool]
"""From a port to a port, ns, and whether the source's net is a real wire (else a connection inside a slice)."""

_BIT = re.compile(r"^(.*?)(?:\[(\d+)\])?$")


def slowest_paths(netlist: str, top: str, delays: Delays = GRADE_6) -> list[Path]:
    """The slowest path to each register of a flattened netlist (what `synth_lattice -json` writes), slowest first."""
    module = json.loads(netlist)["modules"][top]
    names = _names(module["netnames"])
    drivers: dict[int, tuple[str, float]] = {}
    arcs: dict[int, list[tuple[int, float, str]]] = defaultdict(list)
    ends: list[tuple[int, bool, str]] = []
    for name, cell in module["cells"].items():
        kind, connections = cell["type"], cell["connections"]
        describe = _CELLS.get(kind)
        if describe is None:
            continue
        combinational, outputs, inputs = describe(cell, delays)
        for source, target, ns, routed in combinational:
            for one in connections.get(source, []):
                for other in connections.get(target, []):
                    if isinstance(one, int) and isinstance(other, int):
                        arcs[other].append((one, ns + (delays.wire if routed else 0.0), kind))
        for port, ns in outputs:
            for bit in connections.get(port, []):
                if isinstance(bit, int):
                    drivers[bit] = (names.get(bit, name), ns)
        for port in inputs:
            for bit in connections.get(port, []):
                if isinstance(bit, int):
                    ends.append((bit, port in ("DI", "M"), _end(cell, port, names, name)))
    arrival, before = _arrivals(drivers, arcs)
    worst: dict[str, Path] = {}
    for bit, beside, end in ends:
        if bit not in arrival:
            continue
        ns = arrival[bit] + (delays.neighbour if beside and bit in before else delays.wire)
        if end not in worst or worst[end].ns < ns:
            start, steps = _trace(bit, before, drivers, names)
            worst[end] = Path(ns, start, end, steps)
    return sorted(worst.values(), key=lambda path: -path.ns)


def _names(netnames: Mapping[str, Any]) -> dict[int, str]:
    """A name for every bit: the shortest that a person wrote."""
    names: dict[int, tuple[int, int, str]] = {}
    for name, net in netnames.items():
        for index, bit in enumerate(net["bits"]):
            if isinstance(bit, int):
                shown = f"{name}[{index}]" if len(net["bits"]) > 1 else name
                rank = ("$" in name, len(name), shown)
                if bit not in names or rank < names[bit]:
                    names[bit] = rank
    return {bit: rank[2] for bit, rank in names.items()}


def _end(cell: Mapping[str, Any], port: str, names: Mapping[int, str], name: str) -> str:
    """The register or memory that a path ends at, without the number of the bit."""
    outputs = [bit for kind in ("Q", "DO") for bit in cell["connections"].get(kind, []) if isinstance(bit, int)]
    found = _BIT.match(names.get(outputs[0], name) if outputs else name)
    assert found is not None
    suffix = "" if port in ("DI", "M") else f" ({port})" if len(port) < 4 else f" ({cell['type']})"
    return found[1] + suffix


def _arrivals(
    drivers: Mapping[int, tuple[str, float]], arcs: Mapping[int, list[tuple[int, float, str]]]
) -> tuple[dict[int, float], dict[int, tuple[int, str]]]:
    """When each net has its value, and the net before it on its slowest path."""
    arrival = {bit: ns for bit, (_, ns) in drivers.items()}
    before: dict[int, tuple[int, str]] = {}
    state: dict[int, int] = dict.fromkeys(arrival, 2)
    for root in list(arcs):
        stack = [root]
        while stack:
            bit = stack[-1]
            if state.get(bit) == 2 or bit not in arcs:
                state[bit] = 2
                stack.pop()
                continue
            if state.get(bit) is None:
                state[bit] = 1
                stack += [source for source, _, _ in arcs[bit] if state.get(source) is None]
                continue
            best = None
            for source, ns, kind in arcs[bit]:
                if source in arrival and (best is None or arrival[source] + ns > best[0]):
                    best = (arrival[source] + ns, source, kind)
            if best is not None:
                arrival[bit], before[bit] = best[0], (best[1], best[2])
            state[bit] = 2
            stack.pop()
    return arrival, before


def _trace(
    bit: int, before: Mapping[int, tuple[int, str]], drivers: Mapping[int, tuple[str, float]], names: Mapping[int, str]
) -> tuple[str, tuple[str, ...]]:
    steps = []
    while bit in before:
        source, kind = before[bit]
        steps.append(f"{kind} {names.get(bit, '')}".strip())
        bit = source
    return drivers[bit][0] if bit in drivers else names.get(bit, "?"), tuple(reversed(steps))


Described = tuple[list[Arc], list[tuple[str, float]], list[str]]
"""Arcs through a cell, the ports that begin paths and when, the ports that end them."""


def _look_up(cell: Any, d: Delays) -> Described:
    return [(port, "Z", d.look_up, True) for port in "ABCD"], [], []


def _pair(cell: Any, d: Delays) -> Described:
    return [("ALUT", "Z", d.select, False), ("BLUT", "Z", d.select, False), ("C0", "Z", d.select, True)], [], []


def _quad(cell: Any, d: Delays) -> Described:
    return [("D0", "Z", d.select, False), ("D1", "Z", d.select, False), ("SD", "Z", d.select, True)], [], []


def _carry(cell: Any, d: Delays) -> Described:
    arcs: list[Arc] = [("CIN", "COUT", d.carry, False), ("CIN", "S0", d.carry_out, False),
                       ("CIN", "S1", d.carry_out, False)]  # fmt: skip
    for port in "ABCD":
        arcs += [
            (f"{port}0", "COUT", d.carry_in, True),
            (f"{port}1", "COUT", d.carry_in, True),
            (f"{port}0", "S0", d.look_up, True),
            (f"{port}1", "S1", d.look_up, True),
            (f"{port}0", "S1", d.carry_in + d.carry_out, True),
        ]
    return arcs, [], []


def _register(cell: Any, d: Delays) -> Described:
    return [], [("Q", d.clock_to_q)], ["DI", "M", "CE", "LSR"]


def _ports(cell: Any, pattern: str) -> list[str]:
    return [port for port in cell["connections"] if re.fullmatch(pattern, port)]


def _block(cell: Any, d: Delays) -> Described:
    registered = {side: str(cell["parameters"].get(f"REGMODE_{side}", "")).strip() == "OUTREG" for side in "AB"}
    outputs = [(port, d.clock_to_q if registered[port[2]] else d.memory_to_q) for port in _ports(cell, r"DO[AB]\d+")]
    return [], outputs, _ports(cell, r"(DI|AD|CE|WE|CS|OCE|RST)[AB]\d*")


def _product(cell: Any, d: Delays) -> Described:
    sources, targets = _ports(cell, r"[AB]\d+"), _ports(cell, r"P\d+")
    return [(source, target, d.multiply, True) for source in sources for target in targets], [], []


def _small_memory(cell: Any, d: Delays) -> Described:
    return [("RAD", "DO", d.look_up, True)], [], ["DI", "WAD", "WRE"]


_CELLS = MappingProxyType(
    {
        "LUT4": _look_up,
        "PFUMX": _pair,
        "L6MUX21": _quad,
        "CCU2C": _carry,
        "TRELLIS_FF": _register,
        "DP16KD": _block,
        "MULT18X18D": _product,
        "TRELLIS_DPR16X4": _small_memory,
    }
)
