"""What ONNX Runtime takes for a network on the processors of this machine."""

import os
import platform
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from lithify.errors import LithifyError

CPU = "CPUExecutionProvider"
LEAST_SECONDS, LEAST_RUNS, MOST_RUNS, WARM_UP = 1.0, 7, 500, 2
PROFILED_RUNS = 50
KERNEL = "_kernel_time"
"""How ONNX Runtime's profile calls what a node takes, behind its name."""
NEEDED = {
    "NVIDIA": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "AMD": ("ROCMExecutionProvider", "onnxruntime-rocm"),
}
"""Maker of an accelerator -> the provider that runs it, and the package that has it."""
_RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Timed:
    """Seconds of one inference: the least of all runs, which other work on the machine disturbed least, and the quarter
    and three quarters points. joules: of one inference, where the machine counts them.
    """

    seconds: float
    quarter: float
    three_quarters: float
    runs: int
    joules: float | None


def processors() -> dict[str, str]:
    """Provider of ONNX Runtime -> the name of what it runs on: this machine's CPU, and its GPUs."""
    import onnxruntime  # type: ignore[import-untyped]

    names = {"CUDAExecutionProvider": "GPU (CUDA)", "ROCMExecutionProvider": "GPU (ROCm)",
             "DmlExecutionProvider": "GPU (DirectML)", "CoreMLExecutionProvider": "Core ML"}  # fmt: skip
    found = onnxruntime.get_available_providers()
    return {CPU: cpu_name(), **{key: name for key, name in names.items() if key in found}}


def unmeasured() -> tuple[str, ...]:
    """Accelerators of this machine that ONNX Runtime cannot use as it is installed, each with what would help."""
    from lithify.doctor import doctor

    used = processors()
    found = []
    for accelerator in (finding for finding in doctor() if finding.group == "accelerators" and finding.found):
        maker = accelerator.name.split()[0]
        provider, install = NEEDED.get(maker, ("", ""))
        if provider and provider in used:
            continue
        help_ = f"pip install {install}" if install else "no provider of ONNX Runtime that is known here takes it"
        found.append(f"{accelerator.name} ({help_})")
    return tuple(found)


def cpu_name() -> str:
    """The processor as its maker calls it."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(_CPUINFO), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def cpu_clock_hz() -> float | None:
    """The clock that the system states for the processor now, where it states one."""
    found = re.findall(r"^cpu MHz\s*:\s*([0-9.]+)$", _text(_CPUINFO), re.MULTILINE)
    return max(map(float, found)) * 1e6 if found else None


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(model: ir.Model, feed: Mapping[str, NDArray[Any]], threads: int, provider: str = CPU) -> Timed:
    """Runs a model again and again, for a second and seven times at least.

    Raises LithifyError where ONNX Runtime refuses the model.
    """
    try:
        session = _session(model, threads, provider)
        seconds: list[float] = []
        for _ in range(WARM_UP):
            session.run(None, dict(feed))
        before = _microjoules()
        while len(seconds) < LEAST_RUNS or (sum(seconds) < LEAST_SECONDS and len(seconds) < MOST_RUNS):
            start = time.perf_counter()
            session.run(None, dict(feed))
            seconds.append(time.perf_counter() - start)
        after = _microjoules()
    except LithifyError:
        raise
    except Exception as error:  # ONNX Runtime raises its own many types
        reason = " ".join(str(error).split())
        raise LithifyError(f"ONNX Runtime could not run the model for comparison: {reason}.") from error
    quarter, _, three_quarters = quantiles(seconds, n=4)
    joules = None
    if before is not None and after is not None and after > before:  # the count begins anew now and then
        joules = (after - before) / 1e6 / len(seconds)
    return Timed(min(seconds), quarter, three_quarters, len(seconds), joules)


def profiled(
    model: ir.Model, feed: Mapping[str, NDArray[Any]], threads: int, provider: str = CPU
) -> tuple[float, dict[str, float]]:
    """Seconds of a whole inference, as `timed`, and of each node computed by itself, by name.

    Of a node: the median of ONNX Runtime's own profile, on one thread, with nothing fused, as the runtime calls an
    operator that stays on the host; so they add up to more than the whole.
    """
    import json
    import tempfile

    import onnxruntime

    from lithify.quantize.running import opened

    whole = timed(model, feed, threads, provider).seconds
    with tempfile.TemporaryDirectory(prefix="lithify-") as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = opened(model, options, provider)
        for _ in range(max(LEAST_RUNS, min(PROFILED_RUNS, round(LEAST_SECONDS / whole)))):
            session.run(None, dict(feed))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs: dict[str, list[float]] = {}
    for event in events:
        name = str(event["name"])
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            runs.setdefault(name.removesuffix(KERNEL), []).append(float(event["dur"]))
    return whole, {name: median(durations) / 1e6 for name, durations in runs.items()}


def _session(model: ir.Model, threads: int, provider: str) -> Any:
    import onnxruntime

    from lithify.quantize.running import opened

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # int8 kernels for int8 activations: what a user of a quantised model runs.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return opened(model, options, provider)


def _microjoules() -> int | None:
    """The processor's count of energy; None where it has none, or may not be read."""
    text = _text(_RAPL)
    return int(text) if text.strip().isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
