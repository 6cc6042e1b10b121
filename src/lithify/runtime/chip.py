"""The chip itself as a device: its Verilog, simulated, driven through its registers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.isa.layout import dram_layout
from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.stream import ResultStream
from lithify.rtl.simulation import Session, build
from lithify.rtl.simulation.run import run
from lithify.rtl.verilog import verilog
from lithify.runtime.device import DeviceResult
from lithify.runtime.states import appended


@dataclass(frozen=True)
class RtlDevice:
    """A built simulator of a chip.

    verilog_sha256: of the Verilog it was made from; build_seconds: 0 where the cache had it. watch: hears the cycle
    about every 260,000 cycles, and may stop the run by raising. sample_every: cycles between two samples of the
    counters; None: none are taken. opened: hears each simulated chip before it runs.
    """

    chip: Chip
    library: Path
    verilog_sha256: str
    build_seconds: float = 0.0
    first_seconds: float = 0.0
    name: str = "rtl"
    watch: Callable[[int], None] | None = None
    sample_every: int | None = None
    opened: Callable[[Session], None] | None = None

    @classmethod
    def of(cls, chip: Chip, note: Callable[[str], None] | None = None) -> Self:
        """Writes the chip's Verilog and builds its simulator, or finds it in the cache; `note` hears what
        takes long.
        """
        files = verilog_of(chip)
        made = build(files, next(iter(files)).removesuffix(".v"), progress=note)
        return cls(chip, made.library, made.verilog_sha256, made.build_seconds, made.runtime_seconds)

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment from doorbell to interrupt; `dram` holds afterwards what the chip stored."""
        if program.chip != self.chip:
            raise LithifyError(
                f"The program '{program.name}' is for the chip '{program.chip.name}', but this is '{self.chip.name}'; "
                "compile the network again for it."
            )
        layout = dram_layout(program, segment)
        image = np.zeros(layout.size, np.uint8)
        image[layout.program : layout.program + segment.size] = np.frombuffer(
            program.instructions, np.uint8, segment.size, segment.start
        )
        parts = {base: memory for base, memory in dram.items() if base is not Base.APPEND}
        for base, memory in parts.items():
            image[layout.bases[base] : layout.bases[base] + memory.size] = memory
        registers = {int(base): address for base, address in layout.bases.items()}
        registers[int(Base.APPEND)] += appended(dram)
        with Session(self.library, image, bytes_per_cycle=self.chip.dram_bytes_per_cycle) as session:
            session.record()
            if self.opened is not None:
                self.opened(session)
            done = run(
                session,
                layout.program,
                segment.size,
                registers,
                progress=self.watch,
                every=self.sample_every,
                skip=skip,
            )
            addresses, words = session.results()
        for base, memory in parts.items():
            left = image[layout.bases[base] : layout.bases[base] + memory.size]
            if memory.flags.writeable:
                memory[:] = left
            elif not np.array_equal(memory, left):
                raise LithifyError(
                    f"The program '{program.name}' wrote over its {base.name.lower()}; compile it again."
                )
        counters = {
            "READ_BEATS": done.read_beats,
            "WRITE_BEATS": done.write_beats,
            "ARRAY_CYCLES": done.array_cycles,
        }
        stream = ResultStream(addresses.astype(np.int32), words.view(np.int8))
        samples = done.samples if self.sample_every is not None else None
        return DeviceResult(stream, done.cycles, counters, done.queue, done.cycle, samples)


@lru_cache(maxsize=8)
def verilog_of(chip: Chip) -> Mapping[str, str]:
    """The chip's Verilog, file name -> text, the top module first; made once in a process."""
    return verilog(chip)
