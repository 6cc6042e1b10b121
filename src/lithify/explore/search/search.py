"""The search for a chip: Optuna proposes, the compiler and the timing simulator judge.

Points are asked for in batches of a fixed size and told in order, so that the same seed gives the same points whatever
computes them, and a search that was interrupted goes on as if it had not been.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.explore.compare.processor import cores
from lithify.explore.model import named_model
from lithify.explore.search.budget import QUANTITIES, Budget, budget
from lithify.explore.search.evaluate import bounded, roof
from lithify.explore.search.exploration import Exploration, Sampler
from lithify.explore.search.front import Judge, front
from lithify.explore.search.point import NUMBERS, Point, Ran
from lithify.explore.search.pool import Pool, Task, pool
from lithify.explore.search.settle import Rivals
from lithify.explore.search.space import Space, Values, space
from lithify.explore.search.workload import Workload, merged, renamed, source
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    import onnx_ir as ir


BATCH = 8
"""Points that are proposed before the first of them is judged."""
NEAR = 3
"""Of a batch those that are neighbours of the front, one step of one parameter away; the others Optuna samples."""
TRIES = 12
"""Proposals for a place in a batch, until one is a chip that was not judged before."""
STARTS = ("edge", "tiny")
"""The presets that are judged first."""
CLOCK_HZ = 200_000_000
DRAM_BYTES_PER_S = 1e9


def explore(
    *models: "str | Path | ir.Model",
    data: str | Path | None = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    budgets: Mapping[str, str | float | Sequence[str]] | None = None,
    vary: Mapping[str, Sequence[int]] | None = None,
    points: int = 100,
    clock_hz: int = CLOCK_HZ,
    dram_bytes_per_s: float = DRAM_BYTES_PER_S,
    sampler: Sampler = "tpe",
    seed: int = 0,
    study: str | Path | None = None,
    jobs: int | None = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
    found: Callable[[Point], None] | None = None,
) -> Exploration:
    """Searches chips for networks, all of which are to run on the same one.

    models: files, models, or names of standard networks. data: samples to calibrate and judge with. budgets: quantity
    (`lithify.explore.search.budget.QUANTITIES`) -> limit with its unit, as "20 ms"; several in a list all hold. vary:
    parameter (`lithify.explore.search.space.PARAMETERS`) -> values to try in place of the usual. points: how many
    chips to judge.
    study: a file that keeps every point; a search that finds one goes on from there. jobs: processes; None: one a
    core. cluster: address of a Dask scheduler to compute on instead. found: is told each point.
    Raises LithifyError for what a step refuses, bad budgets and parameters, a study of another search.
    """
    if not models:
        raise LithifyError("No network was given to explore for; name at least one.")
    if points < 1:
        raise LithifyError(f"{points} points are none; ask for 1 or more.")
    optuna = _optuna()
    stage = Stages(progress or Silent(), 2)
    with stage("load and quantise"):
        named = [named_model(model, shape, seed) for model in models]
        asked = {name: _texts(texts) for name, texts in (budgets or {}).items()}
        limits = _budgets(asked, [name for name, _ in named])
        aim = max((b.limit for b in limits if b.quantity.name == "accuracy"), default=None)
        sources = renamed([source(name, model, data, aim, seed) for name, model in named])
        units, vector = merged(sources)
        searched = space(vary or {}, clock_hz, dram_bytes_per_s, units, vector)
    workloads = [entry.workload for entry in sources]
    judge = Judge(limits, {work.name: work.accuracy for work in workloads if work.accuracy is not None} or
                  dict.fromkeys((work.name for work in workloads), 0.0))  # fmt: skip
    search = _Search(optuna, searched, workloads, judge, sampler, seed, None if study is None else Path(study))
    with stage("search") as watch, pool(workloads, min(jobs or cores(), points), cluster) as computes:
        if search.points:
            watch.note(f"{len(search.points)} points were there already, from {study}")
        search.run(computes, points, watch, found)
    notes = tuple(limit.note for limit in limits if limit.note)
    names = tuple(work.name for work in workloads)
    return Exploration(names, searched, judge, tuple(search.points), seed, sampler, notes, tuple(sources))


def _texts(given: "str | float | Sequence[str]") -> list[str]:
    return [str(given)] if isinstance(given, str | int | float) else [str(text) for text in given]


def _budgets(asked: Mapping[str, Sequence[str]], networks: Sequence[str]) -> tuple[Budget, ...]:
    for name in asked:
        if name not in QUANTITIES:
            raise LithifyError(f"There is no budget '{name}'; budgets are {', '.join(QUANTITIES)}.")
    return tuple(budget(name, text, networks) for name, texts in asked.items() for text in texts)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise LithifyError("The search needs Optuna: pip install 'lithify[explore]'.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class _Search:
    """Optuna's study, and the points that it holds."""

    def __init__(
        self,
        optuna: Any,
        searched: Space,
        workloads: Sequence[Workload],
        judge: Judge,
        sampler: Sampler,
        seed: int,
        file: Path | None,
    ) -> None:
        self.optuna, self.space, self.workloads, self.judge = optuna, searched, workloads, judge
        self.sampler, self.seed = sampler, seed
        self.points: list[Point] = []
        self.host_seconds: dict[tuple[str, ...], float] = {}
        self.study = self._study(file)
        self.seen: dict[Chip, Point] = {}
        self.pending: list[Any] = []
        self._read()

    def _study(self, file: Path | None) -> Any:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        storage = None
        if file is not None:
            from lithify.folder import check_writable

            check_writable(file)
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                storage = JournalStorage(JournalFileBackend(str(file)))
            except (OSError, ValueError, KeyError) as error:
                raise LithifyError(f"The study '{file}' cannot be read: {error}; give another file.") from error
        study = self.optuna.create_study(
            storage=storage,
            study_name="lithify",
            directions=["minimize"] * len(NUMBERS),
            sampler=self.optuna.samplers.RandomSampler(self.seed),
            load_if_exists=True,
        )
        own = self._fingerprint()
        before = study.user_attrs.get("lithify")
        if before is not None and before != own:
            raise LithifyError(
                f"The study '{file}' is of another search (networks, budgets, parameters, clock, memory, sampler or "
                "seed differ); give another file, or the same search."
            )
        if before is None:
            study.set_user_attr("lithify", own)
        return study

    def _fingerprint(self) -> str:
        """Of all that points depend on."""
        digest = sha256(f"{self.space.digest} {self.sampler} {self.seed} {BATCH}".encode())
        for limit in self.judge.budgets:
            digest.update(limit.text.encode())
        for work in self.workloads:
            digest.update(f"{work.name} {work.macs} {work.bytes} {work.units} {work.accuracy}".encode())
            for name, array in sorted(work.graph.constants.items()):
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _read(self) -> None:
        """What a study of an earlier run holds."""
        states = self.optuna.trial.TrialState
        for key, value in self.study.user_attrs.get("host", []):
            self.host_seconds[tuple(key)] = value
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state == states.COMPLETE and "point" in trial.user_attrs:
                self._keep(_point(trial.user_attrs["point"], self.space))
            elif trial.state == states.RUNNING and "asked" in trial.user_attrs:
                self.pending.append(self.optuna.trial.Trial(self.study, trial._trial_id))
        self.points.sort(key=lambda point: point.number)

    def _keep(self, point: Point) -> None:
        self.points.append(point)
        self.seen.setdefault(point.chip, point)

    def run(self, computes: Pool, count: int, watch: Progress, found: Callable[[Point], None] | None) -> None:
        """Judges chips until there are so many points."""
        while len(self.points) < count:
            batch = self._batch(min(BATCH, count - len(self.points)))
            if not batch:
                watch.note(f"the space holds no more than {len(self.points)} different chips")
                return
            tasks, done = [], {}
            rivals = Rivals.among(self.judge, self.points)
            trials = {trial.number: trial for trial, _, _ in batch}
            for trial, values, chip in batch:
                number = trial.number
                if "point" in trial.user_attrs:
                    done[number] = _point(trial.user_attrs["point"], self.space)
                elif settled := self._settled(rivals, number, values, chip):
                    done[number] = settled
                else:
                    tasks.append(Task(number, values, chip, rivals))
            for point in computes.compute(tasks, self.host_seconds):
                done[point.number] = point
                # At once, so that an interruption does not lose it.
                trials[point.number].set_user_attr("point", point.to_json())
                watch.update(len(self.points) + len(done), count, "points")
            for trial in trials.values():
                point = self._with_known_host(done[trial.number])
                self._keep(point)
                self._tell(trial, point)
                if found is not None:
                    found(point)

    def _settled(self, rivals: Rivals, number: int, values: Values, chip: Chip) -> Point | None:
        """A point that the roofline settles; what takes more to find is left to who compiles."""
        least = bounded(number, values, chip, self.workloads, "")
        why = rivals.why(least.mm2, {work.name: roof(work, chip) for work in self.workloads})
        return replace(least, bound=why) if why else None

    def _batch(self, size: int) -> list[tuple[Any, Values, Chip]]:
        """Proposals that were not judged yet: those of an interrupted run first."""
        found: list[tuple[Any, Values, Chip]] = []
        if self.pending:
            for trial in self.pending:
                values = {name: int(value) for name, value in trial.user_attrs["asked"].items()}
                found.append((trial, values, self.space.chip(values)))
            self.pending = []
            return found
        self.study.sampler = self._sampler()
        random = np.random.default_rng((self.seed, len(self.points)))
        taken = set(self.seen)
        wanted = self._wanted(random, min(NEAR, size) if self.points else size)
        while len(found) < size:
            fixed = next((v for v in wanted if self.space.chip(v) not in taken), None)
            made = self._ask(fixed, taken)
            if made is None:
                left = self._unseen(random, taken)
                if left is None:
                    break
                made = self._ask(left, taken)
            assert made is not None
            found.append(made)
            taken.add(made[2])
        return found

    def _wanted(self, random: np.random.Generator, count: int) -> "Any":
        """Chips worth a try beside Optuna's: at first the presets, later neighbours of the front, in random order."""
        if not self.points:
            yield from [self.space.values(load_chip(name)) for name in STARTS][:count]
            return
        near = [values for point in front(self.points) for values in self.space.near(point.values)]
        taken = set(self.seen)
        fresh = [values for values in near if self.space.chip(values) not in taken]
        for at in random.permutation(len(fresh))[:count]:
            yield fresh[at]

    def _ask(self, fixed: Values | None, taken: "set[Chip]") -> tuple[Any, Values, Chip] | None:
        """A trial of these values, or of Optuna's; None where Optuna proposes nothing that is new."""
        if fixed is not None:
            self.study.enqueue_trial(dict(fixed))
        for _ in range(1 if fixed is not None else TRIES):
            trial = self.study.ask()
            values = {p.name: int(trial.suggest_categorical(p.name, p.values)) for p in self.space.parameters}
            chip = self.space.chip(values)
            if chip not in taken:
                trial.set_user_attr("asked", values)
                return trial, values, chip
            if chip in self.seen:
                self._tell(trial, self.seen[chip], again=True)
            else:
                self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        return None

    def _unseen(self, random: np.random.Generator, taken: "set[Chip]") -> Values | None:
        """Some chip of the space that was not judged; None where there is none."""
        for _ in range(200):
            values = {p.name: int(random.choice(p.values)) for p in self.space.parameters}
            if self.space.chip(values) not in taken:
                return values
        if self.space.size > 100_000:
            return None
        return next((values for values in self.space.all() if self.space.chip(values) not in taken), None)

    def _sampler(self) -> Any:
        """Made anew for each batch: its random numbers depend on the seed and on how far the search is."""
        samplers, seed = self.optuna.samplers, self.seed * 100_003 + len(self.points)
        if self.sampler == "nsga2":
            return samplers.NSGAIISampler(population_size=4 * BATCH, seed=seed)
        return samplers.TPESampler(n_startup_trials=2 * BATCH, multivariate=True, seed=seed)

    def _with_known_host(self, point: Point) -> Point:
        """The point with what was measured first for the same operators on the host, so that points compare."""
        runs = []
        for run in point.runs:
            key = (run.network, *run.host)
            if run.host and key not in self.host_seconds:
                self.host_seconds[key] = run.host_seconds
                self.study.set_user_attr("host", [[list(k), v] for k, v in self.host_seconds.items()])
            seconds = self.host_seconds.get(key, 0.0)
            latency = run.cycles / point.chip.clock_hz + seconds
            runs.append(replace(run, host_seconds=seconds, latency=latency))
        if not runs:
            return point
        return replace(point, runs=tuple(runs), latency=sum(run.latency for run in runs))

    def _tell(self, trial: Any, point: Point, again: bool = False) -> None:
        for limit, excess in self.judge.excess(point).items():
            trial.set_constraint(f"{limit.text}", float(min(excess, 1e9)))
        if point.error:
            trial.set_constraint("fits", 1e3)
        if not again:
            trial.set_user_attr("point", point.to_json())
        self.study.tell(trial, list(point.numbers))


def _point(kept: Mapping[str, Any], searched: Space) -> Point:
    """A point as a study keeps it."""
    runs = tuple(Ran(**{**run, "host": tuple(run["host"])}) for run in kept["networks"])
    return Point(
        kept["number"],
        {name: int(value) for name, value in kept["values"].items()},
        searched.chip(kept["values"]),
        kept["gates"],
        kept["mm2"],
        kept["latency_s"],
        kept["energy_j"],
        runs,
        kept["error"],
        kept["bound"],
    )
