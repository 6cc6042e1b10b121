"""Parts of which networks are made, whole on the chip and in its Verilog: every tensor, every cycle."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.compiled import check
from compiler.test_rows import WITH_UNIT, device
from lithify.compiler import compile_graph
from lithify.isa.program import HostSegment
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.quantize.data import Input
from lithify.reference.graph import Graph
from lithify.verify import verify


def squeeze_excite() -> ir.Model:
    """A block of MobileNetV3: widened, filtered, its channels weighed, narrowed and added."""
    net = Builder("squeeze_excite", (1, 16, 7, 7), 0)
    x = net.conv_bn(net.input, 40, 1, activation=Builder.hard_swish)
    x = net.conv_bn(x, 40, 5, padding=2, groups=40, activation=Builder.hard_swish)
    x = net.squeeze_excite(x, 8, Builder.relu, Builder.hard_sigmoid)
    return net.model([net.add(net.input, net.conv_bn(x, 16, 1))])


def gated_sequence() -> ir.Model:
    """Dilated causal convolutions over time with gates, as in WaveNet (van den Oord et al., 2016)."""
    net = Builder("gated_sequence", (1, 8, 60), 0)
    x, skips = net.input, []
    for level in range(4):
        past = ((3 - 1) << level, 0)
        value, gate = (net.conv(x, 8, 3, padding=past, dilation=1 << level, gain=1.0) for _ in range(2))
        y = net.mul(net.tanh(value), net.sigmoid(gate))
        skips.append(net.conv(y, 12, 1, gain=1.0))
        x = net.add(x, net.conv(y, 8, 1, gain=1.0))
    total = skips[0]
    for skip in skips[1:]:
        total = net.add(total, skip)
    return net.model([net.conv(net.relu(total), 10, 1)])


def detector() -> ir.Model:
    """The head of a detector over two scales, to boxes and labels: each side of a box is what a distribution over 16
    distances has as its mean, as in YOLOv8."""
    sizes, classes, bins = ((8, 16), (4, 32)), 5, 16
    random, nodes, constants = np.random.default_rng(0), [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def node(operator: str, inputs: list[str], output: str, **settings: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **settings))
        return output

    def conv(x: str, name: str, width: int, channels: int, kernel: int) -> str:
        weights = random.normal(0, np.sqrt(2 / (width * kernel**2)), (channels, width, kernel, kernel))
        inputs = [x, constant(f"{name}.weights", weights.astype(np.float32))]
        return node("Conv", inputs, name, kernel_shape=[kernel, kernel], pads=[kernel // 2] * 4)

    def silu(x: str) -> str:
        return node("Mul", [x, node("Sigmoid", [x], f"{x}.s")], f"{x}.silu")

    maps, centres, strides = [], [], []
    for index, (size, width) in enumerate(sizes):
        box = conv(silu(conv(f"map{index}", f"box{index}a", width, 16, 3)), f"box{index}b", 16, 4 * bins, 1)
        label = conv(silu(conv(f"map{index}", f"label{index}a", width, 16, 3)), f"label{index}b", 16, classes, 1)
        joined = node("Concat", [box, label], f"head{index}", axis=1)
        shape = constant(f"flat{index}", np.array([1, 4 * bins + classes, size * size]))
        maps.append(node("Reshape", [joined, shape], f"rows{index}"))
        grid = np.arange(size, dtype=np.float32) + 0.5
        centres.append(np.stack(np.meshgrid(grid, grid)).reshape(2, -1))
        strides.append(np.full(size * size, 64 // size, np.float32))
    places = sum(size * size for size, _ in sizes)
    everything = node("Concat", maps, "everything", axis=2)
    parts = constant("parts", np.array([4 * bins, classes]))
    nodes.append(helper.make_node("Split", [everything, parts], ["sides", "labels"], name="split", axis=1))
    sides = node("Reshape", ["sides", constant("distances", np.array([1, 4, bins, places]))], "by_distance")
    sides = node("Softmax", [node("Transpose", [sides], "turned", perm=[0, 2, 1, 3])], "distribution", axis=1)
    means = np.arange(bins, dtype=np.float32).reshape(1, bins, 1, 1)
    sides = node("Conv", [sides, constant("means", means)], "mean", kernel_shape=[1, 1])
    sides = node("Reshape", [sides, constant("four", np.array([1, 4, places]))], "distance")
    halves = constant("halves", np.array([2, 2]))
    nodes.append(helper.make_node("Split", [sides, halves], ["first", "second"], name="ends", axis=1))
    centre = constant("centre", np.concatenate(centres, 1)[None].astype(np.float32))
    low, high = node("Sub", [centre, "first"], "low"), node("Add", [centre, "second"], "high")
    corners = node("Concat", [low, high], "corners", axis=1)
    node("Mul", [corners, constant("stride", np.concatenate(strides)[None, None])], "boxes")
    node("Sigmoid", ["labels"], "scores")
    images = [
        helper.make_tensor_value_info(f"map{i}", TensorProto.FLOAT, (1, width, size, size))
        for i, (size, width) in enumerate(sizes)
    ]
    results = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, rows, places))
        for name, rows in (("boxes", 4), ("scores", classes))
    ]
    graph = helper.make_graph(nodes, "detector", images, results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return ir.serde.deserialize_model(model)


def _parsed(text: str, constants: Mapping[str, np.ndarray]) -> ir.Model:
    model = onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 20]>' + text)
    model.graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()
    )
    return ir.serde.deserialize_model(model)


def class_token() -> ir.Model:
    """Patches of an image as rows of numbers, before them the row that stands for the class, and their places."""
    random = np.random.default_rng(0)
    constants = {
        "patches": random.normal(0, 0.1, (24, 3, 4, 4)),
        "token": random.normal(0, 1, (1, 1, 24)),
        "places": random.normal(0, 1, (1, 17, 24)),
        "dense": random.normal(0, 0.2, (24, 10)),
    }
    text = """class_token (float[1, 3, 16, 16] image) => (float[1, 17, 10] y) {
        map = Conv <kernel_shape = [4, 4], strides = [4, 4]> (image, patches)
        shape = Constant <value_ints = [1, 24, 16]> ()
        rows = Reshape (map, shape)
        tokens = Transpose <perm = [0, 2, 1]> (rows)
        all = Concat <axis = 1> (token, tokens)
        placed = Add (places, all)
        y = MatMul (placed, dense)
    }"""
    return _parsed(text, constants)


def rotary_attention() -> ir.Model:
    """Two heads of attention whose queries and keys are turned by their places (Su et al., "RoFormer", 2021)."""
    random = np.random.default_rng(0)
    angles = np.outer(np.arange(6), 0.1 ** (np.arange(4) / 4))
    angles = np.concatenate([angles, angles], 1)[None, None]
    constants: dict[str, np.ndarray] = {"cos": np.cos(angles), "sin": np.sin(angles), "scale": np.float32(8**-0.5)}
    constants |= {f"w{name}": random.normal(0, 0.25, (16, 16)) for name in "qkv"}
    text = """rotary_attention (float[1, 6, 16] x) => (float[1, 6, 16] y) {
        heads = Constant <value_ints = [1, 6, 2, 8]> ()
        joined = Constant <value_ints = [1, 6, 16]> ()
        halves = Constant <value_ints = [4, 4]> ()
    """
    for name in "qkv":
        text += f"""
        {name}0 = MatMul (x, w{name})
        {name}1 = Reshape ({name}0, heads)
        {name} = Transpose <perm = [0, 2, 1, 3]> ({name}1)
        """
    for name in "qk":
        text += f"""
        {name}a, {name}b = Split <axis = -1> ({name}, halves)
        {name}n = Neg ({name}b)
        {name}t = Concat <axis = -1> ({name}n, {name}a)
        {name}c = Mul ({name}, cos)
        {name}s = Mul ({name}t, sin)
        {name}r = Add ({name}c, {name}s)
        """
    text += """
        turned = Transpose <perm = [0, 1, 3, 2]> (kr)
        s0 = MatMul (qr, turned)
        s1 = Mul (s0, scale)
        p = Softmax <axis = -1> (s1)
        a0 = MatMul (p, v)
        a1 = Transpose <perm = [0, 2, 1, 3]> (a0)
        y = Reshape (a1, joined)
    }"""
    return _parsed(text, constants)


def decoding() -> ir.Model:
    """A step of decoding: two heads over the keys and values of five tokens and of the one that is new."""
    random = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {"scale": np.float32(8**-0.5), "w": random.normal(0, 0.25, (16, 48))}
    text = """decoding (float[1, 1, 16] x, float[1, 2, 5, 8] keys, float[1, 2, 5, 8] values)
        => (float[1, 1, 16] y, float[1, 2, 6, 8] all_keys, float[1, 2, 6, 8] all_values) {
        heads = Constant <value_ints = [1, 2, 1, 8]> ()
        joined = Constant <value_ints = [1, 1, 16]> ()
        thirds = Constant <value_ints = [16, 16, 16]> ()
        qkv = MatMul (x, w)
        q0, k0, v0 = Split <axis = -1> (qkv, thirds)
        q = Reshape (q0, heads)
        k = Reshape (k0, heads)
        v = Reshape (v0, heads)
        all_keys = Concat <axis = 2> (keys, k)
        all_values = Concat <axis = 2> (values, v)
        kt = Transpose <perm = [0, 1, 3, 2]> (all_keys)
        s0 = MatMul (q, kt)
        s1 = Mul (s0, scale)
        p = Softmax <axis = -1> (s1)
        a = MatMul (p, all_values)
        y = Reshape (a, joined)
    }"""
    return _parsed(text, constants)


PARTS: dict[str, Callable[[], ir.Model]] = {
    "squeeze_excite": squeeze_excite,
    "gated_sequence": gated_sequence,
    "detector": detector,
    "class_token": class_token,
    "rotary_attention": rotary_attention,
    "decoding": decoding,
}


def quantized(name: str) -> Graph:
    model = optimize(PARTS[name]())
    return read(quantize(model, seeded(inputs_of(model), 4)))


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_nothing_runs_on_the_host(name: str) -> None:
    graph = quantized(name)
    random = np.random.default_rng(1)
    inputs = {x: random.normal(size=graph.tensors[x].shape).astype(np.float32) for x in graph.inputs}
    compilation = check(graph, WITH_UNIT["tiny"], inputs)
    assert not compilation.reasons
    assert not [part for part in compilation.program.segments if isinstance(part, HostSegment)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_parts_agree_in_rtl(name: str) -> None:
    graph = quantized(name)
    program = compile_graph(graph, WITH_UNIT["tiny"])
    inputs = tuple(Input(x, graph.tensors[x].shape, graph.tensors[x].dtype) for x in graph.inputs)
    result = verify(program, graph, seeded(inputs, 4), rtl="layers", device=device("tiny"))
    assert result.agreed, result
