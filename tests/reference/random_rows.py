"""Random nodes along the rows of an int8 tensor."""

import numpy as np
from numpy.random import Generator

from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from reference.random_layers import zero_point


def shape(random: Generator) -> tuple[int, ...]:
    """Rows within a strip of 64, of whole strips, and that end within one."""
    columns = int(random.choice([1, 2, 10, 63, 64, 65, 100, 128, 197]))
    rows = int(random.integers(1, 9))
    return ((columns,), (rows, columns), (2, rows, columns), (1, columns, 2, rows))[int(random.integers(0, 4))]


def softmax(random: Generator) -> Graph:
    """Flat and steep ones, with the steps of 1/256 that they mostly have and others."""
    dims = shape(random)
    x = Tensor("x", dims, "int8", np.float32(np.exp(random.uniform(-5, 1))), zero_point(random))
    step = np.float32(1 / 256) if random.integers(0, 2) else np.float32(np.exp(random.uniform(-8, 0)))
    y = Tensor("y", dims, "int8", step, zero_point(random))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("softmax", "Softmax", ("x",), ("y",)),))
