"""What the host's part of a program costs on this machine."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from numpy.typing import NDArray

from lithify.isa.program import ChipSegment, Program
from lithify.runtime.execute import run, run_on_host

REPEATS = 5


def host_milliseconds(program: Program, feed: Mapping[str, NDArray[Any]]) -> float:
    """Milliseconds that host operators and conversions take for one inference: the sum of each one's median over five
    runs.

    feed: one sample, input name -> array.
    """
    environment = run(program, feed).environment
    total = 0.0
    for segment in program.segments:
        if not isinstance(segment, ChipSegment):
            seconds = []
            for _ in range(REPEATS):
                start = time.perf_counter()
                run_on_host(program, segment, environment)
                seconds.append(time.perf_counter() - start)
            total += median(seconds)
    return total * 1000
