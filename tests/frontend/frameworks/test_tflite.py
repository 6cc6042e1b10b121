"""TFLite: float files within float error of LiteRT, int8 ones within a step, their rates printed; refusals by name."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="needs tflite: pip install 'lithify[test-frameworks]'")
pytest.importorskip("ai_edge_litert", reason="needs LiteRT: pip install 'lithify[test-frameworks]'")

from tests.frontend.frameworks.line import agree, answers, take_the_line
from tests.frontend.frameworks.tflite_cases import CASES, float_file, int8_file
from tests.frontend.frameworks.tflite_writer import Operator, Tensor, litert, write

import lithify
from lithify import LithifyError
from lithify.frontend.tflite import OPERATORS
from lithify.quantize import is_quantized

pytestmark = pytest.mark.slow

MODELS = Path(__file__).parents[4] / "shared" / "models"


@pytest.fixture(scope="module")
def rates(request: pytest.FixtureRequest) -> Iterator[dict[str, tuple[int, int]]]:
    """Operator -> outputs one step away, and all; printed in the end."""
    found: dict[str, tuple[int, int]] = {}
    yield found
    away, whole = (sum(pair[place] for pair in found.values()) for place in (0, 1))
    names = ", ".join(f"{name} {pair[0]}/{pair[1]}" for name, pair in found.items() if pair[0])
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nTFLite int8, LiteRT's reference kernels: {away} of {whole} outputs one step away ({names})")


def test_every_operator_that_is_read_has_a_case() -> None:
    assert {name.split()[0] for name in CASES} | {"QUANTIZE", "DEQUANTIZE"} == set(OPERATORS)


@pytest.mark.parametrize("name", CASES)
def test_float_operators(name: str, tmp_path: Path) -> None:
    content, inputs = float_file(name)
    path = tmp_path / "one.tflite"
    path.write_bytes(content)
    model = lithify.load(path)
    feeds = dict(zip((str(value.name) for value in model.graph.inputs), inputs, strict=True))
    agree(answers(model, feeds), litert(content, inputs))
    agree(answers(lithify.optimize(model), feeds), litert(content, inputs))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.scale != "none"])
def test_int8_operators(name: str, tmp_path: Path, rates: dict[str, tuple[int, int]]) -> None:
    content, inputs = int8_file(name)
    path = tmp_path / "one.tflite"
    path.write_bytes(content)
    model = lithify.load(path)
    assert is_quantized(model)
    feeds = dict(zip((str(value.name) for value in model.graph.inputs), inputs, strict=True))
    theirs, ours = litert(content, inputs), answers(model, feeds)
    program = take_the_line(model)
    for index, (one, other, chip) in enumerate(zip(ours, theirs, program.run(*inputs), strict=True)):
        steps = np.abs(one.astype(int) - other.astype(int))
        assert one.dtype == np.int8 and steps.max() <= 1
        assert np.abs(chip.astype(int) - other.astype(int)).max() <= 1
        rates[f"{name} {index}" if index else name] = int(np.count_nonzero(steps)), steps.size


def _shared(name: str) -> Path:
    path = MODELS / name
    if not path.exists():
        pytest.skip(f"needs {name} in ../shared/models")
    return path


def test_float_network() -> None:
    path = _shared("resnet8_cifar10_float.tflite")
    model, content = lithify.load(path), path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(4):
        image = random.integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
        agree(answers(model, {"input_1": image}), litert(content, [image]))
    program = take_the_line(model, chip="edge")
    assert set(program.host_nodes) <= {"Softmax"}


def test_int8_network(capsys: pytest.CaptureFixture[str]) -> None:
    path = _shared("resnet8_cifar10_int8.tflite")
    model, content = lithify.load(path), path.read_bytes()
    program = take_the_line(model, chip="edge")
    assert set(program.host_nodes) <= {"Softmax"}
    random = np.random.default_rng(1)
    images = random.integers(-128, 128, (20, 1, 32, 32, 3)).astype(np.int8)
    ours = np.stack([program.run(image)[0] for image in images])
    lines = []
    for kernels, reference in (("reference kernels", True), ("XNNPACK", False)):
        theirs = np.stack([litert(content, [image], reference)[0] for image in images])
        steps = np.abs(ours.astype(int) - theirs.astype(int))
        same = np.count_nonzero(ours.argmax(-1) == theirs.argmax(-1))
        lines.append(
            f"LiteRT's {kernels}: {np.count_nonzero(steps)} of {steps.size} scores differ, by {steps.max()} steps of "
            f"1/256 at most; {same} of {len(images)} classes are the same"
        )
        assert same >= len(images) - 2 and np.count_nonzero(steps) < 0.25 * steps.size
    with capsys.disabled():
        print("\nresnet8_cifar10_int8.tflite, noise as images: " + "; ".join(lines))


def _refusal(path: Path) -> str:
    with pytest.raises(LithifyError) as caught:
        lithify.load(path)
    return str(caught.value)


def _file(path: Path, tensors: list[Tensor], *operators: Operator) -> Path:
    path.write_bytes(write(tensors, operators, [0], [len(tensors) - 1]))
    return path


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    assert _refusal(path) == f"There is no file '{path}'. Give the path of a TFLite model."
    path.write_bytes(b"nothing at all")
    assert _refusal(path) == (f"'{path}' is not a TFLite model. Convert the network to TFLite and give that file.")
    path.write_bytes(float_file("ADD")[0][:80])
    assert _refusal(path).startswith(f"'{path}' is a damaged TFLite model (")
    x, y = Tensor((1, 4)), Tensor((1, 4))
    _file(path, [x, y, y], Operator("L2_NORMALIZATION", (0,), (1,)), Operator("CUMSUM", (1,), (2,)))
    assert _refusal(path) == (
        f"'{path}' uses L2_NORMALIZATION, CUMSUM, which Lithify does not read from TFLite. "
        "Change the network, or convert it to ONNX and give that file."
    )
    wide = Tensor((1, 4), "int16", None, [0.1])
    assert _refusal(_file(path, [wide, wide], Operator("RELU", (0,), (1,)))) == (
        f"Tensor 't0' of '{path}' has the type INT16; Lithify takes dense tensors of the types float32, "
        "float16, int8, uint8, int32, int64, bool. Convert the network to TFLite again without that."
    )
    weights = Tensor((3, 4), "int8", np.ones((3, 4), np.int8), [0.1])
    dense = Operator("FULLY_CONNECTED", (0, 1), (2,), "FullyConnectedOptions")
    assert _refusal(_file(path, [x, weights, Tensor((1, 3))], dense)) == (
        f"FULLY_CONNECTED of '{path}' multiplies float data by the int8 weights 't1': this is dynamic-range "
        "quantisation, whose scales are found while it runs. Convert the network to float, or to int8 with a "
        "representative data set."
    )
    assert _refusal(_file(path, [x, Tensor((2,), "int32"), y], Operator("TRANSPOSE", (0, 1), (2,)))) == (
        f"TRANSPOSE of '{path}' computes its input 't1'; Lithify takes a constant there. "
        "Change the network so that it is known."
    )
