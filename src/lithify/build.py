"""The whole line for one model: the visible list of its stages, and the folder that they fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import onnx_ir as ir

import lithify
from lithify import flow
from lithify.accuracy import measure
from lithify.chip import Chip, load_chip, write_chip
from lithify.chip.gates import gate_count
from lithify.chip.memories import onchip_bytes
from lithify.folder import whole_folder, write_arrays, write_text, write_verilog
from lithify.frontend import save
from lithify.optimize import PASSES
from lithify.preprocessing import Preprocessing
from lithify.profile import profile_program
from lithify.profile.page import PAGE, write_page
from lithify.program import QUANTIZED, stack
from lithify.progress import Progress, Silent, Stages
from lithify.quantize import chain_of
from lithify.quantize.data import Samples, inputs_of, read
from lithify.quantize.ranges import Method
from lithify.quantize.states import with_states
from lithify.report import FILE, Accuracy, Report
from lithify.report.model import macs
from lithify.report.quantization import pictures_of, quantized_of
from lithify.report.terminal import as_text, layers_table, quantization_table, summary_table
from lithify.runtime.chip import RtlDevice, verilog_of
from lithify.runtime.host import host_milliseconds
from lithify.runtime.resident import PROGRAM
from lithify.sim.inference import costs, run_segments
from lithify.verify import verify, verify_samples

STAGES = 10


def build(
    model: str | Path,
    output: str | Path | None = None,
    *,
    chip: str | Path | Chip = "edge",
    data: str | Path | None = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    method: Literal["auto"] | Method = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Sequence[str] = (),
    input_ranges: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    preprocessing: Preprocessing | None = None,
    state: Mapping[str, str] = MappingProxyType({}),
    rtl: flow.Rtl = "full",
    inputs: int = 8,
    strict: bool = False,
    save_steps: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """The whole line: an ONNX file becomes a build folder with program, Verilog, inputs, outputs and report.

    output: the folder, `build/<model>` without one; other files in it stay. data: .npz or .npy samples, or a folder
    of pictures, to calibrate and judge with; None: random input drawn with `seed`, accuracy not measured. inputs: how
    many are verified, at least 8. rtl: "full" runs all of them in RTL, "layers" the first, "none" nothing. method to
    preprocessing and state: of the quantiser, see `lithify.quantize`; the samples of a network with states are calls
    one after the other, and its accuracy, which depends on the calls before, is not measured. save_steps: write the
    graph after every step to `steps/`.
    Raises LithifyError for whatever a step refuses; the folder then stays as it was.
    A difference found is no error: see `Report.agreed`.
    """
    source = Path(model)
    target = Path(output) if output is not None else Path("build") / source.stem
    stage = Stages(progress or Silent(), STAGES)
    described = load_chip(chip)
    with whole_folder(target, last=FILE) as folder:
        with stage("load"):
            steps = Steps(folder / "steps" if save_steps else None)
            loaded = steps.keep("load", flow.load(source, shape))
            samples = None
            if data is not None and preprocessing is None:  # data that does not fit is refused before any work
                chain = chain_of(loaded)
                samples = read(data, inputs_of(loaded), preprocessing=chain.host if chain is not None else None)
        with stage("optimise"):
            optimized = loaded
            for apply in PASSES:
                optimized = steps.keep(apply.__name__, apply(optimized))
        with stage("quantise"):
            way = flow.quantize_with_choice(
                with_states(optimized, state),
                data,
                method=method,
                bias_correction=bias_correction,
                equalize=equalize,
                keep_float=keep_float,
                input_ranges=input_ranges,
                preprocessing=preprocessing,
                seed=seed,
            )
            quantized = steps.keep("quantize", way.model)
            save(quantized, folder / QUANTIZED)
        with stage(f"compile for {described.name}"):
            program = flow.compile(quantized, described, strict=strict)
            program.save(folder / PROGRAM)
            write_text(folder / "chip.toml", write_chip(described))
        with stage("simulate the timing"):
            runs = run_segments(program)
            timing = costs(program, runs)
        with stage("write the Verilog") as watch:
            write_verilog(folder / "rtl", verilog_of(described))
        with stage("build the simulator" if rtl != "none" else "build no simulator") as watch:
            device = RtlDevice.of(described, watch.note) if rtl != "none" else None
        with stage("measure the accuracy") as watch:
            if data is not None and samples is None:
                samples = read(data, program.model_inputs, preprocessing=program.pictures)
            if program.states and samples is not None:
                samples = Samples({item.name: samples.inputs[item.name] for item in program.model_inputs})
            accuracy = measure(loaded, quantized, program, samples, watch)
        with stage("verify") as watch:
            assert program.graph is not None, "a program that was compiled has its graph"
            chosen = verify_samples(program.model_inputs, samples, inputs, seed)
            proof = verify(program, program.graph, chosen, rtl=rtl, device=device, progress=watch)
            write_arrays(folder / "inputs.npz", chosen.inputs)
            views = {"reference": proof.reference, "functional": proof.functional, "rtl": proof.rtl}
            for view, outputs in views.items():
                arrays = {name: stack(rows) for name, rows in outputs.items() if rows}
                if arrays:
                    write_arrays(folder / f"outputs_{view}.npz", arrays)
        report = Report(
            model=source.stem,
            chip=described.name,
            clock_hz=described.clock_hz,
            macs=macs(quantized),
            macs_on_chip=timing.macs,
            cycles=timing.cycles,
            mac_utilisation=timing.mac_utilisation,
            dram_bytes=timing.dram_bytes,
            gates=gate_count(described),
            onchip_bytes=onchip_bytes(described),
            accuracy=accuracy,
            verify=proof.summary,
            host_nodes=program.host_nodes,
            host_ms=host_milliseconds(program, chosen[0]),
            host_reasons=program.reasons,
            layers=timing.layers,
            obtained=obtained(accuracy, rtl),
            lithify=lithify.__version__,
            quantized=quantized_of(way),
            pictures=pictures_of(program.preprocessing),
        )
        with stage("profile"):
            write_page(folder / PAGE, profile_program(program, runs=runs), report)
        write_text(folder / FILE, report.to_text())
        tables = [summary_table(report), layers_table(report.layers, report.cycles)]
        if report.quantized is not None:
            tables.append(quantization_table(report.quantized))
        write_text(folder / "report.txt", as_text(*tables))
    return report


@dataclass
class Steps:
    """Writes the graph after each step, numbered, into a folder; without a folder, nothing."""

    folder: Path | None
    count: int = 0

    def keep(self, name: str, graph: ir.Model) -> ir.Model:
        """Writes the graph that step `name` gave, and gives it back."""
        self.count += 1
        if self.folder is not None:
            save(graph, self.folder / f"{self.count:02}_{name}.onnx")
        return graph


def obtained(accuracy: Accuracy, rtl: flow.Rtl) -> dict[str, str]:
    """How each number of the report was got: simulated, in RTL, modelled or measured."""
    exact = {
        "full": "timing simulator = RTL",
        "layers": "timing simulator = RTL",
        "none": "timing simulator; RTL not run",
    }
    judged = f"{accuracy.samples} samples; ONNX Runtime, chip: functional simulator"
    if accuracy.chip_samples < accuracy.samples:
        judged += f" on {accuracy.chip_samples} of them"
    return {
        "accuracy": judged if accuracy.samples else "not measured",
        "cycles": exact[rtl],
        "dram_bytes": "simulated: every beat of the bus",
        "gates": "modelled: NAND2 equivalents, scratchpad apart",
        "onchip_bytes": "every memory of the RTL",
        "host_ms": "measured on this machine",
    }
