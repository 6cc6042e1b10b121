"""A board without a board: the whole system of an FPGA, simulated, behind a pseudo-terminal or a socket.

The bytes that a program writes to the port go over the simulated serial line, bit by bit, and what the system answers
comes back: the driver does not know the difference. A system with an SDRAM gets one that keeps to its data sheet.
"""

import ctypes
import functools
import os
import select
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from lithify.errors import LithifyError
from lithify.rtl.link.sdram import SDRAM_256M, Sdram
from lithify.rtl.link.system import System, SystemDescription, system_verilog
from lithify.rtl.simulation.backends import Backend
from lithify.rtl.simulation.build import Build, Harness, build, model_lines, ports_of
from lithify.rtl.simulation.sdram import check, pins_line, rules

SLICE = 1 << 14
"""Cycles between two looks at the port."""

CHUNK = 1 << 16
"""Bytes taken from the port at once."""

Way = Literal["pty", "socket"]


def adapter(top: str, tool: Backend) -> str:
    """The C++ header that names each port of a system."""
    ports = ports_of(top)
    lines = ["#pragma once", f'#include "{tool.model}"', "struct Dut {", pins_line(ports), *model_lines(ports, tool)]
    return "\n".join([*lines, "};", ""])


LINK = Harness(("link.cpp", "sdram_model.h", "port.h"), adapter)
"""Drives a system through its serial line."""


def build_system(description: SystemDescription, progress: Callable[[str], None] | None = None) -> Build:
    """The simulator of a system, from the cache where it is there."""
    return build(system_verilog(description), System.module_name, progress=progress, harness=LINK)


class SimulatedBoard:
    """A simulated system with a port: ``with SimulatedBoard(library, divisor) as board: ...``

    sdram, clock_hz: the chip at the pins of a system that has them, and the clock that its rules are checked at.

    ``port`` is what the driver opens: the path of a pseudo-terminal, or ``socket://127.0.0.1:...``. The simulation runs
    in a thread of its own, as long as something goes on; it stands while it waits for bytes.
    """

    def __init__(
        self, library: Path, divisor: int, way: Way = "pty", sdram: Sdram = SDRAM_256M, clock_hz: int = 25_000_000
    ) -> None:
        self._api = _load(library)
        self._handle = self._api.board_open(divisor, ctypes.byref(rules(sdram, clock_hz)))
        self._wake, self._stop = os.pipe()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if way == "pty":
            self._end, self.port = _pseudo_terminal()
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self._end, self.port = -1, f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.write(self._stop, b".")
        self._thread.join()
        self._api.board_close(self._handle)
        for descriptor in (self._wake, self._stop):
            os.close(descriptor)
        if self._listener is None:
            os.close(self._end)
        else:
            self._listener.close()

    @property
    def cycles(self) -> int:
        """Cycles since power-up."""
        return int(self._api.board_cycles(self._handle))

    def place(self, address: int, data: bytes) -> None:
        """Puts bytes into the SDRAM at once, an even number from an even address on; the line would take 80 cycles and
        more for each. Between requests.
        """
        assert address % 2 == len(data) % 2 == 0, (address, len(data))
        self._api.board_place(self._handle, address, data, len(data))

    def check(self) -> None:
        """Raises LithifyError where a rule of the SDRAM was broken."""
        cycle = ctypes.c_uint64()
        check(self._api.board_fault(self._handle, ctypes.byref(cycle)), cycle.value)

    def _serve(self) -> None:
        if self._listener is None:
            self._attend(partial(os.read, self._end, CHUNK), partial(os.write, self._end), self._end)
            return
        while self._waits(self._listener.fileno()):
            with self._listener.accept()[0] as one:
                if not self._attend(partial(one.recv, CHUNK), one.send, one.fileno()):
                    return

    def _waits(self, descriptor: int) -> bool:
        """Waits until there is something to read; False: until the end."""
        ready, _, _ = select.select([descriptor, self._wake], [], [])
        return self._wake not in ready

    def _attend(self, read: Callable[[], bytes], write: Callable[[bytes], int], descriptor: int) -> bool:
        """Carries bytes until the other side goes (True) or the end has come (False)."""
        room = (ctypes.c_uint8 * CHUNK)()
        busy = True
        while True:
            ready, _, _ = select.select([descriptor, self._wake], [], [], 0 if busy else None)
            if self._wake in ready:
                return False
            if ready:
                try:
                    data = read()
                except OSError:  # nobody has the other end of the pseudo-terminal open
                    data = b""
                if not data:
                    if self._listener is not None:
                        return True
                    continue
                self._api.board_send(self._handle, data, len(data))
            busy = bool(self._api.board_run(self._handle, SLICE))
            count = self._api.board_receive(self._handle, room, CHUNK)
            sent = memoryview(bytes(room[:count]))
            while sent:
                sent = sent[write(bytes(sent)) :]


def _pseudo_terminal() -> tuple[int, str]:
    try:
        import pty
        import tty
    except ImportError as error:
        raise LithifyError("This system has no pseudo-terminals; simulate the board behind a socket.") from error
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    # The other end stays open, so that ours never reads that there is nobody.
    return ours, os.ttyname(theirs)


@functools.cache
def _load(library: Path) -> Any:
    api = ctypes.CDLL(str(library))
    handle, number = ctypes.c_void_p, ctypes.c_uint64
    api.board_open.restype = handle
    api.board_open.argtypes = [number, ctypes.c_void_p]
    api.board_place.argtypes = [handle, number, ctypes.c_char_p, number]
    api.board_fault.restype = number
    api.board_fault.argtypes = [handle, ctypes.c_void_p]
    api.board_close.argtypes = [handle]
    api.board_send.argtypes = [handle, ctypes.c_char_p, number]
    api.board_receive.restype = number
    api.board_receive.argtypes = [handle, ctypes.c_void_p, number]
    api.board_run.restype = ctypes.c_int32
    api.board_run.argtypes = [handle, number]
    api.board_cycles.restype = number
    api.board_cycles.argtypes = [handle]
    return api
