"""A network of a convolution and a max pooling, compiled by hand, beside the graph that says what it must give."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lithify.chip import Chip
from lithify.isa import encode, instruction
from lithify.isa.program import (
    Base,
    ChipSegment,
    Conversion,
    HostSegment,
    Layer,
    Placement,
    Program,
    Result,
    TensorInfo,
)
from lithify.reference.arithmetic import product_multiplier
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node

HEIGHT, WIDTH, CHANNELS, FEATURES = 5, 4, 3, 12


@dataclass(frozen=True)
class Compiled:
    program: Program
    graph: Graph
    x: np.ndarray


def softmax_model() -> bytes:
    node = helper.make_node("Softmax", ["flat"], ["y"], axis=1)
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4 * FEATURES])  # noqa: E731
    model = helper.make_model(
        helper.make_graph([node], "softmax", [value("flat")], [value("y")]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    generator = np.random.default_rng(7)
    chip = Chip(
        schema=1, name="hand", clock_hz=100_000_000, rows=8, columns=8, accumulators=5, lanes=4, scratchpad_bytes=16384,
        scratchpad_banks=8, bus_bytes=4, dram_bytes_per_cycle=4,
    )  # fmt: skip
    scale = lambda value: np.asarray(value, np.float32)  # noqa: E731
    x = Tensor("x", (1, CHANNELS, HEIGHT, WIDTH), "float32")
    xq = Tensor("xq", x.shape, "int8", scale(0.04), -9)
    w = Tensor("w", (FEATURES, CHANNELS, 3, 3), "int8", generator.uniform(0.01, 0.03, FEATURES).astype(np.float32))
    bias = Tensor("bias", (FEATURES,), "int32")
    c = Tensor("c", (1, FEATURES, HEIGHT, WIDTH), "int8", scale(0.17), 11)
    p = Tensor("p", (1, FEATURES, 2, 2), "int8", c.scale, c.zero_point)
    pf = Tensor("pf", p.shape, "float32")
    flat = Tensor("flat", (1, 4 * FEATURES), "float32")
    y = Tensor("y", flat.shape, "float32")
    tensors = {tensor.name: tensor for tensor in (x, xq, w, bias, c, p, pf, flat, y)}
    weights = generator.integers(-128, 128, w.shape, dtype=np.int8)
    biases = generator.integers(-2000, 2000, FEATURES, dtype=np.int32)
    model = softmax_model()
    graph = Graph(
        "hand", ("x",), ("p", "y"), tensors, {"w": weights, "bias": biases},
        (
            make_node("quantize", "Quantize", ("x",), ("xq",)),
            make_node("conv", "Conv", ("xq", "w", "bias"), ("c",), pads=(1, 1, 1, 1), minimum=-100),
            make_node("pool", "MaxPool", ("c",), ("p",), kernel_shape=(2, 2), strides=(2, 2)),
            make_node("dequantize", "Dequantize", ("p",), ("pf",)),
            make_node("flatten", "Reshape", ("pf",), ("flat",), shape=flat.shape),
            make_node("softmax", "Host", ("flat",), ("y",), model=model),
        ),
    )  # fmt: skip

    # Per group: 8 parameter words, then 3 x 3 sets of 8 words (a word a column, channels in its bytes).
    folded = biases - xq.zero_point * weights.reshape(FEATURES, -1).astype(np.int32).sum(axis=1, dtype=np.int32)
    multiplier = product_multiplier(xq, w, c)
    constants = np.zeros((2, 80, 8), np.int8)
    for feature in range(FEATURES):
        group, column = divmod(feature, 8)
        block = constants[group].reshape(-1)
        block[4 * column : 4 * column + 4] = np.frombuffer(folded[feature].tobytes(), np.int8)
        block[32 + 4 * column : 36 + 4 * column] = np.frombuffer(multiplier[feature].tobytes(), np.int8)
        sets = constants[group, 8:].reshape(3, 3, 8, 8)
        sets[:, :, column, :CHANNELS] = weights[feature].transpose(1, 2, 0)

    banks = [256 * bank for bank in range(8)]
    one = dict.fromkeys(("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "position_y"), 1)
    entries = [
        # One token, from the second LOAD, says that both are done: within a queue instructions retire in order.
        instruction("LOAD", base=Base.CONSTANTS, row_bytes=constants.size, rows=1, planes=1, address=banks[0]),
        instruction("LOAD", base=Base.INPUTS, row_bytes=8 * HEIGHT * WIDTH, rows=1, planes=1, address=banks[1],
                    signal=2),
        instruction(
            "CONV", **{**one, "passes_y": 3, "passes_x": 3}, wait=1, in_address=(banks[1] - WIDTH - 1) % 65536,
            in_height=HEIGHT, in_width=WIDTH, start_y=-1, start_x=-1, position_x=1, position_y_words=WIDTH,
            position_x_words=1, pass_y=1, pass_x=1, pass_y_words=WIDTH, pass_x_words=1, pad_value=xq.zero_point,
            out_height=HEIGHT, out_width=WIDTH, out_address=banks[2], out_row_words=2 * WIDTH, out_pixel_words=2,
            tile=5, groups=2, group_words=1, last_group_words=1, weight_address=banks[0], zero_point=c.zero_point,
            minimum=-100, maximum=127,
        ),
        instruction(
            "STREAM", **{**one, "window_height": 2, "window_width": 2, "slide": 2, "position_y": 2}, serial=1, signal=8,
            in_address=banks[2], in_height=HEIGHT, in_width=WIDTH, position_x=2, position_y_words=4 * WIDTH,
            position_x_words=4, tap_y=1, tap_x=1, tap_y_words=2 * WIDTH, tap_x_words=2, group_in_words=1,
            pad_value=-128, out_height=2, out_width=2, out_address=banks[3], out_row_words=4, out_pixel_words=2, tile=4,
            groups=2, group_words=1, last_group_words=1, minimum=-128, maximum=127,
        ),
        instruction("STORE", base=Base.OUTPUTS, offset=64, row_bytes=64, rows=1, planes=1, address=banks[3], wait=2),
        instruction("END"),
    ]  # fmt: skip
    code = encode(entries)

    def info(t: Tensor) -> TensorInfo:
        return TensorInfo(t.name, t.shape, t.dtype, None if t.scale is None else float(t.scale), t.zero_point)

    program = Program(
        name="hand",
        chip=chip,
        inputs=("x",),
        outputs=("p", "y"),
        tensors={t.name: info(t) for t in (x, xq, c, p, pf, flat, y)},
        segments=(
            Conversion("quantize", "Quantize", "x", "xq"),
            ChipSegment(
                "chip", 0, -(-len(code) // 128) * 128,
                (Placement("xq", Base.INPUTS, 0, HEIGHT, WIDTH, CHANNELS, 8, fill=5),),
                (Placement("p", Base.OUTPUTS, 64, 2, 2, FEATURES, 16),),
            ),
            Conversion("dequantize", "Dequantize", "p", "pf"),
            HostSegment("softmax", ("Softmax",), ("flat",), ("y",), model),
        ),
        instructions=code + bytes(-len(code) % 128),
        constants=constants.tobytes(),
        base_bytes={Base.CONSTANTS: constants.size, Base.INPUTS: 256, Base.OUTPUTS: 128, Base.WORKSPACE: 0},
        results=(Result(2, "conv", "c", 0, 0, 0), Result(3, "pool", "p", 0, 0, 0)),
        layers=(
            Layer("conv", "Conv", 0, 2, HEIGHT * WIDTH * FEATURES * CHANNELS * 9),
            Layer("pool", "MaxPool", 3, 4, 0),
        ),
        aliases={"flat": "pf"},
        fused=(),
    )  # fmt: skip
    return Compiled(program, graph, generator.normal(0, 2, x.shape).astype(np.float32))
