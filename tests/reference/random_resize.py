"""Random resizes, with the ONNX Resize that each comes from."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lithify.reference import coordinates
from lithify.reference.graph import Graph, Tensor

from .onnx_form import Form
from .random_layers import one_node, scale, zero_point

FACTORS = (2.0, 3.0, 4.0, 8.0, 1.0, 0.5, 1.5, 0.6, 1.3, 2.3)


def _sizes(random: Generator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...], bool]:
    """Shape of x, size of the result and scale of each spatial dimension, and whether ONNX is given the scales."""
    spatial = tuple(int(size) for size in random.integers(1, 13, int(random.integers(1, 3))))
    by_scales = bool(random.integers(0, 2))
    if by_scales:
        scales = tuple(float(np.float32(random.choice(FACTORS))) for _ in spatial)
        places = tuple(max(int(np.float32(n) * np.float32(s)), 1) for n, s in zip(spatial, scales, strict=True))
        by_scales = all(n * s >= 1 for n, s in zip(spatial, scales, strict=True))
    else:
        places = tuple(int(size) for size in random.integers(1, 30, len(spatial)))
    if not by_scales:
        scales = tuple(float(np.float32(p) / np.float32(n)) for p, n in zip(places, spatial, strict=True))
    if places == spatial:  # ONNX Runtime then copies, whatever the coordinates
        return _sizes(random)
    return (1, int(random.integers(1, 9)), *spatial), places, scales, by_scales


def _form(places: tuple[int, ...], scales: tuple[float, ...], by_scales: bool, x: Tensor, **attributes: str) -> Form:
    inputs: dict[str, NDArray[Any] | None] = {"roi": None, "scales": None, "sizes": None}
    if by_scales:
        inputs["scales"] = np.array((1, 1, *scales), np.float32)
        del inputs["sizes"]
    else:
        inputs["sizes"] = np.array((*x.shape[:2], *places), np.int64)
    return Form("Resize", attributes, inputs)


def nearest(random: Generator) -> tuple[Graph, Form]:
    """A ResizeNearest of an image or a sequence, in any mode."""
    mode, nearest_mode = str(random.choice(coordinates.COORDINATES)), str(random.choice(coordinates.NEAREST))
    shape, places, scales, by_scales = _sizes(random)
    x = Tensor("x", shape, "int8", scale(random, "any"), zero_point(random))
    taken = [
        coordinates.nearest(size, count, own, mode, nearest_mode)
        for size, count, own in zip(shape[2:], places, scales, strict=True)
    ]
    rows, columns = taken if len(taken) == 2 else [(0,), taken[0]]
    graph = one_node("ResizeNearest", [x], (x.scale, x.zero_point), {}, rows=rows, columns=columns)
    words = {"mode": "nearest", "coordinate_transformation_mode": mode, "nearest_mode": nearest_mode}
    return graph, _form(places, scales, by_scales, x, **words)


def linear(random: Generator, kind: str) -> tuple[Graph, Form]:
    """A ResizeLinear of an image or a sequence, in any mode."""
    mode = str(random.choice(coordinates.COORDINATES))
    shape, places, scales, by_scales = _sizes(random)
    x = Tensor("x", shape, "int8", scale(random, kind), zero_point(random))
    blends = [
        coordinates.linear(size, count, own, mode) for size, count, own in zip(shape[2:], places, scales, strict=True)
    ]
    rows, columns = blends if len(blends) == 2 else [coordinates.Blend((0,), (0,), 1), blends[0]]
    y = (x.scale if kind == "equal" else scale(random, kind, float(x.scale) / 2), zero_point(random))
    graph = one_node(
        "ResizeLinear",
        [x],
        y,
        {},
        rows=rows.first,
        row_weights=rows.weights,
        row_steps=rows.steps,
        columns=columns.first,
        column_weights=columns.weights,
        column_steps=columns.steps,
    )
    return graph, _form(places, scales, by_scales, x, mode="linear", coordinate_transformation_mode=mode)
