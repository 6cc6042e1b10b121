"""Emit: steps and transfers become instructions, field by field (architecture, sections 3 and 4)."""

from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.cost import pixels_together
from lithify.compiler.image import DramImage
from lithify.compiler.operation import Landing, Operation, Residual
from lithify.compiler.steps.step import Buffer, Step
from lithify.compiler.weights import data_words, group_channels, group_result_words, program_words, table_words
from lithify.isa import Instruction, instruction
from lithify.isa.program import Base
from lithify.isa.vector import Format, Stream, VectorInstruction

ROW_BYTES = (1 << 20) - 1
WRAP = 1 << 16
"""Input addresses wrap, so their steps are taken modulo this."""


def emit_transfer(name: str, buffer: Buffer, dram: DramImage, width: int, image_words: int, chip: Chip) -> Instruction:
    """A LOAD or STORE of a buffer. width: pixels of a whole row of the image; image_words: words of a whole pixel."""
    rectangle, word = buffer.rectangle, chip.word_bytes
    if buffer.landing is not None:
        dram, width = _landed(buffer.landing, dram, word), -1
    first = dram.offset + rectangle.y * dram.row_stride + rectangle.x * dram.pixel_stride + buffer.first_word * word
    whole_pixels = not dram.apart and (
        dram.pixel_stride == dram.pixel_bytes == buffer.pixel_words * word and buffer.pixel_words == image_words
    )
    row = rectangle.width * buffer.pixel_words
    # A view of every second or third row has whole pixels too, but its rows lie apart.
    joined = rectangle.width == width and dram.row_stride == width * dram.pixel_stride
    values: dict[str, int] = {"base": int(dram.base), "offset": first, "address": buffer.address, "planes": 1}
    if whole_pixels and joined and rectangle.positions * dram.pixel_stride <= ROW_BYTES:
        values |= {"row_bytes": rectangle.positions * dram.pixel_stride, "rows": 1}
    elif whole_pixels and row * word <= ROW_BYTES:
        values |= {"row_bytes": row * word, "rows": rectangle.height}
        values |= {"row_stride": dram.row_stride, "row_words": row}
    else:
        size = min(buffer.pixel_words * word, dram.pixel_bytes - buffer.first_word * word)
        values |= {"row_bytes": size, "rows": rectangle.width, "planes": rectangle.height}
        values |= {"row_stride": dram.pixel_stride, "row_words": buffer.pixel_words}
        values |= {"plane_stride": dram.row_stride, "plane_words": row}
    if values["planes"] == 1:
        values |= {"plane_stride": 0, "plane_words": 0}
    if values["rows"] == 1:
        values |= {"row_stride": 0, "row_words": 0}
    if name == "LOAD":
        values["fill"] = dram.fill
    return instruction(name, **values)


def _landed(landing: Landing, dram: DramImage, word: int) -> DramImage:
    """The pixels of an image that the positions of a landing are."""
    offset = landing.first[0] * dram.row_stride + landing.first[1] * dram.pixel_stride + landing.word * word
    return replace(
        dram,
        offset=dram.offset + offset,
        row_stride=dram.row_stride * landing.steps[0],
        pixel_stride=dram.pixel_stride * landing.steps[1],
    )


def emit_weights(address: int, words: int, offset: int, chip: Chip) -> Instruction:
    """The LOAD of a chunk of weights from the constants."""
    rows = next(
        rows for rows in range(1, words + 1) if words % rows == 0 and words // rows * chip.word_bytes <= ROW_BYTES
    )
    row = words // rows
    strides = {"row_stride": row * chip.word_bytes, "row_words": row} if rows > 1 else {}
    return instruction(
        "LOAD",
        base=int(Base.CONSTANTS),
        offset=offset,
        row_bytes=row * chip.word_bytes,
        rows=rows,
        planes=1,
        address=address,
        **strides,
    )


def emit_compute(step: Step, operation: Operation, serial: bool, lookup: int, chip: Chip) -> Instruction:
    """The CONV, DEPTHWISE or STREAM of a step; `wait` and `signal` are added later.

    lookup: 1 if it loads its table, 2 if the table is there.
    """
    values: dict[str, int | float] = {"serial": int(serial), "keep": int(step.keep), "accumulate": int(step.accumulate)}
    values |= _feed(step, operation)
    taps = taps_at_once(operation, source_row_words(step), step.input.ring.words if step.input.ring else 0, chip)
    if taps > 1:
        values["taps_at_once"] = taps
    values |= _post(step, operation, chip)
    if lookup:
        values["lookup"] = lookup
    if lookup != 1 and step.chunk and not step.keep:
        # The table lies before what is read.
        values["weight_address"] = step.chunk.address + table_words(operation, chip) // chip.weight_ports
    if step.chunk and step.chunk.ports > 1:
        values["weight_banks"] = step.chunk.banks
    return instruction(operation.unit.upper(), **values)


def emit_vector(step: Step, operation: Operation, chip: Chip) -> Instruction:
    """The VECTOR of a step: its positions, which lie one behind the other, are the rows."""
    program, chunk = operation.program, step.chunk
    assert program is not None and chunk is not None and chip.vector is not None
    source, target = step.input, step.output
    assert source.ring is None and target.ring is None, "a vector instruction knows no rings"
    assert step.out.height == 1 or step.out.width == source.rectangle.width == target.rectangle.width
    behind = chunk.address + program_words(operation, chip)
    w = Stream(behind, 0, Format.FLOAT32) if program.data else Stream(format=Format.NONE)
    if operation.residual is not None:
        assert step.residual is not None and step.residual.ring is None and not program.data
        w = _second_rows(step, step.residual, operation.residual)
    rows, columns, pixels = step.out.positions, operation.x.channels, program.together
    assert rows % pixels == 0, "the pixels of a row stay together"
    words = {source.pixel_words, target.pixel_words, *({w.row_words} if operation.residual else ())}
    if program.alone and len(words) == 1:
        pixels = pixels_together(rows, *words, chip.word_bytes)
    if pixels > 1:
        rows, columns = rows // pixels, pixels * source.pixel_words * chip.word_bytes
        w = replace(w, row_words=pixels * w.row_words)
    return VectorInstruction(
        chunk.address,
        rows,
        columns,
        program.operations,
        x=Stream(
            source.address_of(step.out.y, step.out.x), pixels * source.pixel_words, Format.INT8, program.zero_point
        ),
        w=w,
        y=Stream(
            target.address_of(step.out.y, step.out.x), pixels * target.pixel_words, Format.INT8, operation.zero_point
        ),
        minimum=operation.minimum,
        maximum=operation.maximum,
        v_address=behind + data_words(operation, chip) if len(program.data) > 1 else 0,
        v_format=Format.FLOAT32 if len(program.data) > 1 else Format.NONE,
        table=program.table is not None,
    ).encoded(chip.vector)


def _second_rows(step: Step, buffer: Buffer, residual: Residual) -> Stream:
    """The rows of a second image that a vector program reads beside its first: one for each, or one for all."""
    if residual.broadcast:
        return Stream(buffer.address_of(0, 0), 0, Format.INT8, residual.b_zero_point)
    assert step.out.height == 1 or step.out.width == buffer.rectangle.width
    first = buffer.address_of(step.out.y, step.out.x + residual.column)
    return Stream(first, buffer.pixel_words, Format.INT8, residual.b_zero_point)


def source_row_words(step: Step) -> int:
    """Words from one row of a step's input to the next."""
    return step.input.row_words


def taps_at_once(operation: Operation, row: int, ring: int, chip: Chip) -> int:
    """Taps of a window column that lie in different banks, so that they can be read together.

    row: words of an input row; ring: words of the ring that the rows lie in, or 0.
    """
    taps = min(chip.activation_ports, operation.cut[0])
    apart = operation.sliding.dilations[0] * row
    if operation.unit == "conv" or taps < 2 or apart < chip.bank_words:
        return 1
    while taps > 1 and ring and ring - (taps - 1) * apart < chip.bank_words:
        taps -= 1
    return taps


def _feed(step: Step, operation: Operation) -> dict[str, int | float]:
    sliding, source = operation.sliding, step.input
    part = step.part
    cut = operation.cut
    dilation_y, dilation_x = sliding.dilations
    first_y, first_x = (part.y[0], part.x[0]) if part else (0, 0)
    pass_y, pass_x = dilation_y * cut[0], dilation_x * cut[1]
    down, right = (step.out.x, step.out.y) if sliding.turned else (step.out.y, step.out.x)
    start_y = down * sliding.strides[0] - sliding.pads[0] + first_y * pass_y
    start_x = right * sliding.strides[1] - sliding.pads[1] + first_x * pass_x
    pixel, row = source.pixel_words, source.row_words
    alone = operation.each_word_alone
    first_word = operation.first_word + (step.groups[0] if alone else part.chunks[0] if part else 0)
    # A ring holds rows of the whole image, wherever they lie; of an image in memory only x exists.
    height, top = (source.ring.height, 0) if source.ring else (source.rectangle.height, source.rectangle.y)
    if operation.excerpt is not None:
        begin = max(top, operation.first_row)
        height, top = min(height + top, operation.first_row + operation.x.height) - begin, begin - operation.first_row
    row_read = operation.first_row + (0 if operation.second else start_y)
    address = source.address_of(row_read, start_x) + first_word - source.first_word
    values: dict[str, int | float] = {
        "in_address": address % WRAP,
        "in_height": height,
        "in_width": source.rectangle.width,
        "start_y": start_y - top,
        "start_x": start_x - source.rectangle.x,
        "position_y": sliding.strides[0],
        "position_x": sliding.strides[1],
        "position_y_words": sliding.strides[0] * row % WRAP,
        "position_x_words": sliding.strides[1] * pixel % WRAP,
        "window_height": cut[0],
        "window_width": cut[1],
        "slide": operation.slide,
        "passes_y": part.y[1] - part.y[0] if part else 1,
        "passes_x": part.x[1] - part.x[0] if part else 1,
        "chunks": part.chunks[1] - part.chunks[0] if part else 1,
        "group_in_words": int(alone),
        "pad_value": operation.pad_value,
    }
    if sliding.turned:
        # All of it lies on the image: coordinates, which cannot be exchanged, need not move.
        values |= {"start_y": 0, "start_x": 0, "position_y": 0, "position_x": 0}
        values["position_y_words"] = sliding.strides[1] * pixel % WRAP
        values["position_x_words"] = sliding.strides[0] * row % WRAP
    if operation.second is not None:
        # A pass is a row down and no word further: rows that exist are the word again, those below are padding.
        values |= {"in_height": operation.second.inside}
    if source.ring and source.ring.wraps:
        values |= {"in_ring_start": source.ring.address, "in_ring_words": source.ring.words}
    if cut[0] > 1:
        values |= {"tap_y": dilation_y, "tap_y_words": dilation_y * row % WRAP}
    if cut[1] > 1:
        values |= {"tap_x": dilation_x, "tap_x_words": dilation_x * pixel % WRAP}
    if values["passes_y"] != 1:
        values |= {"pass_y": pass_y, "pass_y_words": 0 if operation.second else pass_y * row % WRAP}
    if values["passes_x"] != 1:
        values |= {"pass_x": pass_x, "pass_x_words": pass_x * pixel % WRAP}
    return values


def _post(step: Step, operation: Operation, chip: Chip) -> dict[str, int | float]:
    first, end = step.groups
    each = group_result_words(operation, chip)
    total = operation.results.pixel_words(chip.word_bytes)
    # In an image of its own, or in a staging copy of positions, results lie one behind the other.
    steps = operation.landing.steps if operation.landing and not step.output.landing else (1, 1)
    last = min(each, total - (end - 1) * each)
    values: dict[str, int | float] = {
        "out_height": step.out.height,
        "out_width": step.out.width,
        "out_address": _result_address(step.output, step, operation.landing, first * each),
        "out_row_words": steps[0] * step.output.row_words if step.out.height > 1 else 0,
        "out_pixel_words": steps[1] * step.output.pixel_words if step.out.positions > 1 else 0,
        "tile": step.tile,
        "groups": end - first,
        "group_words": each,
        "last_group_words": last,
        "weight_address": step.chunk.address if step.chunk else 0,
        "zero_point": operation.zero_point,
        "minimum": operation.minimum,
        "maximum": operation.maximum,
    }
    if step.output.ring and step.output.ring.wraps:
        values |= {"out_ring_start": step.output.ring.address, "out_ring_words": step.output.ring.words}
    residual = operation.residual
    if residual is not None and not step.keep:
        assert step.residual is not None
        # One set of steps serves both (architecture, section 4).
        alike = step.out.height == 1 or step.residual.rectangle.width == step.output.rectangle.width
        same = step.out.positions == 1 or (alike and step.residual.pixel_words == step.output.pixel_words)
        assert same or residual.broadcast
        y, x = (0, 0) if residual.broadcast else (step.out.y, step.out.x + residual.column)
        values |= {
            "multiply" if residual.multiply else "residual": 1,
            "broadcast": int(residual.broadcast),
            "residual_address": step.residual.address_of(y, x) + first * each - step.residual.first_word,
            "a_zero_point": residual.a_zero_point,
            "b_zero_point": residual.b_zero_point,
            "sum_zero_point": residual.zero_point,
            "sum_minimum": residual.minimum,
            "sum_maximum": residual.maximum,
            "a_multiplier": residual.a_multiplier,
            "b_multiplier": residual.b_multiplier,
        }
        if step.residual.ring and step.residual.ring.wraps:
            values["residual_ring_start"] = step.residual.ring.address
            values["residual_ring_words"] = step.residual.ring.words
    return values


def _result_address(buffer: Buffer, step: Step, landing: Landing | None, word: int) -> int:
    if landing is not None and buffer.landing is None:
        return buffer.address_of(*landing.pixel(step.out.y, step.out.x)) + landing.word + word
    return buffer.address_of(step.out.y, step.out.x) + word - buffer.first_word


def result_channel(step: Step, operation: Operation, chip: Chip) -> int:
    """First channel of a step's results."""
    return step.groups[0] * group_channels(operation, chip)
