"""A chip fails: its work moves to the others, every request is answered, and the rate at which that goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lithify.cluster.description import Cluster
from lithify.cluster.parallel import REQUESTS, Plan
from lithify.cluster.schedule import HOST, Failure, Phase, Schedule, Step, schedule
from lithify.errors import LithifyError


@dataclass(frozen=True)
class Recovery:
    """What a failed chip costs. before, after: the plans of all chips and of those that are left; chip: which failed,
    in cycle `at`; pause: cycles until it was missed and what the others then run was loaded; timing: of all requests.
    """

    before: Plan
    after: Plan
    chip: int
    at: int
    pause: int
    timing: Schedule

    @property
    def lost(self) -> int:
        """Requests that were never answered."""
        return sum(not finished for finished in self.timing.finished)

    @property
    def rate(self) -> float:
        """Throughput with the failed chip over that with all."""
        return float(self.before.period / self.after.period)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "failed_chip": self.chip,
            "at_cycle": self.at,
            "pause_cycles": self.pause,
            "requests": len(self.timing.finished),
            "answered_before": sum(0 < finished <= self.at for finished in self.timing.finished),
            "begun_anew": len(self.timing.again),
            "lost": self.lost,
            "chips_left": self.after.chips,
            "degraded_period_cycles": float(self.after.period),
            "degraded_latency_cycles": self.after.latency,
            "degraded_rate": round(self.rate, 4),
        }


def failed(plan: Plan, chip: int, planned: Callable[[Cluster], Plan]) -> Recovery:
    """The run of `plan` in which `chip` fails when half of the requests are answered.

    planned: the plan of the same network for the cluster that is left. Requests that still need the chip begin anew on
    the others once it is missed (the host asks, waits as long again, and gives it up: three times its latency) and
    these have what they run now, over the host's link; data and task parallel they have it already, where another chip
    runs the same network.
    Raises LithifyError for a chip that the cluster does not have, and one that is the only one.
    """
    if not 0 <= chip < plan.cluster.chips:
        raise LithifyError(
            f"Chip {chip} was said to fail, and the cluster has the chips 0 to {plan.cluster.chips - 1}; name one of "
            "them."
        )
    left = plan.cluster.without_one
    after = planned(left)
    # In the order behind the failed one neighbours stay neighbours, in a ring too.
    names = [(chip + 1 + number) % plan.cluster.chips for number in range(left.chips)]
    count = REQUESTS * plan.chips
    requests, instead = plan.requests(count), after.requests(count)
    moved = [[_renamed(phase, names) for phase in phases] for phases in instead]
    calm = sorted(plan.timing.finished)
    at = calm[len(calm) // 2]
    loads = 0 if plan.parallelism == "data" else -(-after.constant_bytes // plan.cluster.host_bytes_per_cycle)
    pause = 3 * plan.cluster.host_latency + loads
    failure = Failure(f"chip {chip}", at, pause, lambda index: moved[index % len(moved)])
    return Recovery(plan, after, chip, at, pause, schedule(requests, plan.window, failure))


def _renamed(phase: Phase, names: Sequence[int]) -> tuple[Step, ...]:
    """The chips and links of a plan by the numbers that they have in the whole cluster."""
    return tuple(
        replace(step, resource=_name(step.resource, names)) for step in ((phase,) if isinstance(phase, Step) else phase)
    )


def _name(resource: str, names: Sequence[int]) -> str:
    if resource == HOST:
        return resource
    return " ".join(str(names[int(word)]) if word.isdigit() else word for word in resource.split())
