"""The files that `lithify run` is given, as samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lithify.errors import LithifyError
from lithify.preprocessing import SUFFIXES, Preprocessing
from lithify.quantize.data import Input, Samples, read


def read_files(files: Sequence[Path], inputs: Sequence[Input], preprocessing: Preprocessing | None = None) -> Samples:
    """One file with an array for each input (.npz), one file for each input of the network, in its order, or, by the
    preprocessing, any number of pictures and folders of them.

    Raises LithifyError for another number of files, and for files that do not fit.
    """
    if len(inputs) == 1 and all(_of_pictures(file) for file in files):
        name = inputs[0].name
        parts = [read(file, inputs, preprocessing=preprocessing).inputs[name] for file in files]
        return Samples({name: np.concatenate(parts)})
    if len(files) == 1 and (len(inputs) == 1 or files[0].suffix == ".npz"):
        return read(files[0], inputs, preprocessing=preprocessing)
    if len(files) != len(inputs):
        names = ", ".join(item.name for item in inputs)
        raise LithifyError(
            f"The network takes {len(inputs)} inputs ({names}), but {len(files)} files were given; "
            "give one for each, or one .npz file that names them."
        )
    found = {item.name: read(file, [item]).inputs[item.name] for file, item in zip(files, inputs, strict=True)}
    counts = sorted({len(array) for array in found.values()})
    if len(counts) > 1:
        raise LithifyError(
            f"The files hold {' and '.join(map(str, counts))} samples; give as many for every input of the network."
        )
    return Samples(found)


def _of_pictures(file: Path) -> bool:
    return file.is_dir() or file.suffix.lower() in SUFFIXES
