"""Nodes of a cluster in one simulation: their Verilog in one clock loop, a DRAM each, links with seeded errors."""

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.isa.peer import BY_NAME, FRAME_WORDS, WORD_BYTES, Wires
from lithify.rtl.peer.node import Node, Peer, node_verilog, peer_verilog
from lithify.rtl.simulation.backends import Backend
from lithify.rtl.simulation.build import SLOW, Build, Harness, build, model_lines, ports_of
from lithify.rtl.simulation.session import FAULTS, SLICE, STUCK


def adapter(top: str, tool: Backend) -> str:
    """The C++ header that names each port of a node, or of the link of one alone."""
    ports = ports_of(top)
    chip = "m_axi_wdata" in ports
    lines = [f'#pragma once\n#include "{tool.model}"\n', "struct Dut {"]
    lines.append(f"    static constexpr bool has_chip = {str(chip).lower()};")
    lines.append(f"    static constexpr uint64_t link_bytes = {WORD_BYTES};")
    if chip:
        lines.append(f"    static constexpr uint64_t bus_bytes = {ports['m_axi_wdata'] // 8};")
    return "\n".join([*lines, *model_lines(ports, tool), "};", ""])


NODES = Harness(("nodes.cpp", "memory_model.h", "port.h"), adapter)
"""Drives nodes through their buses, is their memories and the links between them."""


def build_nodes(chip: Chip | None, progress: Callable[[str], None] | None = None) -> Build:
    """The simulator of nodes with this chip, from the cache where it is there. None: of links without chips.

    What is run in it is short: it is built quickly rather than to run quickly.
    """
    files, top = _verilog_of(chip)
    return build(files, top.module_name, progress=progress, harness=NODES, level=SLOW)


@functools.lru_cache(maxsize=4)
def _verilog_of(chip: Chip | None) -> tuple[dict[str, str], type[Node | Peer]]:
    return (peer_verilog(), Peer) if chip is None else (node_verilog(chip), Node)


class Nodes:
    """Nodes after reset, 0 linked with 1, 2 with 3: ``with Nodes(library, drams, wires, bytes_per_cycle=5) as nodes``

    ``drams``: a one-dimensional contiguous uint8 array for each node, all of one size, read and written in place. A
    cycle is one of all nodes.
    """

    def __init__(
        self, library: Path, drams: Sequence[npt.NDArray[np.uint8]], wires: Wires, *, bytes_per_cycle: int,
        latency: int = 100,
    ) -> None:  # fmt: skip
        for dram in drams:
            if dram.dtype != np.uint8 or dram.ndim != 1 or not dram.flags.c_contiguous or dram.size != drams[0].size:
                raise LithifyError("The DRAM of each node is a contiguous uint8 array of one dimension, all of a size.")
        if len(drams) % 2:
            raise LithifyError(f"Nodes are linked two and two; {len(drams)} were given.")
        self._api, self._drams = _load(library), tuple(drams)
        self._wires, self._latency = wires, latency
        pointers = (ctypes.c_void_p * len(drams))(*(dram.ctypes.data for dram in drams))
        cut = STUCK if wires.cut is None else wires.cut
        self._handle: int | None = self._api.nodes_open(
            len(drams), pointers, drams[0].size, bytes_per_cycle, latency, wires.latency, wires.seed, wires.threshold,
            cut,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._handle is not None:
            self._api.nodes_close(self._handle)
            self._handle = None

    def write(self, node: int, address: int, value: int) -> int:
        """Write a 32-bit register of a node; the cycle in which it was accepted."""
        cycle = int(self._api.nodes_write(self._handle, node, address, value & 0xFFFFFFFF))
        if cycle == STUCK:
            raise LithifyError(f"Node {node} did not accept a write of register {address:#x}.")
        return cycle

    def read(self, node: int, address: int) -> int:
        """Read a 32-bit register of a node."""
        value = ctypes.c_uint32()
        if self._api.nodes_read(self._handle, node, address, ctypes.byref(value)):
            raise LithifyError(f"Node {node} did not answer a read of register {address:#x}.")
        return value.value

    def run(self, cycle_limit: int = 1 << 40) -> None:
        """Clock all nodes until each has ended its orders and what is on the links has come and been answered.

        Raises LithifyError where they have not after so many cycles, and where one breaks a rule of its memory.
        """
        end = self.now + cycle_limit
        # No pause between two words is longer: a burst read, another written, a time-out.
        timeouts = [self.read(node, BY_NAME["LINK_TIMEOUT"].offset) for node in range(len(self._drams))]
        quiet = self._wires.latency + 4 * (self._latency + FRAME_WORDS) + max(timeouts)
        while not self._api.nodes_run(self._handle, min(SLICE, end - self.now), quiet):
            address = ctypes.c_uint64()
            for node, dram in enumerate(self._drams):
                if fault := self._api.nodes_fault(self._handle, node, ctypes.byref(address)):
                    reason = FAULTS[fault].format(address=address.value, dram_bytes=dram.size)
                    raise LithifyError(f"Node {node} broke a bus of its memory in cycle {self.now - 1}: {reason}.")
            if self.now >= end:
                raise LithifyError(f"The nodes had not finished after the limit of {cycle_limit} cycles.")

    @property
    def now(self) -> int:
        """The number of the current cycle since reset."""
        return int(self._api.nodes_now(self._handle))

    @property
    def damaged(self) -> int:
        """Words that the links damaged or lost, those behind a cut apart."""
        return int(self._api.nodes_damaged(self._handle))

    def record(self) -> None:
        """Keep every word that is put on a link."""
        self._api.nodes_record(self._handle, 1)

    def words(self, node: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
        """Those that a node put on its link: cycles, and kinds with their 16 bytes, [n, 17]."""
        count = self._api.nodes_words(self._handle, node, None, None)
        cycle, words = np.empty(count, np.uint64), np.empty((count, 1 + WORD_BYTES), np.uint8)
        self._api.nodes_words(self._handle, node, cycle.ctypes.data, words.ctypes.data)
        return cycle, words

    def trace(self, node: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Every retirement of a node's chip since reset: queues (4: END) and cycles."""
        count = self._api.nodes_trace(self._handle, node, None, None)
        queue, cycle = np.empty(count, np.uint32), np.empty(count, np.uint64)
        self._api.nodes_trace(self._handle, node, queue.ctypes.data, cycle.ctypes.data)
        return queue, cycle


@functools.cache
def _load(library: Path) -> Any:
    api = ctypes.CDLL(str(library))
    handle, word = ctypes.c_void_p, ctypes.c_uint64
    api.nodes_open.restype = handle
    api.nodes_open.argtypes = [word, ctypes.c_void_p, *[word] * 7]
    api.nodes_close.argtypes = [handle]
    api.nodes_write.restype = word
    api.nodes_write.argtypes = [handle, word, ctypes.c_uint32, ctypes.c_uint32]
    api.nodes_read.argtypes = [handle, word, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)]
    api.nodes_run.argtypes = [handle, word, word]
    for name in ("nodes_now", "nodes_damaged"):
        getattr(api, name).restype = word
        getattr(api, name).argtypes = [handle]
    api.nodes_fault.argtypes = [handle, word, ctypes.POINTER(word)]
    api.nodes_record.argtypes = [handle, ctypes.c_int32]
    for name in ("nodes_words", "nodes_trace"):
        getattr(api, name).restype = word
        getattr(api, name).argtypes = [handle, word, ctypes.c_void_p, ctypes.c_void_p]
    return api
