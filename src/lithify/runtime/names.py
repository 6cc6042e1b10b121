"""Names of devices, as people of each framework write them: sim:0-3, rtl, fpga:/dev/ttyUSB0, asic:0, /device:ASIC:0."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lithify.errors import LithifyError

NUMBERED = ("sim", "timing", "rtl")
"""Kinds of simulated chips, of which there are as many as are asked for."""

FPGA = "fpga"

ASIC_VARIABLE = "LITHIFY_ASIC"
"""The environment variable that lists what asic:0, asic:1, ... mean; without it they are sim:0, sim:1, ..."""

ALLOWED = (
    "the devices are 'sim', 'timing', 'rtl', several as in 'sim:0-3', a board as 'fpga:' with its serial port, as in "
    "'fpga:/dev/ttyUSB0', and as frameworks write them 'asic:0', '/device:ASIC:0' or '/device:X0'"
)

_FUNCTIONAL = "functional"  # the simulator's own name, understood beside `sim`
_FRAMEWORK = re.compile(
    r"(?:(?:/job:\w+)?(?:/replica:\d+)?(?:/task:\d+)?/device:)?(?:ASIC|X):?(\d+|\*)?", re.IGNORECASE
)
_MOST = 1024


@dataclass(frozen=True)
class DeviceName:
    """One device. kind: sim, timing, rtl or fpga; number: of a simulated chip; port: of a board, with @ and its bits a
    second where these are given.
    """

    kind: str
    number: int = 0
    port: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.port}" if self.kind == FPGA else f"{self.kind}:{self.number}"


def parse(device: object) -> tuple[DeviceName, ...]:
    """The devices that a name, or several in a list, mean: one or more, each once.

    device: a string, anything whose string is one (such as a `torch.device`), or an iterable of them.
    Raises LithifyError for a name that is none, and where one device is named twice.
    """
    texts = (
        [str(entry) for entry in device]
        if isinstance(device, Iterable) and not isinstance(device, str)
        else _split(str(device))
    )
    names = [name for text in texts for name in _names(text.strip())]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise LithifyError(f"The device '{twice[0]}' was named twice in '{device}'; name each once.")
    if not names:
        raise _unknown(str(device))
    return tuple(names)


def one(device: object) -> DeviceName:
    """The only device that a name means; LithifyError where it means several, or none."""
    names = parse(device)
    if len(names) > 1:
        raise LithifyError(
            f"'{device}' names {len(names)} devices, and one was wanted; name one, or take `lithify.Session`, which "
            "spreads its requests over several."
        )
    return names[0]


def _split(text: str) -> list[str]:
    """The names of a list with commas; numbers that follow a comma belong to the name before: sim:0,2."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and re.fullmatch(r"\s*\d+(-\d+)?\s*", part):
            parts[-1] += "," + part
        else:
            parts.append(part)
    return parts


def _names(text: str) -> Iterator[DeviceName]:
    kind, colon, rest = text.partition(":")
    kind = "sim" if kind == _FUNCTIONAL else kind
    if kind in NUMBERED:
        for number in _numbers(rest, text) if colon else (0,):
            yield DeviceName(kind, number)
    elif kind == FPGA:
        yield DeviceName(FPGA, port=rest)
    elif match := _FRAMEWORK.fullmatch(text):
        yield _asic(text, match[1])
    else:
        raise _unknown(text)


def _numbers(text: str, whole: str) -> Iterator[int]:
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise _unknown(whole)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < _MOST:
            raise LithifyError(f"The devices '{whole}' do not count upwards from 0 to at most {_MOST - 1}.")
        yield from range(first, last + 1)


def _asic(text: str, number: str | None) -> DeviceName:
    chosen = 0 if number in (None, "*") else int(number or 0)
    listed = os.environ.get(ASIC_VARIABLE, "").strip()
    if not listed:
        return DeviceName("sim", chosen)
    there = [name for entry in _split(listed) for name in _names(entry.strip())]
    if chosen >= len(there):
        raise LithifyError(
            f"The device '{text}' is not there: {ASIC_VARIABLE} lists {len(there)} ({', '.join(map(str, there))}), "
            "counted from 0."
        )
    return there[chosen]


def _unknown(text: str) -> LithifyError:
    return LithifyError(f"Unknown device '{text}'; {ALLOWED}.")
