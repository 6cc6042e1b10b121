"""Networks on clusters: `lithify bench multichip`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.bench import quantized_network
from lithify.chip import Chip, load_chip
from lithify.cluster import Cluster, Plan, Recovery, Whole, again, failed, plan, whole_of
from lithify.cluster.choice import Goal, Parallelism
from lithify.progress import Progress, Silent, Stages
from lithify.report.terminal import new_table, percent

if TYPE_CHECKING:
    import onnx_ir as ir
    from rich.table import Table


def edge_16() -> Chip:
    """`edge` with a memory as fast as the links, 16 bytes a cycle."""
    return load_chip("edge").model_copy(update={"name": "edge_16", "bus_bytes": 16, "dram_bytes_per_cycle": 16})


@dataclass(frozen=True)
class Case:
    """Networks on so many chips. breaks: whether chip 1 fails half-way, in a run of its own."""

    networks: tuple[str, ...]
    chips: int
    parallel: Parallelism
    goal: Goal = "throughput"
    chip: str | Chip = "edge"
    breaks: bool = False


def standard_cases() -> tuple[Case, ...]:
    """What is measured where no network is named."""
    small = ("resnet8", "ds_cnn", "mobilenet_v1_025")
    return (
        Case(("resnet50",), 4, "auto", breaks=True),
        Case(("resnet50",), 4, "pipeline", breaks=True),
        Case(("resnet50",), 8, "data"),
        Case(("resnet50",), 8, "pipeline"),
        Case(("bert_base",), 2, "auto", "latency", breaks=True),
        Case(("bert_base",), 8, "tensor", "latency"),
        Case(("bert_base",), 2, "tensor", "latency", edge_16()),
        Case(("bert_base",), 8, "tensor", "latency", edge_16()),
        Case(("bert_base",), 2, "tensor", "latency", "mac256_vector"),
        Case(("resnet8",), 4, "pipeline", breaks=True),
        Case(small, 4, "auto", breaks=True),
        Case(small, 8, "auto"),
    )


@dataclass(frozen=True)
class Row:
    """What became of a case. reasons: of the plan's choice; recovery: of the run in which a chip failed."""

    case: Case
    plan: Plan
    reasons: tuple[str, ...]
    recovery: Recovery | None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        broken = None if self.recovery is None else self.recovery.to_json()
        return {
            **self.plan.to_json(),
            "networks": list(self.case.networks),
            "asked": self.case.parallel,
            "goal": self.case.goal,
            "reasons": list(self.reasons),
            "failed": broken,
        }


def multichip(
    networks: Sequence[str] = (),
    chips: "Sequence[str | Path]" = ("edge",),
    *,
    cases: Sequence[Case] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    found: Callable[[Row], object] | None = None,
) -> list[Row]:
    """Networks on clusters, each case a row. The links are those of `lithify.cluster.Cluster`.

    networks: names of `lithify.networks`, each on 2, 4 and 8 of each of the chips in every way; () for
    `standard_cases`, which bring their chips. cases: these instead. found: is told every row as soon as it is there.
    Raises LithifyError for a name that is unknown, and as `lithify.cluster.plan`.
    """
    from lithify.networks import NETWORKS, unknown

    ways: tuple[Parallelism, ...] = ("data", "pipeline", "tensor")
    named = [
        Case((name,), count, way, chip=str(chip))
        for name in networks
        for chip in chips
        for count in (2, 4, 8)
        for way in ways
    ]
    wanted = cases or named or standard_cases()
    for name in (name for case in wanted for name in case.networks):
        if name not in NETWORKS:
            raise unknown(name)
    models: dict[str, ir.Model] = {}
    wholes: dict[tuple[str, str], Whole] = {}
    stage = Stages(progress or Silent(), len(wanted))
    rows = []
    for case in wanted:
        cluster = Cluster(chip=case.chip, chips=case.chips)
        with stage(f"{', '.join(case.networks)}: {case.parallel} on {case.chips} {cluster.chip_name}"):
            for name in case.networks:
                if name not in models:
                    models[name], _ = quantized_network(name, seed)
            given = [models[name] for name in case.networks]
            whole = None
            if len(given) == 1:
                key = case.networks[0], cluster.chip_name
                whole = wholes[key] = wholes.get(key) or whole_of(given[0], cluster)
            choice = plan(given, cluster, case.parallel, case.goal, whole)
            recovery = failed(choice.plan, 1, again(choice.plan, given, whole)) if case.breaks else None
        rows.append(Row(case, choice.plan, choice.reasons, recovery))
        if found:
            found(rows[-1])
    return rows


def plans_table(plans: Sequence[Plan]) -> "Table":
    """One row for each plan."""
    names = ("cycles of one", "cycles an answer", "throughput", "latency", "as fast", "busy")
    out = new_table("multichip", "network", "chips", "parallel", *names, "limit", right=names)
    for made in plans:
        facts = made.to_json()
        out.add_row(
            str(facts["network"]),
            f"{made.chips} x {made.cluster.chip_name}",
            made.parallelism,
            f"{made.single:,}",
            f"{facts['period_cycles']:,.0f}",
            f"{made.speed_up:.2f}",
            f"{facts['latency_cycles']:,}",
            f"{made.latency_speed_up:.2f}",
            percent(max(facts["busy"].values())),
            str(facts["limit"]),
        )
    out.caption = "Simulated: cycles of the chips by the timing simulator, links by their rate, latency and memories."
    out.caption_justify = "left"
    return out


def recovery_text(recovery: Recovery) -> str:
    """One sentence or two."""
    facts = recovery.to_json()
    return (
        f"Chip {recovery.chip} fails in cycle {recovery.at:,}: {facts['answered_before']} of {facts['requests']} "
        f"requests are answered, {facts['begun_anew']} begin anew on what is left after {recovery.pause:,} cycles, "
        f"{recovery.lost} are lost. Then there is an answer every {facts['degraded_period_cycles']:,.0f} cycles, "
        f"{recovery.rate:.2f} of the rate before; chips left: {facts['chips_left']}."
    )


def told(row: Row) -> list[str]:
    """Why the plan of a row is what it is, and what a failed chip costs."""
    lines = [*row.reasons, *([recovery_text(row.recovery)] if row.recovery else [])]
    return [f"{', '.join(row.case.networks)} on {row.plan.chips}: {line}" for line in lines]
