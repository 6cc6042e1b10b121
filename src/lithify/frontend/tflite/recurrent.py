"""The LSTM over a sequence, whose states TFLite keeps in tensors of its own."""

import numpy as np

from lithify.errors import LithifyError
from lithify.frontend.tflite.builder import Builder
from lithify.frontend.tflite.file import Operator

_GATES = (0, 3, 1, 2)
"""ONNX's order, input, output, forget and new, by the places of TFLite's: input, forget, new, output."""
_INPUTS, _STATES, _PEEPHOLES, _BIASES = 1, 5, 9, 12
_TANH = 4
_LEFT_OUT = {16: "a projection", 17: "a projection", **dict.fromkeys(range(20, 24), "a normalisation")}


def sequence_lstm(builder: Builder, operator: Operator) -> None:
    """ONNX's LSTM from states of zeros, as after `reset_all_variables`: a call begins anew.

    To go on from call to call make the states inputs and outputs of the network (`lithify quantize --state`).
    """
    odd = next((what for place, what in _LEFT_OUT.items() if builder.has(operator, place)), None)
    if not builder.has(operator, _INPUTS):
        odd = "coupled gates"
    if operator.option("FusedActivationFunction", 0) != _TANH:
        odd = "another activation than TANH"
    if operator.option("CellClip", 0.0) or operator.option("ProjClip", 0.0):
        odd = "limits of its state"
    if builder.tensor(operator.inputs[_INPUTS + 1]).dtype != "float32":
        odd = f"{builder.tensor(operator.inputs[_INPUTS + 1]).dtype} weights"
    if odd is not None:
        raise LithifyError(
            f"{operator.name} of '{builder.file.source}' has {odd}, which Lithify does not read. "
            "Convert the network in float without it, or export it to ONNX."
        )

    def stacked(first: int) -> np.ndarray:
        return np.concatenate([builder.data(operator, first + gate) for gate in _GATES])[None]

    bias = stacked(_BIASES)
    operands = [
        builder.constant(stacked(_INPUTS), "weights"),
        builder.constant(stacked(_STATES), "state_weights"),
        builder.constant(np.concatenate([bias, np.zeros_like(bias)], axis=1), "bias"),
    ]
    if builder.has(operator, _PEEPHOLES):
        places = [builder.data(operator, _PEEPHOLES + place) for place in (0, 2, 1)]  # input, output, forget
        operands += ["", "", "", builder.constant(np.concatenate(places)[None], "peepholes")]
    by_time = bool(operator.option("TimeMajor", False))
    x = builder.read(operator.inputs[0])
    if not by_time:
        x = builder.emit("Transpose", x, perm=[1, 0, 2])
    y = builder.emit("LSTM", x, *operands, hidden_size=bias.shape[1] // len(_GATES))
    y = builder.emit("Squeeze", y, builder.integers(1))
    if not by_time:
        y = builder.emit("Transpose", y, perm=[1, 0, 2])
    builder.write(operator.outputs[0], y)
