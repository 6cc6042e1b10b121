"""Rows of tables chosen by indices that come with each run: embeddings and other Gathers, in every view."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from compiler.compiled import CHIPS, check
from compiler.test_rows import WITH_UNIT, device
from lithify.compiler import compile_graph
from lithify.errors import LithifyError
from lithify.isa.program import Program
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.networks import transformer
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.program import from_compiled
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.quantize.data import Input
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import make_node
from lithify.runtime import run
from lithify.sim.inference import moved_bytes, simulate
from lithify.verify import verify

STEP = np.float32(0.1)


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, "int8", STEP, 3)


def gather(table: tuple[int, ...], indices: tuple[int, ...], kind: str, axis: int = 0, dtype: str = "int64") -> Graph:
    """A Gather from a constant, an input or a sum, followed by a sum; with a second one of the same indices."""
    shape = (*table[:axis], *indices, *table[axis + 1 :])
    tensors = {"table": tensor("table", *table), "ids": Tensor("ids", indices, dtype)}
    tensors |= {name: tensor(name, *shape) for name in ("rows", "z", "y")}
    nodes: list[Node] = []
    inputs, constants, read_from = ["ids", "z"], {}, "table"
    if kind == "constant":
        constants["table"] = np.random.default_rng(0).integers(-128, 128, table).astype(np.int8)
    else:
        inputs.append("table")
    if kind == "sum":
        tensors["doubled"] = Tensor("doubled", table, "int8", np.float32(0.2), -5)
        tensors["rows"] = Tensor("rows", shape, "int8", np.float32(0.2), -5)
        nodes.append(make_node("double", "Add", ("table", "table"), ("doubled",)))
        read_from = "doubled"
    nodes.append(make_node("gather", "Gather", (read_from, "ids"), ("rows",), axis=axis))
    nodes.append(make_node("add", "Add", ("rows", "z"), ("y",)))
    outputs = ("y", "doubled") if kind == "sum" else ("y", "rows")
    return Graph("g", tuple(inputs), outputs, tensors, constants, tuple(nodes))


def values(graph: Graph, seed: int = 5) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    (table,) = (graph.tensors[node.inputs[0]] for node in graph.nodes if node.operator == "Gather")
    axis = next(node.attributes["axis"] for node in graph.nodes if node.operator == "Gather")
    found: dict[str, NDArray[Any]] = {}
    for name in graph.inputs:
        own = graph.tensors[name]
        low, high = (-128, 128) if own.dtype == "int8" else (-table.shape[axis], table.shape[axis])
        found[name] = random.integers(low, high, own.shape).astype(own.dtype)
    return found


SHAPES: Mapping[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    "one": ((7, 12), (1,), 0),
    "tokens": ((50, 24), (1, 21), 0),
    "wide rows": ((9, 700), (3, 5), 0),
    "entries of rows": ((6, 3, 20), (11,), 0),
    "behind a batch of one": ((1, 13, 33), (9,), 1),
    "a scalar": ((5, 40), (), 0),
}


@pytest.mark.parametrize("kind", ["constant", "input", "sum"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("chip", ["tiny", "edge", "small", "wide", "ports"])
def test_rows_that_indices_choose(chip: str, shape: str, kind: str) -> None:
    table, indices, axis = SHAPES[shape]
    graph = gather(table, indices, kind, axis, "int32" if kind == "input" else "int64")
    compilation = check(graph, CHIPS[chip], values(graph))
    assert not compilation.reasons
    assert len(compilation.segments) == 1


def test_known_indices_in_no_order_are_a_list_of_the_program() -> None:
    graph = gather((50, 24), (3, 7), "constant")
    ids = values(graph)["ids"]
    constants = {**graph.constants, "ids": ids}
    known = Graph("g", ("z",), graph.outputs, graph.tensors, constants, graph.nodes)
    compilation = check(known, CHIPS["tiny"], {"z": values(graph)["z"]})
    assert not compilation.reasons and not compilation.segments[0].lists


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (
            gather((4, 6), (3,), "input", 1),
            "it gathers along dimension 1 of (4, 6), and rows lie along the first alone",
        ),
        (gather((6,), (3,), "input"), "it gathers single numbers of 'table', and the chip whole rows"),
        (gather((6, 4, 5), (2, 3), "input"), "it gathers images, whose channels the chip has last"),
    ],
)
def test_what_no_list_leads_to_runs_on_the_host(graph: Graph, reason: str) -> None:
    assert dict(check(graph, CHIPS["tiny"], values(graph)).reasons) == {"gather": reason}


def test_a_chip_without_the_unit_gathers_on_the_host() -> None:
    graph = gather((50, 24), (7,), "constant")
    reasons = dict(check(graph, CHIPS["bare"], values(graph)).reasons)
    assert reasons["gather"] == "chip 'bare' is built without the unit gather"


def test_an_index_that_chooses_nothing_is_refused_before_the_launch() -> None:
    graph = gather((50, 24), (2, 3), "constant")
    program = compile_graph(graph, CHIPS["tiny"])
    given = values(graph)
    for wrong in (50, -51, 2**31):
        given["ids"][1, 2] = wrong
        with pytest.raises(LithifyError) as caught:
            run(program, given)
        assert str(caught.value) == (
            f"'ids' holds {wrong} at [1, 2], which chooses nothing of 50 entries; give indices from -50 to 49."
        )


def embedded_encoder(tokens: int, width: int, heads: int, words: int) -> ir.Model:
    """Token ids -> embedding + places -> normalisation -> one layer of BERT."""
    net = Builder("embedded", (1, tokens, width), 0)
    model = net.model(tuple(transformer.bert(net, 1, heads)))
    graph, random = model.graph, np.random.default_rng(3)
    ids = ir.Value(name="ids", type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape((1, tokens)))
    parts = {"words": random.normal(0, 1, (words, width)), "places": random.normal(0, 0.5, (1, tokens, width))}
    known = []
    for name, data in parts.items():
        value = ir.Value(name=name, const_value=ir.tensor(data.astype(np.float32), name=name))
        value.shape, value.type = ir.Shape(data.shape), ir.TensorType(ir.DataType.FLOAT)
        graph.initializers[name] = value
        known.append(value)
    chosen = ir.node("Gather", [known[0], ids], name="embedding")
    placed = ir.node("Add", [chosen.outputs[0], known[1]], name="placed")
    for node in (chosen, placed):
        node.outputs[0].name = f"{node.name}_out"
        node.outputs[0].type, node.outputs[0].shape = net.input.type, net.input.shape
    net.input.replace_all_uses_with(placed.outputs[0])
    graph.insert_before(graph[0], [chosen, placed])
    graph.inputs[0] = ids
    return model


def quantized_encoder() -> Graph:
    model = optimize(embedded_encoder(16, 32, 2, 40))
    return read(quantize(model, seeded(inputs_of(model), 4)))


def test_an_encoder_runs_from_its_tokens() -> None:
    graph = quantized_encoder()
    ids = np.random.default_rng(1).integers(-40, 40, (1, 16))
    compilation = check(graph, WITH_UNIT["tiny"], {"ids": ids})
    assert not compilation.reasons and len(compilation.segments) == 1
    program = from_compiled(compilation.program)
    assert program.host_nodes == () and program.model_inputs == (Input("ids", (1, 16), "int64", 40),)


@pytest.mark.slow
def test_an_encoder_from_its_tokens_agrees_in_rtl() -> None:
    """Reference, functional simulator and RTL on every bit of every tensor, timing simulator and RTL on every cycle."""
    graph = quantized_encoder()
    program = compile_graph(graph, WITH_UNIT["tiny"])
    result = verify(program, graph, seeded(inputs(program), 4), rtl="layers", device=device("tiny"))
    assert result.agreed, result


def inputs(program: Program) -> tuple[Input, ...]:
    return from_compiled(program).model_inputs


def test_a_program_with_lists_is_saved_and_loaded(tmp_path: Any) -> None:
    graph = gather((50, 24), (2, 3), "constant")
    program = from_compiled(compile_graph(graph, CHIPS["tiny"]))
    program.save(tmp_path / "g.lith")
    loaded = type(program).load(tmp_path / "g.lith")
    assert loaded.segments == program.segments and "list ids" in loaded.disassemble()
    given = values(graph)
    for one, other in zip(run(loaded, given).outputs, run(program, given).outputs, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("shape", "kind"), [("tokens", "constant"), ("entries of rows", "sum"), ("wide rows", "sum")])
def test_gathers_agree_in_rtl(shape: str, kind: str) -> None:
    table, indices, axis = SHAPES[shape]
    program = compile_graph(gather(table, indices, kind, axis), CHIPS["tiny"])
    result = verify(program, gather(table, indices, kind, axis), seeded(inputs(program), 3), rtl="full")
    assert result.agreed, result


def test_the_bytes_of_lists_and_rows_are_counted() -> None:
    """What is not of a transfer is the program itself, in bursts of 128 bytes."""
    graph = gather((50, 24), (1, 21), "constant")
    program = compile_graph(graph, CHIPS["tiny"])
    (segment,) = chip_segments(program)
    moved = sum(moved_bytes(program.chip, entry) for entry in segment_instructions(program, segment))
    fetched = simulate(program).dram_bytes - moved
    assert 0 < fetched <= segment.size and fetched % 128 == 0
