"""Address generation: the loop nest of docs/architecture.md, section 4, a word (or a group of taps) a cycle, by adders.

A word's address is the sum of three parts, and each part moves by one addition: the *position* (output row and column),
the *pass* (group, kernel row and column, chunk) and the *tap* inside a window. Coordinates likewise. Where a loop
restarts, its part goes back to a remembered value: the position to the start of the tile, the tap to the column where
a sliding window begins to read.

In a ring the position's row and the sum of the parts are reduced. Both outcomes are computed beside the comparison that
chooses, so that no addition waits for it.

What a step decides, it decides from registers: of every loop's counter a flag says whether it is in its last turn, and
of the row whether a step leaves the ring, made when counter and row were.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import BY_NAME
from lithify.rtl.compute.ring import Leaving, less, two
from lithify.rtl.compute.stages import COMPUTE, copied, fields

COORDINATE_BITS = 17
"""A coordinate reaches from below 0 to beyond the input's last row; as an unsigned number what is below 0 is huge."""

FIELDS = (
    "opcode", "accumulate", "keep", "in_address", "in_height", "in_width", "start_y", "start_x", "position_y",
    "position_x", "position_y_words", "position_x_words", "tap_y", "tap_x", "tap_y_words", "tap_x_words", "pass_y",
    "pass_x", "pass_y_words", "pass_x_words", "window_height", "window_width", "slide", "passes_y", "passes_x",
    "chunks", "group_in_words", "pad_value", "out_height", "out_width", "tile", "groups", "in_ring_words",
)  # fmt: skip

SINGLE = (
    "window_height", "window_width", "tile", "out_width", "out_height", "chunks", "passes_x", "passes_y", "groups",
)  # fmt: skip
"""Turns of loops, of which a register says whether they are one (of a window's height: one group of taps)."""

SUM_BITS = 17
"""A sum of the parts reaches beyond the end of a ring before it is reduced."""


def word_layout(chip: Chip) -> data.StructLayout:
    """Words to be read in one cycle and what they do.

    addresses, inside: of each tap of the group; more: taps of it after the first. ends_pass, ends_tile,
    ends_instruction: the last word of these. Of CONV and DEPTHWISE: swaps: a pass begins, with other weights; sums: a
    position ends, an accumulator takes its sum; claims: a new one does; done: a tile ends. Of STREAM: stream;
    starts_stream, ends_stream: the first and the last word of a position.
    """
    return data.StructLayout(
        {
            "addresses": data.ArrayLayout(16, chip.activation_ports),
            "inside": chip.activation_ports,
            **({"more": range(chip.activation_ports)} if chip.activation_ports > 1 else {}),
            "pad_value": 8,
            **dict.fromkeys(("clears", "starts_position"), 1),
            "flags": flags_layout(),
        }
    )


def flags_layout() -> data.StructLayout:
    """What decides whether a word may be issued, and what follows from its issue."""
    flags = (
        "depthwise", "stream", "starts_stream", "ends_stream", "swaps", "sums", "claims", "done", "ends_pass",
        "ends_tile", "keeps", "ends_instruction",
    )  # fmt: skip
    return data.StructLayout(dict.fromkeys(flags, 1))


class Addresses(wiring.Component):
    """Makes the words of an instruction: ``valid`` with ``word`` until ``next``.

    ``load`` with ``fields`` (while ``idle``) starts an instruction; its first word is valid two cycles later.
    ``valid_next``, ``coming``: whether a word is valid in the next cycle, and its flags.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "fields": In(COMPUTE),
                "load": In(1),
                "idle": Out(1),
                "valid": Out(1),
                "valid_next": Out(1),
                "word": Out(word_layout(chip)),
                "coming": Out(flags_layout()),
                "next": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        f = Signal(fields(FIELDS), name="instruction", reset_less=True)
        busy, step = Signal(), Signal()
        m.d.comb += [self.idle.eq(~busy), step.eq(busy & (~self.valid | self.next))]

        def register(name: str, bits: int) -> Signal:
            return Signal(bits, name=name, reset_less=True)

        # What is left of each loop, and whether that is the last turn; whether a loop has one turn only.
        tap_y_left, tap_x_left = register("tap_y_left", 8), register("tap_x_left", 8)
        tile_left = register("tile_left", 8)
        x_left, y_left = register("x_left", 16), register("y_left", 16)
        chunks_left, pass_x_left, pass_y_left = (register(f"{n}_left", b) for n, b in
                                                 (("chunks", 16), ("pass_x", 8), ("pass_y", 8)))  # fmt: skip
        groups_left = register("groups_left", 16)
        tap_y_last, tap_x_last, tile_last, x_last, y_last, chunks_last, pass_x_last, pass_y_last, groups_last = (
            register(f"{n}_last", 1)
            for n in ("tap_y", "tap_x", "tile", "x", "y", "chunks", "pass_x", "pass_y", "groups")
        )
        single = {name: register(f"{name}_single", 1) for name in SINGLE}
        # The parts of the address and of the coordinates, and what they go back to.
        tap, column, slide = register("tap", 16), register("column", 16), register("slide", 16)
        tap_y, tap_x, slide_x = (register(n, COORDINATE_BITS) for n in ("tap_y", "tap_x", "slide_x"))
        position, row = register("position", SUM_BITS), register("row", 16)
        position_y, position_x = register("position_y", COORDINATE_BITS), register("position_x", COORDINATE_BITS)
        chunk, kernel_x, kernel_y = register("chunk", 16), register("kernel_x", 16), register("kernel_y", 16)
        pass_y, pass_x = register("pass_y", COORDINATE_BITS), register("pass_x", COORDINATE_BITS)
        group = register("group", 16)
        # The ring: its end, the step that comes back, and whether a step from this row leaves it.
        ring_end, back, leaving = register("ring_end", 17), register("back", 16), Leaving("row")
        leaves = leaving.now
        # Taps of a window column that are read in one cycle, and the steps over all of them.
        together, taps_step, taps_y = register("together", 2), register("taps_step", 16), register("taps_y", 17)
        # Where the position is, and where its tile began.
        cursor = (x_left, y_left, position, row, position_y, position_x, x_last, y_last, leaves)
        tile_start = tuple(register(f"tile_{signal.name}", len(signal)) for signal in cursor)
        starts_pass, starts_position, first_pass = (register(n, 1) for n in
                                                    ("starts_pass", "starts_position", "first_pass"))  # fmt: skip

        depthwise, stream = Signal(), Signal()
        m.d.comb += [
            depthwise.eq(chip.has("depthwise") & (f.opcode == BY_NAME["DEPTHWISE"].opcode)),
            stream.eq(f.opcode == BY_NAME["STREAM"].opcode),
        ]
        fires, ends_pass, ends_tile, ends_group, ends_instruction = (
            Signal(name=n) for n in ("fires", "ends_pass", "ends_tile", "ends_group", "ends")
        )
        ends_column, last_pass = tap_y_last, Signal()
        m.d.comb += [
            fires.eq(ends_column & tap_x_last),
            last_pass.eq(chunks_last & pass_x_last & pass_y_last),
            ends_pass.eq(fires & (tile_last | (x_last & y_last))),
            ends_tile.eq(ends_pass & last_pass),
            ends_group.eq(fires & x_last & y_last & last_pass),
            ends_instruction.eq(ends_group & groups_last),
        ]

        # The second stage: the sums of the parts, for each tap of the group. Three terms are made two by an adder
        # without carries, so that a sum and what it is compared with are one addition each.
        reads = []
        inside_x = _below(position_x, pass_x, tap_x, f.in_width)
        for number in range(chip.activation_ports):
            moved, moved_y = tap, tap_y
            if number:
                moved = (tap + number * f.tap_y_words)[: SUM_BITS + 1]
                moved_y = (tap_y + number * f.tap_y)[:COORDINATE_BITS]
            one, other = two(SUM_BITS + 1, position, chunk, moved)
            reach = (one + other)[: SUM_BITS + 1]
            beyond = ~less(SUM_BITS + 1, one, other, ring_end)[SUM_BITS]
            reduced = less(16, one[:16], other[:16], f.in_ring_words)
            # A port beyond those that are read together would meet the others in their bank.
            there = (number < tap_y_left) & (number < together) if number else 1
            inside_y = _below(position_y, pass_y, moved_y, f.in_height)
            reads.append((Mux(beyond, reduced, reach[:16]), inside_y & there))
        if chip.activation_ports > 1:
            with m.If(step):
                m.d.sync += self.word.more.eq(Mux(ends_column, tap_y_left, together) - 1)
        flags = Signal(flags_layout())
        m.d.comb += [
            flags.depthwise.eq(depthwise),
            flags.stream.eq(stream),
            flags.starts_stream.eq(stream & starts_position),
            flags.ends_stream.eq(stream & fires),
            flags.swaps.eq(~stream & starts_pass),
            flags.sums.eq(~stream & fires),
            flags.claims.eq(~stream & fires & first_pass & ~f.accumulate),
            flags.done.eq(~stream & ends_tile),
            flags.ends_pass.eq(ends_pass),
            flags.ends_tile.eq(ends_tile),
            flags.keeps.eq(f.keep),
            flags.ends_instruction.eq(ends_instruction),
            self.coming.eq(Mux(step, flags, self.word.flags)),
            self.valid_next.eq(step | (self.valid & ~self.next)),
        ]
        m.d.sync += [self.word.flags.eq(self.coming), self.valid.eq(self.valid_next)]
        with m.If(step):
            m.d.sync += [
                *(self.word.addresses[number].eq(address) for number, (address, _) in enumerate(reads)),
                self.word.inside.eq(Mux(inside_x, Cat(inside for _, inside in reads), 0)),
                self.word.pad_value.eq(f.pad_value),
                self.word.starts_position.eq(starts_position),
                self.word.clears.eq(first_pass & ~f.accumulate),
            ]

        # Where a sliding window begins: the column from which on `slide` columns are left.
        slide_now, slide_x_now = Signal(16), Signal(COORDINATE_BITS)
        at_slide, slide_single = register("at_slide", 1), register("slide_single", 1)
        slide_whole, slide_after = register("slide_whole", 1), register("slide_after", 9)
        m.d.comb += [
            slide_now.eq(Mux(at_slide, column, slide)),
            slide_x_now.eq(Mux(at_slide, tap_x, slide_x)),
        ]

        def whole_window() -> list[Any]:
            return [tap.eq(0), column.eq(0), tap_x.eq(0), tap_x_left.eq(f.window_width),
                    tap_x_last.eq(single["window_width"]), at_slide.eq(slide_whole)]  # fmt: skip

        def first_chunk(start: Any) -> list[Any]:
            return [chunk.eq(start), kernel_x.eq(start), kernel_y.eq(start), pass_y.eq(0), pass_x.eq(0),
                    *all_chunks(), *all_columns(),
                    pass_y_left.eq(f.passes_y), pass_y_last.eq(single["passes_y"])]  # fmt: skip

        def all_chunks() -> list[Any]:
            return [chunks_left.eq(f.chunks), chunks_last.eq(single["chunks"])]

        def all_columns() -> list[Any]:
            return [pass_x_left.eq(f.passes_x), pass_x_last.eq(single["passes_x"])]

        next_column, next_row, next_group = Signal(16), Signal(16), Signal(16)
        next_kernel_x, next_kernel_y = Signal(16), Signal(16)
        m.d.comb += [
            next_column.eq(column + f.tap_x_words),
            next_row.eq(Mux(leaves, row + back, row + f.position_y_words)),
            next_group.eq(group + f.group_in_words),
            next_kernel_x.eq(kernel_x + f.pass_x_words),
            next_kernel_y.eq(kernel_y + f.pass_y_words),
        ]
        # The position that follows in raster order.
        new_row = x_last
        following = (
            Mux(new_row, f.out_width, x_left - 1),
            Mux(new_row, y_left - 1, y_left),
            Mux(new_row, next_row, position + f.position_x_words),
            Mux(new_row, next_row, row),
            Mux(new_row, position_y + f.position_y, position_y),
            Mux(new_row, f.start_x, position_x + f.position_x),
            Mux(new_row, single["out_width"], x_left == 2),
            Mux(new_row, y_left == 2, y_last),
            Mux(new_row, leaving.following(row), leaves),
        )

        def origin(of: Any, width_single: Any, height_single: Any, first_leaves: Any) -> tuple[Any, ...]:
            start = of.out_width, of.out_height, of.in_address, of.in_address, of.start_y, of.start_x
            return *start, width_single, height_single, first_leaves

        def assign(targets: tuple[Signal, ...], values: tuple[Any, ...]) -> list[Any]:
            return [target.eq(value) for target, value in zip(targets, values, strict=True)]

        with m.If(step):
            m.d.sync += [starts_pass.eq(0), starts_position.eq(0), slide.eq(slide_now), slide_x.eq(slide_x_now)]
            with m.If(~ends_column):
                if chip.activation_ports > 1:
                    m.d.sync += [tap_y_left.eq(tap_y_left - together), tap.eq(tap + taps_step)]
                    m.d.sync += [tap_y.eq(tap_y + taps_y), tap_y_last.eq(tap_y_left <= (together << 1))]
                else:
                    m.d.sync += [tap_y_left.eq(tap_y_left - 1), tap.eq(tap + f.tap_y_words)]
                    m.d.sync += [tap_y.eq(tap_y + f.tap_y), tap_y_last.eq(tap_y_left == 2)]
            with m.Else():
                m.d.sync += [tap_y_left.eq(f.window_height), tap_y.eq(0), tap_y_last.eq(single["window_height"])]
            with m.If(ends_column & ~fires):
                m.d.sync += [tap_x_left.eq(tap_x_left - 1), column.eq(next_column), tap.eq(next_column)]
                m.d.sync += [tap_x.eq(tap_x + f.tap_x), tap_x_last.eq(tap_x_left == 2)]
                m.d.sync += at_slide.eq(tap_x_left == slide_after)
            with m.If(fires):
                m.d.sync += [starts_position.eq(1), tile_left.eq(tile_left - 1), tile_last.eq(tile_left == 2)]
                m.d.sync += [*whole_window(), *assign(cursor, following)]
                with m.If(~ends_pass & ~new_row):
                    m.d.sync += [tap.eq(slide_now), column.eq(slide_now), tap_x.eq(slide_x_now)]
                    m.d.sync += [tap_x_left.eq(f.slide), tap_x_last.eq(slide_single), at_slide.eq(1)]
            with m.If(ends_pass):
                m.d.sync += [starts_pass.eq(1), first_pass.eq(last_pass)]
                m.d.sync += [tile_left.eq(f.tile), tile_last.eq(single["tile"])]
                with m.If(ends_group):
                    m.d.sync += [groups_left.eq(groups_left - 1), groups_last.eq(groups_left == 2)]
                    m.d.sync += [group.eq(next_group), *first_chunk(next_group)]
                    start = origin(f, single["out_width"], single["out_height"], leaving.origin)
                    m.d.sync += [*assign(cursor, start), *assign(tile_start, start)]
                with m.Elif(last_pass):
                    m.d.sync += [*first_chunk(group), *assign(tile_start, following)]
                with m.Else():
                    m.d.sync += assign(cursor, tile_start)
                    with m.If(~chunks_last):
                        m.d.sync += [chunks_left.eq(chunks_left - 1), chunks_last.eq(chunks_left == 2)]
                        m.d.sync += chunk.eq(chunk + 1)
                    with m.Else():
                        m.d.sync += all_chunks()
                        with m.If(~pass_x_last):
                            m.d.sync += [pass_x_left.eq(pass_x_left - 1), pass_x_last.eq(pass_x_left == 2)]
                            m.d.sync += [pass_x.eq(pass_x + f.pass_x)]
                            m.d.sync += [chunk.eq(next_kernel_x), kernel_x.eq(next_kernel_x)]
                        with m.Else():
                            m.d.sync += [pass_y_left.eq(pass_y_left - 1), pass_y_last.eq(pass_y_left == 2)]
                            m.d.sync += [pass_y.eq(pass_y + f.pass_y), pass_x.eq(0), *all_columns()]
                            m.d.sync += [n.eq(next_kernel_y) for n in (chunk, kernel_x, kernel_y)]
            with m.If(ends_instruction):
                m.d.sync += busy.eq(0)

        incoming = self.fields
        taken = incoming.taps_at_once

        def steps(one: Any) -> Any:
            """``one`` for each tap that is read in a cycle."""
            return Mux(taken[1], one << 1, one) + Mux(taken == 3, one, 0)

        is_single = {name: incoming[name] == 1 for name in SINGLE}
        if chip.activation_ports > 1:
            is_single["window_height"] = incoming.window_height <= Mux(taken == 0, 1, taken)
        ring, step_y = (incoming.in_ring_start, incoming.in_ring_words), incoming.position_y_words
        first_leaves = leaving.first(incoming.in_address, *ring, step_y)
        with m.If(self.load):
            m.d.sync += [
                *copied(f, incoming),
                *(single[name].eq(value) for name, value in is_single.items()),
                ring_end.eq(ring[0] + ring[1]),
                *leaving.begin(*ring, step_y),
                leaving.origin.eq(first_leaves),
                back.eq(step_y - incoming.in_ring_words),
                together.eq(Mux(taken == 0, 1, taken)),
                taps_step.eq(steps(incoming.tap_y_words)),
                taps_y.eq(steps(incoming.tap_y)),
                slide_single.eq(incoming.slide == 1),
                slide_whole.eq(incoming.slide == incoming.window_width),
                slide_after.eq(incoming.slide + 1),
                busy.eq(1),
                tap_y_left.eq(incoming.window_height),
                tap_x_left.eq(incoming.window_width),
                tile_left.eq(incoming.tile),
                chunks_left.eq(incoming.chunks),
                pass_x_left.eq(incoming.passes_x),
                pass_y_left.eq(incoming.passes_y),
                groups_left.eq(incoming.groups),
                tap_y_last.eq(is_single["window_height"]),
                tap_x_last.eq(is_single["window_width"]),
                at_slide.eq(incoming.slide == incoming.window_width),
                tile_last.eq(is_single["tile"]),
                chunks_last.eq(is_single["chunks"]),
                pass_x_last.eq(is_single["passes_x"]),
                pass_y_last.eq(is_single["passes_y"]),
                groups_last.eq(is_single["groups"]),
                *(signal.eq(0) for signal in (tap, column, tap_y, tap_x, chunk, kernel_x, kernel_y, pass_y, pass_x)),
                group.eq(0),
                starts_pass.eq(1),
                starts_position.eq(1),
                first_pass.eq(1),
            ]
            start = origin(incoming, is_single["out_width"], is_single["out_height"], first_leaves)
            m.d.sync += [*assign(cursor, start), *assign(tile_start, start)]
        return m


def _below(position: Any, kernel: Any, tap: Any, size: Any) -> Any:
    """Whether a coordinate, the sum of three parts, is inside 0 to ``size`` - 1."""
    parts = two(COORDINATE_BITS, position, kernel, tap)
    below_size = less(COORDINATE_BITS, *parts, size)[COORDINATE_BITS - 1]
    return ~(parts[0] + parts[1])[COORDINATE_BITS - 1] & below_size
