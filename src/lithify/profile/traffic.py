"""What moves between DRAM and the chip: bytes by tensor, and whose weights they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lithify.isa import Queue
from lithify.isa.lists import TABLE_BYTES
from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.sequence import instruction_layers
from lithify.profile.scratchpad import Use
from lithify.sim.inference import SegmentRun, moved_bytes

WEIGHTS, INPUT, OUTPUT, SPILLED, INSTRUCTIONS = "weights", "input", "output", "between layers", "instructions"


@dataclass(frozen=True)
class Traffic:
    """Bytes of bus beats that a tensor costs. kind: weights, input, output, between layers (a tensor that leaves the
    chip and comes back) or instructions.
    """

    tensor: str
    kind: str
    read_bytes: int
    written_bytes: int

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.read_bytes + self.written_bytes


@dataclass(frozen=True)
class Moved:
    """A load or store, or the part of one that serves a layer ("" where none reads it): its index, the layer, the
    tensor, its kind and bytes.
    """

    index: int
    layer: str
    tensor: str
    kind: str
    bytes: int
    load: bool


def moves(program: Program, segment: ChipSegment, run: SegmentRun, use: Use) -> list[Moved]:
    """Every load and store of a segment. A load serves the layers that read it first, each by its share of the words;
    a store the layer that wrote it.
    """
    layers = instruction_layers(program)
    made = {result.instruction: result.tensor for result in program.results}
    stored: list[tuple[int, int, int, str]] = []  # base, first byte, end, tensor
    found = []
    for place, entry in enumerate(run.instructions):
        if entry.operation.queue not in (Queue.LOAD, Queue.STORE):
            continue
        load = entry.operation.queue is Queue.LOAD
        value = entry.integer
        base, first = value("base"), value("offset")
        end = first + (value("planes") - 1) * value("plane_stride") + (value("rows") - 1) * value("row_stride")
        end += value("row_bytes")
        if load and value("listed"):
            end = first + value("table") * TABLE_BYTES
        if load:
            served: dict[str, int] = {}
            for reader, words in use.readers.get(place, {}).items():
                name = layers.get(run.first + reader, "")
                served[name] = served.get(name, 0) + words
        else:
            sources = [source for source in use.writers.get(place, ()) if run.first + source in made]
            served = {layers.get(run.first + sources[-1], ""): 1} if sources else {}
        placed = [*segment.inputs, *segment.outputs]
        known = [
            item for item in placed if item.base == base and item.offset < end and first < item.offset + item.bytes
        ]
        if base == Base.CONSTANTS:
            tensor, kind = "", WEIGHTS
        elif known:
            tensor, kind = known[0].tensor, INPUT if load else OUTPUT
        elif load:
            match = [name for at, low, high, name in reversed(stored) if at == base and low < end and first < high]
            tensor, kind = match[0] if match else "not stored before", SPILLED
        else:
            names = dict.fromkeys(made[run.first + source] for source in sources)
            tensor, kind = ", ".join(names) or "unnamed", SPILLED
            stored.append((base, first, end, tensor))
        for layer, part in _parts(moved_bytes(program.chip, entry), served or {"": 1}).items():
            name = tensor or f"weights of {layer or 'no layer'}"
            found.append(Moved(run.first + place, layer, name, kind, part, load))
    return found


def _parts(total: int, shares: Mapping[str, int]) -> dict[str, int]:
    """A number in whole parts that add up to it."""
    parts, done, upto = {}, 0, 0
    for name, share in shares.items():
        upto += share
        parts[name] = total * upto // sum(shares.values()) - done
        done += parts[name]
    return parts


def by_tensor(moved: Sequence[Moved], fetched: int) -> tuple[Traffic, ...]:
    """The bytes of each tensor, largest first. fetched: bytes of instructions."""
    total: dict[tuple[str, str], list[int]] = {}
    for move in moved:
        total.setdefault((move.tensor, move.kind), [0, 0])[0 if move.load else 1] += move.bytes
    rows = [Traffic(tensor, kind, *counts) for (tensor, kind), counts in total.items()]
    rows.append(Traffic("the program", INSTRUCTIONS, fetched, 0))
    return tuple(sorted(rows, key=lambda row: -row.bytes))


def by_kind(traffic: Sequence[Traffic]) -> Mapping[str, int]:
    """Bytes of each kind."""
    kinds = (WEIGHTS, INPUT, SPILLED, OUTPUT, INSTRUCTIONS)
    return {kind: sum(row.bytes for row in traffic if row.kind == kind) for kind in kinds}
