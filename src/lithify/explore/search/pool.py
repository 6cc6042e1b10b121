"""Where points are computed: in this process, in several of this machine, or on a Dask cluster."""

import io
import multiprocessing
import pickle
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.explore.search.evaluate import evaluate
from lithify.explore.search.point import Point
from lithify.explore.search.settle import Rivals
from lithify.explore.search.workload import Workload

HostSeconds = Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class Task:
    """A point to be computed. rivals: what it is held against on the way; None: nothing."""

    number: int
    values: Mapping[str, int]
    chip: Chip
    rivals: Rivals | None = None


class Pool(Protocol):
    """What computes points."""

    def compute(self, tasks: Sequence[Task], host_seconds: HostSeconds) -> Iterator[Point]:
        """The points of tasks, in whatever order they are done."""


class Here:
    """This process."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self.workloads = workloads

    def compute(self, tasks: Sequence[Task], host_seconds: HostSeconds) -> Iterator[Point]:
        """One after the other."""
        for task in tasks:
            yield _evaluated(task, self.workloads, host_seconds)


class Processes:
    """Processes of this machine, each with its own copy of the networks."""

    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self.executor = executor

    def compute(self, tasks: Sequence[Task], host_seconds: HostSeconds) -> Iterator[Point]:
        """As many at once as there are processes."""
        from concurrent.futures import as_completed

        try:
            futures = [self.executor.submit(_task, task, dict(host_seconds)) for task in tasks]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise LithifyError(
                "A process that compiled for the search ended: memory may be full, or it was stopped. Use fewer "
                "(--jobs); with --study FILE the search goes on from where it is."
            ) from error


class Dask:
    """A Dask cluster. What a worker was computing when it ended is computed again by another; networks travel as bytes
    that every task names, so that a worker that comes later has them too.
    """

    def __init__(self, client: Any, workloads: Sequence[Workload]) -> None:
        self.client, self.workloads = client, packed(workloads)

    def compute(self, tasks: Sequence[Task], host_seconds: HostSeconds) -> Iterator[Point]:
        """As many at once as the cluster has threads for."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker, as_completed

        networks = self.client.submit(bytes, self.workloads, pure=True)
        futures = [self.client.submit(_remote, networks, task, dict(host_seconds), pure=False) for task in tasks]
        try:
            for future in as_completed(futures, loop=self.client.loop):
                yield future.result()
        except (CancelledError, KilledWorker) as error:
            raise LithifyError(
                "The cluster gave up a point: its scheduler went away, or every worker that took it ended. Look at the "
                "cluster; with --study FILE the search goes on from where it is."
            ) from error


class _Pickler(pickle.Pickler):
    """Graphs hold read-only views of mappings, which do not pickle by themselves."""

    def reducer_override(self, value: Any) -> Any:
        """A view as the mapping that it shows, made by a call."""
        return (_view, (dict(value),)) if isinstance(value, MappingProxyType) else NotImplemented


def _view(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def packed(workloads: Sequence[Workload]) -> bytes:
    """Networks as bytes that another process unpickles."""
    stream = io.BytesIO()
    _Pickler(stream).dump(list(workloads))
    return stream.getvalue()


@contextmanager
def pool(workloads: Sequence[Workload], jobs: int, cluster: str | None) -> Iterator[Pool]:
    """What computes points for as long as the block runs. cluster: the address of a Dask scheduler.

    Raises LithifyError where Dask is not installed or nobody answers at the address.
    """
    if cluster is not None:
        with _client(cluster) as client:
            yield Dask(client, workloads)
    elif jobs > 1:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(jobs, context, _begin, (packed(workloads),))
        try:
            yield Processes(executor)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
    else:
        yield Here(workloads)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise LithifyError("A cluster needs Dask: pip install 'lithify[cluster]', here and on its workers.") from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise LithifyError(
            f"No Dask scheduler answers at '{address}'; give the address that it printed when it started, as in "
            "tcp://10.0.0.1:8786."
        ) from error
    try:
        yield client
    finally:
        client.close()


_WORKLOADS: list[Workload] = []
"""Of a process of the pool."""


def _begin(networks: bytes) -> None:
    _WORKLOADS[:] = pickle.loads(networks)


def _task(task: Task, host_seconds: HostSeconds) -> Point:
    return _evaluated(task, _WORKLOADS, host_seconds)


def _evaluated(task: Task, workloads: Sequence[Workload], host_seconds: HostSeconds) -> Point:
    return evaluate(task.number, task.values, task.chip, workloads, host_seconds, task.rivals)


@lru_cache(maxsize=2)
def _unpacked(networks: bytes) -> list[Workload]:
    found: list[Workload] = pickle.loads(networks)
    return found


def _remote(networks: bytes, task: Task, host_seconds: HostSeconds) -> Point:
    return _evaluated(task, _unpacked(networks), host_seconds)
