"""What chooses among results, on the host and counted: TopK, and NonMaxSuppression, whose results the data count."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tests.frontend.models import floats, proto

import lithify
from lithify.program import Program
from lithify.runtime.host import host_milliseconds

HEAD = """g (float[1, 3, 6, 6] x) => ({outputs}) {{
    c = Conv(x, w)
    r = Reshape(c, flat)
    sides, labels = Split<axis = 1>(r, parts)
    boxes = Transpose<perm = [0, 2, 1]>(sides)
    scores = Sigmoid(labels)
    {body}
}}"""
CONSTANTS = {
    "w": floats(1, 7, 3, 1, 1, scale=0.5),
    "flat": np.array([1, 7, 36], np.int64),
    "parts": np.array([4, 3], np.int64),
    "most": np.array([5], np.int64),
    "overlap": np.array([0.5], np.float32),
    "least": np.array([0.75], np.float32),
    "last": np.array([2], np.int64),
    "one": np.array([1], np.int64),
    "three": np.array([3], np.int64),
}
SUPPRESSED = "chosen = NonMaxSuppression(boxes, scores, most, overlap, least)"


def head(body: str, outputs: str) -> onnx.ModelProto:
    return proto(HEAD.format(body=body, outputs=outputs), CONSTANTS)


def compiled(given: onnx.ModelProto) -> Program:
    samples = [floats(seed, 1, 3, 6, 6) for seed in range(8)]
    return lithify.compile(lithify.quantize(lithify.optimize(lithify.load(given)), samples), "tiny")


def test_boxes_that_remain(tmp_path: Path) -> None:
    """As many as ONNX Runtime chooses of the chip's boxes and scores; other inputs leave other numbers of them."""
    program = compiled(head(SUPPRESSED, "int64[n, 3] chosen, float[1, 36, 4] boxes, float[1, 3, 36] scores"))
    assert program.host_nodes == ("NonMaxSuppression",)
    program.save(tmp_path / "p.lith")
    loaded = Program.load(tmp_path / "p.lith")
    node = onnx.helper.make_node("NonMaxSuppression", ["b", "s", "m", "o", "l"], ["chosen"])
    counts = set()
    for seed in range(20, 26):
        chosen, boxes, scores = loaded.run(floats(seed, 1, 3, 6, 6))
        parts = boxes, scores, CONSTANTS["most"], CONSTANTS["overlap"], CONSTANTS["least"]
        (wanted,) = onnx.reference.ReferenceEvaluator(node).run(None, dict(zip(node.input, parts, strict=True)))
        assert chosen.dtype == np.int64 and {tuple(row) for row in chosen} == {tuple(row) for row in wanted}
        counts.add(len(chosen))
    assert len(counts) > 1
    assert program.verify(rtl="none").agreed
    assert host_milliseconds(program, {"x": floats(20, 1, 3, 6, 6)}) > 0
    assert lithify.Session(loaded).get_outputs()[0].shape == ("count", 3)
    with pytest.raises(
        lithify.LithifyError, match=r"^The data decide how many the output 'chosen' has, and those of 2 "
    ):
        program.run(floats(1, 2, 3, 6, 6))


def test_what_follows_them_runs_on_the_host_too() -> None:
    body = (
        f"{SUPPRESSED}\n at = Slice(chosen, last, three, one)\n i = Squeeze(at, one)\n y = Gather<axis = 1>(boxes, i)"
    )
    given = head(body, "float[1, n, 4] y")
    program = compiled(given)
    assert set(program.host_nodes) == {"NonMaxSuppression", "Slice", "Squeeze", "Gather"}
    assert program.verify(rtl="none").agreed
    x = floats(20, 1, 3, 6, 6)
    (wanted,) = onnxruntime.InferenceSession(given.SerializeToString()).run(None, {"x": x})
    assert abs(len(program.run(x)[0][0]) - len(wanted[0])) <= 2


def test_strict_refuses_them_by_name() -> None:
    with pytest.raises(lithify.LithifyError, match=r"^These operators would run on the host: NonMaxSuppression; "):
        model = head(SUPPRESSED, "int64[n, 3] chosen")
        lithify.compile(lithify.quantize(lithify.optimize(lithify.load(model))), "tiny", strict=True)


def test_the_largest_scores() -> None:
    program = compiled(head("best, at = TopK<axis = 2>(scores, three)", "float[1, 3, 3] best, int64[1, 3, 3] at"))
    assert program.host_nodes == ("TopK",)
    assert program.verify(rtl="none").agreed
    assert host_milliseconds(program, {"x": floats(20, 1, 3, 6, 6)}) > 0
