"""Address generation: the loop nest of docs/architecture.md, section 4, a word (or a group of taps) a cycle, by adders.

A word's address is the sum of three parts, and each part moves by one addition: the *position* (output row and column),
the *pass* (group, kernel row and column, chunk) and the *tap* inside a window. Coordinates likewise. Where a loop
restarts, its part goes back to a remembered value: the position to the start of the tile, the tap to the column where
a sliding window begins to read.

In a ring the position's row and the sum of the parts are reduced. Both outcomes are computed beside the comparison that
chooses, so that no addition waits for it.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import BY_NAME
from lithify.rtl.compute.stages import COMPUTE, copied, fields

COORDINATE_BITS = 17
"""A coordinate reaches from below 0 to beyond the input's last row; as an unsigned number what is below 0 is huge."""

FIELDS = (
    "opcode", "accumulate", "keep", "in_address", "in_height", "in_width", "start_y", "start_x", "position_y",
    "position_x", "position_y_words", "position_x_words", "tap_y", "tap_x", "tap_y_words", "tap_x_words", "pass_y",
    "pass_x", "pass_y_words", "pass_x_words", "window_height", "window_width", "slide", "passes_y", "passes_x",
    "chunks", "group_in_words", "pad_value", "out_height", "out_width", "tile", "groups", "in_ring_words",
)  # fmt: skip

SUM_BITS = 17
"""A sum of the parts reaches beyond the end of a ring before it is reduced."""


def word_layout(chip: Chip) -> data.StructLayout:
    """Words to be read in one cycle and what they do.

    addresses, inside: of each tap of the group; more: taps of it after the first. first_pass: the sums of its position
    begin with it; ends_pass, ends_tile, ends_instruction: the last word of these.
    """
    flags = (
        "depthwise", "stream", "starts_position", "fires", "starts_pass", "ends_pass", "first_pass", "ends_tile",
        "keeps", "ends_instruction",
    )  # fmt: skip
    return data.StructLayout(
        {
            "addresses": data.ArrayLayout(16, chip.activation_ports),
            "inside": chip.activation_ports,
            **({"more": range(chip.activation_ports)} if chip.activation_ports > 1 else {}),
            "pad_value": 8,
            **dict.fromkeys(flags, 1),
        }
    )


class Addresses(wiring.Component):
    """Makes the words of an instruction: ``valid`` with ``word`` until ``next``.

    ``load`` with ``fields`` (while ``idle``) starts an instruction; its first word is valid two cycles later.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "fields": In(COMPUTE),
                "load": In(1),
                "idle": Out(1),
                "valid": Out(1),
                "word": Out(word_layout(chip)),
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

        # What is left of each loop; a loop's last turn is the one with 1 left.
        tap_y_left, tap_x_left = register("tap_y_left", 8), register("tap_x_left", 8)
        tile_left = register("tile_left", 8)
        x_left, y_left = register("x_left", 16), register("y_left", 16)
        chunks_left, pass_x_left, pass_y_left = (register(f"{n}_left", b) for n, b in
                                                 (("chunks", 16), ("pass_x", 8), ("pass_y", 8)))  # fmt: skip
        groups_left = register("groups_left", 16)
        # The parts of the address and of the coordinates, and what they go back to.
        tap, column, slide = register("tap", 16), register("column", 16), register("slide", 16)
        tap_y, tap_x, slide_x = (register(n, COORDINATE_BITS) for n in ("tap_y", "tap_x", "slide_x"))
        position, row = register("position", SUM_BITS), register("row", 16)
        position_y, position_x = register("position_y", COORDINATE_BITS), register("position_x", COORDINATE_BITS)
        chunk, kernel_x, kernel_y = register("chunk", 16), register("kernel_x", 16), register("kernel_y", 16)
        pass_y, pass_x = register("pass_y", COORDINATE_BITS), register("pass_x", COORDINATE_BITS)
        group = register("group", 16)
        # The ring: its end, the first row from which a step leaves it, and the step that comes back.
        ring_end, last_row, back = register("ring_end", 17), register("last_row", 17), register("back", 16)
        # Taps of a window column that are read in one cycle, and the steps over all of them.
        together, taps_step, taps_y = register("together", 2), register("taps_step", 16), register("taps_y", 17)
        # Where the position is, and where its tile began.
        cursor = (x_left, y_left, position, row, position_y, position_x)
        tile_start = tuple(register(f"tile_{signal.name}", len(signal)) for signal in cursor)
        starts_pass, starts_position, first_pass = (register(n, 1) for n in
                                                    ("starts_pass", "starts_position", "first_pass"))  # fmt: skip

        depthwise, stream = Signal(), Signal()
        m.d.comb += [
            depthwise.eq(chip.has("depthwise") & (f.opcode == BY_NAME["DEPTHWISE"].opcode)),
            stream.eq(f.opcode == BY_NAME["STREAM"].opcode),
        ]
        ends_column, fires, ends_pass, ends_tile, ends_group, ends_instruction = (
            Signal(name=n) for n in ("ends_column", "fires", "ends_pass", "ends_tile", "ends_group", "ends")
        )
        last_pass = Signal()
        m.d.comb += [
            ends_column.eq(tap_y_left <= together if chip.activation_ports > 1 else tap_y_left == 1),
            fires.eq(ends_column & (tap_x_left == 1)),
            last_pass.eq((chunks_left == 1) & (pass_x_left == 1) & (pass_y_left == 1)),
            ends_pass.eq(fires & ((tile_left == 1) | ((x_left == 1) & (y_left == 1)))),
            ends_tile.eq(ends_pass & last_pass),
            ends_group.eq(ends_tile & (x_left == 1) & (y_left == 1)),
            ends_instruction.eq(ends_group & (groups_left == 1)),
        ]

        # The second stage: the sums of the parts, for each tap of the group.
        reads = []
        x = Signal(COORDINATE_BITS)
        m.d.comb += x.eq(position_x + pass_x + tap_x)
        for number in range(chip.activation_ports):
            reach = position + chunk + tap + number * f.tap_y_words
            y = Signal(COORDINATE_BITS, name=f"y_{number}")
            beyond = Signal(name=f"beyond_{number}")
            # A port beyond those that are read together would meet the others in their bank.
            there = (number < tap_y_left) & (number < together) if number else 1
            m.d.comb += [y.eq(position_y + pass_y + tap_y + number * f.tap_y), beyond.eq(~(reach - ring_end)[SUM_BITS])]
            reads.append((Mux(beyond, (reach - f.in_ring_words)[:16], reach[:16]), (y < f.in_height) & there))
        with m.If(self.next):
            m.d.sync += self.valid.eq(0)
        if chip.activation_ports > 1:
            with m.If(step):
                m.d.sync += self.word.more.eq(Mux(ends_column, tap_y_left, together) - 1)
        with m.If(step):
            m.d.sync += [
                self.valid.eq(1),
                *(self.word.addresses[number].eq(address) for number, (address, _) in enumerate(reads)),
                self.word.inside.eq(Mux(x < f.in_width, Cat(inside for _, inside in reads), 0)),
                self.word.pad_value.eq(f.pad_value),
                self.word.depthwise.eq(depthwise),
                self.word.stream.eq(stream),
                self.word.starts_position.eq(starts_position),
                self.word.fires.eq(fires),
                self.word.starts_pass.eq(starts_pass),
                self.word.ends_pass.eq(ends_pass),
                self.word.first_pass.eq(first_pass & ~f.accumulate),
                self.word.ends_tile.eq(ends_tile),
                self.word.keeps.eq(f.keep),
                self.word.ends_instruction.eq(ends_instruction),
            ]

        # Where a sliding window begins: the column from which on `slide` columns are left.
        slide_now, slide_x_now = Signal(16), Signal(COORDINATE_BITS)
        m.d.comb += [
            slide_now.eq(Mux(tap_x_left == f.slide, column, slide)),
            slide_x_now.eq(Mux(tap_x_left == f.slide, tap_x, slide_x)),
        ]

        def whole_window() -> list[Any]:
            return [tap.eq(0), column.eq(0), tap_x.eq(0), tap_x_left.eq(f.window_width)]

        def first_chunk(start: Any) -> list[Any]:
            return [chunk.eq(start), kernel_x.eq(start), kernel_y.eq(start), pass_y.eq(0), pass_x.eq(0),
                    chunks_left.eq(f.chunks), pass_x_left.eq(f.passes_x), pass_y_left.eq(f.passes_y)]  # fmt: skip

        next_column, next_row, next_group = Signal(16), Signal(16), Signal(16)
        next_kernel_x, next_kernel_y = Signal(16), Signal(16)
        m.d.comb += [
            next_column.eq(column + f.tap_x_words),
            next_row.eq(Mux(row >= last_row, row + back, row + f.position_y_words)),
            next_group.eq(group + f.group_in_words),
            next_kernel_x.eq(kernel_x + f.pass_x_words),
            next_kernel_y.eq(kernel_y + f.pass_y_words),
        ]
        # The position that follows in raster order.
        new_row = x_left == 1
        following = (
            Mux(new_row, f.out_width, x_left - 1),
            Mux(new_row, y_left - 1, y_left),
            Mux(new_row, next_row, position + f.position_x_words),
            Mux(new_row, next_row, row),
            Mux(new_row, position_y + f.position_y, position_y),
            Mux(new_row, f.start_x, position_x + f.position_x),
        )

        def origin(of: Any) -> tuple[Any, ...]:
            return of.out_width, of.out_height, of.in_address, of.in_address, of.start_y, of.start_x

        def assign(targets: tuple[Signal, ...], values: tuple[Any, ...]) -> list[Any]:
            return [target.eq(value) for target, value in zip(targets, values, strict=True)]

        with m.If(step):
            m.d.sync += [starts_pass.eq(0), starts_position.eq(0), slide.eq(slide_now), slide_x.eq(slide_x_now)]
            with m.If(~ends_column):
                if chip.activation_ports > 1:
                    m.d.sync += [tap_y_left.eq(tap_y_left - together), tap.eq(tap + taps_step)]
                    m.d.sync += tap_y.eq(tap_y + taps_y)
                else:
                    m.d.sync += [tap_y_left.eq(tap_y_left - 1), tap.eq(tap + f.tap_y_words)]
                    m.d.sync += tap_y.eq(tap_y + f.tap_y)
            with m.Else():
                m.d.sync += [tap_y_left.eq(f.window_height), tap_y.eq(0)]
            with m.If(ends_column & ~fires):
                m.d.sync += [tap_x_left.eq(tap_x_left - 1), column.eq(next_column), tap.eq(next_column)]
                m.d.sync += tap_x.eq(tap_x + f.tap_x)
            with m.If(fires):
                m.d.sync += [starts_position.eq(1), tile_left.eq(tile_left - 1), *whole_window()]
                m.d.sync += assign(cursor, following)
                with m.If(~ends_pass & ~new_row):
                    m.d.sync += [tap.eq(slide_now), column.eq(slide_now), tap_x.eq(slide_x_now)]
                    m.d.sync += tap_x_left.eq(f.slide)
            with m.If(ends_pass):
                m.d.sync += [starts_pass.eq(1), tile_left.eq(f.tile), first_pass.eq(last_pass)]
                with m.If(ends_group):
                    m.d.sync += [groups_left.eq(groups_left - 1), group.eq(next_group), *first_chunk(next_group)]
                    m.d.sync += [*assign(cursor, origin(f)), *assign(tile_start, origin(f))]
                with m.Elif(last_pass):
                    m.d.sync += [*first_chunk(group), *assign(tile_start, following)]
                with m.Else():
                    m.d.sync += assign(cursor, tile_start)
                    m.d.sync += [chunks_left.eq(f.chunks), pass_x_left.eq(f.passes_x)]
                    with m.If(chunks_left != 1):
                        m.d.sync += [chunks_left.eq(chunks_left - 1), pass_x_left.eq(pass_x_left)]
                        m.d.sync += chunk.eq(chunk + 1)
                    with m.Elif(pass_x_left != 1):
                        m.d.sync += [pass_x_left.eq(pass_x_left - 1), pass_x.eq(pass_x + f.pass_x)]
                        m.d.sync += [chunk.eq(next_kernel_x), kernel_x.eq(next_kernel_x)]
                    with m.Else():
                        m.d.sync += [pass_y_left.eq(pass_y_left - 1), pass_y.eq(pass_y + f.pass_y), pass_x.eq(0)]
                        m.d.sync += [n.eq(next_kernel_y) for n in (chunk, kernel_x, kernel_y)]
            with m.If(ends_instruction):
                m.d.sync += busy.eq(0)

        incoming = self.fields
        taken = incoming.taps_at_once

        def steps(one: Any) -> Any:
            """``one`` for each tap that is read in a cycle."""
            return Mux(taken[1], one << 1, one) + Mux(taken == 3, one, 0)

        with m.If(self.load):
            m.d.sync += [
                *copied(f, incoming),
                ring_end.eq(incoming.in_ring_start + incoming.in_ring_words),
                last_row.eq(incoming.in_ring_start + incoming.in_ring_words - incoming.position_y_words),
                back.eq(incoming.position_y_words - incoming.in_ring_words),
                together.eq(Mux(taken == 0, 1, taken)),
                taps_step.eq(steps(incoming.tap_y_words)),
                taps_y.eq(steps(incoming.tap_y)),
                busy.eq(1),
                tap_y_left.eq(incoming.window_height),
                tap_x_left.eq(incoming.window_width),
                tile_left.eq(incoming.tile),
                chunks_left.eq(incoming.chunks),
                pass_x_left.eq(incoming.passes_x),
                pass_y_left.eq(incoming.passes_y),
                groups_left.eq(incoming.groups),
                *(signal.eq(0) for signal in (tap, column, tap_y, tap_x, chunk, kernel_x, kernel_y, pass_y, pass_x)),
                group.eq(0),
                starts_pass.eq(1),
                starts_position.eq(1),
                first_pass.eq(1),
            ]
            m.d.sync += [*assign(cursor, origin(incoming)), *assign(tile_start, origin(incoming))]
        return m
