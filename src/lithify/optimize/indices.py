"""Indices of a Gather as they were given: without what exporters do for operators that count from one end only, and
GatherND of whole rows as the Gather that it is.
"""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, integer, producer, shape_of

_WIDER = {ir.DataType.INT32: ir.DataType.INT64}


def plain_indices(model: ir.Model) -> ir.Model:
    """Takes out of the way to a Gather what adds its size to indices below 0, and what widens int32: it takes both.

    A GatherND whose constant indices name one place each along the first dimension becomes a Gather: x[:, [3, 1, 4]]
    is exported so.
    """
    model = model.clone()
    for node in model.graph:
        if node.op_type == "GatherND" and node.domain == "":
            _of_rows(model.graph, node)
        if node.op_type == "Gather" and node.domain == "":
            shape = shape_of(node.inputs[0])
            size = None if shape is None else shape[integer(node, "axis", 0)]
            while (plainer := _plainer(node.inputs[1], size)) is not None:
                node.replace_input_with(1, plainer)
    return model


def _of_rows(graph: ir.Graph, node: ir.Node) -> None:
    places = constant(node.inputs[1])
    if places is None or places.ndim < 2 or places.shape[-1] != 1 or integer(node, "batch_dims", 0):
        return
    node.op_type = "Gather"
    node.attributes.clear()
    node.attributes.add(ir.AttrInt64("axis", 0))
    node.replace_input_with(1, add_constant(graph, f"{node.name}_rows", places.reshape(places.shape[:-1])))


def _plainer(indices: ir.Value | None, size: int | None) -> ir.Value | None:
    """What the indices were before their last step, if that changes nothing for a Gather."""
    if (cast := producer(indices, "Cast")) is not None:
        source = cast.inputs[0]
        return source if source is not None and _WIDER.get(source.dtype) == integer(cast, "to", 0) else None  # type: ignore[arg-type]
    choice = producer(indices, "Where")
    if choice is None:
        return None
    below, moved, plain = producer(choice.inputs[0], "Less"), producer(choice.inputs[1], "Add"), choice.inputs[2]
    if below is None or moved is None or plain is None or below.inputs[0] is not plain:
        return None
    others = [value for value in moved.inputs if value is not plain]
    wrapped = _is(below.inputs[1], 0) and len(others) == 1 and size is not None and _is(others[0], size)
    return plain if wrapped else None


def _is(value: ir.Value | None, number: int) -> bool:
    data = constant(value)
    return data is not None and data.size == 1 and np.issubdtype(data.dtype, np.integer) and int(data.flat[0]) == number
