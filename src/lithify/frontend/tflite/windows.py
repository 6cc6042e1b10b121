"""What looks at several places of an image: pooling, resizing, and reductions over any dimensions."""

from collections.abc import Callable

from lithify.frontend.tflite.activation import activated
from lithify.frontend.tflite.builder import Builder, same_padding
from lithify.frontend.tflite.file import Operator

Rule = Callable[[Builder, Operator], None]


def pool(kind: str) -> Rule:
    """Padding counts neither in the average nor in the largest."""

    def write(builder: Builder, operator: Operator) -> None:
        kernel = operator.option("FilterHeight", 1), operator.option("FilterWidth", 1)
        strides = operator.option("StrideH", 1), operator.option("StrideW", 1)
        size = builder.tensor(operator.inputs[0]).shape[1:3]
        same = operator.option("Padding", 0) == 0
        value = builder.emit(
            kind, builder.image(operator.inputs[0]), kernel_shape=list(kernel), strides=list(strides),
            pads=same_padding(size, kernel, strides, (1, 1)) if same else [0, 0, 0, 0],
        )  # fmt: skip
        builder.write(operator.outputs[0], builder.back(activated(builder, operator, value)))

    return write


def reduction(kind: str) -> Rule:
    """Over the dimensions that the second input names."""

    def write(builder: Builder, operator: Operator) -> None:
        axes = builder.integers(*(int(axis) for axis in builder.data(operator, 1).reshape(-1)))
        keep = int(bool(operator.option("KeepDims", False)))
        value = builder.emit(kind, builder.read(operator.inputs[0]), axes, keepdims=keep)
        builder.write(operator.outputs[0], value)

    return write


def resize(mode: str) -> Rule:
    """To the size of the output; where a pixel lies is told by two options, as in TensorFlow."""

    def write(builder: Builder, operator: Operator) -> None:
        corners, half = operator.option("AlignCorners", False), operator.option("HalfPixelCenters", False)
        placed = "align_corners" if corners else "half_pixel" if half else "asymmetric"
        # TensorFlow takes the pixel at floor(x), and rounds halves up where it aligns corners or centres.
        nearest = "round_prefer_ceil" if corners or half else "floor"
        image, target = builder.tensor(operator.inputs[0]), builder.tensor(operator.outputs[0])
        sizes = builder.integers(image.shape[0], image.shape[3], *target.shape[1:3])
        value = builder.emit(
            "Resize", builder.image(operator.inputs[0]), "", "", sizes,
            mode=mode, coordinate_transformation_mode=placed, nearest_mode=nearest,
        )  # fmt: skip
        builder.write(operator.outputs[0], builder.back(value))

    return write


def blocks(kind: str) -> Rule:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE."""

    def write(builder: Builder, operator: Operator) -> None:
        value = builder.emit(kind, builder.image(operator.inputs[0]), blocksize=operator.option("BlockSize", 1))
        builder.write(operator.outputs[0], builder.back(value))

    return write
