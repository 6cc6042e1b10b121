"""LSTM, GRU and RNN written out step by step: products, sums and functions that the chip has.

What the inputs bring to all steps is one product for each gate, taken before the steps; a step multiplies the state
with weights that all steps share. Values that play one part at every step (`ROLE`) get one scale when the network is
quantised: so the steps are equal, and the state that one call ends with is, bit by bit, what the next begins with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant, insert, integer, shape_of

ROLE = "lithify.role"
"""Metadata of values: those of one role share their scale."""

MOST_STEPS = 1024
"""A longer sequence stays one operator, which the host runs: cut it, and carry the state from call to call."""

Floats = NDArray[np.float32]

_GATES: Mapping[str, tuple[str, ...]] = {"LSTM": ("i", "o", "f", "g"), "GRU": ("z", "r", "n"), "RNN": ("h",)}
"""Operator -> its gates, in the order of ONNX's weights."""
_ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}
"""Operator -> its activations where none are given: of the gates, of what is new, of an LSTM's state."""


@dataclass(frozen=True)
class _Activation:
    """An activation with its parameters: a standard operator, and what its argument and its result are scaled by."""

    operator: str
    attributes: Mapping[str, float]
    before: float = 1.0
    after: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class _Weights:
    """One direction of an operator, by gate. inputs: [H, I]; state: [H, H]; bias, state_bias: [H].

    peepholes: [H]; only an LSTM has them.
    """

    inputs: Mapping[str, Floats]
    state: Mapping[str, Floats]
    bias: Mapping[str, Floats]
    state_bias: Mapping[str, Floats]
    peepholes: Mapping[str, Floats]


def unroll_recurrent(model: ir.Model) -> ir.Model:
    """Rewrites every float LSTM, GRU and RNN whose weights are constant; float rounding aside the same numbers.

    Left as they are, for the host: sequences of several lengths or of lengths that are computed, a constant state to
    begin with that is not zero, and more than `MOST_STEPS` steps. Quantised models stay.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type in _GATES:
            steps = _steps_of(node)
            weights = _weights_of(node)
            activations = _activations_of(node)
            if steps is not None and weights is not None and activations is not None:
                _Unrolling(model.graph, node, steps, weights, activations).write()
    return model


def _steps_of(node: ir.Node) -> int | None:
    """Steps that are taken; None where that is not one number."""
    x = shape_of(node.inputs[0])
    if x is None or len(x) != 3 or 0 in x or node.inputs[0].dtype != ir.DataType.FLOAT:  # type: ignore[union-attr]
        return None
    length = x[1] if integer(node, "layout", 0) else x[0]
    given = _input(node, 4)
    if given is not None:
        lengths = constant(given)
        if lengths is None or len(set(lengths.reshape(-1).tolist())) != 1:
            return None
        length = int(lengths.reshape(-1)[0])
    states = [_input(node, index) for index in ((5, 6) if node.op_type == "LSTM" else (5,))]
    if any((data := constant(state)) is not None and data.any() for state in states):
        return None
    return length if 0 < length <= min(MOST_STEPS, max(x[:2])) else None


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if len(node.inputs) > index else None


def _weights_of(node: ir.Node) -> tuple[_Weights, ...] | None:
    """The weights of each direction; None where they are not all constants."""
    gates = _GATES[node.op_type]
    w, r, b, p = (constant(_input(node, index)) for index in (1, 2, 3, 7))
    missing = any(_input(node, index) is not None for index, data in ((3, b), (7, p)) if data is None)
    if w is None or r is None or missing or w.dtype != np.float32:
        return None
    directions, hidden = w.shape[0], r.shape[2]
    if b is None:
        b = np.zeros((directions, 2 * len(gates) * hidden), np.float32)
    found = []
    for index in range(directions):
        both = np.split(b[index], 2 * len(gates))
        holes = dict(zip("iof", np.split(p[index], 3), strict=True)) if p is not None else {}
        found.append(
            _Weights(
                dict(zip(gates, np.split(w[index], len(gates)), strict=True)),
                dict(zip(gates, np.split(r[index], len(gates)), strict=True)),
                dict(zip(gates, both[: len(gates)], strict=True)),
                dict(zip(gates, both[len(gates) :], strict=True)),
                holes,
            )
        )
    return tuple(found)


def _activations_of(node: ir.Node) -> tuple[tuple[_Activation, ...], ...] | None:
    """The activations of each direction; None for a name that ONNX does not list."""
    count = 2 if node.attributes.get_string("direction", "forward") == "bidirectional" else 1
    default = _ACTIVATIONS[node.op_type]
    names = node.attributes.get_strings("activations", default * count)
    alphas = list(node.attributes.get_floats("activation_alpha", ()))
    betas = list(node.attributes.get_floats("activation_beta", ()))

    def parameter(given: list[float], otherwise: float) -> float:
        return float(given.pop(0)) if given else otherwise

    found: list[_Activation] = []
    for name in names:
        match name.lower():
            case "sigmoid" | "tanh" | "relu" | "softsign" | "softplus" as plain:
                found.append(_Activation(plain.capitalize(), {}))
            case "leakyrelu":
                found.append(_Activation("LeakyRelu", {"alpha": parameter(alphas, 0.01)}))
            case "thresholdedrelu":
                found.append(_Activation("ThresholdedRelu", {"alpha": parameter(alphas, 1.0)}))
            case "elu":
                found.append(_Activation("Elu", {"alpha": parameter(alphas, 1.0)}))
            case "hardsigmoid":
                own = {"alpha": parameter(alphas, 0.2), "beta": parameter(betas, 0.5)}
                found.append(_Activation("HardSigmoid", own))
            case "scaledtanh":
                after = parameter(alphas, 1.0)
                found.append(_Activation("Tanh", {}, before=parameter(betas, 1.0), after=after))
            case "affine":
                found.append(_Activation("Identity", {}, after=parameter(alphas, 1.0), offset=parameter(betas, 0.0)))
            case _:
                return None
    if len(found) != len(default) * count:
        return None
    return tuple(tuple(found[first : first + len(default)]) for first in range(0, len(found), len(default)))


class _Unrolling:
    """Writes the nodes that one operator becomes, before it."""

    def __init__(
        self,
        graph: ir.Graph,
        node: ir.Node,
        steps: int,
        weights: tuple[_Weights, ...],
        activations: tuple[tuple[_Activation, ...], ...],
    ) -> None:
        self.graph, self.node, self.steps = graph, node, steps
        self.weights, self.activations = weights, activations
        self.layout = integer(node, "layout", 0)
        x = shape_of(node.inputs[0])
        assert x is not None and node.inputs[0] is not None
        self.length, self.batch = (x[1], x[0]) if self.layout else (x[0], x[1])
        self.inputs = x[2]
        self.hidden = next(iter(weights[0].state.values())).shape[0]
        self.name = str(node.name)
        self.like = node.inputs[0]
        self.clip = node.attributes.get_float("clip", 0.0)
        self.prefix = self.name
        self.shared: dict[str, ir.Value] = {}

    def write(self) -> None:
        """All nodes, and the outputs of the operator as theirs."""
        x = self.like
        if self.layout:
            x = self.add_node("Transpose", [x], (self.length, self.batch, self.inputs), "x", perm=[1, 0, 2])
        rows = self.reshape(x, (self.length * self.batch, self.inputs), "x_rows")
        backwards = self.node.attributes.get_string("direction", "forward") == "reverse"
        hs: list[dict[int, ir.Value]] = []
        last: list[tuple[ir.Value, ir.Value | None]] = []
        for index, weights in enumerate(self.weights):
            self.prefix = f"{self.name}_{'backward' if index or backwards else 'forward'}"
            order = list(range(self.steps))
            order = order[::-1] if index or backwards else order
            made, h, c = self.direction(rows, index, weights, order)
            hs.append(made)
            last.append((h, c))
        self.prefix = self.name
        outputs = list(self.node.outputs)
        if _used(outputs, 0):
            self.replace(0, self.sequence(hs))
        if _used(outputs, 1):
            self.replace(1, self.state([h for h, _ in last], "h"))
        if _used(outputs, 2):
            self.replace(2, self.state([c for _, c in last if c is not None], "c"))
        self.graph.remove(self.node, safe=True)

    def direction(
        self, rows: ir.Value, index: int, weights: _Weights, order: Sequence[int]
    ) -> tuple[dict[int, ir.Value], ir.Value, ir.Value | None]:
        """All steps of one direction: the state after each, by place in the sequence, and the last."""
        kind = self.node.op_type
        before_reset = bool(integer(self.node, "linear_before_reset", 0))
        self.shared = {}
        parts: dict[str, ir.Value] = {}
        for gate in _GATES[kind]:
            # A GRU that resets behind the product keeps the bias of its state with the product.
            apart = kind == "GRU" and gate == "n" and before_reset
            bias = weights.bias[gate] if apart else weights.bias[gate] + weights.state_bias[gate]
            shape = (self.length * self.batch, self.hidden)
            parts[gate] = self.product(rows, weights.inputs[gate], bias, f"x_{gate}", shape)
        h, c = self.initial(5, index, "h"), self.initial(6, index, "c") if kind == "LSTM" else None
        made: dict[int, ir.Value] = {}
        prefix = self.prefix
        for number, place in enumerate(order):
            self.prefix = f"{prefix}_{number}"
            x = {gate: self.row(part, place, f"x_{gate}") for gate, part in parts.items()}
            if kind == "LSTM":
                h, c = self.lstm(x, h, c, index, weights)
            elif kind == "GRU":
                h = self.gru(x, h, index, weights, before_reset)
            else:
                h = self.activate(self.with_state(x["h"], h, weights, "h"), self.activations[index][0], "h")
            self.role(h, "h")
            made[place] = h
        self.prefix = prefix
        assert h is not None
        return made, h, c

    def lstm(
        self, x: Mapping[str, ir.Value], h: ir.Value | None, c: ir.Value | None, index: int, weights: _Weights
    ) -> tuple[ir.Value, ir.Value]:
        """c' = f c + i g; h' = o tanh(c')."""
        gate, fresh, squash = self.activations[index]
        coupled = bool(integer(self.node, "input_forget", 0))

        def sum_of(name: str, state: ir.Value | None) -> ir.Value:
            total = self.with_state(x[name], h, weights, name)
            if state is not None and name in weights.peepholes:
                # A product with a diagonal: the chip multiplies tensors with weights, or with each other.
                hole = self.product(state, np.diag(weights.peepholes[name]), None, f"peephole_{name}")
                total = self.pair("Add", total, self.role(hole, f"peephole_{name}"), f"{name}_with_peephole")
                self.role(total, f"{name}_with_peephole")
            return total

        g = self.role(self.activate(sum_of("g", None), fresh, "g"), "g")
        i = self.role(self.activate(sum_of("i", c), gate, "i"), "i")
        new = self.role(self.pair("Mul", i, g, "ig"), "ig")
        if c is not None:
            if coupled:
                f = self.pair("Sub", self.number(1.0), i, "f")
            else:
                f = self.activate(sum_of("f", c), gate, "f")
            kept = self.role(self.pair("Mul", self.role(f, "f"), c, "fc"), "fc")
            new = self.pair("Add", kept, new, "c")
        self.role(new, "c")
        o = self.role(self.activate(sum_of("o", new), gate, "o"), "o")
        squashed = self.role(self.activate(new, squash, "squashed"), "squashed")
        return self.pair("Mul", o, squashed, "h"), new

    def gru(
        self, x: Mapping[str, ir.Value], h: ir.Value | None, index: int, weights: _Weights, before_reset: bool
    ) -> ir.Value:
        """h' = (1 - z) n + z h."""
        gate, fresh = self.activations[index]
        z = self.role(self.activate(self.with_state(x["z"], h, weights, "z"), gate, "z"), "z")
        bias = weights.state_bias["n"]
        state = None
        if h is not None or (before_reset and bias.any()):
            r = self.role(self.activate(self.with_state(x["r"], h, weights, "r"), gate, "r"), "r")
            if h is None:
                # The state is zero and its product the bias: r times that, a product with a diagonal.
                state = self.role(self.product(r, np.diag(bias), None, "reset_n"), "reset_n")
            elif before_reset:
                state = self.role(self.shared_product(h, weights.state["n"], bias, "n"), "state_n")
                state = self.role(self.pair("Mul", r, state, "reset_n"), "reset_n")
            else:
                reset = self.role(self.pair("Mul", r, h, "reset_h"), "reset_h")
                state = self.role(self.shared_product(reset, weights.state["n"], None, "n"), "state_n")
        total = x["n"] if state is None else self.role(self.pair("Add", x["n"], state, "sum_n"), "sum_n")
        n = self.role(self.activate(total, fresh, "n"), "n")
        rest = self.role(self.pair("Sub", self.number(1.0), z, "rest"), "rest")
        new = self.role(self.pair("Mul", rest, n, "fresh"), "fresh")
        if h is None:
            return new
        kept = self.role(self.pair("Mul", z, h, "kept"), "kept")
        return self.pair("Add", kept, new, "h")

    def with_state(self, x: ir.Value, h: ir.Value | None, weights: _Weights, gate: str) -> ir.Value:
        """What the inputs bring to a gate and what the state does; nothing where that is zero."""
        if h is None:
            return x
        product = self.role(self.shared_product(h, weights.state[gate], None, gate), f"state_{gate}")
        return self.role(self.pair("Add", product, x, f"sum_{gate}"), f"sum_{gate}")

    def initial(self, index: int, direction: int, what: str) -> ir.Value | None:
        """The state to begin with, [N, H]; None for zero."""
        given = _input(self.node, index)
        if given is None or constant(given) is not None:
            return None
        whole = self.role(given, what)
        if len(self.weights) > 1:
            axis = 1 if self.layout else 0
            shape = (self.batch, 1, self.hidden) if self.layout else (1, self.batch, self.hidden)
            whole = self.slice(given, direction, direction + 1, axis, shape, f"initial_{what}")
        return self.role(self.reshape(whole, (self.batch, self.hidden), f"initial_{what}_rows"), what)

    def row(self, part: ir.Value, place: int, what: str) -> ir.Value:
        """What the inputs bring to one step."""
        shape = (self.batch, self.hidden)
        if self.length == 1:
            return part
        return self.slice(part, place * self.batch, (place + 1) * self.batch, 0, shape, what)

    def sequence(self, hs: Sequence[Mapping[int, ir.Value]]) -> ir.Value:
        """Y: the state after every step; zero behind the last."""
        count = len(hs)
        rows = [made[place] for place in range(self.steps) for made in hs]
        shape = (self.steps * count * self.batch, self.hidden)
        y = rows[0] if len(rows) == 1 else self.role(self.add_node("Concat", rows, shape, "y_rows", axis=0), "h")
        y = self.reshape(y, (self.steps, count, self.batch, self.hidden), "y")
        if self.steps < self.length:
            pads = add_constant(
                self.graph, f"{self.name}_y_pads", np.array([0] * 4 + [self.length - self.steps, 0, 0, 0], np.int64)
            )
            y = self.add_node("Pad", [y, pads], (self.length, count, self.batch, self.hidden), "y_padded")
        if self.layout:
            y = self.add_node(
                "Transpose", [y], (self.batch, self.length, count, self.hidden), "y_turned", perm=[2, 0, 1, 3]
            )
        return y

    def state(self, states: Sequence[ir.Value], what: str) -> ir.Value:
        """Y_h or Y_c: the last state of every direction."""
        count = len(states)
        rows = states[0]
        if count > 1:
            rows = self.add_node("Concat", list(states), (count * self.batch, self.hidden), f"last_{what}", axis=0)
            self.role(rows, what)
        whole = self.reshape(rows, (count, self.batch, self.hidden), f"y_{what}")
        if self.layout:
            shape = (self.batch, count, self.hidden)
            whole = self.add_node("Transpose", [whole], shape, f"y_{what}_turned", perm=[1, 0, 2])
        return whole

    def replace(self, index: int, value: ir.Value) -> None:
        """Lets all that reads an output of the operator read `value`, which takes its name over."""
        old = self.node.outputs[index]
        name = old.name
        if value.producer() is None or any(value is output for output in self.graph.outputs):
            value = self.add_node("Identity", [value], shape_of(old) or (), f"output_{index}")
        old.replace_all_uses_with(value, replace_graph_outputs=True)
        old.name, value.name = f"{name}_unrolled", name

    # Nodes

    def product(
        self,
        x: ir.Value,
        weights: Floats,
        bias: Floats | None,
        what: str,
        shape: tuple[int, ...] | None = None,
    ) -> ir.Value:
        """x [rows, K] times weights [H, K] transposed, and a bias."""
        inputs = [x, add_constant(self.graph, f"{self.prefix}_{what}_weights", weights)]
        if bias is not None:
            inputs.append(add_constant(self.graph, f"{self.prefix}_{what}_bias", bias))
        return self.add_node("Gemm", inputs, shape or (self.batch, self.hidden), what, transB=1)

    def shared_product(self, h: ir.Value, weights: Floats, bias: Floats | None, gate: str) -> ir.Value:
        """The state times weights that all steps read."""
        if gate not in self.shared:
            self.shared[gate] = add_constant(self.graph, f"{self.prefix}_state_{gate}_weights", weights)
            if bias is not None:
                self.shared[f"{gate} bias"] = add_constant(self.graph, f"{self.prefix}_state_{gate}_bias", bias)
        inputs = [h, self.shared[gate]]
        if bias is not None:
            inputs.append(self.shared[f"{gate} bias"])
        return self.add_node("Gemm", inputs, (self.batch, self.hidden), f"state_{gate}", transB=1)

    def activate(self, x: ir.Value, activation: _Activation, what: str) -> ir.Value:
        if self.clip:
            limits = [self.number(-self.clip), self.number(self.clip)]
            x = self.add_node("Clip", [x, *limits], (self.batch, self.hidden), f"{what}_clipped")
        if activation.before != 1:
            x = self.pair("Mul", x, self.number(activation.before), f"{what}_argument")
        if activation.operator != "Identity":
            x = self.add_node(
                activation.operator, [x], (self.batch, self.hidden), f"{what}_gate", **activation.attributes
            )
        if activation.after != 1 or activation.operator == "Identity":
            x = self.pair("Mul", x, self.number(activation.after), f"{what}_scaled")
        if activation.offset:
            x = self.pair("Add", x, self.number(activation.offset), f"{what}_moved")
        return x

    def pair(self, operator: str, a: ir.Value, b: ir.Value, what: str) -> ir.Value:
        return self.add_node(operator, [a, b], (self.batch, self.hidden), what)

    def number(self, value: float) -> ir.Value:
        key = f"number {value}"
        if key not in self.shared:
            self.shared[key] = add_constant(self.graph, f"{self.name}_number", np.array(value, np.float32))
        return self.shared[key]

    def reshape(self, x: ir.Value, shape: tuple[int, ...], what: str) -> ir.Value:
        wanted = add_constant(self.graph, f"{self.prefix}_{what}_shape", np.array(shape, np.int64))
        return self.add_node("Reshape", [x, wanted], shape, what)

    def slice(self, x: ir.Value, first: int, end: int, axis: int, shape: tuple[int, ...], what: str) -> ir.Value:
        bounds = [
            add_constant(self.graph, f"{self.prefix}_{what}_{part}", np.array([value], np.int64))
            for part, value in (("first", first), ("end", end), ("axis", axis))
        ]
        return self.add_node("Slice", [x, *bounds], shape, f"{what}_part")

    def add_node(
        self,
        operator: str,
        inputs: Sequence[ir.Value],
        shape: tuple[int, ...],
        what: str,
        **attributes: int | float | list[int],
    ) -> ir.Value:
        name = f"{self.prefix}_{what}"
        made = ir.node(operator, inputs, attributes=attributes, name=name)
        made.outputs[0].name = f"{name}_out"
        return insert(made, self.node, self.like, shape)

    def role(self, value: ir.Value, what: str) -> ir.Value:
        """Notes which part a value plays in every step."""
        value.metadata_props[ROLE] = f"{self.name}.{what}"
        return value


def _used(outputs: Sequence[ir.Value], index: int) -> bool:
    return len(outputs) > index and (bool(outputs[index].uses()) or outputs[index].is_graph_output())


def role_of(value: ir.Value) -> str | None:
    """The role that a value shares with others, or None."""
    return value.metadata_props.get(ROLE)
