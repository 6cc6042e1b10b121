"""Positions: integers that say, with each run, how many rows of a cache are there; and what a model computes from them.

A decoder appends the keys and values of its new tokens to caches at a position, and masks what lies behind. Exporters
write both with many chains of integers (Range, Add, Less, Where and so on). Whatever the chain, a position has few
values: it is computed for each of them, and recognised by its results.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import integer, shape_of

MOST_NODES = 256
"""Nodes of a chain that is computed for every position."""
MOST_ELEMENTS = 1 << 28
"""Elements of a chain's result, over all positions."""
NEWEST_IR = 13

_INDICES: tuple[Any, ...] = (ir.DataType.INT32, ir.DataType.INT64)
_NO_CHAIN = ("If", "Loop", "Scan", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")


@dataclass(frozen=True)
class Append:
    """Rows that are written into a cache: cache [1, rows, channels], new [1, fewer rows, channels], both float, from
    row `position` on, an input of the network that is one number.
    """

    cache: ir.Value
    new: ir.Value
    position: ir.Value


def appended(node: ir.Node) -> Append | None:
    """What a TensorScatter, or a ScatterElements of a row's number for every index, writes along the rows of
    [1, rows, channels]; None for another node. `caches.place_caches` brings others into this form.
    """
    if node.domain != "" or node.op_type not in ("TensorScatter", "ScatterElements") or len(node.inputs) < 3:
        return None
    scatter = node.op_type == "TensorScatter"
    cache, new, where = node.inputs[:3] if scatter else (node.inputs[0], node.inputs[2], node.inputs[1])
    before, after = shape_of(cache), shape_of(new)
    if cache is None or new is None or where is None or before is None or after is None:
        return None
    along = integer(node, "axis", -2 if scatter else 0) % len(before)
    fits = len(before) == len(after) == 3 and before[0] == after[0] == 1 and before[2] == after[2]
    if not fits or along != 1 or after[1] > before[1]:
        return None
    if scatter:
        linear = node.attributes.get_string("mode", "linear") == "linear"
        position = itself(where, before[1] - after[1] + 1) if linear else None
    else:
        found = at_positions(where, before[1] - after[1] + 1)
        alone = node.attributes.get_string("reduction", "none") == "none"
        position = found[0] if alone and found is not None and _are_rows(found[1]) else None
    return None if position is None else Append(cache, new, position)


def _are_rows(indices: NDArray[Any]) -> bool:
    """Whether indices [positions, 1, rows, channels] are position + row."""
    positions, _, rows, _ = indices.shape
    wanted = np.arange(positions)[:, None, None, None] + np.arange(rows)[:, None]
    return np.array_equal(indices, np.broadcast_to(wanted, indices.shape))


def counted(value: ir.Value | None, entries: int) -> ir.Value | None:
    """The position of which a value is itself and the integers that follow, all below `entries`; None for others."""
    shape = shape_of(value)
    if value is None or shape is None or value.is_graph_input():
        return None
    size = int(np.prod(shape, dtype=np.int64))
    found = at_positions(value, entries - size + 1)
    if found is None or value.dtype not in _INDICES:
        return None
    wanted = np.arange(len(found[1]))[:, None] + np.arange(size)
    return found[0] if np.array_equal(found[1].reshape(-1, size), wanted) else None


def at_positions(value: ir.Value | None, positions: int) -> tuple[ir.Value, NDArray[Any]] | None:
    """The position that a value is computed from alone, and the value for positions 0 to before `positions`, stacked;
    None for other values.
    """
    found, shape = _chain(value), shape_of(value)
    if value is None or found is None or positions < 1:
        return None
    # A shape that is not known before it is computed is that of Range, which counts from one position to another.
    if shape is not None and int(np.prod(shape, dtype=np.int64)) * positions > MOST_ELEMENTS:
        return None
    source, nodes = found
    if source is value:
        numbers = np.arange(positions, dtype=np.int32 if value.dtype == ir.DataType.INT32 else np.int64)
        return source, numbers.reshape(-1, *(shape or ()))
    made = _computed(_model(source, nodes, value), str(source.name), positions)
    return None if made is None else (source, made)


def itself(value: ir.Value | None, positions: int) -> ir.Value | None:
    """The position that a value is, however it is written."""
    found = at_positions(value, positions)
    if found is None or found[1].size != positions:
        return None
    return found[0] if np.array_equal(found[1].reshape(-1), np.arange(positions)) else None


def _chain(value: ir.Value | None) -> tuple[ir.Value, tuple[ir.Node, ...]] | None:
    """The position that a value is computed from alone, and the nodes on the way, in no particular order."""
    if value is None:
        return None
    waiting, nodes, sources = [value], dict[ir.Node, None](), dict[ir.Value, None]()
    while waiting:
        entry = waiting.pop()
        if entry.is_graph_input():
            sources[entry] = None
            continue
        node = entry.producer()
        if node is None:
            if entry.const_value is None:
                return None
            continue
        if node in nodes:
            continue
        nodes[node] = None
        if len(nodes) > MOST_NODES or node.domain != "" or node.op_type in _NO_CHAIN:
            return None
        waiting += [operand for operand in node.inputs if operand is not None]
    if len(sources) != 1:
        return None
    (source,) = sources
    shape = shape_of(source)
    if shape is None or int(np.prod(shape, dtype=np.int64)) != 1 or source.dtype not in _INDICES:
        return None
    return source, tuple(nodes)


def _model(source: ir.Value, nodes: tuple[ir.Node, ...], value: ir.Value) -> bytes:
    owner = nodes[0].graph
    assert owner is not None and not isinstance(owner, ir.Function)
    wanted = set(nodes)
    graph = onnx.GraphProto(name="positions")
    graph.node.extend(ir.serde.serialize_node(node) for node in owner if node in wanted)
    graph.input.append(ir.serde.serialize_value(source))
    graph.output.append(ir.serde.serialize_value(value))
    for entry in dict.fromkeys(entry for node in nodes for entry in node.inputs if entry is not None):
        if entry.producer() is None and entry is not source and entry.const_value is not None:
            tensor = ir.serde.serialize_tensor(entry.const_value)
            tensor.name = str(entry.name)
            graph.initializer.append(tensor)
    opsets = [onnx.OperatorSetIdProto(domain=name, version=version) for name, version in owner.opset_imports.items()]
    proto = onnx.ModelProto(ir_version=NEWEST_IR, graph=graph, opset_import=opsets)
    return bytes(proto.SerializeToString(deterministic=True))


@lru_cache(maxsize=64)
def _computed(model: bytes, name: str, positions: int) -> NDArray[Any] | None:
    """What the chain makes of every position; None where ONNX Runtime cannot tell."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        dtype = np.int32 if given.type == "tensor(int32)" else np.int64
        made = [
            session.run(None, {name: np.full(tuple(given.shape), position, dtype)})[0] for position in range(positions)
        ]
        return np.stack(made)
    except Exception:  # ONNX Runtime raises its own many types; what it cannot run is no chain of positions
        return None
