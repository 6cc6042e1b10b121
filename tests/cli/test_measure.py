"""`lithify profile` and `lithify bench`: what they print, write and refuse."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import DATA, NETWORK
from tests.cli.test_errors import refused
from tests.conftest import Ran

import lithify
from lithify.networks import NETWORKS

Run = Callable[..., Ran]
KEYS = {
    "network", "chip", "multipliers", "onchip_bytes", "dram_bytes_per_cycle", "cycles", "fps_at_1ghz", "utilisation",
    "roofline_cycles", "dram_bytes", "energy_uj", "energy_source", "compile_cpu_s", "timing_cpu_s", "host_nodes",
}  # fmt: skip


def test_profile_of_a_program(run: Run, program: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    ran = run("profile", program, "--json", "--trace", trace, "--html", tmp_path / "page.html")
    found = json.loads(ran.out)
    assert ran.status == 0 and found["cycles"] == json.loads(run("simulate", program, "--json").out)["cycles"]
    assert "try twice the bandwidth" in ran.err
    assert json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert f'<b id="cycles">{found["cycles"]:,}</b>' in (tmp_path / "page.html").read_text(encoding="utf-8")
    text = run("profile", program).out
    for part in ("where the cycles go", "for weights", "DRAM traffic", "scratchpad in use", "what would help"):
        assert part in text
    assert f"{found['cycles']:,}" in text and f"{found['what_helps'][0]['cycles']:,}" in text
    for layer in found["layers"]:
        assert layer["name"] in text and f"{layer['cycles']:,}" in text


def test_profile_of_a_model_is_that_of_its_program(run: Run, program: Path) -> None:
    model = json.loads(run("profile", NETWORK, "--data", DATA, "--chip", "tiny", "--json").out)
    compiled = json.loads(run("profile", program, "--json").out)
    assert (model["cycles"], model["layers"]) == (compiled["cycles"], compiled["layers"])


def test_profile_refuses(run: Run, program: Path, tmp_path: Path) -> None:
    ran = run("profile", program, "--rtl")
    assert ran.status == 2 and "--rtl adds to the timeline; give --trace FILE too." in ran.err
    assert refused(run("profile", program, "--trace", tmp_path)) == (
        f"Cannot write '{tmp_path}': it is a folder; name a file."
    )
    assert refused(run("profile", DATA)) == (
        f"The file '{DATA}' is no Lithify program; give a .lith file that Lithify compiled."
    )


def test_bench(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    ran = run("bench", "ds_cnn", "autoencoder", "--chip", "tiny", "--chip", "edge", "--json", "-o", out)
    rows = json.loads(ran.out)
    assert rows == json.loads(out.read_text(encoding="utf-8"))
    assert [(row["network"], row["chip"]) for row in rows] == [
        ("ds_cnn", "tiny"), ("ds_cnn", "edge"), ("autoencoder", "tiny"), ("autoencoder", "edge")
    ]  # fmt: skip
    for row in rows:
        assert set(row) == KEYS
        assert row["fps_at_1ghz"] == 1e9 / row["cycles"] and row["roofline_cycles"] < row["cycles"]
        assert 0 < row["utilisation"] < 1 and row["energy_uj"] > 0 and row["compile_cpu_s"] > row["timing_cpu_s"] > 0
        macs = NETWORKS[row["network"]].macs
        assert row["utilisation"] == macs / (row["cycles"] * row["multipliers"])
    assert f"ds_cnn on tiny: {rows[0]['cycles']:,} cycles" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lithify", "bench", "resnet8", "-o", "rows.json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lithify.__file__).parents[1])}
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background of a script
    )  # fmt: skip
    assert process.stderr is not None
    # The first stage is over, and says so.
    assert process.stderr.readline().startswith("[1/3] resnet8: build and quantise")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err and err.endswith("Stopped; nothing was left half written.\n")
    assert list(tmp_path.iterdir()) == []


def test_bench_refuses_an_unknown_network(run: Run) -> None:
    assert refused(run("bench", "resnet9")) == (f"There is no network 'resnet9'; there are {', '.join(NETWORKS)}.")
