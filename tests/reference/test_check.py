"""What is not a graph of the reference is refused by name, word for word."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference.check import check
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import OPERATORS, make_node

HALF = np.array(0.5, np.float32)


def small() -> Graph:
    """float image -> Quantize -> Conv -> MaxPool -> Dequantize."""
    tensors = [
        Tensor("image", (1, 2, 4, 4), "float32"),
        Tensor("x", (1, 2, 4, 4), "int8", HALF, 1),
        Tensor("w", (3, 2, 3, 3), "int8", np.array([0.5, 1, 2], np.float32)),
        Tensor("b", (3,), "int32"),
        Tensor("c", (1, 3, 4, 4), "int8", HALF, -5),
        Tensor("p", (1, 3, 2, 2), "int8", HALF, -5),
        Tensor("y", (1, 3, 2, 2), "float32"),
    ]
    nodes = (
        make_node("quantize", "Quantize", ("image",), ("x",)),
        make_node("conv", "Conv", ("x", "w", "b"), ("c",), pads=(1, 1, 1, 1)),
        make_node("pool", "MaxPool", ("c",), ("p",), kernel_shape=(2, 2), strides=(2, 2)),
        make_node("dequantize", "Dequantize", ("p",), ("y",)),
    )
    constants = {"w": np.ones((3, 2, 3, 3), np.int8), "b": np.zeros(3, np.int32)}
    return Graph("small", ("image",), ("y",), {tensor.name: tensor for tensor in tensors}, constants, nodes)


def with_tensor(name: str, /, **changes: Any) -> Graph:
    graph = small()
    return replace(graph, tensors={**graph.tensors, name: replace(graph.tensors[name], **changes)})


def with_node(index: int, **changes: Any) -> Graph:
    graph = small()
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return replace(graph, nodes=tuple(nodes))


def with_attributes(index: int, **attributes: Any) -> Graph:
    return with_node(index, attributes=MappingProxyType({**small().nodes[index].attributes, **attributes}))


def refusal(graph: Graph) -> str:
    with pytest.raises(LithifyError) as error:
        check(graph)
    return str(error.value)


def test_every_tensor_is_returned_in_order() -> None:
    graph = small()
    check(graph)
    values = run(graph, {"image": np.ones((1, 2, 4, 4), np.float32)})
    assert list(values) == ["image", "w", "b", "x", "c", "p", "y"]
    for name, value in values.items():
        assert (value.shape, value.dtype.name) == (graph.tensors[name].shape, graph.tensors[name].dtype)


def test_attributes_are_completed() -> None:
    assert dict(make_node("c", "Conv", ("x", "w", ""), ("y",), strides=[2, np.int64(1)]).attributes) == {
        "strides": (2, 1),
        "pads": (0, 0, 0, 0),
        "dilations": (1, 1),
        "group": 1,
        "minimum": -128,
        "maximum": 127,
    }


NODES = [
    (
        {"operator": "Convolve"},
        "Node 'n' has the operator 'Convolve', which is unknown; known are: Quantize, Dequantize, Signed, Unsigned, "
        "Truth, Indices, "
        "Conv, ConvTranspose, Gemm, MatMul, Add, Sub, Mul, MaxPool, AveragePool, GlobalAveragePool, ReduceMean, "
        "ReduceSum, ReduceMax, ReduceMin, Reshape, Transpose, Expand, Tile, Slice, Gather, Append, PositionMask, "
        "PositionRange, Split, Concat, Pad, "
        "DepthToSpace, SpaceToDepth, ResizeNearest, "
        "ResizeLinear, Elementwise, "
        "Softmax, ReduceL1, ReduceSumSquare, ReduceL2, ReduceProd, ReduceLogSum, ReduceLogSumExp, LpNormalization, "
        "GroupNormalization, ArgMax, ArgMin, MaskedSoftmax, LogSoftmax, LayerNormalization, RMSNormalization, "
        "Clip, Lookup, Host.",
    ),
    (
        {"operator": "Add", "padding": 1},
        "Node 'n' (Add) has no attribute 'padding'; it has: minimum, maximum.",
    ),
    ({"operator": "Quantize", "axis": 1}, "Node 'n' (Quantize) has no attribute 'axis'; it has: none."),
    ({"operator": "MaxPool"}, "Node 'n' (MaxPool) lacks its attribute 'kernel_shape'; give it a value."),
    (
        {"operator": "Conv", "pads": (1, 1)},
        "Node 'n' (Conv) was given pads = (1, 1); it must be 4 integers of at least 0.",
    ),
    (
        {"operator": "Conv", "strides": (1, 0)},
        "Node 'n' (Conv) was given strides = (1, 0); it must be 2 integers of at least 1.",
    ),
    ({"operator": "Conv", "group": 1.5}, "Node 'n' (Conv) was given group = 1.5; it must be an integer of at least 1."),
    (
        {"operator": "Add", "maximum": 255},
        "Node 'n' (Add) was given maximum = 255; it must be an integer from -128 to 127.",
    ),
    (
        {"operator": "MaxPool", "kernel_shape": (2, 2), "ceil_mode": 2},
        "Node 'n' (MaxPool) was given ceil_mode = 2; it must be 0 or 1.",
    ),
    ({"operator": "Reshape", "shape": 4}, "Node 'n' (Reshape) was given shape = 4; it must be integers of at least 1."),
    (
        {"operator": "DepthToSpace", "blocksize": 2, "mode": "RDC"},
        "Node 'n' (DepthToSpace) was given mode = 'RDC'; it must be one of: DCR, CRD.",
    ),
    (
        {"operator": "Pad", "pads": (1, 1), "mode": 1},
        "Node 'n' (Pad) was given mode = 1; it must be one of: constant, reflect, edge, wrap.",
    ),
    ({"operator": "Host", "model": "text"}, "Node 'n' (Host) was given model = 'text'; it must be bytes."),
    (
        {"operator": "Host", "model": b"", "operators": "Softmax"},
        "Node 'n' (Host) was given operators = 'Softmax'; it must be a tuple of strings.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), NODES)
def test_a_wrong_node_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LithifyError) as error:
        make_node("n", inputs=("x",), outputs=("y",), **arguments)
    assert str(error.value) == message


GRAPHS = [
    (
        with_node(1, operator="Convolve"),
        "Node 'conv' has the operator 'Convolve', which is unknown; known are: " + ", ".join(OPERATORS) + ".",
    ),
    (
        with_node(1, attributes=MappingProxyType({})),
        "Node 'conv' (Conv) lacks its attribute 'dilations'; "
        "make the node with `lithify.reference.operators.make_node`, which fills the defaults in.",
    ),
    (
        with_attributes(1, minimum=5, maximum=4),
        "Node 'conv' (Conv) has minimum 5 above maximum 4; minimum must not exceed maximum.",
    ),
    (
        with_attributes(1, group=2),
        "Node 'conv' (Conv) was given 2 channels, weights of shape (3, 2, 3, 3) and group 2; "
        "channels must be group x the weights' second dimension, and group must divide the first.",
    ),
    (
        with_attributes(1, pads=(0, 0, 0, 0), dilations=(2, 2)),
        "Node 'conv' (Conv) slides a window of 5x5 over an image of 4x4 with pads (0, 0, 0, 0); "
        "the padded image must be at least as large as the window.",
    ),
    (
        with_attributes(1, pads=(0, 0, 0, 0)),
        "Node 'conv' (Conv) makes 'c' of shape (1, 3, 2, 2); its tensor says (1, 3, 4, 4).",
    ),
    (
        with_attributes(2, pads=(0, 0, 2, 0)),
        "Node 'pool' (MaxPool) was given pads (0, 0, 2, 0) with a kernel of 2x2; every pad must be smaller than the "
        "kernel.",
    ),
    (
        with_node(1, inputs=("x", "w")),
        "Node 'conv' (Conv) has 2 inputs and 1 outputs; it must have 3 and 1 (an absent optional input is \"\").",
    ),
    (with_node(1, inputs=("x", "", "b")), "Node 'conv' (Conv) lacks an input; only a bias may be absent."),
    (
        with_node(1, inputs=("p", "w", "b")),
        "Node 'conv' (Conv) reads 'p' before anything made it; put the node after the one that does.",
    ),
    (
        with_node(2, outputs=("c",)),
        "Node 'pool' (MaxPool) makes 'c', which is made already; every tensor must be made once.",
    ),
    (
        with_node(2, outputs=("q",)),
        "Node 'pool' (MaxPool) makes 'q', but no tensor of that name; add it to the graph's tensors.",
    ),
    (with_node(2, name="conv"), "Two nodes are named 'conv'; every node must have a name of its own."),
    (
        with_tensor("p", zero_point=0),
        "Node 'pool' (MaxPool) changes scale or zero point from 'c' to 'p'; they must be the same.",
    ),
    (
        with_tensor("x", scale=None),
        "Node 'quantize' (Quantize) was given 'x' without a scale; a quantised tensor needs one.",
    ),
    (
        with_tensor("c", shape=(3, 3, 4, 4), scale=np.ones(3, np.float32)),
        "Node 'conv' (Conv) was given 'c' with a scale per channel; only weights may have that.",
    ),
    (with_tensor("w", zero_point=3), "Node 'conv' (Conv) was given 'w' with zero point 3; weights have 0."),
    (
        with_tensor("w", scale=np.ones(2, np.float32)),
        "Tensor 'w' of shape (3, 2, 3, 3) has 2 scales; "
        "it must have one, or one for each entry of its first dimension.",
    ),
    (
        with_tensor("x", scale=np.array(0, np.float32)),
        "Tensor 'x' has the scale 0.0; it must be float32, finite and above zero.",
    ),
    (with_tensor("x", zero_point=128), "Tensor 'x' has the zero point 128; it must be from -128 to 127."),
    (
        with_tensor("x", dtype="int4"),
        "Tensor 'x' has the dtype 'int4'; it must be one of: int8, int32, float32, int64, uint8, bool.",
    ),
    (
        with_tensor("image", shape=(0, 2, 4, 4)),
        "Tensor 'image' has the shape (0, 2, 4, 4); every dimension must be a positive integer.",
    ),
    (with_tensor("image", name="picture"), "Tensor 'picture' is listed under the name 'image'; both must be the same."),
    (
        with_tensor("b", dtype="float32"),
        "Constant 'b' holds int32 of shape (3,); its tensor says float32 of shape (3,).",
    ),
    (
        replace(with_tensor("b", shape=(2,)), constants={**small().constants, "b": np.zeros(2, np.int32)}),
        "Node 'conv' (Conv) was given a bias of shape (2,); it must be (3,), one entry per output channel.",
    ),
    (
        replace(small(), outputs=("z",)),
        "The graph has an output 'z', but no tensor of that name; add it to the graph's tensors.",
    ),
    (
        replace(small(), nodes=small().nodes[:3]),
        "Output 'y' is made by no node; every output must be a node's output or an input.",
    ),
    (
        replace(small(), inputs=("image", "w")),
        "Tensor 'w' is given twice; it must be one input or one constant.",
    ),
    (
        replace(small(), nodes=(Node("quantize", "Quantize", ("x",), ("x",)), *small().nodes[1:]), inputs=("x",)),
        "Node 'quantize' (Quantize) makes 'x', which is made already; every tensor must be made once.",
    ),
]


@pytest.mark.parametrize(("graph", "message"), GRAPHS, ids=range(len(GRAPHS)))
def test_a_wrong_graph_is_refused(graph: Graph, message: str) -> None:
    assert refusal(graph) == message


INPUTS = [
    ({}, "Input 'image' is missing; the inputs given are: none."),
    (
        {"image": np.ones((2, 4, 4), np.float32)},
        "Input 'image' was given as float32 of shape (2, 4, 4); it must be float32 of shape (1, 2, 4, 4).",
    ),
    (
        {"image": np.ones((1, 2, 4, 4))},
        "Input 'image' was given as float64 of shape (1, 2, 4, 4); it must be float32 of shape (1, 2, 4, 4).",
    ),
    (
        {"image": np.ones((1, 2, 4, 4), np.float32), "mask": np.ones(1)},
        "The graph has no input 'mask'; its inputs are: image.",
    ),
]


@pytest.mark.parametrize(("inputs", "message"), INPUTS, ids=range(len(INPUTS)))
def test_wrong_inputs_are_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(LithifyError) as error:
        run(small(), inputs)
    assert str(error.value) == message


def one(operator: str, inputs: list[Tensor], output: Tensor, **attributes: Any) -> Graph:
    names = tuple(tensor.name for tensor in inputs)
    tensors = {tensor.name: tensor for tensor in (*inputs, output)}
    return Graph(
        "g", names, (output.name,), tensors, {}, (make_node("n", operator, names, (output.name,), **attributes),)
    )


def blend(**changes: Any) -> dict[str, Any]:
    """Attributes of a ResizeLinear to one pixel."""
    one_place = {"rows": (0,), "row_weights": (1,), "row_steps": 2}
    return {**one_place, **{name.replace("row", "column"): value for name, value in one_place.items()}, **changes}


FLAT = Tensor("x", (2, 3), "int8", HALF)
IMAGE = Tensor("x", (1, 1, 1, 4), "int8", HALF)
SEQUENCE = Tensor("x", (1, 2, 4), "int8", HALF)
DEEP = Tensor("x", (1, 6, 3, 4), "int8", HALF)
KERNEL = [Tensor("w", (2, 2, 1), "int8", HALF), Tensor("b", (2,), "int32")]
Y = replace(FLAT, name="y")
SHAPES = [
    (
        one("Add", [FLAT, Tensor("b", (3,), "int8", HALF)], replace(FLAT, name="y")),
        "Node 'n' (Add) was given shapes (2, 3) and (3,); they must have as many dimensions, "
        "each of equal size or of size 1 in one of them.",
    ),
    (
        one("Reshape", [FLAT], replace(FLAT, name="y"), shape=(7,)),
        "Node 'n' (Reshape) was given (2, 3) to make (7,) of; both must hold as many elements.",
    ),
    (
        one("Lookup", [FLAT, Tensor("t", (255,), "int8")], replace(FLAT, name="y")),
        "Node 'n' (Lookup) was given a table of shape (255,); "
        "it must be (256,), one entry per int8 value from -128 up.",
    ),
    (
        one("GlobalAveragePool", [FLAT], replace(FLAT, name="y")),
        "Node 'n' (GlobalAveragePool) was given x of shape (2, 3); it must have 4 dimensions, NCHW, or 3, NCL.",
    ),
    (
        one("Gemm", [FLAT, Tensor("w", (4, 2), "int8", HALF), Tensor("b", (4,), "int32")], replace(FLAT, name="y")),
        "Node 'n' (Gemm) was given x of shape (2, 3) and w of shape (4, 2); w must be [N, K] with K the last dimension "
        "of x.",
    ),
    (
        one("MatMul", [FLAT, replace(FLAT, name="b", shape=(4, 2))], replace(FLAT, name="y")),
        "Node 'n' (MatMul) was given a of shape (2, 3) and b of shape (4, 2); a must be [M, K] or [B, M, K], "
        "b [N, K] or [B, N, K], with the same K, and B the same or 1.",
    ),
    (
        one("Conv", [FLAT, Tensor("w", (4, 2), "int8", HALF), Tensor("b", (4,), "int32")], replace(FLAT, name="y")),
        "Node 'n' (Conv) was given x of shape (2, 3) and w of shape (4, 2); "
        "both must have 4 dimensions, NCHW and OIHW, or both 3, NCL and OIL.",
    ),
    (
        one("AveragePool", [IMAGE], replace(IMAGE, name="y"), kernel_shape=(2, 1), pads=(1, 0, 1, 0), dilations=(2, 1)),
        "Node 'n' (AveragePool) has a window that sees only padding on an image of 1x4; use smaller dilations or pads.",
    ),
    (
        one("Mul", [FLAT, Tensor("b", (2, 2), "int8", HALF)], Y),
        "Node 'n' (Mul) was given shapes (2, 3) and (2, 2); they must have as many dimensions, "
        "each of equal size or of size 1 in one of them.",
    ),
    (
        one("Conv", [SEQUENCE, *KERNEL], Y, pads=(1, 0, 0, 0)),
        "Node 'n' (Conv) slides a window of height 1 with pads (1, 0, 0, 0) over a sequence; a sequence is an image of "
        "height 1, so the window's height must be 1 and the pads above and below must be 0.",
    ),
    (
        one("MaxPool", [SEQUENCE], Y, kernel_shape=(2, 2)),
        "Node 'n' (MaxPool) slides a window of height 2 with pads (0, 0, 0, 0) over a sequence; a sequence is an image "
        "of height 1, so the window's height must be 1 and the pads above and below must be 0.",
    ),
    (
        one("ConvTranspose", [SEQUENCE, *KERNEL], Y, strides=(1, 2), output_padding=(0, 2)),
        "Node 'n' (ConvTranspose) was given output_padding (0, 2) with strides (1, 2) and dilations (1, 1); "
        "it must be smaller than the stride or the dilation of its dimension.",
    ),
    (
        one("ConvTranspose", [SEQUENCE, *KERNEL], Y, pads=(0, 2, 0, 2)),
        "Node 'n' (ConvTranspose) makes an image of 1x0 of one of 1x4 with pads (0, 2, 0, 2); use smaller pads, and no "
        "output_padding for the height of a sequence.",
    ),
    (
        one("ReduceMean", [FLAT], Y, axes=(0, 0)),
        "Node 'n' (ReduceMean) was given axes (0, 0); it must have at least one, each once.",
    ),
    (
        one("ReduceMax", [FLAT], Y, axes=(2,)),
        "Node 'n' (ReduceMax) was given the axis 2 for 2 dimensions; it must be from 0 to 1.",
    ),
    (
        one("Transpose", [FLAT], Y, perm=(1, 1)),
        "Node 'n' (Transpose) was given perm (1, 1) for 2 dimensions; it must hold each of them once, counted from 0.",
    ),
    (
        one("Expand", [FLAT], Y, shape=(4, 3)),
        "Node 'n' (Expand) was given (2, 3) to expand to (4, 3); "
        "aligned at the last, each dimension must be 1 or that of the new shape.",
    ),
    (
        one("Tile", [FLAT], Y, repeats=(2,)),
        "Node 'n' (Tile) was given repeats (2,) for 2 dimensions; it must have one for each.",
    ),
    (
        one("Slice", [FLAT], Y, starts=(0,), ends=(1, 2), axes=(0,), steps=(1,)),
        "Node 'n' (Slice) was given starts (0,), ends (1, 2), axes (0,) and steps (1,); "
        "each must have as many entries, and no axis may stand twice.",
    ),
    (
        one("Slice", [FLAT], Y, starts=(0,), ends=(1,), axes=(0,), steps=(0,)),
        "Node 'n' (Slice) was given the step 0; it must be another integer.",
    ),
    (
        one("Slice", [FLAT], Y, starts=(2,), ends=(-1,), axes=(1,), steps=(1,)),
        "Node 'n' (Slice) takes nothing of axis 1, of size 3, from 2 to -1 in steps of 1; "
        "give a start and an end with something between them.",
    ),
    (
        one("Split", [FLAT], Y, axis=1, split=(1, 2)),
        "Node 'n' (Split) was given (2, 3) to split along axis 1 into (1, 2) for 1 outputs; "
        "it must have a size for each output, that add up to 3.",
    ),
    (
        one("Concat", [FLAT, Tensor("b", (3, 3), "int8", HALF)], Y, axis=1),
        "Node 'n' (Concat) was given shapes (2, 3) and (3, 3) to join along axis 1; all other dimensions must be "
        "equal.",
    ),
    (
        one("Concat", [FLAT, Tensor("b", (2, 3), "int8", HALF, 1)], Y, axis=1),
        "Node 'n' (Concat) reads 'x' and 'b' of different scale or zero point; they must be the same.",
    ),
    (
        Graph("g", (), ("y",), {"y": Y}, {}, (make_node("n", "Concat", (), ("y",), axis=0),)),
        "Node 'n' (Concat) has 0 inputs and 1 outputs; "
        'it must have 1 or more and 1 (an absent optional input is "").',
    ),
    (
        one("Pad", [FLAT], Y, pads=(1, 1)),
        "Node 'n' (Pad) was given pads (1, 1) for 2 dimensions; "
        "it must have one before each dimension, then one behind each.",
    ),
    (
        one("Pad", [FLAT], Y, pads=(0, -2, 0, -1)),
        "Node 'n' (Pad) cuts (0, -2, 0, -1) off (2, 3), which leaves nothing; cut off less.",
    ),
    (
        one("Pad", [FLAT], Y, pads=(2, 0, 0, 0), mode="reflect"),
        "Node 'n' (Pad) was given pads (2, 0, 0, 0) to reflect of (2, 3); each must be smaller than its dimension.",
    ),
    (
        one("Pad", [replace(FLAT, zero_point=100)], replace(Y, zero_point=100), pads=(1, 0, 0, 0), value=28),
        "Node 'n' (Pad) was given value 28 with zero point 100; "
        "their sum, which stands in the padding, must be from -128 to 127.",
    ),
    (
        one("DepthToSpace", [FLAT], Y, blocksize=1),
        "Node 'n' (DepthToSpace) was given x of shape (2, 3); it must have 4 dimensions, NCHW.",
    ),
    (
        one("DepthToSpace", [DEEP], Y, blocksize=2),
        "Node 'n' (DepthToSpace) was given 6 channels and blocksize 2; channels must be a multiple of 4.",
    ),
    (
        one("SpaceToDepth", [DEEP], Y, blocksize=2),
        "Node 'n' (SpaceToDepth) was given an image of 3x4 and blocksize 2; both sides must be multiples of it.",
    ),
    (
        one("ResizeNearest", [FLAT], Y, rows=(0,), columns=(0,)),
        "Node 'n' (ResizeNearest) was given x of shape (2, 3); it must have 4 dimensions, NCHW, or 3, NCL.",
    ),
    (
        one("ResizeNearest", [DEEP], Y, rows=(0, 3), columns=(0,)),
        "Node 'n' (ResizeNearest) was given rows (0, 3) of an image of 3x4; there must be at least one, each below 3.",
    ),
    (
        one("ResizeNearest", [SEQUENCE], Y, rows=(0, 0), columns=(0,)),
        "Node 'n' (ResizeNearest) was given 2 rows of a sequence; a sequence is an image of height 1 and stays one.",
    ),
    (
        one("ResizeLinear", [DEEP], Y, **blend(row_weights=(3,))),
        "Node 'n' (ResizeLinear) was given row_weights (3,) for 1 rows in 2 row_steps; "
        "there must be one for each, none above the steps.",
    ),
    (
        one("ResizeLinear", [DEEP], Y, **blend(column_steps=2**22 + 1)),
        "Node 'n' (ResizeLinear) was given weights in steps of 1/8388610, whose sums do not fit a 32-bit accumulator; "
        "steps may be at most 8388608: resize by a simpler factor, or on the host.",
    ),
]


@pytest.mark.parametrize(("graph", "message"), SHAPES, ids=[row[0].nodes[0].operator for row in SHAPES])
def test_shapes_that_do_not_fit_are_refused(graph: Graph, message: str) -> None:
    assert refusal(graph) == message


def test_scales_whose_ratio_leaves_float32_are_refused() -> None:
    huge, tiny = np.array(1e30, np.float32), np.array(1e-30, np.float32)
    graph = one("Add", [replace(FLAT, scale=huge), replace(FLAT, name="b")], Tensor("y", (2, 3), "int8", tiny))
    with pytest.raises(LithifyError) as error:
        run(graph, {"x": np.ones((2, 3), np.int8), "b": np.ones((2, 3), np.int8)})
    assert str(error.value) == (
        "The scales of 'y' and of what it is made from have a ratio beyond float32; "
        "calibrate again, so that they are of like size."
    )


def test_a_host_model_that_is_none_is_refused() -> None:
    x = Tensor("x", (1,), "float32")
    graph = one("Host", [x], replace(x, name="y"), model=b"not a model")
    with pytest.raises(LithifyError, match=r"^ONNX Runtime could not load the host model: "):
        run(graph, {"x": np.ones(1, np.float32)})
