"""Einsum of two tensors as what it is: a matrix product between Transposes and Reshapes.

Keras writes the projections of its attention as Einsum; with stored weights each becomes a dense layer.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, insert, shape_of


def expand_einsum(model: ir.Model) -> ir.Model:
    """Rewrites those whose letters all stand once in each operand, without an ellipsis and without a letter that only
    one operand has and the result has not. Float rounding aside the same numbers: sums keep their terms.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "Einsum" and len(node.inputs) == 2:
            _expand(model.graph, node)
    return model


def _expand(graph: ir.Graph, node: ir.Node) -> None:
    equation = node.attributes.get_string("equation", "").replace(" ", "")
    operands, arrow, result = equation.partition("->")
    left, _, right = operands.partition(",")
    shapes = [shape_of(value) for value in (*node.inputs, *node.outputs)]
    if not arrow or "." in equation or any(len(set(word)) != len(word) for word in (left, right, result)):
        return
    if any(shape is None for shape in shapes) or set(result) != (set(left) ^ set(right)) | (set(result) & set(left)):
        return
    sizes = {letter: size for word, shape in zip((left, right), shapes, strict=False)
             for letter, size in zip(word, shape or (), strict=True)}  # fmt: skip
    batch = [letter for letter in result if letter in left and letter in right]
    rows = [letter for letter in result if letter not in right]
    columns = [letter for letter in result if letter not in left]
    inner = [letter for letter in left if letter in right and letter not in result]
    if not inner or any(sizes[letter] != size for word, shape in zip((left, right), shapes, strict=False)
                        for letter, size in zip(word, shape or (), strict=True)):  # fmt: skip
        return

    def product(letters: Sequence[str]) -> int:
        return math.prod(sizes[letter] for letter in letters)

    outer = [sizes[letter] for letter in batch]
    first = _arranged(graph, node, 0, left, [*batch, *rows, *inner], [*outer, product(rows), product(inner)])
    second = _arranged(graph, node, 1, right, [*batch, *inner, *columns], [*outer, product(inner), product(columns)])
    value = _insert(node, "MatMul", [first, second], [*outer, product(rows), product(columns)], "product")
    made = [*batch, *rows, *columns]
    value = _reshaped(graph, node, value, [sizes[letter] for letter in made], "apart")
    node.op_type = "Transpose"
    node.attributes.clear()
    node.attributes.add(ir.AttrInt64s("perm", [made.index(letter) for letter in result]))
    node.resize_inputs(1)
    node.replace_input_with(0, value)


def _arranged(
    graph: ir.Graph, node: ir.Node, place: int, letters: str, order: Sequence[str], shape: Sequence[int]
) -> ir.Value:
    """An operand with its dimensions in this order, put together to this shape; a constant at once."""
    value = node.inputs[place]
    assert value is not None
    perm = [letters.index(letter) for letter in order]
    data = constant(value)
    if data is not None:
        return add_constant(graph, f"{node.name}_{place}", data.transpose(perm).reshape(shape))
    if perm != sorted(perm):
        sizes = shape_of(value) or ()
        value = _insert(node, "Transpose", [value], [sizes[axis] for axis in perm], f"{place}_turned", perm=perm)
    return _reshaped(graph, node, value, shape, str(place))


def _reshaped(graph: ir.Graph, node: ir.Node, value: ir.Value, shape: Sequence[int], what: str) -> ir.Value:
    if shape_of(value) == tuple(shape):
        return value
    wanted = add_constant(graph, f"{node.name}_{what}_shape", np.array(shape, np.int64))
    return _insert(node, "Reshape", [value, wanted], shape, f"{what}_shaped")


def _insert(
    before: ir.Node, kind: str, inputs: Sequence[ir.Value], shape: Sequence[int], what: str, **attributes: list[int]
) -> ir.Value:
    made = ir.node(kind, inputs, attributes=attributes, name=f"{before.name}_{what}")
    made.outputs[0].name = f"{before.outputs[0].name}_{what}"
    return insert(made, before, before.outputs[0], tuple(shape))
