"""Gives an untrained network the statistics that training would leave in it, measured in one pass over samples."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

_LEAST_VARIANCE = 1e-4


def measure(model: ir.Model, samples: NDArray[np.float32]) -> None:
    """Sets, in `model`, what depends on data.

    - The mean and the variance of every BatchNormalization: those of its input.
    - The bias of the last Gemm or Conv of a classifier, a network that ends in (batch, scores): what it gives has
      mean 0 over the samples, so that the classes compete.

    samples: (count, ...) with the model's input shape behind the batch axis.
    ONNX Runtime runs a copy in which each normalisation takes the statistics of its own input, so that the layers
    behind it see normalised data. One thread: sums have one order, two runs give the same bits.
    """
    observed, targets = _observed(model, len(samples))
    if not targets:
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        ir.serde.serialize_model(observed).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for constant, values in zip(targets, session.run(None, {"input": samples}), strict=True):
        constant.const_value = ir.Tensor(np.asarray(values, np.float32), name=constant.name)


def _observed(model: ir.Model, count: int) -> tuple[ir.Model, list[ir.Value]]:
    """A copy for `count` samples, and the constants of `model` that its outputs are the new values of."""
    observed = model.clone()
    graph = observed.graph
    ranks = [len(value.shape) if (value := node.inputs[0]) and value.shape else 0 for node in graph]
    for value in (value for node in graph for value in node.outputs):
        value.shape = None
    shape = graph.inputs[0].shape
    assert shape is not None
    graph.inputs[0].shape = ir.Shape([count, *shape[1:]])
    graph.outputs.clear()
    classifier = all(value.shape is not None and len(value.shape) == 2 for value in model.graph.outputs)
    scores = [node for node in graph if node.op_type in ("Gemm", "Conv")][-1:] if classifier else []
    targets: list[ir.Value] = []
    for original, node, rank in list(zip(model.graph, graph, ranks, strict=True)):
        if node.op_type == "BatchNormalization":
            made = _moments(graph, node, rank)
            for index, value in zip((3, 4), made, strict=True):
                node.replace_input_with(index, value)
        elif node in scores:
            made = [_centred(graph, node, rank)]
        else:
            continue
        constants = original.inputs[-len(made) :]
        targets += [constant for constant in constants if constant is not None]
        graph.outputs.extend(made)
    return observed, targets


def _moments(graph: ir.Graph, node: ir.Node, rank: int) -> list[ir.Value]:
    """Mean and variance of a normalisation's input, per channel."""
    x = node.inputs[0]
    axes = ir.node("Constant", [], {"value_ints": [0, *range(2, rank)]})
    mean = ir.node("ReduceMean", [x, axes.outputs[0]], {"keepdims": 0})
    square = ir.node("Mul", [x, x])
    power = ir.node("ReduceMean", [square.outputs[0], axes.outputs[0]], {"keepdims": 0})
    mean_square = ir.node("Mul", [mean.outputs[0], mean.outputs[0]])
    difference = ir.node("Sub", [power.outputs[0], mean_square.outputs[0]])
    least = ir.node("Constant", [], {"value_float": _LEAST_VARIANCE})
    variance = ir.node("Max", [difference.outputs[0], least.outputs[0]])
    graph.insert_before(node, [axes, mean, square, power, mean_square, difference, least, variance])
    return list(_named(node, mean, variance))


def _centred(graph: ir.Graph, node: ir.Node, rank: int) -> ir.Value:
    """The bias with which the mean of every output channel is 0."""
    axes = ir.node("Constant", [], {"value_ints": [0, *range(2, rank)]})
    mean = ir.node("ReduceMean", [node.outputs[0], axes.outputs[0]], {"keepdims": 0})
    bias = ir.node("Sub", [node.inputs[2], mean.outputs[0]])
    graph.insert_after(node, [axes, mean, bias])
    return next(_named(node, bias))


def _named(node: ir.Node, *made: ir.Node) -> Iterator[ir.Value]:
    for index, producer in enumerate(made):
        value = producer.outputs[0]
        value.name = f"{node.name}.observed_{index}"
        value.type = ir.TensorType(ir.DataType.FLOAT)
        yield value
