"""Lithify as a backend of ONNX (`onnx.backend.base`), for tools and test suites that know that interface.

    import lithify.backend as backend
    outputs = backend.run_model(onnx.load("net.onnx"), [image])
    prepared = backend.prepare(onnx.load("net.onnx"), chip="tiny", calibration="data.npz")

A model takes the whole line: optimised, quantised, compiled for a chip, run on its functional simulator (or, as device
RTL, on its simulated Verilog). A float model becomes int8, so its outputs are those of the quantised model.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.backend.base import Backend, BackendRep, namedtupledict

from lithify import flow
from lithify.errors import LithifyError
from lithify.frontend.onnx import load_proto
from lithify.quantize import is_quantized
from lithify.runtime.names import parse

if TYPE_CHECKING:
    import onnx_ir as ir

    from lithify.chip import Chip
    from lithify.program import Device, Program
    from lithify.quantize.data import Source

Array = NDArray[Any]

_DEVICES: "Mapping[str, Device]" = {"CPU": "sim", "FUNCTIONAL": "sim", "RTL": "rtl"}
"""Name of a device, in capitals -> what executes programs. CPU: the chip's functional simulator on this processor."""


class LithifyRep(BackendRep):
    """A prepared model. program: None until the first run where that has to fix shapes or calibrate."""

    def __init__(
        self,
        model: onnx.ModelProto,
        device: "Device" = "sim",
        chip: "str | Path | Chip" = "edge",
        strict: bool = False,
        calibration: "Source | None" = None,
    ) -> None:
        """As `LithifyBackend.prepare`."""
        self._model, self._device, self._chip = model, device, chip
        self._strict, self._calibration = strict, calibration
        self.quantized: ir.Model | None = None
        self.program: Program | None = None
        if _fixed(model) and (calibration is not None or is_quantized(load_proto(model))):
            self._compile({}, calibration)

    def run(self, inputs: Sequence[Array] | Mapping[str, Array] | Array, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, in the model's order, as a named tuple.

        inputs: one array for each input, in the model's order or by name.
        Raises LithifyError for inputs that do not fit, and for a model that Lithify refuses.
        """
        names = [entry.name for entry in self._model.graph.input if entry.name not in self._constants]
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        feeds = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        if len(inputs) != len(names) or set(feeds) != set(names):
            raise LithifyError(
                f"The model takes {len(names)} inputs ({', '.join(names)}), but {len(inputs)} were given."
            )
        arrays = {name: np.asarray(value) for name, value in feeds.items()}
        if self.program is None:
            self._compile({name: array.shape for name, array in arrays.items()}, self._calibration or [arrays])
        assert self.program is not None
        outputs = self.program.run(*arrays.values(), device=self._device)
        return tuple(namedtupledict("Outputs", list(self.program.outputs))(*outputs))

    @property
    def _constants(self) -> set[str]:
        return {tensor.name for tensor in self._model.graph.initializer}

    def _compile(self, shapes: Mapping[str, Sequence[int]], calibration: "Source | None") -> None:
        open_shapes = {} if _fixed(self._model) else {name: shape for name, shape in shapes.items() if shape}
        model = flow.optimize(load_proto(self._model, open_shapes))
        self.quantized = flow.quantize(model, calibration)
        self.program = flow.compile(self.quantized, self._chip, strict=self._strict)


class LithifyBackend(Backend):
    """The class behind the functions of this module."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether Lithify takes the model and the device."""
        try:
            cls.prepare(model, device, **kwargs)
        except (LithifyError, onnx.checker.ValidationError):
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> LithifyRep:
        """The model made ready for `run`.

        device: CPU, the chip's functional simulator; RTL, its Verilog, simulated; or as of `lithify.Session`.
        chip: preset, description (.toml) or `Chip`, "edge" by default. strict: refuse what needs the host.
        calibration: samples for a float model, as `lithify.quantize` takes them; without them the inputs of the first
        run. Shapes that the model leaves open are those of the first run.
        Raises LithifyError for a device, model or chip that Lithify does not take.
        """
        known = {key: kwargs[key] for key in ("chip", "strict", "calibration") if key in kwargs}
        if not cls.supports_device(device):
            raise LithifyError(
                f"There is no device '{device}'; Lithify runs models on: CPU, RTL, and the devices of lithify.Session."
            )
        return LithifyRep(model, _DEVICES.get(_name(device), device), **known)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """The outputs of a model for one set of inputs; `kwargs` as in `prepare`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """The outputs of one operator. opset_version: its operator set, by default the newest that Lithify takes."""
        names = [name for name in dict.fromkeys(node.input) if name]
        feeds = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, map(np.asarray, inputs), strict=True))
        model = node_model(node, feeds, kwargs.pop("opset_version", None))
        return cls.run_model(model, feeds, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether there is such a device."""
        if _name(device) in _DEVICES:
            return True
        try:
            return bool(parse(device))
        except LithifyError:
            return False


def node_model(node: onnx.NodeProto, feeds: Mapping[str, Array], opset: int | None = None) -> onnx.ModelProto:
    """A model of one node. feeds: its inputs by name, in order."""
    from lithify.frontend.onnx import NEWEST_IR, NEWEST_OPSET

    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(data.dtype), data.shape)
        for name, data in feeds.items()
    ]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], node.name or node.op_type, inputs, outputs)
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    opsets = [onnx.helper.make_opsetid("", opset or newest)]
    if node.domain not in ("", "ai.onnx"):
        opsets.append(onnx.helper.make_opsetid(node.domain, 1))
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=NEWEST_IR)
    return onnx.shape_inference.infer_shapes(model)


def _name(device: str) -> str:
    return device.split(":")[0].upper()


def _fixed(model: onnx.ModelProto) -> bool:
    """Whether every input has its shape."""
    return all(
        entry.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in entry.type.tensor_type.shape.dim)
        for entry in model.graph.input
        if entry.type.HasField("tensor_type")
    )


is_compatible = LithifyBackend.is_compatible
prepare = LithifyBackend.prepare
run_model = LithifyBackend.run_model
run_node = LithifyBackend.run_node
supports_device = LithifyBackend.supports_device
