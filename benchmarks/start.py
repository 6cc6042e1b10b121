"""How long a large program takes to start: opened, every byte proved, and ready to run.

    python benchmarks/start.py --megabytes 1024

Compiles a stack of dense layers of that many bytes, saves it, and opens it in processes of their own: with the file on
the disk alone (cold) and in the system's cache (warm), beside reading the same file and doing nothing with it. Seconds
are the least of `--repeats`, of a clock and of the processors; memory is what the process holds beyond the file's own
pages. Then two sessions at once, and their answer compared with the program as it was compiled.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.isa.file import save
from lithify.isa.program import Program
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.runtime import run

WIDTH = 4096
"""Of the layers: their weights are 16 MiB each."""


def stack(layers: int) -> Graph:
    """Dense layers one after the other, their weights random."""
    random, step = np.random.default_rng(0), np.float32(0.1)
    tensors, constants = {"x": Tensor("x", (1, WIDTH), "int8", step, 0)}, {}
    nodes, last = [], "x"
    for layer in range(layers):
        weights, bias, made = f"weights {layer}", f"bias {layer}", f"y {layer}"
        tensors[weights] = Tensor(weights, (WIDTH, WIDTH), "int8", np.full(WIDTH, 2e-4, np.float32), 0)
        tensors[bias] = Tensor(bias, (WIDTH,), "int32")
        tensors[made] = Tensor(made, (1, WIDTH), "int8", step, 0)
        constants[weights] = random.integers(-127, 128, (WIDTH, WIDTH), dtype=np.int8)
        constants[bias] = random.integers(-100, 100, WIDTH, dtype=np.int32)
        nodes.append(make_node(f"layer {layer}", "Gemm", (last, weights, bias), (made,)))
        last = made
    return Graph("stack", ("x",), (last,), tensors, constants, tuple(nodes))


def given(program: Program) -> dict[str, np.ndarray]:
    """An input of the stack."""
    (name,) = program.inputs
    return {name: np.random.default_rng(1).integers(-128, 128, program.tensors[name].shape).astype(np.int8)}


def opened(path: Path) -> dict[str, float]:
    """Opens a session; seconds, and bytes that the process then holds by itself."""
    import lithify

    before, clock, processors = own_bytes(), time.perf_counter(), time.process_time()
    with lithify.Session(path):
        return {
            "seconds": time.perf_counter() - clock,
            "processor_seconds": time.process_time() - processors,
            "own_megabytes": (own_bytes() - before) / 1e6,
        }


def read(path: Path) -> dict[str, float]:
    """Reads the file into one buffer, piece after piece."""
    piece = bytearray(2**22)
    clock, processors = time.perf_counter(), time.process_time()
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass
    return {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processors}


def own_bytes() -> int:
    """Memory of this process that is no file's (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def measured(what: str, path: Path, cold: bool, repeats: int) -> dict[str, float]:
    """The least of several processes."""
    found: list[dict[str, float]] = []
    for _ in range(repeats):
        if cold:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        words = [sys.executable, __file__, "--one", what, str(path)]
        found.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    return {key: min(entry[key] for entry in found) for key in found[0]}


@click.command()
@click.option("--megabytes", default=1024, help="Of weights.")
@click.option("--chip", default="edge")
@click.option("--repeats", default=5)
@click.option("--one", nargs=2, type=str, hidden=True)
def main(megabytes: int, chip: str, repeats: int, one: tuple[str, str] | None) -> None:
    """Fails where an answer is another after opening."""
    if one:
        print(json.dumps({"open": opened, "read": read}[one[0]](Path(one[1]))))
        return
    program = compile_graph(stack(max(1, megabytes * 2**20 // WIDTH**2)), load_chip(chip))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.lith"
        save(program, path)
        os.sync()  # what is not on the disk yet would stay in the cache
        print(f"{path.stat().st_size:,} bytes")
        for cold in (True, False):
            for what in ("read", "open"):
                figures = measured(what, path, cold, repeats)
                text = ", ".join(f"{key.replace('_', ' ')} {value:.2f}" for key, value in figures.items())
                print(f"{'cold' if cold else 'warm'} {what}: {text}")
        _answers(program, path)


def _answers(program: Program, path: Path) -> None:
    import lithify

    before = own_bytes()
    with lithify.Session(path) as one, lithify.Session(path, device="sim:1") as two:
        print(f"two sessions: own megabytes {(own_bytes() - before) / 1e6:.2f}")
        feed, expected = given(program), run(program, given(program)).outputs
        if not all(np.array_equal(session.run(None, feed)[0], expected[0]) for session in (one, two)):
            raise SystemExit("An answer is not the compiled program's.")
    print("answers: those of the program as it was compiled")


if __name__ == "__main__":
    main()
