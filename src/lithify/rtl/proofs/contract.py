"""What the contracts of blocks are written with: the block beside its promise, in one module.

A contract is a module without ports: whatever is free is driven by a value that the solver chooses anew in every cycle
(`free`) or once (`any_constant`). Registers have no reset; they begin with their initial values.
"""

from collections.abc import Mapping
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Module, Signal, Value
from amaranth.hdl._mem import MemoryInstance
from amaranth.lib import wiring

CONTRACT = "contract"
"""The module of the promise; everything else is the block, whose instance is called `proven`."""


def contract() -> Module:
    """An empty contract, with a clock."""
    m = Module()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    return m


def free(m: Module, *signals: Any) -> None:
    """Any value in every cycle for each of these inputs of a block."""
    for signal in signals:
        m.d.comb += Value.cast(signal).eq(AnySeq(len(Value.cast(signal))))


def free_inputs(m: Module, block: wiring.Component, *but: str) -> None:
    """Any value in every cycle for each input of a component, those named in `but` (paths joined by `_`) apart."""
    for path, member, value in block.signature.flatten(block):
        if member.flow == wiring.In and "_".join(map(str, path)) not in but:
            free(m, value)


def any_constant(m: Module, bits: int, name: str) -> Signal:
    """Any value, the same in every cycle."""
    signal = Signal(bits, name=name)
    m.d.comb += signal.eq(AnyConst(bits))
    return signal


def before(m: Module, value: Any, name: str, cycles: int = 1) -> Signal:
    """What a value was so many cycles ago; 0 before the first."""
    assert m.domain._depth == 0, "a register inside of an If would be written there alone"
    for number in range(cycles):
        signal = Signal(Value.cast(value).shape(), name=f"{name}_before_{number + 1}")
        m.d.sync += signal.eq(value)
        value = signal
    return value


def opened(m: Module, block: Any) -> Mapping[str, Signal]:
    """Places a block and gives the signals inside it by name, for invariants; of equal names a register, or the first.

    A contract states what the block's ports do; a signal from inside serves only to make it inductive.
    """
    m.submodules.proven = fragment = Fragment.get(block, None)
    return signals(fragment)


def signals(fragment: Fragment) -> Mapping[str, Signal]:
    """The signals of a fragment by name, those of its parts apart; of equal names a register, or the first."""
    found: dict[str, Signal] = {}
    for _, statements in sorted(fragment.statements.items(), key=lambda item: item[0] == "comb"):
        for signal in (*statements._lhs_signals(), *statements._rhs_signals()):
            found.setdefault(signal.name, signal)
    return found


def peek(fragment: Fragment, address: Signal, data: Signal) -> None:
    """Another reading port of the first memory below a fragment, for an invariant."""
    for child, *_ in fragment.subfragments:
        if isinstance(child, MemoryInstance):
            child.read_port(domain="comb", addr=address, data=data, en=1, transparent_for=())
            return
        peek(child, address, data)


def contract_rtlil(m: Module) -> str:
    """The contract and its block as RTLIL, modules with plain names, the top module `contract`."""
    domain = m._domains["sync"]
    text = rtlil.convert(m, name=CONTRACT, ports=[domain.clk])
    return text
