"""What a network costs, counted from its graph: multiply-accumulates and parameters."""

from math import prod

import onnx_ir as ir

from lithify.errors import LithifyError


def count_macs(model: ir.Model) -> int:
    """Multiply-accumulates of one inference: those of Conv, ConvTranspose, Gemm and MatMul.

    Zeros of a padding count, as is usual; biases, pooling and elementwise operators do not.
    model: all shapes fixed and inferred. Raises LithifyError where one is missing.
    """
    return sum(_macs(node) for node in model.graph)


def count_parameters(model: ir.Model, statistics: bool = False) -> int:
    """Trained float values: weights, biases, scales; what PyTorch calls parameters and Keras trainable ones.

    statistics: count the means and variances of batch normalisations too, as the total of Keras does.
    """
    seen: dict[str, int] = {}
    for node in model.graph:
        trained = _TRAINED.get(node.op_type, range(0))
        last = trained.stop + 2 if statistics and node.op_type == "BatchNormalization" else trained.stop
        for value in node.inputs[trained.start : last]:
            if value is not None and value.name is not None and value.const_value is not None:
                seen[value.name] = value.const_value.size
    return sum(seen.values())


_TRAINED = {
    "Conv": range(1, 3),
    "ConvTranspose": range(1, 3),
    "Gemm": range(0, 3),
    "MatMul": range(0, 2),
    "Add": range(0, 2),
    "BatchNormalization": range(1, 3),
    "LayerNormalization": range(1, 3),
}


def _macs(node: ir.Node) -> int:
    if node.op_type == "Conv":
        return prod(_shape(node, node.outputs[0])) * prod(_shape(node, node.inputs[1])[1:])
    if node.op_type == "ConvTranspose":
        return prod(_shape(node, node.inputs[0])) * prod(_shape(node, node.inputs[1])[1:])
    if node.op_type == "Gemm":
        transposed = node.attributes.get_int("transA", 0)
        return prod(_shape(node, node.outputs[0])) * _shape(node, node.inputs[0])[0 if transposed else 1]
    if node.op_type == "MatMul":
        return prod(_shape(node, node.outputs[0])) * _shape(node, node.inputs[0])[-1]
    return 0


def _shape(node: ir.Node, value: ir.Value | None) -> tuple[int, ...]:
    if value is None or value.shape is None or not value.shape.is_static():
        name = "" if value is None else value.name
        raise LithifyError(
            f"The shape of '{name}' at node '{node.name}' is not known; multiply-accumulates are counted from fixed "
            "shapes: read the model with lithify.load, giving a shape where it is dynamic."
        )
    return value.shape.numpy()
