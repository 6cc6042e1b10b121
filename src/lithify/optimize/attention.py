"""Attention (of operator set 23) as the products and the Softmax that it stands for."""

import math

import numpy as np
import onnx_ir as ir

from lithify.optimize.positions import at_positions
from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of

Shape = tuple[int, ...]

_KNOWN = {
    "is_causal", "kv_num_heads", "left_window_size", "q_num_heads", "qk_matmul_output_mode", "right_window_size",
    "scale", "softcap", "softmax_precision",
}  # fmt: skip
"""Attributes whose meaning is here; an Attention with others stays."""


_WINDOWS = {"is_causal", "left_window_size", "right_window_size"}
"""Those that mask by themselves."""


def expand_attention(model: ir.Model) -> ir.Model:
    """Writes out every Attention of fixed shapes whose mask is absent, causal, constant or computed from a position,
    and that makes Y alone.

    Heads that share keys and values are rows of one product. Differs by rounding only. Others stay, and those whose
    keys or values are constants.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "Attention":
            _expand(model.graph, node)
    return model


def _expand(graph: ir.Graph, node: ir.Node) -> None:
    inputs = (*node.inputs, *(None,) * (7 - len(node.inputs)))
    q, k, v, mask = inputs[:4]
    shapes = [shape_of(value) for value in (q, k, v)]
    others = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    if q is None or k is None or v is None or None in shapes or q.dtype != ir.DataType.FLOAT:
        return
    # What is constant has no rows that the chip could load in place of weights.
    if constant(k) is not None or constant(v) is not None:
        return
    softcap: float = node.attributes.get_float("softcap", 0.0)
    if any(value is not None for value in inputs[4:6]) or others or softcap != 0 or set(node.attributes) - _KNOWN:
        return
    flat = len(shapes[0] or ()) == 3
    counts = (integer(node, "q_num_heads", 0), *(integer(node, "kv_num_heads", 0),) * 2)
    heads = [shape if not flat else _of_heads(shape or (), count) for shape, count in zip(shapes, counts, strict=True)]
    if any(shape is None or len(shape) != 4 for shape in heads):
        return
    (batch, count, rows, width), (_, shared, columns, _), (*_, depth) = (shape or () for shape in heads)
    late = _computed(mask, inputs[6], (rows, columns), count // shared if shared else 0)
    if inputs[6] is not None and late is None:
        return
    keep = _kept(node, mask, (rows, columns)) if late is None else np.zeros((rows, columns), np.float32)
    if late is not None and inputs[6] is None and set(node.attributes) & _WINDOWS:
        return
    # A row of which nothing is kept is not a number by some definitions, and zeros by others: the host's to say.
    if (
        keep is None
        or np.isneginf(keep).all(-1).any()
        or count % shared
        or (mask is not None and late is None and keep.ndim > 2 and math.prod(keep.shape[:-2]) != 1)
    ):
        return
    making = _Making(graph, node)
    parts = []
    for what, value, shape, count_of in zip("qkv", (q, k, v), heads, counts, strict=True):
        assert shape is not None
        if flat:
            value = making.reshaped(value, (shape[0], shape[2], count_of, shape[3]), f"{what}_heads")
            value = making.add("Transpose", [value], shape, f"{what}_turned", perm=(0, 2, 1, 3))
        parts.append(value)
    group = count // shared
    first = making.reshaped(parts[0], (batch, shared, group * rows, width), "rows")
    turned = making.add("Transpose", [parts[1]], (batch, shared, width, columns), "turned", perm=(0, 1, 3, 2))
    inner = (batch, shared, group * rows, columns)
    scores = making.add("MatMul", [first, turned], inner, "scores")
    scale = node.attributes.get_float("scale", 0.0) or 1 / math.sqrt(width)
    scores = making.add("Mul", [scores, making.constant(np.array(scale, np.float32), "scale")], inner, "scaled")
    if keep.any():
        wide = np.broadcast_to(keep.reshape(keep.shape[-2:]), (rows, columns)).astype(np.float32)
        added = making.constant(np.tile(wide, (group, 1)), "mask")
        scores = making.add("Add", [scores, added], inner, "masked")
    if late is not None:
        scores = making.masked(scores, late, inputs[6], integer(node, "is_causal", 0), (rows, columns))
    shares = making.add("Softmax", [scores], inner, "shares", axis=-1)
    mixed = making.add("MatMul", [shares, parts[2]], (batch, shared, group * rows, depth), "mixed")
    if flat:
        mixed = making.reshaped(mixed, (batch, count, rows, depth), "apart")
        mixed = making.add("Transpose", [mixed], (batch, rows, count, depth), "tokens", perm=(0, 2, 1, 3))
    making.becomes_reshape(mixed, (batch, rows, count * depth) if flat else (batch, count, rows, depth))


def _of_heads(shape: Shape, count: int) -> Shape | None:
    """[batch, tokens, heads * width] as [batch, heads, tokens, width]."""
    return (shape[0], count, shape[1], shape[2] // count) if count and shape[2] % count == 0 else None


def _computed(mask: ir.Value | None, counted: ir.Value | None, shape: tuple[int, int], group: int) -> ir.Value | None:
    """What masks by a position: a mask computed from it, or the number of keys that are there, which the position and
    the new ones make; None for others.

    group: heads that share keys.
    """
    rows, columns = shape
    if counted is not None:
        found = at_positions(counted, columns - rows + 1) if mask is None and (group == 1 or rows == 1) else None
        there = found is not None and found[1].size == len(found[1])
        same = there and np.array_equal(found[1].reshape(-1), np.arange(len(found[1])) + rows)  # type: ignore[index]
        return counted if same else None
    own = shape_of(mask)
    if mask is None or not own or constant(mask) is not None or own[-1] != columns:
        return None
    high = own[-2] if len(own) > 1 else 1
    fits = math.prod(own) == high * columns and high in (1, rows) and (group == 1 or high == 1)
    return mask if fits and at_positions(mask, columns - rows + 1) is not None else None


def _kept(node: ir.Node, mask: ir.Value | None, shape: tuple[int, int]) -> np.ndarray | None:
    """What is added to the scores; None where that is computed."""
    added = np.zeros(shape, np.float32)
    if mask is not None:
        data = constant(mask)
        if data is None or data.shape[-1] != shape[1]:
            return None
        added = np.where(data, np.float32(0), np.float32(-np.inf)) if data.dtype == np.bool_ else data
        added = added.astype(np.float32) + np.zeros(shape, np.float32)
    ahead = np.arange(shape[1]) - np.arange(shape[0])[:, None]
    left, right = (integer(node, f"{side}_window_size", -1) for side in ("left", "right"))
    right = 0 if integer(node, "is_causal", 0) else right
    seen = (ahead >= -left if left >= 0 else True) & (ahead <= right if right >= 0 else True)
    return np.where(seen, added, np.float32(-np.inf))


class _Making:
    """Nodes before the Attention, which becomes the last of them."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node = graph, node
        self.name, self.like = str(node.name), node.outputs[0]

    def constant(self, data: np.ndarray, what: str) -> ir.Value:
        return add_constant(self.graph, f"{self.name}_{what}", data)

    def add(self, operator: str, inputs: list[ir.Value], shape: Shape, what: str, **attributes: object) -> ir.Value:
        made = ir.node(operator, inputs, attributes, name=f"{self.name}_{what}")  # type: ignore[arg-type]
        value = insert(made, self.node, self.like, shape)
        value.name = f"{self.like.name}_{what}"
        return value

    def reshaped(self, value: ir.Value, shape: Shape, what: str) -> ir.Value:
        if shape_of(value) == shape:
            return value
        return self.add("Reshape", [value, self.constant(np.array(shape, np.int64), f"{what}_shape")], shape, what)

    def masked(
        self, scores: ir.Value, mask: ir.Value, counted: ir.Value | None, causal: int, shape: tuple[int, int]
    ) -> ir.Value:
        """The scores under a mask that is computed, or made of the number of keys that are there."""
        inner, far = shape_of(scores) or (), self.constant(np.array(-np.inf, np.float32), "far")
        if counted is not None:
            numbers = self.constant(np.arange(shape[1]), "columns")
            behind = np.arange(shape[0])[:, None] - (shape[0] if causal else 1)
            offsets = self.constant(behind if causal else behind[:1], "offsets")
            high = shape[0] if causal else 1
            ends = self.typed("Add", [counted, offsets], (high, 1))
            mask = self.typed("LessOrEqual", [numbers, ends], (high, shape[1]))
        if mask.dtype == ir.DataType.BOOL:
            return self.add("Where", [mask, scores, far], inner, "masked")
        return self.add("Add", [scores, mask], inner, "masked")

    def typed(self, operator: str, inputs: list[ir.Value], shape: Shape) -> ir.Value:
        """Integers, or whether they are in order."""
        value = self.add(operator, inputs, shape, operator.lower())
        value.type = ir.TensorType(ir.DataType.INT64 if operator == "Add" else ir.DataType.BOOL)
        return value

    def becomes_reshape(self, value: ir.Value, shape: Shape) -> None:
        self.node.op_type, self.node.version = "Reshape", None
        self.node.attributes.clear()
        self.node.resize_inputs(2)
        self.node.resize_outputs(1)
        set_input(self.node, 0, value)
        set_input(self.node, 1, self.constant(np.array(shape, np.int64), "shape"))
