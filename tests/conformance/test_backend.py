"""The interface of ONNX backends."""

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import TensorProto, helper

from lithify import backend
from lithify.errors import LithifyError


def convolution(shape: list[int | str]) -> onnx.ModelProto:
    """3x3, three channels to four."""
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


IMAGE = np.random.default_rng(1).standard_normal((1, 3, 6, 5)).astype(np.float32)


def expected(model: onnx.ModelProto) -> np.ndarray:
    return onnx.reference.ReferenceEvaluator(model).run(None, {"x": IMAGE})[0]


@pytest.mark.parametrize("shape", [[1, 3, 6, 5], ["batch", 3, "height", 5]])
def test_a_float_model_is_calibrated_and_fixed_by_its_first_input(shape: list[int | str]) -> None:
    model = convolution(shape)
    prepared = backend.prepare(model, "CPU", chip="tiny", strict=True)
    (y,) = prepared.run([IMAGE])
    assert y.shape == (1, 4, 6, 5) and y.dtype == np.float32
    assert np.abs(y - expected(model)).max() < 0.02 * np.ptp(expected(model))
    assert prepared.program is not None and prepared.program.host_nodes == ()
    assert np.array_equal(prepared.run({"x": IMAGE})[0], y)


def test_with_calibration_data_a_model_is_ready_at_once() -> None:
    prepared = backend.prepare(convolution([1, 3, 6, 5]), calibration=[{"x": IMAGE}])
    assert prepared.program is not None and prepared.program.chip.name == "edge"
    assert np.array_equal(prepared.run(IMAGE)[0], backend.run_model(convolution([1, 3, 6, 5]), [IMAGE])[0])


def test_a_node_alone() -> None:
    a, b = IMAGE, IMAGE[:, :, ::-1].copy()
    (y,) = backend.run_node(helper.make_node("Add", ["a", "b"], ["y"]), [a, b], opset_version=18)
    assert np.abs(y - (a + b)).max() < 0.02 * np.ptp(a + b)


def test_devices() -> None:
    assert backend.supports_device("CPU:0") and backend.supports_device("RTL") and not backend.supports_device("CUDA")
    assert backend.supports_device("/device:ASIC:0") and backend.supports_device("asic:0")
    with pytest.raises(LithifyError, match=r"^There is no device 'CUDA'; Lithify runs models on: CPU, RTL, and the"):
        backend.prepare(convolution([1, 3, 6, 5]), "CUDA")
    made = [backend.prepare(convolution([1, 3, 6, 5]), device, chip="tiny").run([IMAGE])[0] for device in ("CPU", "X1")]
    assert np.array_equal(*made)


def test_a_missing_input() -> None:
    with pytest.raises(LithifyError, match=r"^The model takes 1 inputs \(x\), but 2 were given\.$"):
        backend.run_model(convolution([1, 3, 6, 5]), [IMAGE, IMAGE])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_onnx_can_drive_its_own_tests() -> None:
    """The class that ONNX offers to backends, on tests whose result int8 holds exactly."""
    suite = onnx.backend.test.BackendTest(backend.LithifyBackend, __name__)
    suite.include("test_(maxpool_2d_uint8|relu)_cpu")
    cases = suite.test_cases["OnnxBackendNodeModelTest"]
    names = [name for name in dir(cases) if name.startswith("test_")]
    assert len(names) > 100
    run = [name for name in names if not getattr(getattr(cases, name), "__unittest_skip__", False)]
    assert run == ["test_maxpool_2d_uint8_cpu", "test_relu_cpu"]
    cases.test_maxpool_2d_uint8_cpu(cases("test_maxpool_2d_uint8_cpu"))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):  # int8 is no float
        cases.test_relu_cpu(cases("test_relu_cpu"))
