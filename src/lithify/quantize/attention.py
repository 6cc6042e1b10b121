"""Units of a MatMul of two activations: the second operand turned over, matrices counted along one dimension.

ONNX multiplies [..., M, K] by [..., K, N]; the reference takes [B, M, K] and [B, N, K]. What turns and reshapes the
operands moves nothing on the chip where heads of attention are slices of channels (`compiler/lowering/heads.py`).
"""

import math

import onnx_ir as ir

from lithify.quantize import qdq
from lithify.quantize.unit import Target, Unit, tensor_of
from lithify.reference.graph import Node, Tensor
from lithify.reference.operators import make_node


def matmul(node: ir.Node, target: Target) -> Unit | None:
    """The product of two int8 tensors of two dimensions or more."""
    sources = [qdq.activation(value) for value in node.inputs]
    a, b = sources
    if a is None or b is None:
        return None
    first, second, y = tensor_of(a), tensor_of(b), target.output
    if min(len(first.shape), len(second.shape)) < 2:
        return None
    made = _Making(str(node.name))
    outer = y.shape[:-2]
    rank = len(second.shape)
    perm = (*range(rank - 2), rank - 1, rank - 2)
    turned = made.add("turned", "Transpose", second, tuple(second.shape[axis] for axis in perm), perm=perm)
    names = made.matrices("first", first, outer), made.matrices("second", turned, outer)
    several = any(len(tensor.shape) == 3 for tensor in names)
    shape = (math.prod(outer), *y.shape[-2:]) if several else y.shape[-2:]
    product = y if shape == y.shape else Tensor(f"{node.name}.product", shape, "int8", y.scale, y.zero_point)
    operands = tuple(tensor.name for tensor in names)
    made.nodes.append(make_node(str(node.name), "MatMul", operands, (product.name,), **target.limits))
    made.tensors.append(product)
    if product is not y:
        made.nodes.append(make_node(f"{node.name}.back", "Reshape", (product.name,), (y.name,), shape=y.shape))
        made.tensors.append(y)
    return Unit(tuple(dict.fromkeys((a, b))), tuple(made.nodes), tuple(made.tensors))


class _Making:
    """Nodes before the product, and what they make."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.tensors: list[Tensor] = []

    def add(self, what: str, operator: str, x: Tensor, made: tuple[int, ...], **attributes: tuple[int, ...]) -> Tensor:
        """What a node makes of x, of shape `made`."""
        name = f"{self.name}.{what}"
        tensor = Tensor(name, made, "int8", x.scale, x.zero_point)
        self.nodes.append(make_node(name, operator, (x.name,), (name,), **attributes))
        self.tensors.append(tensor)
        return tensor

    def matrices(self, what: str, x: Tensor, outer: tuple[int, ...]) -> Tensor:
        """An operand as [M, K] where it is one matrix for all, or else [B, M, K], B those of the result."""
        own, matrix = x.shape[:-2], x.shape[-2:]
        if math.prod(own) == 1:
            shape = matrix
        elif math.prod(own) == math.prod(outer):
            shape = (math.prod(outer), *matrix)
        else:
            own = (1,) * (len(outer) - len(own)) + own
            if len(x.shape) != len(outer) + 2:
                x = self.add(f"{what}.aligned", "Reshape", x, (*own, *matrix), shape=(*own, *matrix))
            x = self.add(f"{what}.repeated", "Expand", x, (*outer, *matrix), shape=(*outer, *matrix))
            shape = (math.prod(outer), *matrix)
        return x if x.shape == shape else self.add(f"{what}.matrices", "Reshape", x, shape, shape=shape)
