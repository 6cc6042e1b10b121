"""The driver of a board: against a board in plain Python, and what it says where something is wrong."""

import socket
from dataclasses import replace

import numpy as np
import pytest
import serial
from tests.runtime.naive_board import NaiveBoard

import lithify
from lithify.errors import LithifyError
from lithify.networks.builder import Builder
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.link.system import SystemDescription
from lithify.runtime import link as link_module
from lithify.runtime import run
from lithify.runtime.fpga import FpgaDevice
from lithify.silicon.fpga import estimate
from lithify.silicon.fpga.parts import PARTS

PORT = "fpga:/dev/ttyUSB7"


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch):
    """Puts a board behind every serial port."""

    def put(board: NaiveBoard) -> NaiveBoard:
        monkeypatch.setattr(serial, "serial_for_url", lambda name, baudrate, timeout: board)
        monkeypatch.setattr(link_module.time, "sleep", lambda seconds: None)
        return board

    return put


def system(compiled, **changes: int) -> SystemDescription:
    return replace(SystemDescription(compiled.program.chip, 65_536, 100_000_000, 1_000_000), **changes)


def test_a_board_computes_what_the_simulator_does(compiled, plug) -> None:
    board = plug(NaiveBoard(system(compiled)))
    expected = run(compiled.program, [compiled.x])
    with FpgaDevice.open(PORT) as device:
        first = run(compiled.program, [compiled.x], device)
        once = board.written
        second = run(compiled.program, [compiled.x + 1], device)
    assert [np.array_equal(a, b) for a, b in zip(first.outputs, expected.outputs, strict=True)] == [True, True]
    assert np.array_equal(second.outputs[0], run(compiled.program, [compiled.x + 1]).outputs[0])
    assert (first.cycles, first.late) == (123, 0) and board.closed
    # Constants and instructions went over the link once.
    inputs = sum(placement.bytes for placement in first.segments[0].segment.inputs)
    assert board.written == once + inputs


def test_a_noisy_line_is_no_wrong_result(compiled, plug) -> None:
    """Every third answer is damaged, and two requests are lost: the driver asks again."""
    counter = iter(range(10_000))
    spoilt = lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]) if next(counter) % 3 == 1 else answer  # noqa: E731
    plug(NaiveBoard(system(compiled), damage=spoilt, deaf=2))
    with FpgaDevice.open(PORT) as device:
        for step in range(3):
            result = run(compiled.program, [compiled.x + step], device)
            assert np.array_equal(result.outputs[0], run(compiled.program, [compiled.x + step]).outputs[0])


def test_nothing_answers(compiled, plug) -> None:
    board = plug(NaiveBoard(system(compiled), deaf=1000))
    with pytest.raises(LithifyError) as error:
        FpgaDevice.open(PORT)
    assert str(error.value) == (
        "Nothing on '/dev/ttyUSB7' answers at 1,000,000 bits a second; check the cable and the port, and that the "
        "board holds a bitstream of `lithify fpga` (--program writes one)."
    )
    assert board.closed


def test_another_chip(compiled, plug) -> None:
    plug(NaiveBoard(SystemDescription(compiled.program.chip.model_copy(update={"lanes": 8}), 65_536, 10**8, 10**6)))
    with FpgaDevice.open(PORT) as device, pytest.raises(LithifyError) as error:
        run(compiled.program, [compiled.x], device)
    assert str(error.value) == (
        "The board holds another chip than the program's, 'hand': compile the network for the chip that is there (of a "
        "board, the chip.toml that `lithify fpga` wrote beside the bitstream), or put the program's chip there."
    )


def test_a_late_memory_is_counted(compiled, plug) -> None:
    board = plug(NaiveBoard(system(compiled)))
    board.late = 17
    with FpgaDevice.open(PORT) as device:
        found = run(compiled.program, [compiled.x], device)
    assert found.late == 17 * len(found.segments)
    assert run(compiled.program, [compiled.x]).late == 0


def test_a_memory_too_small(compiled, plug) -> None:
    plug(NaiveBoard(system(compiled, memory_bytes=8192)))
    with (
        FpgaDevice.open(PORT) as device,
        pytest.raises(LithifyError, match="of DRAM, and the board's memory has 8,192;"),
    ):
        run(compiled.program, [compiled.x], device)


def test_a_network_larger_than_block_ram_fits_sdram(plug) -> None:
    """Weights of 512 KB: the most block RAM that a board has holds no such network, the SDRAM does."""
    net = Builder("wide", (1, 512), 1)
    chip = estimate.chip_of(8, 8, 4, 25_000_000, sdram=True)
    data = np.random.default_rng(1).normal(size=(4, 512)).astype(np.float32)
    program = lithify.compile(lithify.quantize(net.model([net.dense(net.input, 1024)]), data), chip)
    assert len(program.constants) > 512 << 10
    most = max(estimate.memory_for(chip, part) for part in PARTS.values())
    plug(NaiveBoard(SystemDescription(chip, most, 25_000_000, 1_000_000)))
    with FpgaDevice.open(PORT) as device, pytest.raises(LithifyError, match="or sdram where the board has that"):
        run(program, [data[:1]], device)
    plug(NaiveBoard(SystemDescription(chip, SDRAM_256M.size, 25_000_000, 1_000_000, SDRAM_256M)))
    with FpgaDevice.open(PORT) as device:
        found = run(program, [data[:1]], device)
    assert np.array_equal(found.outputs[0], run(program, [data[:1]]).outputs[0])


def test_an_error_of_the_chip(compiled, plug) -> None:
    board = plug(NaiveBoard(system(compiled)))
    board.error = 4
    with FpgaDevice.open(PORT) as device, pytest.raises(LithifyError, match="the memory answered with an error"):
        run(compiled.program, [compiled.x], device)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fpga:", "'fpga:' is no device: write fpga: and the serial port, as in fpga:/dev/ttyUSB0"),
        ("fpga:/dev/ttyUSB0@fast", "'fpga:/dev/ttyUSB0@fast' is no device"),
        ("fpga:/dev/no-such-port", "The port '/dev/no-such-port' cannot be opened"),
        (
            "gpu",
            "Unknown device 'gpu'; the devices are 'sim', 'timing', 'rtl', several as in 'sim:0-3'",
        ),
    ],
)
def test_wrong_devices(compiled, name: str, message: str) -> None:
    from lithify.program import from_compiled

    with pytest.raises(LithifyError) as error:
        from_compiled(compiled.program).run(compiled.x, device=name)
    assert message in str(error.value)


def test_a_port_that_is_no_board() -> None:
    """Something that takes bytes and says other things."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(LithifyError, match=r"Nothing on 'socket://.*' answers"):
            FpgaDevice.open(f"fpga:{name}@100000000", patience=0.05)
