"""A chip is compiled for fixed shapes: symbolic dimensions are replaced by numbers, the rest follows by inference."""

import math
from collections.abc import Mapping, Sequence

import onnx
import onnx_ir as ir

from lithify.errors import LithifyError

_MOST = 2**40
"""Values of a tensor: DRAM addresses have 40 bits."""
_LARGE = 1024
"""Constants of more bytes than this hold weights, never shapes."""


def fix_inputs(model: ir.Model, shape: Mapping[str, Sequence[int]]) -> None:
    """Gives every input its fixed shape, in place.

    A symbol that `shape` fixes in one input (for example `batch`) is fixed in the others too.
    Raises LithifyError for an unknown input, a shape that contradicts the model, and for what stays symbolic.
    """
    inputs = {str(value.name): value for value in model.graph.inputs}
    for name in shape:
        if name not in inputs:
            raise LithifyError(f"--shape names the input '{name}'; the model's inputs are: {', '.join(inputs)}.")
    symbols: dict[str, int] = {}
    for name, given in shape.items():
        symbols.update(_symbols(inputs[name], tuple(given)))
    for name, value in inputs.items():
        if name in shape:
            value.shape = ir.Shape(tuple(int(size) for size in shape[name]))
        elif value.shape is not None:
            value.shape = ir.Shape([_fixed(dim, symbols) for dim in value.shape])
        if value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
            raise _dynamic(value)
        if any(isinstance(dim, int) and dim <= 0 for dim in value.shape):
            raise LithifyError(f"Input '{name}' has the shape {_text(value.shape)}; every dimension must be positive.")


def infer(model: ir.Model, source: str) -> None:
    """Infers every tensor's shape and type from the inputs, in place. Raises LithifyError where they contradict."""
    declared = {value: value.shape for value in model.graph.outputs}
    for node in model.graph:
        for value in node.outputs:
            value.shape = None  # what the exporter noted may still be symbolic
    try:
        # Not onnx-ir's pass: it swallows contradictions.
        inferred = onnx.shape_inference.infer_shapes(_light(model), check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        reason = " ".join(str(error).split())
        raise LithifyError(
            f"The shapes of '{source}' contradict each other: {reason}. Give other shapes or repair the model."
        ) from error
    except ValueError as error:  # what the library's own checks missed: an attribute or a constant of no type
        reason = " ".join(str(error).split()).rstrip(".")
        raise LithifyError(
            f"'{source}' is damaged: ONNX's shape inference ends with '{reason}'. Export it again or repair it."
        ) from error
    found = {entry.name: entry.type for entry in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in model.graph:
        for value in node.outputs:
            if value.name in found and found[value.name].HasField("tensor_type"):
                value.type = ir.serde.deserialize_type_proto_for_type(found[value.name])
                value.shape = ir.serde.deserialize_type_proto_for_shape(found[value.name])
    for node in model.graph:
        for value in node.outputs:
            sizes = [dim for dim in value.shape or () if isinstance(dim, int)]
            if math.prod(sizes) > _MOST:
                raise LithifyError(
                    f"Tensor '{value.name}' of '{source}' has the shape {_text(ir.Shape(sizes))}, "
                    "more than a terabyte; a chip addresses less. Repair the model or give other shapes."
                )
    for value, shape in declared.items():
        if value.shape is None:
            value.shape = shape
        if counted(value):
            continue
        if value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
            raise LithifyError(
                f"Output '{value.name}' of '{source}' has a shape that depends on the data or on an operator without "
                f"shape inference; Lithify compiles fixed shapes. Change the model so that the shape is known."
            )
        if 0 in value.shape.numpy():
            raise LithifyError(
                f"Output '{value.name}' of '{source}' has the shape {_text(value.shape)} and holds nothing; "
                "remove it from the model, or give other shapes."
            )


def counted(value: ir.Value) -> bool:
    """Whether a shape of known rank is open because the data decide how many boxes remain: the host's work."""
    if value.shape is None or all(isinstance(dim, int) for dim in value.shape):
        return False
    waiting, seen = [value], {value}
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node.domain == "" and node.op_type == "NonMaxSuppression":
            return True
        fresh = [before for before in (node.inputs if node else ()) if before is not None and before not in seen]
        waiting += fresh
        seen.update(fresh)
    return False


def _light(model: ir.Model) -> onnx.ModelProto:
    """The model without its large constants, which inference does not look into: they stay as typed inputs."""
    light = model.clone()  # shares the tensors: nothing large is copied
    for node in light.graph:
        if node.op_type == "GroupNormalization" and node.domain == "":
            # The library's inference finds nothing; the result has the type and the shape of x.
            node.op_type, node.version = "Identity", None
            node.attributes.clear()
            node.resize_inputs(1)
    for name, value in list(light.graph.initializers.items()):
        tensor = value.const_value
        if tensor is not None and tensor.nbytes > _LARGE:
            del light.graph.initializers[name]
            value.const_value = None
            value.type, value.shape = ir.TensorType(tensor.dtype), ir.Shape(tensor.shape.numpy())
            if not value.is_graph_input():
                light.graph.inputs.append(value)
    return ir.serde.serialize_model(light)


def _symbols(value: ir.Value, given: tuple[int, ...]) -> dict[str, int]:
    """What each symbol of the input's shape becomes, after checking that the given shape fits."""
    option = f"--shape {value.name}={','.join(str(size) for size in given)}"
    if not given or any(size <= 0 for size in given):
        raise LithifyError(f"{option} is not a shape: every dimension must be a positive whole number.")
    if value.shape is None:
        return {}
    fits = len(given) == len(value.shape)
    if not fits or any(isinstance(dim, int) and dim != size for dim, size in zip(value.shape, given, strict=True)):
        raise LithifyError(f"{option} does not fit the input '{value.name}', whose shape is {_text(value.shape)}.")
    return {
        str(dim.value): size
        for dim, size in zip(value.shape, given, strict=True)
        if isinstance(dim, ir.SymbolicDim) and dim.value is not None
    }


def _fixed(dim: int | ir.SymbolicDim, symbols: Mapping[str, int]) -> int | ir.SymbolicDim:
    return symbols.get(str(dim.value), dim) if isinstance(dim, ir.SymbolicDim) else dim


def _dynamic(value: ir.Value) -> LithifyError:
    assert value.shape is not None  # the ONNX checker asks for one
    # A leading symbol is the batch: one at a time is the usual choice. Other sizes are the user's to know.
    sizes = [str(dim) if isinstance(dim, int) else "1" if axis == 0 else _name(dim)
             for axis, dim in enumerate(value.shape)]  # fmt: skip
    numbers = all(size.isdigit() for size in sizes)
    advice = "" if numbers else " with numbers for the names"
    return LithifyError(
        f"Input '{value.name}' has the dynamic shape {_text(value.shape)} and Lithify compiles fixed shapes. "
        f"Give --shape {value.name}={','.join(sizes)}{advice}."
    )


def _name(dim: int | ir.SymbolicDim) -> str:
    return str(dim) if isinstance(dim, int) else str(dim.value) if dim.value is not None else "?"


def _text(shape: ir.Shape) -> str:
    return f"[{', '.join(_name(dim) for dim in shape)}]"
