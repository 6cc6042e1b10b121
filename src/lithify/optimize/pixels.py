"""Normalisation of pictures, (pixel x scale - mean) / std, moved from the host into the network.

Into the weights of the first layer, where that is exact: always for the factor; for the shift only where the layer has
no padding, because what it pads with is a normalised zero, which as a pixel would be the mean, another number for each
color. Where the shift cannot go there, it and the factor become a layer of their own: a Conv of one tap a color.
The network then takes uint8.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of
from lithify.preprocessing import Chain, Preprocessing

_STORED = ("DequantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul")


@dataclass(frozen=True)
class PixelNetwork:
    """model: takes what `chain.host` makes of a picture: pixels, as uint8, unless the host normalises."""

    model: ir.Model
    chain: Chain


def take_pixels(model: ir.Model, preprocessing: Preprocessing) -> PixelNetwork:
    """The network with the normalisation inside; it differs from what it was by float rounding only.

    model: one float input, an image whose layout and channels are those of the preprocessing. A quantised one stays.
    Raises LithifyError for an input of another shape or type.
    """
    _check_input(model, preprocessing)
    name = str(model.graph.inputs[0].name)
    quantized = any(node.op_type in _STORED for node in model.graph)
    if not preprocessing.normalizes:
        where = "The network takes pixels as they are: nothing to normalise."
        return PixelNetwork(
            model if quantized else _of_bytes(model.clone()), Chain(name, preprocessing, preprocessing, where)
        )
    if quantized:
        where = "The host normalises: the network is quantised already."
        return PixelNetwork(model, Chain(name, preprocessing, preprocessing, where))
    made = model.clone()
    (picture,) = made.graph.inputs
    images = _images(picture, preprocessing.layout)
    if not images:
        where = (
            f"The host normalises: not all that reads '{name}' takes it as an image of "
            f"{preprocessing.channels} channels."
        )
        return PixelNetwork(model, Chain(name, preprocessing, preprocessing, where))
    factor, shift = preprocessing.factors()
    layers = [node for image in images for node in _layers(image)]
    padding = [node for node in layers if _pads(node)] if shift.any() else []
    if layers and not padding:
        for node in layers:
            _fold(made.graph, node, factor, shift)
        names = " and ".join(f"'{node.name}'" for node in layers)
        where = f"The chip normalises, in the weights of {names}."
        return PixelNetwork(_of_bytes(made), Chain(name, preprocessing, preprocessing.pixels, where))
    for image in images:
        _own_layer(made.graph, image, factor, shift)
    reason = f"'{padding[0].name}' pads the picture with zeros" if padding else "the first layer is no convolution"
    where = f"The chip normalises, in a layer of its own: {reason}."
    return PixelNetwork(_of_bytes(made), Chain(name, preprocessing, preprocessing.pixels, where))


def _of_bytes(model: ir.Model) -> ir.Model:
    """Makes the float input of the model, in place, one of uint8 and a Cast."""
    (picture,) = model.graph.inputs
    users = list(picture.uses())
    if picture.dtype != ir.DataType.FLOAT or not users or picture.is_graph_output():
        return model
    cast = ir.node("Cast", [picture], {"to": int(ir.DataType.FLOAT)}, name=f"{picture.name}_pixels")
    value = insert(cast, model.graph[0], picture, shape_of(picture) or ())
    value.name = f"{picture.name}_float"
    for user, index in users:
        user.replace_input_with(index, value)
    picture.type = ir.TensorType(ir.DataType.UINT8)
    return model


def _check_input(model: ir.Model, preprocessing: Preprocessing) -> None:
    inputs = model.graph.inputs
    shape = shape_of(inputs[0]) if len(inputs) == 1 else None
    axis = 1 if preprocessing.layout == "NCHW" else 3
    fits = shape is not None and len(shape) == 4 and shape[axis] == preprocessing.channels
    types = (ir.DataType.FLOAT,) if preprocessing.normalizes else (ir.DataType.FLOAT, ir.DataType.UINT8)
    if not fits or inputs[0].dtype not in types:
        given = ", ".join(f"'{value.name}' {list(shape_of(value) or ())}" for value in inputs)
        raise LithifyError(
            f"The network takes {given}; pictures of colors {preprocessing.colors} in the layout "
            f"{preprocessing.layout} need one float32 input of 4 dimensions, {preprocessing.channels} along "
            f"dimension {axis}. Give the preprocessing that the network was trained with."
        )


def _images(picture: ir.Value, layout: str) -> list[ir.Value]:
    """The picture as [N, C, H, W]: itself, or what Transposes make of [N, H, W, C]; none if something else reads it."""
    if layout == "NCHW":
        return [picture]
    readers = [user for user, _ in picture.uses()]
    turned = [node for node in readers if node.op_type == "Transpose"]
    orders = {tuple(node.attributes.get_ints("perm", ())) for node in turned}
    return [node.outputs[0] for node in turned] if len(turned) == len(readers) and orders == {(0, 3, 1, 2)} else []


def _layers(image: ir.Value) -> list[ir.Node]:
    """The convolutions that read the image, if nothing else does."""
    uses = list(image.uses())
    convs = [node for node, index in uses if index == 0 and node.op_type == "Conv" and node.domain == ""]
    constants = all(
        constant(node.inputs[1]) is not None and (len(node.inputs) < 3 or constant(node.inputs[2]) is not None)
        for node in convs
    )
    return convs if len(convs) == len(uses) and constants and not image.is_graph_output() else []


def _pads(node: ir.Node) -> bool:
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    return auto.startswith("SAME") or (auto == "NOTSET" and any(node.attributes.get_ints("pads", ())))


def _fold(graph: ir.Graph, node: ir.Node, factor: NDArray[np.float64], shift: NDArray[np.float64]) -> None:
    """Makes the layer read pixels: conv(a x + b) = conv'(x) + what the kernel makes of b."""
    weights, bias = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    assert weights is not None
    groups = integer(node, "group", 1)
    wide = weights.astype(np.float64).reshape(groups, -1, *weights.shape[1:])
    along = (groups, 1, weights.shape[1], *(1 for _ in weights.shape[2:]))
    offset = (wide * shift.reshape(along)).sum(axis=tuple(range(2, wide.ndim))).reshape(-1)
    scaled = (wide * factor.reshape(along)).reshape(weights.shape)
    set_input(node, 1, add_constant(graph, f"{node.name}_of_pixels", scaled.astype(np.float32)))
    if bias is not None or shift.any():
        total = offset if bias is None else offset + bias.astype(np.float64)
        set_input(node, 2, add_constant(graph, f"{node.name}_bias_of_pixels", total.astype(np.float32)))


def _own_layer(graph: ir.Graph, image: ir.Value, factor: NDArray[np.float64], shift: NDArray[np.float64]) -> None:
    shape = shape_of(image)
    assert shape is not None
    users = list(image.uses())
    weights = add_constant(graph, "normalize_weights", factor.astype(np.float32).reshape(-1, 1, 1, 1))
    bias = add_constant(graph, "normalize_bias", shift.astype(np.float32))
    made = ir.node("Conv", [image, weights, bias], {"group": shape[1], "kernel_shape": [1, 1]}, name="normalize")
    value = insert(made, users[0][0], image, shape)
    for user, index in users:
        user.replace_input_with(index, value)
