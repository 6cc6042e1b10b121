"""A search on a Dask cluster: a scheduler and two worker processes, one of which is killed half-way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx.utils
import pytest
from tests.explore.test_explore import CNN, figures, search

from lithify import LithifyError
from lithify.progress import Silent


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its two workers."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def start(module: str, *words: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", module, "--scheduler-file", str(file), "--no-dashboard", *words]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=quiet, stderr=quiet)

    scheduler = start("distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1")
    words = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
    workers = [start("distributed.cli.dask_worker", *words) for _ in range(2)]
    try:
        until = time.monotonic() + 120
        while not (file.exists() and file.read_text(encoding="utf-8").strip()) and time.monotonic() < until:
            time.sleep(0.1)
        yield json.loads(file.read_text(encoding="utf-8"))["address"], workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


class Killer(Silent):
    """Kills a process when the tenth point has come, with others under way."""

    def __init__(self, victim: "subprocess.Popen[bytes]") -> None:
        self.victim, self.killed_at = victim, 0

    def update(self, done: int, total: int, unit: str) -> None:
        if done == 10:
            os.kill(self.victim.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            self.killed_at = done


@pytest.mark.slow
def test_a_worker_is_killed_and_no_point_is_lost(
    cluster: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    path = tmp_path / "digits.onnx"
    graph = onnx.load(CNN).graph
    (last,) = [node for node in graph.node if node.op_type == "Softmax"]
    onnx.utils.extract_model(str(CNN), str(path), [graph.input[0].name], [last.input[0]])
    address, workers = cluster
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    killer = Killer(workers[0])
    there = search(path, cluster=address, progress=killer)
    assert killer.killed_at == 10 and workers[0].wait() != 0 and workers[1].poll() is None
    assert figures(there) == figures(search(path))


def test_nobody_answers() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(LithifyError, match=r"^No Dask scheduler answers at 'tcp://127\.0\.0\.1:1'; give the address"):
        search(CNN, cluster="tcp://127.0.0.1:1")
