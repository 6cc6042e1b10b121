"""Verilog from Amaranth: one file a module, leaves emitted once, the same text on every machine."""

import re

from amaranth.back.verilog import _convert_rtlil_text  # the one step of Amaranth's writer that takes RTLIL text

from lithify.rtl.clocked import clocked
from lithify.rtl.leaf import Leaf, LeafCollector, convert

HEADER = "// Written by Lithify. Do not edit.\n`default_nettype none\n\n"

_BLOCK = re.MULTILINE | re.DOTALL


def modules(top: Leaf) -> dict[str, str]:
    """The Verilog of ``top`` and everything below it.

    Returns a dictionary from file name (``<module>.v``) to text, the top module first. Interface ports are joined with
    one underscore (``m_axi_araddr``). The text holds no paths and no times, so its hash names the design.
    """
    verilog = _convert_rtlil_text(design_rtlil(top), strip_internal_attrs=True)
    files: dict[str, str] = {}
    for body in re.findall(r"^module .*?^endmodule$", verilog, re.MULTILINE | re.DOTALL):
        name = re.match(r"module (\w+)", body)
        assert name is not None, body[:80]
        files[f"{name[1]}.v"] = HEADER + clocked(body) + "\n"
    first = f"{top.module_name}.v"
    return {first: files.pop(first), **dict(sorted(files.items()))}


def design_rtlil(top: Leaf) -> str:
    """The whole design as RTLIL (Yosys's own text form), with plain module names: ``chip.load`` is ``chip_load``."""
    collector = LeafCollector()
    text = convert(top, collector)
    text = "\n".join([text, *collector.rtlil.values()])
    # Values of no bits (an index into one) would become vectors [-1:0], which are two bits wide.
    text = re.sub(r"^(  wire width 0 .*|connect \\\S+ \{ *\})\n", "", text, flags=re.MULTILINE)
    # Memories of zeros begin undefined, as SRAM does; Verilog would list every word.
    text = re.sub(r"^  cell \$meminit_v2 (?:(?!^  end).)*?connect \\DATA \d+'0+$.*?^  end\n", "", text, flags=_BLOCK)
    names = re.findall(r"^module \\(\S+)$", text, re.MULTILINE)
    flat = {name: name.replace(".", "_") for name in names}
    assert len(set(flat.values())) == len(flat) == len(names), "two modules would share a name"
    return re.sub(r"^(module|  cell) \\(\S+)", lambda m: f"{m[1]} \\{flat.get(m[2], m[2])}", text, flags=re.MULTILINE)
