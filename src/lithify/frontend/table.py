"""Which front end takes what: chosen by the object's class or the file's ending, before anything heavy is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.errors import LithifyError

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class FrontEnd:
    """One framework.

    module: the file of this folder whose `load(source, shape, inputs)` gives the ONNX model.
    classes: full names of the classes whose objects it takes. packages: what it imports; extra: the extra of Lithify
    that installs them. examples: whether it takes example inputs.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    classes: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    extra: str = ""
    examples: bool = False

    def load(self, source: Any, shape: Mapping[str, Sequence[int]] | None, inputs: Any) -> "ir.Model":
        """The ONNX model of an object or a file. Raises LithifyError where a package is missing, or the front end's."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise LithifyError(
                f"'{called(source)}' is a {self.name} model, and {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not installed. Install what reads it with: "
                f"pip install 'lithify[{self.extra}]'."
            )
        if inputs is not None and not self.examples:
            raise LithifyError(
                f"'{called(source)}' is a model of {self.name}, whose inputs are known; leave out inputs, "
                "and give shape for sizes that it leaves open."
            )
        found: ir.Model = import_module(f"lithify.frontend.{self.module}").load(source, shape, inputs)
        return found


FRONT_ENDS = (
    # Keras models of the torch back end are PyTorch modules too: Keras is asked first.
    FrontEnd(
        "Keras",
        "keras",
        (".keras", ".h5", ".hdf5"),
        ("keras.src.models.model.Model",),
        ("keras", "torch", "onnxscript"),
        "keras",
        examples=True,
    ),
    FrontEnd(
        "PyTorch",
        "torch",
        (".pt2",),
        ("torch.nn.modules.module.Module", "torch.export.exported_program.ExportedProgram"),
        ("torch", "onnxscript"),
        "torch",
        examples=True,
    ),
    FrontEnd("TFLite", "tflite", (".tflite", ".lite"), (), ("tflite",), "tflite"),
    FrontEnd("ONNX", "onnx", (".onnx",), ("onnx.onnx_ml_pb2.ModelProto", "onnx_ir.Model", "onnx_ir._core.Model")),
)
"""In the order in which they are asked."""

ELSEWHERE: Mapping[str, str] = {
    ".pt": "weights or a pickled module of PyTorch, which need the code that made them. Load it there and give "
    "lithify.load the module with inputs=(example,), or save torch.export.export(module, (example,)) as .pt2",
    ".pb": "a TensorFlow graph. Save the model from Keras as .keras, or convert it to TFLite or ONNX",
    ".safetensors": "weights without a network. Load them into the module and give that to lithify.load with "
    "inputs=(example,)",
    ".lith": "a program that is compiled already. Give it to `lithify run`, `simulate` or `verify`",
    ".npz": "a file of arrays. Give it as --data, and a network in its place",
}
"""Endings of files that hold no network that can be read, and what to do instead."""
_SAME = {".pth": ".pt", ".ckpt": ".pt", ".pkl": ".pt", ".npy": ".npz"}


def front_end(source: object) -> FrontEnd:
    """The front end that takes this object or path; a file of an unknown ending is taken for ONNX.

    Raises LithifyError for an object of another class and a file of a kind that no front end reads.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        suffix = path.suffix.lower()
        reason = ELSEWHERE.get(_SAME.get(suffix, suffix))
        if reason is not None:
            raise LithifyError(f"'{path}' is {reason}.")
        if path.is_dir() and (path / "saved_model.pb").exists():
            raise LithifyError(f"'{path}' is a TensorFlow SavedModel: it holds {ELSEWHERE['.pb']}.")
        return next((row for row in FRONT_ENDS if suffix in row.suffixes), FRONT_ENDS[-1])
    names = {f"{base.__module__}.{base.__qualname__}" for base in type(source).__mro__}
    for row in FRONT_ENDS:
        if names & set(row.classes):
            return row
    endings = ", ".join(suffix for row in reversed(FRONT_ENDS) for suffix in row.suffixes)
    raise LithifyError(
        f"'{called(source)}' is no network that Lithify reads. Give a file ({endings}), a torch.nn.Module with "
        "inputs=(example,), a torch.export.ExportedProgram, a Keras 3 model, an onnx.ModelProto or an onnx_ir.Model."
    )


def called(source: object) -> str:
    """How error messages name what was given: the file, or the class of the object."""
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def file_of(source: str | Path, kind: str) -> Path:
    """The file of this path. Raises LithifyError where there is none. kind: `a Keras model`, as the error says it."""
    path = Path(source)
    if not path.exists():
        raise LithifyError(f"There is no file '{path}'. Give the path of {kind}.")
    if path.is_dir():
        raise LithifyError(f"'{path}' is a folder. Give the path of {kind}.")
    return path
