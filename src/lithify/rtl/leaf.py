"""Leaf modules: a block that repeats is emitted once and instantiated.

Amaranth writes a fresh copy of a submodule wherever one is placed. For an array of hundreds of equal cells that makes
the Verilog several times longer and its simulation slower (measured on 16 x 16 cells: 24,629 lines against 4,300). A
block that repeats is therefore a *leaf*: a component with a ``module_name`` that spells out every parameter its
netlist depends on, and it is placed with :func:`place`.

Under Amaranth's own simulator (no platform) a leaf is an ordinary submodule. While Verilog is written, the platform is
a :class:`LeafCollector`, which converts the first leaf of each name and turns every placement into an instance.
"""

import re
from typing import Any, Protocol

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring


class Leaf(Protocol):
    """A component with the name of the Verilog module it becomes."""

    @property
    def module_name(self) -> str:
        """Name of the Verilog module: equal names promise equal netlists."""

    @property
    def signature(self) -> wiring.Signature: ...

    def elaborate(self, platform: Any) -> Module: ...


class LeafCollector:
    """The platform under which Verilog is written; gathers every leaf once."""

    def __init__(self) -> None:
        self.rtlil: dict[str, str] = {}

    def ports(self, leaf: Leaf) -> frozenset[str]:
        """Convert ``leaf`` if its name is new; the names of the module's ports, clock and reset among them."""
        name = leaf.module_name
        if name not in self.rtlil:
            self.rtlil[name] = convert(leaf, self)
        top = re.search(rf"^module \\{re.escape(name)}$(.*?)^end$", self.rtlil[name], re.MULTILINE | re.DOTALL)
        assert top is not None, name
        return frozenset(re.findall(r"^ +wire .*?(?:input|output) +\d+ +(?:signed +)?\\(\w+)", top[1], re.MULTILINE))


def convert(component: Leaf, collector: LeafCollector) -> str:
    """RTLIL of ``component`` and of its submodules, without those of the leaves it places."""
    return rtlil.convert(component, name=component.module_name, platform=collector, emit_src=False,
                         ports={name: (value, flow) for name, value, flow in flat_ports(component)})  # fmt: skip


def flat_ports(component: Any) -> list[tuple[str, Value, PortDirection]]:
    """Every port of a component: its name in Verilog (path joined by ``_``), its signal and its direction."""
    ports = []
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports.append(("_".join(map(str, path)), Value.cast(value), direction))
    assert len({name for name, _, _ in ports}) == len(ports), "two ports would share a name"
    return ports


def place(m: Module, name: str, leaf: Leaf, platform: Any) -> None:
    """Add ``leaf`` to ``m`` as submodule ``name``; the leaf's own port signals are the wires to connect to."""
    if not isinstance(platform, LeafCollector):
        m.submodules[name] = leaf
        return
    leaf._MustUse__used = True  # an instance stands for it; Amaranth need not warn
    ports = platform.ports(leaf)
    wires: dict[str, Any] = {}
    for port, value, direction in flat_ports(leaf):
        if port in ports:
            wires[("i_" if direction == PortDirection.Input else "o_") + port] = value
    if "clk" in ports:
        wires["i_clk"] = ClockSignal()
    if "rst" in ports:
        wires["i_rst"] = ResetSignal()
    m.submodules[name] = Instance(leaf.module_name, **wires)
