"""Host: a float sub-graph that the chip has no unit for, evaluated by ONNX Runtime.

Unlike every other operator its bits are those of the installed ONNX Runtime, not of a definition of ours; whoever
compares bits must run it through the same function, `run_model`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.definition import Array, Operand
from lithify.reference.graph import Node, Tensor


def host(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """What the serialised ONNX model in the attribute `model` gives; its inputs and outputs bear the tensors' names."""
    feeds = {operand.tensor.name: operand.data for operand in operands if operand is not None}
    results = run_model(node.attributes["model"], feeds)
    missing = [output.name for output in outputs if output.name not in results]
    if missing:
        raise LithifyError(
            f"Node '{node.name}' (Host) gives {', '.join(results)} but not '{missing[0]}'; "
            "the model's outputs must bear the names of the node's outputs."
        )
    return tuple(results[output.name] for output in outputs)


def run_model(model: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All outputs by name of a serialised ONNX ModelProto on one thread of the CPU."""
    session = _session(model)
    try:
        results = session.run(None, {name: np.asarray(value) for name, value in feeds.items()})
    except Exception as problem:  # ONNX Runtime raises its own many types
        raise LithifyError(f"ONNX Runtime could not run the host model: {_first_line(problem)}") from problem
    return {output.name: result for output, result in zip(session.get_outputs(), results, strict=True)}


@lru_cache(maxsize=64)
def _session(model: bytes) -> Any:
    # Imported here because it takes longer than all the rest, and most graphs have no host node.
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise LithifyError(
            "A part of the network runs on the host, by ONNX Runtime, which is not installed: pip install onnxruntime."
        ) from error
    options = onnxruntime.SessionOptions()
    # One thread: float sums must not change their order with the machine's load.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise LithifyError(f"ONNX Runtime could not load the host model: {_first_line(problem)}") from problem


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0]
