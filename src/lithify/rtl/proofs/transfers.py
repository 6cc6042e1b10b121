"""The buses to memory: how rows become bursts, and that what is offered stays until it is taken."""

from amaranth.hdl import Array, Assert, Assume, Cat, Module, Signal
from amaranth.lib import data

from lithify.chip import Chip, load_chip
from lithify.isa.registers import BASES
from lithify.rtl.axi import ADDRESS_BITS, BURST_BEATS, PAGE_BYTES
from lithify.rtl.proofs.contract import before, contract, free, free_inputs, opened
from lithify.rtl.read_port import ReadPort
from lithify.rtl.transfer.bursts import Bursts
from lithify.rtl.transfer.rows import Rows


def _chip() -> Chip:
    return load_chip("tiny")


def bursts() -> Module:
    """Of any row: its bursts follow each other without a gap or an overlap, from its first byte to its last, and none
    is longer than 64 beats or crosses 4 KB; one that is not taken stays as it is.
    """
    m = contract()
    chip = _chip()
    block = Bursts(chip, "STORE")
    inside = opened(m, block)
    # Any rows at all: what hands them over is proved apart.
    free_inputs(m, block)
    burst, size = block.burst, chip.bus_bytes
    taken, started = block.valid & block.ready, before(m, 1, "started")

    end = Signal(ADDRESS_BITS)  # behind the burst's last beat
    m.d.comb += end.eq(burst.address + (burst.length + 1) * size)
    m.d.comb += Assert(burst.length < BURST_BEATS)
    m.d.comb += Assert(burst.address % size == 0)
    page, last_page = burst.address[12:], (end - 1)[12:ADDRESS_BITS]
    assert PAGE_BYTES == 1 << 12
    m.d.comb += Assert(~block.valid | (page == last_page))

    # A row: what Rows hands over, in the cycle in which it does.
    row, more = inside["address"], inside["more_bytes"]
    hand_over = inside["hand_over"]
    first_byte, last_byte = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
    with m.If(hand_over):
        m.d.sync += [first_byte.eq(row), last_byte.eq(row + more)]
    with m.If(block.valid & burst.first):
        m.d.comb += Assert(burst.address + burst.offset == first_byte)
    with m.If(block.valid & burst.row_last):
        m.d.comb += Assert((end - size + burst.end)[:ADDRESS_BITS] == last_byte)

    # One burst after the other.
    was = {name: before(m, value, name) for name, value in
           (("valid", block.valid), ("taken", taken), ("end", end), ("row_last", burst.row_last),
            ("burst", burst.as_value()), ("hand_over", hand_over))}  # fmt: skip
    with m.If(started & was["valid"] & ~was["taken"]):
        m.d.comb += Assert(block.valid & (burst.as_value() == was["burst"]))
    with m.If(started & was["taken"] & ~was["row_last"]):
        m.d.comb += Assert(block.valid & ~burst.first & (burst.address == was["end"]))
    with m.If(started & was["hand_over"]):
        m.d.comb += Assert(block.valid & burst.first)
    m.d.comb += Assert(~(hand_over & block.valid) | (taken & burst.row_last))

    # What makes it inductive.
    rest, blocks = inside["last_beat"], inside["blocks"]
    with m.If(block.valid):
        m.d.comb += Assert(inside["fits"] == (blocks == 0))
        m.d.comb += Assert((blocks != 0) | (rest >= inside["beat"]))
        goal = (inside["block"] + blocks)[: len(inside["block"])]
        m.d.comb += Assert((goal << (len(rest) + 3) | rest << 3 | inside["end"])[:ADDRESS_BITS] == last_byte)
    return m


def read_port() -> Module:
    """A request for reading stays at the bus until it is taken, no burst is lost, and each beat goes to the unit that
    asked for its burst.
    """
    m = contract()
    block = ReadPort(_chip())
    opened(m, block)
    free_inputs(m, block)
    bus = block.bus
    started = before(m, 1, "started")
    offered = [bus.araddr, bus.arlen, bus.arsize, bus.arburst]
    held = before(m, bus.arvalid & ~bus.arready, "held")
    same = [value == before(m, value, f"offered_{number}") for number, value in enumerate(offered)]
    m.d.comb += Assert(~(started & held) | (bus.arvalid & Cat(*same).all()))
    fetched = before(m, block.fetch_request & block.fetch_ready, "fetched")
    loaded = before(m, block.load_request & block.load_ready, "loaded")
    of_fetch = bus.araddr == before(m, block.fetch_address, "fetch_address")
    of_load = (bus.araddr == before(m, block.load_address, "load_address")) & (
        bus.arlen == before(m, block.load_length, "load_length")
    )
    m.d.comb += [
        Assert(~(fetched & loaded)),
        Assert(~fetched | (bus.arvalid & of_fetch)),
        Assert(~loaded | (bus.arvalid & of_load)),
    ]
    m.d.comb += [
        Assert(bus.rready),
        Assert(~(block.fetch_beat & block.load_beat)),
        Assert((block.fetch_beat | block.load_beat) == before(m, bus.rvalid, "beat")),
    ]
    return m


def rows() -> Module:
    """The rows of an instruction are those of two nested loops: planes, and the rows of a plane, each a stride behind
    the one before, in DRAM and in the scratchpad.
    """
    m = contract()
    block = Rows(_chip(), "STORE")
    opened(m, block)
    free_inputs(m, block, "next")
    ask = Signal()
    free(m, ask)
    m.d.comb += block.next.eq(ask & block.valid)
    fields = block.instruction.fields
    begins = block.instruction.valid & block.instruction.ready
    m.d.comb += Assume(~begins | ((fields.rows != 0) & (fields.planes != 0)))

    # The loops, by whole additions.
    kept = Signal.like(fields.as_value())
    of = data.View(fields.shape(), kept)
    plane, row = Signal(16), Signal(16)
    start, address = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
    start_word, word = Signal(16), Signal(16)
    base = Array(block.bases[index] for index in range(BASES))[fields.base]
    last_row, last_plane = row == of.rows - 1, plane == of.planes - 1
    with m.If(begins):
        m.d.sync += [kept.eq(fields), plane.eq(0), row.eq(0)]
        m.d.sync += [signal.eq(base + fields.offset) for signal in (start, address)]
        m.d.sync += [signal.eq(fields.address) for signal in (start_word, word)]
    with m.Elif(block.next & last_row):
        m.d.sync += [plane.eq(plane + 1), row.eq(0)]
        m.d.sync += [signal.eq(start + of.plane_stride) for signal in (start, address)]
        m.d.sync += [signal.eq(start_word + of.plane_words) for signal in (start_word, word)]
    with m.Elif(block.next):
        m.d.sync += [row.eq(row + 1), address.eq(address + of.row_stride), word.eq(word + of.row_words)]
    with m.If(block.valid):
        m.d.comb += [
            Assert(block.address == address),
            Assert(block.word[: len(word)] == word),
            Assert(block.more_bytes == (of.row_bytes - 1)[:20]),
            Assert(block.last == (last_row & last_plane)),
            Assert(block.fields.as_value() == kept),
            Assert(~block.instruction.ready),
        ]
    return m
