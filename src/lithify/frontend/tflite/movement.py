"""What only moves values: shapes, slices, joins, padding, gathering."""

import numpy as np

from lithify.errors import LithifyError
from lithify.frontend.tflite.activation import activated
from lithify.frontend.tflite.builder import Builder
from lithify.frontend.tflite.file import Operator

_FAR = 2**31 - 1


def reshape(builder: Builder, operator: Operator) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: to the shape of the output."""
    shape = builder.integers(*builder.tensor(operator.outputs[0]).shape)
    builder.write(operator.outputs[0], builder.emit("Reshape", builder.read(operator.inputs[0]), shape))


def transpose(builder: Builder, operator: Operator) -> None:
    """Dimensions in another order."""
    order = [int(axis) for axis in builder.data(operator, 1)]
    builder.write(operator.outputs[0], builder.emit("Transpose", builder.read(operator.inputs[0]), perm=order))


def pad(builder: Builder, operator: Operator) -> None:
    """PAD with 0, PADV2 with a number, MIRROR_PAD without and with the edge repeated."""
    amounts = builder.data(operator, 1).astype(np.int64).T.reshape(-1)
    inputs = [builder.read(operator.inputs[0]), builder.integers(*amounts)]
    mode = "constant"
    if operator.name == "PADV2":
        inputs.append(builder.read(operator.inputs[2]))
    elif operator.name == "MIRROR_PAD":
        if operator.option("Mode", 0):
            raise LithifyError(
                f"MIRROR_PAD of '{builder.file.source}' has the mode SYMMETRIC, which Lithify does not read; "
                "REFLECT is read. Change the network and convert it again."
            )
        mode = "reflect"
    builder.write(operator.outputs[0], builder.emit("Pad", *inputs, mode=mode))


def concatenate(builder: Builder, operator: Operator) -> None:
    """One behind the other along a dimension."""
    parts = [builder.read(index) for index in operator.inputs]
    value = builder.emit("Concat", *parts, axis=operator.option("Axis", 0))
    builder.write(operator.outputs[0], activated(builder, operator, value))


def pack(builder: Builder, operator: Operator) -> None:
    """One behind the other along a new dimension."""
    target = builder.tensor(operator.outputs[0]).shape
    axis = operator.option("Axis", 0) % len(target)
    one = (*target[:axis], 1, *target[axis + 1 :])
    parts = [builder.emit("Reshape", builder.read(index), builder.integers(*one)) for index in operator.inputs]
    builder.write(operator.outputs[0], builder.emit("Concat", *parts, axis=axis))


def split(builder: Builder, operator: Operator) -> None:
    """SPLIT: (dimension, tensor); SPLIT_V: (tensor, sizes, dimension); UNPACK: pieces of one without the dimension."""
    value = operator.inputs[1] if operator.name == "SPLIT" else operator.inputs[0]
    if operator.name == "UNPACK":
        axis = operator.option("Axis", 0)
    else:
        axis = int(builder.data(operator, 0 if operator.name == "SPLIT" else 2).reshape(-1)[0])
    axis %= len(builder.tensor(value).shape)
    starts = [0]
    for index in operator.outputs:
        starts.append(starts[-1] + (1 if operator.name == "UNPACK" else builder.tensor(index).shape[axis]))
    source = builder.read(value)
    for place, index in enumerate(operator.outputs):
        bounds = (builder.integers(number) for number in (starts[place], starts[place + 1], axis))
        piece = builder.emit("Slice", source, *bounds)
        if operator.name == "UNPACK":
            piece = builder.emit("Reshape", piece, builder.integers(*builder.tensor(index).shape))
        builder.write(index, piece)


def cut(builder: Builder, operator: Operator) -> None:
    """SLICE: (tensor, begin, size), -1 for all that is left."""
    starts, sizes = builder.data(operator, 1).astype(int), builder.data(operator, 2).astype(int)
    ends = [_FAR if size < 0 else start + size for start, size in zip(starts, sizes, strict=True)]
    value = builder.emit("Slice", builder.read(operator.inputs[0]), builder.integers(*starts), builder.integers(*ends))
    builder.write(operator.outputs[0], value)


def strided(builder: Builder, operator: Operator) -> None:
    """STRIDED_SLICE: (tensor, begin, end, strides); masks say which bounds are open and which dimensions vanish."""
    if operator.option("EllipsisMask", 0) or operator.option("NewAxisMask", 0) or operator.option("Offset", False):
        raise LithifyError(
            f"STRIDED_SLICE of '{builder.file.source}' has an ellipsis, a new axis or an offset, which Lithify "
            "does not read. Write the slice with a bound for every dimension and convert the network again."
        )
    starts, ends, steps = (builder.data(operator, place).astype(int).tolist() for place in (1, 2, 3))
    shape = builder.tensor(operator.inputs[0]).shape
    for axis in range(len(starts)):
        if operator.option("ShrinkAxisMask", 0) >> axis & 1:
            starts[axis] %= shape[axis]
            ends[axis], steps[axis] = starts[axis] + 1, 1
            continue
        if operator.option("BeginMask", 0) >> axis & 1:
            starts[axis] = 0 if steps[axis] > 0 else _FAR
        if operator.option("EndMask", 0) >> axis & 1:
            ends[axis] = _FAR if steps[axis] > 0 else -_FAR
    axes = range(len(starts))
    bounds = (builder.integers(*numbers) for numbers in (starts, ends, axes, steps))
    value = builder.emit("Slice", builder.read(operator.inputs[0]), *bounds)
    if operator.option("ShrinkAxisMask", 0):
        value = builder.emit("Reshape", value, builder.integers(*builder.tensor(operator.outputs[0]).shape))
    builder.write(operator.outputs[0], value)


def gather(builder: Builder, operator: Operator) -> None:
    """Entries along a dimension."""
    if operator.option("BatchDims", 0):
        raise LithifyError(
            f"GATHER of '{builder.file.source}' has batch dimensions, which Lithify does not read. "
            "Change the network and convert it again."
        )
    value, places = (builder.read(index) for index in operator.inputs[:2])
    builder.write(operator.outputs[0], builder.emit("Gather", value, places, axis=operator.option("Axis", 0)))


def tile(builder: Builder, operator: Operator) -> None:
    """The whole tensor several times along each dimension."""
    repeats = builder.integers(*builder.data(operator, 1).astype(int))
    builder.write(operator.outputs[0], builder.emit("Tile", builder.read(operator.inputs[0]), repeats))


def broadcast(builder: Builder, operator: Operator) -> None:
    """BROADCAST_TO the shape of the output."""
    shape = builder.integers(*builder.tensor(operator.outputs[0]).shape)
    builder.write(operator.outputs[0], builder.emit("Expand", builder.read(operator.inputs[0]), shape))
