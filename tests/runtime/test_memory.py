"""Logical tensors in DRAM: the formula of `Placement`, byte by byte."""

import numpy as np
import pytest

from lithify.isa.program import Base, Placement
from lithify.runtime.memory import from_image, image_shape, pack, to_image, unpack


@pytest.mark.parametrize("k", [1, 7])
def test_packing_follows_the_formula_and_touches_nothing_else(k: int) -> None:
    data = np.random.default_rng(0).integers(-128, 128, (1, 3, 4, 5), dtype=np.int8)
    place = Placement("x", Base.INPUTS, 32, 4, 5, 3, 8, top=1, bottom=2, left=3, right=1, fill=-7, rows_together=k)
    memory = np.full(32 + place.bytes + 16, 99, np.uint8)
    pack(data, place, memory)
    expected = np.full(place.bytes, -7, np.int8)
    for y in range(4):
        for x in range(5):
            for c in range(3):
                expected[(((y + 1) // k * (3 + 5 + 1) + x + 3) * k + (y + 1) % k) * 8 + c] = data[0, c, y, x]
    assert np.array_equal(memory[32:-16].view(np.int8), expected)
    assert (memory[:32] == 99).all() and (memory[-16:] == 99).all()
    assert np.array_equal(unpack(place, data.shape, memory), data)


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((1, 3, 4, 5), (4, 5, 3)),
        ((2, 3, 4, 5), (8, 5, 3)),
        ((6, 7), (1, 6, 7)),
        ((1, 6, 7), (1, 6, 7)),
        ((9,), (1, 1, 9)),
        ((), (1, 1, 1)),
    ],
)
def test_images_of_tensors(shape: tuple[int, ...], image: tuple[int, int, int]) -> None:
    data = np.random.default_rng(0).integers(-128, 128, shape, dtype=np.int8)
    assert image_shape(shape) == image
    assert to_image(data).shape == image
    assert np.array_equal(from_image(to_image(data), shape), data)


def test_images_of_a_batch_lie_one_under_the_other() -> None:
    data = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 5), dtype=np.int8)
    assert np.array_equal(to_image(data)[4:], to_image(data[1:]))
