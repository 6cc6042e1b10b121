"""Operators along rows (`reference/rows.py`): programs of the vector unit."""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.chip.vector import STRIP, TABLE, VectorShape
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.node import FULL, Unsupported, image_of
from lithify.compiler.operation import Operation, Residual, RowProgram, Sliding
from lithify.compiler.vector import Source, Streamed, tabulated, translate
from lithify.compiler.weights import chunk_words, whole_part
from lithify.errors import LithifyError
from lithify.isa.vector import TABULATED, VectorInstruction
from lithify.reference.float32 import REDUCTIONS
from lithify.reference.graph import Graph, Node
from lithify.reference.rows import RowWork, work_of

MOST_TURNS = 512
"""Operations of a node whose rows take those of a second tensor in turn: one for each head of attention."""


def lower_rows(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """One operation, whose pixels are the rows."""
    shape = chip.vector
    if shape is None:
        raise Unsupported(f"chip '{chip.name}' is built without a vector unit; its vector_lanes is 0")
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    source, target = image_of(x), image_of(y)
    work, rows = work_of(node, graph), target.whole.positions
    if any(data.ndim > 1 for data in work.rows.values()):
        return _each_row(graph, node, chip, shape, work)
    beside = graph.tensors[node.inputs[1]] if work.beside is not None else None
    made = [
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
            node.attributes.get("minimum", FULL[0]),
            node.attributes.get("maximum", FULL[1]),
            None,
            None if beside is None else Residual(beside.name, 0, beside.zero_point, 0, *FULL, 1.0, 1.0),
            0,
            target.name,
            program=program,
        )
        for program in _programs(work, source.channels)
    ]
    fitting = [operation for operation in made if _banks(operation, chip) <= chip.scratchpad_banks]
    if not fitting:
        raise Unsupported(f"its program and one row do not fit in the {chip.scratchpad_bytes} bytes of scratchpad")
    found = min(fitting, key=lambda operation: _cycles(operation, rows, shape))
    return (found,) if beside is None else _in_turn(found, image_of(beside))


def _programs(work: RowWork, columns: int) -> list[RowProgram]:
    """With a table and without, where the unit has place for them; raises the error of the shorter one."""
    found = []
    for tables in (False, True):
        try:
            found.append(row_program(work, columns, tables))
        except LithifyError:
            if tables and not found:
                raise
    return found


def _each_row(graph: Graph, node: Node, chip: Chip, shape: VectorShape, work: RowWork) -> tuple[Operation, ...]:
    """An operation for each row: it has rows of constants of its own, or numbers where those are alike."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    source, target = image_of(x), image_of(y)
    period = max(len(data) for data in work.rows.values())
    together = x.shape[1] // node.attributes["groups"]
    count, columns = target.width // together, source.channels * together
    if count > MOST_TURNS:
        raise Unsupported(f"it has {count} rows of constants of their own, and the chip takes {MOST_TURNS}")
    if together > 1 and source.channels % chip.word_bytes:
        raise Unsupported(f"its channels have {source.channels} values, which are no whole words of {chip.word_bytes}")
    made = []
    for row in range(count):
        own = {name: data[row % period] if data.ndim > 1 else data for name, data in work.rows.items()}
        program = replace(row_program(replace(work, rows=own), columns), together=together)
        operation = Operation(
            node.name, node.operator, "vector", source, target, Rectangle(0, row * together, 1, together), Sliding(),
            (1, 1), 0, y.zero_point, *FULL, None, None, 0, target.name, program=program,
        )  # fmt: skip
        if _banks(operation, chip) > chip.scratchpad_banks:
            raise Unsupported(f"its program and one row do not fit in the {chip.scratchpad_bytes} bytes of scratchpad")
        made.append(operation)
    return tuple(made)


def _in_turn(operation: Operation, beside: Image) -> tuple[Operation, ...]:
    """The operation over rows that take those of a second tensor, which may have fewer, in turn."""
    assert operation.residual is not None
    if beside.name == operation.x.name:
        raise Unsupported(f"it reads '{beside.name}' twice")
    if beside.width == operation.y.width and beside.height == operation.y.height:
        return (operation,)
    if (beside.height, beside.width) == (1, 1):
        return (replace(operation, residual=replace(operation.residual, broadcast=True)),)
    turns = operation.y.width // beside.width
    if turns > MOST_TURNS:
        raise Unsupported(
            f"its rows take those of '{beside.name}' in turn {turns} times, and the chip's operations at most "
            f"{MOST_TURNS} times"
        )
    return tuple(
        replace(
            operation,
            region=Rectangle(0, first, 1, beside.width),
            residual=replace(operation.residual, column=-first),
        )
        for first in range(0, operation.y.width, beside.width)
    )


def _banks(operation: Operation, chip: Chip) -> int:
    """Banks of its program, of one row of each tensor that it reads and of one that it writes."""
    words = chunk_words(operation, chip, whole_part(operation, chip), 1, True)
    images = (operation.x, operation.y, *((operation.x,) if operation.residual else ()))
    together = operation.program.together if operation.program else 1
    pixels = (together * image.pixel_words(chip.word_bytes) for image in images)
    return sum(-(-count // chip.bank_words) for count in (words, *pixels))


def _cycles(operation: Operation, rows: int, shape: VectorShape) -> int:
    """About what a program costs for so many rows; a table is loaded, and then read in, a number a cycle."""
    program = operation.program
    assert program is not None
    row = VectorInstruction(0, 1, operation.x.channels, program.operations).row_cycles(shape)
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
    if work.beside is not None:
        assert not rows, "the rows of a second tensor take the place of rows of constants"
        sources[work.beside.name] = Streamed(1, float(work.beside.scale))
    if tables:
        numbers = {name: source for name, source in sources.items() if not isinstance(source, Streamed)}
        values = (np.arange(-128, 128) - work.offset).astype(np.float32) * work.scale
        found = tabulated(function, numbers, values)
        if found is not None:
            function, table = found.function, found.table
            sources[found.value] = Streamed(TABULATED)
    operations = translate(function, sources, whole_strips=columns % STRIP == 0, strips=-(-columns // STRIP))
    data = tuple(np.ascontiguousarray(row, np.float32) for row in rows.values())
    alone = not data and not work.function.count(*REDUCTIONS)
    return RowProgram(operations, work.offset, data, table, alone)
