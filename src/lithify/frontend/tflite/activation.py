"""The activation that TFLite fuses into an operator."""

import numpy as np

from lithify.errors import LithifyError
from lithify.frontend.tflite.builder import Builder
from lithify.frontend.tflite.file import Operator

_LIMITS = {"RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0), "RELU_0_TO_1": (0.0, 1.0)}
_FUSED = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")


def activated(builder: Builder, operator: Operator, value: str) -> str:
    """The value behind the operator's own activation."""
    kind = _FUSED[operator.option("FusedActivationFunction", 0)]
    if kind == "SIGN_BIT":
        raise LithifyError(
            f"{operator.name} of '{builder.file.source}' has the activation SIGN_BIT, which Lithify does not read. "
            "Change the network and convert it again."
        )
    return value if kind == "NONE" else activation(builder, kind, value)


def activation(builder: Builder, kind: str, value: str) -> str:
    """The value behind RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1 or TANH."""
    if kind in _LIMITS:
        low, high = (builder.constant(np.array(bound, np.float32)) for bound in _LIMITS[kind])
        return str(builder.emit("Clip", value, low, high))
    return str(builder.emit({"RELU": "Relu", "TANH": "Tanh"}[kind], value))
