"""What Lithify does not take is refused by name, in one sentence: complex numbers, strings, operators of others.

Control flow that data decide runs on the host, and with --strict is refused too.
"""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import lithify
from lithify.frontend.onnx import load_proto


def value(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [1, 4])


def model(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [value("x", kind)], [value("y", kind)])
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("my.domain", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


TAKES = "Lithify takes float32, int8, uint8, int32, int64, bool. Change the model and export it again."
IDENTITY = helper.make_node("Identity", ["x"], ["y"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (model(IDENTITY, kind=TensorProto.COMPLEX64), f"Input 'x' of 'model' has the type complex64; {TAKES}"),
        (model(IDENTITY, kind=TensorProto.STRING), f"Input 'x' of 'model' has the type string; {TAKES}"),
        (
            model(helper.make_node("Mystery", ["x"], ["y"], name="odd", domain="my.domain")),
            "Node 'odd' of 'model' is the operator Mystery of domain 'my.domain', which neither the chip nor ONNX "
            "Runtime knows. Export the model with standard ONNX operators.",
        ),
    ],
    ids=["complex", "string", "custom"],
)
def test_refused_by_name(given: onnx.ModelProto, sentence: str) -> None:
    with pytest.raises(lithify.LithifyError) as error:
        load_proto(given)
    assert str(error.value) == sentence


def scalar(name: str, kind: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [])


def an_if() -> onnx.ModelProto:
    branches = {
        name: helper.make_graph([helper.make_node(operator, ["x"], [name])], name, [], [value(name)])
        for name, operator in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    return model(
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["positive"], to=TensorProto.BOOL),
        helper.make_node("If", ["positive"], ["y"], **branches),
    )


def a_loop() -> onnx.ModelProto:
    """As often as the largest of x says, at most seven times."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["before", "x"], ["after"]),
        ],
        "body",
        [scalar("round", TensorProto.INT64), scalar("go", TensorProto.BOOL), value("before")],
        [scalar("on", TensorProto.BOOL), value("after")],
    )
    return model(
        helper.make_node("Constant", [], ["most"], value_float=7.0),
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Clip", ["largest", "", "most"], ["few"]),
        helper.make_node("Cast", ["few"], ["count"], to=TensorProto.INT64),
        helper.make_node("Loop", ["count", "", "x"], ["y"], body=body),
    )


def a_scan() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Add", ["sum", "entry"], ["more"]), helper.make_node("Identity", ["more"], ["part"])],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("sum", "entry")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("more", "part")],
    )
    return model(
        helper.make_node("Constant", [], ["begin"], value_floats=[0.0]),
        helper.make_node(
            "Scan", ["begin", "x"], ["end", "y"], body=body, num_scan_inputs=1, scan_input_axes=[1],
            scan_output_axes=[1],
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("operator", "given"), [("If", an_if), ("Loop", a_loop), ("Scan", a_scan)])
def test_control_flow_that_data_decide_is_named(operator: str, given: Callable[[], onnx.ModelProto]) -> None:
    """The host runs it and says so, as every other operator that the chip has not; --strict refuses it by name."""
    proto = given()
    x = np.array([[3.4, -1, 2, 0.5]], np.float32)
    quantized = lithify.quantize(lithify.optimize(load_proto(proto)), x[None])
    program = lithify.compile(quantized, "tiny")
    assert operator in program.host_nodes
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,), wanted = program.run(x), session.run(["y"], {"x": x})[0]
    assert np.abs(found - wanted).max() <= 0.05 * np.ptp(wanted)
    sentence = rf"^These operators would run on the host: .*{operator}.*; --strict allows"
    with pytest.raises(lithify.LithifyError, match=sentence):
        lithify.compile(quantized, "tiny", strict=True)
