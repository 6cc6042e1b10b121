"""What a model holds, before it meets a chip: inputs, outputs, operators, weights, multiply-accumulates."""

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx_ir as ir

_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
"""Their scales and zero points are no weights."""


@dataclass(frozen=True)
class ModelFacts:
    """inputs, outputs: (name, shape, dtype). operators: name -> how many nodes. parameters: numbers in the weights.

    macs: multiply-accumulates of one inference.
    """

    name: str
    opset: int
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    outputs: tuple[tuple[str, tuple[int, ...], str], ...]
    operators: dict[str, int]
    parameters: int
    macs: int

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON values."""

        def tensors(values: tuple[tuple[str, tuple[int, ...], str], ...]) -> list[dict[str, Any]]:
            return [{"name": name, "shape": list(shape), "dtype": dtype} for name, shape, dtype in values]

        return {
            "name": self.name,
            "opset": self.opset,
            "inputs": tensors(self.inputs),
            "outputs": tensors(self.outputs),
            "operators": self.operators,
            "parameters": self.parameters,
            "macs": self.macs,
        }


def describe(model: ir.Model) -> ModelFacts:
    """The facts of a model with fixed shapes, as `lithify.load` gives it."""
    operators = Counter(node.op_type for node in model.graph)
    steps = {value for node in model.graph if node.op_type in _QUANTIZERS for value in node.inputs[1:]}
    weights = (value.const_value for value in model.graph.initializers.values() if value not in steps)
    return ModelFacts(
        name=model.graph.name or "network",
        opset=model.opset_imports.get("", 0),
        inputs=tuple(_facts(value) for value in model.graph.inputs),
        outputs=tuple(_facts(value) for value in model.graph.outputs),
        operators=dict(sorted(operators.items())),
        parameters=sum(weight.size for weight in weights if weight is not None),
        macs=macs(model),
    )


def macs(model: ir.Model) -> int:
    """Multiply-accumulates of one inference: those of convolutions and matrix products, padding included, as the field
    counts them.
    """
    return sum(_node_macs(node) for node in model.graph)


def _node_macs(node: ir.Node) -> int:
    """From shapes alone: each output element sums as many products as the weights of its output channel are."""
    operator = node.op_type
    if operator in ("Conv", "QLinearConv", "ConvInteger", "FusedConv"):
        weight = _shape(node.inputs[3 if operator == "QLinearConv" else 1])
        return prod(_shape(node.outputs[0])) * prod(weight[1:])
    if operator == "ConvTranspose":
        # Each input element meets the weights of its channel.
        return prod(_shape(node.inputs[0])) * prod(_shape(node.inputs[1])[1:])
    if operator in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        return prod(_shape(node.outputs[0])) * _shape(node.inputs[0])[-1]
    if operator in ("Gemm", "QGemm"):
        transposed = node.attributes.get_int("transA", 0)
        return prod(_shape(node.outputs[0])) * _shape(node.inputs[0])[0 if transposed else 1]
    return 0


def _facts(value: ir.Value) -> tuple[str, tuple[int, ...], str]:
    return str(value.name), _shape(value), value.dtype.numpy().name if value.dtype is not None else "unknown"


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    shape = None if value is None else value.shape
    # A scalar's share is one; a size that is not known counts once.
    return () if shape is None else tuple(size if isinstance(size, int) else 1 for size in shape)
