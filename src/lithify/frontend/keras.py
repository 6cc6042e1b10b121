"""Keras 3 models: objects, `.keras` and `.h5` files, through the torch back end and PyTorch's ONNX exporter.

A model that lives in another back end goes through its file to a process of its own with KERAS_BACKEND=torch, for a
process has one back end. So do files, unless this process has Keras with the torch back end already.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lithify.errors import LithifyError
from lithify.frontend.onnx import load as load_onnx
from lithify.frontend.onnx import save, settle
from lithify.frontend.table import called, file_of

_REFUSED = 3
"""Exit status of the process below when it has printed one sentence for the user."""


def load(source: Any, shape: Mapping[str, Sequence[int]] | None = None, inputs: Any = None) -> ir.Model:
    """The ONNX model of a Keras 3 model or of a file of one; its inputs and outputs keep names, order and layout.

    shape: by input name, where a size other than the batch is open; an open batch is 1.
    inputs: of a model without inputs of its own (a subclassed one): example arrays, as it is called with them.
    Raises LithifyError for a file that Keras cannot load, an open size, and what PyTorch cannot export.
    """
    torch_here = "keras" in sys.modules and sys.modules["keras"].backend.backend() == "torch"
    if isinstance(source, str | Path):
        path = file_of(source, "a Keras model")
        return (
            _export(_read(path), called(source), shape, inputs)
            if torch_here
            else _elsewhere(path, source, shape, inputs)
        )
    if torch_here:
        return _export(source, called(source), shape, inputs)
    with tempfile.TemporaryDirectory(prefix="lithify-keras-") as folder:
        path = Path(folder) / "model.keras"
        source.save(path)
        return _elsewhere(path, source, shape, inputs)


def _export(model: Any, name: str, shape: Mapping[str, Sequence[int]] | None, inputs: Any) -> ir.Model:
    """By PyTorch's exporter, from the example or from zeros in the shapes of the model's own inputs."""
    import keras

    from lithify.frontend.torch import evaluating, export

    given = shape or {}
    if inputs is not None:
        arguments = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
        names = None
    elif not getattr(model, "inputs", None):
        raise LithifyError(
            f"'{name}' is a Keras model without inputs of its own; give an example: "
            "lithify.load(model, inputs=(example,))."
        )
    else:
        names = [str(tensor.name) for tensor in model.inputs]
        for entry in given:
            if entry not in names:
                raise LithifyError(f"--shape names the input '{entry}'; the model's inputs are: {', '.join(names)}.")
        flat = [np.zeros(_fixed(tensor, given), _dtype(str(tensor.dtype), name)) for tensor in model.inputs]
        # A Sequential has one input; of a functional model `input` is the structure that it is called with.
        arguments = (keras.tree.pack_sequence_as(model.input, flat) if len(flat) > 1 else flat[0],)
    outputs = [str(entry) for entry in getattr(model, "output_names", None) or ()]
    if not outputs and names is not None and len(model.outputs) == 1:  # a Sequential
        outputs = [str(model.layers[-1].name)]
    outputs = outputs if len(set(outputs)) == len(outputs) and not set(outputs) & set(names or ()) else []
    arguments = keras.tree.map_structure(keras.ops.convert_to_tensor, arguments)
    with evaluating(model):
        made = export(name, model, arguments, input_names=names, output_names=outputs or None)
    return settle(made, name, shape)


def _fixed(tensor: Any, given: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """The shape of an input; an open batch is 1."""
    name, own = str(tensor.name), tuple(tensor.shape)
    if name in given:
        wanted = tuple(int(size) for size in given[name])
        if len(wanted) != len(own) or any(a is not None and a != b for a, b in zip(own, wanted, strict=True)):
            sizes = ",".join(map(str, wanted))
            raise LithifyError(f"--shape {name}={sizes} does not fit the input '{name}', whose shape is {_text(own)}.")
        return wanted
    if None in own[1:]:
        sizes = ",".join("1" if axis == 0 and size is None else str(size or "?") for axis, size in enumerate(own))
        raise LithifyError(
            f"Input '{name}' has the dynamic shape {_text(own)} and Lithify compiles fixed shapes. "
            f"Give --shape {name}={sizes} with numbers for the question marks."
        )
    return tuple(1 if size is None else int(size) for size in own)


def _text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _dtype(dtype: str, name: str) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except TypeError as error:
        raise LithifyError(f"'{name}' has an input of the type {dtype}; Lithify takes numbers.") from error


def _read(path: Path) -> Any:
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # whatever the file is broken in, or lacks
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise LithifyError(
            f"Keras cannot load '{path}': {reason.rstrip('.:')}. Save the whole model with model.save('net.keras'); "
            "one with classes of your own is given to lithify.load as an object, with the torch back end of Keras."
        ) from error


def _elsewhere(path: Path, source: Any, shape: Mapping[str, Sequence[int]] | None, inputs: Any) -> ir.Model:
    """The same, in a process whose Keras has the torch back end."""
    with tempfile.TemporaryDirectory(prefix="lithify-keras-") as folder:
        target, examples = Path(folder) / "model.onnx", Path(folder) / "inputs.npz"
        if inputs is not None:
            arrays = inputs if isinstance(inputs, tuple | list) else (inputs,)
            np.savez(examples, *(np.asarray(entry) for entry in arrays))
        here = str(Path(__file__).parents[2])
        environment = dict(os.environ, KERAS_BACKEND="torch", PYTHONIOENCODING="utf-8")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))
        words = [path, target, examples, called(source), json.dumps({k: list(v) for k, v in (shape or {}).items()})]
        done = subprocess.run(
            [sys.executable, "-m", "lithify.frontend.keras", *map(str, words)],
            env=environment, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        if done.returncode == _REFUSED:
            raise LithifyError(done.stdout.strip().splitlines()[-1])
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise LithifyError(f"Keras failed on '{called(source)}' in its own process ({last}).")
        return load_onnx(target)


def _main(path: str, target: str, examples: str, name: str, shape: str) -> int:
    """The process of `_elsewhere`: from a Keras file to an ONNX file, or one sentence why not."""
    try:
        given = None
        if Path(examples).exists():
            with np.load(examples) as arrays:
                given = tuple(arrays[entry] for entry in arrays.files)
        save(_export(_read(Path(path)), name, json.loads(shape), given), target)
    except LithifyError as error:
        print(error)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
