"""Scratchpad banks made of a kit's memory macros."""

from dataclasses import dataclass
from pathlib import Path

from lithify.chip.clock import MARGIN
from lithify.errors import LithifyError
from lithify.silicon.kit import Kit, Macro
from lithify.silicon.liberty import macro_facts

BEHIND_MACRO = 0.30e-9
"""Seconds after a macro's access time: the choice among levels, and the setup of the register behind it."""


@dataclass(frozen=True)
class Tiling:
    """How macros fill a memory: `across` side by side for the width, `deep` above each other for the depth."""

    macro: Macro
    across: int
    deep: int

    @property
    def count(self) -> int:
        """Macros in all."""
        return self.across * self.deep


def tile(kit: Kit, words: int, bits: int, clock_hz: float = 0.0) -> Tiling | None:
    """The tiling of least area whose macros are fast enough for the clock, wire margin included, or the fastest where
    none is; None where the kit has no macros.

    Macros deeper than the memory waste their upper words; a memory deeper than its macros stacks them.
    """
    tilings = [Tiling(macro, -(-bits // macro.bits), -(-words // macro.words)) for macro in kit.macros]
    if not tilings:
        return None
    facts = {macro.name: macro_facts(_library(kit, macro)) for macro in kit.macros}

    def late(tiling: Tiling) -> float:
        """Seconds by which it misses the clock."""
        path = (facts[tiling.macro.name].access + BEHIND_MACRO) * MARGIN
        return max(0.0, path - 1.0 / clock_hz) if clock_hz else 0.0

    return min(tilings, key=lambda t: (late(t), t.count * facts[t.macro.name].area, t.count))


def _library(kit: Kit, macro: Macro) -> Path:
    library = kit.macro_library("typical", macro.name)
    if library is None:
        raise LithifyError(f"The kit '{kit.name}' names the macro '{macro.name}' and no liberty file of it.")
    return library


def bank_verilog(kit: Kit, module: str, words: int, bits: int, tiling: Tiling) -> str:
    """A module with the ports of the scratchpad's bank leaf, built of macros in place of an inferred memory.

    Ports: clk, enable, write_enable, address, write_data, read_data (valid in the cycle after the address).
    """
    pins, macro = kit.macro_pins, tiling.macro
    assert pins is not None, "a kit with macros names their pins"
    address_bits = max(1, (words - 1).bit_length())
    macro_address_bits = (macro.words - 1).bit_length()
    lines = [
        "`default_nettype none",
        f"module {module}(input wire clk, input wire rst, input wire enable, input wire write_enable,",
        f"    input wire [{address_bits - 1}:0] address, input wire [{bits - 1}:0] write_data,",
        f"    output wire [{bits - 1}:0] read_data);",
        f"  localparam WIDTH = {tiling.across * macro.bits};",
        f"  wire [WIDTH-1:0] data_in = {{{{(WIDTH-{bits}){{1'b0}}}}, write_data}};"
        if tiling.across * macro.bits > bits
        else "  wire [WIDTH-1:0] data_in = write_data;",
        f"  wire [{max(address_bits, macro_address_bits) - 1}:0] full_address = address;",
    ]
    outputs = []
    for level in range(tiling.deep):
        lines.append(f"  wire [WIDTH-1:0] out_{level};")
        select = "1'b1" if tiling.deep == 1 else f"full_address[{address_bits - 1}:{macro_address_bits}] == {level}"
        lines.append(f"  wire select_{level} = enable && ({select});")
        for column in range(tiling.across):
            part = f"[{(column + 1) * macro.bits - 1}:{column * macro.bits}]"
            wires = [
                f".{pins.clock}(clk)",
                f".{pins.enable}({pins.level('enable', f'select_{level}')})",
                f".{pins.write}({pins.level('write', 'write_enable')})",
                *([f".{pins.read}({pins.level('read', '!write_enable')})"] if pins.read else []),
                f".{pins.address}(full_address[{macro_address_bits - 1}:0])",
                f".{pins.data_in}(data_in{part})",
                f".{pins.data_out}(out_{level}{part})",
                *(f".{tied.pin}({{{tied.width(macro)}{{1'b1}}}})" for tied in pins.ones),
                *(f".{tied.pin}({{{tied.width(macro)}{{1'b0}}}})" for tied in pins.zeros),
            ]
            lines.append(f"  {macro.name} macro_{level}_{column} ({', '.join(wires)});")
        outputs.append(f"out_{level}")
    if tiling.deep == 1:
        lines.append(f"  assign read_data = out_0[{bits - 1}:0];")
    else:
        # The level read last holds the data; reads take one cycle, so the selection is remembered for one.
        bits_of_level = address_bits - macro_address_bits
        lines.append(f"  reg [{bits_of_level - 1}:0] level;")
        lines.append(
            f"  always @(posedge clk) if (enable) level <= full_address[{address_bits - 1}:{macro_address_bits}];"
        )
        choice = outputs[-1]
        for index in reversed(range(tiling.deep - 1)):
            choice = f"level == {index} ? out_{index} : {choice}"
        lines.append(f"  wire [WIDTH-1:0] chosen = {choice};")
        lines.append(f"  assign read_data = chosen[{bits - 1}:0];")
    return "\n".join([*lines, "endmodule", ""])
