"""A board as plain Python: the packets of the link, a memory, and the functional simulator for a chip."""

from collections.abc import Callable

import numpy as np

from lithify.chip import Chip
from lithify.isa.link import ANSWER, COMMANDS, IDENTIFICATION, PAYLOAD_BYTES, REQUEST, Status, checksum
from lithify.isa.operations import ISA_VERSION
from lithify.isa.registers import BASES, BY_NAME, DEVICE_ID
from lithify.rtl.link.bridge import REGISTER_BYTES
from lithify.rtl.link.system import SystemDescription
from lithify.sim.functional import run_segment


class NaiveBoard:
    """What pyserial's port is to the driver. damage: changes an answer on its way; deaf: how many requests are lost."""

    def __init__(self, system: SystemDescription, damage: Callable[[bytes], bytes] = bytes, deaf: int = 0) -> None:
        self.system, self.damage, self.deaf = system, damage, deaf
        self.memory = np.zeros(system.memory_bytes, np.uint8)
        self.registers = bytearray(REGISTER_BYTES)
        self._set("ID", DEVICE_ID)
        self._set("VERSION", ISA_VERSION)
        self.coming, self.answers = b"", b""
        self.written, self.closed, self.error, self.late = 0, False, 0, 0
        self.timeout = 1.0

    def write(self, data: bytes) -> int:
        self.coming += data
        body = self.coming[1:]
        length = int.from_bytes(body[5:7], "little")
        writes = {command.code: command.writes for command in COMMANDS}
        end = 7 + (length if writes.get(body[0]) else 0)
        assert self.coming[0] == REQUEST and len(body) == end + 2, "one whole request at a time"
        self.coming = b""
        if self.deaf:
            self.deaf -= 1
            return len(data)
        status, found = self._carry_out(body[:end], int.from_bytes(body[end:], "little"))
        answer = bytes([status]) + len(found).to_bytes(2, "little") + found
        self.answers += self.damage(bytes([ANSWER]) + answer + checksum(answer).to_bytes(2, "little"))
        return len(data)

    def read(self, size: int) -> bytes:
        found, self.answers = self.answers[:size], self.answers[size:]
        return found

    def reset_input_buffer(self) -> None:
        self.answers = b""

    def close(self) -> None:
        self.closed = True

    def _carry_out(self, body: bytes, sum_: int) -> tuple[Status, bytes]:
        if checksum(body) != sum_:
            return Status.CHECKSUM, b""
        found = [command for command in COMMANDS if command.code == body[0]]
        if not found:
            return Status.COMMAND, b""
        (command,) = found
        space, unit = {
            "memory": (self.memory.data.cast("B"), self.system.chip.bus_bytes),
            "registers": (memoryview(self.registers), 4),
            "identification": (memoryview(self.identification), 4),
        }[command.space]
        address, length = int.from_bytes(body[1:5], "little"), int.from_bytes(body[5:7], "little")
        if address >= len(space) or address + length > len(space) or address % unit or length % unit:
            return Status.RANGE, b""
        if length > PAYLOAD_BYTES:
            return Status.RANGE, b""
        if not command.writes:
            return Status.DONE, bytes(space[address : address + length])
        space[address : address + length] = body[7:]
        self.written += length if command.space == "memory" else 0
        if command.space == "registers" and address == BY_NAME["CONTROL"].offset and body[7] & 1:
            self._run(self.system.chip)
        return Status.DONE, b""

    @property
    def identification(self) -> bytes:
        words = self.system.identification | {"LATE": self.late}
        return b"".join(words[name].to_bytes(4, "little") for name, _ in IDENTIFICATION)

    def _run(self, chip: Chip) -> None:
        start, size = self._get("PROGRAM_LOW"), self._get("PROGRAM_BYTES")
        instructions = self.memory[start : start + size].tobytes()
        bases = {index: self.memory[self._get(f"BASE{index}_LOW") :] for index in range(BASES)}
        run_segment(chip, instructions, bases, False, 0, self._get("SKIP"))
        self._set("STATUS", 2)
        self._set("ERROR", self.error)
        self._set("CYCLES_LOW", 123)

    def _get(self, name: str) -> int:
        offset = BY_NAME[name].offset
        return int.from_bytes(self.registers[offset : offset + 4], "little")

    def _set(self, name: str, value: int) -> None:
        offset = BY_NAME[name].offset
        self.registers[offset : offset + 4] = value.to_bytes(4, "little")
