"""The host's end of the link to a chip on an FPGA: packets over a serial port."""

import contextlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from lithify.errors import LithifyError
from lithify.isa.link import (
    ANSWER,
    CHECKSUM_BYTES,
    COMMAND_BY_NAME,
    IDENTIFICATION,
    LENGTH_BYTES,
    LINK_ID,
    MEANINGS,
    PAYLOAD_BYTES,
    REQUEST,
    SILENCE_BITS,
    Status,
    checksum,
)
from lithify.runtime.bus import ChipFailure

BAUD = 1_000_000
"""Bits a second on the line, unless the port's name says otherwise."""

TRIES = 3
"""How often a request is sent that was not answered, or whose answer was damaged on the way."""

FRAME_BITS = 10


class Link:
    """An open link: ``with Link.open("/dev/ttyUSB0") as link: ...``

    ``identification``: the words of `isa.link.IDENTIFICATION`, by name. Addresses and sizes count bytes. Every method
    raises LithifyError where the board does not answer, or refuses.
    """

    def __init__(self, port: Any, name: str, baud: int, patience: float) -> None:
        self._port, self._name = port, name
        self._second_bytes, self._patience = baud / FRAME_BITS, patience
        self.identification: Mapping[str, int] = {}

    @classmethod
    def open(cls, name: str, baud: int = BAUD, *, patience: float = 1.0) -> Self:
        """Opens a port, a device's name or what pyserial's `serial_for_url` takes, and reads the identification.

        patience: seconds to wait for an answer beyond what its bytes take on the line.
        Raises LithifyError where pyserial or the port is missing, nothing answers, or what answers is not ours.
        """
        try:
            import serial
        except ImportError as error:
            raise LithifyError(
                "A board is reached through pyserial, which is not installed; run `pip install 'lithify[fpga]'`."
            ) from error
        try:
            port = serial.serial_for_url(name, baudrate=baud, timeout=patience)
        except (serial.SerialException, ValueError, OSError) as error:
            raise LithifyError(
                f"The port '{name}' cannot be opened ({_reason(error)}); the ports of this machine are: {_ports()}."
            ) from error
        with contextlib.suppress(Exception):  # a USB adapter then does not wait 16 ms for more; not everywhere there
            port.set_low_latency_mode(True)
        link = cls(port, name, baud, patience)
        try:
            link.identification = link.identify()
        except BaseException:
            link.close()
            raise
        return link

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back."""
        self._port.close()

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the chip's DRAM; address and size may be any."""
        unit = self.identification["BUS_BYTES"]
        start, end = address // unit * unit, -(-(address + size) // unit) * unit
        parts = [
            self._request("READ_MEMORY", place, size=min(PAYLOAD_BYTES, end - place))
            for place in range(start, end, PAYLOAD_BYTES)
        ]
        return b"".join(parts)[address - start : address - start + size]

    def write(self, address: int, data: bytes) -> None:
        """Writes bytes of the chip's DRAM; `address` and their number are multiples of the bus."""
        for place in range(0, len(data), PAYLOAD_BYTES):
            self._request("WRITE_MEMORY", address + place, data[place : place + PAYLOAD_BYTES])

    def register(self, offset: int, words: int = 1) -> tuple[int, ...]:
        """Control registers from `offset` on."""
        data = self._request("READ_REGISTER", offset, size=4 * words)
        return tuple(int.from_bytes(data[start : start + 4], "little") for start in range(0, len(data), 4))

    def set_register(self, offset: int, value: int) -> None:
        """Writes a control register; twice, where the answer to the first was lost."""
        self._request("WRITE_REGISTER", offset, value.to_bytes(4, "little"))

    def identify(self) -> Mapping[str, int]:
        """The words of the identification as they are now, by name."""
        data = self._request("IDENTIFY", 0, size=4 * len(IDENTIFICATION))
        words = (int.from_bytes(data[start : start + 4], "little") for start in range(0, len(data), 4))
        found = {name: word for (name, _), word in zip(IDENTIFICATION, words, strict=True)}
        if found["LINK_ID"] != LINK_ID:
            raise LithifyError(
                f"What answers on '{self._name}' speaks version {found['LINK_ID']:#010x} of the link, and this Lithify "
                f"{LINK_ID:#010x}; program the board again with `lithify fpga --program`."
            )
        return found

    def _request(self, name: str, address: int, payload: bytes = b"", *, size: int = 0) -> bytes:
        """Sends a request until it is answered; the payload of the answer."""
        command = COMMAND_BY_NAME[name]
        length = len(payload) if command.writes else size
        body = bytes([command.code]) + address.to_bytes(4, "little") + length.to_bytes(LENGTH_BYTES, "little") + payload
        packet = bytes([REQUEST]) + body + checksum(body).to_bytes(CHECKSUM_BYTES, "little")
        status: int | None = None
        for attempt in range(TRIES):
            if attempt:
                # What is left of the request before is forgotten once the line is silent.
                time.sleep(1.5 * SILENCE_BITS / (self._second_bytes * FRAME_BITS))
                self._port.reset_input_buffer()
            answer = self._exchange(packet, size)
            if answer is None:
                continue
            status, data = answer
            if status == Status.DONE:
                return data
            if status not in (Status.CHECKSUM, Status.BROKEN_OFF):
                break
        if status is None:
            raise ChipFailure(
                f"Nothing on '{self._name}' answers at {self._second_bytes * FRAME_BITS:,.0f} bits a second; check the "
                "cable and the port, and that the board holds a bitstream of `lithify fpga` (--program writes one)."
            )
        meaning = MEANINGS[Status(status)] if status in set(Status) else f"status {status}"
        raise LithifyError(
            f"The board on '{self._name}' refused {name} of {length} bytes at {address:#x}: {meaning}; its memory has "
            f"{self.identification.get('MEMORY_BYTES', 0)} bytes."
        )

    def _exchange(self, packet: bytes, size: int) -> tuple[int, bytes] | None:
        """Status and payload of the answer; None where none came, or a damaged one."""
        head = 2 + LENGTH_BYTES
        try:
            self._port.timeout = self._patience + (len(packet) + head + size) / self._second_bytes
            self._port.write(packet)
            start = self._port.read(head)
            if len(start) < head or start[0] != ANSWER:
                return None
            length = int.from_bytes(start[2:], "little")
            rest = self._port.read(length + CHECKSUM_BYTES) if length in (0, size) else b""
        except OSError as error:  # pyserial's own are OSErrors
            raise ChipFailure(
                f"The link over '{self._name}' broke: {_reason(error)}; connect the board again."
            ) from error
        body, sum_ = start[1:] + rest[:-CHECKSUM_BYTES], rest[-CHECKSUM_BYTES:]
        if len(rest) < length + CHECKSUM_BYTES or checksum(body) != int.from_bytes(sum_, "little"):
            return None
        return start[1], rest[:-CHECKSUM_BYTES]


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".").lower()


def _ports() -> str:
    """The serial ports of this machine."""
    from serial.tools import list_ports

    return ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
