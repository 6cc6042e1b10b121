"""Runs a model in ONNX Runtime and shows what flows inside."""

import numpy as np
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray


def values_of(model: ir.Model, x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Every value that a node of the model gives for the input x, by name."""
    shown = model.clone()
    outputs = {id(value) for value in shown.graph.outputs}
    inner = [value for node in shown.graph for value in node.outputs]
    shown.graph.outputs.extend(value for value in inner if id(value) not in outputs)
    return dict(
        zip([value.name for value in shown.graph.outputs], _session(shown).run(None, {"input": x}), strict=True)
    )


def outputs_of(model: ir.Model, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Each output of the model for all samples, one after the other."""
    session = _session(model)
    runs = [session.run(None, {"input": one[np.newaxis]}) for one in samples]
    return [np.concatenate(values) for values in zip(*runs, strict=True)]


def _session(model: ir.Model) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)
