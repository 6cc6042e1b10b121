"""What ONNX Runtime quantises dynamically becomes static: the chip runs it, near the dynamic model."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic
from tests.frontend.models import floats, typed
from tests.quantize.judge import by_runtime

import lithify
from lithify.quantize import inputs_of, seeded

TEXTS = {
    "dense": """g (float[7, 20] x) => (float[7, 5] y) {
        a = MatMul(x, v)
        b = Add(a, c)
        d = Relu(b)
        y = MatMul(d, w) }""",
    "images": """g (float[1, 3, 9, 8] x) => (float[1, 6, 9, 8] y) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k, e)
        y = Relu(a) }""",
}
VALUES = {
    "v": floats(1, 20, 12),
    "c": floats(2, 12),
    "w": floats(3, 12, 5),
    "k": floats(4, 6, 3, 3, 3),
    "e": floats(5, 6),
}


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_dynamic_becomes_static(name: str, per_channel: bool, tmp_path: Path) -> None:
    import onnx_ir as ir

    source = typed(TEXTS[name], VALUES)
    onnx.save(ir.serde.serialize_model(source), tmp_path / "float.onnx")
    kind = QuantType.QUInt8 if name == "images" else QuantType.QInt8
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "dynamic.onnx", per_channel=per_channel, weight_type=kind)
    model = lithify.optimize(lithify.load(tmp_path / "dynamic.onnx"))
    assert any(node.op_type.endswith("Integer") for node in model.graph)
    samples = seeded(inputs_of(model), 8)
    made = lithify.quantize(model, [samples[index] for index in range(8)])
    assert not any(node.op_type.endswith("Integer") for node in made.graph)
    program = lithify.compile(made, "edge", strict=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "dynamic.onnx"), providers=["CPUExecutionProvider"])
    for index in range(4):
        (found,), (theirs,) = program.run(samples[index]["x"]), session.run(None, samples[index])
        (real,) = by_runtime(source, samples[index])
        assert np.abs(found - theirs).max() < 0.05 * np.ptp(real)
    assert program.verify(list(samples.inputs["x"][:2]), rtl="none").agreed


def test_what_is_no_product_of_known_weights_stays_dynamic() -> None:
    text = """g (float[7, 20] x, uint8[20, 4] u) => (int32[7, 4] y) {
        q, s, z = DynamicQuantizeLinear(x)
        y = MatMulInteger(q, u, z) }"""
    model = lithify.optimize(typed(text, {}))
    made = lithify.quantize(model)
    assert "MatMulInteger" in lithify.compile(made, "tiny").host_nodes
    with pytest.raises(lithify.LithifyError, match=r"run on the host: DynamicQuantizeLinear, MatMulInteger"):
        lithify.compile(made, "tiny", strict=True)
