"""The standard networks on chips: cycles, traffic and energy of each, and what it takes to find them out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.chip.memories import onchip_bytes
from lithify.profile.energy import SOURCE, inference_energy
from lithify.profile.roofline import roofline
from lithify.progress import Progress, Silent, Stages
from lithify.report.terminal import new_table, percent
from lithify.sim.inference import SegmentRun, costs, run_segments

if TYPE_CHECKING:
    from rich.table import Table

GIGAHERTZ = 1_000_000_000

STANDARD = (
    "resnet8",
    "ds_cnn",
    "mobilenet_v1_025",
    "autoencoder",
    "resnet18",
    "resnet50",
    "mobilenet_v1",
    "mobilenet_v2",
    "efficientnet_b0",
    "yolov8n_320",
)
"""What is measured where no network is named: the MLPerf Tiny shapes, image classifiers, a detector."""


@dataclass(frozen=True)
class Measured:
    """A network on a chip, batch 1, int8, seeded weights and seeded calibration data.

    cycles: of the chip, from the timing simulator; fps_at_1ghz: a billion over them. utilisation: the chip's
    multiply-accumulates over (cycles x multipliers). onchip_bytes: every memory of the RTL. roofline_cycles: see
    `lithify.profile.roofline`. energy_uj: modelled, see `lithify.profile.energy`. host_nodes: operators that run on the
    host. compile_cpu_s: processor seconds of import, optimisation, quantisation and compilation; timing_cpu_s: of the
    timing simulation.
    """

    network: str
    chip: str
    multipliers: int
    onchip_bytes: int
    dram_bytes_per_cycle: int
    cycles: int
    fps_at_1ghz: float
    utilisation: float
    roofline_cycles: float
    dram_bytes: int
    energy_uj: float
    energy_source: str
    compile_cpu_s: float
    timing_cpu_s: float
    host_nodes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {**asdict(self), "host_nodes": list(self.host_nodes)}


def bench(
    networks: Sequence[str] = (),
    chips: "Sequence[str | Path | Chip]" = ("edge",),
    *,
    seed: int = 0,
    progress: Progress | None = None,
    found: Callable[[Measured], object] | None = None,
) -> list[Measured]:
    """Builds networks by name from code, with seeded weights and without a download, and measures each on each chip.

    networks: names of `lithify.networks`, () for the standard ones. found: is told every row as soon as it is there.
    Raises LithifyError for a name that is unknown, and for what the compiler refuses.
    """
    from lithify.networks import NETWORKS, unknown

    names = tuple(networks) or STANDARD
    for name in names:
        if name not in NETWORKS:
            raise unknown(name)
    loaded = [load_chip(chip) for chip in chips]
    stage = Stages(progress or Silent(), len(names) * (1 + 2 * len(loaded)))
    rows = []
    for name in names:
        with stage(f"{name}: build and quantise"):
            quantized, seconds = quantized_network(name, seed)
        for chip in loaded:
            with stage(f"{name}: compile for {chip.name}"):
                start = time.process_time()
                program = flow.compile(quantized, chip)
                compiled = seconds + time.process_time() - start
            with stage(f"{name}: simulate the timing on {chip.name}"):
                start = time.process_time()
                runs = run_segments(program)
                timed = time.process_time() - start
            row = _measured(name, program, runs, compiled, timed)
            rows.append(row)
            if found:
                found(row)
    return rows


def bench_table(rows: Sequence[Measured]) -> "Table":
    """The rows of `lithify bench`."""
    names = (
        "cycles", "frames/s at 1 GHz", "utilised", "roofline", "DRAM bytes", "energy uJ", "compile s", "timing s",
    )  # fmt: skip
    out = new_table("bench", "network", "chip", *names, "on the host", right=names)
    for row in rows:
        out.add_row(
            row.network,
            f"{row.chip} ({row.multipliers})",
            f"{row.cycles:,}",
            f"{row.fps_at_1ghz:,.1f}",
            percent(row.utilisation),
            f"{row.roofline_cycles:,.0f}",
            f"{row.dram_bytes:,}",
            f"{row.energy_uj:,.0f}",
            f"{row.compile_cpu_s:.1f}",
            f"{row.timing_cpu_s:.1f}",
            ", ".join(dict.fromkeys(row.host_nodes)) or "nothing",
        )
    out.caption = "Cycles and traffic simulated, energy modelled (130 nm), seconds of this machine's processor."
    out.caption_justify = "left"
    return out


def quantized_network(name: str, seed: int) -> tuple[Any, float]:
    """The quantised network, and the processor seconds from its ONNX file to there; writing the network is no part."""
    import tempfile

    from lithify import networks
    from lithify.frontend import save

    with tempfile.TemporaryDirectory(prefix="lithify-bench-") as folder:
        path = Path(folder) / f"{name}.onnx"
        save(networks.build(name, seed), path)
        start = time.process_time()
        model = flow.optimize(flow.load(path))
        quantized = flow.quantize(model, seed=seed)
        return quantized, time.process_time() - start


def _measured(
    name: str, program: Any, runs: Sequence[SegmentRun], compile_seconds: float, timing_seconds: float
) -> Measured:
    chip = program.chip
    timing = costs(program, runs)
    return Measured(
        network=name,
        chip=chip.name,
        multipliers=chip.multipliers,
        onchip_bytes=onchip_bytes(chip),
        dram_bytes_per_cycle=chip.dram_bytes_per_cycle,
        cycles=timing.cycles,
        fps_at_1ghz=GIGAHERTZ / timing.cycles if timing.cycles else 0.0,
        utilisation=timing.mac_utilisation,
        roofline_cycles=roofline(program, timing).cycles,
        dram_bytes=timing.dram_bytes,
        energy_uj=inference_energy(chip, runs, timing.dram_bytes).total,
        energy_source=SOURCE,
        compile_cpu_s=compile_seconds,
        timing_cpu_s=timing_seconds,
        host_nodes=program.host_nodes,
    )
