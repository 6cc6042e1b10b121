"""Frames that come at a rate, to a server that always takes the same time: is every one answered in time?

Frame k comes at k T. The server waits until it has b of them and then takes S for these b. This is the D/D/1 queue of
Kendall's notation (Ann. Math. Statist. 24, 1953): with S <= b T nobody waits for an earlier batch, and the first of a
batch waits longest. With S > b T each batch starts S - b T later than the one before. The utilisation S / (b T) of at
most 1 is Liu and Layland's condition (J. ACM 20, 1973) for one task with its period as deadline.
"""

from dataclasses import asdict, dataclass
from math import floor, inf
from typing import Any


@dataclass(frozen=True)
class RealTime:
    """The answer, in seconds. service_s: of a batch. worst_s: the longest that a frame is on its way, infinite where
    the queue grows; first_late: the first frame that is late, counted from 0, None if none ever is; late: the share of
    frames that are late in the long run. most_fps: the rate from which the queue grows. most_batch: the largest batch
    that meets the deadline at this rate, None if none does.
    """

    fps: float
    batch: int
    deadline_s: float
    service_s: float
    utilisation: float
    worst_s: float
    first_late: int | None
    late: float
    most_fps: float
    most_batch: int | None

    def to_json(self) -> dict[str, Any]:
        """As it is; None for what is infinite."""
        return {name: None if value == inf else value for name, value in asdict(self).items()}


def real_time(fps: float, batch: int, one_s: float, deadline_s: float | None = None, call_s: float = 0.0) -> RealTime:
    """Holds frames at a rate against a server. one_s: seconds of one frame; call_s: of a batch beside. deadline_s: None
    for the time in which a batch gathers, after which the next is due.
    """
    period = 1 / fps
    service = call_s + batch * one_s
    deadline = batch * period if deadline_s is None else deadline_s
    gathered = batch * period
    grows = service > gathered
    late = 1.0 if grows else sum(on_way(k, batch, period, service) > deadline for k in range(batch)) / batch
    return RealTime(
        fps,
        batch,
        deadline,
        service,
        service / gathered,
        inf if grows else on_way(0, batch, period, service),
        _first_late(batch, period, service, deadline),
        late,
        batch / service,
        _most_batch(period, one_s, call_s, deadline, deadline_s is None),
    )


def on_way(frame: int, batch: int, period: float, service: float) -> float:
    """Seconds from when a frame comes to when it is answered.

    Of batch n, and j-th in it: (b - 1 - j) T until the batch is whole, n max(0, S - b T) behind earlier ones, and S.
    """
    number, place = divmod(frame, batch)
    return (batch - 1 - place) * period + number * max(0.0, service - batch * period) + service


def _first_late(batch: int, period: float, service: float, deadline: float) -> int | None:
    """The first frame of a batch waits longest, so it is the first that is late."""
    first = on_way(0, batch, period, service)
    if first > deadline:
        return 0
    growth = service - batch * period
    if growth <= 0:
        return None
    return batch * (floor((deadline - first) / growth) + 1)


def _most_batch(period: float, one_s: float, call_s: float, deadline: float, gathering: bool) -> int | None:
    """(b - 1) T + c + b s <= D, and c + b s <= b T."""
    if gathering:
        # The deadline is b T itself: c + b s <= T.
        most = floor((period - call_s) / one_s + 1e-9)
    else:
        most = floor((deadline - call_s + period) / (period + one_s) + 1e-9)
    if most < 1:
        return None
    if one_s >= period:
        return most if call_s + most * one_s <= most * period else None
    least = max(1, -floor(-call_s / (period - one_s) + 1e-9))
    return most if most >= least else None
