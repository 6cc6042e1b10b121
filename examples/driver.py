"""What a driver of the silicon does, on the chip's own Verilog: `python examples/driver.py`.

Registers, DRAM, doorbell, interrupt, counters, a chip that hangs and is reset. Sessions do all of it by themselves.
"""

from pathlib import Path

import numpy as np

import lithify
from lithify.isa import encode, instruction
from lithify.isa.program import Base
from lithify.isa.registers import BY_NAME
from lithify.runtime import run
from lithify.runtime.bus import ChipFailure
from lithify.runtime.driven import DrivenDevice
from lithify.runtime.driver import Driver, Request
from lithify.runtime.rtl_bus import RtlBus

HERE = Path(__file__).parent


def main() -> None:
    """A request by hand, a chip that hangs, and a network on the same chip."""
    image = np.load(HERE / "digits.npz")["images_28"][:1]
    model = lithify.optimize(lithify.load(HERE / "digits_cnn.onnx"))
    program = lithify.compile(lithify.quantize(model, HERE / "digits.npz"), chip="tiny")

    bus = RtlBus.of(program.chip, note=print)  # a board: lithify.runtime.fpga.LinkBus; a card: one more class like it
    driver = Driver(bus, limit=0.5)
    print(f"ID reads {bus.read_registers(BY_NAME['ID'].offset, 1)[0]:#010x}, DRAM has {bus.memory_bytes:,} bytes")

    # Two instructions by hand: a LOAD of 4 KB from DRAM, and the end.
    load = instruction("LOAD", base=int(Base.INPUTS), row_bytes=4096, rows=1, planes=1)
    print("4 KB loaded:", driver.run(_request(driver, encode([load, instruction("END")]))))

    # A STORE that waits for what nobody signals: the chip hangs, and is reset.
    stuck = instruction("STORE", wait=2, base=int(Base.OUTPUTS), row_bytes=8, rows=1, planes=1)
    try:
        driver.run(_request(driver, encode([stuck, instruction("END")])))
    except ChipFailure as failure:
        print(failure)

    with DrivenDevice(driver, "rtl") as device:  # what brings programs and tensors to the DRAM
        outcome = run(program, [image], device)
    assert np.array_equal(outcome.outputs[0], program.run(image)[0])
    assert outcome.cycles == program.simulate().cycles
    print(f"a network on the same chip: a {outcome.outputs[0].argmax()}, {outcome.cycles:,} cycles, as predicted")


def _request(driver: Driver, code: bytes) -> Request:
    """Instructions brought to the chip's DRAM, with a page for what they read and write."""
    place, data = driver.memory.allocate(len(code)), driver.memory.allocate(4096)
    assert place is not None and data is not None
    size = -(-len(code) // 128) * 128
    driver.bus.write_memory(place, code.ljust(size, b"\0"))
    return Request(place, size, {base: data for base in Base})


if __name__ == "__main__":
    main()
