"""A column of the array: its sums are those of the products of words and weights, in the accumulators they are for."""

from amaranth.hdl import Assert, Module, Mux, Signal, signed

from lithify.chip import load_chip
from lithify.rtl.compute.column import Column
from lithify.rtl.proofs.contract import any_constant, before, contract, free_inputs, opened, peek

ROWS, ACCUMULATORS = 4, 4


def column() -> Module:
    """One accumulator, any of them, beside a dot product written as a sum."""
    m = contract()
    block = Column(load_chip("tiny").model_copy(update={"rows": ROWS, "accumulators": ACCUMULATORS}))
    inside = opened(m, block)
    free_inputs(m, block)
    mine = any_constant(m, 2, "mine")

    shadow, weights = Signal(8 * ROWS), Signal(8 * ROWS)
    with m.If(block.load):
        m.d.sync += shadow.eq(block.weight)
    with m.If(block.swap):
        m.d.sync += weights.eq(shadow)
    dot, total = Signal(signed(18)), Signal(signed(18))
    products = [
        block.word.word_select(row, 8).as_signed() * weights.word_select(row, 8).as_signed() for row in range(ROWS)
    ]
    with m.If(block.multiply):
        m.d.sync += dot.eq(sum(products))
    m.d.sync += total.eq(dot)
    # The index and `clear` come a cycle before `write`.
    index, clear = before(m, block.index, "index"), before(m, block.clear, "clear")
    accumulator = Signal(signed(32))
    with m.If(block.write & (index == mine)):
        m.d.sync += accumulator.eq(Mux(clear, 0, accumulator) + total)
    shown = before(m, accumulator, "accumulator")
    started = before(m, 1, "started")
    m.d.comb += Assert(~started | (before(m, block.read_index, "read") != mine) | (block.sum == shown))

    # What makes it inductive.
    kept = Signal(signed(32))
    peek(m.submodules.proven, mine, kept)
    terms = [inside["products"].word_select(row, 16).as_signed() for row in range(ROWS)]
    m.d.comb += [
        Assert(inside["shadow"] == shadow),
        Assert(inside["weights"] == weights),
        Assert(sum(terms) == dot),
        Assert(inside["sum_0_0"] == total),
        Assert(inside["index_of_sum"] == index),
        Assert(kept == accumulator),
        Assert((index != mine) | (inside["base"] == Mux(clear, 0, accumulator)) | ~started),
    ]
    return m
