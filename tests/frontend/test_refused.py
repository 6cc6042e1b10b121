"""What Lithify does not take is refused by name, in one sentence: complex numbers, strings, operators of others.

Control flow that data decide runs on the host, and with --strict is refused too.
"""

import onnx
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


TAKES = "Lithify takes float32, int8, uint8, int32, int64. Change the model and export it again."
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


def test_control_flow_that_data_decide_is_named() -> None:
    branches = {
        name: helper.make_graph([helper.make_node(operator, ["x"], [name])], name, [], [value(name)])
        for name, operator in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    given = model(
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["positive"], to=TensorProto.BOOL),
        helper.make_node("If", ["positive"], ["y"], **branches),
    )
    quantized = lithify.quantize(lithify.optimize(load_proto(given)))
    assert "If" in lithify.compile(quantized, "tiny").host_nodes
    with pytest.raises(lithify.LithifyError, match=r"^These operators would run on the host: .*If.*; --strict allows"):
        lithify.compile(quantized, "tiny", strict=True)
