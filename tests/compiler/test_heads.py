"""Heads of attention: slices of other tensors' channels as operands and results of products."""

import numpy as np
import pytest

from compiler.compiled import CHIPS, check
from compiler.random_graphs import Drawing, draw
from lithify.chip import Chip
from lithify.compiler import Compilation, compile_graph
from lithify.quantize.data import Input, seeded
from lithify.reference.graph import Graph, Tensor
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify
from reference.random_layers import int8


def attention(seed: int, tokens: int, width: int, heads: int, kept: bool = False) -> Graph:
    """Scores, and their product with V without a Softmax between, as ONNX writes the heads.

    kept: the heads of Q are an output too.
    """
    drawing = Drawing(np.random.default_rng(seed))
    x = drawing.tensor((tokens, width))
    each = width // heads

    def product(x: Tensor) -> Tensor:
        return drawing.add("Gemm", (x.name, *drawing.products(width, width)))

    def split(x: Tensor, *perm: int) -> Tensor:
        parted = drawing.add("Reshape", (x.name,), True, shape=(1, tokens, heads, each))
        turned = drawing.add("Transpose", (parted.name,), True, perm=perm)
        return drawing.add("Reshape", (turned.name,), True, shape=(heads, *turned.shape[2:]))

    def scaled(y: Tensor, *operands: Tensor) -> Tensor:
        about = np.array(75 * 75 * np.sqrt(operands[0].shape[-1]) / 60, np.float32)
        for operand in operands:
            about = about * np.float32(operand.scale)
        drawing.tensors[y.name] = Tensor(y.name, y.shape, y.dtype, about, y.zero_point)
        return drawing.tensors[y.name]

    q, k, v = split(product(x), 0, 2, 1, 3), split(product(x), 0, 2, 1, 3), split(product(x), 0, 2, 3, 1)
    scores = scaled(drawing.add("MatMul", (q.name, k.name)), q, k)
    mixed = scaled(drawing.add("MatMul", (scores.name, v.name)), scores, v)
    apart = drawing.add("Reshape", (mixed.name,), True, shape=(1, heads, tokens, each))
    together = drawing.add("Transpose", (apart.name,), True, perm=(0, 2, 1, 3))
    flat = drawing.add("Reshape", (together.name,), True, shape=(tokens, width))
    y = product(flat)
    outputs = (y.name, q.name) if kept else (y.name,)
    return Graph("attention", (x.name,), outputs, drawing.tensors, drawing.constants, tuple(drawing.nodes))


def checked(graph: Graph, chip: Chip) -> Compilation:
    inputs = {name: int8(np.random.default_rng(1), graph.tensors[name].shape) for name in graph.inputs}
    compilation = check(graph, chip, inputs)
    assert not compilation.reasons
    return compilation


def operators(compilation: Compilation) -> set[str]:
    """The operators whose operations the chip runs."""
    return {operation.operator for segment in compilation.segments for operation in segment.operations}


@pytest.mark.parametrize("chip", [name for name in CHIPS if name != "least"])
def test_heads_of_whole_words_cost_nothing(chip: str) -> None:
    """Only V is turned, by an operation for each head; Q, K and the results lie where they are made."""
    compilation = checked(attention(61, 12, 64, 2), CHIPS[chip])
    (segment,) = compilation.segments
    moved = [operation for operation in segment.operations if operation.operator == "Reshape"]
    assert len(moved) == 2 and all(operation.x.name.startswith("identity") for operation in moved)
    assert sum(operation.operator == "MatMul" for operation in segment.operations) == 4
    assert operators(compilation) == {"Gemm", "MatMul", "Reshape"}


@pytest.mark.parametrize("chip", ["tiny", "edge", "wide"])
def test_heads_that_share_a_word_are_moved(chip: str) -> None:
    checked(attention(62, 9, 24, 2), CHIPS[chip])


def test_heads_that_others_read_too_are_made() -> None:
    graph = attention(63, 10, 32, 2, kept=True)
    compilation = checked(graph, CHIPS["tiny"])
    assert graph.outputs[1] not in compilation.program.fused


@pytest.mark.parametrize(("tokens", "width", "heads"), [(1, 32, 2), (17, 16, 1), (5, 136, 1), (33, 48, 3)])
def test_sizes(tokens: int, width: int, heads: int) -> None:
    """One token, one head, more channels than one operation turns, a last word of tokens that is not full."""
    checked(attention(64, tokens, width, heads), CHIPS["tiny"])


def test_a_transpose_of_matrices_is_a_product() -> None:
    drawing = Drawing(np.random.default_rng(65))
    x = drawing.tensor((3, 20, 70))
    made = drawing.add("Gemm", (x.name, *drawing.products(70, 70)))
    y = drawing.add("Transpose", (made.name,), True, perm=(0, 2, 1))
    graph = Graph("turned", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    (segment,) = checked(graph, CHIPS["tiny"]).segments
    assert [operation.x.channels for operation in segment.operations] == [70, *(64, 6) * 3]


@pytest.mark.slow
def test_attention_agrees_in_rtl() -> None:
    device = RtlDevice.of(CHIPS["tiny"], lambda note: None)
    for graph in (attention(66, 12, 32, 2), attention(67, 9, 24, 2)):
        program = compile_graph(graph, CHIPS["tiny"])
        inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
        result = verify(program, graph, seeded(inputs, 4), rtl="layers", device=device)
        assert result.agreed, result


def random_products(chip: str, numbers: range) -> None:
    for number in numbers:
        random = np.random.default_rng((68, number))
        graph = draw(random, int(random.integers(2, 7)), matrices=True)
        check(graph, CHIPS[chip], {name: int8(random, graph.tensors[name].shape) for name in graph.inputs})


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["tiny", "edge"])
def test_random_products(chip: str) -> None:
    random_products(chip, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("chip", [name for name in CHIPS if name != "least"])
def test_many_random_products(chip: str) -> None:
    random_products(chip, range(40))


@pytest.mark.slow
def test_random_products_agree_in_rtl() -> None:
    device = RtlDevice.of(CHIPS["tiny"], lambda note: None)
    for number in range(5):
        random = np.random.default_rng((69, number))
        graph = draw(random, int(random.integers(2, 7)), matrices=True)
        program = compile_graph(graph, CHIPS["tiny"])
        inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
        result = verify(program, graph, seeded(inputs, 3), rtl="layers", device=device)
        assert result.agreed, result


def test_a_table_that_changes_nothing_is_no_work() -> None:
    """Another scale for the same integers, before a product, behind one, on an input and as an output."""
    drawing = Drawing(np.random.default_rng(70))
    x = drawing.tensor((6, 32))
    table = drawing.constant(np.arange(-128, 128).astype(np.int8), None)
    first = drawing.add("Lookup", (x.name, table))
    made = drawing.add("Gemm", (first.name, *drawing.products(32, 32)))
    scaled = drawing.add("Lookup", (made.name, table))
    product = drawing.add("MatMul", (made.name, scaled.name))
    last = drawing.add("Lookup", (product.name, table))
    nodes = tuple(drawing.nodes)
    graph = Graph("scales", (x.name,), (scaled.name, last.name), drawing.tensors, drawing.constants, nodes)
    compilation = checked(graph, CHIPS["tiny"])
    assert operators(compilation) == {"Gemm", "MatMul"}
    assert set(compilation.program.aliases) == {first.name, scaled.name, last.name}
