"""Speed-ups in the field's sense. Each function is one formula; docs/compare.md has them with their sources.

Of the same network, batch 1: T is the time of one inference, f the clock, W the operations.
"""

TRAINING = 3.0
"""Inferences whose operations a training step takes: forward once, backward twice (Hobbhahn and Sevilla, Epoch, 2021,
for convolutions and large batches).
"""


def alpha(original_s: float, accelerated_s: float) -> float:
    """How many times faster a training step is: T_original / T_accelerated, of one sample."""
    return original_s / accelerated_s


def beta(original_s: float, accelerated_s: float) -> float:
    """How many times faster inference is: T_original / T_accelerated."""
    return original_s / accelerated_s


def operations_per_cycle(operations: float, seconds: float, clock_hz: float) -> float:
    """W / (T f): what is done at once, on average over the inference."""
    return operations / (seconds * clock_hz)


def gamma(original: float, accelerated: float) -> float:
    """The parallelism gained: operations per cycle of the one over those of the other.

    beta = gamma * f_accelerated / f_original: what a slower clock costs is in beta and not in gamma.
    """
    return accelerated / original


def amdahl_limit(original_s: float, remaining_s: float) -> float:
    """The speed-up that no accelerator passes while a part of the work stays where it was: T_original / T_remaining.

    Amdahl's 1 / (1 - p) with p = 1 - T_remaining / T_original; infinite if nothing remains.
    """
    return original_s / remaining_s if remaining_s else float("inf")


def amdahl(part: float, faster: float) -> float:
    """The speed-up of the whole if the given part of its time becomes so many times faster."""
    return 1 / (1 - part + part / faster)
