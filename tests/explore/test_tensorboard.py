"""What is written for TensorBoard, read back by TensorBoard's own reader."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Ran

from lithify.explore.search.space import PARAMETERS

CNN = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"


def reader(folder: Path) -> Any:
    """TensorBoard's view of a folder of event files."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def text(events: Any, tag: str) -> str:
    """A text summary."""
    return events.Tensors(f"{tag}/text_summary")[0].tensor_proto.string_val[0].decode()


def test_a_profile(run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboardX")
    board = tmp_path / "board"
    ran = run("profile", CNN, "--chip", "tiny", "--tensorboard", board, "--json")
    assert ran.status == 0, ran.err
    told, events = json.loads(ran.out), reader(board)
    assert events.Scalars("inference/cycles")[0].value == told["cycles"]
    spent = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"] if tag.startswith("spent/")}
    assert sum(spent.values()) == sum(told["spent"].values())
    cycles = events.Scalars("layers/cycles")
    assert [event.value for event in cycles] == [layer["cycles"] for layer in told["layers"]]
    curve = events.Scalars("over_cycles/dram_share")
    assert [event.step for event in curve] == told["curves"]["cycle"]
    assert events.Images("timeline")[0].width > 500
    assert all(layer["name"] in text(events, "layers") for layer in told["layers"])
    trace = json.loads(gzip.decompress((board / "timeline.trace.json.gz").read_bytes()))
    assert trace["otherData"]["chip"] == "tiny" and len(trace["traceEvents"]) > 50
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    refused = run("profile", CNN, "--chip", "tiny", "--tensorboard", board)
    assert refused.status == 1 and "pip install 'lithify[tensorboard]'" in refused.err


@pytest.mark.slow
def test_a_search(run: Callable[..., Ran], tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    board = tmp_path / "board"
    words = ("explore", CNN, "--vary", "rows=8", "--points", 5, "--jobs", 1, "--rtl", "none", "-o", tmp_path / "out")
    ran = run(*words, "--tensorboard", board, "--json")
    assert ran.status == 0, ran.err
    told, events = json.loads(ran.out), reader(board)
    areas = events.Scalars("points/mm2")
    assert [event.step for event in areas] == list(range(5))
    for point in told["front"]:
        assert areas[point["number"]].value == pytest.approx(point["mm2"])
        # Each point is a run of its own, with its parameters.
        own = reader(board / f"point_{point['number']:04}")
        assert own.Scalars("latency_ms")[0].value == pytest.approx(1e3 * point["latency_s"])
        (start,) = [value for tag, value in own.summary_metadata.items() if tag == "_hparams_/session_start_info"]
        assert start.plugin_data.plugin_name == "hparams"
        assert all(parameter.name.encode() in start.plugin_data.content for parameter in PARAMETERS)
    volumes = [event.value for event in events.Scalars("front/volume")]
    assert volumes == sorted(volumes) and volumes[-1] > 0
    assert events.Scalars("front/points")[-1].value == len(told["front"])
    assert len(events.Tags()["images"]) == 3 and "least product" in text(events, "answer")
