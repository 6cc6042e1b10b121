"""ONNX Runtime as the judge of quantised graphs: the same inputs through both."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray

from lithify.quantize import inputs_of, read, seeded
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph


def session(model: ir.Model, fused: bool = True) -> Any:
    """A session on one thread; fused: with kernels that join Q/DQ pairs to int8 operators, else node by node."""
    options = ort.SessionOptions()
    if not fused:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)


def by_runtime(model: ir.Model, feeds: Mapping[str, NDArray[Any]], fused: bool = True) -> list[NDArray[Any]]:
    """The model's outputs by ONNX Runtime."""
    return list(session(model, fused).run(None, dict(feeds)))


def by_reference(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The graph's outputs by the definitions."""
    values = run(graph, dict(feeds))
    return [values[name] for name in graph.outputs]


def agree(model: ir.Model, samples: int = 4, fused: bool = True) -> Graph:
    """Asserts that the quantised graph of the model and ONNX Runtime give the same bits; returns the graph."""
    graph = read(model)
    given = seeded(inputs_of(model), samples, seed=9)
    for index in range(samples):
        for ours, theirs in zip(by_reference(graph, given[index]), by_runtime(model, given[index], fused), strict=True):
            assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
            assert np.array_equal(ours, theirs)
    return graph


def kinds(graph: Graph) -> list[str]:
    """The operator of each node, in order."""
    return [node.operator for node in graph.nodes]
