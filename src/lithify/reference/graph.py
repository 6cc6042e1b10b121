"""The quantised graph: what the reference defines, the compiler lowers and the simulators are judged against.

A graph is a list of nodes in execution order over named tensors. Tensors keep the layout of ONNX (NCHW for images);
how a chip lays them out is the compiler's business. A quantised node is one fused unit of the ONNX graph
(for example DequantizeLinear -> Conv -> Relu -> QuantizeLinear), so that its rounding is defined once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPEN = 0
"""In a shape: as many as the data decide, of what the host makes. The chip's tensors have none."""


@dataclass(frozen=True)
class Tensor:
    """A named value that flows between nodes, or a constant.

    shape: as in ONNX, every dimension a positive integer, or OPEN.
    dtype: "int8", "int32", "float32" or "int64"; "uint8" and "bool" only for what users
        give and get, and what the host makes.
    scale: float32 step of an int8 tensor: a scalar array, or one entry per output channel for weights (axis 0);
        None where the tensor is not quantised.
    zero_point: value that stands for 0.0; always 0 for weights and for int32.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: NDArray[np.float32] | None = None
    zero_point: int = 0


def fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """Whether an array of this shape is what a tensor declares."""
    return len(shape) == len(declared) and all(own in (size, OPEN) for size, own in zip(shape, declared, strict=True))


@dataclass(frozen=True)
class Node:
    """One operator applied to tensors; what each operator means is in `operators.py`.

    name: unique in the graph; the layer name that reports show.
    operator: a row of `operators.OPERATORS`, or "Host" for a float ONNX node that the chip has no unit for.
    inputs, outputs: tensor names; an absent optional input is "".
    attributes: the operator's attributes, already completed with their defaults.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Graph:
    """A quantised network. `inputs` and `outputs` are the user's tensors, float32 or int8, in the model's order."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[Node, ...]
