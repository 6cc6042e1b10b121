"""Weights that an ONNX file keeps in files beside it: read into memory, or left there where they are too many."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx.external_data_helper import (
    ExternalDataInfo,
    _get_all_tensors,
    load_external_data_for_model,
    uses_external_data,
)

from lithify.errors import LithifyError

LARGEST_MESSAGE = 2**31 - 2**24
"""protobuf ends at 2 GiB: beyond this the weights stay beside the file."""

_SMALL = 2**20
"""Bytes of a constant that passes may look into often; larger ones of a large model are mapped from their file."""


def read_weights(proto: onnx.ModelProto, path: Path) -> None:
    """Takes the external weights of the model of `path` into `proto`, unless they are more than a message holds.

    Those stay where they are, see `map_weights`.
    Raises LithifyError for a file that is missing or too short.
    """
    total = 0
    for tensor in _get_all_tensors(proto):
        if not uses_external_data(tensor):
            continue
        info = ExternalDataInfo(tensor)
        beside = path.parent / info.location
        if not beside.is_file():
            raise LithifyError(
                f"'{path}' keeps its weights in '{beside.name}', which is missing. Put that file beside the model."
            )
        size, end = beside.stat().st_size, (info.offset or 0) + (info.length or 0)
        if size < end:
            raise LithifyError(
                f"'{path}' keeps its weights in '{beside.name}', which ends after {size:,} bytes of at least {end:,}. "
                "Copy that file again from where it came."
            )
        total += info.length if info.length is not None else size - (info.offset or 0)
    if 0 < total <= LARGEST_MESSAGE:
        load_external_data_for_model(proto, str(path.parent))


def map_weights(model: ir.Model, path: Path) -> None:
    """Makes external weights of the model readable where they are, by mapping their file into memory; in place."""
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        ir.external_data.set_base_dir(graph, path.parent)
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor) and tensor.nbytes <= _SMALL:
            value.const_value = in_memory(tensor)


def in_memory(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """The tensor itself, or a copy of it where it lies in a file: messages hold no files."""
    if not isinstance(tensor, ir.ExternalTensor):
        return tensor
    return ir.Tensor(np.array(tensor.numpy()), dtype=tensor.dtype, name=tensor.name)
