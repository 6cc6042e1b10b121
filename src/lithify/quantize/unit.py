"""A fused unit: the nodes of the quantised graph that one QuantizeLinear of a QDQ model stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.frontend.shapes import counted
from lithify.quantize import qdq
from lithify.reference.graph import OPEN, Node, Tensor
from lithify.reference.operators import make_node
from lithify.reference.table import fill


@dataclass(frozen=True)
class Unit:
    """Nodes of the quantised graph for one QuantizeLinear.

    inputs: int8 values of the ONNX graph that they read. tensors: what they make, and their constants.
    """

    inputs: tuple[ir.Value, ...]
    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where a unit's result goes: the int8 tensor, its parameters and the limits from Relu and Clip before it."""

    output: Tensor
    parameters: qdq.Parameters
    limited: bool
    minimum: int
    maximum: int

    @property
    def limits(self) -> dict[str, int]:
        return {"minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Step:
    """One node of a series: it reads what the step before made. shape: of its result."""

    name: str
    operator: str
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def tensor_of(value: ir.Value) -> Tensor:
    """The ONNX value as a tensor of the quantised graph. Raises LithifyError if its shape is not fixed."""
    open_shape = value.shape is not None and not all(isinstance(dim, int) for dim in value.shape)
    if value.shape is None or value.dtype is None or (open_shape and not counted(value)):
        raise LithifyError(
            f"Tensor '{value.name}' has no fixed shape and type after shape inference, which a chip program needs. "
            "Change the model so that its shape does not depend on the data."
        )
    own = qdq.parameters_of(value) if value.dtype == qdq.INT8 else None
    shape = tuple(int(dim) if isinstance(dim, int) else OPEN for dim in value.shape)
    dtype = value.dtype.numpy().name
    if own is None:
        return Tensor(str(value.name), shape, dtype)
    return Tensor(str(value.name), shape, dtype, own.scale.astype(np.float32), int(own.zero_point))


def of_scale(name: str, shape: tuple[int, ...], own: qdq.Parameters) -> Tensor:
    """An int8 tensor of these parameters."""
    return Tensor(name, shape, "int8", own.scale.astype(np.float32), int(own.zero_point))


def moving(node: ir.Node, source: ir.Value, steps: Sequence[Step], target: Target) -> Unit:
    """Steps that only move or select int8 values; another output scale is a table after them, limits a Clip."""
    before = qdq.parameters_of(source)
    assert before is not None
    if before.same(target.parameters):
        return series(source, steps, target)
    name = str(node.name)
    moved = of_scale(f"{name}.moved", steps[-1].shape, before)
    inner = series(source, steps, Target(moved, before, False, -128, 127))
    # Limits and table both keep the order of numbers, so one table does the work of both.
    entries = np.clip(rescaling(moved, target.output), target.minimum, target.maximum).astype(np.int8)
    table = Tensor(f"{name}.rescale.table", (256,), "int8")
    lookup = make_node(f"{name}.rescale", "Lookup", (moved.name, table.name), (target.output.name,))
    tensors = (*inner.tensors, table, target.output)
    return Unit((source,), (*inner.nodes, lookup), tensors, {table.name: entries})


def rescaling(before: Tensor, after: Tensor) -> NDArray[np.int8]:
    """The table that takes int8 values from one scale and zero point to another."""
    return fill(lambda x: x, before, after)


def series(source: ir.Value, steps: Sequence[Step], target: Target) -> Unit:
    """Steps one after the other, all results at the scale of the target; a Clip follows where a Relu did."""
    chain = list(steps)
    shape = chain[-1].shape
    if target.limited:
        chain.append(Step(f"{chain[0].name}.clip", "Clip", shape, target.limits))
    nodes: list[Node] = []
    tensors: list[Tensor] = []
    read = str(source.name)
    for index, step in enumerate(chain):
        last = index == len(chain) - 1
        made = target.output if last else of_scale(f"{step.name}.made", step.shape, target.parameters)
        nodes.append(make_node(step.name, step.operator, (read,), (made.name,), **step.attributes))
        tensors.append(made)
        read = made.name
    return Unit((source,), tuple(nodes), tuple(tensors))
