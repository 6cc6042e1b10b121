"""A flat netlist that is to be laid out: its cells, nets and ports by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.silicon.netlist import Netlist
from lithify.silicon.route.lef import Outline


@dataclass(frozen=True)
class Cell:
    """An instance: its own name in the layout, the path in the chip, its kind, and pin -> net."""

    name: str
    path: str
    kind: str
    wires: Mapping[str, str]


@dataclass(frozen=True)
class Design:
    """cells by name; nets in order; ports: net -> whether the design drives it."""

    name: str
    cells: Mapping[str, Cell]
    nets: tuple[str, ...]
    ports: Mapping[str, bool]

    def readers(self, outlines: Mapping[str, Outline]) -> dict[str, list[tuple[str, str]]]:
        """Net -> cells and pins on it, the drivers first."""
        found: dict[str, list[tuple[str, str]]] = {net: [] for net in self.nets}
        for cell in self.cells.values():
            for pin, net in cell.wires.items():
                output = outlines[cell.kind].pins[pin].output
                found[net].insert(0, (cell.name, pin)) if output else found[net].append((cell.name, pin))
        return found


def flat_design(name: str, netlist: Netlist) -> Design:
    """A netlist whose cells all have their names (`read_netlist` with every name kept)."""
    ports = {**dict.fromkeys(netlist.inputs.values(), False), **dict.fromkeys(netlist.outputs.values(), True)}
    names: dict[int, str] = {}
    for word, number in (*netlist.inputs.items(), *netlist.outputs.items()):
        names.setdefault(number, word.replace("[", "_").replace("]", ""))

    def net(number: int) -> str:
        return names.setdefault(number, f"n{number}")

    cells: dict[str, Cell] = {}
    used = set(ports)
    for kind in netlist.kinds:
        for index, path in enumerate(kind.names):
            wires = {}
            for pin, nets in kind.pins.items():
                if nets.ndim == 1:
                    wires[pin] = net(int(nets[index]))
                    used.add(int(nets[index]))
                    continue
                for bit in range(nets.shape[1]):
                    wires[f"{pin}[{bit}]"] = net(int(nets[index, bit]))
                    used.add(int(nets[index, bit]))
            cell = Cell(f"c{len(cells)}", path, kind.cell, wires)
            cells[cell.name] = cell
    return Design(
        name, cells, tuple(net(number) for number in sorted(used)), {net(number): out for number, out in ports.items()}
    )
