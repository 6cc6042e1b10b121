"""Sessions: ONNX Runtime's way of working, several chips, chips that hang or break, and what is refused."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lithify
from compiler.test_batch import program as batched
from lithify.errors import LithifyError
from lithify.isa.file import save
from lithify.isa.program import Base, ChipSegment, Program
from lithify.runtime import DeviceResult, FunctionalDevice, run
from lithify.runtime import session as session_module
from lithify.runtime.bus import ChipFailure
from lithify.runtime.session import Session, Value
from lithify.runtime.states import first_memory
from lithify.sim.inference import simulate


@pytest.fixture
def saved(compiled, tmp_path: Path) -> Path:
    save(compiled.program, tmp_path / "net.lith")
    return tmp_path / "net.lith"


def feeds(compiled, count: int) -> list[dict[str, NDArray[Any]]]:
    return [{"x": compiled.x + np.float32(0.3 * step)} for step in range(count)]


def same(found: list[NDArray[Any]], program: Program, feed: Mapping[str, NDArray[Any]]) -> bool:
    expected = run(program, feed).outputs
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("device", ["sim", "timing", "/device:ASIC:0"])
def test_as_onnx_runtime_does(compiled, saved: Path, device: str) -> None:
    with lithify.Session(saved, device=device) as session:
        assert session.get_inputs() == [Value("x", compiled.x.shape, "tensor(float)")]
        assert [value.name for value in session.get_outputs()] == ["p", "y"]
        feed = {"x": compiled.x}
        assert same(session.run(None, feed), compiled.program, feed)
        (chosen,) = session.run(["y"], feed)
        assert np.array_equal(chosen, run(compiled.program, feed).outputs[1])
        cycles = session.submit(feed).result().cycles
    assert cycles == (simulate(compiled.program).cycles if device == "timing" else None)


def test_many_threads_and_chips(compiled, saved: Path) -> None:
    given, found = feeds(compiled, 24), dict[int, list[NDArray[Any]]]()
    with Session(saved, device="sim:0-2") as session:

        def work(first: int) -> None:
            for index in range(first, len(given), 4):
                found[index] = session.run(None, given[index])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(session.answered.values()) == 24 and session.devices == ("sim:0", "sim:1", "sim:2")
    assert all(same(found[index], compiled.program, feed) for index, feed in enumerate(given))


def test_one_copy_of_the_constants(saved: Path) -> None:
    with Session(saved) as one, Session(saved.parent / "net.lith", device="sim:1") as two:
        assert one.program is two.program
        # Nor has a chip a copy of its own: its DRAM begins with the program's bytes.
        constants = np.frombuffer(one.program.constants, np.uint8)
        for session in (one, two):
            assert np.shares_memory(first_memory(session.program)[Base.CONSTANTS], constants)


def test_many_and_async(compiled, saved: Path) -> None:
    given, told = feeds(compiled, 7), list[tuple[Any, ...]]()
    with Session(saved, device="sim:0-1") as session:
        for feed, found in zip(given, session.run_many(None, given), strict=True):
            assert same(found, compiled.program, feed)
        session.run_async(["y"], given[1], lambda *what: told.append(what), "mine")
    (outputs, mine, error) = told[0]
    assert (mine, error) == ("mine", "") and np.array_equal(outputs[0], run(compiled.program, given[1]).outputs[1])


def test_any_number_of_samples() -> None:
    program = batched("pictures", 5, "plain")
    x = np.random.default_rng(3).uniform(-1, 1, (11, *program.tensors[program.inputs[0]].shape[1:])).astype(np.float32)
    with Session(program, device="sim:0-1") as session:
        (value,) = session.get_inputs()
        assert value.shape[0] == "batch"
        (found,) = session.run(None, {value.name: x})
    assert np.array_equal(found, program.run(x)[0]) and len(found) == 11


def test_what_does_not_fit_leaves_the_device_usable(compiled, saved: Path) -> None:
    x = compiled.x
    wrong: list[tuple[Any, Any, str]] = [
        (None, {"x": x[:, :1]}, r"Input 'x' was given as float32 of shape \(1, 1, 5, 4\); it must be"),
        (None, {"x": x.astype(np.float64)}, "Input 'x' was given as float64"),
        (None, {"z": x}, "has no input 'z'; its inputs are: x"),
        (None, {}, "was not given its input 'x'"),
        (["q"], {"x": x}, "has no output 'q'; its outputs are: p, y"),
        ("p", {"x": x}, "Outputs were asked for by the text 'p'; give a list of names, or None for all"),
        (None, x, "The inputs were given as ndarray; give a dictionary from names to arrays, with the names: x"),
        (None, None, "The inputs were given as NoneType; give a dictionary"),
    ]
    session = Session(saved)
    for names, feed, message in wrong:
        with pytest.raises(LithifyError, match=message):
            session.run(names, feed)
        assert same(session.run(None, {"x": x}), compiled.program, {"x": x})
    session.close()
    with pytest.raises(LithifyError, match="The session is closed; open another"):
        session.run(None, {"x": x})
    with pytest.raises(LithifyError, match="is for the chip 'hand', and 'tiny' differs from it"):
        Session(saved, chip="tiny")
    with pytest.raises(LithifyError, match="Cannot read the program"):
        Session(saved.parent / "none.lith")
    with pytest.raises(LithifyError, match="must be above 0"):
        Session(saved, timeout=0)


class Breaking:
    """A device that works for so many requests, then fails. recovered: as of ChipFailure."""

    name = "breaking"

    def __init__(self, good: int, recovered: bool) -> None:
        self.good, self.recovered = good, recovered

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        if self.good == 0:
            self.good = -1 if self.recovered else 0
            raise ChipFailure("it broke", self.recovered)
        self.good -= 1
        return FunctionalDevice(record=False).run_segment(program, segment, dram, skip)


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch):
    """Makes device n break after good[n] requests."""

    def put(good: list[int], recovered: bool = False) -> None:
        monkeypatch.setattr(
            session_module,
            "open_device",
            lambda name, chip, **options: (Breaking(good[name.number], recovered), lambda: None),
        )

    return put


def test_the_work_of_a_broken_chip_moves(compiled, saved: Path, breaking) -> None:
    breaking([1, 1000, 2])
    given = feeds(compiled, 20)
    with Session(saved, device="sim:0-2") as session:
        for feed, found in zip(given, session.run_many(None, given), strict=True):
            assert same(found, compiled.program, feed)
        assert sum(session.answered.values()) == 20
        assert set(session.failed) <= {"sim:0", "sim:2"} and set(session.failed.values()) <= {"it broke"}
        assert session.moved == len(session.failed)
        left = [machine for machine in session._pool.machines if machine.name not in session.failed]
        assert session.rate == sum(machine.done / machine.busy for machine in left if machine.done) > 0


def test_when_no_chip_is_left(compiled, saved: Path, breaking) -> None:
    breaking([0, 0])
    with Session(saved, device="sim:0-1") as session:
        with pytest.raises(LithifyError, match="No chip of the session is left"):
            session.run(None, {"x": compiled.x})
        with pytest.raises(LithifyError, match="No chip of the session is left"):
            session.run(None, {"x": compiled.x})


def test_a_chip_that_was_reset_takes_the_next(compiled, saved: Path, breaking) -> None:
    breaking([0], recovered=True)
    with Session(saved) as session:
        with pytest.raises(ChipFailure, match="it broke"):
            session.run(None, {"x": compiled.x})
        assert same(session.run(None, {"x": compiled.x}), compiled.program, {"x": compiled.x})


def test_devices() -> None:
    there = {device.name: device for device in lithify.list_devices()}
    assert there["sim"].available and there["timing"].available and there["rtl"].available


def test_only_the_runtime_is_needed(compiled, saved: Path) -> None:
    """The folders of the runtime, copied, in a process that knows no other package than NumPy and Pydantic with what
    they need, and ONNX Runtime for the part on the host.
    """
    package, apart = Path(lithify.__file__).parent, saved.parent / "apart" / "lithify"
    parts = ("__init__.py", "errors.py", "preprocessing", "chip", "isa", "reference", "runtime", "sim")
    apart.mkdir(parents=True)
    for part in parts:
        (shutil.copytree if (package / part).is_dir() else shutil.copy)(package / part, apart / part)
    np.save(saved.parent / "x.npy", compiled.x)
    code = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        known = {*sys.stdlib_module_names, "lithify", "numpy", "pydantic", "pydantic_core", "annotated_types",
                 "typing_extensions", "typing_inspection", "onnxruntime"}
        if name.split(".")[0] not in known and name[0] != "_":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Nothing())
import numpy
import lithify
for device in ("sim", "timing"):
    with lithify.Session("net.lith", device=device) as session:
        found = session.run(None, {"x": numpy.load("x.npy")})
numpy.savez("found.npz", *found)
"""
    words = [sys.executable, "-c", code]
    subprocess.run(words, check=True, cwd=saved.parent, env={**os.environ, "PYTHONPATH": str(apart.parent)})
    found = list(np.load(saved.parent / "found.npz").values())
    assert same(found, compiled.program, {"x": compiled.x})
