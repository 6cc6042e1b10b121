"""Samples for calibration, for runs and for accuracy: read from .npy and .npz files or taken from arrays.

How an array of a file is chosen for the input `name` of shape S (batch included), in this order:

1. for calibration only: arrays whose names begin with `calibration`;
2. the array called `name`;
3. `x`, `inputs`, `images`, then arrays whose names begin with `images` or `inputs`.

The first one that fits wins, so one file can serve networks of several input sizes. An array fits if it is one sample
of shape S or N of them stacked ([N, *S]); where the batch is 1 it may be left out, and so may further leading ones:
[N, 28, 28] fits [1, 1, 28, 28]. A network of several inputs needs an array named after each. Labels are the array
`labels` or `y`. Values are taken as they are, never rescaled.

Only pictures are, and only by a preprocessing: those of a file or a folder, and uint8 arrays [N, H, W, C] (of one color
also [N, H, W]) that do not fit the input as they are. Pictures of a folder have labels where they lie in folders whose
names are the labels: 0, 1, 2 and so on.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.preprocessing import SUFFIXES, Preprocessing, pictures

if TYPE_CHECKING:
    import onnx_ir as ir

Purpose = Literal["calibration", "evaluation"]


@dataclass(frozen=True)
class Input:
    """What a network takes. shape: fixed, batch included. dtype: as numpy names it. entries: of the smallest table that
    it chooses from, if it holds indices.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    entries: int = 1


@dataclass(frozen=True)
class Samples:
    """inputs: for every input an array [N, *shape] of the input's type. labels: int64 [N * batch], or None."""

    inputs: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Sample `index` as a feed: input name -> array of the input's shape."""
        return {name: np.asarray(array[index]) for name, array in self.inputs.items()}

    def first(self, count: int) -> "Samples":
        """The first `count` samples, or all where there are fewer; without labels."""
        return Samples({name: array[:count] for name, array in self.inputs.items()})


Source = Samples | str | Path | NDArray[Any] | Sequence[NDArray[Any]] | Sequence[Mapping[str, NDArray[Any]]]
"""Where samples come from, see `read`."""


def inputs_of(model: "ir.Model") -> tuple[Input, ...]:
    """What the model takes, in its order. The model's shapes are fixed (as `frontend.load` leaves them)."""
    positions = _positions(model)
    return tuple(
        Input(
            str(value.name),
            tuple(value.shape.numpy()),
            value.dtype.numpy().name,
            positions.get(str(value.name)) or _entries(value),
        )
        for value in model.graph.inputs
        if value.shape is not None and value.dtype is not None
    )


def _positions(model: "ir.Model") -> dict[str, int]:
    """How many positions there are where rows are added to caches, by the inputs that say which."""
    # Imported here: who runs a saved program needs none of it.
    from lithify.optimize.positions import appended

    found: dict[str, int] = {}
    for node in model.graph:
        added = appended(node)
        if added is not None and added.cache.shape is not None and added.new.shape is not None:
            count = int(added.cache.shape.numpy()[1]) - int(added.new.shape.numpy()[1]) + 1
            name = str(added.position.name)
            found[name] = min(found.get(name, count), count)
    return found


def _entries(value: "ir.Value") -> int:
    """How many entries a tensor of indices chooses from."""
    found = []
    for node, index in value.uses():
        table = node.inputs[0] if node.op_type == "Gather" and index == 1 else None
        if table is not None and table.shape is not None and table.shape.is_static():
            axis = node.attributes.get_int("axis", 0)
            found.append(int(table.shape.numpy()[axis]))
    return min(found, default=1)


def read(
    source: Source,
    inputs: Sequence[Input],
    purpose: Purpose = "evaluation",
    preprocessing: Preprocessing | None = None,
) -> Samples:
    """The samples of a file, or of arrays in memory.

    source: path of an .npz or .npy file, of a picture, or of a folder of pictures; one array; a list of arrays (each
        one sample, or several stacked); a list of mappings from input name to array, one a sample; or samples, which
        stay.
    purpose: which arrays of an .npz are preferred, see the module's text.
    preprocessing: how pictures become the input; see the module's text for what counts as one.
    Raises LithifyError for a missing or damaged file, no fitting array, NaN or infinite values, and labels that do
    not match the samples.
    """
    if isinstance(source, Samples):
        return source
    if isinstance(source, str | Path):
        return _read_path(Path(source), inputs, purpose, preprocessing)
    if not isinstance(source, np.ndarray) and len(source) == 0:
        raise LithifyError("The data holds no samples. Give at least one array.")
    if not isinstance(source, np.ndarray) and isinstance(source[0], Mapping):
        return _from_mappings([item for item in source if isinstance(item, Mapping)], inputs)
    arrays = [source] if isinstance(source, np.ndarray) else [np.asarray(item) for item in source]
    only = _single(inputs, "the arrays given have no names")
    parts = [_samples(array, only, f"array {index}", preprocessing) for index, array in enumerate(arrays)]
    return Samples({only.name: np.concatenate(parts)})


def _read_path(path: Path, inputs: Sequence[Input], purpose: Purpose, preprocessing: Preprocessing | None) -> Samples:
    if path.is_dir():
        return _read_pictures(path, pictures(path) if preprocessing is not None else (), inputs, preprocessing)
    if path.suffix.lower() in SUFFIXES:
        return _read_pictures(path, (path,), inputs, preprocessing)
    return _read_file(path, inputs, purpose, preprocessing)


def _read_pictures(
    source: Path, files: Sequence[Path], inputs: Sequence[Input], preprocessing: Preprocessing | None
) -> Samples:
    if preprocessing is None:
        raise LithifyError(
            f"'{source}' is a {'folder' if source.is_dir() else 'picture'}, and nothing says how pictures become the "
            "network's input. Give a preprocessing (resize, crop, mean, std, layout) when the network is quantised, "
            "or give an .npz or .npy file."
        )
    only = _single(inputs, f"the pictures of '{source}' have no names")
    parts = [_of_picture(preprocessing.apply(path), only, f"'{path}'") for path in files]
    folders = [path.parent.name for path in files]
    numbered = source.is_dir() and all(path.parent != source for path in files) and all(map(str.isdecimal, folders))
    labels = np.array([int(name) for name in folders], np.int64) if numbered else None
    return Samples({only.name: np.concatenate(parts)}, labels)


def _of_picture(made: NDArray[np.float32], item: Input, what: str) -> NDArray[Any]:
    """What a preprocessing made of one picture, as a sample."""
    if made.size != math.prod(item.shape) or made.shape != item.shape[-made.ndim :]:
        raise LithifyError(
            f"{what} becomes {_text(made.shape)} by the preprocessing, but the input '{item.name}' has the shape "
            f"{_text(item.shape)}. Resize or crop to that size."
        )
    return _samples(made, item, what)


def seeded(inputs: Sequence[Input], count: int, seed: int = 0) -> Samples:
    """`count` samples of random input for a network without data.

    Float inputs are drawn uniformly from [-1, 1), 8-bit integers and bool from their whole range, indices from
    those of their table, others are 0 (an index that every table has). The same seed gives the same samples.
    """
    generator = np.random.default_rng(seed)
    arrays: dict[str, NDArray[Any]] = {}
    for item in inputs:
        shape, dtype = (count, *item.shape), np.dtype(item.dtype)
        if dtype.kind == "f":
            arrays[item.name] = generator.uniform(-1, 1, shape).astype(dtype)
        elif dtype.kind == "b":
            arrays[item.name] = generator.integers(0, 2, shape).astype(dtype)
        elif dtype.itemsize == 1:
            limits = np.iinfo(dtype)
            arrays[item.name] = generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        else:
            arrays[item.name] = generator.integers(0, item.entries, shape).astype(dtype)
    return Samples(arrays)


def _read_file(path: Path, inputs: Sequence[Input], purpose: Purpose, preprocessing: Preprocessing | None) -> Samples:
    if not path.is_file():
        raise LithifyError(
            f"There is no file '{path}'. Give an .npz or .npy file with samples, or a folder of pictures."
        )
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        raise LithifyError(
            f"'{path}' holds no arrays that numpy can read. Give an .npz or .npy file written by numpy."
        ) from error
    if "" in arrays:
        only = _single(inputs, f"'{path}' holds one array")
        return Samples({only.name: _samples(arrays[""], only, f"the array of '{path}'", preprocessing)})
    taken = {item.name: _choose(arrays, item, len(inputs), purpose, path, preprocessing) for item in inputs}
    found = {
        item.name: _samples(arrays[taken[item.name]], item, f"array '{taken[item.name]}'", preprocessing)
        for item in inputs
    }
    counts = {name: len(array) for name, array in found.items()}
    if len(set(counts.values())) > 1:
        text = ", ".join(f"{count} for '{name}'" for name, count in counts.items())
        raise LithifyError(f"'{path}' holds unequal numbers of samples: {text}. Give as many for every input.")
    from_calibration = any(name.startswith("calibration") for name in taken.values())
    labels = None if from_calibration else _labels(arrays, found, inputs, path)
    return Samples(found, labels)


def _single(inputs: Sequence[Input], what: str) -> Input:
    if len(inputs) == 1:
        return inputs[0]
    names = ", ".join(item.name for item in inputs)
    raise LithifyError(
        f"The network has {len(inputs)} inputs ({names}), but {what}. Name an array after each in an .npz."
    )


def _choose(
    arrays: Mapping[str, NDArray[Any]],
    item: Input,
    count: int,
    purpose: Purpose,
    path: Path,
    preprocessing: Preprocessing | None,
) -> str:
    """The name of the array that feeds this input."""
    order = _beginning(arrays, "calibration") if count == 1 and purpose == "calibration" else []
    order.append(item.name)
    if count == 1:
        order += ["x", "inputs", "images", *_beginning(arrays, "images"), *_beginning(arrays, "inputs")]
    present = list(dict.fromkeys(name for name in order if name in arrays))
    held = ", ".join(f"{name} {_text(array.shape)}" for name, array in arrays.items()) or "nothing"
    if not present:
        expected = f"'{item.name}'" + (", 'x', 'inputs' or 'images'" if count == 1 else "")
        raise LithifyError(f"'{path}' has no array for the input '{item.name}': it holds {held}. Name it {expected}.")
    for name in present:
        if _stacked(arrays[name], item) is not None or _are_pictures(arrays[name], preprocessing):
            return name
    one = item.shape[1:] if item.shape[:1] == (1,) else item.shape
    raise LithifyError(
        f"No array of '{path}' fits the input '{item.name}' of shape {_text(item.shape)}: it holds {held}. "
        f"Give samples stacked as {_text(('N', *one))}."
    )


def _beginning(arrays: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in arrays if name.startswith(start))


def _stacked(array: NDArray[Any], item: Input) -> NDArray[Any] | None:
    """The array as [N, *shape], or None if it does not fit."""
    shape = item.shape
    ways = [shape]
    while ways[-1][:1] == (1,):
        ways.append(ways[-1][1:])
    for way in ways:
        if array.shape == way or array.shape[1:] == way:
            return array.reshape(-1, *shape) if array.size else None
    return None


def _are_pictures(array: NDArray[Any], preprocessing: Preprocessing | None) -> bool:
    """Whether an array that does not fit the input is one picture or several: [H, W, C] or [N, H, W, C], grey [N, H, W]
    too.
    """
    if preprocessing is None or array.dtype != np.uint8 or array.size == 0:
        return False
    colored = array.ndim in (3, 4) and array.shape[-1] == preprocessing.channels
    return colored or (preprocessing.channels == 1 and array.ndim in (2, 3))


def _samples(array: NDArray[Any], item: Input, what: str, preprocessing: Preprocessing | None = None) -> NDArray[Any]:
    """The array as [N, *shape] of the input's type, every value checked; pictures by the preprocessing."""
    stacked = _stacked(array, item)
    if stacked is None and preprocessing is not None and _are_pictures(array, preprocessing):
        colored = array if array.shape[-1] == preprocessing.channels and array.ndim > 2 else array[..., None]
        several = colored.reshape(-1, *colored.shape[-3:])
        made = [_of_picture(preprocessing.apply(picture), item, f"A picture of {what}") for picture in several]
        return np.concatenate(made)
    if stacked is None:
        raise LithifyError(
            f"The shape {_text(array.shape)} of {what} does not fit the input '{item.name}' of shape "
            f"{_text(item.shape)}. Give one sample of that shape or several stacked along a new first axis."
        )
    if preprocessing is not None and item.dtype == "uint8" and stacked.dtype.kind == "f":
        raise LithifyError(
            f"The values of {what} are {stacked.dtype}, but the network normalises its input itself and takes pixels "
            f"from 0 to 255. Give them as uint8, or leave the preprocessing out."
        )
    if stacked.dtype.kind not in "fiub":
        raise LithifyError(f"The values of {what} are {stacked.dtype}, not numbers. Give {item.dtype} values.")
    if stacked.dtype.kind == "f" and not (finite := np.isfinite(stacked)).all():
        first = int(np.argmin(finite.reshape(len(stacked), -1).all(axis=1)))
        raise LithifyError(
            f"{int((~finite).sum())} values of {what} are NaN or infinite, the first of them in sample {first}. "
            f"Repair or remove those samples."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        converted = stacked.astype(item.dtype)
    if not (np.isfinite(converted).all() if converted.dtype.kind == "f" else (converted == stacked).all()):
        raise LithifyError(
            f"Values of {what} do not fit the type {item.dtype} of the input '{item.name}'. Convert the data first."
        )
    return converted


def _labels(
    arrays: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]], inputs: Sequence[Input], path: Path
) -> NDArray[np.int64] | None:
    name = next((name for name in ("labels", "y") if name in arrays and name not in found), None)
    if name is None:
        return None
    labels = arrays[name]
    batch = inputs[0].shape[0] if inputs[0].shape else 1
    samples = len(found[inputs[0].name]) * batch
    if labels.dtype.kind not in "iu" or labels.size != samples:
        raise LithifyError(
            f"Array '{name}' of '{path}' is {labels.dtype} {_text(labels.shape)}; "
            f"labels must be {samples} whole numbers, one for each sample."
        )
    return labels.reshape(-1).astype(np.int64)


def _from_mappings(feeds: Sequence[Mapping[str, NDArray[Any]]], inputs: Sequence[Input]) -> Samples:
    parts: dict[str, list[NDArray[Any]]] = {item.name: [] for item in inputs}
    for index, feed in enumerate(feeds):
        for item in inputs:
            if item.name not in feed:
                raise LithifyError(f"Sample {index} has no array for the input '{item.name}'. Give one for each input.")
            array = _samples(np.asarray(feed[item.name]), item, f"'{item.name}' in sample {index}")
            if len(array) != 1:
                raise LithifyError(f"'{item.name}' in sample {index} holds {len(array)} samples. Give one in each.")
            parts[item.name].append(array)
    return Samples({name: np.concatenate(arrays) for name, arrays in parts.items()})


def _text(shape: Sequence[object]) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"
