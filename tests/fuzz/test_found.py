"""What the campaigns and ONNX's own tests found once, and is not to come back."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lithify
from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.fuzz.check import check

VALUE = helper.make_tensor_value_info


def model(nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto], *constants: onnx.TensorProto, **options):  # type: ignore[no-untyped-def]
    """A model of one float image `x`."""
    x = VALUE("x", TensorProto.FLOAT, [1, 2, 3, 4])
    graph = helper.make_graph(nodes, "g", [x], outputs, list(constants))
    settings = {"ir_version": 10, "opset_imports": [helper.make_opsetid("", 20)], **options}
    return helper.make_model(graph, **settings)


X = np.random.default_rng(0).standard_normal((1, 2, 3, 4)).astype(np.float32)
Y = VALUE("y", TensorProto.FLOAT, [1, 2, 3, 4])
RELU = helper.make_node("Relu", ["x"], ["y"])


def compiled(proto: onnx.ModelProto, path: Path) -> lithify.Program:
    """The program, saved and loaded again."""
    onnx.save(proto, path / "net.onnx")
    float_model = lithify.optimize(lithify.load(path / "net.onnx"))
    program = lithify.compile(lithify.quantize(float_model, [{"x": X}]), chip="tiny")
    program.save(path / "net.lith")
    return lithify.Program.load(path / "net.lith")


def test_an_output_that_is_a_constant(tmp_path: Path) -> None:
    values = np.arange(3, dtype=np.float32)
    nodes = [RELU, helper.make_node("Identity", ["c"], ["z"])]
    proto = model(nodes, [Y, VALUE("z", TensorProto.FLOAT, [3])], numpy_helper.from_array(values, "c"))
    _, z = compiled(proto, tmp_path).run(X)
    assert np.array_equal(z, values)


def test_an_output_that_is_the_input(tmp_path: Path) -> None:
    nodes = [RELU, helper.make_node("Identity", ["x"], ["z"])]
    _, z = compiled(model(nodes, [Y, VALUE("z", TensorProto.FLOAT, [1, 2, 3, 4])]), tmp_path).run(X)
    assert np.abs(z - X).max() < 0.02  # it is the int8 tensor that the chip reads


def test_a_file_that_lists_its_weights_among_the_inputs(tmp_path: Path) -> None:
    """IR version 3, as PyTorch wrote it; without its inputs ONNX Runtime refused the model."""
    weights = np.ones((3, 2, 1, 1), np.float32)
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    proto = model(
        [conv],
        [VALUE("y", TensorProto.FLOAT, [1, 3, 3, 4])],
        numpy_helper.from_array(weights, "w"),
        ir_version=3,
        opset_imports=[helper.make_opsetid("", 7)],
    )
    proto.graph.input.append(VALUE("w", TensorProto.FLOAT, [3, 2, 1, 1]))
    program = compiled(proto, tmp_path)
    assert program.host_nodes == ()
    (y,) = program.run(X)
    assert np.abs(y - X.sum(axis=1, keepdims=True)).max() < 0.05


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_what_is_infinite_on_the_way_stays_float(method: str) -> None:
    """A mask of infinities, as attention has it: sums with it have no int8 form, and the Relu behind has one."""
    mask = np.zeros((1, 2, 3, 4), np.float32)
    mask[..., 0] = -np.inf
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["p", "m"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    proto = model(nodes, [Y], numpy_helper.from_array(mask, "m"))
    made = lithify.quantize(lithify.optimize(lithify.load(proto)), [{"x": X}], method=method)  # type: ignore[arg-type]
    (y,) = lithify.compile(made, chip="tiny").run(X)
    assert np.abs(y - np.maximum(X + mask, 0)).max() < 0.05


def test_an_output_that_holds_nothing_is_refused() -> None:
    output = VALUE("y", TensorProto.FLOAT, None)
    output.type.tensor_type.shape.SetInParent()
    proto = model(
        [helper.make_node("Slice", ["x", "far", "far"], ["y"])],
        [output],
        numpy_helper.from_array(np.array([9], np.int64), "far"),
    )
    with pytest.raises(LithifyError) as refusal:
        lithify.load(proto)
    assert str(refusal.value) == (
        "Output 'y' of 'g' has the shape [0, 2, 3, 4] and holds nothing; "
        "remove it from the model, or give other shapes."
    )


def test_a_tensor_of_no_type_is_refused() -> None:
    """What the checker passes, shape inference ends with an error of its own."""
    one = numpy_helper.from_array(np.ones((1,), np.float32), "one")
    proto = model([helper.make_node("Add", ["x", "one"], ["y"])], [Y], one)
    proto.graph.value_info.append(VALUE("one", TensorProto.UNDEFINED, [1]))
    with pytest.raises(LithifyError) as refusal:
        lithify.load(proto)
    assert str(refusal.value) == (
        "'g' is damaged: ONNX's shape inference ends with 'Invalid tensor data type 0'. Export it again or repair it."
    )


def test_a_model_without_inputs_is_refused() -> None:
    node = helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(X))
    proto = model([node], [Y])
    del proto.graph.input[:]
    with pytest.raises(LithifyError) as refusal:
        lithify.load(proto)
    assert str(refusal.value) == "'g' has no input: its outputs are constants, and there is nothing to compile."


@pytest.mark.slow
@pytest.mark.parametrize("stride", [2**31 - 1, 60_000])
def test_a_stride_as_large_as_a_number_can_be(stride: int) -> None:
    """Its phases were counted one by one, for hours."""
    weights = numpy_helper.from_array(np.ones((2, 1, 22, 2), np.float32), "w")
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[stride, 2], pads=[0, 0, 0, 0])
    output = VALUE("y", TensorProto.FLOAT, [None] * 4)
    proto = model([node], [output], weights)
    if stride == 60_000:
        made = lithify.quantize(lithify.optimize(lithify.load(proto)), [{"x": X}])
        program = lithify.compile(made, chip="tiny")
        assert list(program.reasons.values()) == ["its result is 120022 pixels long, and coordinates end at 32767"]
        return
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 23
    proto.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 40
    with pytest.raises(LithifyError, match="more than a terabyte; a chip addresses less"):
        lithify.load(proto)


def test_every_third_row_of_an_image_in_dram() -> None:
    """Whole rows that lie apart were loaded as if one followed on the other."""
    x, y = VALUE("x", TensorProto.FLOAT, [1, 4, 10, 10]), VALUE("y", TensorProto.FLOAT, [1, 4, 4, 10])
    scales = numpy_helper.from_array(np.array([-0.9, -0.3, 0.1, -0.8], np.float32).reshape(4, 1, 1, 1), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["scaled"], group=4),
        helper.make_node("AveragePool", ["scaled"], ["y"], kernel_shape=[1, 1], strides=[3, 1]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [scales])
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    keys = {**load_chip("tiny").model_dump(by_alias=True), "scratchpad_bytes": 1280, "scratchpad_banks": 5}
    outcome = check(lithify.load(proto), Chip.model_validate(keys))
    assert outcome.kind == "agreed", outcome.text


def test_a_load_that_is_next_in_two_banks_at_once() -> None:
    """It was taken for two loads, and the schedule ran out of them."""
    random = np.random.default_rng(0)
    x, y = VALUE("x", TensorProto.FLOAT, [1, 1, 23, 23]), VALUE("y", TensorProto.FLOAT, [1, 3, 3, 8])
    first = numpy_helper.from_array(random.standard_normal((1, 1, 2, 1)).astype(np.float32), "first")
    second = numpy_helper.from_array(random.standard_normal((3, 1, 1, 3)).astype(np.float32), "second")
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["between"], strides=[5, 1]),
        helper.make_node("Conv", ["between", "second"], ["y"], strides=[2, 3], dilations=[2, 1], pads=[0, 2, 0, 0]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [first, second])
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    keys = {"columns": 16, "lanes": 1, "scratchpad_bytes": 4096, "scratchpad_banks": 64, "queue_depth": 4}
    chip = Chip.model_validate({**load_chip("tiny").model_dump(by_alias=True), **keys})
    outcome = check(lithify.load(proto), chip)
    assert outcome.kind == "agreed", outcome.text


def test_a_scale_that_is_not_a_number() -> None:
    """It was divided by before it was looked at."""
    constants = [
        numpy_helper.from_array(np.float32(0.1), "scale"),
        numpy_helper.from_array(np.float32(np.nan), "broken"),
        numpy_helper.from_array(np.int8(0), "zero"),
        numpy_helper.from_array(np.array([0, 1, 0, 0]), "one"),
        numpy_helper.from_array(np.array([1, 2, 3, 4]), "two"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        helper.make_node("Slice", ["xd", "one", "two"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "broken", "zero"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "broken", "zero"], ["y"]),
    ]
    sliced = VALUE("y", TensorProto.FLOAT, [1, 1, 3, 4])
    with pytest.raises(LithifyError) as caught:
        lithify.compile(lithify.load(model(nodes, [sliced], *constants)), chip="tiny")
    assert str(caught.value) == "Tensor 'rq' has the scale nan; it must be float32, finite and above zero."
