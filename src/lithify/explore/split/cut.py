"""The best cut of a network between a processor and a chip: a least cut of a graph, found exactly.

Each unit runs on one side and takes its time there; a tensor that crosses costs once, however many units on the other
side read it. The least sum is a least cut between two terminals (Hu et al., Dynamic Adaptive DNN Surgery, INFOCOM 2019,
cut networks between device and cloud so; the theorem is Ford and Fulkerson's, 1956).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Any

from lithify.errors import LithifyError


@dataclass(frozen=True)
class Unit:
    """What is not cut apart. members: nodes of the network. chip_s, cpu_s: seconds on each side, infinite where it
    cannot run; why: then the reason.
    """

    name: str
    members: tuple[str, ...]
    chip_s: float
    cpu_s: float
    why: str = ""


@dataclass(frozen=True)
class Crossing:
    """A tensor that may cross. source: index of the unit that makes it, None for an input of the network; readers:
    units that read it; wanted: whether it is an output of the network. seconds: what crossing costs.
    """

    tensor: str
    source: int | None
    readers: tuple[int, ...]
    seconds: float
    bytes: int = 0
    wanted: bool = False

    def crosses(self, on_chip: Sequence[bool]) -> bool:
        """Whether somebody on the other side needs it; inputs come from the processor, and outputs go to it."""
        made = self.source is not None and on_chip[self.source]
        return any(on_chip[reader] != made for reader in self.readers) or (self.wanted and made)


def seconds_of(units: Sequence[Unit], crossings: Sequence[Crossing], on_chip: Sequence[bool]) -> float:
    """What an inference takes with each unit where it is said to be, one thing after the other."""
    ran = sum(unit.chip_s if there else unit.cpu_s for unit, there in zip(units, on_chip, strict=True))
    return ran + sum(crossing.seconds for crossing in crossings if crossing.crosses(on_chip))


def best_cut(units: Sequence[Unit], crossings: Sequence[Crossing]) -> tuple[bool, ...]:
    """For each unit whether it is on the chip, so that an inference takes least.

    Raises LithifyError where networkx is not installed, and for a unit that can run on neither side.
    """
    networkx = _networkx()
    for unit in units:
        if isinf(unit.chip_s) and isinf(unit.cpu_s):
            raise LithifyError(f"'{unit.name}' can run neither on the chip nor on the processor; take it out.")
    graph = networkx.DiGraph()
    cpu, chip = "processor", "chip"
    graph.add_nodes_from([cpu, chip])

    def edge(first: object, second: object, seconds: float) -> None:
        """Cut if the first is on the processor's side and the second on the chip's."""
        if isinf(seconds):
            graph.add_edge(first, second)
        elif picoseconds := round(seconds * 1e12):
            # Whole numbers: least cuts of fractions would be rounded on the way.
            before = graph.edges[first, second]["capacity"] if graph.has_edge(first, second) else 0
            graph.add_edge(first, second, capacity=before + picoseconds)

    for index, unit in enumerate(units):
        edge(cpu, index, unit.chip_s)
        edge(index, chip, unit.cpu_s)
    for number, crossing in enumerate(crossings):
        source = cpu if crossing.source is None else crossing.source
        readers = [*crossing.readers, *([cpu] if crossing.wanted else [])]
        # One node for each direction: the tensor is paid for once, however many read it there.
        to_chip, to_cpu = ("to the chip", number), ("to the processor", number)
        edge(source, to_chip, crossing.seconds)
        edge(to_cpu, source, crossing.seconds)
        for reader in readers:
            edge(to_chip, reader, inf)
            edge(reader, to_cpu, inf)
    _, (_, there) = networkx.minimum_cut(graph, cpu, chip)
    return tuple(index in there for index in range(len(units)))


def stretches(on_chip: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    """Runs of units on the same side, in order: first and last index."""
    found: list[tuple[int, int]] = []
    for index, there in enumerate(on_chip):
        if found and on_chip[found[-1][0]] == there:
            found[-1] = found[-1][0], index
        else:
            found.append((index, index))
    return tuple(found)


def reasons(units: Sequence[Unit], crossings: Sequence[Crossing], on_chip: Sequence[bool]) -> Mapping[str, str]:
    """Why each unit is where it is."""
    if not any(on_chip):
        return {unit.name: unit.why or "all in one call of the processor takes least" for unit in units}
    found = {}
    whole = seconds_of(units, crossings, on_chip)
    for index, unit in enumerate(units):
        there = on_chip[index]
        here, other = (unit.chip_s, unit.cpu_s) if there else (unit.cpu_s, unit.chip_s)
        elsewhere = "processor" if there else "chip"
        if isinf(other):
            found[unit.name] = unit.why or f"the {elsewhere} cannot run it"
        elif here <= other:
            found[unit.name] = f"faster here by {_us(other - here)}"
        else:
            moved = [*on_chip[:index], not there, *on_chip[index + 1 :]]
            more = seconds_of(units, crossings, moved) - whole
            found[unit.name] = (
                f"the {elsewhere} would be faster by {_us(here - other)}, "
                f"and crossing cost more: {_us(more)} in all"
            )  # fmt: skip
    return found


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:,.3g} us" if seconds < 1e-3 else f"{1e3 * seconds:,.3g} ms"


def _networkx() -> Any:
    try:
        import networkx  # type: ignore[import-untyped]
    except ImportError as error:
        raise LithifyError("The best cut is found by networkx: pip install 'lithify[split]'.") from error
    return networkx
