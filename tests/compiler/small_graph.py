"""A small network with everything that a compiler must tell apart: padding, depthwise, pools, a residual, a product."""

import numpy as np

from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node


def residual_network() -> Graph:
    """Quantize, Conv, depthwise Conv, Conv, Add, MaxPool, Reshape, Gemm, Dequantize."""
    random = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return random.integers(-60, 60, shape).astype(np.int8)

    factor = np.float32(0.002).reshape(())
    # MaxPool and Reshape keep scale and zero point.
    zero_points = {"x": 3, "a": -5, "b": 2, "c": 7, "d": -9, "e": -9, "f": -9, "g": 11, "image": 0, "scores": 0}
    steps = {name: np.float32(0.05 + 0.001 * zero).reshape(()) for name, zero in zero_points.items()}
    shapes = {"image": (1, 3, 8, 8), "x": (1, 3, 8, 8), "a": (1, 16, 8, 8), "b": (1, 16, 8, 8), "c": (1, 16, 8, 8)}
    shapes |= {"d": (1, 16, 8, 8), "e": (1, 16, 4, 4), "f": (1, 256), "g": (1, 10), "scores": (1, 10)}
    tensors = {
        name: Tensor(name, shape, "float32" if name in ("image", "scores") else "int8", steps[name], zero_points[name])
        for name, shape in shapes.items()
    }
    for name in ("image", "scores"):
        tensors[name] = Tensor(name, shapes[name], "float32")
    constants = {"wa": weights(16, 3, 3, 3), "wb": weights(16, 1, 3, 3), "wc": weights(16, 16, 1, 1)}
    constants |= {"wg": weights(10, 256), "bias": np.arange(-8, 8, dtype=np.int32) * 100}
    for name, data in constants.items():
        tensors[name] = Tensor(name, data.shape, data.dtype.name, None if name == "bias" else factor)
    pads = (1, 1, 1, 1)
    nodes = (
        make_node("quantize", "Quantize", ("image",), ("x",)),
        make_node("first", "Conv", ("x", "wa", "bias"), ("a",), pads=pads, minimum=1),
        make_node("depthwise", "Conv", ("a", "wb", ""), ("b",), pads=pads, group=16),
        make_node("pointwise", "Conv", ("b", "wc", "bias"), ("c",)),
        make_node("add", "Add", ("c", "a"), ("d",)),
        make_node("pool", "MaxPool", ("d",), ("e",), kernel_shape=(2, 2), strides=(2, 2)),
        make_node("flatten", "Reshape", ("e",), ("f",), shape=(1, 256)),
        make_node("dense", "Gemm", ("f", "wg", ""), ("g",)),
        make_node("dequantize", "Dequantize", ("g",), ("scores",)),
    )
    return Graph("small", ("image",), ("scores",), tensors, constants, nodes)
