"""Measures how long Lithify's own tools take and writes docs/speed.md.

    python benchmarks/tools.py           measures everything but the last rows (some minutes), then writes
    python benchmarks/tools.py --rtl     the last rows too: whole networks in RTL, every value and cycle compared
    python benchmarks/tools.py --only functional_resnet50       prints one measurement, writes nothing

Each measurement is made in a process of its own, on one thread. Seconds are processor seconds: those of a waiting
machine and of a busy one are nearly alike, unlike the seconds of a clock.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"
CHIP = "edge"
SEED = 0
REPEATS = 5

Found = dict[str, float]


def prepare(folder: Path, name: str) -> Found:
    """The network's ONNX file, quantised model and program, for the measurements that follow."""
    from lithify import flow, networks
    from lithify.frontend import save

    model = folder / f"{name}.onnx"
    save(networks.build(name, SEED), model)
    start = time.process_time()
    quantized = flow.quantize(flow.optimize(flow.load(model)), seed=SEED)
    program = flow.compile(quantized, CHIP)
    seconds = time.process_time() - start
    save(quantized, folder / name / "quantized.onnx")
    program.save(folder / name / "program.lith")
    return {"seconds": seconds}


def starting(folder: Path, *words: str) -> Found:
    """A process that ends as soon as it has started."""
    best = float("inf")
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {"seconds": best}


def timing(folder: Path) -> Found:
    """The timing simulation of a saved program."""
    from lithify.program import Program

    program = Program.load(folder / "resnet50" / "program.lith")
    start = time.process_time()
    found = program.simulate()
    seconds = time.process_time() - start
    return {"seconds": seconds, "cycles": found.cycles, "megabytes": peak_megabytes()}


def functional(folder: Path, name: str) -> Found:
    """The functional simulator and ONNX Runtime on one image."""
    import onnxruntime
    from onnx_ir.serde import serialize_model

    from lithify.frontend import load
    from lithify.program import Program
    from lithify.quantize.signed import activations_to_unsigned
    from lithify.runtime import FunctionalDevice, run

    program = Program.load(folder / name / "program.lith")
    feed = one_input(program)
    device = FunctionalDevice(record=False)
    seconds, first = best_of(lambda: run(program, feed, device))
    found = {"seconds": seconds, "first": first}
    model = load(folder / name / "quantized.onnx")
    forms = {"int8": serialize_model(model), "uint8": serialize_model(activations_to_unsigned(model))}
    for key, form, int8 in (
        ("onnxruntime", "int8", "0"),
        ("onnxruntime_int8", "int8", "1"),
        ("onnxruntime_uint8", "uint8", "1"),
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # "1" keeps every layer in int8, as the chip does; the default computes some of them in float.
        options.add_session_config_entry("session.qdqisint8allowed", int8)
        data = forms[form].SerializeToString()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        found[key], _ = best_of(lambda session=session: session.run(None, dict(feed)))
    return found


def build_simulator(folder: Path) -> Found:
    """The simulator of the chip, built anew; what is compiled once for a machine is counted apart."""
    from lithify.chip import load_chip
    from lithify.rtl.simulation import build
    from lithify.rtl.verilog import TOP_FILE, verilog

    os.environ["LITHIFY_CACHE"] = str(folder / "cache")
    start = time.process_time()
    files = verilog(load_chip(CHIP))
    written = time.process_time() - start
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = build(files, TOP_FILE.removesuffix(".v"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = made.build_seconds / (made.build_seconds + made.runtime_seconds)
    return {"seconds": written + seconds * share, "verilog": written, "once": seconds * (1 - share)}


def rtl(folder: Path, name: str) -> Found:
    """A whole inference in RTL, compared with the reference, the functional and the timing simulator."""
    from lithify.program import Program
    from lithify.reference.evaluate import run as run_reference
    from lithify.runtime import FunctionalDevice, run
    from lithify.runtime.chip import RtlDevice
    from lithify.verify.compare import Tally

    program = Program.load(folder / name / "program.lith")
    assert program.graph is not None
    device = RtlDevice.of(program.chip, lambda text: print(text, file=sys.stderr))
    feed = one_input(program)
    clock, start = time.perf_counter(), time.process_time()
    hardware = run(program, feed, device)
    seconds, minutes = time.process_time() - start, (time.perf_counter() - clock) / 60
    model = run(program, feed, FunctionalDevice())
    tally = Tally(program, program.graph)
    tally.against_reference(0, run_reference(program.graph, feed), model)
    tally.against_hardware(0, model, hardware)
    tally.against_cycles(program.simulate(), hardware)
    assert hardware.cycles is not None
    return {
        "seconds": seconds,
        "minutes": minutes,
        "cycles": hardware.cycles,
        "rate": hardware.cycles / seconds,
        "values": tally.values,
        "values_different": tally.values_different,
        "words": tally.words,
        "words_different": tally.words_different,
        "retirements": tally.retirements,
        "retirements_different": tally.retirements_different,
    }


def one_input(program: Any) -> dict[str, Any]:
    """A seeded input of a program."""
    from lithify.quantize.data import seeded

    return seeded(program.model_inputs, 1, SEED)[0]


def best_of(work: Callable[[], object]) -> tuple[float, float]:
    """Processor seconds of the fastest repetition, and of the first, which prepares the others."""
    found = []
    for _ in range(2 * REPEATS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found), found[0]


def peak_megabytes() -> float:
    """The largest memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


IN_RTL = {"resnet8": "ResNet-8", "ds_cnn": "DS-CNN", "mobilenet_v2": "MobileNetV2", "resnet50": "ResNet-50"}
"""Networks run whole in RTL; after the first, by --rtl alone."""

JOBS: dict[str, Callable[[Path], Found]] = {
    **{f"compile_{name}": partial(prepare, name=name) for name in IN_RTL},
    "compile_bert_base": partial(prepare, name="bert_base"),
    "import": lambda folder: starting(folder, "-c", "import lithify"),
    "help": lambda folder: starting(folder, "-m", "lithify", "--help"),
    "timing_resnet50": timing,
    "functional_resnet50": lambda folder: functional(folder, "resnet50"),
    "functional_resnet8": lambda folder: functional(folder, "resnet8"),
    "build_simulator": build_simulator,
    **{f"rtl_{name}": partial(rtl, name=name) for name in IN_RTL},
}
"""By name, in order: those that compile leave files in the folder for those behind them."""

LONG = {"compile_ds_cnn", "compile_mobilenet_v2", "rtl_ds_cnn", "rtl_mobilenet_v2", "rtl_resnet50"}
"""What --rtl asks for."""


@dataclass(frozen=True)
class Row:
    """A line of the table. peer: what others need for the like; aim: what Lithify wants to stay below."""

    job: str
    what: str
    peer: str
    aim: str
    text: Callable[[Found], str]


def functional_text(found: Found) -> str:
    """One image, and beside it ONNX Runtime."""
    return (
        f"{1000 * found['seconds']:.1f} ms (the first image {found['first']:.2f} s); "
        f"{times(found, 'onnxruntime_int8')} ONNX Runtime with every layer in int8, "
        f"{times(found, 'onnxruntime')} its default, part of it in float, "
        f"{times(found, 'onnxruntime_uint8')} it with the activations made uint8, its fastest form on x86"
    )


def times(found: Found, other: str) -> str:
    """How many times as long as ONNX Runtime, and that in milliseconds."""
    return f"{found['seconds'] / found[other]:.1f} x the {1000 * found[other]:.1f} ms of"


def rtl_text(found: Found) -> str:
    """How long, how fast, and what was compared."""
    return (
        f"{found['seconds']:.1f} s for {found['cycles']:,} cycles, {found['rate']:,.0f} a second; "
        f"{found['values']:,} values of every tensor compared, {found['values_different']} different; "
        f"{found['words']:,} words of the chip's results, {found['words_different']} different; "
        f"{found['retirements']:,} retirements, {found['retirements_different']} in another cycle"
    )


ROWS = (
    Row("compile_resnet50", "import, optimise, quantise and compile ResNet-50", "", "40 s",
        lambda found: f"{found['seconds']:.1f} s"),
    Row("compile_bert_base", "import, optimise, quantise and compile BERT-base, 128 tokens", "", "60 s",
        lambda found: f"{found['seconds']:.1f} s"),
    Row("timing_resnet50", "timing simulation of ResNet-50", "SCALE-Sim 228 to 576 s for ResNet-18", "5 s, 500 MB",
        lambda found: f"{found['seconds']:.1f} s for {found['cycles']:,} cycles, {found['megabytes']:.0f} MB"),
    Row("functional_resnet50", "functional simulation of ResNet-50, one image", "", "10 x ONNX Runtime",
        functional_text),
    Row("functional_resnet8", "functional simulation of ResNet-8, one image", "hls4ml's emulator 334 ms", "10 ms",
        functional_text),
    Row("import", "`import lithify`", "", "0.3 s", lambda found: f"{found['seconds']:.2f} s"),
    Row("help", "`lithify --help`", "", "0.3 s", lambda found: f"{found['seconds']:.2f} s"),
    Row("build_simulator", "the chip's RTL simulator, built", "", "90 s",
        lambda found: f"{found['seconds']:.0f} s, {found['verilog']:.1f} of them for the Verilog; cached afterwards "
                      f"(and {found['once']:.0f} s once on a machine, for what every simulator stands on)"),
    *(Row(f"rtl_{name}", f"{title} in RTL", "days for ResNet-50 with Gemmini in Verilator",
          "300,000 cycles a second; ResNet-50 3 minutes", rtl_text) for name, title in IN_RTL.items()),
)  # fmt: skip


def machine() -> str:
    """This machine in generic words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0] if lines else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def page(found: dict[str, Found]) -> str:
    """The contents of docs/speed.md."""
    rows = "".join(
        f"| {row.what} | {row.text(found[row.job])} | {row.aim} | {row.peer or '-'} |\n"
        for row in ROWS
        if row.job in found
    )
    return f"""# How long the tools take

Written by `python benchmarks/tools.py --rtl`; do not edit. Networks are built from code with seeded weights; the chip
is `{CHIP}`.
Processor seconds on one thread of: {machine()}. Each line is a process of its own; of several repetitions the fastest
counts.

| what | measured | aim | others |
| --- | --- | --- | --- |
{rows}
The functional simulator executes the program's instructions, from the program file alone, on the words of the
scratchpad and the bytes of DRAM: addresses are worked out and checked with the first image, and array operations of
numpy are what remains. ResNet-50's 4.09 billion multiply-accumulates alone take about 0.1 s in float32 matrix
products, which are exact for pieces of 1,024 terms; that is the wall. Others' figures are those that they publish or
that were measured on two cores of another machine.

To prove a network of your own in RTL: `lithify verify BUILD --rtl layers` (the first input in RTL, all of them in the
functional simulator), or `--rtl full`.
"""


@cache
def environment() -> dict[str, str]:
    """One thread, this tree."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **threads, "PYTHONPATH": path}


def measure(job: str, folder: Path) -> Found:
    """A measurement in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--job", job, str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    return json.loads(done.stdout.splitlines()[-1])


def wanted(job: str, only: str) -> bool:
    """Whether a job has to run where one measurement was asked for: it, and what leaves files for it."""
    return job == only or (job.startswith("compile_") and only.endswith(job.removeprefix("compile")))


def main() -> None:
    """Measures in order and writes the page."""
    options = argparse.ArgumentParser(description="Measures how long Lithify's own tools take.")
    options.add_argument("--rtl", action="store_true", help="run whole networks in RTL, too")
    options.add_argument("--only", choices=JOBS, help="make this measurement, print it and write nothing")
    options.add_argument("--job", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.job:
        print(json.dumps(JOBS[asked.job[0]](Path(asked.job[1]))))
        return
    found: dict[str, Found] = {}
    with TemporaryDirectory(prefix="lithify-tools-") as name:
        for job in JOBS:
            if wanted(job, asked.only) if asked.only else asked.rtl or job not in LONG:
                found[job] = measure(job, Path(name))
                print(job, json.dumps(found[job]), flush=True)
    if not asked.only:
        PAGE.write_text(page(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
