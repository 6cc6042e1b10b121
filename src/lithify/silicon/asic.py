"""A chip through synthesis: its area by block, its memories, and its clock at each corner of a kit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.chip import Chip
from lithify.chip.clock import MARGIN
from lithify.chip.memories import memories
from lithify.progress import Progress, Silent, Stages
from lithify.rtl.chip import Top
from lithify.rtl.simulation.cache import cached, digest
from lithify.rtl.verilog import verilog
from lithify.silicon.chip import SINGLE_PORT, chip_banks
from lithify.silicon.clock import Clock, sta_program, worst_path
from lithify.silicon.kit import Kit
from lithify.silicon.synthesis import Job, Synthesis, job, result, run, yosys_command, yosys_version

if TYPE_CHECKING:
    from lithify.silicon.power.report import Power

BLOCKS = {
    "array": r"lithify_column_|_compute_array$",
    "post-processing": r"lithify_lane|_compute_post$|_compute_drain$|_post_parameters$",
    "table": r"_post_table$",
    "sequencers": r"_compute$|_compute_weights$|_compute_feeder",
    "vector unit": r"lithify_float_|_chip_vector",
    "queues": r"_queue$|_flying$|_owners$|_store_(reads|responses|words)$",
    "transfers": r"_chip_(load|store)|_read_port$",
    "scratchpad ports": r"_scratchpad$|lithify_sram_",
    "control": r"",
}
"""The blocks of a report, and which modules are theirs: the first that fits."""


@dataclass(frozen=True)
class Block:
    """Standard cells of a part of the chip. nand2: in areas of a NAND2. mm2: None without a kit."""

    name: str
    nand2: int
    mm2: float | None


@dataclass(frozen=True)
class MemoryUse:
    """A single-port memory of the chip. count: how many. macro: what it is made of, `across` x `deep` a piece; None
    where the kit has no macro, and it was inferred from registers, or where there is no kit and it was left out.
    spare_bits: what the macros have of each word beyond `bits`, unused: room for check bits.
    """

    words: int
    bits: int
    count: int
    macro: str | None
    across: int
    deep: int
    spare_bits: int


@dataclass(frozen=True)
class CornerClock:
    """The slowest path at a corner. mhz: without wires; mhz_with_margin: a fifth added to every path for wires.
    typical_macros: the kit times its macros in the typical corner alone, which stands in.
    """

    corner: str
    period_ns: float
    mhz: float
    mhz_with_margin: float
    start: str
    end: str
    typical_macros: bool


@dataclass(frozen=True)
class SynthesisReport:
    """What synthesis made of a chip, before layout.

    kit: None where gates were counted without one; tested: whether Lithify was run with this kit by those who wrote it.
    cell_mm2, macro_mm2: None without a kit. nand2: all cells in areas of a NAND2; cells: how many. notes: what the
    figures leave out, a sentence each. power: while it runs a program, where one was given.
    """

    chip: str
    kit: str | None
    tested: bool
    nand2: int
    cells: int
    cell_mm2: float | None
    macro_mm2: float | None
    blocks: tuple[Block, ...]
    memories: tuple[MemoryUse, ...]
    clocks: tuple[CornerClock, ...]
    notes: tuple[str, ...]
    power: "Power | None" = None

    @property
    def mm2(self) -> float | None:
        """Cells and macros, square millimetres."""
        return None if self.cell_mm2 is None or self.macro_mm2 is None else self.cell_mm2 + self.macro_mm2

    def clock(self, corner: str = "typical") -> CornerClock | None:
        """The clock at a corner, None where it was not timed."""
        return next((clock for clock in self.clocks if clock.corner == corner), None)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and texts."""
        return {**asdict(self), "mm2": self.mm2}


@dataclass(frozen=True)
class Asic:
    """A synthesised chip. job: what Yosys was given; netlist: its file in the cache; paths: of each corner."""

    report: SynthesisReport
    job: Job
    netlist: Path
    paths: Mapping[str, str]


def synthesize_chip(
    chip: Chip,
    kit: Kit | None = None,
    *,
    corners: Sequence[str] | None = None,
    clock_gates: bool = True,
    program: str | None = None,
    progress: Progress | None = None,
) -> Asic:
    """Map a chip to a kit, or to generic gates without one, and time it at `corners` (None: all that the kit has).

    clock_gates: put registers that share an enable behind a clock gate, where the kit has one. program: a Yosys to run
    in place of the wheel. What was mapped once is taken from the cache.
    Errors: LithifyError where Yosys is missing or fails, and for a corner or a file that the kit does not have.
    """
    names = () if kit is None else tuple(kit.corners) if corners is None else tuple(dict.fromkeys(corners))
    if kit is not None:
        for name in names:
            kit.require(name)
    yosys_command(program)  # said before minutes of work, not after
    timed = bool(names) and sta_program() is not None
    stages = Stages(Silent() if progress is None else progress, 2 + timed)
    with stages("Verilog"):
        banks = chip_banks(chip)
        work = job(
            verilog(chip), Top.module_name, kit=kit, memories=banks, clock_hz=chip.clock_hz, clock_gates=clock_gates
        )
    with stages("Yosys") as watch:
        mapped = _mapped(work, program, watch)
    clocks: list[Clock] = []
    if timed:
        assert kit is not None
        with stages("OpenSTA") as watch:
            for number, name in enumerate(names):
                clocks.append(worst_path(mapped, Top.module_name, kit, corner=name))
                watch.update(number + 1, len(names), "corners")
    report = _report(chip, kit, work, mapped, clocks, names)
    return Asic(report, work, mapped.netlist, {clock.corner: clock.path for clock in clocks})


def _mapped(work: Job, program: str | None, progress: Progress) -> Synthesis:
    """The result of a job, from the cache where it was done before."""
    libraries = [library.read_bytes() for library in work.libraries if library.is_file()]
    texts = [part for item in sorted(work.files.items()) for part in item]
    key = digest([yosys_version(program), work.top, *texts, *libraries])

    def make(folder: Path) -> None:
        run(work, folder, program, progress)
        for library in work.libraries:
            (folder / library.name).unlink()

    return result(work, cached("synthesis", key, make))


def _report(
    chip: Chip, kit: Kit | None, work: Job, mapped: Synthesis, clocks: Sequence[Clock], names: Sequence[str]
) -> SynthesisReport:
    nand2 = 1.0 if kit is None else kit.nand2_area
    areas = dict.fromkeys(BLOCKS, 0.0)
    for module, area in mapped.cell_area.items():
        areas[next(name for name, pattern in BLOCKS.items() if re.search(pattern, module))] += area
    cells = sum(areas.values())
    uses = []
    for bank in chip_banks(chip):
        tiling = work.tilings.get(bank.module)
        count = mapped.modules.get(bank.module) or _banks(chip, bank.words, bank.bits)
        if tiling is None:
            uses.append(MemoryUse(bank.words, bank.bits, count, None, 0, 0, 0))
        else:
            spare = tiling.across * tiling.macro.bits - bank.bits
            uses.append(MemoryUse(bank.words, bank.bits, count, tiling.macro.name, tiling.across, tiling.deep, spare))
    return SynthesisReport(
        chip=chip.name,
        kit=None if kit is None else kit.name,
        tested=kit is None or kit.tested,
        nand2=round(cells / nand2),
        cells=mapped.cells,
        cell_mm2=None if kit is None else cells / 1e6,
        macro_mm2=None if kit is None else mapped.macro_area / 1e6,
        blocks=tuple(
            Block(name, round(area / nand2), None if kit is None else area / 1e6)
            for name, area in sorted(areas.items(), key=lambda item: -item[1])
            if area
        ),
        memories=tuple(uses),
        clocks=tuple(
            CornerClock(
                clock.corner,
                round(clock.period * 1e9, 3),
                round(clock.hz / 1e6, 1),
                round(clock.margin_hz / 1e6, 1),
                clock.start,
                clock.end,
                clock.typical_macros,
            )
            for clock in clocks
        ),
        notes=tuple(_notes(kit, uses, clocks, names)),
    )


def _banks(chip: Chip, words: int, bits: int) -> int:
    found = [entry for entry in memories(chip) if entry.name in SINGLE_PORT]
    return sum(entry.count for entry in found if (entry.words, entry.bits) == (words, bits))


def _notes(kit: Kit | None, uses: Sequence[MemoryUse], clocks: Sequence[Clock], names: Sequence[str]) -> list[str]:
    if kit is None:
        return [
            "Without a process kit: gates of any technology, in NAND2 equivalents; memories of the scratchpad and the "
            "vector unit are left out. --pdk names the folder of a kit."
        ]
    notes = [f"Before layout: no wires; the margin adds {MARGIN - 1:.0%} to every path for them. The clock is ideal."]
    inferred = [f"{use.words} x {use.bits} bits" for use in uses if use.macro is None]
    if inferred:
        notes.append(f"The kit has no memory macros: {', '.join(inferred)} became registers.")
    if any(clock.typical_macros for clock in clocks):
        corners = ", ".join(clock.corner for clock in clocks if clock.typical_macros)
        notes.append(f"The kit times its memory macros in its typical corner alone, which stands in at: {corners}.")
    if names and not clocks:
        notes.append("No clock: OpenSTA is not installed (apt-get install opensta; the command is 'sta').")
    if not kit.tested:
        notes.append(f"Untested: the kit '{kit.name}' is described, but Lithify has not been run with it.")
    return notes
