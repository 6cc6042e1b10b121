"""Recurrent networks: cycles of a step, and what int8 costs in accuracy. Writes docs/recurrent.md.

python benchmarks/recurrent.py
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import lithify
from lithify.chip import load_chip
from lithify.program import Program
from lithify.reference.evaluate import run as by_reference

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "recurrent.md"
CHIP = HERE / "chips" / "mac256.toml"
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def network(operator: str, hidden: int, steps: int, inputs: int | None = None) -> onnx.ModelProto:
    """One recurrent operator over `steps` steps, batch 1, its states inputs and outputs of the network.

    Weights as PyTorch begins with: uniform within 1 / sqrt(hidden); an LSTM's forget gate has a bias of 1 more.
    """
    random, inputs, gates = np.random.default_rng(0), inputs or hidden, GATES[operator]
    reach = 1 / math.sqrt(hidden)
    weights = {
        "w": random.uniform(-reach, reach, (1, gates * hidden, inputs)),
        "r": random.uniform(-reach, reach, (1, gates * hidden, hidden)),
        "b": random.uniform(-reach, reach, (1, 2 * gates * hidden)),
    }
    if operator == "LSTM":
        weights["b"][0, 2 * hidden : 3 * hidden] += 1
    state, y = [1, 1, hidden], [steps, 1, 1, hidden]
    names = ["h", "c"] if operator == "LSTM" else ["h"]
    node = helper.make_node(
        operator,
        ["x", "w", "r", "b", "", *names],
        ["y", *(f"{name}_after" for name in names)],
        "cell",
        hidden_size=hidden,
        **({"linear_before_reset": 1} if operator == "GRU" else {}),
    )
    graph = helper.make_graph(
        [node],
        operator.lower(),
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, 1, inputs])]
        + [helper.make_tensor_value_info(name, TensorProto.FLOAT, state) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)]
        + [helper.make_tensor_value_info(f"{name}_after", TensorProto.FLOAT, state) for name in names],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def calls(proto: onnx.ModelProto, count: int, seed: int) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
    """Calls of the float network one after the other, each with the state that the one before ended with."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(seed)
    x, *states = session.get_inputs()
    carried = {entry.name: np.zeros(entry.shape, np.float32) for entry in states}
    for _ in range(count):
        given = {"x": random.normal(0, 1, x.shape).astype(np.float32), **carried}
        made = session.run(None, given)
        yield given, made
        carried = dict(zip(carried, made[1:], strict=True))


def program_of(proto: onnx.ModelProto) -> Program:
    """Calibrated on 32 calls of one long sequence, with the states that it has on the way."""
    samples = [given for given, _ in calls(proto, 32, 1)]
    model = lithify.optimize(lithify.load(proto))
    return lithify.compile(lithify.quantize(model, samples), CHIP, strict=True)


def call_row(operator: str, hidden: int) -> str:
    """A call of one step: all weights come from DRAM."""
    cycles = program_of(network(operator, hidden, 1)).simulate().cycles
    bound = 2 * GATES[operator] * hidden**2 / load_chip(CHIP).dram_bytes_per_cycle
    return f"| {operator} {hidden} | {cycles:,} | {bound:,.0f} (bytes) | {bound / cycles:.1%} |\n"


def step_row(operator: str, hidden: int) -> str:
    """One more step of a long call: the difference between calls of 4 and 12 steps."""
    chip = load_chip(CHIP)
    short, long = (program_of(network(operator, hidden, steps)).simulate().cycles for steps in (4, 12))
    cycles, weights = (long - short) / 8, GATES[operator] * hidden**2
    # Beside them lie parameters, tables, and the states and gates, a bank each.
    fits = 4 * weights <= 3 * chip.scratchpad_bytes
    # Weights that fit are read 16 bytes a cycle; others come from DRAM again.
    bound = weights / chip.word_bytes if fits else weights / chip.dram_bytes_per_cycle
    what = "weight port" if fits else "bytes, nothing kept"
    return f"| {operator} {hidden} | {cycles:,.0f} | {bound:,.0f} ({what}) | {bound / cycles:.1%} |\n"


def error_row(operator: str, hidden: int) -> str:
    """What the chip gives over 200 steps, its state going from call to call, beside the float network."""
    proto = network(operator, hidden, 10, 64)
    graph = program_of(proto).graph
    names = list(graph.inputs)[1:]
    carried = {name: np.zeros(graph.tensors[name].shape, np.float32) for name in names}
    ratios, worst = [], 0.0
    for given, expected in calls(proto, 20, 2):
        found = by_reference(graph, {"x": given["x"], **carried})
        difference = found["y"] - expected[0]
        ratios.append(20 * math.log10(np.linalg.norm(expected[0]) / np.linalg.norm(difference)))
        worst = max(worst, float(np.abs(difference).max() / np.abs(expected[0]).max()))
        carried = {name: found[f"{name}_after"] for name in names}
    return f"| {operator} {hidden} | {ratios[0]:.1f} dB | {ratios[-1]:.1f} dB | {min(ratios):.1f} dB | {worst:.1%} |\n"


def figures() -> str:
    """The tables."""
    text = "| a call of one step | cycles | bound | reached |\n|---|---|---|---|\n"
    for hidden in (128, 256, 512, 1024):
        text += call_row("LSTM", hidden) + call_row("GRU", hidden)
    text += "\n| one more step of a call | cycles | bound | reached |\n|---|---|---|---|\n"
    for operator, hidden in (("LSTM", 128), ("GRU", 128), ("LSTM", 192), ("LSTM", 256), ("GRU", 256), ("LSTM", 512)):
        text += step_row(operator, hidden)
    text += "\n| signal to noise of y | first 10 steps | steps 191 to 200 | least | largest error of the range |\n"
    text += "|---|---|---|---|---|\n"
    for operator in ("LSTM", "GRU", "RNN"):
        for hidden in (32, 128):
            text += error_row(operator, hidden)
    return text


def main() -> None:
    """Writes the tables between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(f"{before}\n{figures()}{after}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
