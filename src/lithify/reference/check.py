"""Is a quantised graph well formed? Whatever is not a graph that the reference defines is refused here, by name."""

from collections.abc import Mapping

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import INT8_MAXIMUM, INT8_MINIMUM
from lithify.reference.definition import Operator, complete
from lithify.reference.graph import OPEN, Graph, Node, Tensor
from lithify.reference.operators import operator_of

DTYPES = ("int8", "int32", "float32", "int64", "uint8", "bool")
_KINDS = {"index": ("int32", "int64"), "number": ("float32", "bool", "int32", "int64")}
"""Kinds of operands that are one of several types."""


def check(graph: Graph) -> None:
    """Raises LithifyError, one sentence, at the first thing that is wrong with the graph; returns if nothing is.

    Checks names, execution order, operators and their attributes, and every tensor's shape, dtype and quantisation.
    """
    of_host = {name for node in graph.nodes if node.operator == "Host" for name in node.outputs}
    for name, tensor in graph.tensors.items():
        _check_tensor(name, tensor, OPEN if name in of_host else 1)
    for name, constant in graph.constants.items():
        tensor = _tensor(graph, name, "The graph has a constant")
        if constant.shape != tensor.shape or constant.dtype.name != tensor.dtype:
            raise LithifyError(
                f"Constant '{name}' holds {constant.dtype.name} of shape {constant.shape}; "
                f"its tensor says {tensor.dtype} of shape {tensor.shape}."
            )
    known = set(graph.constants)
    for name in graph.inputs:
        _tensor(graph, name, "The graph has an input")
        if name in known:
            raise LithifyError(f"Tensor '{name}' is given twice; it must be one input or one constant.")
        known.add(name)
    node_names: set[str] = set()
    for node in graph.nodes:
        if node.name in node_names:
            raise LithifyError(f"Two nodes are named '{node.name}'; every node must have a name of its own.")
        node_names.add(node.name)
        _check_node(graph, node, known)
        known.update(node.outputs)
    for name in graph.outputs:
        _tensor(graph, name, "The graph has an output")
        if name not in known:
            raise LithifyError(f"Output '{name}' is made by no node; every output must be a node's output or an input.")


def _tensor(graph: Graph, name: str, who: str) -> Tensor:
    if name not in graph.tensors:
        raise LithifyError(f"{who} '{name}', but no tensor of that name; add it to the graph's tensors.")
    return graph.tensors[name]


def _check_tensor(key: str, tensor: Tensor, least: int) -> None:
    if key != tensor.name:
        raise LithifyError(f"Tensor '{tensor.name}' is listed under the name '{key}'; both must be the same.")
    if tensor.dtype not in DTYPES:
        raise LithifyError(f"Tensor '{key}' has the dtype '{tensor.dtype}'; it must be one of: {', '.join(DTYPES)}.")
    if any(size < least for size in tensor.shape):
        raise LithifyError(f"Tensor '{key}' has the shape {tensor.shape}; every dimension must be a positive integer.")
    if tensor.scale is not None:
        scale = np.asarray(tensor.scale)
        if scale.dtype != np.float32 or not np.all(np.isfinite(scale)) or not np.all(scale > 0):
            raise LithifyError(f"Tensor '{key}' has the scale {scale}; it must be float32, finite and above zero.")
        if scale.shape != () and scale.shape != tensor.shape[:1]:
            raise LithifyError(
                f"Tensor '{key}' of shape {tensor.shape} has {scale.size} scales; "
                "it must have one, or one for each entry of its first dimension."
            )
    if not INT8_MINIMUM <= tensor.zero_point <= INT8_MAXIMUM:
        raise LithifyError(f"Tensor '{key}' has the zero point {tensor.zero_point}; it must be from -128 to 127.")


def _check_node(graph: Graph, node: Node, known: set[str]) -> None:
    operator = operator_of(node.name, node.operator)
    attributes = complete(node.name, operator, node.attributes)
    absent = sorted(set(attributes) - set(node.attributes))
    if absent:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) lacks its attribute '{absent[0]}'; "
            "make the node with `lithify.reference.operators.make_node`, which fills the defaults in."
        )
    if attributes.get("minimum", INT8_MINIMUM) > attributes.get("maximum", INT8_MAXIMUM):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) has minimum {attributes['minimum']} above "
            f"maximum {attributes['maximum']}; minimum must not exceed maximum."
        )
    where = f"Node '{node.name}' ({node.operator})"
    inputs: list[Tensor | None] = []
    for name in node.inputs:
        if name and name not in known:
            raise LithifyError(f"{where} reads '{name}' before anything made it; put the node after the one that does.")
        inputs.append(_tensor(graph, name, f"{where} reads") if name else None)
    outputs = [_tensor(graph, name, f"{where} makes") for name in node.outputs]
    for name in node.outputs:
        if name in known or node.outputs.count(name) > 1:
            raise LithifyError(f"{where} makes '{name}', which is made already; every tensor must be made once.")
    for tensor in (*(one for one in inputs if one is not None), *outputs):
        if OPEN in tensor.shape and node.operator != "Host":
            raise LithifyError(
                f"{where} has '{tensor.name}' of shape {tensor.shape}, whose zeros the data decide; the host alone "
                "takes such."
            )
    _check_kinds(where, operator, inputs, outputs)
    if operator.shapes is not None:
        for shape, output in zip(operator.shapes(node, tuple(inputs)), outputs, strict=True):
            if shape != output.shape:
                raise LithifyError(f"{where} makes '{output.name}' of shape {shape}; its tensor says {output.shape}.")


def _check_kinds(where: str, operator: Operator, inputs: list[Tensor | None], outputs: list[Tensor]) -> None:
    input_kinds, output_kinds = operator.input_kinds(len(inputs)), operator.output_kinds(len(outputs))
    if input_kinds is None or output_kinds is None:
        return
    if len(inputs) != len(input_kinds) or len(outputs) != len(output_kinds):
        wanted = (
            f"{len(input_kinds)}{' or more' if operator.more_inputs else ''} and "
            f"{len(output_kinds)}{' or more' if operator.more_outputs else ''}"
        )
        raise LithifyError(
            f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; "
            f'it must have {wanted} (an absent optional input is "").'
        )
    for kind, tensor in zip(input_kinds, inputs, strict=True):
        if tensor is None:
            if kind != "bias":
                raise LithifyError(f"{where} lacks an input; only a bias may be absent.")
        elif kind != "same":
            _check_kind(where, kind, tensor)
    first = inputs[0]
    assert first is not None
    for kind, tensor in zip(input_kinds, inputs, strict=True):
        if kind == "same" and tensor is not None:
            _check_kind(where, first.dtype, tensor)
            if first.zero_point != tensor.zero_point or not _same_scale(first, tensor):
                raise LithifyError(
                    f"{where} reads '{first.name}' and '{tensor.name}' of different scale or zero point; "
                    "they must be the same."
                )
    for kind, output in zip(output_kinds, outputs, strict=True):
        _check_kind(where, first.dtype if kind == "same" else kind, output)
        if operator.same_quantization and (first.zero_point != output.zero_point or not _same_scale(first, output)):
            raise LithifyError(
                f"{where} changes scale or zero point from '{first.name}' to '{output.name}'; they must be the same."
            )


def _same_scale(a: Tensor, b: Tensor) -> bool:
    if a.scale is None or b.scale is None:
        return a.scale is b.scale
    return bool(np.array_equal(a.scale, b.scale))


_DTYPE_OF_KIND: Mapping[str, str] = {"weights": "int8", "table": "int8", "bias": "int32"}


def _check_kind(where: str, kind: str, tensor: Tensor) -> None:
    if kind == "any":
        return
    if kind in _KINDS:
        if tensor.dtype not in _KINDS[kind]:
            *some, last = _KINDS[kind]
            allowed = f"{', '.join(some)} or {last}"
            raise LithifyError(f"{where} was given '{tensor.name}' of dtype {tensor.dtype}; it must be {allowed}.")
        return
    dtype = _DTYPE_OF_KIND.get(kind, kind)
    if tensor.dtype != dtype:
        raise LithifyError(f"{where} was given '{tensor.name}' of dtype {tensor.dtype}; it must be {dtype}.")
    if kind in ("int8", "weights") and tensor.scale is None:
        raise LithifyError(f"{where} was given '{tensor.name}' without a scale; a quantised tensor needs one.")
    if kind == "int8" and np.ndim(tensor.scale) != 0:  # type: ignore[arg-type]
        raise LithifyError(f"{where} was given '{tensor.name}' with a scale per channel; only weights may have that.")
    if kind == "weights" and tensor.zero_point != 0:
        raise LithifyError(f"{where} was given '{tensor.name}' with zero point {tensor.zero_point}; weights have 0.")
