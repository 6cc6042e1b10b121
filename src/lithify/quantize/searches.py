"""Units of what the chip says and no int8 tensor means: where the largest element of a row is, whether something holds.

They make int8, which a conversion of the host turns into the user's int64, int32 or bool.
"""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import integer, producer, shape_of
from lithify.quantize import qdq
from lithify.quantize.rows import Series
from lithify.quantize.unit import Unit, tensor_of
from lithify.reference.graph import Tensor
from lithify.reference.indices import BYTE, BYTES, byte_axis
from lithify.reference.operators import make_node
from lithify.reference.rows import SEARCHES

BYTE_PARAMETERS = qdq.Parameters(np.array(1, np.float32), np.array(-128), qdq.INT8, 1)
"""Of a byte: its integers stand for 0 to 255."""
_INTEGERS = (ir.DataType.INT32, ir.DataType.INT64)


def searched(node: ir.Node) -> ir.Value | None:
    """The float tensor in which the node looks for its largest or smallest element, on the chip; None for others."""
    if node.domain != "" or node.op_type not in SEARCHES:
        return None
    x = node.inputs[0]
    shape = shape_of(x)
    if x is None or not shape or x.dtype != ir.DataType.FLOAT or shape_of(node.outputs[0]) is None:
        return None
    return x if shape[integer(node, "axis", 0) % len(shape)] <= BYTE**BYTES else None


def search(node: ir.Node) -> Unit | None:
    """ArgMax or ArgMin of an int8 tensor, as one byte or two; with a Cast to int32 behind it if `node` is that."""
    asked = node
    if node.op_type == "Cast" and node.outputs[0].dtype in _INTEGERS:
        found = producer(node.inputs[0], *SEARCHES)
        if found is None:
            return None
        asked = found
    if searched(asked) is None:
        return None
    source = qdq.activation(asked.inputs[0])
    before = qdq.parameters_of(source) if source is not None else None
    shape = shape_of(source) or ()
    if source is None or before is None:
        return None
    axis = integer(asked, "axis", 0) % len(shape)
    series = Series(str(asked.name), str(source.name), shape, before)
    series.as_rows((axis,))
    rows = series.made, series.shape
    along = byte_axis(len(series.shape))
    kept = tuple(1 if place == along else size for place, size in enumerate(series.shape))
    bytes_made = []
    for byte in range(BYTES if shape[axis] > BYTE else 1):
        series.made, series.shape = rows
        series.own = BYTE_PARAMETERS
        last = integer(asked, "select_last_index", 0)
        series.add(asked.op_type, f"byte_{byte}" if byte else "", series.shape, last=last, byte=byte)
        if kept != series.shape:
            series.add("Slice", f"first_{byte}", kept, starts=(0,), ends=(1,), axes=(along,), steps=(1,))
        bytes_made.append(series.made)
    if len(bytes_made) > 1:
        name = f"{asked.name}.bytes"
        joined = tuple(len(bytes_made) if place == along else size for place, size in enumerate(kept))
        tensor = Tensor(f"{name}.made", joined, "int8", np.array(1, np.float32), -128)
        series.append(make_node(name, "Concat", tuple(bytes_made), (tensor.name,), axis=along), tensor)
        series.made = tensor.name
    output = tensor_of(node.outputs[0])
    made = make_node(f"{node.name}.index", "Indices", (series.made,), (output.name,), shape=output.shape)
    series.append(made, output)
    return Unit((source,), tuple(series.nodes), tuple(series.tensors))
