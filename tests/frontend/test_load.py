"""Reading ONNX files: what is taken, what is made static, and every refusal word for word."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, proto
from tests.quantize.judge import agree, by_reference

from lithify.errors import LithifyError
from lithify.frontend import load, save
from lithify.optimize import optimize
from lithify.quantize import quantize, read

RELU = "g (float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"


def _write(folder: Path, model: onnx.ModelProto, name: str = "model.onnx") -> Path:
    path = folder / name
    onnx.save(model, path)
    return path


def _refusal(path: Path, **options: object) -> str:
    with pytest.raises(LithifyError) as caught:
        load(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_missing_file() -> None:
    assert _refusal(Path("no/such.onnx")) == "There is no file 'no/such.onnx'. Give the path of an ONNX model."


def test_folder(tmp_path: Path) -> None:
    assert _refusal(tmp_path) == f"'{tmp_path}' is a folder. Give the path of an ONNX model."


@pytest.mark.parametrize("content", [b"", b"# a text\n", bytes(range(256)), b"\x08\x01"])
def test_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    expected = f"'{path}' is not an ONNX model. Export the network to ONNX and give that file."
    assert _refusal(path) == expected


def test_damaged_graph(tmp_path: Path) -> None:
    model = proto(RELU)
    model.graph.node[0].input[0] = "nowhere"
    path = _write(tmp_path, model)
    message = _refusal(path)
    assert message.startswith(f"'{path}' is not a valid ONNX model: Nodes in a graph must be topologically sorted")
    assert message.endswith("Export it again or repair it.")


def test_newer_operator_set(tmp_path: Path) -> None:
    path = _write(tmp_path, proto(RELU, opset=99))
    assert _refusal(path) == (
        f"'{path}' uses ONNX operator set 99; Lithify takes 13 to 26. Export the model with one of those."
    )


@pytest.mark.parametrize("opset", range(7, 27))
def test_operator_sets(tmp_path: Path, opset: int) -> None:
    loaded = load(_write(tmp_path, proto(RELU, opset=opset)))
    assert loaded.opset_imports[""] == max(opset, 13)
    assert [node.op_type for node in loaded.graph] == ["Relu"]


@pytest.mark.parametrize(("dtype", "name"), [("complex64", "complex64"), ("string", "string"), ("float16", "float16")])
def test_unsupported_input_type(tmp_path: Path, dtype: str, name: str) -> None:
    path = _write(tmp_path, proto(f"g ({dtype}[1, 4] x) => ({dtype}[1, 4] y) {{ y = Identity(x) }}"))
    assert _refusal(path) == (
        f"Input 'x' of '{path}' has the type {name}; Lithify takes float32, int8, uint8, int32, int64, bool. "
        "Change the model and export it again."
    )


def test_unsupported_type_inside(tmp_path: Path) -> None:
    text = "g (float[4] x) => (float[4] y) { a = Cast<to = 8>(x)\n y = Cast<to = 1>(a) }"
    path = _write(tmp_path, proto(text))
    assert _refusal(path) == (
        f"Tensor 'a' of '{path}' has the type string; Lithify takes float32, int8, uint8, int32, int64, bool, int16, "
        "uint16, uint32, uint64, float16, bfloat16, float64. Change the model and export it again."
    )


def test_foreign_domain(tmp_path: Path) -> None:
    model = proto(RELU)
    model.graph.node[0].domain = "my.shop"
    model.opset_import.append(onnx.helper.make_opsetid("my.shop", 1))
    path = _write(tmp_path, model)
    assert _refusal(path) == (
        f"Node 'relu_0' of '{path}' is the operator Relu of domain 'my.shop', which neither the chip nor ONNX Runtime "
        "knows. Export the model with standard ONNX operators."
    )


DYNAMIC = "g (float[batch, 1, 28, 28] image) => (float[batch, 1, 28, 28] y) { y = Relu(image) }"


def test_dynamic_batch_without_shape(tmp_path: Path) -> None:
    assert _refusal(_write(tmp_path, proto(DYNAMIC))) == (
        "Input 'image' has the dynamic shape [batch, 1, 28, 28] and Lithify compiles fixed shapes. "
        "Give --shape image=1,1,28,28."
    )


def test_dynamic_sides_without_shape(tmp_path: Path) -> None:
    text = "g (float[N, 3, H, W] image) => (float[N, 3, H, W] y) { y = Relu(image) }"
    assert _refusal(_write(tmp_path, proto(text))) == (
        "Input 'image' has the dynamic shape [N, 3, H, W] and Lithify compiles fixed shapes. "
        "Give --shape image=1,3,H,W with numbers for the names."
    )


def test_shape_fixes_every_tensor(tmp_path: Path) -> None:
    text = """g (float[batch, 2, 6, 6] x) => (float[batch, m] y) {
        a = Conv(x, w)
        s = Shape<start = 0, end = 1>(a)
        t = Concat<axis = 0>(s, rest)
        y = Reshape(a, t)
    }"""
    model = proto(text, {"w": floats(1, 3, 2, 3, 3), "rest": np.array([-1], np.int64)})
    loaded = load(_write(tmp_path, model), {"x": [5, 2, 6, 6]})
    assert loaded.graph.inputs[0].shape == (5, 2, 6, 6)
    assert loaded.graph.outputs[0].shape == (5, 48)


def test_a_symbol_is_fixed_in_every_input(tmp_path: Path) -> None:
    text = "g (float[batch, 3] a, float[batch, 3] b) => (float[batch, 3] y) { y = Add(a, b) }"
    loaded = load(_write(tmp_path, proto(text)), {"a": (7, 3)})
    assert loaded.graph.inputs[1].shape == (7, 3)


def test_wrong_shape_options(tmp_path: Path) -> None:
    path = _write(tmp_path, proto(DYNAMIC))
    assert _refusal(path, shape={"picture": (1, 1, 28, 28)}) == (
        "--shape names the input 'picture'; the model's inputs are: image."
    )
    assert _refusal(path, shape={"image": (1, 1, 28)}) == (
        "--shape image=1,1,28 does not fit the input 'image', whose shape is [batch, 1, 28, 28]."
    )
    assert _refusal(path, shape={"image": (1, 3, 28, 28)}) == (
        "--shape image=1,3,28,28 does not fit the input 'image', whose shape is [batch, 1, 28, 28]."
    )
    assert _refusal(path, shape={"image": (0, 1, 28, 28)}) == (
        "--shape image=0,1,28,28 is not a shape: every dimension must be a positive whole number."
    )


def test_contradicting_shapes(tmp_path: Path) -> None:
    text = "g (float[n, 3] x) => (float[n, 5] y) { y = MatMul(x, w) }"
    path = _write(tmp_path, proto(text, {"w": floats(1, 4, 5)}))
    message = _refusal(path, shape={"x": (1, 3)})
    assert message.startswith(f"The shapes of '{path}' contradict each other: ")
    assert message.endswith("Give other shapes or repair the model.")


def test_shape_that_depends_on_data(tmp_path: Path) -> None:
    path = _write(tmp_path, proto("g (float[4] x) => (int64[1, n] y) { y = NonZero(x) }"))
    assert _refusal(path) == (
        f"Output 'y' of '{path}' has a shape that depends on the data or on an operator without shape inference; "
        "Lithify compiles fixed shapes. Change the model so that the shape is known."
    )


def test_external_data(tmp_path: Path) -> None:
    weights = floats(3, 40, 50)
    model = proto("g (float[2, 40] x) => (float[2, 50] y) { y = MatMul(x, w) }", {"w": weights})
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    constant = load(path).graph.initializers["w"].const_value
    assert constant is not None and np.array_equal(constant.numpy(), weights)
    (tmp_path / "weights.bin").write_bytes(bytes(100))
    assert _refusal(path) == (
        f"'{path}' keeps its weights in 'weights.bin', which ends after 100 bytes of at least 8,000. "
        "Copy that file again from where it came."
    )
    (tmp_path / "weights.bin").unlink()
    assert _refusal(path) == (
        f"'{path}' keeps its weights in 'weights.bin', which is missing. Put that file beside the model."
    )


def test_functions_are_inlined_and_notes_dropped(tmp_path: Path) -> None:
    text = """g (float[1, 4] x) => (float[1, 4] y) { y = my.twice(x) }
    <domain: "my", opset_import: ["" : 20]>
    twice (a) => (c) { b = Relu(a)\n c = Neg(b) }"""
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20, "my" : 1]>\n{text}')
    model.graph.node[0].doc_string = "File /home/someone/net.py"
    loaded = load(_write(tmp_path, model))
    assert [node.op_type for node in loaded.graph] == ["Relu", "Neg"]
    assert all(not node.doc_string and not node.metadata_props for node in loaded.graph)


def test_saved_files_are_stamped_and_load_again(tmp_path: Path) -> None:
    model = load(_write(tmp_path, proto(RELU, opset=22)))
    model.ir_version = 99
    save(model, tmp_path / "made" / "here.onnx")
    written = onnx.load(tmp_path / "made" / "here.onnx")
    assert (written.ir_version, written.opset_import[0].version) == (13, 22)
    assert load(tmp_path / "made" / "here.onnx").graph.outputs[0].name == "y"
    assert model.ir_version == 99


def test_save_where_nothing_may_be_written(tmp_path: Path) -> None:
    model = load(_write(tmp_path, proto(RELU)))
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "model.onnx"
    with pytest.raises(LithifyError) as caught:
        save(model, target)
    assert str(caught.value).startswith(f"Cannot write '{target}': ")
    assert str(caught.value).endswith("Choose a folder that you may write to.")


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    text = """g (float[batch, 3] a, float[batch, m] b, int64[batch] c) => (float[batch, m] y, float[batch, 3] z) {
        z = Relu(a)
        s = Sigmoid(b)
        y = Mul(s, b)
    }"""
    loaded = load(_write(tmp_path, proto(text)), {"a": (2, 3), "b": (2, 7)})
    assert [tuple(value.shape.numpy()) for value in loaded.graph.inputs] == [(2, 3), (2, 7), (2,)]  # type: ignore[union-attr]
    assert [(v.name, tuple(v.shape.numpy())) for v in loaded.graph.outputs] == [("y", (2, 7)), ("z", (2, 3))]  # type: ignore[union-attr]


def _beyond_two_gigabytes(folder: Path) -> Path:
    """A model whose weights, all zero but for the ends, lie in a sparse file."""
    rows, columns = 2**14, 33_000
    size = 4 * rows * columns
    assert size > 2**31
    with open(folder / "w.bin", "wb") as file:
        file.write(np.array([1.5], np.float32).tobytes())
        file.seek(size - 4)
        file.write(np.array([-2.5], np.float32).tobytes())
    model = proto(f"g (float[1, {rows}] x) => (float[1, {columns}] y) {{ y = MatMul(x, w) }}")
    weights = model.graph.initializer.add(name="w", data_type=1, dims=[rows, columns], data_location=1)
    for key, value in (("location", "w.bin"), ("length", str(size))):
        weights.external_data.add(key=key, value=value)
    return _write(folder, model)


def _mapped(model: ir.Model) -> NDArray[Any]:
    """The weights, which must not have been copied into memory."""
    constant = model.graph.initializers["w"].const_value
    assert isinstance(constant, ir.ExternalTensor)
    return constant.numpy()


@pytest.mark.slow
def test_more_than_two_gigabytes(tmp_path: Path) -> None:
    data = _mapped(load(_beyond_two_gigabytes(tmp_path)))
    assert data.shape == (2**14, 33_000)
    assert (data[0, 0], data[0, 1], data[9000, 17], data[-1, -1]) == (1.5, 0, 0, -2.5)


@pytest.mark.campaign
def test_more_than_two_gigabytes_written_again(tmp_path: Path) -> None:
    save(load(_beyond_two_gigabytes(tmp_path)), tmp_path / "made" / "model.onnx")
    data = _mapped(load(tmp_path / "made" / "model.onnx"))
    assert (data[0, 0], data[-1, -1], np.count_nonzero(data)) == (1.5, -2.5, 2)


def test_models_in_memory(tmp_path: Path) -> None:
    made = proto(RELU)
    for source in (made, load(_write(tmp_path, made))):
        loaded = load(source)
        assert [node.op_type for node in loaded.graph] == ["Relu"] and loaded is not source


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("net.pth", "weights or a pickled module of PyTorch, which need the code that made them. Load it there and "
         "give lithify.load the module with inputs=(example,), or save torch.export.export(module, (example,)) as "
         ".pt2."),
        ("net.pb", "a TensorFlow graph. Save the model from Keras as .keras, or convert it to TFLite or ONNX."),
        ("net.lith", "a program that is compiled already. Give it to `lithify run`, `simulate` or `verify`."),
    ],
)  # fmt: skip
def test_files_of_other_kinds(name: str, reason: str) -> None:
    assert _refusal(Path(name)) == f"'{name}' is {reason}"


def test_objects_of_other_kinds() -> None:
    with pytest.raises(LithifyError) as caught:
        load(3)
    assert str(caught.value) == (
        "'int' is no network that Lithify reads. Give a file (.onnx, .tflite, .lite, .pt2, .keras, .h5, .hdf5), a "
        "torch.nn.Module with inputs=(example,), a torch.export.ExportedProgram, a Keras 3 model, an onnx.ModelProto "
        "or an onnx_ir.Model."
    )


def test_examples_where_the_inputs_are_known(tmp_path: Path) -> None:
    path = _write(tmp_path, proto(RELU))
    assert _refusal(path, inputs=floats(1, 1, 4)) == (
        f"'{path}' is a model of ONNX, whose inputs are known; leave out inputs, and give shape for sizes that it "
        "leaves open."
    )


@pytest.mark.parametrize(
    ("name", "framework", "missing"),
    [("net.pt2", "PyTorch", "torch"), ("net.keras", "Keras", "keras"), ("net.tflite", "TFLite", "tflite")],
)
def test_a_framework_that_is_not_installed(
    name: str, framework: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("lithify.frontend.table.find_spec", lambda name: None if name == missing else found("numpy"))
    assert _refusal(Path(name)) == (
        f"'{name}' is a {framework} model, and {missing} is not installed. Install what reads it with: "
        f"pip install 'lithify[{framework.lower().replace('pytorch', 'torch')}]'."
    )


def test_weights_beyond_what_a_message_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a smaller limit: mapped, written beside the file, calibrated with, and given to the host."""
    for place in ("lithify.frontend.external", "lithify.frontend.onnx"):
        monkeypatch.setattr(f"{place}.LARGEST_MESSAGE", 2**20)
    weights = {"w": floats(1, 600, 800), "v": floats(2, 800, 10)}
    model = proto(
        "g (float[1, 600] x) => (float[1, 10] y) { a = MatMul(x, w)\n r = Relu(a)\n y = MatMul(r, v) }", weights
    )
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    loaded = load(path)
    assert np.array_equal(_mapped(loaded), weights["w"])
    assert not isinstance(loaded.graph.initializers["v"].const_value, ir.ExternalTensor), "small ones are read"
    save(loaded, tmp_path / "made" / "model.onnx")
    assert (tmp_path / "made" / "model.onnx.data").stat().st_size >= weights["w"].nbytes
    again = load(tmp_path / "made" / "model.onnx")
    assert np.array_equal(_mapped(again), weights["w"])
    samples = [{"x": floats(seed, 1, 600)} for seed in range(3)]
    kept = [str(node.name) for node in again.graph if node.op_type == "MatMul"][:1]
    graph = agree(quantize(optimize(again), samples))
    assert "Host" not in [node.operator for node in graph.nodes]
    on_host = read(quantize(again, samples, keep_float=kept))
    (host,) = (node for node in on_host.nodes if node.operator == "Host")
    assert len(host.attributes["model"]) > weights["w"].nbytes
    assert by_reference(on_host, samples[0])[0].shape == (1, 10)


def test_operator_sets_newer_than_onnx_runtime(tmp_path: Path) -> None:
    """What has not changed is the same in the older set; what has, or is new, is refused by name."""

    def newest(operator: str, **attributes: Any) -> onnx.ModelProto:
        made = [1, 16, 3, 3] if operator == "SpaceToDepth" else [1, 4, 6, 6]
        ports = [onnx.helper.make_tensor_value_info(*port) for port in (("x", 1, [1, 4, 6, 6]), ("y", 1, made))]
        node = onnx.helper.make_node(operator, ["x"], ["y"], **attributes)
        graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:])
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 28)], ir_version=10)

    assert load(newest("SpaceToDepth", blocksize=2)).opset_imports[""] == 26
    assert [node.op_type for node in load(newest("Celu", alpha=2.0)).graph] == ["Celu"]
    with pytest.raises(LithifyError) as refusal:
        load(newest("SpaceToDepth", blocksize=2, mode="CRD"))
    assert str(refusal.value) == (
        "'g' uses SpaceToDepth of ONNX operator set 28; Lithify takes 13 to 26. Export the model with one of those."
    )
