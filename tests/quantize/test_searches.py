"""ArgMax and ArgMin: the chip says where in its row an element lies, byte by byte; equal to ONNX Runtime's, exactly."""

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, by_reference, kinds

from compiler.compiled import check
from compiler.test_rows import WITH_UNIT, device
from lithify.compiler import compile_graph
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph
from lithify.verify import verify

VALUES = {"w": floats(1, 6, 5, 1, 1), "m": floats(2, 8, 300)}
IMAGE = "g (float[1, 5, 4, 7] x) => ({}) {{\n a = Conv(x, w)\n {} }}"
MATRIX = "g (float[7, 8] x) => ({}) {{\n a = MatMul(x, m)\n {} }}"
MODELS = {
    "classes of pixels": IMAGE.format("int64[1, 4, 7] y", "y = ArgMax<axis = 1, keepdims = 0>(a)"),
    "along rows": IMAGE.format("int64[1, 6, 1, 7] y", "y = ArgMin<axis = 2, select_last_index = 1>(a)"),
    "two bytes": MATRIX.format("int64[7] y", "y = ArgMax<axis = 1, keepdims = 0>(a)"),
    "the last of equal ones": MATRIX.format(
        "int64[7, 1] y", "b = Relu(a)\n y = ArgMin<axis = 1, select_last_index = 1>(b)"
    ),
    "as int32": MATRIX.format("int32[1, 300] y", "b = ArgMax(a)\n y = Cast<to = 6>(b)"),
    "of probabilities": MATRIX.format("int64[7, 1] y", "b = Softmax(a)\n y = ArgMax<axis = -1>(b)"),
}


def graph_of(text: str) -> tuple[ir.Model, Graph]:
    model = optimize(typed(text, VALUES))
    quantized = quantize(model, seeded(inputs_of(model), 8))
    return quantized, read(quantized)


@pytest.mark.parametrize("name", MODELS)
def test_searches(name: str) -> None:
    quantized, graph = graph_of(MODELS[name])
    agree(quantized, fused=False)
    assert "Host" not in kinds(graph) and "Softmax" not in kinds(graph)
    given = seeded(inputs_of(quantized), 1, seed=9)[0]
    made = check(graph, WITH_UNIT["small"], given)
    assert not made.reasons and sum("chip" in segment.name for segment in made.program.segments) == 1
    (found,) = by_reference(graph, given)
    assert len(np.unique(found)) > 1


def test_without_a_vector_unit_the_host_searches() -> None:
    quantized, graph = graph_of(MODELS["two bytes"])
    plain = WITH_UNIT["small"].model_copy(update={"vector_lanes": 0})
    made = check(graph, plain, seeded(inputs_of(quantized), 1)[0])
    assert {"ArgMax"} == {node.operator for node in graph.nodes if node.name in made.reasons}


@pytest.mark.slow
def test_searches_in_rtl() -> None:
    for name in MODELS:
        quantized, graph = graph_of(MODELS[name])
        program = compile_graph(graph, WITH_UNIT["tiny"])
        result = verify(program, graph, seeded(inputs_of(quantized), 2), rtl="full", device=device("tiny"))
        assert result.agreed and result.summary.cycles_rtl == result.summary.cycles_timing, name


def test_every_index_of_a_row() -> None:
    """Each index that two bytes hold, of rows in which one element is the largest."""
    from lithify.reference.quantized_rows import search
    from lithify.reference.written import evaluate

    count = 2**16
    places: NDArray[np.float32] = -np.arange(count, dtype=np.float32)
    for index in (0, 127, 255, 256, 32767, 65279, 65280, count - 1):
        row = np.zeros(count, np.float32)
        row[index] = 1
        low, high = (int(evaluate(search(False, False, True, part), row, places)[0]) for part in (False, True))
        assert low + 256 * high == index and 0 <= low < 256
