"""uint8 of the user in an ONNX graph: the nodes that make int8 of it, or it of int8, without changing what it means."""

import onnx_ir as ir

from lithify.optimize.values import constant, producer
from lithify.quantize import qdq

HALF = 128


def as_signed(node: ir.Node) -> ir.Value | None:
    """The uint8 value x whose x - 128 the node makes as int8; None for another node.

    Either as `quantize.signed` writes it, Cast(Add(Cast(x), -128)), or as pixels are quantised, QuantizeLinear(Cast(x))
    of scale 1 and zero point -128: 256 integers for 256 integers.
    """
    if node.op_type == "QuantizeLinear":
        own = qdq.parameters(node)
        exact = own is not None and own.scalar and float(own.scale) == 1 and int(own.zero_point) == -HALF
        return _cast(node.inputs[0], ir.DataType.UINT8, ir.DataType.FLOAT) if exact else None
    return _shifted(node, -HALF, ir.DataType.UINT8, ir.DataType.INT8)


def as_unsigned(node: ir.Node) -> ir.Value | None:
    """The int8 value x whose x + 128 the node makes as uint8; None for another node, and where x means nothing."""
    value = _shifted(node, HALF, ir.DataType.INT8, ir.DataType.UINT8)
    return value if value is not None and qdq.parameters_of(value) is not None else None


def _shifted(node: ir.Node, shift: int, source: ir.DataType, target: ir.DataType) -> ir.Value | None:
    if node.op_type != "Cast" or node.outputs[0].dtype != target:
        return None
    moved = producer(node.inputs[0], "Add")
    amount = constant(moved.inputs[1]) if moved is not None else None
    if moved is None or amount is None or amount.shape != () or int(amount) != shift:
        return None
    return _cast(moved.inputs[0], source, ir.DataType.INT32)


def _cast(value: ir.Value | None, source: ir.DataType, target: ir.DataType) -> ir.Value | None:
    """What a Cast from one type to the other reads."""
    node = producer(value, "Cast")
    if node is None or node.outputs[0].dtype != target:
        return None
    read = node.inputs[0]
    return read if read is not None and read.dtype == source and constant(read) is None else None
