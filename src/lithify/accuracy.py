"""How often each form of a network is right: the float model, the int8 model, and the program on the chip."""

from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lithify.preprocessing import Chain
from lithify.program import Program
from lithify.progress import Progress
from lithify.quantize.data import Samples
from lithify.quantize.running import opened
from lithify.report import Accuracy

CHIP_SECONDS = 20.0
MACS_PER_SECOND = 1.5e9
SECONDS_PER_INSTRUCTION = 2e-4
"""How long the functional simulator may judge the accuracy, and its measured speed on one core. The number of samples
follows from these alone, so that it is the same on every machine.
"""

LEAST_SAMPLES = 8


def measure(
    model: ir.Model, quantized: ir.Model, program: Program, samples: Samples | None, progress: Progress
) -> Accuracy:
    """The share of samples whose largest output is the label's, for all three forms.

    Nothing is measured without labels, or where the first output is no row of scores for each label.
    samples: as the program takes them; what its preprocessing lets the chip normalise is normalised here for the model.
    The program is judged by the functional simulator, whose bits are the RTL's, on as many samples (the first) as
    CHIP_SECONDS allows.
    """
    if samples is None or samples.labels is None or len(samples) == 0:
        return Accuracy()
    labels, batch = samples.labels, len(samples.labels) // len(samples)
    shape = program.tensors[program.outputs[0]].shape
    if not shape or int(np.prod(shape[:-1])) != batch:
        return Accuracy()
    macs = sum(layer.macs for layer in program.layers)
    seconds = macs / MACS_PER_SECOND + (1 + len(program.results)) * SECONDS_PER_INSTRUCTION
    count = min(len(samples), max(LEAST_SAMPLES, int(CHIP_SECONDS / seconds)))
    first = Samples({name: array[:count] for name, array in samples.inputs.items()})
    chip = program.run_samples(first, progress=progress)[0]
    return Accuracy(
        float_model=_share(_run(model, _for_float(samples, program.preprocessing)), labels),
        int8=_share(_run(quantized, samples), labels),
        chip=_share(chip, labels[: count * batch]),
        samples=len(samples),
        chip_samples=count,
    )


def int8_accuracy(quantized: ir.Model, samples: Samples | None) -> float | None:
    """The share of samples whose largest output of the int8 model is the label's; None where there are no labels or the
    first output is no row of scores for each.
    """
    if samples is None or samples.labels is None or len(samples) == 0:
        return None
    scores = _run(quantized, samples)
    return _share(scores, samples.labels) if scores.size % len(samples.labels) == 0 else None


def _for_float(samples: Samples, chain: Chain | None) -> Samples:
    """The samples as the model takes them that nothing was moved into."""
    if chain is None or samples.inputs[chain.input].dtype != np.uint8:
        return samples
    return Samples({**samples.inputs, chain.input: chain.stated.normalize(samples.inputs[chain.input])})


def _share(scores: NDArray[Any], labels: NDArray[np.int64]) -> float:
    found = scores.reshape(len(labels), -1).argmax(axis=1)
    return float((found == labels).mean())


def _run(model: ir.Model, samples: Samples) -> NDArray[Any]:
    """The first output of every sample in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # int8 activations keep their int8 kernels, whose rounding is the contract's (docs/numbers.md).
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = opened(model, options)
    return np.concatenate([session.run(None, samples[index])[0].reshape(1, -1) for index in range(len(samples))])
