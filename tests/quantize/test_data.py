"""Sample files: which array is taken, what it may hold, and every refusal word for word."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.frontend.models import floats

from lithify.errors import LithifyError
from lithify.quantize.data import Input, read, seeded

IMAGE = Input("input", (1, 1, 4, 5))


def _file(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def _refusal(source: Any, *inputs: Input) -> str:
    with pytest.raises(LithifyError) as caught:
        read(source, inputs or (IMAGE,))
    return str(caught.value)


@pytest.mark.parametrize("shape", [(6, 1, 1, 4, 5), (6, 1, 4, 5), (6, 4, 5), (1, 1, 4, 5), (1, 4, 5), (4, 5)])
def test_samples_may_leave_leading_ones_out(shape: tuple[int, ...]) -> None:
    data = floats(1, *shape)
    samples = read(data, [IMAGE])
    assert len(samples) == data.size // 20
    assert samples[0]["input"].shape == IMAGE.shape
    assert np.array_equal(samples.inputs["input"].reshape(-1), data.reshape(-1))


def test_a_batch_is_one_sample() -> None:
    batch = Input("x", (3, 2))
    assert len(read(floats(1, 3, 2), [batch])) == 1
    assert len(read(floats(1, 5, 3, 2), [batch])) == 5


def test_order_of_preference(tmp_path: Path) -> None:
    names = ["calibration_a", "input", "x", "inputs", "images", "images_b"]
    arrays = {name: np.full((2, 1, 4, 5), index, np.float32) for index, name in enumerate(names)}
    for purpose, order in (("calibration", names), ("evaluation", names[1:])):
        left = dict(arrays)
        for name in order:
            chosen = read(_file(tmp_path, **left), [IMAGE], purpose).inputs["input"]  # type: ignore[arg-type]
            assert chosen[0, 0, 0, 0, 0] == names.index(name)
            del left[name]


def test_the_first_array_that_fits(tmp_path: Path) -> None:
    path = _file(tmp_path, images_a=floats(1, 3, 1, 8, 8), images_b=floats(2, 7, 1, 4, 5), labels=np.arange(7))
    samples = read(path, [IMAGE])
    assert len(samples) == 7
    assert samples.labels is not None and samples.labels.tolist() == list(range(7))


def test_calibration_arrays_have_no_labels(tmp_path: Path) -> None:
    path = _file(tmp_path, calibration=floats(1, 3, 1, 4, 5), images=floats(2, 7, 1, 4, 5), labels=np.arange(7))
    assert read(path, [IMAGE], "calibration").labels is None
    assert len(read(path, [IMAGE], "calibration")) == 3


def test_several_inputs(tmp_path: Path) -> None:
    inputs = (Input("a", (1, 2)), Input("b", (1, 3), "int64"))
    path = _file(tmp_path, a=floats(1, 4, 2), b=np.arange(12).reshape(4, 3))
    samples = read(path, inputs)
    assert samples[3]["b"].tolist() == [[9, 10, 11]]
    assert samples[3]["a"].dtype == np.float32
    feeds = [{"a": floats(1, 1, 2), "b": np.arange(3)}, {"a": floats(2, 2), "b": np.arange(3)}]
    assert len(read(feeds, inputs)) == 2


def test_npy_and_lists(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", floats(1, 4, 5))
    assert len(read(tmp_path / "x.npy", [IMAGE])) == 1
    assert len(read([floats(1, 4, 5), floats(2, 3, 4, 5)], [IMAGE])) == 4


def test_integers_are_taken_as_they_are() -> None:
    samples = read(np.arange(20, dtype=np.uint8).reshape(4, 5), [IMAGE])
    assert samples.inputs["input"].dtype == np.float32
    assert samples.inputs["input"].reshape(-1).tolist() == list(range(20))


def test_seeded_samples() -> None:
    inputs = (IMAGE, Input("q", (2, 3), "int8"), Input("index", (1,), "int64"))
    first, again, other = (seeded(inputs, 2000, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first.inputs[name], again.inputs[name]) for name in first.inputs)
    assert not np.array_equal(first.inputs["input"], other.inputs["input"])
    assert first.inputs["input"].dtype == np.float32 and first.inputs["input"].shape == (2000, 1, 1, 4, 5)
    assert first.inputs["q"].min() == -128 and first.inputs["q"].max() == 127
    assert not first.inputs["index"].any()


def test_missing_file() -> None:
    assert (
        _refusal("no.npz")
        == "There is no file 'no.npz'. Give an .npz or .npy file with samples, or a folder of pictures."
    )


@pytest.mark.parametrize("name", ["data.npz", "data.npy", "data.txt"])
def test_damaged_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"no array at all")
    expected = f"'{path}' holds no arrays that numpy can read. Give an .npz or .npy file written by numpy."
    assert _refusal(path) == expected


def test_objects_are_not_read(tmp_path: Path) -> None:
    path = _file(tmp_path, input=np.array([{}, None], dtype=object))
    expected = f"'{path}' holds no arrays that numpy can read. Give an .npz or .npy file written by numpy."
    assert _refusal(path) == expected


def test_no_array_of_a_known_name(tmp_path: Path) -> None:
    path = _file(tmp_path, pictures=floats(1, 2, 1, 4, 5))
    assert _refusal(path) == (
        f"'{path}' has no array for the input 'input': it holds pictures [2, 1, 4, 5]. "
        "Name it 'input', 'x', 'inputs' or 'images'."
    )


def test_no_array_for_one_of_several_inputs(tmp_path: Path) -> None:
    path = _file(tmp_path, a=floats(1, 4, 2), x=floats(1, 4, 3))
    assert _refusal(path, Input("a", (1, 2)), Input("b", (1, 3))) == (
        f"'{path}' has no array for the input 'b': it holds a [4, 2], x [4, 3]. Name it 'b'."
    )


def test_no_array_of_the_shape(tmp_path: Path) -> None:
    path = _file(tmp_path, images=floats(1, 2, 3, 4, 5), labels=np.arange(2))
    assert _refusal(path) == (
        f"No array of '{path}' fits the input 'input' of shape [1, 1, 4, 5]: it holds images [2, 3, 4, 5], labels [2]. "
        "Give samples stacked as [N, 1, 4, 5]."
    )


def test_arrays_of_another_shape() -> None:
    assert _refusal([floats(1, 4, 5), floats(1, 5, 4)]) == (
        "The shape [5, 4] of array 1 does not fit the input 'input' of shape [1, 1, 4, 5]. "
        "Give one sample of that shape or several stacked along a new first axis."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    data = floats(1, 6, 1, 4, 5)
    data[4, 0, 1, 1] = data[4, 0, 2, 2] = data[5, 0, 0, 0] = value
    assert _refusal(_file(tmp_path, images=data)) == (
        "3 values of array 'images' are NaN or infinite, the first of them in sample 4. Repair or remove those samples."
    )


def test_values_that_do_not_fit_the_type() -> None:
    assert _refusal(np.full((1, 3), 200), Input("q", (1, 3), "int8")) == (
        "Values of array 0 do not fit the type int8 of the input 'q'. Convert the data first."
    )
    assert _refusal(np.full((4, 5), 1e300)) == (
        "Values of array 0 do not fit the type float32 of the input 'input'. Convert the data first."
    )


def test_values_that_are_no_numbers() -> None:
    assert _refusal(np.full((4, 5), "a")) == "The values of array 0 are <U1, not numbers. Give float32 values."
    assert _refusal(np.full((4, 5), 1j)) == "The values of array 0 are complex128, not numbers. Give float32 values."


def test_no_samples() -> None:
    assert _refusal([]) == "The data holds no samples. Give at least one array."


def test_unnamed_arrays_for_several_inputs(tmp_path: Path) -> None:
    pair = (Input("a", (1, 2)), Input("b", (1, 2)))
    assert _refusal([floats(1, 2)], *pair) == (
        "The network has 2 inputs (a, b), but the arrays given have no names. Name an array after each in an .npz."
    )
    np.save(tmp_path / "x.npy", floats(1, 2))
    assert _refusal(tmp_path / "x.npy", *pair) == (
        f"The network has 2 inputs (a, b), but '{tmp_path / 'x.npy'}' holds one array. "
        "Name an array after each in an .npz."
    )


def test_unequal_numbers_of_samples(tmp_path: Path) -> None:
    path = _file(tmp_path, a=floats(1, 4, 2), b=floats(1, 3, 2))
    assert _refusal(path, Input("a", (1, 2)), Input("b", (1, 2))) == (
        f"'{path}' holds unequal numbers of samples: 4 for 'a', 3 for 'b'. Give as many for every input."
    )


def test_mapping_without_an_input() -> None:
    assert _refusal([{"a": floats(1, 2)}], Input("a", (1, 2)), Input("b", (1, 2))) == (
        "Sample 0 has no array for the input 'b'. Give one for each input."
    )
    assert _refusal([{"a": floats(1, 3, 2)}], Input("a", (1, 2))) == (
        "'a' in sample 0 holds 3 samples. Give one in each."
    )


@pytest.mark.parametrize("labels", [np.arange(5), np.arange(6) / 2])
def test_labels_that_do_not_match(tmp_path: Path, labels: np.ndarray) -> None:  # type: ignore[type-arg]
    path = _file(tmp_path, images=floats(1, 6, 1, 4, 5), labels=labels)
    assert _refusal(path) == (
        f"Array 'labels' of '{path}' is {labels.dtype} [{len(labels)}]; "
        "labels must be 6 whole numbers, one for each sample."
    )
