"""LSTM, GRU and RNN written out step by step give what ONNX Runtime's own operators give."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lithify import frontend
from lithify.optimize import optimize
from lithify.optimize.recurrent import unroll_recurrent

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(
    operator: str,
    steps: int = 5,
    batch: int = 1,
    inputs: int = 6,
    hidden: int = 7,
    states: bool = False,
    bias: bool = True,
    peepholes: bool = False,
    lengths: list[int] | None = None,
    constant_state: bool = False,
    **attributes: Any,
) -> onnx.ModelProto:
    """A network of this one operator; all its outputs are the network's."""
    random = np.random.default_rng((steps, batch, inputs, hidden))
    gates = GATES[operator]
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    layout = attributes.get("layout", 0)
    constants = {
        "w": random.normal(0, 0.4, (directions, gates * hidden, inputs)),
        "r": random.normal(0, 0.4, (directions, gates * hidden, hidden)),
    }
    state = (batch, directions, hidden) if layout else (directions, batch, hidden)
    names = ["x", "w", "r", "", "", "", "", ""]
    given = [("x", (batch, steps, inputs) if layout else (steps, batch, inputs))]
    if bias:
        names[3], constants["b"] = "b", random.normal(0, 0.4, (directions, 2 * gates * hidden))
    if states or constant_state:
        for index, name in [(5, "h0"), (6, "c0")][: 2 if operator == "LSTM" else 1]:
            names[index] = name
            if states:
                given.append((name, state))
            else:
                constants[name] = random.normal(0, 0.4, state)
    if peepholes:
        names[7], constants["p"] = "p", random.normal(0, 0.4, (directions, 3 * hidden))
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    if lengths is not None:
        names[4] = "lengths"
        tensors.append(numpy_helper.from_array(np.array(lengths, np.int32), "lengths"))
    while not names[-1]:
        names.pop()
    y = (batch, steps, directions, hidden) if layout else (steps, directions, batch, hidden)
    made = [("y", y), ("y_h", state), ("y_c", state)][: 3 if operator == "LSTM" else 2]
    node = helper.make_node(operator, names, [name for name, _ in made], "cell", hidden_size=hidden, **attributes)
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in made],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def answers(model: onnx.ModelProto, seed: int = 0) -> list[np.ndarray]:
    """What ONNX Runtime gives on seeded inputs."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(seed)
    inputs = {entry.name: random.normal(0, 1, entry.shape).astype(np.float32) for entry in session.get_inputs()}
    return session.run(None, inputs)


def operators(model: ir.Model) -> set[str]:
    return {node.op_type for node in model.graph}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "lstm, batch": ("LSTM", {"batch": 3}),
    "lstm, one step": ("LSTM", {"steps": 1, "states": True}),
    "lstm, without bias": ("LSTM", {"bias": False, "direction": "reverse"}),
    "lstm, both ways, states": ("LSTM", {"direction": "bidirectional", "states": True, "batch": 2}),
    "lstm, peepholes": ("LSTM", {"peepholes": True, "states": True}),
    "lstm, coupled gates": ("LSTM", {"input_forget": 1, "states": True}),
    "lstm, clipped": ("LSTM", {"clip": 0.3}),
    "lstm, activations": ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Elu"], "activation_alpha": [0.3, 0.5],
                                   "activation_beta": [0.4]}),
    "lstm, short": ("LSTM", {"lengths": [3, 3], "batch": 2, "direction": "bidirectional"}),
    "lstm, full lengths": ("LSTM", {"lengths": [5]}),
    "gru": ("GRU", {}),
    "gru, reset behind": ("GRU", {"linear_before_reset": 1, "batch": 2}),
    "gru, reset behind, states": ("GRU", {"linear_before_reset": 1, "states": True, "direction": "bidirectional"}),
    "gru, states": ("GRU", {"states": True, "direction": "reverse"}),
    "gru, activations": ("GRU", {"activations": ["Sigmoid", "LeakyRelu"], "activation_alpha": [0.2]}),
    "rnn": ("RNN", {"direction": "bidirectional"}),
    "rnn, relu": ("RNN", {"activations": ["Relu"], "states": True}),
    "rnn, affine": ("RNN", {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}),
    "rnn, scaled": ("RNN", {"activations": ["ScaledTanh"], "activation_alpha": [1.7], "activation_beta": [0.6]}),
    "rnn, thresholds": ("RNN", {"activations": ["ThresholdedRelu"], "activation_alpha": [0.1]}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_steps_give_what_the_operator_gives(case: str) -> None:
    operator, settings = CASES[case]
    proto = recurrent(operator, **settings)
    found = optimize(frontend.load(proto))
    assert operator not in operators(found)
    for expected, value in zip(answers(proto), answers(ir.to_proto(found)), strict=True):
        assert np.allclose(expected, value, atol=2e-6)


@pytest.mark.parametrize("operator", GATES)
def test_batch_first(operator: str) -> None:
    """ONNX Runtime has no batch-first form: judged by the same numbers the other way round."""
    settings: dict[str, Any] = {"batch": 2, "states": True, "direction": "bidirectional"}
    proto = recurrent(operator, **settings)
    turned = frontend.load(recurrent(operator, layout=1, **settings))
    turned = optimize(turned)
    assert operator not in operators(turned)
    session = onnxruntime.InferenceSession(ir.to_proto(turned).SerializeToString(), providers=["CPUExecutionProvider"])
    judge = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(3)
    inputs = {entry.name: random.normal(0, 1, entry.shape).astype(np.float32) for entry in judge.get_inputs()}
    y, *states = judge.run(None, inputs)
    found, *last = session.run(None, {name: np.ascontiguousarray(data.swapaxes(0, 1)) for name, data in inputs.items()})
    assert np.allclose(y.transpose(2, 0, 1, 3), found, atol=2e-6)
    for expected, value in zip(states, last, strict=True):
        assert np.allclose(expected.swapaxes(0, 1), value, atol=2e-6)


def test_what_stays_one_operator() -> None:
    for settings in ({"lengths": [2, 4], "batch": 2}, {"constant_state": True}, {"steps": 1025}):
        found = unroll_recurrent(frontend.load(recurrent("LSTM", **settings)))  # type: ignore[arg-type]
        assert operators(found) == {"LSTM"}, settings


def test_weights_of_the_state_are_stored_once() -> None:
    found = unroll_recurrent(frontend.load(recurrent("LSTM", steps=20)))
    weights = {node.inputs[1] for node in found.graph if node.op_type == "Gemm"}
    assert len(weights) == 8, "four of the inputs, four of the state"
