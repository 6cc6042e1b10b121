"""From a model to an FPGA and to a synthesised chip, in one page.

python examples/from_model_to_fpga_to_asic.py                                # the program, and its cycles
python examples/from_model_to_fpga_to_asic.py --board ulx3s-85               # and a bitstream (minutes)
python examples/from_model_to_fpga_to_asic.py --port /dev/ttyUSB0            # and digits classified on the board
python examples/from_model_to_fpga_to_asic.py --pdk ihp-sg13g2               # and the chip in a process (minutes)
"""

import argparse
from pathlib import Path

import numpy as np

import lithify

HERE = Path(__file__).parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--chip", default=HERE / "ecp5.toml", help="a chip that suits the board")
    options.add_argument("--board", help="make a bitstream for this board")
    options.add_argument("--port", help="the serial port of a board that holds it")
    options.add_argument("--pdk", help="the folder of a process kit")
    given = options.parse_args()

    # 1. A trained model and a chip give an executable: optimised, quantised, compiled.
    chip = lithify.chip(given.chip)
    executable = chip.create_executable(HERE / "digits_mobilenet.onnx", HERE / "digits.npz")
    cycles = executable.simulate().cycles
    clock_hz = chip.description.clock_hz
    print(f"{chip.name}: {cycles:,} cycles, {1e3 * cycles / clock_hz:.2f} ms at {clock_hz / 1e6:g} MHz")

    # 2. Its bits are those of the chip: reference, functional simulator and RTL agree (rtl="full" runs the Verilog).
    data = np.load(HERE / "digits.npz")
    images, labels = data["images_32"][:16], data["labels"][:16]
    (probabilities,) = executable.run(images)
    print(f"{np.mean(probabilities.argmax(-1) == labels):.0%} of {len(labels)} digits right, simulated")
    assert executable.verify(list(images[:1]), rtl="none").agreed

    # 3. The chip on a board: bitstream, then the same executable through the board's serial port.
    if given.board:
        made = chip.create_bitstream(given.board, f"build/{given.board}")
        print(f"build/{given.board}/lithify.bit: {made.bitstream.reached_hz / 1e6:.1f} MHz reached")
    if given.port:
        (on_board,) = executable.run(images, device=f"fpga:{given.port}")
        assert np.array_equal(on_board, probabilities), "the board computes other bits"
        print(f"{np.mean(on_board.argmax(-1) == labels):.0%} of {len(labels)} digits right, on the board")

    # 4. The chip in silicon, before layout.
    if given.pdk:
        silicon = chip.synthesize(given.pdk, "build/asic")
        clock = silicon.clock("typical")
        print(f"{silicon.mm2:.2f} mm2, {clock.mhz if clock else 0:g} MHz at the typical corner")


if __name__ == "__main__":
    main()
