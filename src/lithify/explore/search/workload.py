"""A network made ready to be compiled for many chips: what does not depend on the chip is done once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import onnx_ir as ir

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.chip.description import Unit
from lithify.errors import LithifyError
from lithify.reference.graph import Graph

if TYPE_CHECKING:
    from lithify.quantize.data import Samples

ROOMY: Mapping[str, int] = {
    "scratchpad_banks": 63,
    "scratchpad_bytes": 63 * 1024 * 16,
    "activation_ports": 3,
    "vector_lanes": 4,
}
"""What `edge` gets more of to find what a network needs: nothing is left to the host for want of room."""

METHODS = ("minmax", "auto")
"""Ways to quantise, the next one tried where the accuracy asked for is missed."""


@dataclass(frozen=True)
class Workload:
    """A quantised network. graph: what the compiler takes. states: inputs that stay on the chip. units: optional units
    without which it would be compiled to something else. vector: whether a vector unit is of use.

    macs: that a chip with all units does. bytes: of weights, network input and output, each moved once.
    accuracy: of the int8 model on the samples; None where there are none with labels.
    """

    name: str
    graph: Graph = field(repr=False)
    states: Mapping[str, str]
    units: tuple[Unit, ...]
    vector: bool
    macs: int
    bytes: int
    accuracy: float | None = None


@dataclass(frozen=True)
class Source:
    """What a workload was made of. loaded: the model as it was read; quantized: in int8. samples: None without data."""

    workload: Workload
    loaded: ir.Model = field(repr=False)
    quantized: ir.Model = field(repr=False)
    samples: "Samples | None" = field(repr=False)


def source(
    name: str,
    loaded: ir.Model,
    data: "str | Path | None" = None,
    accuracy: float | None = None,
    seed: int = 0,
) -> Source:
    """Optimises and quantises a model, and finds what it needs of a chip.

    accuracy: what the int8 model is to reach; where it does not, other ways to quantise are tried, and the best is
    kept. Raises LithifyError for what a step refuses, and for an accuracy without labels to judge it by.
    """
    from lithify.accuracy import int8_accuracy
    from lithify.profile.roofline import roofline
    from lithify.quantize import chain_of, inputs_of, read, read_data
    from lithify.quantize.states import states_of
    from lithify.sim.inference import Simulation

    optimized = flow.optimize(loaded)
    best: tuple[float | None, ir.Model, Samples | None] | None = None
    for method in METHODS if accuracy is not None else METHODS[:1]:
        quantized = flow.quantize(optimized, data, method=method, seed=seed)  # type: ignore[arg-type]
        chain = chain_of(quantized)
        samples = None
        if data is not None:
            samples = read_data(data, inputs_of(quantized), preprocessing=chain.host if chain is not None else None)
        reached = int8_accuracy(quantized, samples)
        if best is None or (reached or 0.0) > (best[0] or 0.0):
            best = reached, quantized, samples
        if accuracy is None or (reached is not None and reached >= accuracy):
            break
        if reached is None:
            raise LithifyError(
                f"An accuracy of {accuracy:g} cannot be judged for '{name}' without samples that have labels; give "
                "--data an .npz with 'labels', or leave the accuracy out."
            )
    assert best is not None
    reached, quantized, samples = best
    graph, states = read(quantized), states_of(quantized)
    chip = _roomy()
    program = flow.compile(quantized, chip)
    bounds = roofline(program, Simulation(name, chip, 0, 0, 0, (), ()))
    macs = sum(layer.macs for layer in program.layers)
    units, vector = needed(graph, chip)
    workload = Workload(name, graph, states, units, vector, macs, bounds.minimal_bytes, reached)
    return Source(workload, loaded, quantized, samples)


def needed(graph: Graph, chip: Chip) -> tuple[tuple[Unit, ...], bool]:
    """The optional units of a chip without which the compiler would choose other operations, and whether it uses the
    vector unit.
    """
    whole = _assigned(graph, chip)
    units: tuple[Unit, ...] = get_args(Unit)
    kept = tuple(
        unit
        for unit in units
        if _assigned(graph, chip.model_copy(update={"units": tuple(u for u in units if u != unit)})) != whole
    )
    return kept, _assigned(graph, chip.model_copy(update={"vector_lanes": 0})) != whole


def _assigned(graph: Graph, chip: Chip) -> Any:
    """What runs where and how, as far as optional units decide it."""
    from lithify.compiler.assign import assign
    from lithify.compiler.fold import fold_constants

    found = assign(fold_constants(graph), chip)
    work = [
        (entry.node.name, [(op.layer, op.unit, op.table is not None, op.residual is not None, op.gather is not None)
                           for op in entry.operations])
        for stretch in found.stretches
        for entry in stretch
    ]  # fmt: skip
    return work, found.reasons


def _roomy() -> Chip:
    edge = load_chip("edge")
    return Chip.model_validate({**edge.model_dump(by_alias=True), **ROOMY})


def merged(sources: Sequence[Source]) -> tuple[tuple[Unit, ...], bool]:
    """The units that any of several networks needs, and whether any uses the vector unit."""
    units: tuple[Unit, ...] = get_args(Unit)
    wanted = {unit for entry in sources for unit in entry.workload.units}
    return tuple(unit for unit in units if unit in wanted), any(entry.workload.vector for entry in sources)


def renamed(sources: Sequence[Source]) -> list[Source]:
    """Networks of one name told apart by numbers."""
    seen: dict[str, int] = {}
    found = []
    for entry in sources:
        name = entry.workload.name
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            entry = replace(entry, workload=replace(entry.workload, name=f"{name}_{seen[name]}"))
        found.append(entry)
    return found
