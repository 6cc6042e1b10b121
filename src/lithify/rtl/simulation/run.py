"""One program on a simulated chip: from the doorbell to the interrupt, and what the chip counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lithify.errors import LithifyError
from lithify.isa.registers import BY_NAME, ERRORS
from lithify.rtl.simulation.session import Session


@dataclass(frozen=True)
class Run:
    """What a program did on the chip.

    cycles, read_beats, write_beats, array_cycles: the chip's own counters. queue, cycle: the retirements in order; the
    queue of each (4: END) and its cycle, where 0 is the first cycle that ``cycles`` counts. samples: rows of a cycle
    and, counted up to and with it, bytes read and written and recorded words of results: [n, 4].
    """

    cycles: int
    read_beats: int
    write_beats: int
    array_cycles: int
    queue: npt.NDArray[np.uint32]
    cycle: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]


def run(
    session: Session,
    program: int,
    program_bytes: int,
    bases: Mapping[int, int],
    *,
    cycle_limit: int = 1 << 40,
    progress: Callable[[int], None] | None = None,
    every: int | None = None,
    skip: int = 0,
) -> Run:
    """Run the program that lies at DRAM address ``program`` to its end.

    ``bases`` gives the base registers that are used, ``skip`` the register SKIP; ``every`` the cycles between two
    samples (None: there are none).
    Addresses and sizes are multiples of 128. Raises LithifyError when the chip reports an error or has not finished
    after ``cycle_limit`` cycles.
    """

    def pair(name: str, value: int) -> None:
        write(f"{name}_LOW", value & 0xFFFFFFFF)
        write(f"{name}_HIGH", value >> 32)

    def write(name: str, value: int) -> int:
        return session.write(BY_NAME[name].offset, value)

    def read(name: str) -> int:
        return session.read(BY_NAME[name].offset)

    for value in (program, program_bytes, *bases.values()):
        if value % 128:
            raise LithifyError(f"The address or size {value:#x} is not a multiple of 128 bytes.")
    pair("PROGRAM", program)
    write("PROGRAM_BYTES", program_bytes)
    for index, base in bases.items():
        pair(f"BASE{index}", base)
    write("SKIP", skip)
    write("INTERRUPT_ENABLE", 1)
    earlier = session.trace()[0].size
    doorbell = write("CONTROL", 1)
    samples = [session.counters()]
    if every is None:
        session.run(cycle_limit=cycle_limit, progress=progress)
    else:
        session.run(cycle_limit=cycle_limit, progress=progress, every=every, sampled=samples.append)
    error = read("ERROR")
    queue, cycle = session.trace()
    counters = [read(f"{name}_LOW") | read(f"{name}_HIGH") << 32 for name in _COUNTERS]
    write("CONTROL", 2)
    if error:
        causes = [text for bit, text in enumerate(ERRORS) if error >> bit & 1]
        raise LithifyError(f"The simulated chip reports an error: {'; '.join(causes)}.")
    cycles, read_beats, write_beats, array_cycles = counters
    retired = cycle[earlier:].astype(np.int64) - (doorbell + 1)
    counted = np.array([(now.cycle, now.bytes_read, now.bytes_written, now.results) for now in samples], np.int64)
    # The counters hold what was up to the cycle before theirs; the first row is where counting begins.
    relative = counted[1:] - [doorbell + 2, *counted[0, 1:].tolist()]
    return Run(cycles, read_beats, write_beats, array_cycles, queue[earlier:], retired, relative)


_COUNTERS = ("CYCLES", "READ_BEATS", "WRITE_BEATS", "ARRAY_CYCLES")
