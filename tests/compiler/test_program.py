"""The program of a small network: every tensor is right, every token is needed, and the text is as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.compiler.compiled import CHIPS, check, make_chip
from tests.compiler.small_graph import residual_network

from lithify.chip import load_chip
from lithify.compiler import compile_graph, compile_with_reasons
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue
from lithify.isa.listing import listing
from lithify.isa.program import ChipSegment, Conversion, HostSegment
from lithify.isa.sequence import all_instructions, chip_segments, segment_instructions
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.sim.functional.order import check_order

GOLDEN = Path(__file__).parent / "small_on_tiny.txt"


def image() -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(2).normal(0, 3, (1, 3, 8, 8)).astype(np.float32)}


@pytest.mark.parametrize("chip", CHIPS)
def test_every_tensor_equals_the_reference(chip: str) -> None:
    check(residual_network(), CHIPS[chip], image())


def test_listing_is_as_it_was() -> None:
    """A change of the program shows here; if it is meant, write the file anew from `listing`."""
    assert listing(compile_graph(residual_network(), load_chip("tiny"))) == GOLDEN.read_text(encoding="utf-8")


def test_what_a_program_holds() -> None:
    program = compile_graph(residual_network(), load_chip("edge"))
    kinds = [type(segment) for segment in program.segments]
    assert kinds == [Conversion, ChipSegment, Conversion]
    assert program.aliases == {"f": "e"}
    assert program.fused == ("c",)
    assert program.inputs == ("image",) and program.outputs == ("scores",)
    assert [(layer.name, layer.operator, layer.macs) for layer in program.layers] == [
        ("first", "Conv", 16 * 27 * 64),
        ("depthwise", "Conv", 16 * 9 * 64),
        ("pointwise", "Conv", 16 * 16 * 64),
        ("pool", "MaxPool", 0),
        ("dense", "Gemm", 2560),
    ]
    instructions = all_instructions(program)
    for result in program.results:
        assert instructions[result.instruction].operation.queue is Queue.COMPUTE
    computes = [index for index, entry in enumerate(instructions) if entry.operation.queue is Queue.COMPUTE]
    assert computes == [result.instruction for result in program.results]
    (segment,) = chip_segments(program)
    assert segment.start % 128 == 0 and segment.size % 128 == 0
    for placement in (*segment.inputs, *segment.outputs):
        assert placement.offset % 128 == 0
    assert segment.inputs[0].pixel_bytes == 3, "an input of three channels is read as packed rows"


@pytest.mark.parametrize("chip", ["tiny", "small"])
def test_every_token_is_needed(chip: str) -> None:
    """Without any one of its tokens the program is not in order any more."""
    program = compile_graph(residual_network(), CHIPS[chip])
    (segment,) = chip_segments(program)
    instructions = segment_instructions(program, segment)
    check_order(CHIPS[chip], instructions)
    tried = 0
    for taker, entry in enumerate(instructions):
        for giver in Queue:
            if entry.integer("wait") >> giver & 1:
                tried += 1
                if tried % 7 == 1:
                    with pytest.raises(LithifyError):
                        check_order(CHIPS[chip], without_token(instructions, taker, giver))
    assert tried > 2


def without_token(instructions: tuple[Instruction, ...], taker: int, giver: Queue) -> list[Instruction]:
    """The program without one wait of instruction `taker` for queue `giver` and the signal that it pairs with."""
    receiver = instructions[taker].operation.queue
    assert receiver is not None
    waits = [i for i, e in enumerate(instructions) if e.operation.queue is receiver and e.integer("wait") >> giver & 1]
    gives = [
        i for i, e in enumerate(instructions) if e.operation.queue is giver and e.integer("signal") >> receiver & 1
    ]
    sender = gives[waits.index(taker)]
    changed = list(instructions)
    changed[taker] = without_bit(changed[taker], "wait", giver)
    changed[sender] = without_bit(changed[sender], "signal", receiver)
    return changed


def without_bit(entry: Instruction, field: str, queue: Queue) -> Instruction:
    return replace(entry, values={**entry.values, field: entry.integer(field) & ~(1 << queue)})


def test_what_the_chip_lacks_runs_on_the_host_by_name() -> None:
    compilation = compile_with_reasons(residual_network(), CHIPS["bare"])
    assert compilation.reasons == {
        "add": "chip 'bare' is built without the unit add",
        "pool": "chip 'bare' is built without the unit max_pool",
    }
    hosts = [segment for segment in compilation.program.segments if isinstance(segment, HostSegment)]
    assert [(segment.name, segment.operators) for segment in hosts] == [("add", ("Add",)), ("pool", ("MaxPool",))]


def test_batches_run_on_the_chip_and_tiny_multipliers_on_the_host() -> None:
    random = np.random.default_rng(4)
    weights = random.integers(-9, 9, (4, 2, 3, 3)).astype(np.int8)

    def graph(batch: int, x_scale: float) -> Graph:
        scale = np.float32(x_scale).reshape(())
        tensors = {
            "x": Tensor("x", (batch, 2, 5, 5), "int8", scale, 3),
            "w": Tensor("w", weights.shape, "int8", np.float32(1e-20).reshape(())),
            "y": Tensor("y", (batch, 4, 3, 3), "int8", np.float32(1.0).reshape(()), 0),
        }
        return Graph("one", ("x",), ("y",), tensors, {"w": weights}, (make_node("c", "Conv", ("x", "w", ""), ("y",)),))

    x = {"x": random.integers(-128, 128, (2, 2, 5, 5)).astype(np.int8)}
    assert check(graph(2, 1e18), CHIPS["edge"], x).reasons == {}
    x = {"x": x["x"][:1]}
    assert check(graph(1, 1e-19), CHIPS["edge"], x).reasons == {
        "c": "the multiplier of 'c' is 1e-39, below the smallest normal float32"
    }
    assert check(graph(1, 1e18), CHIPS["edge"], x).reasons == {}


def test_a_reshape_that_moves_no_element_costs_nothing() -> None:
    """A matrix of one column is an image of one channel; of several it is not, and its reshape goes by the host."""
    scale = np.float32(1).reshape(())
    for columns, segments in ((1, [ChipSegment]), (3, [Conversion, ChipSegment])):
        shape = (1, columns, 1, 6)
        tensors = {
            "x": Tensor("x", (6, columns), "int8", scale),
            "r": Tensor("r", shape, "int8", scale),
            "y": Tensor("y", shape, "int8", scale),
        }
        nodes = (
            make_node("reshape", "Reshape", ("x",), ("r",), shape=shape),
            make_node("clip", "Clip", ("r",), ("y",), minimum=-20, maximum=20),
        )
        graph = Graph("reshape", ("x",), ("y",), tensors, {}, nodes)
        values = np.random.default_rng(5).integers(-128, 128, (6, columns)).astype(np.int8)
        compilation = check(graph, CHIPS["tiny"], {"x": values})
        assert [type(segment) for segment in compilation.program.segments] == segments


def test_a_chip_too_small_is_refused_with_what_it_lacks() -> None:
    chip = make_chip("crumb", 128, 128, 2, 1, 8, 5, 4, 2)
    with pytest.raises(LithifyError) as error:
        compile_graph(residual_network(), chip)
    assert str(error.value) == (
        "Chip 'crumb' is too small for one tile of layer 'first': it needs 17408 bytes of scratchpad for weights, "
        "and has 5120; give it more `scratchpad_bytes`."
    )
