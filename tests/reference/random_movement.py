"""Random layers that move, select or reduce elements, one node each."""

import math
from typing import Any

from numpy.random import Generator

from lithify.reference.graph import Graph, Tensor

from .random_layers import one_node, scale, zero_point


def tensor(random: Generator, shape: tuple[int, ...]) -> Tensor:
    """An int8 tensor x of any scale and zero point."""
    return Tensor("x", shape, "int8", scale(random, "any"), zero_point(random))


def shape(random: Generator, rank: int, most: int = 7) -> tuple[int, ...]:
    """Sizes from 1 to `most`."""
    return tuple(int(size) for size in random.integers(1, most + 1, rank))


def moved(x: Tensor, operator: str, outputs: tuple[str, ...] = ("y",), **attributes: Any) -> Graph:
    """One node on x whose outputs keep its scale and zero point."""
    return one_node(operator, [x], (x.scale, x.zero_point), {}, outputs, **attributes)


def transpose(random: Generator) -> Graph:
    rank = int(random.integers(1, 6))
    perm = tuple(int(axis) for axis in random.permutation(rank))
    return moved(tensor(random, shape(random, rank)), "Transpose", perm=perm)


def expand(random: Generator) -> Graph:
    whole = shape(random, int(random.integers(1, 6)))
    narrow = tuple(1 if random.integers(0, 2) else size for size in whole)[int(random.integers(0, len(whole))) :]
    return moved(tensor(random, narrow), "Expand", shape=whole)


def tile(random: Generator) -> Graph:
    rank = int(random.integers(1, 5))
    return moved(tensor(random, shape(random, rank)), "Tile", repeats=shape(random, rank, 3))


def take(random: Generator) -> Graph:
    """A Slice of some axes, its ends inside or beyond the tensor, forwards or backwards."""
    sizes = shape(random, int(random.integers(1, 5)), 9)
    axes = tuple(int(axis) for axis in random.permutation(len(sizes))[: int(random.integers(1, len(sizes) + 1))])
    starts, ends, steps = [], [], []
    for axis in axes:
        size = sizes[axis]
        first, last = sorted(int(index) for index in random.integers(0, size, 2))
        step = int(random.choice([1, 1, 2, 3]))
        if random.integers(0, 2):
            first, last, step = last, first - 1, -step
            last = last if last >= 0 else -size - 1 - int(random.integers(0, 99))
        else:
            last = last + 1 if last + 1 < size else int(random.choice([size, size + 99, 2**31 - 1]))
            last = last - size if last < size and random.integers(0, 2) else last
        starts.append(first - size if random.integers(0, 2) else first)
        ends.append(last)
        steps.append(step)
    x = tensor(random, sizes)
    return moved(x, "Slice", starts=tuple(starts), ends=tuple(ends), axes=axes, steps=tuple(steps))


def split(random: Generator) -> Graph:
    pieces = shape(random, int(random.integers(1, 5)))
    sizes = list(shape(random, int(random.integers(1, 5))))
    axis = int(random.integers(0, len(sizes)))
    sizes[axis] = sum(pieces)
    names = tuple(f"y{index}" for index in range(len(pieces)))
    return moved(tensor(random, tuple(sizes)), "Split", names, axis=axis, split=pieces)


def concat(random: Generator) -> Graph:
    sizes = list(shape(random, int(random.integers(1, 5))))
    axis = int(random.integers(0, len(sizes)))
    own = scale(random, "any"), zero_point(random)
    inputs = []
    for index in range(int(random.integers(1, 5))):
        sizes[axis] = int(random.integers(1, 7))
        inputs.append(Tensor("x" if index == 0 else f"x{index}", tuple(sizes), "int8", *own))
    return one_node("Concat", inputs, own, {}, axis=axis)


def pad(random: Generator) -> Graph:
    """A Pad; the value of a constant one is any that int8 holds. Some pads are negative and cut instead."""
    mode = str(random.choice(["constant", "reflect", "edge", "wrap"]))
    sizes = shape(random, int(random.integers(1, 5)), 8)
    pads = [int(random.integers(0, size if mode == "reflect" else 5)) for size in sizes * 2]
    cut = int(random.integers(0, 2 * len(sizes)))
    size, other = sizes[cut % len(sizes)], (cut + len(sizes)) % (2 * len(sizes))
    if random.integers(0, 3) == 0 and size > 1:
        pads[cut], pads[other] = -int(random.integers(1, size)), 0
    x = tensor(random, sizes)
    value = int(random.integers(-128, 128)) - x.zero_point if mode == "constant" else 0
    return moved(x, "Pad", pads=tuple(pads), mode=mode, value=value)


def depth_to_space(random: Generator) -> Graph:
    mode = str(random.choice(["DCR", "CRD"]))
    block = int(random.integers(1, 4))
    batch, channels, height, width = shape(random, 4)
    x = tensor(random, (batch, channels * block**2, height, width))
    return moved(x, "DepthToSpace", blocksize=block, mode=mode)


def space_to_depth(random: Generator) -> Graph:
    block = int(random.integers(1, 4))
    batch, channels, height, width = shape(random, 4)
    x = tensor(random, (batch, channels, height * block, width * block))
    return moved(x, "SpaceToDepth", blocksize=block)


def reduce(random: Generator, kind: str, operator: str) -> Graph:
    """A reduction over any axes of a tensor of up to four dimensions."""
    sizes = shape(random, int(random.integers(1, 5)), 20)
    axes = tuple(int(axis) for axis in random.permutation(len(sizes))[: int(random.integers(1, len(sizes) + 1))])
    x = Tensor("x", sizes, "int8", scale(random, kind), zero_point(random))
    taken = math.prod(sizes[axis] for axis in axes)
    about = float(x.scale) * (taken**0.5 if operator == "ReduceSum" else taken**-0.5)
    y = x.scale if kind == "equal" else scale(random, kind, about), zero_point(random)
    if operator in ("ReduceMax", "ReduceMin"):
        y = x.scale, x.zero_point
    return one_node(operator, [x], y, {}, axes=axes, keepdims=int(random.integers(0, 2)))
