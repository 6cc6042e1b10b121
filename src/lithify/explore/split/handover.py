"""What it costs the host to hand work to the chip and to do its own: measured on this machine.

A float tensor that crosses is converted; an operator of the host is a call of ONNX Runtime.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np

from lithify.reference.definition import Operand
from lithify.reference.elementwise import quantize
from lithify.reference.graph import Node, Tensor
from lithify.reference.host import run_model

SMALL, LARGE, REPEATS = 256, 65_536, 25


@dataclass(frozen=True)
class Handover:
    """Seconds: of a conversion, of each number in it, and of a call of ONNX Runtime that does nothing."""

    conversion_s: float
    number_s: float
    call_s: float

    def converted(self, count: int) -> float:
        """Of a tensor of so many numbers."""
        return self.conversion_s + count * self.number_s


@cache
def handover() -> Handover:
    """Measured once in a process."""
    small, large = _seconds(lambda: _quantize(SMALL)), _seconds(lambda: _quantize(LARGE))
    each = max(0.0, (large - small) / (LARGE - SMALL))
    return Handover(max(0.0, small - SMALL * each), each, _call())


def _quantize(count: int) -> None:
    given = Tensor("x", (count,), "float32")
    made = Tensor("y", (count,), "int8", np.asarray(0.1, np.float32))
    node = Node("convert", "Quantize", ("x",), ("y",))
    quantize(node, (Operand(given, np.ones(count, np.float32)),), (made,))


def _call() -> float:
    import onnx

    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "nothing", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return _seconds(lambda: run_model(model, {"x": np.ones(1, np.float32)}))


def _seconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return median(spent)
