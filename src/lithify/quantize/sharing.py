"""Constants that several nodes of a quantised graph read are kept once: steps of a recurrent network share weights."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from numpy.typing import NDArray

from lithify.reference.graph import Graph, Tensor


def share_constants(graph: Graph) -> Graph:
    """The graph with equal constants (numbers, scale and zero point) under one name, that of the first."""
    outputs = set(graph.outputs)
    kinds = {name: _kind(graph.tensors[name]) for name in graph.constants if name not in outputs}
    often = Counter(kinds.values())
    first: dict[Hashable, str] = {}
    same: dict[str, str] = {}
    digests: dict[int, bytes] = {}
    for name, kind in kinds.items():
        if often[kind] > 1:
            known = first.setdefault((kind, _digest(graph.constants[name], digests)), name)
            if known != name:
                same[name] = known
    if not same:
        return graph
    return replace(
        graph,
        tensors={name: tensor for name, tensor in graph.tensors.items() if name not in same},
        constants={name: data for name, data in graph.constants.items() if name not in same},
        nodes=tuple(
            replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
            if any(name in same for name in node.inputs)
            else node
            for node in graph.nodes
        ),
    )


def _kind(tensor: Tensor) -> Hashable:
    scale = None if tensor.scale is None else (tensor.scale.shape, tensor.scale.tobytes())
    return tensor.shape, tensor.dtype, scale, tensor.zero_point


def _digest(data: NDArray[Any], digests: dict[int, bytes]) -> bytes:
    """What tells the numbers apart, found once for an array; digests: by identity, of arrays that the graph holds."""
    if id(data) not in digests:
        digests[id(data)] = blake2b(data.tobytes(), digest_size=16).digest()
    return digests[id(data)]
