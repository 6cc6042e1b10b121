"""A chip's synthesis as tables in a terminal."""

from rich.table import Table

from lithify.report.terminal import new_table
from lithify.silicon.asic import SynthesisReport


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
    return tables


def _mm2(area: float | None) -> str:
    return "" if area is None else f"{area:.3f}"
