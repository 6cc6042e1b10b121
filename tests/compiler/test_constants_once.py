"""Equal constants are stored once: in the program, in its file and in the chip's DRAM."""

from dataclasses import replace

import numpy as np
import pytest

from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.isa.file import from_bytes, to_bytes
from lithify.isa.link import fingerprint
from lithify.isa.operations import ISA_VERSION
from lithify.isa.registers import BY_NAME, DEVICE_ID
from lithify.reference.evaluate import run as by_reference
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.runtime import run
from lithify.runtime.driven import DrivenDevice
from lithify.runtime.driver import Driver

WIDTH = 192
"""Weights of a layer fill more than one load."""
STEP = np.float32(0.1)


def layers(*seeds: int) -> Graph:
    """Dense layers one after the other; the weights of equal seeds are equal."""
    tensors, constants, nodes, last = {"x": Tensor("x", (1, WIDTH), "int8", STEP, 0)}, {}, [], "x"
    for index, seed in enumerate(seeds):
        random = np.random.default_rng(seed)
        tensors[f"w{index}"] = Tensor(f"w{index}", (WIDTH, WIDTH), "int8", np.full(WIDTH, 1e-3, np.float32), 0)
        tensors[f"b{index}"] = Tensor(f"b{index}", (WIDTH,), "int32")
        tensors[f"y{index}"] = Tensor(f"y{index}", (1, WIDTH), "int8", STEP, 0)
        constants[f"w{index}"] = random.integers(-127, 128, (WIDTH, WIDTH), dtype=np.int8)
        constants[f"b{index}"] = random.integers(-500, 500, WIDTH, dtype=np.int32)
        nodes.append(make_node(f"layer{index}", "Gemm", (last, f"w{index}", f"b{index}"), (f"y{index}",)))
        last = f"y{index}"
    return Graph("layers", ("x",), (last,), tensors, constants, tuple(nodes))


class Memory:
    """A way to a chip that keeps what is brought, and says who it is."""

    place, memory_bytes = "the memory", 2**22

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint, self.brought = fingerprint, 0

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        self.brought += len(data)

    def read_registers(self, offset: int, words: int) -> tuple[int, ...]:
        return {BY_NAME["ID"].offset: (DEVICE_ID,), BY_NAME["VERSION"].offset: (ISA_VERSION,)}[offset]


@pytest.mark.parametrize("chip", ["tiny", "edge"])
@pytest.mark.parametrize("count", [2, 3])
def test_equal_layers_share_their_constants(chip: str, count: int) -> None:
    """However their loads are cut, which the neighbours decide."""
    alone, graph = compile_graph(layers(1), load_chip(chip)), layers(*[1] * count)
    program = compile_graph(graph, load_chip(chip))
    weights = graph.constants["w0"].nbytes
    assert abs(len(program.constants) - len(alone.constants)) < 128 * 8, "but for what fills up a multiple of 128"
    (x,) = (np.random.default_rng(9).integers(-128, 128, (1, WIDTH)).astype(np.int8),)
    expected = by_reference(graph, {"x": x})
    assert np.array_equal(run(program, [x]).outputs[0], expected[graph.outputs[0]])
    # Nor are there two in the file, or in the chip's DRAM.
    data = to_bytes(program)
    assert len(data) < 2 * weights + len(to_bytes(replace(program, constants=b"")))
    assert from_bytes(data, "net.lith").constants == program.constants
    memory = Memory(fingerprint(program.chip))
    DrivenDevice(Driver(memory), "memory")._load(program)  # type: ignore[arg-type]
    assert memory.brought == len(program.constants) + len(program.instructions)


def test_other_layers_do_not() -> None:
    chip = load_chip("tiny")
    one, two, three = (len(compile_graph(layers(*seeds), chip).constants) for seeds in ((1,), (1, 2), (1, 2, 1)))
    assert 2 * one <= two < 2 * one + 1024 and two <= three < two + 1024
