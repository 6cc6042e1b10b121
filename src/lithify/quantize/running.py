"""Running float and QDQ models by ONNX Runtime, sample by sample, with any of their tensors as results."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.frontend.onnx import NEWEST_IR, save, too_large
from lithify.quantize.data import Samples


def watch(model: ir.Model, names: Sequence[str], samples: Samples) -> Iterator[Mapping[str, NDArray[Any]]]:
    """For every sample the named tensors of the model, each node computed by itself, on one thread.

    names: of the model's inputs or of what its nodes make.
    Raises LithifyError where the model cannot run.
    """
    given = [name for name in names if name in samples.inputs]
    made = [name for name in names if name not in samples.inputs]
    try:
        session = _session(model, made) if made else None
        for index in range(len(samples)):
            feed = samples[index]
            results = session.run(made, feed) if session is not None else []
            yield {**{name: feed[name] for name in given}, **dict(zip(made, results, strict=True))}
    except LithifyError:
        raise
    except Exception as error:  # ONNX Runtime raises its own many types
        reason = " ".join(str(error).split())
        raise LithifyError(
            f"ONNX Runtime could not calibrate the model: {reason}. Check that the model runs on the data."
        ) from error


def _session(model: ir.Model, names: Sequence[str]) -> Any:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    # As the graph says, node by node: ranges, noise and statistics belong to its own tensors. One thread: float sums
    # must not change their order with the machine's load.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    shown = model.clone()
    outputs = {value.name for value in shown.graph.outputs}
    values = {value.name: value for node in shown.graph for value in node.outputs}
    shown.graph.outputs.extend(values[name] for name in names if name in values and name not in outputs)
    return opened(shown, options)


def opened(model: ir.Model, options: Any, runs_on: str = "CPUExecutionProvider") -> Any:
    """A session of ONNX Runtime on the processor, or on a provider by name; a model beyond what a message holds goes
    through a file.
    """
    import onnxruntime

    provider = [runs_on]
    if too_large(model):
        with tempfile.TemporaryDirectory(prefix="lithify-") as folder:
            path = Path(folder) / "model.onnx"
            save(model, path)
            return onnxruntime.InferenceSession(str(path), options, providers=provider)
    proto = ir.serde.serialize_model(model)
    proto.ir_version = min(proto.ir_version, NEWEST_IR)
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=provider)
