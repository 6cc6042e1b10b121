"""The campaign over random graphs on random chips; a failure is written as the smallest ONNX file that shows it."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lithify.chip import Chip, load_chip, write_chip
from lithify.folder import write_text
from lithify.frontend import save
from lithify.fuzz.check import Outcome, check
from lithify.fuzz.chips import random_chip
from lithify.fuzz.models import random_model
from lithify.fuzz.shrink import shrink
from lithify.progress import Progress, Silent, Stages

RTL_ROWS = 16
"""Rows of a drawn chip whose RTL is built at most: building takes a minute, and simulating grows with the array."""


@dataclass(frozen=True)
class Failure:
    """A graph that fails. number: with the seed, what draws it again. nodes: of the smallest model that fails so.

    file: that model; the chip lies beside it. None where nothing was to be written.
    """

    number: int
    kind: str
    text: str
    chip: str
    nodes: int
    file: str | None


@dataclass(frozen=True)
class Graphs:
    """What became of a campaign. counts: of each kind of outcome; host: graphs of which some ran on the host."""

    seed: int
    count: int
    rtl: int
    host: int
    values_compared: int
    counts: dict[str, int]
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def drawn(seed: int, number: int) -> tuple[ir.Model, Chip]:
    """The graph and the chip of this number."""
    return random_model(seed, number), random_chip(np.random.default_rng((seed, number, 1)))


def rtl_chips(seed: int, count: int) -> tuple[Chip, ...]:
    """The preset `tiny`, and `count` drawn chips whose RTL is to be built."""
    randoms = (np.random.default_rng((seed, number, 3)) for number in range(count))
    return load_chip("tiny"), *(random_chip(random, RTL_ROWS) for random in randoms)


def fuzz_graphs(
    count: int,
    seed: int = 0,
    rtl: int = 0,
    chips: int = 0,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Graphs:
    """Checks graphs 0 to `count` - 1 of `seed`, the first `rtl` of them in RTL too.

    chips: in RTL, how many drawn chips take turns with the preset `tiny`; each takes a minute to build.
    folder: where failures are written, a folder each: model.onnx, chip.toml and what went wrong.
    """
    from lithify.runtime.chip import RtlDevice

    counts: Counter[str] = Counter()
    failures: list[Failure] = []
    host = values = 0
    hardware = rtl_chips(seed, chips)
    with Stages(progress or Silent(), 1)(f"random graphs, seed {seed}") as watch:
        for number in range(count):
            model, chip = drawn(seed, number)
            device = None
            if number < rtl:
                chip = hardware[number % len(hardware)]
                device = RtlDevice.of(chip, watch.note)
            outcome = check(model, chip, number, device)
            counts[outcome.kind] += 1
            host += outcome.host
            values += outcome.values
            if outcome.failed:
                failures.append(_failure(number, outcome, model, chip, device, folder))
                watch.note(f"graph {number}: {outcome.kind}: {outcome.text[:200]}")
            watch.update(number + 1, count, "graphs")
    return Graphs(seed, count, min(rtl, count), host, values, dict(counts), tuple(failures))


def _failure(number: int, outcome: Outcome, model: ir.Model, chip: Chip, device: Any, folder: Path | None) -> Failure:
    def fails(smaller: ir.Model) -> bool:
        try:
            return check(smaller, chip, number, device).kind == outcome.kind
        except Exception:  # a cut that is no model
            return False

    smallest = shrink(model, fails)
    nodes = len(list(smallest.graph))
    if folder is None:
        return Failure(number, outcome.kind, outcome.text, chip.name, nodes, None)
    place = folder / f"graph_{number}"
    save(smallest, place / "model.onnx")
    write_text(place / "chip.toml", write_chip(chip))
    found = check(smallest, chip, number, device)
    write_text(place / "failure.txt", f"{found.kind}: {found.text}\n")
    return Failure(number, outcome.kind, outcome.text, chip.name, nodes, str(place / "model.onnx"))
