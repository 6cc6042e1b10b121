"""ONNX files: read, checked, made static; written so that every runtime of the day opens them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx.defs
import onnx.version_converter
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx_ir.passes.common import (
    ClearMetadataAndDocStringPass,
    InlinePass,
    LiftConstantsToInitializersPass,
    NameFixPass,
    RemoveInitializersFromInputsPass,
)

from lithify.errors import LithifyError
from lithify.frontend import newer, operators, types
from lithify.frontend.external import LARGEST_MESSAGE, map_weights, read_weights
from lithify.frontend.shapes import fix_inputs, infer
from lithify.preprocessing import KEY

OLDEST_OPSET = 13
"""Per-channel DequantizeLinear begins here; older models are converted up to it."""
OLDEST_IR = 7
"""That of the oldest operator set; constants need not be inputs in it."""
NEWEST_OPSET = 26
STATES = "lithify.state"
"""The property of a model in which `lithify.quantize` notes its states."""

NEWEST_IR = 13
"""What ONNX Runtime 1.31, the judge, still loads (measured)."""

_ALLOWED = f"Lithify takes {OLDEST_OPSET} to {NEWEST_OPSET}. Export the model with one of those."


def load(
    model: str | Path | onnx.ModelProto | ir.Model,
    shape: Mapping[str, Sequence[int]] | None = None,
    inputs: None = None,
) -> ir.Model:
    """The model of an ONNX file, float or quantised, with every tensor's shape fixed.

    model: an `.onnx` file (weights stored beside it are read too), or a model in memory, which stays as it is.
    shape: for inputs with symbolic dimensions, the shape to compile for, batch included, by input name.
    Operator sets below 13 are converted to 13, those above 26 become 26 where no operator has changed; functions are
    inlined; exporters' notes (source lines) are dropped, what Lithify noted of the preprocessing is kept.
    Raises LithifyError for a missing or damaged file, an unsupported version, type or operator domain, and
    for a dynamic shape that `shape` does not fix.
    """
    if isinstance(model, ir.Model):
        return settle(model.clone(), model.graph.name or "model", shape)
    if isinstance(model, onnx.ModelProto):
        return load_proto(model, shape, model.graph.name or "model")
    path = Path(model)
    return _fixed(_read(path), path, shape)


def load_proto(
    proto: onnx.ModelProto, shape: Mapping[str, Sequence[int]] | None = None, name: str = "model"
) -> ir.Model:
    """As `load`, of a model in memory; `name` stands for the path in errors."""
    path = Path(name)
    _check_versions(proto, path)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise _invalid(path, error) from error
    return _fixed(proto, path, shape)


def _fixed(proto: onnx.ModelProto, path: Path, shape: Mapping[str, Sequence[int]] | None) -> ir.Model:
    """The checked model with its functions inlined, its constants lifted and its shapes fixed."""
    model = ir.serde.deserialize_model(_convert(proto, path))
    map_weights(model, path)
    # Files of old IR versions list their weights among the inputs too, which is taken back below.
    model.ir_version = max(model.ir_version, OLDEST_IR)
    return settle(model, str(path), shape)


def settle(model: ir.Model, source: str, shape: Mapping[str, Sequence[int]] | None = None) -> ir.Model:
    """What every front end does in the end: the model checked, in place, with every tensor's shape fixed.

    source: what the model came from, as error messages name it. shape: as `load` takes it. Raises what `load` raises.
    """
    InlinePass()(model)
    RemoveInitializersFromInputsPass()(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    ClearMetadataAndDocStringPass()(model)
    for name in set(model.metadata_props) - {KEY, STATES}:
        del model.metadata_props[name]
    NameFixPass()(model)
    operators.check(model, source)
    types.check_ports(model, source)
    fix_inputs(model, shape or {})
    infer(model, source)
    types.check(model, source)
    return model


def save(model: ir.Model, path: str | Path) -> None:
    """Writes the model as one ONNX file, IR version at most 13; above 2 GiB the weights go to `<name>.data` beside it.

    Raises LithifyError where the file cannot be written. The model itself is left as it is.
    """
    path = Path(path)
    stamped = model.clone()
    stamped.ir_version = min(model.ir_version, NEWEST_IR)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ir.save(stamped, path, external_data=f"{path.name}.data" if too_large(model) else None)
    except OSError as error:
        raise LithifyError(
            f"Cannot write '{path}': {error.strerror or error}. Choose a folder that you may write to."
        ) from error


def too_large(model: ir.Model) -> bool:
    """Whether the model with its weights is beyond what protobuf can hold in one message."""
    sizes = (value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    return sum(sizes) > LARGEST_MESSAGE


def _read(path: Path) -> onnx.ModelProto:
    if not path.exists():
        raise LithifyError(f"There is no file '{path}'. Give the path of an ONNX model.")
    if path.is_dir():
        raise LithifyError(f"'{path}' is a folder. Give the path of an ONNX model.")
    try:
        proto = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise LithifyError(f"Cannot read '{path}': {error.strerror or error}.") from error
    except (DecodeError, ValueError) as error:
        raise _not_onnx(path) from error
    _check_versions(proto, path)
    try:
        read_weights(proto, path)
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        raise _invalid(path, error) from error
    return proto


def _check_versions(proto: onnx.ModelProto, path: Path) -> None:
    if proto.ir_version == 0 or not proto.opset_import or not proto.graph.output:
        raise _not_onnx(path)
    if _opset(proto) > onnx.defs.onnx_opset_version():
        raise LithifyError(f"'{path}' uses ONNX operator set {_opset(proto)}; {_ALLOWED}")
    if _opset(proto) > NEWEST_OPSET and (operator := newer.changed(proto, NEWEST_OPSET)) is not None:
        raise LithifyError(f"'{path}' uses {operator} of ONNX operator set {_opset(proto)}; {_ALLOWED}")
    graph = proto.graph
    named = (*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info)
    inner = (text for node in graph.node for text in (node.op_type, node.domain, *node.input, *node.output))
    if any(isinstance(text, bytes) for text in (graph.name, *(entry.name for entry in named), *inner)):
        raise _invalid(path, ValueError("a name is no UTF-8 text"))


def _invalid(path: Path, error: Exception) -> LithifyError:
    return LithifyError(f"'{path}' is not a valid ONNX model: {_first_line(error)}. Export it again or repair it.")


def _not_onnx(path: Path) -> LithifyError:
    return LithifyError(f"'{path}' is not an ONNX model. Export the network to ONNX and give that file.")


def _convert(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model at an operator set from OLDEST_OPSET to NEWEST_OPSET."""
    opset = _opset(proto)
    if opset > NEWEST_OPSET:
        return newer.relabelled(proto, NEWEST_OPSET)
    if opset >= OLDEST_OPSET:
        return proto
    if opset < 9 and any(node.op_type == "Scan" for node in proto.graph.node):
        raise LithifyError(
            f"'{path}' uses the operator Scan of ONNX operator set {opset}, whose batch later sets dropped; {_ALLOWED}"
        )
    try:
        return onnx.version_converter.convert_version(proto, OLDEST_OPSET)
    except Exception as error:  # the converter raises whatever its C++ side met
        raise LithifyError(
            f"'{path}' uses ONNX operator set {opset}, which could not be converted to {OLDEST_OPSET} "
            f"({_first_line(error)}); {_ALLOWED}"
        ) from error


def _opset(proto: onnx.ModelProto) -> int:
    return next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), OLDEST_OPSET)


def _first_line(error: Exception) -> str:
    return next((line.strip().rstrip(".:") for line in str(error).splitlines() if line.strip()), type(error).__name__)
