"""Functions of one variable: what counts as one, where it begins, and its values against ONNX Runtime's."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from tests.frontend.models import floats, proto, typed

from lithify.optimize.functions import Function, Sources, between, elementwise, evaluate

CONSTANTS = {
    "low": np.array(-0.7, np.float32), "high": np.array(1.1, np.float32), "half": np.array([0.5], np.float32),
    "slope": np.array([[[0.3]]], np.float32), "two": np.array(2, np.float32), "row": floats(1, 8),
}  # fmt: skip
BODIES = {
    "Relu": "y = Relu(x)", "Clip": "y = Clip(x, low, high)", "LeakyRelu": "y = LeakyRelu<alpha = 0.2>(x)",
    "HardSigmoid": "y = HardSigmoid<alpha = 0.3, beta = 0.4>(x)", "HardSwish": "y = HardSwish(x)", "Abs": "y = Abs(x)",
    "Neg": "y = Neg(x)", "Sigmoid": "y = Sigmoid(x)", "Tanh": "y = Tanh(x)", "PRelu": "y = PRelu(x, slope)",
    "Pow": "y = Pow(x, two)", "Elu": "y = Elu<alpha = 0.7>(x)", "Selu": "y = Selu(x)", "Celu": "y = Celu(x)",
    "Softplus": "y = Softplus(x)", "Gelu": "y = Gelu(x)", "GeluTanh": 'y = Gelu<approximate = "tanh">(x)',
    "Mish": "y = Mish(x)", "Sin": "y = Sin(x)", "Shrink": "y = Shrink<bias = 0.3, lambd = 0.6>(x)",
    "Atan": "y = Atan(x)", "ThresholdedRelu": "y = ThresholdedRelu<alpha = 0.4>(x)", "Exp": "y = Exp(x)",
    "silu": "a = Sigmoid(x)\n y = Mul(x, a)", "one minus": "a = Sub(two, x)\n y = Div(a, half)",
    "gelu": "a = Div(x, two)\n b = Erf(a)\n c = Add(b, half)\n d = Mul(x, c)\n y = Max(d, low)",
    "quick gelu": "y = com.microsoft.QuickGelu<alpha = 1.702>(x)",
}  # fmt: skip


def _model(body: str) -> ir.Model:
    used = {name: data for name, data in CONSTANTS.items() if name in body}
    return typed(f"g (float[1, 8, 8, 8] x) => (float[1, 8, 8, 8] y) {{ {body} }}", used)


def _value(model: ir.Model, name: str) -> ir.Value:
    values = [*model.graph.inputs, *(value for node in model.graph for value in node.outputs)]
    return next(value for value in values if value.name == name)


def _function(model: ir.Model, opaque: tuple[ir.Node, ...] = ()) -> Function | None:
    output = model.graph.outputs[0]
    sources = Sources(opaque).of(output)
    return between(sources[-1], output) if sources else None


@pytest.mark.parametrize("name", BODIES)
def test_values(name: str) -> None:
    model = _model(BODIES[name])
    found = _function(model)
    assert found is not None and found.source is model.graph.inputs[0] and len(found.nodes) == len(model.graph)
    x = floats(3, 1, 8, 8, 8, scale=2)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(ir.serde.serialize_model(model).SerializeToString(), options)
    (expected,) = session.run(None, {"x": x})
    ours = evaluate(found.nodes, found.output, [found.source], x)
    assert ours.dtype == np.float32
    # ONNX Runtime's own functions are a few units in the last place off.
    assert np.allclose(ours, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        "y = Mul(x, row)",  # another factor for each column
        "a = CumSum(x, two)\n y = Relu(a)",
        "a = Softmax(x)\n y = Add(a, x)",
    ],
)
def test_what_is_no_function_of_the_input(body: str) -> None:
    model = _model(body)
    found = _function(model)
    assert found is None or found.source is not model.graph.inputs[0]


def test_the_nearest_source_comes_first() -> None:
    model = _model("a = Relu(x)\n b = Sigmoid(a)\n y = Mul(a, b)")
    sources = Sources().of(model.graph.outputs[0])
    assert [value.name for value in sources] == ["a", "x"]
    assert [node.op_type for node in between(sources[0], model.graph.outputs[0]).nodes] == ["Sigmoid", "Mul"]


def test_opaque_nodes_are_not_part_of_one() -> None:
    model = _model("a = Relu(x)\n y = Sigmoid(a)")
    sources = Sources([model.graph.node(0)]).of(model.graph.outputs[0])
    assert [value.name for value in sources] == ["a"]
    assert Sources([model.graph.node(1)]).of(model.graph.outputs[0]) == ()


def test_a_chain_longer_than_the_stack() -> None:
    body = "\n".join(f"v{index + 1} = Abs(v{index})" for index in range(3000))
    model = ir.serde.deserialize_model(proto(f"g (float[1] v0) => (float[1] v3000) {{ {body} }}"))
    for node in model.graph:
        node.outputs[0].shape, node.outputs[0].type = ir.Shape([1]), ir.TensorType(ir.DataType.FLOAT)
    assert len(Sources().of(model.graph.outputs[0])) == 3000


def test_only_known_operators_with_constant_parameters() -> None:
    assert not any(elementwise(node) for node in _model("a = Softmax(x)\n y = PRelu(a, x)").graph)
