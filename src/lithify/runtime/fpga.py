"""A chip on an FPGA board as a device: programs go over the link, cycles come back from the chip's own registers."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.layout import PAGE
from lithify.isa.link import fingerprint
from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.registers import BY_NAME, DEVICE_ID, ERRORS
from lithify.runtime.device import DeviceResult
from lithify.runtime.link import BAUD, Link

PREFIX = "fpga:"
"""How the name of such a device begins; the port follows, and with @ its bits a second: fpga:/dev/ttyUSB0@115200."""

COUNTERS = ("CYCLES", "READ_BEATS", "WRITE_BEATS", "ARRAY_CYCLES")

BUSY, START, ACKNOWLEDGE = 1, 1, 2


class FpgaDevice:
    """A board behind a port: ``with FpgaDevice.open("fpga:/dev/ttyUSB0") as device: run(program, inputs, device)``

    What lies in the board's memory is remembered: constants and instructions go over the link once.
    limit: seconds that a program may take.
    """

    name = "fpga"

    def __init__(self, link: Link, limit: float = 60.0) -> None:
        self._link, self._limit = link, limit
        self._known: dict[int, bytes] = {}

    @classmethod
    def open(cls, device: str, *, patience: float = 1.0) -> Self:
        """The device of a name as `PREFIX` says; raises LithifyError as `Link.open` does."""
        port, at, rate = device.removeprefix(PREFIX).rpartition("@")
        if not at:
            port, rate = rate, str(BAUD)
        if not port or not rate.isdigit() or int(rate) == 0:
            raise LithifyError(
                f"'{device}' is no device: write fpga: and the serial port, as in fpga:/dev/ttyUSB0, or with the bits "
                "a second, as in fpga:/dev/ttyUSB0@115200."
            )
        return cls(Link.open(port, int(rate), patience=patience))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back."""
        self._link.close()

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment from doorbell to end; the segment's outputs in `dram` are then what the chip stored."""
        self._check_chip(program)
        places, instructions = self._layout(program)
        self._place(instructions, bytes(program.instructions))
        self._place(places[Base.CONSTANTS], bytes(program.constants))
        for placement in segment.inputs:
            if placement.base is not Base.CONSTANTS:
                block = dram[placement.base][placement.offset : placement.offset + placement.bytes]
                self._put(places[placement.base] + placement.offset, block.tobytes())
        for entry in segment.lists:
            listed = dram[Base.INPUTS][entry.offset : entry.offset + 4 * len(entry.places)]
            self._put(places[Base.INPUTS] + entry.offset, listed.tobytes())
        counters = self._run(instructions + segment.start, segment.size, places, skip)
        for placement in segment.outputs:
            stored = np.frombuffer(
                self._link.read(places[placement.base] + placement.offset, placement.bytes), np.uint8
            )
            dram[placement.base][placement.offset : placement.offset + placement.bytes] = stored
        return DeviceResult(cycles=counters.pop("CYCLES"), counters=counters)

    def _check_chip(self, program: Program) -> None:
        found = b"".join(self._link.identification[f"CHIP_{index}"].to_bytes(4, "little") for index in range(4))
        if found != fingerprint(program.chip) or self._read("ID") != DEVICE_ID:
            raise LithifyError(
                f"The board holds a bitstream of another chip than the program's, '{program.chip.name}': compile the "
                "network for the chip that `lithify fpga` wrote beside the bitstream (chip.toml), or program the board "
                "with this one."
            )

    def _layout(self, program: Program) -> tuple[Mapping[Base, int], int]:
        """Where each base and the instructions lie: the same for every segment, so that what is written stays."""
        end, places = 0, {}
        for base in Base:
            places[base] = end
            constants = len(program.constants) if base is Base.CONSTANTS else 0
            end += -(-max(program.base_bytes.get(base, 0), constants) // PAGE) * PAGE
        # A burst of instructions reads ahead to the end of its page, never beyond.
        size = end + -(-len(program.instructions) // PAGE) * PAGE
        room = self._link.identification["MEMORY_BYTES"]
        if size > room:
            raise LithifyError(
                f"The program '{program.name}' takes {size:,} bytes of DRAM, and the board's memory has {room:,}; "
                "take a smaller network, or a bitstream with more memory (`lithify fpga --memory`)."
            )
        return places, end

    def _place(self, address: int, data: bytes) -> None:
        """Writes what stays, unless it is there."""
        if self._known.get(address) != data:
            for start in [start for start, known in self._known.items() if start < address + len(data)
                          and address < start + len(known)]:  # fmt: skip
                del self._known[start]
            self._put(address, data)
            self._known[address] = data

    def _put(self, address: int, data: bytes) -> None:
        """Writes bytes; what lies between them and the next word of the bus is filled as the memory has it."""
        unit = self._link.identification["BUS_BYTES"]
        before, after = address % unit, -(address + len(data)) % unit
        if before:
            data = self._link.read(address - before, before) + data
        if after:
            data += self._link.read(address - before + len(data), after)
        if data:
            self._link.write(address - before, data)

    def _run(self, start: int, size: int, places: Mapping[Base, int], skip: int) -> dict[str, int]:
        """From doorbell to end; the counters."""
        self._pair("PROGRAM", start)
        self._write("PROGRAM_BYTES", size)
        for base, address in places.items():
            self._pair(f"BASE{int(base)}", address)
        self._write("SKIP", skip)
        self._write("INTERRUPT_ENABLE", 1)
        # Should the doorbell be rung twice, because an answer was lost: a busy chip does not hear it, and one that has
        # finished computes the same again.
        self._write("CONTROL", START)
        until = time.monotonic() + self._limit
        while self._read("STATUS") & BUSY:
            if time.monotonic() > until:
                raise LithifyError(
                    f"The chip on the board had not finished after {self._limit:g} seconds; program the board again, "
                    "which resets it."
                )
        error = self._read("ERROR")
        counters = {name: self._wide(name) for name in COUNTERS}
        self._write("CONTROL", ACKNOWLEDGE)
        if error:
            causes = "; ".join(text for bit, text in enumerate(ERRORS) if error >> bit & 1)
            raise LithifyError(f"The chip on the board reports an error: {causes}; compile the network again.")
        return counters

    def _read(self, name: str) -> int:
        return self._link.register(BY_NAME[name].offset)[0]

    def _wide(self, name: str) -> int:
        low, high = self._link.register(BY_NAME[f"{name}_LOW"].offset, 2)
        return low | high << 32

    def _write(self, name: str, value: int) -> None:
        self._link.set_register(BY_NAME[name].offset, value)

    def _pair(self, name: str, value: int) -> None:
        self._write(f"{name}_LOW", value & 0xFFFFFFFF)
        self._write(f"{name}_HIGH", value >> 32)
