"""The values of a chip's signals while its Verilog runs a network, in windows of cycles, from a VCD file."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW = 64
"""Cycles of a window: the bits of a machine word, the first cycle being bit 0."""

Words = NDArray[np.uint64]

_VARIABLE = re.compile(r"\$var\s+\w+\s+(\d+)\s+(\S+)\s+(.+?)(?:\s+\[\d+(?::\d+)?\])?\s+\$end")


@dataclass(frozen=True)
class Signal:
    """A signal of the Verilog: `path` of instances, ending in a dot, before its name."""

    path: str
    name: str
    bits: int


@dataclass(frozen=True)
class Waves:
    """values: of each signal, [bits, windows], a word holding a window. cycles: of the whole run, as the chip counted
    them.
    """

    values: Mapping[Signal, Words]
    windows: int
    cycles: int


def read_vcd(path: Path, top: str, wanted: Callable[[Signal], bool]) -> dict[Signal, Words]:
    """The wanted signals below the instance of module `top` in a VCD file of whole windows."""
    names: dict[str, list[Signal]] = {}
    changes: dict[str, tuple[list[int], list[str]]] = {}
    scopes: list[str] = []
    sample = -1
    with path.open(encoding="utf-8") as lines:
        for indented in lines:
            line = indented.strip()
            if line.startswith("$scope"):
                scopes.append(line.split()[2])
            elif line.startswith("$upscope"):
                scopes.pop()
            elif (found := _VARIABLE.match(line)) is not None:
                if top in scopes:
                    below = scopes[scopes.index(top) + 1 :]
                    signal = Signal("".join(f"{scope}." for scope in below), found[3].strip(), int(found[1]))
                    if wanted(signal):
                        names.setdefault(found[2], []).append(signal)
            elif line.startswith("$enddefinitions"):
                changes = {code: ([], []) for code in names}
                break
        for line in lines:
            first = line[0]
            if first == "b":
                value, _, code = line[1:].partition(" ")
                code = code.rstrip()
            elif first == "#":
                sample += 1
                continue
            elif first in "01":
                value, code = first, line[1:].rstrip()
            else:
                continue
            entry = changes.get(code)
            if entry is not None:
                entry[0].append(sample)
                entry[1].append(value)
    samples = (sample + 1) // WINDOW * WINDOW
    values = {}
    for code, signals in names.items():
        words = _words(*changes[code], signals[0].bits, samples)
        values.update(dict.fromkeys(signals, words))
    return values


def _words(times: Sequence[int], texts: Sequence[str], bits: int, samples: int) -> Words:
    """What a signal was in each sample, [bits, samples / 64], from its changes."""
    rows = np.frombuffer("".join(text.zfill(bits) for text in texts).encode(), np.uint8).reshape(-1, bits) & 1
    lasts = np.diff(np.minimum([*times, samples], samples))
    every = np.repeat(rows[:, ::-1], lasts, axis=0)
    packed = np.packbits(every.T, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)
