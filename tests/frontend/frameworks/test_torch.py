"""PyTorch: modules, exported programs and files, their answers, and every refusal word for word."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")

from tests.compiler.test_rows import WITH_UNIT  # noqa: E402
from tests.frontend.frameworks.architectures import ARCHITECTURES, build  # noqa: E402
from tests.frontend.frameworks.line import agree, answers, take_the_line  # noqa: E402

import lithify  # noqa: E402
from lithify import LithifyError  # noqa: E402
from lithify.quantize import is_quantized  # noqa: E402

pytestmark = pytest.mark.slow

ON_HOST: dict[str, set[str]] = {
    "residual": set(),
    "mobile": set(),
    "segmenter": {"ConvTranspose", "ResizeLinear"},
    "encoder": {"Gather", "LayerNormalization", "MatMul", "Slice", "Softmax", "Transpose"},
    "gpt": {"Gather", "LayerNormalization", "MatMul", "Slice", "Softmax", "Transpose"},
    "llama": {"Expand", "GlobalAveragePool", "MaskedSoftmax", "MatMul", "Mul", "RMSNormalization", "Transpose"},
    "lstm": {"LSTM", "Reshape", "Slice"},
    "gru": {"GRU", "Reshape", "Slice"},
}
"""Operators that the host may do for a chip without units for them; never more than these."""


def _numpy(outputs: object) -> list[np.ndarray]:
    return [one.detach().numpy() for one in (outputs if isinstance(outputs, tuple) else (outputs,))]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name: str) -> None:
    module, example = build(name)
    model = lithify.load(module, inputs=example)
    feeds = dict(zip((str(value.name) for value in model.graph.inputs), _numpy(example), strict=True))
    with torch.no_grad():
        expected = _numpy(module(*example))
    agree(answers(model, feeds), expected)
    for chip, allowed in (("tiny", ON_HOST[name]), (WITH_UNIT["tiny"], set())):
        program = take_the_line(model, chip)
        host = {operator for segment in program.segments for operator in getattr(segment, "operators", ())}
        assert host <= allowed


def _small() -> "torch.nn.Module":
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(), torch.nn.ReLU(), torch.nn.Conv2d(4, 3, 1)
    )


IMAGE = np.random.default_rng(2).standard_normal((1, 2, 8, 8)).astype(np.float32)


def test_a_module_is_taken_in_evaluation_mode_and_left_as_it_was() -> None:
    module = _small().train()
    module[2].eval()
    model = lithify.load(module, inputs=IMAGE)
    assert [part.training for part in module] == [True, True, False, True, True] and module.training
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(IMAGE))
    agree(answers(model, {"input": IMAGE}), [expected.numpy()])
    with torch.no_grad():
        module[0].weight.zero_()  # training on changes nothing in the model that was taken
    agree(answers(model, {"input": IMAGE}), [expected.numpy()])


def test_inputs_by_name() -> None:
    module = build("gpt")[0]
    token, keys, values = build("gpt")[1]
    model = lithify.load(module, inputs={"token": token, "values": values, "keys": keys})
    feeds = {"token": token.numpy(), "keys": keys.numpy(), "values": values.numpy()}
    assert {str(value.name) for value in model.graph.inputs} == set(feeds)
    with torch.no_grad():
        agree(answers(model, feeds), _numpy(module(token, keys, values)))


def test_programs_and_their_files(tmp_path: Path) -> None:
    module = _small().eval()
    program = torch.export.export(module, (torch.from_numpy(IMAGE),))
    path = tmp_path / "net.pt2"
    torch.export.save(program, path)
    with torch.no_grad():
        expected = [module(torch.from_numpy(IMAGE)).numpy()]
    for source in (program, path, str(path)):
        agree(answers(lithify.load(source), {"input": IMAGE}), expected)
    with pytest.raises(LithifyError) as caught:
        lithify.load(path, inputs=(IMAGE,))
    assert str(caught.value) == f"'{path}' is exported already, with its inputs; leave out inputs."


def test_sizes_that_a_program_leaves_open(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=9)
    example = torch.from_numpy(np.concatenate([IMAGE, IMAGE]))
    program = torch.export.export(_small().eval(), (example,), dynamic_shapes=({0: batch},))
    with pytest.raises(LithifyError) as caught:
        lithify.load(program)
    assert str(caught.value).endswith("Give --shape input=1,2,8,8.")
    assert lithify.load(program, {"input": (1, 2, 8, 8)}).graph.outputs[0].shape == (1, 3, 6, 6)


def _refusal(source: object, **options: object) -> str:
    with pytest.raises(LithifyError) as caught:
        lithify.load(source, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_module_without_inputs() -> None:
    assert _refusal(_small()) == (
        "'Sequential' is a PyTorch module, whose shapes follow from its inputs; give an example: "
        "lithify.load(module, inputs=(example,))."
    )


class Branch(torch.nn.Module):
    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return x + 1 if x.sum() > 0 else x


class Bessel(torch.nn.Module):
    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return torch.special.bessel_j0(x)


class Complex(torch.nn.Module):
    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return torch.view_as_complex(x)


def test_what_cannot_be_exported() -> None:
    message = _refusal(Branch(), inputs=IMAGE)
    assert message.startswith("PyTorch cannot export 'Branch' to ONNX: Could not guard on data-dependent expression")
    assert message.endswith("Change the module so that torch.onnx.export(..., dynamo=True) takes it.")
    assert "No ONNX function found for <OpOverload(op='prims.bessel_j0'" in _refusal(Bessel(), inputs=IMAGE)
    assert _refusal(Complex(), inputs=np.zeros((3, 2), np.float32)) == (
        "'Complex' takes or gives complex numbers at 'view_as_complex'; Lithify takes real ones. "
        "Give the real and the imaginary part as two tensors."
    )


def test_a_program_that_was_exported_while_it_trained() -> None:
    program = torch.export.export(_small().train(), (torch.from_numpy(IMAGE),))
    assert _refusal(program) == (
        "'ExportedProgram' was exported in training mode: its batch_norm still trains. Export module.eval()."
    )


def test_files_that_are_no_programs(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    assert _refusal(path) == f"There is no file '{path}'. Give the path of a program that torch.export.save wrote."
    path.write_bytes(b"nothing")
    assert _refusal(path) == (
        f"'{path}' is no program that torch.export.save wrote (File is not a zip file). "
        "Write it with torch.export.save(torch.export.export(module.eval(), (example,)), path)."
    )


@pytest.mark.parametrize("bias", [False, True])
def test_quantised_by_torchao(bias: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Bit by bit what PyTorch computes. torchao keeps a bias in float32, the ONNX rule in int32: with a bias the bits
    are those of ONNX Runtime's fused kernels, and of PyTorch's but for a few outputs one step away.
    """
    pytest.importorskip("torchao", reason="needs torchao: pip install 'lithify[test-frameworks]'")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    torch.manual_seed(3)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(2, 8, 3, padding=1, bias=bias), torch.nn.ReLU(),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=bias), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Conv2d(8, 4, 1, bias=bias),
    ).eval()  # fmt: skip
    quantizer = X86InductorQuantizer()
    quantizer.set_global(get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(layers, (torch.from_numpy(IMAGE),)).module(), quantizer)
    images = np.random.default_rng(4).standard_normal((8, *IMAGE.shape)).astype(np.float32)
    for image in images:
        prepared(torch.from_numpy(image))
    converted = convert_pt2e(prepared)
    model = lithify.load(converted, inputs=IMAGE)
    assert is_quantized(model)
    program = take_the_line(model)
    assert [node.operator for node in program.graph.nodes if node.operator != "Host"] == [
        "Quantize", "Conv", "Conv", "MaxPool", "Dequantize",
    ]  # fmt: skip
    with torch.no_grad():
        theirs = np.stack([converted(torch.from_numpy(image)).numpy() for image in images])
    ours = np.stack([program.run(image)[0] for image in images])
    judged = np.stack([answers(model, {str(model.graph.inputs[0].name): image})[0] for image in images])
    assert np.array_equal(ours, judged)
    different = np.count_nonzero(np.abs(ours - theirs) > 1e-6)  # the last layer is float in all three
    if bias:
        with capsys.disabled():
            print(f"\ntorchao with a bias: {different} of {ours.size} outputs saw another step")
        assert different < 0.1 * ours.size and np.abs(ours - theirs).max() < 2e-3
    else:
        assert different == 0
