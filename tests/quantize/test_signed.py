"""Activations as uint8 for ONNX Runtime's fastest kernels: the same model, to the last bit."""

from pathlib import Path

import numpy as np
import onnx_ir as ir

import lithify
from lithify.quantize import inputs_of, read, seeded
from lithify.quantize.running import opened
from lithify.quantize.signed import activations_to_unsigned

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_same_numbers_in_uint8() -> None:
    import onnxruntime

    model = lithify.quantize(lithify.optimize(lithify.load(EXAMPLES / "digits_resnet8.onnx")), EXAMPLES / "digits.npz")
    moved = activations_to_unsigned(model)
    types = {node.outputs[0].dtype for node in moved.graph if node.op_type == "QuantizeLinear"}
    assert types == {ir.DataType.UINT8}
    feed = seeded(inputs_of(model), 1, 3)[0]
    options = onnxruntime.SessionOptions()
    # As written, node by node: kernels of fused operators round in their own ways.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    ours, theirs = (opened(one, options).run(None, feed) for one in (model, moved))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    # What is read back is int8 again: the same graph.
    assert read(moved).nodes == read(model).nodes
