"""Driving a built simulator: registers, DRAM as a numpy array, counters, the trace of retirements."""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lithify.errors import LithifyError

STUCK = (1 << 64) - 1
SLICE = 1 << 18  # cycles between two looks at the keyboard and the progress bar: about a second

FAULTS = {
    1: "a burst at address {address:#x} lies outside the DRAM image of {dram_bytes} bytes",
    2: "the burst at address {address:#x} crosses a 4 KB boundary",
    3: "the burst at address {address:#x} is not an incrementing burst of whole, aligned bus words",
    4: "the chip was not ready for what the memory gave (address {address:#x})",
    5: "WLAST came in the wrong beat of the burst that reached address {address:#x}",
}


class _Counts(ctypes.Structure):
    _fields_ = (
        ("now", ctypes.c_uint64),
        ("bytes_read", ctypes.c_uint64),
        ("bytes_written", ctypes.c_uint64),
        ("fault_address", ctypes.c_uint64),
        ("trace_length", ctypes.c_uint64),
        ("results", ctypes.c_uint64),
        ("fault", ctypes.c_int32),
        ("interrupt", ctypes.c_int32),
    )


@dataclass(frozen=True)
class Counters:
    """What the harness has counted since reset; the bytes are those of whole beats on the bus, the results words that
    post-processing wrote while they were recorded.
    """

    cycle: int
    bytes_read: int
    bytes_written: int
    results: int


@functools.cache
def _load(library: Path) -> Any:
    api = ctypes.CDLL(str(library))
    handle, word = ctypes.c_void_p, ctypes.c_uint64
    api.lithify_open.restype = handle
    api.lithify_open.argtypes = [ctypes.c_void_p, word, word, word]
    api.lithify_close.argtypes = [handle]
    api.lithify_bus_bytes.restype = word
    api.lithify_write.restype = word
    api.lithify_write.argtypes = [handle, ctypes.c_uint32, ctypes.c_uint32]
    api.lithify_read.restype = ctypes.c_int32
    api.lithify_read.argtypes = [handle, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)]
    api.lithify_run.argtypes = [handle, word]
    api.lithify_counts.argtypes = [handle, ctypes.POINTER(_Counts)]
    api.lithify_trace.argtypes = [handle, ctypes.c_void_p, ctypes.c_void_p]
    api.lithify_record.argtypes = [handle, ctypes.c_int32]
    api.lithify_word_bytes.restype = word
    api.lithify_result_ports.restype = word
    api.lithify_result_count.restype = word
    api.lithify_result_count.argtypes = [handle, word]
    api.lithify_results.argtypes = [handle, word, ctypes.c_void_p, ctypes.c_void_p]
    return api


class Session:
    """One simulated chip after reset, with its DRAM: ``with Session(library, dram, bytes_per_cycle=5) as chip: ...``

    ``dram`` is a one-dimensional contiguous uint8 array, address 0 first; the chip reads and writes it in place.
    ``latency`` is in cycles from the acceptance of a burst to its first beat.
    """

    def __init__(self, library: Path, dram: npt.NDArray[np.uint8], *, bytes_per_cycle: int, latency: int = 100) -> None:
        if dram.dtype != np.uint8 or dram.ndim != 1 or not dram.flags.c_contiguous or not dram.flags.writeable:
            raise LithifyError(
                f"The DRAM image is an array of {dram.dtype} with shape {dram.shape}; "
                "give a writeable one-dimensional contiguous uint8 array."
            )
        self._api = _load(library)
        self._dram = dram
        self._handle: int | None = self._api.lithify_open(dram.ctypes.data, dram.size, bytes_per_cycle, latency)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulated chip; the DRAM array stays the caller's."""
        if self._handle is not None:
            self._api.lithify_close(self._handle)
            self._handle = None

    def write(self, address: int, value: int) -> int:
        """Write a 32-bit register; returns the number of the cycle in which the chip accepted it."""
        cycle = int(self._api.lithify_write(self._handle, address, value & 0xFFFFFFFF))
        if cycle == STUCK:
            raise LithifyError(f"The chip did not accept a write of register {address:#x}.")
        return cycle

    def read(self, address: int) -> int:
        """Read a 32-bit register."""
        value = ctypes.c_uint32()
        if self._api.lithify_read(self._handle, address, ctypes.byref(value)):
            raise LithifyError(f"The chip did not answer a read of register {address:#x}.")
        return value.value

    def run(
        self,
        *,
        cycle_limit: int = 1 << 40,
        progress: Callable[[int], None] | None = None,
        every: int = SLICE,
        sampled: Callable[[Counters], None] | None = None,
    ) -> None:
        """Clock the chip until it raises its interrupt.

        ``progress`` is called with the cycle number about every 260,000 cycles; ``sampled`` with the counters after
        ``every`` cycles and at the end. Raises LithifyError when the interrupt has not come after ``cycle_limit``
        cycles, or when the chip breaks a rule of the bus.
        """
        start = told = self.counters().cycle
        while not self._finished():
            left = start + cycle_limit - self.counters().cycle
            if left <= 0:
                raise LithifyError(f"The simulated chip had not finished after the limit of {cycle_limit} cycles.")
            self._api.lithify_run(self._handle, min(left, every, SLICE))
            now = self.counters()
            if sampled:
                sampled(now)
            if progress and now.cycle - told >= SLICE:
                told = now.cycle
                progress(told)

    def advance(self, cycles: int) -> bool:
        """Clock the chip until it raises its interrupt, at most so many cycles; whether it has.

        Raises LithifyError when the chip breaks a rule of the bus.
        """
        if not self._finished():
            self._api.lithify_run(self._handle, cycles)
        return self._finished()

    def _finished(self) -> bool:
        """Whether the interrupt is there; LithifyError for a fault."""
        counts = self._counts()
        if counts.fault:
            reason = FAULTS[counts.fault].format(address=counts.fault_address, dram_bytes=self._dram.size)
            raise LithifyError(f"The simulated chip broke the memory bus in cycle {counts.now - 1}: {reason}.")
        return bool(counts.interrupt)

    def counters(self) -> Counters:
        """The harness's own counters, since reset."""
        counts = self._counts()
        return Counters(counts.now, counts.bytes_read, counts.bytes_written, counts.results)

    def trace(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Every retirement since reset, in order: the queue it happened in and the cycle, as two arrays."""
        length = self._counts().trace_length
        queue, cycle = np.empty(length, np.uint32), np.empty(length, np.uint64)
        self._api.lithify_trace(self._handle, queue.ctypes.data, cycle.ctypes.data)
        return queue, cycle

    def record(self, on: bool = True) -> None:
        """Keep, or stop keeping, every word of results; it costs memory and a little time."""
        self._api.lithify_record(self._handle, on)

    def results(self) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """The words kept since reset: scratchpad addresses, and data of shape [words, word_bytes].

        First those of post-processing in their order, then those of the vector unit in theirs.
        """
        ports = self._api.lithify_result_ports()
        counts = [self._api.lithify_result_count(self._handle, port) for port in range(ports)]
        address = np.empty(sum(counts), np.uint16)
        words = np.empty((sum(counts), self._api.lithify_word_bytes()), np.uint8)
        start = 0
        for port, count in enumerate(counts):
            part = slice(start, start + count)
            self._api.lithify_results(self._handle, port, address[part].ctypes.data, words[part].ctypes.data)
            start += count
        return address, words

    def waves(self, path: Path, length: int, period: int) -> None:
        """From now on write the values of all signals to a VCD file, in the last `length` cycles of every `period`.

        The library has to be built with waves. A cycle's values are those just before the edge that ends it.
        """
        self._api.lithify_waves.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64]
        self._api.lithify_waves(str(path).encode(), length, period)

    def _counts(self) -> _Counts:
        counts = _Counts()
        self._api.lithify_counts(self._handle, ctypes.byref(counts))
        return counts
