"""A Pad before a Conv or a pooling becomes the padding of that operator, where that is exact."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.limits import bounds
from lithify.optimize.values import constant, integer, producer, shape_of, used_once


def fold_padding(model: ir.Model) -> ir.Model:
    """Folds every constant Pad of both sides of an image that only one Conv, MaxPool or AveragePool reads.

    Conv: padding with 0. AveragePool: with 0, all padding counted. MaxPool: with minus infinity, or with 0 where no
    value is below 0; never so wide that a window would see padding only.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in ("Conv", "MaxPool", "AveragePool"):
            continue
        pad = producer(node.inputs[0], "Pad")
        if pad is None or not used_once(pad.outputs[0]):
            continue
        sides, value = padding_sides(pad), padding_value(pad)
        auto = node.attributes.get_string("auto_pad", "NOTSET")
        if sides is None or value is None or auto not in ("NOTSET", "VALID"):
            continue
        own = tuple(node.attributes.get_ints("pads", (0, 0, 0, 0)))
        total = [int(a) + int(b) for a, b in zip(own, sides, strict=True)]
        if _exact(node, pad, value, own, total):
            node.attributes.pop("auto_pad", None)
            node.attributes.add(ir.AttrInt64s("pads", total))
            if node.op_type == "AveragePool":
                node.attributes.add(ir.AttrInt64("count_include_pad", 1))
            node.replace_input_with(0, pad.inputs[0])
            model.graph.remove(pad, safe=True)
    return model


def padding_sides(pad: ir.Node) -> tuple[int, ...] | None:
    """top, left, bottom, right of a constant Pad of an image; None if it pads anything else or cuts."""
    amounts = constant(pad.inputs[1]) if len(pad.inputs) > 1 else None
    if amounts is None or pad.attributes.get_string("mode", "constant") != "constant":
        return None
    if len(shape_of(pad.inputs[0]) or ()) != 4:
        return None
    axes: NDArray[Any] | None = np.arange(4)
    if len(pad.inputs) > 3 and pad.inputs[3] is not None:
        axes = constant(pad.inputs[3])
    if axes is None:
        return None
    full = np.zeros((2, 4), np.int64)
    full[:, axes % 4] = amounts.reshape(2, -1)
    return None if (full < 0).any() or full[:, :2].any() else tuple(full[:, 2:].reshape(-1).tolist())


def padding_value(pad: ir.Node) -> float | None:
    """What a Pad fills with, or None if that is computed."""
    if len(pad.inputs) < 3 or pad.inputs[2] is None:
        return 0.0
    data = constant(pad.inputs[2])
    return None if data is None or data.size != 1 else float(data.reshape(())[()])


def _exact(node: ir.Node, pad: ir.Node, value: float, own: tuple[int, ...], total: list[int]) -> bool:
    if node.op_type == "Conv":
        return value == 0
    kernel = node.attributes.get_ints("kernel_shape", ())
    if any(size >= kernel[index % 2] for index, size in enumerate(total)) or integer(node, "ceil_mode", 0):
        return False
    if node.op_type == "AveragePool":
        return value == 0 and (not any(own) or integer(node, "count_include_pad", 0) == 1)
    maker = pad.inputs[0].producer() if pad.inputs[0] is not None else None
    limits = bounds(maker) if maker is not None else None
    not_below = limits is not None and limits[0] >= 0
    lowest = value <= float(np.finfo(np.float32).min)
    return lowest or (value == 0 and not_below)
