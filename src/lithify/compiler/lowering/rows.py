"""Operators along rows (`reference/rows.py`): programs of the vector unit."""

import numpy as np

from lithify.chip import Chip
from lithify.chip.vector import STRIP
from lithify.compiler.lower import FULL, Unsupported, image_of
from lithify.compiler.operation import Operation, RowProgram, Sliding
from lithify.compiler.vector import Source, Streamed, translate
from lithify.reference.graph import Graph, Node
from lithify.reference.rows import RowWork, work_of


def lower_rows(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """One operation, whose pixels are the rows."""
    if chip.vector is None:
        raise Unsupported(f"chip '{chip.name}' is built without a vector unit; its vector_lanes is 0")
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    source, target = image_of(x), image_of(y)
    program = row_program(work_of(node, graph), source.channels)
    return (
        Operation(
            node.name,
            node.operator,
            "vector",
            source,
            target,
            target.whole,
            Sliding(),
            (1, 1),
            0,
            y.zero_point,
            *FULL,
            None,
            None,
            0,
            target.name,
            program=program,
        ),
    )


def row_program(work: RowWork, columns: int) -> RowProgram:
    """The program of some work on rows of `columns` elements. Rows of one number alone are that number."""
    alike = {name: row for name, row in work.rows.items() if (row.view(np.uint32) == row.view(np.uint32)[0]).all()}
    rows = {name: row for name, row in work.rows.items() if name not in alike}
    sources: dict[str, Source] = {work.function.inputs[0]: Streamed(0, float(work.scale))}
    sources |= {name: float(value) for name, value in work.numbers.items()}
    sources |= {name: float(row[0]) for name, row in alike.items()}
    sources |= {name: Streamed(stream) for stream, name in enumerate(rows, 1)}
    operations = translate(work.function, sources, whole_strips=columns % STRIP == 0, strips=-(-columns // STRIP))
    return RowProgram(operations, work.offset, tuple(np.ascontiguousarray(row, np.float32) for row in rows.values()))
