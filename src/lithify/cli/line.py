"""The commands of the line: from the model to the program, and to its outputs, cycles and proof."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import click

from lithify.cli import options, pictures
from lithify.cli.screen import Watch, emit
from lithify.progress import Stages

if TYPE_CHECKING:
    from lithify.preprocessing import Preprocessing

MODEL = click.argument("model", type=options.PATH)
PROGRAM = click.argument("program", type=options.PATH)
Shapes = tuple[tuple[str, tuple[int, ...]], ...]
Ranges = tuple[tuple[str, tuple[float, float]], ...]
Rtl = Literal["full", "layers", "none"]
Method = Literal["minmax", "percentile", "entropy", "mse", "auto"]


@click.command(short_help="Model to verified chip: the whole line.")
@MODEL
@options.data
@options.chip
@options.folder("The folder to fill.  [default: build/MODEL]")
@options.rtl
@options.inputs
@options.shape
@options.quantizer
@options.state
@pictures.preprocessing
@options.strict
@click.option("--save-steps", is_flag=True, help="Also write the ONNX graph after every step to FOLDER/steps.")
@options.seed
@options.as_json
def build(
    model: Path,
    data: Path | None,
    chip: str | None,
    output: Path | None,
    rtl: Rtl,
    inputs: int,
    shape: Shapes,
    method: Method,
    bias_correction: bool | None,
    equalize: bool | None,
    keep_float: tuple[str, ...],
    input_ranges: Ranges,
    state: tuple[tuple[str, str], ...],
    preprocessing: "Preprocessing | None",
    strict: bool,
    save_steps: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Take MODEL through the whole line: program, Verilog, outputs, cycles, and the proof that they agree.

    MODEL: a file of ONNX (.onnx), PyTorch (.pt2), Keras (.keras, .h5) or TFLite (.tflite).
    """
    import lithify

    with Watch() as progress:
        result = lithify.build(
            model,
            output,
            chip=chip or "edge",
            data=data,
            shape=options.shapes(shape),
            method=method,
            bias_correction=bias_correction,
            equalize=equalize,
            keep_float=keep_float,
            input_ranges=dict(input_ranges),
            preprocessing=preprocessing,
            state=dict(state),
            rtl=rtl,
            inputs=inputs,
            strict=strict,
            save_steps=save_steps,
            seed=seed,
            progress=progress,
        )
    if as_json:
        emit(result.to_json())
    else:
        from lithify.report.terminal import show, summary_table

        show(summary_table(result))
        for sentence in (result.verify.first_difference, result.verify.first_retirement):
            if sentence:
                click.echo(sentence)
    return 0 if result.agreed else 1


@click.command(short_help="Read a model and show what it holds.")
@MODEL
@options.shape
@options.as_json
def load(model: Path, shape: Shapes, as_json: bool) -> None:
    """Read MODEL (.onnx, .pt2, .keras, .h5, .tflite), check it, and show what it holds."""
    import lithify
    from lithify.report.model import describe

    found = describe(lithify.load(model, shape=options.shapes(shape)))
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.terminal import model_table, show

        show(model_table(found))


@click.command(short_help="Fold, drop and fuse; ONNX to ONNX.")
@MODEL
@options.output(required=True, what="The optimised model (.onnx).")
@options.shape
@options.as_json
def optimize(model: Path, output: Path, shape: Shapes, as_json: bool) -> None:
    """Fold constants, drop dead code and fuse operators; ONNX to ONNX."""
    import lithify

    before = lithify.load(model, shape=options.shapes(shape))
    after = lithify.optimize(before)
    _save(after, output, as_json, f"{len(list(before.graph))} nodes became {len(list(after.graph))}")


@click.command(short_help="Make a model int8; ONNX to ONNX.")
@MODEL
@options.data
@options.output(required=True, what="The quantised model (.onnx, QDQ form).")
@options.shape
@options.quantizer
@options.state
@pictures.preprocessing
@options.seed
@options.as_json
def quantize(
    model: Path,
    data: Path | None,
    output: Path,
    shape: Shapes,
    method: Method,
    bias_correction: bool | None,
    equalize: bool | None,
    keep_float: tuple[str, ...],
    input_ranges: Ranges,
    state: tuple[tuple[str, str], ...],
    preprocessing: "Preprocessing | None",
    seed: int,
    as_json: bool,
) -> None:
    """Make the model int8: ranges from calibration data, weights per output channel.

    Shows each layer's error against the float model and, with --method auto, every way that was compared.
    """
    import lithify
    from lithify.flow import quantize_with_choice
    from lithify.quantize import is_quantized
    from lithify.quantize.states import with_states
    from lithify.report.quantization import pictures_of, quantized_of

    made = quantize_with_choice(
        with_states(lithify.optimize(lithify.load(model, shape=options.shapes(shape))), dict(state)),
        data,
        method=method,
        bias_correction=bias_correction,
        equalize=equalize,
        keep_float=keep_float,
        input_ranges=dict(input_ranges),
        preprocessing=preprocessing,
        seed=seed,
    )
    found, steps = quantized_of(made), pictures_of(made.chain)
    how = "calibrated with " + (str(data) if data else f"random input (seed {seed})")
    extra = {
        "quantization": found.to_json() if found is not None else None,
        "preprocessing": steps.to_json() if steps is not None else None,
    }
    kept = "quantised already; its bits are kept" if is_quantized(made.model) else "nothing of it becomes int8"
    _save(made.model, output, as_json, kept if found is None else how, extra)
    if as_json:
        return
    if steps is not None:
        click.echo(f"pictures: {', '.join(f'{step.what} {step.value}' for step in steps.steps)}. {steps.normalization}")
    if found is not None:
        from lithify.report.terminal import quantization_table, show, trials_table

        if found.trials:
            show(trials_table(found))
        show(quantization_table(found))


@click.command(short_help="Compile a quantised model for a chip.")
@MODEL
@options.chip
@options.output(required=True, what="The program (.lith).")
@options.shape
@options.strict
@options.as_json
def compile(model: Path, chip: str | None, output: Path, shape: Shapes, strict: bool, as_json: bool) -> None:
    """Compile a quantised MODEL (.onnx in QDQ form, .tflite in int8, .pt2) to a program for a chip."""
    import lithify

    loaded = lithify.load(model, shape=options.shapes(shape))
    if model.suffix != ".onnx":  # as another framework lays it out
        loaded = lithify.optimize(loaded)
    made = lithify.compile(loaded, chip=chip or "edge", strict=strict)
    made.save(output)
    facts = {
        "program": str(output),
        "chip": made.chip.name,
        "instruction_bytes": len(made.instructions),
        "constant_bytes": len(made.constants),
        "layers": len(made.layers),
        "host_nodes": list(made.host_nodes),
    }
    if as_json:
        emit(facts)
    else:
        host = ", ".join(made.host_nodes) or "nothing"
        click.echo(
            f"{output}: {len(made.layers)} layers for {made.chip.name}, {len(made.instructions):,} bytes of "
            f"instructions, {len(made.constants):,} bytes of constants; on the host: {host}"
        )


@click.command(short_help="Run a program on inputs.")
@PROGRAM
@click.argument("inputs", type=options.PATH, nargs=-1, required=True)
@options.output(what="Write the outputs to an .npz file.")
@click.option(
    "--device",
    default="sim",
    metavar="NAME",
    help="What executes the program: sim, timing, rtl, several as sim:0-3, a board as fpga:PORT, or as frameworks "
    "write it, asic:0 or /device:ASIC:0.  [default: sim]",
)
@options.as_json
def run(program: Path, inputs: tuple[Path, ...], output: Path | None, device: str, as_json: bool) -> None:
    """Run a compiled program on INPUTS: one .npy file for each input of the network, an .npz that names them, or
    pictures and folders of them, where the program carries a preprocessing.
    """
    from lithify.cli.samples import read_files
    from lithify.program import Program

    loaded = Program.load(program)
    found = loaded.run_samples(read_files(inputs, loaded.model_inputs, loaded.pictures), device=device)
    outputs = dict(zip(loaded.outputs, found, strict=True))
    if output is not None:
        from lithify.folder import write_arrays

        write_arrays(output, outputs)
    if as_json:
        emit({name: array.tolist() for name, array in outputs.items()} if output is None else {"outputs": str(output)})
    else:
        from lithify.report.terminal import arrays_text

        click.echo(arrays_text(outputs))


@click.command(short_help="Count a program's cycles, exactly.")
@PROGRAM
@options.chip
@options.output(what="Write every retirement (queue, cycle) to an .npz file.")
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=None,
    help="Samples of a program's batch, 1 to all.  [default: all]",
)
@options.as_json
def simulate(program: Path, chip: str | None, output: Path | None, samples: int | None, as_json: bool) -> None:
    """Count the cycles of a compiled program, exactly."""
    from lithify.program import Program

    loaded = Program.load(program, chip=chip)
    found = loaded.simulate(samples)
    if output is not None:
        from lithify.folder import write_arrays

        write_arrays(output, found.arrays())
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.terminal import layers_table, show, simulation_table

        show(simulation_table(found), layers_table(found.layers, found.cycles))


@click.command(short_help="Prove reference = functional = RTL.")
@click.argument("target", type=options.PATH)
@click.option(
    "--model", type=options.PATH, default=None, help="The quantised model, where it does not lie beside TARGET."
)
@options.chip
@options.data
@options.rtl
@options.inputs
@options.seed
@click.option("--gates", is_flag=True, help="Run the chip's netlist, mapped by Yosys, in place of its RTL.")
@click.option(
    "--pdk", type=options.PATH, default=None, metavar="FOLDER", help="The process kit to map to.  [default: any gates]"
)
@options.as_json
def verify(
    target: Path,
    model: Path | None,
    chip: str | None,
    data: Path | None,
    rtl: Rtl,
    inputs: int,
    seed: int,
    gates: bool,
    pdk: Path | None,
    as_json: bool,
) -> int:
    """Prove reference = functional = RTL and timing = RTL for TARGET: a build folder or a program (.lith).

    Exit status 1 and the first difference (layer, tensor, index, both values, instruction) where they do not agree.
    """
    from lithify.program import Program

    with Watch() as progress:
        program = Program.load(target, chip=chip, model=model)
        with Stages(progress, 1)("verify"):
            result = program.verify(data, rtl=rtl, count=inputs, seed=seed, gates=gates, pdk=pdk, progress=progress)
    if as_json:
        emit(result.to_json())
    else:
        from lithify.report.terminal import show, verification_table

        show(verification_table(result.summary))
        if gates:
            click.echo("RTL: here the chip's netlist, gate by gate, without delays.")
        for difference in result.differences:
            click.echo(difference.sentence)
        if result.summary.first_retirement:
            click.echo(result.summary.first_retirement)
    return 0 if result.agreed else 1


def _save(model: Any, output: Path, as_json: bool, text: str, extra: Mapping[str, Any] = MappingProxyType({})) -> None:
    from lithify.frontend import save
    from lithify.report.model import describe

    save(model, output)
    if as_json:
        emit({"model": str(output), **describe(model).to_json(), **extra})
    else:
        click.echo(f"{output}: {text}")


COMMANDS = (build, load, optimize, quantize, compile, run, simulate, verify)
