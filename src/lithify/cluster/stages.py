"""A quantised network cut into stages: each a network of its own, int8 tensors between them, the same bits in all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import onnx
import onnx_ir as ir

from lithify.errors import LithifyError

_COPIED = "DequantizeLinear"
"""Of a tensor that crosses, and of weights: each stage that reads it has its own."""


@dataclass(frozen=True)
class Cut:
    """A place between two computing nodes. position: how many come before; crossing: the int8 tensors that cross, with
    their bytes.
    """

    position: int
    crossing: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Of all that cross."""
        return sum(self.crossing.values())


class Stages:
    """Where a quantised model may be cut, and the models of its stages."""

    def __init__(self, model: ir.Model) -> None:
        self._proto: onnx.ModelProto = ir.to_proto(model)
        self._model = model
        graph = self._proto.graph
        self._makers = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name for tensor in graph.initializer}
        self.nodes = [node for node in graph.node if node.op_type != _COPIED]
        """The computing nodes, in order."""

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """Where nothing but int8 tensors crosses, in order."""
        shapes = {value.name: value for node in self._model.graph for value in node.outputs}
        wanted = {entry.name for entry in self._proto.graph.output}
        place = {name: index for index, node in enumerate(self.nodes) for name in node.output}
        last = {name: -1 for name in place}
        for index, node in enumerate(self.nodes):
            for name in self._sources(node):
                if name in last:
                    last[name] = index
        found = []
        for position in range(1, len(self.nodes)):
            names = [name for name, index in place.items() if index < position <= max(last[name], 0)
                     and (last[name] >= position or name in wanted)]  # fmt: skip
            values = [shapes[name] for name in names]
            if names and all(value.dtype == ir.DataType.INT8 and value.shape is not None for value in values):
                found.append(Cut(position, {str(value.name): _count(value) for value in values}))
        return tuple(found)

    def models(self, cuts: Sequence[Cut]) -> list[ir.Model]:
        """One model for each stretch between cuts, in order. Tensors keep their names."""
        ends = [0, *(cut.position for cut in cuts), len(self.nodes)]
        if ends != sorted(set(ends)):
            raise LithifyError("The cuts of a network must be in order, each at a place of its own.")
        read_after = [set[str]() for _ in ends]
        outputs = {entry.name for entry in self._proto.graph.output}
        for stage in reversed(range(len(ends) - 1)):
            read = {name for node in self.nodes[ends[stage] : ends[stage + 1]] for name in self._sources(node)}
            read_after[stage] = read_after[stage + 1] | read
        return [
            self._model_of(number, self.nodes[first:end], read_after[number + 1] | outputs)
            for number, (first, end) in enumerate(pairwise(ends))
        ]

    def _sources(self, node: onnx.NodeProto) -> list[str]:
        """What a computing node reads that is no constant, through the dequantisation of it."""
        found = []
        for name in node.input:
            maker = self._makers.get(name)
            if maker is not None and maker.op_type == _COPIED:
                name = maker.input[0]
            if name and name not in self._constants and not self._is_constant(name):
                found.append(name)
        return found

    def _is_constant(self, name: str) -> bool:
        maker = self._makers.get(name)
        return maker is not None and maker.op_type == "Constant"

    def _model_of(self, number: int, nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> ir.Model:
        graph = self._proto.graph
        made = {name for node in nodes for name in node.output}
        chosen: dict[int, onnx.NodeProto] = {}
        for node in nodes:
            for name in node.input:
                self._collect(name, made, chosen)
            chosen[id(node)] = node
        for output in graph.output:  # a tensor of the network that is dequantised for its user
            maker = self._makers.get(output.name)
            if maker is not None and maker.op_type == _COPIED and maker.input[0] in made:
                self._collect(output.name, made, chosen)
                made.add(output.name)
        ordered = [node for node in graph.node if id(node) in chosen]
        inside = {name for node in ordered for name in node.output}
        read = dict.fromkeys(name for node in ordered for name in node.input if name)
        infos = {entry.name: entry for entry in (*graph.input, *graph.output, *graph.value_info)}
        inputs = [name for name in read if name not in inside and name not in self._constants]
        outputs = [name for name in dict.fromkeys(name for node in ordered for name in node.output) if name in wanted
                   and name in made]  # fmt: skip
        proto = onnx.helper.make_graph(
            ordered,
            f"{graph.name}_{number}",
            [infos[name] for name in inputs],
            [infos[name] for name in outputs],
            [tensor for tensor in graph.initializer if tensor.name in read],
            value_info=[infos[name] for name in inside if name in infos and name not in outputs],
        )
        model = onnx.helper.make_model(proto, opset_imports=self._proto.opset_import, ir_version=self._proto.ir_version)
        return ir.from_proto(model)

    def _collect(self, name: str, made: set[str], chosen: dict[int, onnx.NodeProto]) -> None:
        """The dequantisation, and the constants, that a stage needs a copy of."""
        maker = self._makers.get(name)
        if maker is None or name in made or maker.op_type not in (_COPIED, "Constant"):
            return
        for source in maker.input:
            self._collect(source, made, chosen)
        chosen[id(maker)] = maker


def _count(value: ir.Value) -> int:
    assert value.shape is not None
    return prod(value.shape.numpy())
