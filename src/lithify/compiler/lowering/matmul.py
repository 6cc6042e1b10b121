"""MatMul: each matrix of the first operand against the rows of one of the second, which are loaded as weights."""

import math

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lower import Unsupported, image_of, positive
from lithify.compiler.operation import Landing, Operation, Parameters, Second, Sliding
from lithify.compiler.second import summands
from lithify.reference.arithmetic import product_multiplier
from lithify.reference.graph import Graph, Node

MOST_MATRICES = 512
"""Matrices of one node, each of which takes an operation of its own."""


def lower_matmul(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """An operation for each matrix of the result."""
    a, b = (graph.tensors[name] for name in node.inputs)
    y = graph.tensors[node.outputs[0]]
    source, second, target = image_of(a), image_of(b), image_of(y)
    count = math.prod(y.shape[:-2])
    if count > MOST_MATRICES:
        raise Unsupported(f"it makes {count} matrices, and the chip at most {MOST_MATRICES} in one product")
    rows, outputs = y.shape[-2:]
    whole_words = -(-source.channels // chip.word_bytes) * chip.word_bytes
    bias = np.full(outputs, whole_words * a.zero_point * b.zero_point, np.int32)
    multiplier = np.broadcast_to(positive(product_multiplier(a, b, y), f"'{node.name}'"), (outputs,))
    outside, constants = summands(-a.zero_point), summands(-b.zero_point)
    passes = 1 + len(constants) + len(outside)
    weights = np.broadcast_to(np.int8(0), (outputs, passes, 1, source.channels))
    limits = node.attributes["minimum"], node.attributes["maximum"]

    def matrix(number: int) -> Operation:
        """The matrix `number` of the result; an operand of one matrix is that for all."""
        first_row = number * rows if source.width == count * rows else 0
        first_output = number * outputs if second.width == count * outputs else 0
        return Operation(
            layer=node.name,
            operator=node.operator,
            unit="conv",
            x=source,
            y=target,
            region=Rectangle(0, 0, 1, rows),
            sliding=Sliding((passes, 1), pads=(0, -first_row)),
            cut=(1, 1),
            pad_value=outside[0] if outside else 0,
            zero_point=y.zero_point,
            minimum=limits[0],
            maximum=limits[1],
            parameters=Parameters(weights, bias, multiplier),
            residual=None,
            macs=count * rows * outputs * source.channels,
            tensor=target.name,
            landing=Landing((0, number * rows), (1, 1), 0, outputs) if count > 1 else None,
            second=Second(
                Image(b.name, 1, second.width, second.channels), first_output, 0, b.zero_point, constants, len(outside)
            ),
        )

    return tuple(matrix(number) for number in range(count))
