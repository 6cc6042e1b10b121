"""Operators along rows (`reference/rows.py`): programs of the vector unit."""

import numpy as np

from lithify.chip import Chip
from lithify.chip.vector import STRIP, TABLE, VectorShape
from lithify.compiler.lower import FULL, Unsupported, image_of
from lithify.compiler.operation import Operation, RowProgram, Sliding
from lithify.compiler.vector import Source, Streamed, tabulated, translate
from lithify.isa.vector import TABULATED, VectorInstruction
from lithify.reference.graph import Graph, Node
from lithify.reference.rows import RowWork, work_of


def lower_rows(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """One operation, whose pixels are the rows."""
    shape = chip.vector
    if shape is None:
        raise Unsupported(f"chip '{chip.name}' is built without a vector unit; its vector_lanes is 0")
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    source, target = image_of(x), image_of(y)
    work, rows = work_of(node, graph), target.whole.positions
    program = min(
        (row_program(work, source.channels, tables) for tables in (False, True)),
        key=lambda made: _cycles(made, rows, source.channels, shape),
    )
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


def _cycles(program: RowProgram, rows: int, columns: int, shape: VectorShape) -> int:
    """About what a program costs for so many rows; a table is loaded, and then read in, a number a cycle."""
    row = VectorInstruction(0, 1, columns, program.operations).row_cycles(shape)
    return rows * row + (2 * TABLE if program.table is not None else 0)


def row_program(work: RowWork, columns: int, tables: bool = True) -> RowProgram:
    """The program of some work on rows of `columns` elements. Rows of one number alone are that number.

    tables: what depends on nothing but one int8 may be looked up in a table.
    """
    alike = {name: row for name, row in work.rows.items() if (row.view(np.uint32) == row.view(np.uint32)[0]).all()}
    rows = {name: row for name, row in work.rows.items() if name not in alike}
    function, table = work.function, None
    sources: dict[str, Source] = {function.inputs[0]: Streamed(0, float(work.scale))}
    sources |= {name: float(value) for name, value in work.numbers.items()}
    sources |= {name: float(row[0]) for name, row in alike.items()}
    sources |= {name: Streamed(stream) for stream, name in enumerate(rows, 1)}
    if tables:
        numbers = {name: source for name, source in sources.items() if not isinstance(source, Streamed)}
        values = (np.arange(-128, 128) - work.offset).astype(np.float32) * work.scale
        found = tabulated(function, numbers, values)
        if found is not None:
            function, table = found.function, found.table
            sources[found.value] = Streamed(TABULATED)
    operations = translate(function, sources, whole_strips=columns % STRIP == 0, strips=-(-columns // STRIP))
    data = tuple(np.ascontiguousarray(row, np.float32) for row in rows.values())
    return RowProgram(operations, work.offset, data, table)
