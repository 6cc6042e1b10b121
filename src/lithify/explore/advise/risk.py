"""What speaks against a way to build a product, and what the figures do not say: one rule a function."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lithify.explore.advise.assumptions import Assumptions
from lithify.explore.advise.option import Facts, Needs, Option, left_out, written

MOVING = {
    "attention and its relatives": ("Attention", "MultiHeadAttention", "RotaryEmbedding", "Softmax", "Einsum"),
    "normalisation over features": ("LayerNormalization", "RMSNormalization", "GroupNormalization"),
    "gates and smooth activations": ("Gelu", "Swish", "HardSwish", "Mish", "Erf"),
    "choosing and sampling": ("NonMaxSuppression", "GridSample", "TopK", "RoiAlign", "ScatterND", "NonZero"),
    "control flow": ("If", "Loop", "Scan"),
}
"""Families of operators whose definitions have changed from year to year, so that a chip may meet another one. A
Softmax that only makes the output is none."""

BLOCK_RAM = 400_000
"""Bytes: about what the largest board of `lithify fpga` (ECP5-85, 208 blocks of 18 Kbit) holds beside a scratchpad."""


@dataclass(frozen=True)
class Circumstances:
    """What a product's network is like. operators: name -> how many nodes; host_nodes: what the chip has no unit for;
    accuracy_measured: whether data were given.
    """

    operators: Mapping[str, int]
    host_nodes: tuple[str, ...]
    accuracy_measured: bool


@dataclass(frozen=True)
class Note:
    """A risk. topic: a word or two; text: what it is, and what to do."""

    topic: str
    text: str

    def to_json(self) -> dict[str, str]:
        """Topic and text."""
        return asdict(self)


def notes(
    found: tuple[Option, ...],
    best: Option | None,
    facts: Facts,
    needs: Needs,
    table: Assumptions,
    around: Circumstances,
) -> tuple[Note, ...]:
    """Every note that applies, the weightiest first."""
    asics = [option for option in found if option.kind == "asic"]
    asic = next((option for option in asics if option.fits), asics[0] if asics else None)
    every = (
        _nothing(facts),
        _volume(asic, found, needs),
        _operators(around),
        _host(facts, around),
        _accuracy(around),
        _schedule(asic, table),
        _masks(asic, table),
        _bandwidth(asic, table),
        _licences(asic),
        _models(),
        _bought(found),
        _block_ram(found, facts),
        _left_out(facts, table),
    )
    return tuple(note for note in every if note is not None)


def _nothing(facts: Facts) -> Note | None:
    idle = [chip.name for chip in facts.chips if not chip.cycles]
    if not idle:
        return None
    return Note(
        "nothing to do", f"{', '.join(idle)}: no unit for anything in this network; all of it runs on the host."
    )


def _volume(asic: Option | None, found: tuple[Option, ...], needs: Needs) -> Note | None:
    others = [option for option in found if option.kind != "asic" and option.fits]
    if asic is None or not others:
        return None
    cheapest = min(others, key=lambda option: option.at(needs.volume))
    volume = asic.from_volume(cheapest)
    if needs.volume >= volume:
        spare = needs.volume / volume if volume else float("inf")
        if spare >= 2:
            return None
        return Note(
            "volume",
            f"{asic.name} breaks even with {cheapest.name} at {volume:,.0f} pieces, {1 - 1 / spare:.0%} below what is "
            "planned: if fewer are sold, the chip was the dearer way.",
        )
    often = f"at {volume:,.0f} pieces" if volume < float("inf") else "at no volume"
    return Note("volume", f"{asic.name} breaks even with {cheapest.name} {often}; {needs.volume:,.0f} are planned.")


def _operators(around: Circumstances) -> Note | None:
    final = {"Softmax"} if around.operators.get("Softmax", 0) <= 1 else set()
    found = {
        family: [name for name in names if around.operators.get(name) and name not in final]
        for family, names in MOVING.items()
    }
    said = [f"{family} ({', '.join(names)})" for family, names in found.items() if names]
    if not said:
        return None
    return Note(
        "operators that change",
        f"The network uses {'; '.join(said)}: such operators change often. Prefer an FPGA, or a chip with a vector "
        "unit, whose programs can be written again, until the network stands still.",
    )


def _host(facts: Facts, around: Circumstances) -> Note | None:
    names = list(dict.fromkeys(around.host_nodes))
    if not names:
        return None
    chip = facts.chips[0]
    share = chip.host_s / (chip.host_s + chip.cycles / chip.clock_hz)
    return Note(
        "on the host",
        f"{', '.join(names)} run on the host: {1e3 * chip.host_s:.3g} ms of this machine, {share:.0%} of the latency "
        "if the product's host were as fast; the assumptions say how much slower it is (board.host_slower). "
        "`lithify split` says which cut is best.",
    )


def _accuracy(around: Circumstances) -> Note | None:
    if around.accuracy_measured:
        return None
    return Note("accuracy", "No data were given, so what int8 costs in accuracy was not looked at: --data.")


def _schedule(asic: Option | None, table: Assumptions) -> Note | None:
    if asic is None or asic.months is None:
        return None
    return Note(
        "schedule",
        f"{asic.name} takes about {asic.months:g} months to samples, and {table.project.respins.value:g} further mask "
        "sets are counted; an FPGA or a module can be shipped meanwhile, with the same program.",
    )


def _masks(asic: Option | None, table: Assumptions) -> Note | None:
    if asic is None or asic.nm is None:
        return None
    node = table.node[asic.nm]
    return Note(
        "prototype",
        f"Make it on a shared mask set first: {written(node.prototype_usd.value, '$')} at {asic.nm} nm, counted; a "
        f"mask set of one's own is {written(node.masks_usd.value, '$')}.",
    )


def _bandwidth(asic: Option | None, table: Assumptions) -> Note | None:
    if asic is None or "dram" not in asic.parts:
        return None
    rate = asic.parts["dram"].value
    return Note(
        "memory",
        f"At its clock the chip asks its DRAM for {rate / 1e9:.2g} GB/s. The interface to that DRAM is no part of the "
        "chip's area model: a hard one is bought from the foundry, and its licence is not counted.",
    )


def _licences(asic: Option | None) -> Note | None:
    if asic is None or asic.nm is None:
        return None
    text = (
        "At 130 nm the process kit and the tools are open"
        if asic.nm >= 130
        else "Below 130 nm kit, cells, memories and design tools are licensed, the kit under an agreement of secrecy"
    )
    return Note("licences", f"{text}. The chip's Verilog is Apache-2.0: nothing is paid for each piece.")


def _models() -> Note:
    return Note(
        "models",
        "Area is within 10 % of synthesis at 130 nm before layout; to other nodes areas, delays and energies go by "
        "Stillmaker and Baas (2017), fits with R2 above 0.95 to simulated transistors: memories and wires shrink less "
        "than they say below 28 nm. Energies on the chip are fitted to synthesis at 130 nm, times an assumed overhead.",
    )


def _block_ram(found: tuple[Option, ...], facts: Facts) -> Note | None:
    if facts.weight_bytes <= BLOCK_RAM or not any(option.kind == "fpga" for option in found):
        return None
    return Note(
        "FPGA memory",
        f"`lithify fpga` keeps the chip's DRAM in block RAM, which holds no {facts.weight_bytes / 1e6:.3g} MB of "
        "weights, or in a board's SDRAM (`--memory sdram`: 32 MB, 2 bytes a cycle): for more, or for another board, "
        "this network needs a memory controller of one's own on an FPGA, in the project's cost by assumption.",
    )


def _left_out(facts: Facts, table: Assumptions) -> Note | None:
    names = [entry.name for entry in left_out(facts, table)]
    if not names:
        return None
    least = min(chip.multipliers for chip in facts.fpga_chips)
    return Note("left out", f"{', '.join(names)}: the smallest chip here has {least} multipliers, more than they hold.")


def _bought(found: tuple[Option, ...]) -> Note | None:
    if not any(option.kind in ("cpu", "gpu", "accelerator", "microcontroller") for option in found):
        return None
    return Note(
        "parts",
        "Latencies of parts that nobody measured for this network are operations over an assumed share of their peak: "
        "measure on the part and write latency_s into the assumptions before it decides.",
    )
