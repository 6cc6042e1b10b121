"""Which parallelism: the plans that could serve the goal, compared by their schedules, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import onnx_ir as ir

from lithify.cluster.description import Cluster
from lithify.cluster.parallel import Plan, Whole, data_parallel, pipeline, whole_of
from lithify.cluster.task import task_parallel
from lithify.cluster.tensor import tensor_parallel
from lithify.errors import LithifyError

Goal = Literal["throughput", "latency"]
Parallelism = Literal["auto", "data", "task", "pipeline", "tensor"]

ENOUGH = 0.99
"""Of the speed-up that so many chips can have at most: nothing further is tried for throughput."""


@dataclass(frozen=True)
class Choice:
    """The plan that was chosen, with what was found of each: one sentence each, the chosen one's last."""

    plan: Plan
    goal: Goal
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"goal": self.goal, "reasons": list(self.reasons), **self.plan.to_json()}


def plan(
    models: Sequence[ir.Model],
    cluster: Cluster,
    parallel: Parallelism = "auto",
    goal: Goal = "throughput",
    whole: Whole | None = None,
) -> Choice:
    """The plan of networks on a cluster.

    models: quantised; several are put side by side (task parallel). parallel: "auto" compares the schedules of what
    could serve the goal: answers in a given time, or the time of one answer. whole: of one network, it on one chip,
    where that is known.
    Raises LithifyError for several networks that are to be run in another way, for none, and as each way does.
    """
    if len(models) != 1 and parallel not in ("auto", "task"):
        raise LithifyError(
            f"{len(models)} networks were given, and {parallel} parallelism takes one; give one, or take task or auto."
        )
    if len(models) != 1 or parallel == "task":
        made: Plan = task_parallel(models, cluster)
        named = "It was asked for." if parallel == "task" else "Several networks go side by side."
        return Choice(made, goal, (f"task: {_told(made)}. {named}",))
    if parallel != "auto":
        made = WAYS[parallel](models[0], cluster, whole)
        return Choice(made, goal, (f"{parallel}: {_told(made)}. It was asked for.",))
    return _chosen(models[0], cluster, goal, whole or whole_of(models[0], cluster))


WAYS: dict[str, Callable[[ir.Model, Cluster, Whole | None], Plan]] = {
    "data": data_parallel,
    "pipeline": pipeline,
    "tensor": tensor_parallel,
}


def again(made: Plan, models: Sequence[ir.Model], whole: Whole | None = None) -> Callable[[Cluster], Plan]:
    """The plan of the same kind for another cluster; of one chip the whole network on it."""
    if made.parallelism == "task":
        return lambda left: task_parallel(models, left)
    return lambda left: (WAYS[made.parallelism] if left.chips > 1 else data_parallel)(models[0], left, whole)


def _chosen(model: ir.Model, cluster: Cluster, goal: Goal, whole: Whole) -> Choice:
    reasons = []
    best = data_parallel(model, cluster, whole)
    reasons.append(f"data: {_told(best)}.")
    rest = ["tensor"] if goal == "latency" else ["pipeline", "tensor"]
    if goal == "latency":
        reasons.append("pipeline: not tried; a request passes all stages, so none is answered sooner than by one chip.")
    elif best.speed_up >= ENOUGH * cluster.chips:
        reasons.append(
            f"pipeline, tensor: not tried; {cluster.chips} chips cannot do more than {cluster.chips} times one."
        )
        rest = []
    for name in rest:
        try:
            made = WAYS[name](model, cluster, whole)
        except LithifyError as error:
            reasons.append(f"{name}: not possible. {error}")
            continue
        reasons.append(f"{name}: {_told(made)}.")
        if _merit(made, goal) > _merit(best, goal):
            best = made
    worth = "latency" if goal == "latency" else "throughput"
    reasons.append(f"Chosen for {worth}: {best.parallelism}; it is limited by the {best.timing.limit}.")
    return Choice(best, goal, tuple(reasons))


def _merit(made: Plan, goal: Goal) -> float:
    return made.latency_speed_up if goal == "latency" else made.speed_up


def _told(made: Plan) -> str:
    return (
        f"{made.speed_up:.2f} times the throughput of one chip, an answer every {float(made.period):,.0f} cycles, "
        f"{made.latency:,} cycles from request to answer ({made.latency_speed_up:.2f} times as fast)"
    )
