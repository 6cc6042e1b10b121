"""Where to cut a network between a processor and a chip, what that gains, and whether frames are answered in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.explore.compare import processor
from lithify.explore.figure import ASSUMED, GIVEN, HOW, MEASURED, MODELLED, SIMULATED, Figure
from lithify.explore.model import named_model
from lithify.explore.split.cut import Crossing, Unit, best_cut, reasons, seconds_of, stretches
from lithify.explore.split.handover import Handover, handover
from lithify.explore.split.realtime import RealTime, real_time
from lithify.isa.program import Base, ChipSegment, HostSegment
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    from lithify.program import Program

BYTES_PER_S, CALL_S = 1e9, 10e-6
"""Of the link between processor and chip where none is given: a bus of a system on a chip, and a driver's call."""

MISSED = 1.1
"""A cut that takes so many times its sum when it is run has missed it, and is said to."""


@dataclass(frozen=True)
class Link:
    """Between processor and chip: bytes a second, and seconds that a tensor takes beside. given: by the user."""

    bytes_per_s: float = BYTES_PER_S
    call_s: float = CALL_S
    given: bool = False

    def seconds(self, count: int) -> float:
        """Of a tensor of so many bytes."""
        return self.call_s + count / self.bytes_per_s

    def to_json(self) -> dict[str, Any]:
        """Both, and whose they are."""
        how = GIVEN if self.given else ASSUMED
        return {"bytes_per_s": self.bytes_per_s, "call_s": self.call_s, "how": how}


@dataclass(frozen=True)
class Way:
    """A way to run the network. on_chip: for each unit. seconds: of an inference by the sum that the cut was found
    with; ran: of the same compiled and run, None where it was not.
    """

    name: str
    on_chip: tuple[bool, ...] = field(repr=False)
    seconds: Figure
    ran: Figure | None = None

    @property
    def best_known(self) -> float:
        """What ran where it did, else the sum."""
        return self.seconds.value if self.ran is None else self.ran.value

    def to_json(self) -> dict[str, Any]:
        """Name and figures."""
        ran = None if self.ran is None else self.ran.to_json()
        return {"name": self.name, "seconds": self.seconds.to_json(), "ran": ran}


@dataclass(frozen=True)
class Stretch:
    """Units one after the other on one side. first, last: their names; operators: how many nodes of the network."""

    first: str
    last: str
    units: int
    chip: bool
    chip_s: float
    cpu_s: float


@dataclass(frozen=True)
class Split:
    """What was found. ways: all on the processor, all that can be on the chip, and the best cut; why: of each unit."""

    network: str
    chip: str
    processor: str
    link: Link
    units: tuple[Unit, ...] = field(repr=False)
    crossings: tuple[Crossing, ...] = field(repr=False)
    ways: tuple[Way, ...]
    why: Mapping[str, str] = field(repr=False)
    frames: RealTime | None = None

    @property
    def best(self) -> Way:
        """The best cut."""
        return self.ways[-1]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Of the best cut, in order."""
        found = []
        for first, last in stretches(self.best.on_chip):
            units = self.units[first : last + 1]
            found.append(
                Stretch(
                    units[0].name,
                    units[-1].name,
                    len(units),
                    self.best.on_chip[first],
                    sum(unit.chip_s for unit in units),
                    sum(unit.cpu_s for unit in units),
                )
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        crossed = [crossing for crossing in self.crossings if crossing.crosses(self.best.on_chip)]
        return {
            "network": self.network,
            "chip": self.chip,
            "processor": self.processor,
            "link": self.link.to_json(),
            "verdict": verdict(self),
            "ways": [way.to_json() for way in self.ways],
            "units": [
                {
                    "name": unit.name,
                    "on": "chip" if there else "processor",
                    "chip_s": unit.chip_s if isfinite(unit.chip_s) else None,
                    "cpu_s": unit.cpu_s,
                    "why": self.why[unit.name],
                }
                for unit, there in zip(self.units, self.best.on_chip, strict=True)
            ],
            "crossing": [{"tensor": entry.tensor, "bytes": entry.bytes, "seconds": entry.seconds} for entry in crossed],
            "frames": None if self.frames is None else self.frames.to_json(),
            "how": HOW,
        }


def split(
    model: str | Path | ir.Model,
    chip: "str | Path | Chip" = "edge",
    *,
    data: "str | Path | None" = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    bytes_per_s: float | None = None,
    call_s: float | None = None,
    host: str = "cpu",
    threads: int | None = None,
    slower: float = 1.0,
    fps: float | None = None,
    batch: int = 1,
    deadline_s: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Split:
    """The best cut of a network between this machine's processor and a chip.

    host: "cpu", or "gpu" for the first that ONNX Runtime can use; threads: of the CPU, None for all cores; slower: how
    many times slower the product's processor is than this one. bytes_per_s, call_s: of the link. fps, batch,
    deadline_s: frames that come at a rate and are taken so many at once; the deadline is the time in which a batch
    gathers unless it is given.
    Raises LithifyError for what a step refuses, without networkx, for a model that is quantised
    already, and for numbers that are not above 0.
    """
    for name, number in (
        ("bandwidth", bytes_per_s),
        ("frame rate", fps),
        ("batch", batch),
        ("deadline", deadline_s),
        ("slowness", slower),
    ):
        if number is not None and not (number > 0 and isfinite(number)):
            raise LithifyError(f"The {name} was given as {number}; it must be above 0.")
    if call_s is not None and not (call_s >= 0 and isfinite(call_s)):
        raise LithifyError(f"The link's latency was given as {call_s}; it must be 0 or more.")
    from lithify.quantize import is_quantized

    provider, unit_name = _host(host)
    described = load_chip(chip)
    link = Link(
        BYTES_PER_S if bytes_per_s is None else bytes_per_s,
        CALL_S if call_s is None else call_s,
        bytes_per_s is not None or call_s is not None,
    )
    stage = Stages(progress or Silent(), 5)
    with stage("load and quantise"):
        network, loaded = named_model(model, shape, seed)
        if is_quantized(loaded):
            raise LithifyError(
                f"The model '{network}' is quantised already, and what stays on the processor of a cut computes in "
                "float32; give the float model."
            )
        optimized = flow.optimize(loaded)
        quantized = flow.quantize(optimized, data, seed=seed)
    with stage(f"compile for {described.name} and simulate"):
        program = flow.compile(quantized, described)
        feed = _feed(program, seed)
        layers, cycles = _layers(program)
    count = threads or processor.cores()
    with stage(f"measure {unit_name}"):
        whole, nodes = processor.profiled(optimized, _float_feed(optimized, seed), count, provider)
    hand = handover()
    hand = Handover(hand.conversion_s * slower, hand.number_s * slower, hand.call_s * slower)
    whole, nodes = whole * slower, {name: seconds * slower for name, seconds in nodes.items()}
    units, crossings = _units(optimized, program, layers, nodes, link, hand)
    on_chip = best_cut(units, crossings)
    if whole <= seconds_of(units, crossings, on_chip):
        # All of it in one call, of which the sum for single operators knows nothing.
        on_chip = (False,) * len(units)
    with stage("compile the cut and run it"):
        ways = _ways(units, crossings, on_chip, program, cycles, feed, optimized, data, whole, slower, link, seed)
    why = reasons(units, crossings, on_chip)
    frames = None if fps is None else real_time(fps, batch, min(way.best_known for way in ways), deadline_s)
    return Split(network, described.name, unit_name, link, units, crossings, ways, why, frames)


def verdict(found: Split) -> str:
    """The answer in a few sentences."""
    cpu, all_chip, best = found.ways
    fastest = min(found.ways, key=lambda way: way.best_known)
    count = sum(best.on_chip)
    if count:
        text = (
            f"The best cut puts {count} of {len(found.units)} parts on {found.chip}: {_ms(best.best_known)} an "
            f"inference, {_ms(cpu.best_known)} all on the processor, {_ms(all_chip.best_known)} with all on the chip "
            "that can be."
        )
    else:
        text = (
            f"All on the processor is fastest: {_ms(cpu.best_known)} an inference, {_ms(all_chip.best_known)} with all "
            f"on {found.chip} that can be."
        )
    if best.ran is not None and best.ran.value > MISSED * best.seconds.value:
        text += f" Compiled and run it missed its sum of {_ms(best.seconds.value)}."
    if fastest.best_known < 0.99 * best.best_known:
        text += f" Run, the fastest is {fastest.name}: take that."
    return text if found.frames is None else f"{text} {_frames(found.frames)}"


def _frames(frames: RealTime) -> str:
    begin = f"At {frames.fps:g} frames/s in batches of {frames.batch}"
    if frames.worst_s == inf:
        return (
            f"{begin} the queue grows: {frames.utilisation:.0%} of its time is asked for; at most "
            f"{frames.most_fps:.4g} frames/s."
        )
    late = "none is late" if frames.first_late is None else f"{frames.late:.0%} are late"
    return (
        f"{begin} a frame is answered after {_ms(frames.worst_s)} at worst, due after {_ms(frames.deadline_s)}; "
        f"{late}; {frames.utilisation:.0%} utilised."
    )


def _host(name: str) -> tuple[str, str]:
    known = processor.processors()
    if name == "cpu":
        return processor.CPU, known[processor.CPU]
    found = next(((key, text) for key, text in known.items() if key != processor.CPU), None)
    if name != "gpu":
        raise LithifyError(f"There is no host '{name}'; it is cpu or gpu.")
    if found is None:
        raise LithifyError("ONNX Runtime can use no GPU here; install the build for it, or leave --host out.")
    return found


def _feed(program: "Program", seed: int) -> Mapping[str, Any]:
    from lithify.quantize import seeded

    return seeded(program.model_inputs, 1, seed)[0]


def _float_feed(model: ir.Model, seed: int) -> Mapping[str, Any]:
    from lithify.quantize import inputs_of, seeded

    return seeded(inputs_of(model), 1, seed)[0]


def _layers(program: "Program") -> tuple[dict[str, int], int]:
    """Cycles of each layer, and of all."""
    from lithify.sim.inference import costs, run_segments

    timing = costs(program, run_segments(program))
    found: dict[str, int] = {}
    for layer in timing.layers:
        found[layer.name] = found.get(layer.name, 0) + layer.cycles
    return found, timing.cycles


def _units(
    model: ir.Model,
    program: "Program",
    layers: Mapping[str, int],
    nodes: Mapping[str, float],
    link: Link,
    hand: Handover,
) -> tuple[tuple[Unit, ...], tuple[Crossing, ...]]:
    """The parts of a network, and what may cross between them.

    A part is a node with all that is computed in one with it: what the quantiser or the compiler fused is not cut.
    """
    assert program.graph is not None
    order = [str(node.name) for node in model.graph]
    place = {name: index for index, name in enumerate(order)}
    owner = {value: index for index, node in enumerate(model.graph) for value in node.outputs}
    parts = list(range(len(order)))

    def root(index: int) -> int:
        while parts[index] != index:
            parts[index] = parts[parts[index]]
            index = parts[index]
        return index

    def join(first: int, second: int) -> None:
        low, high = sorted((root(first), root(second)))
        parts[high] = low

    # Nodes of the quantised graph have the names of the float ones, pieces of them with a suffix behind a dot.
    makers: dict[str, int] = {}
    anchored = set()
    for step in program.graph.nodes:
        index = place.get(step.name, place.get(step.name.rpartition(".")[0], -1))
        if index < 0:
            before = next((makers[name] for name in step.inputs if name in makers), None)
            index = -1 if before is None else before
        if index >= 0:
            anchored.add(index)
            makers |= dict.fromkeys(step.outputs, index)
    for step in program.graph.nodes:
        for name in step.inputs:
            if name in program.fused and name in makers and step.outputs[0] in makers:
                join(makers[name], makers[step.outputs[0]])
    for index, node in enumerate(model.graph):
        if index in anchored:
            continue
        before = next((owner[value] for value in node.inputs if value in owner), None)
        after = next((place[str(user.name)] for value in node.outputs for user, _ in value.uses()), None)
        if (with_ := before if before is not None else after) is not None:
            join(index, with_)
    hosts = {name: text for name, text in _hosts(program).items() if name in place}
    clock = program.chip.clock_hz
    spent: dict[int, float] = {}
    for name, cycles in layers.items():
        index = place.get(name, place.get(name.rpartition(".")[0], makers.get(name, -1)))
        if index < 0:
            raise LithifyError(f"The layer '{name}' belongs to no node of the network; --keep-float may be in use.")
        spent[root(index)] = spent.get(root(index), 0.0) + cycles / clock
    groups: dict[int, list[int]] = {}
    for index in range(len(order)):
        groups.setdefault(root(index), []).append(index)
    number = {group: count for count, group in enumerate(groups)}
    units = []
    for group, members in groups.items():
        names = tuple(order[index] for index in members)
        why = next((hosts[name] for name in names if name in hosts), "")
        chip_s = inf if why else spent.get(group, 0.0)
        cpu_s = sum(nodes.get(name, 0.0) + hand.call_s for name in names)
        units.append(Unit(names[0], names, chip_s, cpu_s, why))
    return tuple(units), _crossings(model, owner, [number[root(index)] for index in range(len(order))], link, hand)


def _hosts(program: "Program") -> dict[str, str]:
    """Nodes that the chip cannot run, and why."""
    return {
        segment.name: program.reasons.get(segment.name, "the chip has no unit for it")
        for segment in program.segments
        if isinstance(segment, HostSegment)
    }


def _crossings(
    model: ir.Model, owner: Mapping[ir.Value, int], unit_of: Sequence[int], link: Link, hand: Handover
) -> tuple[Crossing, ...]:
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    index_of = {str(node.name): index for index, node in enumerate(model.graph)}
    outputs = {value.name for value in model.graph.outputs}
    found = []
    for value in values:
        source = unit_of[owner[value]] if value in owner else None
        users = {unit_of[index_of[str(user.name)]] for user, _ in value.uses()}
        readers = tuple(sorted(users - {source}))
        wanted = value.name in outputs
        if readers or wanted:
            size, converted = _bytes(value)
            seconds = link.seconds(size) + (hand.converted(size) if converted else 0.0)
            found.append(Crossing(str(value.name), source, readers, seconds, size, wanted))
    return tuple(found)


def _bytes(value: ir.Value) -> tuple[int, bool]:
    """On the link, and whether it is converted: float numbers cross as int8, others as they are."""
    count = prod(size if isinstance(size, int) else 1 for size in value.shape) if value.shape is not None else 1
    if value.dtype is None or value.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE):
        return count, True
    return int(count * value.dtype.itemsize), False


def _ways(
    units: Sequence[Unit],
    crossings: Sequence[Crossing],
    on_chip: tuple[bool, ...],
    program: "Program",
    cycles: int,
    feed: Mapping[str, Any],
    optimized: ir.Model,
    data: "str | Path | None",
    whole: float,
    slower: float,
    link: Link,
    seed: int,
) -> tuple[Way, ...]:
    """All on the processor, all that can be on the chip, the best cut; each as a sum and, where it has a chip, run."""
    none = (False,) * len(units)
    every = tuple(isfinite(unit.chip_s) for unit in units)
    told = "ONNX Runtime, float32, the whole network in one call" + (f", times {slower:g}" if slower != 1 else "")
    cpu = Way("all on the processor", none, Figure(whole, MEASURED if slower == 1 else MODELLED, told))

    def summed(where: tuple[bool, ...]) -> Figure:
        if where == none:
            return cpu.seconds
        said = "cycles simulated, operators, calls and conversions of the processor measured, the link's cost added"
        return Figure(seconds_of(units, crossings, where), MODELLED, said)

    ran = {every: _ran(program, cycles, feed, link, slower)}
    if on_chip not in (none, every):
        kept = [name for unit, there in zip(units, on_chip, strict=True) if not there for name in unit.members]
        cut = flow.compile(flow.quantize(optimized, data, keep_float=kept, seed=seed), program.chip)
        ran[on_chip] = _ran(cut, _layers(cut)[1], _feed(cut, seed), link, slower)
    return (
        cpu,
        Way("all on the chip that can be", every, summed(every), ran[every]),
        Way("the best cut", on_chip, summed(on_chip), cpu.seconds if on_chip == none else ran[on_chip]),
    )


def _ran(program: "Program", cycles: int, feed: Mapping[str, Any], link: Link, slower: float) -> Figure:
    """What a compiled program takes: its cycles, the host's operators as the runtime runs them, and its placements."""
    from lithify.runtime.host import host_milliseconds

    crossing = [
        placement
        for segment in program.segments
        if isinstance(segment, ChipSegment)
        for placement in (*segment.inputs, *segment.outputs)
        if placement.base not in (Base.STATE, Base.NEXT)
    ]
    moved = sum(link.seconds(placement.bytes) for placement in crossing)
    host = slower * host_milliseconds(program, feed) / 1000
    chip = cycles / program.chip.clock_hz
    said = (
        f"{cycles:,} cycles simulated ({_ms(chip)}), the host's operators and conversions measured one by one "
        f"({_ms(host)}), {len(crossing)} tensors over the link ({_ms(moved)})"
    )
    return Figure(chip + host + moved, SIMULATED, said)


def _ms(seconds: float) -> str:
    return "never" if seconds == inf else f"{1e3 * seconds:,.4g} ms"
