"""Transposes travel along the graph until they meet their inverse: channels-last models become channels-first ones.

Keras and TFLite hold images as [N, H, W, C]; their converters write a Transpose before and behind every convolution.
What treats every element alike, or names its dimensions, commutes with a Transpose. So each moves downwards, through
such nodes, and two that meet become one or none. One that comes from an input is moved up to it instead.
"""

import numpy as np
import onnx_ir as ir

from lithify.optimize.reshape import new_shape
from lithify.optimize.values import add_constant, bypass, constant, insert, integer, producer, set_input, shape_of

Perm = tuple[int, ...]

_ALIKE = frozenset(
    "Abs Cast Ceil Celu Clip Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg "
    "Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus Softsign Sqrt Swish Tanh ThresholdedRelu QuantizeLinear "
    "DequantizeLinear".split()
)
"""Operators that treat every element of their first input alike; the others are parameters of one number."""
_TOGETHER = frozenset("Add Sub Mul Div Pow Max Min PRelu Sum Mean".split())
"""Operators of tensors that are broadcast to one another."""
_REDUCTIONS = frozenset("ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL2 ReduceL1".split())
_ONE_AXIS = frozenset("Softmax LogSoftmax Concat Split".split())


def move_transposes(model: ir.Model) -> ir.Model:
    """Moves them, until none can be moved; a Transpose that only moves dimensions of size 1 is left to `reshape.py`."""
    model = model.clone()
    for step in (_sink, _rise):  # one after the other: what rose would sink again
        moved = True
        while moved:
            moved = any([step(model.graph, node) for node in list(model.graph) if _movable(model.graph, node)])
            for node in reversed(list(model.graph)):
                # One that nothing reads any more would still count as a reader of its input.
                dead = not any(value.uses() or value.is_graph_output() for value in node.outputs)
                if node.op_type == "Transpose" and dead:
                    model.graph.remove(node, safe=True)
    return model


def _movable(graph: ir.Graph, node: ir.Node) -> bool:
    return node.graph is graph and node.domain == "" and all(shape_of(value) is not None for value in node.outputs)


def _sink(graph: ir.Graph, node: ir.Node) -> bool:
    """Moves the Transposes before this node behind it, or joins them with it; whether it did."""
    if node.op_type == "Transpose":
        return _merge(node)
    perm = _before(node)
    if perm is None or not _commutes(node, perm):
        return False
    _name_dimensions(graph, node, perm)
    for index, value in enumerate(node.inputs):
        if value is not None and (index == 0 or _many(node)):
            node.replace_input_with(index, _turned_back(graph, node, value, perm))
    for value in node.outputs:
        _put_behind(graph, node, value, perm)
    return True


def _many(node: ir.Node) -> bool:
    return node.op_type in _TOGETHER or node.op_type == "Concat"


def perm_of(node: ir.Node) -> Perm:
    """Dimension d of the result is dimension perm[d] of what the Transpose reads."""
    reversed_dimensions = tuple(reversed(range(len(shape_of(node.inputs[0]) or ()))))
    perm = node.attributes.get_ints("perm", reversed_dimensions)
    return tuple(int(axis) % len(perm) for axis in perm)


def _inverse(perm: Perm) -> Perm:
    return tuple(perm.index(axis) for axis in range(len(perm)))


def _turns(value: ir.Value | None) -> Perm | None:
    """The perm of the Transpose that makes the value."""
    node = producer(value, "Transpose")
    return perm_of(node) if node is not None else None


def _before(node: ir.Node) -> Perm | None:
    """The perm of the Transposes before the node; None without one, where they differ, or where another operand of the
    node would need one that moves data.
    """
    operands = node.inputs if _many(node) else node.inputs[:1]
    turned = {perm: value for value in operands if (perm := _turns(value)) is not None}
    # Those that move only dimensions of size 1 can be had otherwise.
    moving = [perm for perm, value in turned.items() if new_shape(value.producer()) is None]  # type: ignore
    if len(moving) > 1 or not turned:
        return None
    perm = moving[0] if moving else next(iter(turned))
    for value in operands:
        shape = shape_of(value)
        if shape is None or len(shape) > len(perm) or (node.op_type == "Concat" and len(shape) != len(perm)):
            return None
        if _turns(value) != perm and constant(value) is None and not _only_ones(shape, perm):
            return None
    return perm


def _only_ones(shape: tuple[int, ...], perm: Perm) -> bool:
    """Whether turning a tensor of this shape back moves nothing but dimensions of size 1."""
    full = (1,) * (len(perm) - len(shape)) + shape
    moved = [axis for axis in _inverse(perm) if full[axis] != 1]
    return moved == sorted(moved)


def _commutes(node: ir.Node, perm: Perm) -> bool:
    if len(shape_of(node.inputs[0]) or perm) != len(perm) and not _many(node):
        return False
    if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        scale = constant(node.inputs[1])
        return scale is not None and scale.size == 1
    if node.op_type in _ALIKE or node.op_type in _TOGETHER or node.op_type in _ONE_AXIS:
        return True
    if node.op_type in _REDUCTIONS:
        return _axes(node, 1, len(perm)) is not None
    if node.op_type == "Slice":
        return all(constant(value) is not None for value in node.inputs[1:] if value is not None)
    return node.op_type == "Pad" and constant(node.inputs[1]) is not None and _axes(node, 3, len(perm)) is not None


def _axes(node: ir.Node, index: int, rank: int) -> tuple[int, ...] | None:
    """The dimensions that a reduction or a Pad names; all where it names none; None where they are computed."""
    given = node.inputs[index] if len(node.inputs) > index else None
    if given is None:
        axes = tuple(int(axis) for axis in node.attributes.get_ints("axes", ()))
    else:
        data = constant(given)
        if data is None:
            return None
        axes = tuple(int(axis) for axis in data.reshape(-1))
    if not axes and integer(node, "noop_with_empty_axes", 0):
        return None
    return tuple(axis % rank for axis in axes) or tuple(range(rank))


def _name_dimensions(graph: ir.Graph, node: ir.Node, perm: Perm) -> None:
    """Lets the node name the dimensions as they are before the Transpose."""

    def write(index: int, data: list[int], what: str) -> None:
        set_input(node, index, add_constant(graph, f"{node.name}_{what}", np.array(data, np.int64)))

    if node.op_type in _ONE_AXIS:
        default = 0 if node.op_type == "Split" else -1
        node.attributes["axis"] = ir.AttrInt64("axis", perm[integer(node, "axis", default) % len(perm)])
    elif node.op_type in _REDUCTIONS:
        axes = sorted(perm[axis] for axis in _axes(node, 1, len(perm)) or ())
        if "axes" in node.attributes or _axes_are_attributes(node):
            node.attributes["axes"] = ir.AttrInt64s("axes", axes)
        else:
            write(1, axes, "axes")
    elif node.op_type == "Slice":
        starts = constant(node.inputs[1])
        assert starts is not None
        given = constant(node.inputs[3]) if len(node.inputs) > 3 else None
        axes = list(range(starts.size)) if given is None else [int(axis) for axis in given.reshape(-1)]
        write(3, [perm[axis % len(perm)] for axis in axes], "axes")
    elif node.op_type == "Pad":
        amounts, padded = constant(node.inputs[1]), _axes(node, 3, len(perm)) or ()
        assert amounts is not None
        full = np.zeros((2, len(perm)), np.int64)
        full[:, [perm[axis] for axis in padded]] = amounts.reshape(2, -1)
        write(1, full.reshape(-1).tolist(), "pads")
        node.resize_inputs(min(len(node.inputs), 3))


def _axes_are_attributes(node: ir.Node) -> bool:
    """Before operator set 18 (13 for ReduceSum) a reduction's dimensions are an attribute."""
    assert node.graph is not None
    since = 13 if node.op_type == "ReduceSum" else 18
    return (node.graph.opset_imports.get("", since) if node.version is None else node.version) < since


def _turned_back(graph: ir.Graph, node: ir.Node, value: ir.Value, perm: Perm) -> ir.Value:
    """What the Transpose read; a constant turned back; another operand, of which only ones move, reshaped."""
    turn = producer(value, "Transpose")
    if turn is not None and perm_of(turn) == perm:
        source = turn.inputs[0]
        assert source is not None
        return source
    shape, data = shape_of(value), constant(value)
    assert shape is not None
    full = (1,) * (len(perm) - len(shape)) + shape
    if data is not None:
        if data.size == 1 and node.op_type != "Concat":
            return value
        return add_constant(graph, f"{value.name}_turned", data.reshape(full).transpose(_inverse(perm)))
    wanted = tuple(full[axis] for axis in _inverse(perm))
    made = ir.node(
        "Reshape",
        [value, add_constant(graph, f"{value.name}_turned_shape", np.array(wanted, np.int64))],
        name=f"{node.name}_{value.name}_turned",
    )
    made.outputs[0].name = f"{node.name}_{value.name}_turned"
    return insert(made, node, value, wanted)


def _put_behind(graph: ir.Graph, node: ir.Node, value: ir.Value, perm: Perm) -> None:
    """The Transpose behind the node: over the dimensions that are left where the node reduces some."""
    after = shape_of(value)
    assert after is not None
    if len(after) < len(perm):
        reduced = set(_axes(node, 1, len(perm)) or ())  # as they are before the Transpose
        left = [axis for axis in perm if axis not in reduced]
        perm = tuple(sorted(left).index(axis) for axis in left)
    value.shape = ir.Shape([after[place] for place in _inverse(perm)])
    if perm == tuple(range(len(perm))):
        return
    users, output, name = list(value.uses()), value.is_graph_output(), value.name
    turn = ir.node("Transpose", [value], attributes={"perm": list(perm)}, name=f"{name}_turn")
    made = turn.outputs[0]
    made.type, made.shape = value.type, ir.Shape(after)
    value.name, made.name = (f"{name}_before", name) if output else (name, f"{name}_turn")
    if output:
        graph.outputs[list(graph.outputs).index(value)] = made
    graph.insert_after(node, turn)
    for user, index in users:
        user.replace_input_with(index, made)


def _merge(node: ir.Node) -> bool:
    """Two Transposes in a row become one; one that moves nothing goes."""
    perm = perm_of(node)
    if perm == tuple(range(len(perm))):
        value = node.inputs[0]
        return value is not None and bypass(node, value)
    earlier = producer(node.inputs[0], "Transpose")
    if earlier is None:
        return False
    first = perm_of(earlier)
    node.replace_input_with(0, earlier.inputs[0])
    node.attributes["perm"] = ir.AttrInt64s("perm", [first[axis] for axis in perm])
    if not earlier.outputs[0].uses() and not earlier.outputs[0].is_graph_output():
        assert earlier.graph is not None
        earlier.graph.remove(earlier, safe=True)
    return True


def _rise(graph: ir.Graph, node: ir.Node) -> bool:
    """Moves a Transpose up over arithmetic with constants that an input of the model goes through first.

    Not over a DequantizeLinear: between floats of a known scale it is a movement of int8, before it of nobody's.
    """
    value = node.inputs[0] if node.op_type == "Transpose" else None
    above = value.producer() if value is not None else None
    if value is None or above is None or above.domain != "" or value.is_graph_output() or len(value.uses()) != 1:
        return False
    if above.op_type == "DequantizeLinear":
        return False
    perm, shape, place = perm_of(node), shape_of(value), _variable(above)
    if shape is None or place is None or not _from_input(above.inputs[place]):
        return False
    if above.op_type not in _TOGETHER and not _commutes(above, perm):
        return False
    source = above.inputs[place]
    before = shape_of(source)
    assert source is not None and before is not None
    turn = ir.node("Transpose", [source], attributes={"perm": list(perm)}, name=f"{node.name}_risen")
    turn.outputs[0].name = f"{above.name}_{source.name}_risen"
    turned = insert(turn, above, source, tuple(before[axis] for axis in perm))
    above.replace_input_with(place, turned)
    if above.op_type == "Pad":
        _name_dimensions(graph, above, _inverse(perm))
    if above.op_type in _TOGETHER:
        for index, operand in enumerate(above.inputs):
            if index != place and operand is not None:
                above.replace_input_with(index, _turned_back(graph, above, operand, _inverse(perm)))
    value.shape = node.outputs[0].shape
    bypass(node, value)
    return True


def _variable(node: ir.Node) -> int | None:
    """Which input of arithmetic with constants, or of padding, is no constant; None for other nodes."""
    places = [place for place, value in enumerate(node.inputs) if value is not None and constant(value) is None]
    if node.domain != "" or node.op_type not in _ALIKE | _TOGETHER | {"Pad"} or len(places) != 1:
        return None
    before, after = shape_of(node.inputs[places[0]]), shape_of(node.outputs[0])
    known = before is not None and after is not None
    return places[0] if known and (before == after or node.op_type == "Pad") else None


def _from_input(value: ir.Value | None) -> bool:
    """Whether only arithmetic with constants and padding lie between an input of the model and the value."""
    while value is not None and (node := value.producer()) is not None:
        place = _variable(node)
        if place is None or len(value.uses()) != 1:
            return False
        value = node.inputs[place]
    return value is not None and value.is_graph_input()
