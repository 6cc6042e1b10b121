"""The whole system of a board in Verilator, behind the port that the driver opens: packets, bits and cycles."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from tests.rtl.link.systems import FOUR, HALF, SIMULATED, WITH_SDRAM

import lithify
from lithify.chip import load_chip
from lithify.isa.link import (
    ANSWER,
    COMMAND_BY_NAME,
    IDENTIFICATION,
    LINK_ID,
    PAYLOAD_BYTES,
    REQUEST,
    Status,
    checksum,
)
from lithify.isa.registers import BY_NAME, DEVICE_ID
from lithify.networks.builder import Builder
from lithify.networks.inverted import mobilenet_v2
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.link.system import SystemDescription
from lithify.rtl.simulation.board import SimulatedBoard, build_system
from lithify.runtime import run
from lithify.runtime.fpga import FpgaDevice

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"
PATIENCE = 60.0
"""Seconds that a simulated board may take for an answer."""

WAYS = ["socket", pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals"))]


@pytest.fixture(scope="module")
def library() -> Path:
    return build_system(SIMULATED).library


@pytest.fixture
def port(library: Path) -> Iterator[serial.SerialBase]:
    with SimulatedBoard(library, SIMULATED.divisor, "socket") as board:
        port = serial.serial_for_url(board.port, timeout=PATIENCE)
        yield port
        port.close()


def ask(port: serial.SerialBase, name: str, address: int, length: int, payload: bytes = b"", sum_: int = 0) -> tuple:
    """Status and payload of the answer to one request; sum_: what the checksum is off."""
    code = COMMAND_BY_NAME[name].code if name in COMMAND_BY_NAME else 0x77
    body = bytes([code]) + address.to_bytes(4, "little") + length.to_bytes(2, "little") + payload
    port.write(bytes([REQUEST]) + body + (checksum(body) ^ sum_).to_bytes(2, "little"))
    return answer(port)


def answer(port: serial.SerialBase) -> tuple:
    head = port.read(4)
    assert head[0] == ANSWER
    size = int.from_bytes(head[2:], "little")
    rest = port.read(size + 2)
    assert checksum(head[1:] + rest[:-2]) == int.from_bytes(rest[-2:], "little")
    return Status(head[1]), rest[:-2]


def test_registers_and_memory(port: serial.SerialBase) -> None:
    status, found = ask(port, "IDENTIFY", 0, 4 * len(IDENTIFICATION))
    assert status is Status.DONE
    expected = b"".join(
        (SIMULATED.identification | {"LATE": 0})[name].to_bytes(4, "little") for name, _ in IDENTIFICATION
    )
    assert found == expected and int.from_bytes(found[:4], "little") == LINK_ID
    assert ask(port, "READ_REGISTER", BY_NAME["ID"].offset, 4) == (Status.DONE, DEVICE_ID.to_bytes(4, "little"))
    base = BY_NAME["BASE3_LOW"].offset
    assert ask(port, "WRITE_REGISTER", base, 8, b"\1\2\3\4\5\6\7\x08") == (Status.DONE, b"")
    assert ask(port, "READ_REGISTER", base, 8) == (Status.DONE, b"\1\2\3\4\5\6\7\x08")
    data = np.random.default_rng(3).bytes(PAYLOAD_BYTES)
    end = SIMULATED.memory_bytes - PAYLOAD_BYTES
    for address in (0, 4096 - 16, end):
        assert ask(port, "WRITE_MEMORY", address, len(data), data) == (Status.DONE, b"")
        data = data[1:] + data[:1]
    data = data[-1:] + data[:-1]
    assert ask(port, "READ_MEMORY", end, len(data)) == (Status.DONE, data)
    assert ask(port, "READ_MEMORY", end + 8, 4) == (Status.DONE, data[8:12])
    assert ask(port, "READ_MEMORY", 0, 0) == (Status.DONE, b"")


def test_what_it_cannot_take_is_refused_and_forgotten(port: serial.SerialBase) -> None:
    """Every refusal, and after each the next request is carried out."""
    word = b"abcd"
    assert ask(port, "WRITE_MEMORY", 8, 4, word) == (Status.DONE, b"")
    refusals = [
        (ask(port, "WRITE_MEMORY", 8, 4, b"wxyz", sum_=1), Status.CHECKSUM),
        (ask(port, "no command", 8, 4), Status.COMMAND),
        (ask(port, "READ_MEMORY", SIMULATED.memory_bytes, 4), Status.RANGE),
        (ask(port, "READ_MEMORY", 2, 4), Status.RANGE),
        # What follows the head of a request that is too long looks like requests, and is none.
        (ask(port, "WRITE_MEMORY", 8, PAYLOAD_BYTES + 4, bytes([REQUEST]) * (PAYLOAD_BYTES + 4)), Status.RANGE),
    ]
    assert [found for (found, _), _ in refusals] == [wanted for _, wanted in refusals]
    port.write(b"L\2\x08")
    assert answer(port) == (Status.BROKEN_OFF, b"")
    assert ask(port, "READ_MEMORY", 8, 4) == (Status.DONE, word)


@pytest.mark.parametrize("way", WAYS)
def test_digits_through_the_link(library: Path, way: str) -> None:
    """The driver of real boards classifies digits: outputs as the functional simulator's, cycles as the timing
    simulator's, which the memory of the board keeps to.
    """
    data = np.load(EXAMPLES / "digits.npz")
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_mobilenet.onnx"))
    program = lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), FOUR)
    cycles = program.simulate().cycles
    count = 4 if way == "socket" else 1
    right = 0
    with SimulatedBoard(library, SIMULATED.divisor, way) as board:
        with FpgaDevice.open(f"fpga:{board.port}", patience=PATIENCE) as device:
            for image, label in zip(data["images_32"][:count], data["labels"][:count], strict=True):
                found = run(program, [image[None]], device)
                expected = run(program, [image[None]])
                assert all(np.array_equal(a, b) for a, b in zip(found.outputs, expected.outputs, strict=True))
                assert found.cycles == cycles and found.late == 0
                right += int(found.outputs[0].argmax() == label)
    assert right == count


def test_digits_through_the_link_from_sdram() -> None:
    """With its DRAM in SDRAM: the same outputs, no rule of the data sheet broken, and cycles that are the timing
    simulator's but for those in which the memory says that it was late; no more than two of a hundred.
    """
    data = np.load(EXAMPLES / "digits.npz")
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), HALF)
    cycles = program.simulate().cycles
    with SimulatedBoard(build_system(WITH_SDRAM).library, WITH_SDRAM.divisor, "socket") as board:
        with FpgaDevice.open(f"fpga:{board.port}", patience=PATIENCE) as device:
            image = data["images_28"][:1]
            found, expected = run(program, [image], device), run(program, [image])
            assert all(np.array_equal(a, b) for a, b in zip(found.outputs, expected.outputs, strict=True))
            assert cycles <= found.cycles <= cycles + found.late and found.late <= 0.02 * cycles
        board.check()
    assert found.outputs[0].argmax() == data["labels"][0]


@pytest.mark.campaign
def test_mobilenet_v2_from_sdram() -> None:
    """A network of 3.7 MB, which no block RAM holds, on 8 x 8 multipliers."""
    chip = load_chip(EXAMPLES / "ecp5_sdram.toml")
    system = SystemDescription(chip, SDRAM_256M.size, chip.clock_hz, chip.clock_hz // 8, SDRAM_256M)
    net = Builder("mobilenet_v2", (1, 3, 96, 96), 1)
    model = net.model(mobilenet_v2(net))
    pictures = np.random.default_rng(0).normal(size=(2, 3, 96, 96)).astype(np.float32)
    program = lithify.compile(lithify.quantize(lithify.optimize(model), pictures), chip)
    cycles = program.simulate().cycles
    with SimulatedBoard(build_system(system).library, system.divisor, "socket") as board:
        with FpgaDevice.open(f"fpga:{board.port}", patience=10 * PATIENCE) as device:
            bus = device._driver.bus
            slowly = bus.write_memory
            # What is small goes over the line.
            bus.write_memory = lambda at, data: (board.place if len(data) > 1 << 16 else slowly)(at, bytes(data))
            found, expected = run(program, [pictures[:1]], device), run(program, [pictures[:1]])
        board.check()
    assert all(np.array_equal(a, b) for a, b in zip(found.outputs, expected.outputs, strict=True))
    assert cycles <= found.cycles <= cycles + found.late and 0 < found.late < 0.025 * cycles
    print(f"{cycles:,} cycles, on the board {found.cycles:,}, late {found.late:,}")
