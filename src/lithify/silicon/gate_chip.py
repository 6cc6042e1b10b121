"""The netlist of a whole chip, or of a block, as Verilog that a simulator runs in place of its own."""

from collections.abc import Mapping, Sequence

from lithify.chip import Chip
from lithify.silicon.asic import Asic
from lithify.silicon.cells import Cell, Pin, library
from lithify.silicon.chip import chip_banks
from lithify.silicon.gate_level import Parts, gate_level
from lithify.silicon.kit import Kit, Macro, MacroPins
from lithify.silicon.netlist import read_netlist
from lithify.silicon.synthesis import GATE_NETLIST, ONE, ZERO, Memory, Synthesis

FUNCTIONS = {
    "$_NOT_": "!A", "$_BUF_": "A", "$_NAND_": "!(A*B)", "$_NOR_": "!(A+B)", "$_AND_": "A*B", "$_OR_": "A+B",
    "$_ANDNOT_": "A*!B", "$_ORNOT_": "A+!B", "$_XOR_": "A^B", "$_XNOR_": "!(A^B)", "$_MUX_": "(A*!S)+(B*S)",
    "$_NMUX_": "!((A*!S)+(B*S))", ONE: "1", ZERO: "0",
}  # fmt: skip
"""What Yosys' generic gates compute, as a liberty file would say it."""

BANK = MacroPins(
    clock="clk", enable="enable", write="write_enable", address="address", data_in="write_data", data_out="read_data"
)
"""The ports of a bank that was left out of synthesis."""


def chip_gates(chip: Chip, asic: Asic, kit: Kit | None) -> Mapping[str, str]:
    """File name -> text of a synthesised chip: of a kit's cells, with models of its memory macros, or of generic gates.

    The top module has the name and the ports of the chip's own.
    """
    top = asic.job.top
    mapped = Synthesis(asic.netlist, {}, 0.0, 0, dict.fromkeys(asic.job.macros, 0), {})
    return block_gates(mapped, top, asic.job.files[f"{top}.v"], kit, chip_banks(chip))


def block_gates(
    mapped: Synthesis, top: str, verilog: str, kit: Kit | None, memories: Sequence[Memory] = ()
) -> Mapping[str, str]:
    """File name -> text of the netlist of module `top`, whose text before synthesis was `verilog`.

    memories: that were left out, where there is no kit.
    """
    if kit is None:
        banks = {bank.module: (Macro(name=bank.module, words=bank.words, bits=bank.bits), BANK) for bank in memories}
        parts, path = Parts(generic_cells(), banks, None), mapped.netlist.with_name(GATE_NETLIST)
    else:
        assert kit.macro_pins is not None or not mapped.macros, "a kit with macros names their pins"
        macros = {macro.name: (macro, kit.macro_pins) for macro in kit.macros if macro.name in mapped.macros}
        cells = library(kit.cells("typical").absolute()).cells
        parts, path = Parts(cells, macros, kit.clock_gate), mapped.netlist  # type: ignore[arg-type]
    netlist = read_netlist(path.read_text(encoding="utf-8"), top, lambda kind: False)
    return {f"{top}.v": gate_level(netlist, top, verilog, parts)}


def generic_cells() -> dict[str, Cell]:
    """Yosys' generic gates as the cells of a library without areas and energies."""

    def pin(name: str, function: str | None = None) -> Pin:
        return Pin(name, function is not None, 0.0, function, False, ())

    inputs = {name: pin(name) for name in "ABSCD"}
    found = {name: Cell(name, {**inputs, "Y": pin("Y", text)}, 0.0, False, None) for name, text in FUNCTIONS.items()}
    register = Cell(
        "$_DFF_P_", {**inputs, "Q": pin("Q", "IQ")}, 0.0, True, "IQ", inverse="IQN", clock="C", next_state="D"
    )
    return {**found, register.name: register}
