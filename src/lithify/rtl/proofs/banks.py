"""The scratchpad: a bank serves one port a cycle, a second is reported, and a word read is the word last written."""

from amaranth.hdl import Assert, Assume, Cat, Module, Signal

from lithify.chip import Chip, load_chip
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS
from lithify.rtl.proofs.contract import any_constant, before, contract, free_inputs, opened, peek, signals
from lithify.rtl.scratchpad import Scratchpad, readers, writers


def _chip() -> Chip:
    """`tiny` with the fewest banks, of words of 4 bytes: the solver takes long over large memories."""
    tiny = load_chip("tiny").model_dump(by_alias=True)
    few = {"rows": 4, "columns": 4, "lanes": 4, "bus_bytes": 4, "scratchpad_banks": 5, "scratchpad_bytes": 5 * 64 * 4}
    return Chip.model_validate(tiny | few)


def conflicts() -> Module:
    """`conflict` is high exactly in the cycle after two ports met in one bank."""
    m = contract()
    chip = _chip()
    block = Scratchpad(chip)
    opened(m, block)
    free_inputs(m, block)
    met = _met(m, block, [*readers(chip), *writers(chip)], chip.bank_words, chip.scratchpad_banks)
    m.d.comb += Assert(~before(m, 1, "started") | (block.conflict == before(m, met, "met")))
    return m


def words() -> Module:
    """Of any word: as long as no two ports meet, whoever reads it two cycles later has what was last written to it."""
    m = contract()
    chip = _chip()
    block = Scratchpad(chip)
    inside = opened(m, block)
    free_inputs(m, block)
    ports = {name: getattr(block, name) for name in (*readers(chip), *writers(chip))}
    m.d.comb += Assume(~_met(m, block, list(ports), chip.bank_words, chip.scratchpad_banks))
    mine = any_constant(m, SCRATCHPAD_ADDRESS_BITS, "mine")
    m.d.comb += Assume(mine < chip.bank_words * chip.scratchpad_banks)
    value, known = Signal(8 * chip.word_bytes), Signal()
    for name in writers(chip):
        with m.If(ports[name].enable & (ports[name].address == mine)):
            m.d.sync += [value.eq(ports[name].data), known.eq(1)]
    asks = {name: ports[name].enable & (ports[name].address == mine) & known for name in readers(chip)}
    expected = [before(m, value, f"value_{cycles}", cycles) for cycles in (1, 2)]
    asked = [{name: before(m, ask, f"{name}_asks_{n}", n) for name, ask in asks.items()} for n in (1, 2)]
    for name in readers(chip):
        m.d.comb += Assert(~asked[1][name] | (ports[name].data == expected[1]))

    # What makes it inductive: where the word is, in the bank and on its way from it.
    low_bits = (chip.bank_words - 1).bit_length()
    low, high = Signal(low_bits), mine[low_bits:]
    m.d.comb += low.eq(mine)
    banks = [child for child, *_ in m.submodules.proven.subfragments]
    assert len(banks) == chip.scratchpad_banks
    for number, bank in enumerate(banks):
        kept = Signal(8 * chip.word_bytes, name=f"kept_{number}")
        peek(bank, low, kept)
        m.d.comb += [
            Assert((high != number) | ~known | (kept == value)),
            Assert((high != number) | ~Cat(*asked[0].values()).any() | (signals(bank)["read_data"] == expected[0])),
            Assert((high != number) | ~Cat(*asked[1].values()).any() | (inside[f"word{number}"] == expected[1])),
        ]
        for name in readers(chip):
            chosen = ports[name].enable & (ports[name].address[low_bits:] == number)
            for cycles, place in ((1, f"{name}_at_output"), (2, f"{name}_second")):
                selected = inside[place][number]
                m.d.comb += [
                    Assert(selected == before(m, chosen, f"{place}_{number}", cycles)),
                    Assert(~asked[cycles - 1][name] | (selected == (high == number))),
                ]
    return m


def _met(m: Module, block: Scratchpad, names: list[str], bank_words: int, banks: int) -> Signal:
    """Whether two of the ports meet in a bank."""
    low_bits = (bank_words - 1).bit_length()
    ports = [getattr(block, name) for name in names]
    pairs = [
        one.enable & other.enable & (one.address[low_bits:] == other.address[low_bits:])
        & (one.address[low_bits:] < banks)
        for place, one in enumerate(ports)
        for other in ports[:place]
    ]  # fmt: skip
    met = Signal()
    m.d.comb += met.eq(Cat(*pairs).any())
    return met
