"""How ONNX writes a node of the quantised graph: operator, attributes and constant inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.reference.graph import Graph, Tensor

OPSET = 19


@dataclass(frozen=True)
class Form:
    """inputs: constants behind the tensors of the node, by name; None for one left out."""

    operator: str
    attributes: dict[str, Any]
    inputs: dict[str, NDArray[Any] | None] = field(default_factory=dict)
    domain: str = ""
    opset: int = OPSET


def onnx_form(graph: Graph) -> Form:
    """The form of the only node of a graph, for every operator but Lookup and the two Resizes."""
    (node,) = graph.nodes
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    attributes = {name: value for name, value in node.attributes.items() if name not in ("minimum", "maximum")}
    if "strides" in attributes and len(x.shape) == 3:
        for name in ("kernel_shape", "strides", "dilations", "output_padding"):
            if name in attributes:
                attributes[name] = attributes[name][1:]
        attributes["pads"] = attributes["pads"][1::2]
    if set(attributes.get("dilations", ())) == {1}:
        del attributes["dilations"]  # QLinearAveragePool knows no dilations, not even these
    inputs: dict[str, NDArray[Any] | None] = {}
    if node.operator == "Clip":
        for name, limit in (("low", node.attributes["minimum"]), ("high", node.attributes["maximum"])):
            inputs[name] = _real(y, limit - y.zero_point)
    elif node.operator == "Pad":
        inputs = {"pads": np.array(attributes.pop("pads"), np.int64), "value": _real(x, attributes.pop("value"))}
    else:
        for name in ("shape", "repeats", "starts", "ends", "axes", "steps", "split"):
            if name in attributes:
                inputs[name] = np.array(attributes.pop(name), np.int64)
    return Form(node.operator, attributes, inputs)


def _real(tensor: Tensor, steps: int) -> NDArray[np.float32]:
    return np.asarray(np.float32(steps) * np.asarray(tensor.scale, np.float32), np.float32)
