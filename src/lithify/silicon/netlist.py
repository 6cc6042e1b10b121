"""A mapped netlist, flattened: its nets are numbers, its cells arrays of them, a table for each kind of cell."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Nets = NDArray[np.int64]

_MODULE = re.compile(r"^module (\w+).*?^endmodule$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"^  (input|output) (\\\S+ |\w+)\s*;$", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|\w+) +(\\\S+ |\w+ )\($(.*?)^  \);$", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"^    \.(\\\S+ |\w+)\((.*)\),?$", re.MULTILINE)
_ASSIGN = re.compile(r"^  assign (\\\S+ |\w+)\s*= (\\\S+ |\w+)\s*;$", re.MULTILINE)
_NET = re.compile(r"\\\S+|\w+")


@dataclass(frozen=True)
class Kind:
    """All cells of a kind with the same pins connected. pins: pin -> nets, [cells], or [cells, bits] of a bus with bit
    0 first. owners: the module that each cell is in, an index of `Netlist.modules`; places: the instance of it, a
    number of its own; names: their own names with the path of instances before.

    Cells of an instance stand in the order of its module, so that those of two instances correspond.
    """

    cell: str
    pins: Mapping[str, Nets]
    owners: Nets
    places: Nets
    names: tuple[str, ...]

    def alike(self) -> Iterator[Nets]:
        """Indices of cells that correspond: [instances] of a cell of a module, for each cell of each module."""
        order = np.argsort(self.places, kind="stable")
        for module in np.unique(self.owners).tolist():
            cells = order[self.owners[order] == module]
            yield from cells.reshape(np.unique(self.places[cells]).size, -1).T


@dataclass(frozen=True)
class Netlist:
    """count: of nets. inputs, outputs: nets of the top module's, by name. modules: names of modules."""

    count: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    modules: tuple[str, ...]
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class _Module:
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nets: Mapping[str, int]
    same: tuple[tuple[int, int], ...]
    instances: tuple[tuple[str, str, Mapping[str, Nets]], ...]


def read_netlist(text: str, top: str, keep_name: Callable[[str], bool]) -> Netlist:
    """The netlist of module `top` in Verilog as Yosys writes it after `splitnets -ports`.

    keep_name: of which cells the names are wanted; those of others are left empty.
    """
    modules = {found[1]: _module(found[0]) for found in _MODULE.finditer(text)}
    numbers = {name: index for index, name in enumerate(modules)}
    found: dict[tuple[str, frozenset[str]], tuple[dict[str, list[Nets]], list[int], list[int], list[str]]] = {}
    same: list[tuple[int, int]] = []
    count = instances = 0

    def place(name: str, path: str, given: Mapping[str, int]) -> dict[str, int]:
        """Number the nets of an instance; its ports' nets are `given` by the module around it."""
        nonlocal count, instances
        module, number = modules[name], instances
        instances += 1
        own = np.full(len(module.nets), -1, np.int64)
        for port, net in given.items():
            own[module.nets[port]] = net
        fresh = np.flatnonzero(own < 0)
        own[fresh] = np.arange(count, count + fresh.size)
        count += fresh.size
        same.extend((int(own[one]), int(own[other])) for one, other in module.same)
        for kind, instance, wires in module.instances:
            if kind in modules:
                place(kind, f"{path}{instance}.", {pin: int(own[nets[0]]) for pin, nets in wires.items()})
                continue
            entry = found.setdefault((kind, frozenset(wires)), ({pin: [] for pin in wires}, [], [], []))
            pins, owners, places, names = entry
            for pin, nets in wires.items():
                pins[pin].append(own[nets])
            owners.append(numbers[name])
            places.append(number)
            names.append(path + instance if keep_name(kind) else "")
        return {port: int(own[module.nets[port]]) for port in (*module.inputs, *module.outputs)}

    ports = place(top, "", {})
    leader = _leaders(count, same)

    def wired(nets: list[Nets]) -> Nets:
        table = leader[np.array(nets)]
        return table[:, 0] if table.shape[1] == 1 else table

    kinds = tuple(
        Kind(kind, {pin: wired(nets) for pin, nets in pins.items()}, np.array(owners), np.array(places), tuple(names))
        for (kind, _), (pins, owners, places, names) in found.items()
    )
    inputs, outputs = (
        {name: int(leader[ports[name]]) for name in names} for names in (modules[top].inputs, modules[top].outputs)
    )
    return Netlist(count, inputs, outputs, tuple(modules), kinds)


def plain(path: str, name: str) -> str:
    """A name as Yosys writes it without escapes; words of Verilog get an underscore more, which is left out."""
    parts = [re.sub(r"\W", "_", part).rstrip("_") for part in (*path.removesuffix(".").split("."), name)]
    return ".".join(part for part in parts if part)


def _module(text: str) -> _Module:
    ports = [(kind, name.strip().lstrip("\\")) for kind, name in _PORT.findall(text)]
    nets: dict[str, int] = {}

    def net(name: str) -> int:
        return nets.setdefault(name.strip().lstrip("\\"), len(nets))

    for _, name in ports:
        net(name)
    instances = []
    for kind, name, wires in _INSTANCE.findall(text):
        table = {
            pin.strip().lstrip("\\"): np.array([net(word) for word in reversed(_NET.findall(value))], np.int64)
            for pin, value in _PIN.findall(wires)
            if value.strip()
        }
        instances.append((kind.lstrip("\\"), name.strip().lstrip("\\"), table))
    same = tuple((net(one), net(other)) for one, other in _ASSIGN.findall(text))
    inputs = tuple(name for kind, name in ports if kind == "input")
    outputs = tuple(name for kind, name in ports if kind == "output")
    return _Module(inputs, outputs, nets, same, tuple(instances))


def _leaders(count: int, same: Sequence[tuple[int, int]]) -> Nets:
    """One net for each that an assignment makes equal."""
    leader = np.arange(count)

    def find(net: int) -> int:
        while leader[net] != net:
            net = int(leader[net])
        return net

    for one, other in same:
        leader[find(one)] = find(other)
    for one, other in same:
        for net in (one, other):
            leader[net] = find(net)
    return leader
