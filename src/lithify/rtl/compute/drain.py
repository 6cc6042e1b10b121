"""P: takes finished sums out of the accumulators, a beat of lanes a cycle, and says where the results go."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import compute_pipeline
from lithify.isa import BY_NAME
from lithify.rtl.compute.ring import Leaving, less
from lithify.rtl.compute.stages import COMPUTE, copied, delayed, fields
from lithify.rtl.compute.weights import PARAMETER_BUFFERS

LOOP = (
    "opcode", "keep", "out_height", "out_width", "out_row_words", "out_pixel_words", "tile", "groups", "group_words",
    "last_group_words",
)  # fmt: skip
SINGLE = ("out_height", "out_width", "tile", "groups", "group_words", "last_group_words")
"""Turns of loops, of which a register says whether they are one."""

PLACES = {"result": ("out_address", "out_ring_start", "out_ring_words"),
          "residual": ("residual_address", "residual_ring_start", "residual_ring_words")}  # fmt: skip
"""What says where the words of a tensor lie: its first word and its ring."""
SCALE = ("zero_point", "minimum", "maximum")
ADD = (
    "a_zero_point", "b_zero_point", "sum_zero_point", "sum_minimum", "sum_maximum", "a_multiplier", "b_multiplier",
)  # fmt: skip

NEUTRAL = {"a_zero_point": 0, "b_zero_point": 0, "sum_zero_point": 0, "sum_minimum": -128, "sum_maximum": 127}
"""With these, and a first multiplier of one, the addition of a residual passes results unchanged."""

PRODUCT = ("a_zero_point", "b_zero_point", "a_multiplier")
"""Fields of a product, which an addition reads too: the lanes take what is neutral where there is none."""

FLOAT_ONE = 127 << 23
FLIGHT = 2
"""Instructions whose constants post-processing holds: P takes one when the last but one has retired."""


def constant_names(chip: Chip) -> tuple[str, ...]:
    """Fields that post-processing needs while results are on their way."""
    add = ("residual", *ADD) if chip.has("add") else ()
    multiply = ("multiply", *PRODUCT) if chip.has("multiply") else ()
    lookup = ("lookup",) if chip.has("lookup") else ()
    return tuple(dict.fromkeys(("signal", "opcode", *SCALE, *add, *multiply, *lookup)))


def places(chip: Chip) -> dict[str, tuple[str, ...]]:
    """The tensors of which post-processing addresses words, and the fields that say where each lies."""
    return dict(PLACES) if chip.second_tensor else {"result": PLACES["result"]}


def beat_layout(chip: Chip) -> data.StructLayout:
    """A beat, in the cycle of its issue.

    constants: which of the two instructions in flight; index, part: accumulator, and lanes of the group's columns;
    buffer: of the parameters; beat: of the word; first, last: of a word; writes: it has results; ends: the
    instruction's last beat. The address of a tensor's word is that of its row, in the tensor's ring, and its offset in
    the row; their sum is reduced once more (`reduced`).
    """
    return data.StructLayout(
        {
            "valid": 1,
            "writes": 1,
            "constants": range(FLIGHT),
            "index": range(chip.accumulators),
            "part": range(chip.columns // chip.lanes),
            "buffer": range(PARAMETER_BUFFERS),
            "beat": range(chip.word_beats),
            "first": 1,
            "last": 1,
            **{f"{name}_{part}": 16 for name in places(chip) for part in ("row", "offset")},
            "ends": 1,
        }
    )


def ring_names(tensor: str) -> tuple[str, str]:
    """Constants that reduce an address of a tensor: its ring's end (17 bits) and its length."""
    return f"{tensor}_end", f"{tensor}_words"


def constants_layout(chip: Chip) -> data.StructLayout:
    """What post-processing needs of an instruction while its results are on their way."""
    rings = {name: bits for tensor in places(chip) for name, bits in zip(ring_names(tensor), (17, 16), strict=True)}
    return data.StructLayout({name: COMPUTE[name].shape for name in constant_names(chip)} | rings)


def reduced(row: Any, offset: Any, end: Any, words: Any) -> Any:
    """The address of a word from those of its row and in its row: both outcomes beside the comparison."""
    return Mux(less(18, row, offset, end)[17], (row + offset)[:16], less(16, row, offset, words))


class Drain(wiring.Component):
    """Issues the beats of post-processing.

    ``offer`` with ``fields`` puts an instruction into the waiting place, if ``room``. ``tile_ready``: a tile's sums are
    readable from the next cycle on. ``stream_next``: in the next cycle a STREAM position's maximum is there;
    ``walk_next``: a word of a product was issued in this one, and its factor is to be fetched. ``retired``: an
    instruction has retired. ``step``: a beat of the loops; ``beat``: for the lanes, the same, but of products only when
    the factor is there. Both: see ``beat_layout``; ``release_accumulator`` and ``release_buffer`` go with it.
    ``constants_0``, ``constants_1``: the fields of the instructions in flight.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.constants = constants_layout(chip)
        super().__init__(
            {
                "offer": In(1),
                "fields": In(COMPUTE),
                "room": Out(1),
                "tile_ready": In(1),
                "stream_next": In(1),
                "walk_next": In(1),
                "retired": In(1),
                "step": Out(beat_layout(chip)),
                "beat": Out(beat_layout(chip)),
                "release_accumulator": Out(1),
                "release_buffer": Out(1),
                **{f"constants_{number}": Out(self.constants) for number in range(FLIGHT)},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, beat = self.chip, self.step
        loop = (
            *LOOP,
            *(("broadcast",) if chip.second_tensor else ()),
            *(("multiply",) if chip.has("multiply") else ()),
        )
        tensors = places(chip)
        names = dict.fromkeys((*loop, *constant_names(chip), *(name for place in tensors.values() for name in place)))
        waiting = Signal(fields(tuple(names)), reset_less=True)
        f = Signal(fields(loop), name="instruction", reset_less=True)
        full, busy, take = Signal(), Signal(), Signal()
        flight = Signal(range(FLIGHT + 1))
        slot = Signal(range(FLIGHT))
        m.d.comb += [self.room.eq(~full), take.eq(full & ~busy & (flight != FLIGHT))]
        m.d.sync += [full.eq((full & ~take) | self.offer), flight.eq(flight + take - self.retired)]
        with m.If(self.offer):
            m.d.sync += copied(waiting, self.fields)

        ends, through = Signal(), Signal()  # the last beat, of the loops and for the lanes
        busy_next = Signal()
        m.d.comb += busy_next.eq((busy & ~through) | take)
        m.d.sync += busy.eq(busy_next)
        with m.If(take):
            m.d.sync += [*copied(f, waiting), slot.eq(slot + 1)]
            for number in range(FLIGHT):
                with m.If(slot + 1 == number if number else slot == FLIGHT - 1):
                    m.d.sync += self._latched(getattr(self, f"constants_{number}"), waiting)

        # Loops: beats of a word, words of a group, positions in raster order, groups. Of each counter a register says
        # whether it is in its last turn, and of each loop whether it has one turn only.
        words_left, tile_left = Signal(8, reset_less=True), Signal(8, reset_less=True)
        x_left, y_left = Signal(16, reset_less=True), Signal(16, reset_less=True)
        groups_left = Signal(16, reset_less=True)
        words_last, tile_last, x_last, y_last, groups_last, group_before_last = (
            Signal(name=f"{name}_last", reset_less=True)
            for name in ("words", "tile", "x", "y", "groups", "group_before")
        )
        single = {name: Signal(name=f"{name}_single", reset_less=True) for name in SINGLE}
        part = Signal(range(chip.columns // chip.lanes))
        offset, position = Signal(16, reset_less=True), Signal(16, reset_less=True)
        place = Signal(16, reset_less=True)  # of the word at every position: what broadcasting leaves of the offset
        group = Signal(16, reset_less=True)
        beat_number, last_beat, middle = Signal(range(chip.word_beats)), Signal(), Signal()
        index, buffer = Signal(range(chip.accumulators)), Signal(range(PARAMETER_BUFFERS))
        tiles, some_tiles = Signal(range(chip.accumulators + 1)), Signal()  # ready to be drained

        # Whether a beat is issued is decided in the cycle before.
        stream, stream_op = Signal(reset_less=True), Signal()
        issue, middle_next, some_tiles_next = Signal(), Signal(), Signal()
        multiply, multiply_op = (f.multiply, Signal()) if chip.has("multiply") else (Const(0), Const(0))
        m.d.comb += stream_op.eq(Mux(take, waiting.opcode == BY_NAME["STREAM"].opcode, stream))
        if chip.has("multiply"):
            m.d.comb += multiply_op.eq(Mux(take, waiting.multiply, multiply))
        there = Mux(stream_op, Mux(multiply_op, self.walk_next, self.stream_next) | middle_next, some_tiles_next)
        m.d.sync += [issue.eq(busy_next & there), stream.eq(stream_op)]
        ends_position, ends_row, ends_plane = (Signal(name=n) for n in ("ends_position", "ends_row", "ends_plane"))
        ends_tile, drained = Signal(), Signal()
        results = issue & ~f.keep
        if chip.word_beats > 1:
            m.d.comb += middle_next.eq(Mux(results, ~last_beat, middle))
            m.d.sync += middle.eq(middle_next)
            with m.If(results):
                m.d.sync += last_beat.eq(beat_number == chip.word_beats - 2)
        else:
            m.d.comb += last_beat.eq(1)
        m.d.comb += [
            ends_position.eq(results & last_beat & words_last),
            ends_row.eq(results & last_beat & words_last & x_last),
            ends_plane.eq(results & last_beat & words_last & x_last & y_last),
            ends_tile.eq(issue & (f.keep | (last_beat & words_last & (tile_last | (x_last & y_last))))),
            ends.eq(issue & (f.keep | (last_beat & words_last & x_last & y_last & groups_last))),
            drained.eq(ends_tile & ~stream),
        ]
        m.d.comb += some_tiles_next.eq(self.tile_ready | (tiles > 1) | (some_tiles & ~drained))
        m.d.sync += [tiles.eq(tiles + self.tile_ready - drained), some_tiles.eq(some_tiles_next)]

        for tensor in tensors:
            moves = ends_row & ~f.broadcast if tensor == "residual" else ends_row
            m.d.comb += beat[f"{tensor}_row"].eq(_row(m, tensor, f, waiting, take, moves, ends_plane))
        next_group, next_position = Signal(16), Signal(16)
        m.d.comb += [
            next_group.eq(group + f.group_words),
            next_position.eq(position + f.out_pixel_words),
        ]
        words_of_next = [
            words_left.eq(Mux(groups_last, f.last_group_words, f.group_words)),
            words_last.eq(Mux(groups_last, single["last_group_words"], single["group_words"])),
        ]
        with m.If(results):
            m.d.sync += [beat_number.eq(Mux(last_beat, 0, beat_number + 1)), part.eq(part + 1)]
            with m.If(last_beat):
                m.d.sync += [words_left.eq(words_left - 1), words_last.eq(words_left == 2)]
                m.d.sync += [offset.eq(offset + 1), place.eq(place + 1)]
        with m.If(ends_position):
            m.d.sync += [
                part.eq(0),
                *words_of_next,
                tile_left.eq(Mux(ends_tile, f.tile, tile_left - 1)),
                tile_last.eq(Mux(ends_tile, single["tile"], tile_left == 2)),
                x_left.eq(x_left - 1),
                x_last.eq(x_left == 2),
                *(n.eq(next_position) for n in (offset, position)),
                place.eq(group),
            ]
            with m.If(~stream):
                m.d.sync += index.eq(Mux(index == chip.accumulators - 1, 0, index + 1))
        with m.If(ends_row):
            m.d.sync += [
                x_left.eq(f.out_width),
                x_last.eq(single["out_width"]),
                y_left.eq(y_left - 1),
                y_last.eq(y_left == 2),
                *(n.eq(group) for n in (offset, position)),
            ]
        with m.If(ends_plane):
            m.d.sync += [
                y_left.eq(f.out_height),
                y_last.eq(single["out_height"]),
                groups_left.eq(groups_left - 1),
                groups_last.eq(group_before_last),
                group_before_last.eq(groups_left == 3),
                words_left.eq(Mux(group_before_last, f.last_group_words, f.group_words)),
                words_last.eq(Mux(group_before_last, single["last_group_words"], single["group_words"])),
                *(n.eq(next_group) for n in (offset, position, group, place)),
            ]
            with m.If(~stream):
                m.d.sync += buffer.eq(buffer + 1)
        is_single = {name: waiting[name] == 1 for name in SINGLE}
        with m.If(take):
            m.d.sync += [
                *(single[name].eq(value) for name, value in is_single.items()),
                words_left.eq(Mux(waiting.groups == 1, waiting.last_group_words, waiting.group_words)),
                words_last.eq(Mux(is_single["groups"], is_single["last_group_words"], is_single["group_words"])),
                tile_left.eq(waiting.tile),
                tile_last.eq(is_single["tile"]),
                x_left.eq(waiting.out_width),
                x_last.eq(is_single["out_width"]),
                y_left.eq(waiting.out_height),
                y_last.eq(is_single["out_height"]),
                groups_left.eq(waiting.groups),
                groups_last.eq(is_single["groups"]),
                group_before_last.eq(waiting.groups == 2),
                *(n.eq(0) for n in (offset, position, group, place)),
            ]

        m.d.comb += [
            self.release_accumulator.eq(ends_position & ~stream),
            self.release_buffer.eq(ends_plane & ~stream),
            beat.valid.eq(issue),
            beat.writes.eq(issue & ~f.keep),
            beat.constants.eq(slot),
            beat.index.eq(index),
            beat.part.eq(part),
            beat.buffer.eq(buffer),
            beat.beat.eq(beat_number),
            beat.first.eq(results & ~middle),
            beat.last.eq(results & last_beat),
            beat.result_offset.eq(offset),
            beat.ends.eq(ends),
        ]
        if chip.second_tensor:
            m.d.comb += beat.residual_offset.eq(Mux(f.broadcast, place, offset))
        if chip.has("multiply"):
            pipeline = compute_pipeline(chip)
            held_back = Mux(multiply, beat.as_value(), 0)
            late = delayed(m, held_back, pipeline.product - pipeline.walk, "late", reset=True)[-1]
            m.d.comb += self.beat.eq(Mux(multiply, late, beat.as_value()))
        else:
            m.d.comb += self.beat.eq(beat)
        m.d.comb += through.eq(self.beat.ends)
        return m

    def _latched(self, target: Any, source: Any) -> list[Any]:
        """The constants of an instruction; what it does not use is set so that its results pass unchanged."""
        neutral: dict[str, tuple[Any, int]] = {}
        scales = source.opcode != BY_NAME["STREAM"].opcode
        if self.chip.has("add"):
            neutral = {
                name: (source.residual, value) for name, value in (*NEUTRAL.items(), ("a_multiplier", FLOAT_ONE))
            }
        if self.chip.has("multiply"):
            neutral = {name: value for name, value in neutral.items() if name not in PRODUCT}
            scales |= source.multiply
        neutral["zero_point"] = (scales, 0)
        values = {name: source[name] for name in constant_names(self.chip)}
        values |= {name: Mux(use, source[name], value) for name, (use, value) in neutral.items()}
        for tensor, (_, start, words) in places(self.chip).items():
            values |= dict(zip(ring_names(tensor), (source[start] + source[words], source[words]), strict=True))
        return [target[name].eq(values[name]) for name, _ in target.shape()]


def _row(m: Module, tensor: str, f: Any, waiting: Any, take: Any, ends_row: Any, ends_plane: Any) -> Signal:
    """The address of a tensor's row: a step that leaves the ring is taken ``back``."""
    first, start, words = (waiting[name] for name in PLACES[tensor])
    row, origin, back = (Signal(16, name=f"{tensor}_{name}", reset_less=True) for name in ("row", "origin", "back"))
    leaving = Leaving(tensor)
    with m.If(ends_row):
        m.d.sync += [
            row.eq(Mux(leaving.now, row + back, row + f.out_row_words)),
            leaving.now.eq(leaving.following(row)),
        ]
    with m.If(ends_plane):
        m.d.sync += [row.eq(origin), leaving.now.eq(leaving.origin)]
    with m.If(take):
        leaves = leaving.first(first, start, words, waiting.out_row_words)
        m.d.sync += [
            row.eq(first),
            origin.eq(first),
            back.eq(waiting.out_row_words - words),
            *leaving.begin(start, words, waiting.out_row_words),
            leaving.origin.eq(leaves),
            leaving.now.eq(leaves),
        ]
    return row
