"""The report and the lists as tables in a terminal."""

import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from lithify.chip import Chip
from lithify.doctor import Finding
from lithify.report.model import ModelFacts
from lithify.report.quantization import Quantized, Way
from lithify.report.summary import Report, Verified
from lithify.runtime.inventory import DeviceInfo
from lithify.sim.cost import SPENT, LayerCost

if TYPE_CHECKING:
    from lithify.sim.inference import Simulation

WIDTH = 110
WIDE = 180
"""Columns where no terminal sets them: wide enough that nothing is broken into lines."""


def show(*parts: RenderableType) -> None:
    """Prints tables to standard output; plain text where it is no terminal."""
    if sys.stdout.isatty():
        console = Console()
        for part in parts:
            console.print(part, markup=False)
    else:
        sys.stdout.write(as_text(*parts, width=WIDE))


def as_text(*parts: RenderableType, width: int = WIDTH) -> str:
    """The same as a text, without colours and trailing blanks: for files and tests."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    for part in parts:
        console.print(part, markup=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def new_table(title: str, *columns: str, right: Sequence[str] = (), header: bool = True) -> Table:
    """A table in the house's look. right: columns whose text stands at the right."""
    table = Table(title=title, title_justify="left", box=box.ASCII2 if plain() else box.SIMPLE_HEAD, show_header=header)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def plain() -> bool:
    """Whether the terminal's encoding lacks line characters."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") not in ("utf8", "utf16", "utf32")


def summary_table(report: Report) -> Table:
    """The one table of a build: what came out, and how each number was obtained."""
    table = new_table(f"{report.model} on {report.chip}", "what", "value", "how", right=("value",))
    accuracy = report.accuracy
    if accuracy.float_model is None and accuracy.chip is None:
        table.add_row("accuracy float / int8 / chip", "not measured", "needs --data with labels")
    else:
        values = " / ".join(percent(value) for value in (accuracy.float_model, accuracy.int8, accuracy.chip))
        table.add_row("accuracy float / int8 / chip", values, report.obtained["accuracy"])
    table.add_row("cycles", f"{report.cycles:,}", report.obtained["cycles"])
    table.add_row(
        "latency",
        f"{report.latency_ms:.3f} ms",
        f"at {report.clock_hz / 1e6:g} MHz",
    )
    table.add_row("multiply-accumulates", f"{report.macs:,}", f"{percent(report.macs_on_chip_share)} on the chip")
    table.add_row("utilisation of the array", percent(report.mac_utilisation), "MACs / (cycles x multipliers)")
    table.add_row("moved from and to DRAM", f"{report.dram_bytes:,} bytes", report.obtained["dram_bytes"])
    table.add_row("gates", f"{report.gates:,}", report.obtained["gates"])
    table.add_row("on-chip memory", f"{report.onchip_bytes:,} bytes", report.obtained["onchip_bytes"])
    host = ", ".join(report.host_nodes)
    table.add_row("on the host", host or "nothing", f"{report.host_ms:.2f} ms on this machine" if host else "")
    if report.quantized is not None:
        chosen = report.quantized.chosen
        table.add_row("quantised by", way_text(chosen), f"{decibels(chosen.noise_db)} of the outputs")
    if report.pictures is not None:
        for step in report.pictures.steps:
            where = report.pictures.normalization if step.what == "normalise" else f"on the {step.where}"
            table.add_row(f"picture: {step.what}", step.value, where)
    for name, value, how in verdict(report.verify):
        table.add_row(name, value, how)
    return table


def way_text(way: Way) -> str:
    """A way to quantise in words."""
    corrections = {"bias correction": way.bias_correction, "equalisation": way.equalize}
    return " + ".join([way.method, *(name for name, taken in corrections.items() if taken)])


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio as a text; None is exact."""
    return "exact" if value is None else f"{value:.1f} dB"


def quantization_table(quantized: Quantized) -> Table:
    """Each int8 tensor: how far it is from the float model's."""
    right = ("all before int8", "alone", "clipped", "step", "zero point")
    table = new_table("quantised", "layer", "operator", *right, right=right)
    for layer in quantized.layers:
        table.add_row(
            layer.layer,
            layer.operator,
            decibels(layer.noise_db),
            decibels(layer.own_noise_db),
            percent(layer.clipped),
            f"{layer.step:.4g}",
            f"{layer.zero_point}",
        )
    table.caption = (
        f"Signal-to-noise ratio against the float model on {quantized.samples} samples: with everything before in int8 "
        "too, and of the rounding of this tensor alone."
    )
    table.caption_justify = "left"
    return table


def trials_table(quantized: Quantized) -> Table:
    """What `auto` compared, the best first."""
    table = new_table("ways compared", "way", "noise of the outputs", right=("noise of the outputs",))
    for way in quantized.trials:
        table.add_row(way_text(way), decibels(way.noise_db))
    return table


def verdict(verify: Verified) -> list[tuple[str, str, str]]:
    """The lines of the proof: what, value, how."""
    sign = "=" if verify.values_different + verify.words_different == 0 else "differs from"
    compared = f"{verify.values_compared:,} values"
    if verify.values_different:
        compared = f"{verify.values_different:,} of {compared} differ"
    inputs = f"{verify.inputs} inputs, {verify.saturating_inputs} saturating"
    if verify.cycles_rtl is None:
        return [(f"reference {sign} functional", compared, inputs), ("RTL", "not run", "--rtl none")]
    whole = inputs if verify.rtl_inputs == verify.inputs else f"{inputs}; {verify.rtl_inputs} in RTL"
    off = verify.cycles_timing - verify.cycles_rtl
    retired = f"{verify.retirements_compared:,} retirements compared"
    timing = f"{off:+,} cycles off" if off else f"{verify.retirements_different:,} cycles off"
    agree = "=" if off == 0 and verify.retirements_different == 0 else "differs from"
    return [(f"reference {sign} functional {sign} RTL", compared, whole), (f"timing {agree} RTL", timing, retired)]


def verification_table(verify: Verified) -> Table:
    """What `lithify verify` found."""
    table = new_table("verify", "what", "value", "how", right=("value",))
    for row in verdict(verify):
        table.add_row(*row)
    table.add_row(
        "cycles, timing / RTL",
        f"{verify.cycles_timing:,} / {'not run' if verify.cycles_rtl is None else f'{verify.cycles_rtl:,}'}",
        "of one inference",
    )
    if verify.not_compared:
        table.add_row("not compared", f"{len(verify.not_compared)} tensors", "fused: " + ", ".join(verify.not_compared))
    return table


def simulation_table(found: "Simulation") -> Table:
    """The cycles of one inference."""
    table = new_table(f"{found.program} on {found.chip.name}", "what", "value", right=("value",))
    table.add_row("cycles", f"{found.cycles:,}")
    table.add_row("latency", f"{found.milliseconds:.3f} ms at {found.chip.clock_hz / 1e6:g} MHz")
    table.add_row("utilisation of the array", percent(found.mac_utilisation))
    table.add_row("moved from and to DRAM", f"{found.dram_bytes:,} bytes")
    return table


def layers_table(layers: Sequence[LayerCost], cycles: int) -> Table:
    """Each layer: its cycles, what it uses of the array, and what else its cycles go to. cycles: of all layers."""
    right = ("cycles", "share", "array", "DRAM bytes", *SPENT)
    table = new_table("layers", "layer", "operator", "cycles", "share", "utilised", "DRAM bytes", *SPENT, right=right)
    for layer in layers:
        table.add_row(
            layer.name,
            layer.operator,
            f"{layer.cycles:,}",
            percent(layer.cycles / cycles if cycles else 0.0),
            percent(layer.utilisation),
            f"{layer.dram_bytes:,}",
            *(f"{'* ' if name == layer.limit else ''}{layer.spent[name]:,}" for name in SPENT),
        )
    table.caption = "Columns from 'array' on: what the cycles go to; * the largest. See lithify/sim/cost.py."
    table.caption_justify = "left"
    return table


def chips_table(chips: Sequence[Chip]) -> Table:
    """The presets side by side."""
    right = ("array", "accumulators", "scratchpad", "bus", "DRAM", "clock")
    table = new_table("chips", "name", *right, "units", right=right)
    for chip in chips:
        table.add_row(
            chip.name,
            f"{chip.rows} x {chip.columns}",
            f"{chip.accumulators}",
            f"{chip.scratchpad_bytes:,} bytes",
            f"{chip.bus_bytes} bytes",
            f"{chip.dram_bytes_per_cycle} bytes/cycle",
            f"{chip.clock_hz / 1e6:g} MHz",
            ", ".join(chip.units),
        )
    return table


def findings_table(findings: Sequence[Finding]) -> Table:
    """What `lithify doctor` found, by group."""
    table = new_table("doctor", "", "what", "version", "for", "to install")
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            table.add_section()
            table.add_row("", group.upper(), "", "", "")
        missing = "MISSING" if finding.required else "-"
        table.add_row(
            "yes" if finding.found else missing, finding.name, finding.version, finding.detail, finding.install
        )
    return table


def devices_table(devices: Sequence[DeviceInfo]) -> Table:
    """What runs programs on this machine."""
    table = new_table("devices", "name", "there", "what", "remark")
    for device in devices:
        table.add_row(device.name, "yes" if device.available else "-", device.description, device.remark)
    return table


def model_table(facts: ModelFacts) -> Table:
    """What a model holds."""
    table = new_table(facts.name, "what", "value")
    for name, shape, dtype in facts.inputs:
        table.add_row(f"input {name}", f"{dtype} {list(shape)}")
    for name, shape, dtype in facts.outputs:
        table.add_row(f"output {name}", f"{dtype} {list(shape)}")
    table.add_row("opset", str(facts.opset))
    table.add_row("operators", ", ".join(f"{name} {count}" for name, count in facts.operators.items()))
    table.add_row("parameters", f"{facts.parameters:,}")
    table.add_row("multiply-accumulates", f"{facts.macs:,}")
    return table


def arrays_text(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Outputs in short: name, type, shape and the values."""
    parts = []
    for name, array in arrays.items():
        values = np.array2string(array, threshold=40, precision=6, suppress_small=True, max_line_width=WIDTH)
        parts.append(f"{name}  {array.dtype.name} {list(array.shape)}\n{values}")
    return "\n".join(parts)


def percent(share: float | None) -> str:
    """A share as a text; "not measured" for None."""
    return "not measured" if share is None else f"{100 * share:.1f} %"
