"""A chip's synthesis as tables in a terminal."""

from rich.table import Table

from lithify.report.terminal import new_table
from lithify.silicon.asic import SynthesisReport
from lithify.silicon.power.report import Power


def synthesis_tables(found: SynthesisReport) -> list[Table]:
    """Area by block, then memories, then clocks, as far as there are any."""
    where = "without a process kit" if found.kit is None else f"on {found.kit}, before layout"
    blocks = new_table(f"{found.chip} {where} (synthesised)", "block", "NAND2", "mm2", right=("NAND2", "mm2"))
    for block in found.blocks:
        blocks.add_row(block.name, f"{block.nand2:,}", _mm2(block.mm2))
    blocks.add_row(f"{found.cells:,} cells", f"{found.nand2:,}", _mm2(found.cell_mm2))
    if found.macro_mm2 is not None:
        blocks.add_row("memory macros", "", _mm2(found.macro_mm2))
        blocks.add_row("all", "", _mm2(found.mm2))
    tables = [blocks]
    if found.memories:
        memories = new_table("", "memory", "pieces", "made of", right=("pieces",))
        for use in found.memories:
            made = "left out" if found.kit is None else "registers"
            if use.macro is not None:
                made = f"{use.across} x {use.deep} {use.macro}"
                made += f", {use.spare_bits} bits of a word to spare" if use.spare_bits else ""
            memories.add_row(f"{use.words:,} x {use.bits} bits", str(use.count), made)
        tables.append(memories)
    if found.clocks:
        right = ("period", "no wires", "with margin")
        clocks = new_table("", "corner", *right, "slowest path", right=right)
        for clock in found.clocks:
            clocks.add_row(
                clock.corner,
                f"{clock.period_ns:.2f} ns",
                f"{clock.mhz:.0f} MHz",
                f"{clock.mhz_with_margin:.0f} MHz",
                f"{clock.start} -> {clock.end}",
            )
        tables.append(clocks)
    if found.power is not None:
        tables.append(_power(found.power))
    return tables


def _power(power: Power) -> Table:
    """Milliwatts by block."""
    title = (
        f"{power.program} at {power.clock_mhz:g} MHz (synthesised; activity of the run in RTL, {power.sampled:,} of "
        f"{power.cycles:,} cycles)"
    )
    right = ("clock mW", "data mW", "leakage mW", "mW")
    table = new_table(title, "block", *right, right=right)
    for block in power.blocks:
        table.add_row(block.name, *(f"{part:.3f}" for part in (block.clock, block.data, block.leakage, block.total)))
    sums = (sum(getattr(block, part) for block in power.blocks) for part in ("clock", "data", "leakage"))
    table.add_row("all", *(f"{part:.3f}" for part in sums), f"{power.milliwatts:.1f} +- {power.error:.1%}")
    table.add_row("of one inference", "", "", "", f"{power.microjoules:.1f} uJ")
    behind = f"{power.gated:,} of {power.registers:,} registers behind clock gates"
    table.add_row(f"{behind}; {power.clock_edges:.0%} of clock edges reach them", "", "", "", "")
    return table


def _mm2(area: float | None) -> str:
    return "" if area is None else f"{area:.3f}"
