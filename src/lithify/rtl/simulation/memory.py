"""A board's memory alone, simulated: its bus and its host's port, a cycle a call."""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.axi import AXI4
from lithify.rtl.link.controller import SdramPins, SdramStore
from lithify.rtl.link.memory import Memory
from lithify.rtl.link.sdram import SDRAM_256M, Sdram
from lithify.rtl.link.store import BlockStore, HostPort
from lithify.rtl.netlist import modules
from lithify.rtl.simulation.backends import Backend
from lithify.rtl.simulation.build import Build, Harness, build, model_lines, ports_of
from lithify.rtl.simulation.sdram import check, pins_line, rules

INPUTS = (
    "arvalid", "araddr", "arlen", "awvalid", "awaddr", "awlen", "wvalid", "wdata", "host_valid", "host_write",
    "host_address", "host_data",
)  # fmt: skip
OUTPUTS = (
    "arready", "awready", "rvalid", "rdata", "rlast", "rresp", "wready", "bvalid", "bresp", "host_ready",
    "host_read_valid", "host_read_data", "late", "fault", "fault_cycle", "refreshes", "activations",
)  # fmt: skip


class Inputs(ctypes.Structure):
    """What is asked in a cycle; 0 where nothing is."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in INPUTS)


class Outputs(ctypes.Structure):
    """What the memory shows in a cycle."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in OUTPUTS)


class Alone(wiring.Component):
    """A memory as a module of its own, the pins of its SDRAM beside it."""

    module_name = "lithify_memory"

    def __init__(self, store: BlockStore | SdramStore, bus_bytes: int, bytes_per_cycle: int) -> None:
        self.memory = Memory(store, bus_bytes, bytes_per_cycle)
        self.store = store
        ports: dict[str, Any] = {
            "bus": In(AXI4(bus_bytes)),
            "host": In(HostPort(bus_bytes, store.words)),
            "late": Out(1),
        }
        if isinstance(store, SdramStore):
            ports["sdram"] = Out(SdramPins(store.memory))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = self.memory
        wiring.connect(m, wiring.flipped(self.bus), self.memory.bus)
        wiring.connect(m, wiring.flipped(self.host), self.memory.host)
        m.d.comb += self.late.eq(self.memory.late)
        if isinstance(self.store, SdramStore):
            wiring.connect(m, wiring.flipped(self.sdram), self.store.pins)
        return m


def adapter(top: str, tool: Backend) -> str:
    """The C++ header that names each port."""
    ports = ports_of(top)
    lines = ["#pragma once", f'#include "{tool.model}"', "struct Dut {", pins_line(ports), *model_lines(ports, tool)]
    return "\n".join([*lines, "};", ""])


MEMORY = Harness(("memory.cpp", "sdram_model.h", "port.h"), adapter)
"""Asks a memory what it is told to, and is the SDRAM behind it."""


def build_memory(memory: Alone, progress: Callable[[str], None] | None = None) -> Build:
    """The simulator of a memory, from the cache where it is there."""
    return build(modules(memory), Alone.module_name, progress=progress, harness=MEMORY)


class MemorySession:
    """A memory after reset: ``with MemorySession(library, chip, clock_hz) as memory: memory.cycle(Inputs(arvalid=1))``

    chip: the SDRAM behind it, whose rules are checked, whatever the controller was built for.
    """

    def __init__(self, library: Path, chip: Sdram = SDRAM_256M, clock_hz: int = 25_000_000) -> None:
        self._api = _load(library)
        self._handle = self._api.memory_open(ctypes.byref(rules(chip, clock_hz)))
        self._shown = Outputs()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._api.memory_close(self._handle)

    def cycle(self, asked: Inputs) -> Outputs:
        """A cycle; the answer is overwritten by the next. Raises LithifyError for a broken rule of the SDRAM."""
        self._api.memory_cycle(self._handle, ctypes.byref(asked), ctypes.byref(self._shown))
        if self._shown.fault:
            check(self._shown.fault, self._shown.fault_cycle)
        return self._shown


@functools.cache
def _load(library: Path) -> Any:
    api = ctypes.CDLL(str(library))
    api.memory_open.restype = ctypes.c_void_p
    api.memory_open.argtypes = [ctypes.c_void_p]
    api.memory_close.argtypes = [ctypes.c_void_p]
    api.memory_cycle.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return api
