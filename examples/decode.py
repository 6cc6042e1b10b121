"""A small GPT writes tokens on a chip: one program, keys and values in the chip's memory, one token after the other.

python examples/decode.py [--steps 16] [--chip edge] [--rtl 0]

Weights are random, so the text means nothing; the bits do: every step is compared with the reference, and `--rtl` runs
the last so many steps in the chip's own Verilog, cycles compared with the timing simulator.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

import lithify
from lithify.networks.decoder import decoder, states
from lithify.program import Program
from lithify.reference.evaluate import run as by_reference
from lithify.runtime import run
from lithify.runtime.chip import RtlDevice

Array = NDArray[Any]
LAYERS, WIDTH, HEADS, LENGTH, VOCABULARY, FIRST = 2, 64, 4, 64, 128, 7


def float_steps(model: ir.Model, steps: int) -> Iterator[Mapping[str, Array]]:
    """What the float network is given at each step when it writes by itself: samples to calibrate with."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)
    names = [value.name for value in session.get_outputs()]
    given: dict[str, Array] = {name: np.zeros((1, LENGTH, WIDTH), np.float32) for name in states(LAYERS)}
    token = np.array([[FIRST]])
    for position in range(steps):
        feed = {"tokens": token, "position": np.array([position]), **given}
        yield feed
        made = dict(zip(names, session.run(None, feed), strict=True))
        given = {name: made[output] for name, output in states(LAYERS).items()}
        token = made["scores"].argmax(-1)


def compiled(chip: str) -> Program:
    """The program: nothing of it runs on the host."""
    model = decoder(LAYERS, WIDTH, HEADS, LENGTH, VOCABULARY)
    quantized = lithify.quantize(
        lithify.optimize(lithify.load(model)), list(float_steps(model, LENGTH)), state=states(LAYERS)
    )
    return lithify.compile(quantized, chip, strict=True)


def write(program: Program, steps: int, in_rtl: int = 0) -> Iterator[tuple[int, int, int]]:
    """Position, token and cycles of every step. Ends the process where a bit or a cycle is not the expected one."""
    assert program.graph is not None
    device = RtlDevice.of(program.chip, lambda text: print(text, file=sys.stderr)) if in_rtl else None
    kept = {state.input: np.zeros(program.graph.tensors[state.input].shape, np.float32) for state in program.states}
    program.reset()
    token = np.array([[FIRST]])
    for position in range(steps):
        feed = {"tokens": token, "position": np.array([position])}
        expected = by_reference(program.graph, {**feed, **kept})
        kept = {state.input: expected[state.output] for state in program.states}
        cycles = program.simulate(position=position).cycles
        if device is not None and position >= steps - in_rtl:
            outcome = run(program, feed, device, memory=program.dram)
            if outcome.cycles != cycles:
                sys.exit(f"Step {position} took {outcome.cycles} cycles in RTL and {cycles} in the timing simulator.")
            (scores,) = outcome.outputs
        else:
            (scores,) = program.run(*feed.values())
        if not np.array_equal(scores, expected["scores"]):
            sys.exit(f"Step {position} differs from the reference.")
        token = scores.argmax(-1)
        yield position, int(token[0, 0]), cycles


def main(arguments: list[str] | None = None) -> None:
    """Writes tokens and prints what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=16, help=f"tokens to write, at most {LENGTH}")
    parser.add_argument("--chip", default="edge", help="a preset or a chip description")
    parser.add_argument("--rtl", type=int, default=0, help="how many of the last steps run in the chip's Verilog")
    options = parser.parse_args(arguments)
    if not 0 < options.steps <= LENGTH:
        parser.error(f"{options.steps} steps were asked for, and the network takes 1 to {LENGTH} tokens")
    program = compiled(options.chip)
    print("position  token  cycles")
    for position, token, cycles in write(program, options.steps, options.rtl):
        print(f"{position:8}  {token:5}  {cycles:,}")


if __name__ == "__main__":
    main()
