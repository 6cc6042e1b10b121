"""The campaign over damaged files: each is taken, or refused with one sentence, and leaves nothing half written.

Files are tried in a process of their own, with a limit of memory and of time, so that one that would stop or fill this
machine is a finding like any other.
"""

import math
import multiprocessing
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lithify.errors import LithifyError
from lithify.folder import write_file
from lithify.fuzz.graphs import drawn
from lithify.fuzz.mutate import KINDS, Kind
from lithify.progress import Progress, Silent, Stages

SECONDS = 60
"""Of processor time; a file that takes longer hangs. A busy machine makes no findings."""
PATIENCE = 10
"""Times as many seconds by the clock, for what waits and does not work."""
MEMORY = 6 << 30
"""Bytes of address space; beyond it Python raises MemoryError, of which the command line makes a sentence."""
ORIGINALS = 12
"""Random graphs whose files are damaged; small ones, so that a try is short."""
SIZE = 4


@dataclass(frozen=True)
class Finding:
    """A file that was neither taken nor refused with a sentence. file: where it was written; None for nowhere."""

    number: int
    kind: str
    change: str
    text: str
    file: str | None


@dataclass(frozen=True)
class Files:
    """What became of a campaign. counts: of each kind of file and what became of it."""

    seed: int
    count: int
    counts: dict[str, int]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def damaged(seed: int, number: int) -> tuple[Kind, str, bytes]:
    """The file of this number: its kind, what was done to it, its contents."""
    random = np.random.default_rng((seed, number, 2))
    kind = KINDS[number % len(KINDS)]
    change = kind.changes[int(random.integers(len(kind.changes)))]
    return kind, change.__name__, change(_original(seed, int(random.integers(ORIGINALS)), kind.name), random)


def _original(seed: int, number: int, kind: str) -> bytes:
    key = (seed, number, kind)
    if key not in _made:
        _made[key] = _make(*key)
    return _made[key]


_made: dict[tuple[int, int, str], bytes] = {}
"""Originals of this process: the same are damaged again and again."""


def _make(seed: int, number: int, kind: str) -> bytes:
    import onnx_ir as ir

    from lithify.chip import load_chip, write_chip
    from lithify.compiler import compile_graph
    from lithify.fuzz.models import random_model
    from lithify.isa.file import to_bytes
    from lithify.optimize import optimize
    from lithify.quantize import inputs_of, quantize, read, seeded

    _, chip = drawn(seed, number)
    if kind == "chip":
        return write_chip(chip).encode()
    model = random_model(seed, number, SIZE)
    quantized = quantize(optimize(model), seeded(inputs_of(model), 1, seed=number))
    if kind == "program":
        return to_bytes(compile_graph(read(quantized), load_chip("tiny")))
    chosen = quantized if number % 2 else model
    proto: onnx.ModelProto = ir.serde.serialize_model(chosen)
    return bytes(proto.SerializeToString())


def fuzz_files(count: int, seed: int = 0, folder: Path | None = None, progress: Progress | None = None) -> Files:
    """Tries files 0 to `count` - 1 of `seed`. folder: where those are written that are findings."""
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    with Stages(progress or Silent(), 1)(f"damaged files, seed {seed}") as watch, _Tester() as tester:
        for number in range(count):
            kind, change, data = damaged(seed, number)
            became = tester.try_file(kind, data)
            what = became.partition(": ")[0]
            counts[f"{kind.name} {what}"] += 1
            if what not in ("taken", "refused"):
                path = folder / f"file_{number}{kind.ending}" if folder is not None else None
                if path is not None:
                    write_file(path, lambda partial, data=data: partial.write_bytes(data))  # type: ignore[misc]
                findings.append(Finding(number, kind.name, change, became, str(path) if path else None))
                watch.note(f"file {number}: {kind.name}, {change}: {became[:200]}")
            watch.update(number + 1, count, "files")
    return Files(seed, count, dict(sorted(counts.items())), tuple(findings))


class _Tester:
    """The process that tries files, started again where one ended it."""

    def __enter__(self) -> "_Tester":
        self._process: Any = None
        self._pipe: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="lithify-fuzz-")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._folder.cleanup()

    def try_file(self, kind: Kind, data: bytes) -> str:
        """What became of a file: "taken", "refused: sentence", or a finding."""
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=_serve, args=(other, self._folder.name), daemon=True)
            self._process.start()
            other.close()
        self._pipe.send((kind.name, kind.ending, data))
        try:
            if not self._pipe.poll(SECONDS * PATIENCE):
                self._stop()
                return f"hangs: no answer after {SECONDS * PATIENCE} s"
            return str(self._pipe.recv())
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._stop()
            if code == -getattr(signal, "SIGXCPU", 0):
                return f"hangs: no answer after {SECONDS} s of processor time"
            return f"dies: the process ended with {code}"

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None


def _serve(pipe: Connection, folder: str) -> None:
    with suppress(ImportError, ValueError, OSError):  # there is no such module on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            kind, ending, data = pipe.recv()
            _allow(SECONDS)
            pipe.send(try_file(kind, ending, data, Path(folder)))


def _allow(seconds: float) -> None:
    """Ends this process, even within a library, once it has worked so much longer."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        end = math.ceil(time.process_time() + seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def try_file(kind: str, ending: str, data: bytes, folder: Path) -> str:
    """Takes a file through what its kind is for; see `_Tester.try_file`. folder: an empty one, to write to."""
    source, target = folder / f"file{ending}", folder / "made.lith"
    source.write_bytes(data)
    for other in set(folder.iterdir()) - {source}:
        other.unlink()
    try:
        _USES[kind](source, target)
    except LithifyError as error:
        text = str(error)
        left = sorted(path.name for path in set(folder.iterdir()) - {source})
        if left:
            return f"leaves {', '.join(left)}: {text}"
        if "\n" in text or not text.endswith("."):
            return f"no sentence: {text!r}"
        return f"refused: {text}"
    except MemoryError:
        return "refused: The memory of this machine is full."
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


def _use_model(source: Path, target: Path) -> None:
    from lithify import flow

    model = flow.optimize(flow.load(source))
    flow.compile(flow.quantize(model), "tiny").save(target)


def _use_program(source: Path, target: Path) -> None:
    from lithify.isa.listing import listing
    from lithify.program import Program
    from lithify.quantize import seeded

    program = Program.load(source)
    listing(program)
    program.run_samples(seeded(program.model_inputs, 1, seed=0))


def _use_chip(source: Path, target: Path) -> None:
    """What the description allows works: the smallest network is compiled for it and run."""
    from lithify.chip import load_chip
    from lithify.fuzz.check import check
    from lithify.fuzz.models import random_model

    outcome = check(random_model(0, 3, SIZE), load_chip(source))
    if outcome.failed:
        raise RuntimeError(f"{outcome.kind}: {outcome.text}")


_USES = {"model": _use_model, "program": _use_program, "chip": _use_chip}
