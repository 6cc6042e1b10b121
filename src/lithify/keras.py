"""Keras' own way: ``lithify.keras.predict(model, x, device="/device:X1")`` in place of ``model.predict(x)``.

A model is made int8 by its first batch, compiled, and kept for as long as its weights stay as they are.
"""

import hashlib
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lithify import flow
from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.program import stack
from lithify.runtime.session import Session

if TYPE_CHECKING:
    from lithify.program import Program


CALIBRATION = 32
"""Samples of x that decide on the scales."""


@dataclass(frozen=True)
class _Kept:
    """A compiled model. key: its weights, the chip and the options; data: the object its scales are from."""

    key: Any
    data: Any
    program: "Program"


_KEPT: "weakref.WeakKeyDictionary[Any, _Kept]" = weakref.WeakKeyDictionary()


def compiled(
    model: Any, x: Any, *, chip: Any = "edge", strict: bool = False, data: Any = None, method: Any = "minmax"
) -> "Program":
    """The program of a model as it is now.

    x: inputs, the first 32 of which decide on the scales where no `data` (as of `lithify.quantize`) is given.
    Raises LithifyError for what cannot be compiled, and with `strict` for what needs the host.
    """
    if not isinstance(model, keras.Model):
        raise LithifyError(
            f"A Keras model is needed, and {type(model).__name__} was given; give what keras.models.load_model loads."
        )
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    key = digest.hexdigest(), load_chip(chip), strict, method
    kept = _KEPT.get(model)
    if kept is None or kept.key != key or kept.data is not data:
        loaded = flow.optimize(flow.load(model))
        if data is None:
            first = [array[:CALIBRATION] for array in _arrays(model, x)]
            samples: Any = list(_feeds([str(entry.name) for entry in loaded.graph.inputs], first))
        else:
            samples = data
        quantized = flow.quantize(loaded, samples, method=method)
        kept = _KEPT[model] = _Kept(key, data, flow.compile(quantized, chip, strict=strict))
    return kept.program


def predict(
    model: Any, x: Any, *, device: Any = "sim", chip: Any = "edge", strict: bool = False, data: Any = None,
    method: Any = "minmax",
) -> Any:  # fmt: skip
    """What `model.predict(x)` gives, by the compiled network: an array [samples, ...], a list of several outputs.

    x: an array [samples, ...], or a list or mapping of one for each input. device: as for `lithify.Session`, also
    several. The rest as of `compiled`.
    Raises LithifyError as `compiled` and `Session`.
    """
    program = compiled(model, x, chip=chip, strict=strict, data=data, method=method)
    arrays = [
        array.astype(program.tensors[name].dtype) for name, array in zip(program.inputs, _arrays(model, x), strict=True)
    ]
    with Session(program, device) as session:
        made = list(session.run_many(None, _feeds(program.inputs, arrays)))
    outputs = [stack(list(rows)) for rows in zip(*made, strict=True)]
    return outputs[0] if len(outputs) == 1 else outputs


def evaluate(
    model: Any, x: Any, y: Any, *, device: Any = "sim", chip: Any = "edge", strict: bool = False, data: Any = None,
    method: Any = "minmax", return_dict: bool = False,
) -> Any:  # fmt: skip
    """What `model.evaluate(x, y)` gives, by the compiled network: the model's own loss and metrics of its predictions.

    The rest as of `predict`. Raises LithifyError for a model that was not compiled with a loss, and as `predict`.
    """
    if not getattr(model, "compiled", False):
        raise LithifyError(
            "The model has no loss; call model.compile(loss=..., metrics=...) before lithify.keras.evaluate."
        )
    samples = len(_arrays(model, x)[0])
    counts = {np.shape(entry)[0] if np.ndim(entry) else 0 for entry in keras.tree.flatten(y)}
    if counts - {samples}:
        raise LithifyError(f"There are {samples} samples of x and {', '.join(map(str, sorted(counts)))} of y; give "
                           "as many of each.")  # fmt: skip
    found = predict(model, x, device=device, chip=chip, strict=strict, data=data, method=method)
    model.reset_metrics()
    loss = float(model.compute_loss(x=x, y=y, y_pred=found, training=False))
    # Keras' own tracker of the loss is private, and saw no batch; its name is not.
    logs = {"loss": loss} | {
        name: float(value) for name, value in model.compute_metrics(x, y, found).items() if name != "loss"
    }
    if return_dict:
        return logs
    listed = list(logs.values())
    return listed[0] if len(listed) == 1 else listed


def fit(*_: Any, **__: Any) -> None:
    """Training on a device: not there yet. Raises LithifyError, which says what is."""
    raise LithifyError(
        "Lithify does not train on a device yet; train with model.fit, then call lithify.keras.predict or evaluate."
    )


def _arrays(model: Any, x: Any) -> list[NDArray[Any]]:
    """One array for each input, in the model's order."""
    if isinstance(x, dict):
        missing = [entry.name for entry in model.inputs if entry.name not in x]
        if missing:
            raise LithifyError(f"The model's input '{missing[0]}' was not given; it takes: "
                               f"{', '.join(entry.name for entry in model.inputs)}.")  # fmt: skip
        x = [x[entry.name] for entry in model.inputs]
    arrays = [np.asarray(entry) for entry in (x if isinstance(x, list | tuple) else [x])]
    counts = {len(array) if array.ndim else 0 for array in arrays}
    if len(arrays) != len(model.inputs) or len(counts) != 1 or counts == {0}:
        raise LithifyError(
            f"The model takes {len(model.inputs)} inputs of equally many samples, at least one; given were "
            f"{len(arrays)} of {', '.join(str(array.shape) for array in arrays)}."
        )
    return arrays


def _feeds(names: Sequence[str], arrays: Sequence[NDArray[Any]]) -> Iterator[Mapping[str, NDArray[Any]]]:
    """One sample after the other, by the inputs' names."""
    for index in range(len(arrays[0])):
        yield {name: array[index : index + 1] for name, array in zip(names, arrays, strict=True)}
