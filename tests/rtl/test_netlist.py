"""Writing Verilog: leaves once, plain names, the same text every time."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.leaf import place
from lithify.rtl.netlist import modules


class Cell(wiring.Component):
    module_name = "cell8"
    a: In(8)
    y: Out(8)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.y.eq(self.y + self.a)
        return m


class Chain(wiring.Component):
    module_name = "chain"
    port: In(wiring.Signature({"a": Out(8), "y": In(8)}))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        value = self.port.a
        for index in range(3):
            cell = Cell()
            place(m, f"cell{index}", cell, platform)
            m.d.comb += cell.a.eq(value)
            value = cell.y
        m.d.comb += self.port.y.eq(value)
        return m


def test_a_leaf_is_emitted_once_and_instantiated() -> None:
    files = modules(Chain())
    assert list(files) == ["chain.v", "cell8.v"]
    assert files["chain.v"].count("cell8 cell") == 3
    assert "module chain(clk, rst, port_y, port_a);" in files["chain.v"]


def test_the_text_is_reproducible_and_holds_no_path() -> None:
    first, second = modules(Chain()), modules(Chain())
    assert first == second
    assert "/" not in "".join(first.values()).replace("//", "")
