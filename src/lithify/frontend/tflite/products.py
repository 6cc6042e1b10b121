"""Convolutions and products: CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, BATCH_MATMUL."""

import math

from lithify.errors import LithifyError
from lithify.frontend.tflite.activation import activated
from lithify.frontend.tflite.builder import Builder, Turn, same_padding
from lithify.frontend.tflite.file import Operator


def convolution(builder: Builder, operator: Operator) -> None:
    """Weights [O, H, W, I]; I divides the channels of the image into groups."""
    image = builder.tensor(operator.inputs[0])
    kernel = builder.data(operator, 1).shape
    weights = _weights(builder, operator, lambda data: data.transpose(0, 3, 1, 2), 0)
    _convolve(builder, operator, weights, kernel[1:3], image.shape[3] // kernel[3])


def depthwise(builder: Builder, operator: Operator) -> None:
    """Weights [1, H, W, O]: O / C results for each channel."""
    image = builder.tensor(operator.inputs[0])
    kernel = builder.data(operator, 1).shape
    weights = _weights(builder, operator, lambda data: data.transpose(3, 0, 1, 2), 0)
    _convolve(builder, operator, weights, kernel[1:3], image.shape[3])


def _convolve(builder: Builder, operator: Operator, weights: str, kernel: tuple[int, ...], group: int) -> None:
    strides = operator.option("StrideH", 1), operator.option("StrideW", 1)
    dilations = operator.option("DilationHFactor", 1), operator.option("DilationWFactor", 1)
    size = builder.tensor(operator.inputs[0]).shape[1:3]
    same = operator.option("Padding", 0) == 0
    value = builder.emit(
        "Conv", builder.image(operator.inputs[0]), weights, *_bias(builder, operator, 2),
        kernel_shape=list(kernel), strides=list(strides), dilations=list(dilations), group=group,
        pads=same_padding(size, kernel, strides, dilations) if same else [0, 0, 0, 0],
    )  # fmt: skip
    builder.write(operator.outputs[0], builder.back(activated(builder, operator, value)))


def transposed(builder: Builder, operator: Operator) -> None:
    """Inputs: the size of the result, weights [O, H, W, I], the image, a bias. SAME padding is that of the way back."""
    kernel = builder.data(operator, 1).shape
    weights = _weights(builder, operator, lambda data: data.transpose(3, 0, 1, 2), 1, image=2)
    strides = operator.option("StrideH", 1), operator.option("StrideW", 1)
    before, after = builder.tensor(operator.inputs[2]).shape[1:3], builder.tensor(operator.outputs[0]).shape[1:3]
    same = operator.option("Padding", 0) == 0
    starts, ends, more = [], [], []
    for n, m, taps, stride in zip(before, after, kernel[1:3], strides, strict=True):
        total = (n - 1) * stride + taps - m  # what is cut off; below 0 there is more behind
        start = max(total, 0) // 2 if same else 0
        starts.append(start)
        ends.append(max(total - start, 0))
        more.append(max(start - total, 0))
    value = builder.emit(
        "ConvTranspose", builder.image(operator.inputs[2]), weights, *_bias(builder, operator, 3),
        kernel_shape=list(kernel[1:3]), strides=list(strides), pads=[*starts, *ends], output_padding=more,
    )  # fmt: skip
    builder.write(operator.outputs[0], builder.back(activated(builder, operator, value)))


def dense(builder: Builder, operator: Operator) -> None:
    """Weights [O, I]; whatever shape the first input has, its last numbers meet them I at a time."""
    first, target = builder.tensor(operator.inputs[0]), builder.tensor(operator.outputs[0])
    second = builder.tensor(operator.inputs[1])
    if operator.option("WeightsFormat", 0):
        raise LithifyError(
            f"FULLY_CONNECTED of '{builder.file.source}' has shuffled weights, which Lithify does not read. "
            "Convert the network again with the default format."
        )
    width = second.shape[1]
    rows = math.prod(first.shape) // width
    x = builder.read(operator.inputs[0])
    if first.shape != (rows, width):
        x = builder.emit("Reshape", x, builder.integers(rows, width))
    y = (
        _weights(builder, operator, lambda data: data, 0)
        if second.data is not None
        else builder.read(operator.inputs[1])
    )
    value = activated(builder, operator, builder.emit("Gemm", x, y, *_bias(builder, operator, 2), transB=1))
    if target.shape != (rows, second.shape[0]):
        value = builder.again(operator.outputs[0], value)
        value = builder.emit("Reshape", value, builder.integers(*target.shape))
    builder.write(operator.outputs[0], value)


def products(builder: Builder, operator: Operator) -> None:
    """Matrices by matrices, either one transposed first."""
    operands = []
    for place, option in enumerate(("AdjX", "AdjY")):
        value, rank = builder.read(operator.inputs[place]), len(builder.tensor(operator.inputs[place]).shape)
        if operator.option(option, False):
            value = builder.emit("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
        operands.append(value)
    builder.write(operator.outputs[0], builder.emit("MatMul", *operands))


def _weights(builder: Builder, operator: Operator, turn: Turn, axis: int, image: int = 0) -> str:
    """Stored weights; refused where they are integers and the image is not."""
    weights, source = builder.tensor(operator.inputs[1]), builder.tensor(operator.inputs[image])
    if weights.quantization is not None and source.quantization is None:
        raise LithifyError(
            f"{operator.name} of '{builder.file.source}' multiplies float data by the {weights.dtype} weights "
            f"'{weights.name}': this is dynamic-range quantisation, whose scales are found while it runs. "
            "Convert the network to float, or to int8 with a representative data set."
        )
    return builder.weights(operator.inputs[1], turn, axis)


def _bias(builder: Builder, operator: Operator, place: int) -> list[str]:
    return [builder.read(operator.inputs[place])] if builder.has(operator, place) else []
