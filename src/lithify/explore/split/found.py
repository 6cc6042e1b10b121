"""What a split found: the ways to run a network, the best cut, and the answer in a few sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

from lithify.explore.figure import ASSUMED, GIVEN, HOW, Figure
from lithify.explore.split.cut import Crossing, Unit, stretches
from lithify.explore.split.realtime import RealTime

BYTES_PER_S, CALL_S = 1e9, 10e-6
"""Of the link between processor and chip where none is given: a bus of a system on a chip, and a driver's call."""
MISSED = 1.1
"""A cut that takes so many times its sum when it is run has missed it, and is said to."""


@dataclass(frozen=True)
class Link:
    """Between processor and chip: bytes a second, and seconds that a tensor takes beside. given: by the user."""

    bytes_per_s: float = BYTES_PER_S
    call_s: float = CALL_S
    given: bool = False

    def seconds(self, count: int) -> float:
        """Of a tensor of so many bytes."""
        return self.call_s + count / self.bytes_per_s

    def to_json(self) -> dict[str, Any]:
        """Both, and whose they are."""
        how = GIVEN if self.given else ASSUMED
        return {"bytes_per_s": self.bytes_per_s, "call_s": self.call_s, "how": how}


@dataclass(frozen=True)
class Way:
    """A way to run the network. on_chip: for each unit. seconds: of an inference by the sum that the cut was found
    with; ran: of the same compiled and run, None where it was not.
    """

    name: str
    on_chip: tuple[bool, ...] = field(repr=False)
    seconds: Figure
    ran: Figure | None = None

    @property
    def best_known(self) -> float:
        """What ran where it did, else the sum."""
        return self.seconds.value if self.ran is None else self.ran.value

    def to_json(self) -> dict[str, Any]:
        """Name and figures."""
        ran = None if self.ran is None else self.ran.to_json()
        return {"name": self.name, "seconds": self.seconds.to_json(), "ran": ran}


@dataclass(frozen=True)
class Stretch:
    """Units one after the other on one side. first, last: their names; operators: how many nodes of the network."""

    first: str
    last: str
    units: int
    chip: bool
    chip_s: float
    cpu_s: float


@dataclass(frozen=True)
class Split:
    """What was found. ways: all on the processor, all that can be on the chip, and the best cut; why: of each unit."""

    network: str
    chip: str
    processor: str
    link: Link
    units: tuple[Unit, ...] = field(repr=False)
    crossings: tuple[Crossing, ...] = field(repr=False)
    ways: tuple[Way, ...]
    why: Mapping[str, str] = field(repr=False)
    frames: RealTime | None = None

    @property
    def best(self) -> Way:
        """The best cut."""
        return self.ways[-1]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Of the best cut, in order."""
        found = []
        for first, last in stretches(self.best.on_chip):
            units = self.units[first : last + 1]
            found.append(
                Stretch(
                    units[0].name,
                    units[-1].name,
                    len(units),
                    self.best.on_chip[first],
                    sum(unit.chip_s for unit in units),
                    sum(unit.cpu_s for unit in units),
                )
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        crossed = [crossing for crossing in self.crossings if crossing.crosses(self.best.on_chip)]
        return {
            "network": self.network,
            "chip": self.chip,
            "processor": self.processor,
            "link": self.link.to_json(),
            "verdict": verdict(self),
            "ways": [way.to_json() for way in self.ways],
            "units": [
                {
                    "name": unit.name,
                    "on": "chip" if there else "processor",
                    "chip_s": unit.chip_s if isfinite(unit.chip_s) else None,
                    "cpu_s": unit.cpu_s,
                    "why": self.why[unit.name],
                }
                for unit, there in zip(self.units, self.best.on_chip, strict=True)
            ],
            "crossing": [{"tensor": entry.tensor, "bytes": entry.bytes, "seconds": entry.seconds} for entry in crossed],
            "frames": None if self.frames is None else self.frames.to_json(),
            "how": HOW,
        }


def verdict(found: Split) -> str:
    """The answer in a few sentences."""
    cpu, all_chip, best = found.ways
    fastest = min(found.ways, key=lambda way: way.best_known)
    count = sum(best.on_chip)
    if count:
        text = (
            f"The best cut puts {count} of {len(found.units)} parts on {found.chip}: {_ms(best.best_known)} an "
            f"inference, {_ms(cpu.best_known)} all on the processor, {_ms(all_chip.best_known)} with all on the chip "
            "that can be."
        )
    else:
        text = (
            f"All on the processor is fastest: {_ms(cpu.best_known)} an inference, {_ms(all_chip.best_known)} with all "
            f"on {found.chip} that can be."
        )
    if best.ran is not None and best.ran.value > MISSED * best.seconds.value:
        text += f" Compiled and run it missed its sum of {_ms(best.seconds.value)}."
    if fastest.best_known < 0.99 * best.best_known:
        text += f" Run, the fastest is {fastest.name}: take that."
    return text if found.frames is None else f"{text} {_frames(found.frames)}"


def _frames(frames: RealTime) -> str:
    begin = f"At {frames.fps:g} frames/s in batches of {frames.batch}"
    if frames.worst_s == inf:
        return (
            f"{begin} the queue grows: {frames.utilisation:.0%} of its time is asked for; at most "
            f"{frames.most_fps:.4g} frames/s."
        )
    late = "none is late" if frames.first_late is None else f"{frames.late:.0%} are late"
    return (
        f"{begin} a frame is answered after {_ms(frames.worst_s)} at worst, due after {_ms(frames.deadline_s)}; "
        f"{late}; {frames.utilisation:.0%} utilised."
    )


def _ms(seconds: float) -> str:
    return "never" if seconds == inf else f"{1e3 * seconds:,.4g} ms"
