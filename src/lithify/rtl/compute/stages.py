"""Values that travel down a pipeline, and instructions that keep only some of their fields."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from lithify.isa import BY_NAME
from lithify.rtl.instruction import layout

COMPUTE = layout(BY_NAME["CONV"])
"""The fields of a compute instruction; the same for CONV, DEPTHWISE and STREAM."""


def delayed(m: Module, value: Any, cycles: int, name: str, *, reset: bool = False) -> list[Any]:
    """``value`` and its copies 1 to ``cycles`` cycles later. ``reset``: the copies start as 0 (for valid bits)."""
    copies = [value]
    for number in range(1, cycles + 1):
        copy = Signal(Value.cast(value).shape(), name=f"{name}_{number}", reset_less=not reset)
        m.d.sync += copy.eq(copies[-1])
        copies.append(copy)
    return copies


def fields(names: Sequence[str]) -> data.StructLayout:
    """A layout of some fields of a compute instruction."""
    return data.StructLayout({name: COMPUTE[name].shape for name in names})


def copied(target: Any, source: Any) -> list[Any]:
    """Assignments of every field of ``target`` from the field of that name of ``source``."""
    return [target[name].eq(source[name]) for name, _ in target.shape()]
