"""Writes a network as an ONNX graph, layer by layer, with seeded weights and every shape known."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.networks.window import Padding, Size, each, places, zeros

OPSET = 20
IR_VERSION = 10

CLASSIFIER_GAIN = 64.0
"""Of the last layer: averages over a map vary far less than its elements, and classes should differ all the same."""

_NORMALIZED_MEAN = 1.0
"""Mean of what a batch normalisation gives, in its deviations. At 0 a Relu keeps half of the values, and an untrained
network multiplies small errors from layer to layer until int8 leaves nothing of the answer; at 1 they stay small."""

Activation = Callable[["Builder", ir.Value], ir.Value]
"""What follows a layer: a method of the builder, such as `Builder.relu`."""


def shape_of(x: ir.Value) -> tuple[int, ...]:
    """The shape of a value that the builder wrote; batch first, then channels."""
    assert x.shape is not None
    return x.shape.numpy()


def channels_of(x: ir.Value) -> int:
    """The number of channels of a value."""
    return shape_of(x)[1]


class Builder:
    """A graph under construction: each method appends a layer and gives its output.

    Weights are normal with the deviation of He et al., "Delving Deep into Rectifiers" (2015), sqrt(gain / fan in),
    drawn from one generator in the order of the layers. Batch normalisations start with mean 0 and variance 1;
    `statistics.py` measures the real ones.
    """

    def __init__(self, name: str, input_shape: Sequence[int], seed: int) -> None:
        self._name = name
        self._random = np.random.default_rng(seed)
        self._nodes: list[ir.Node] = []
        self._constants: list[ir.Value] = []
        self._names: dict[str, int] = {}
        self._scopes: list[str] = []
        self.input = _value("input", input_shape)

    def model(self, outputs: Sequence[ir.Value]) -> ir.Model:
        """The finished model; its outputs are named "output", or "output_0", "output_1", ..."""
        for index, value in enumerate(outputs):
            value.name = "output" if len(outputs) == 1 else f"output_{index}"
        graph = ir.Graph(
            [self.input],
            outputs,
            nodes=self._nodes,
            initializers=self._constants,
            opset_imports={"": OPSET},
            name=self._name,
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="lithify")

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names of the layers written inside start with this one."""
        self._scopes.append(name)
        yield
        self._scopes.pop()

    # Layers with weights

    def conv(
        self,
        x: ir.Value,
        channels: int,
        kernel: Size,
        stride: Size = 1,
        padding: Padding = None,
        groups: int = 1,
        dilation: int = 1,
        bias: bool = True,
        gain: float = 2.0,
    ) -> ir.Value:
        """A convolution over one or two axes."""
        batch, inputs, *extents = shape_of(x)
        kernels, strides = each(kernel, len(extents)), each(stride, len(extents))
        spans = [dilation * (size - 1) + 1 for size in kernels]
        pads = zeros(extents, spans, strides, padding)
        weights = [self._weight((channels, inputs // groups, *kernels), inputs // groups * prod(kernels), gain)]
        attributes = {
            "kernel_shape": kernels,
            "strides": strides,
            "pads": pads,
            "group": groups,
            "dilations": each(dilation, len(extents)),
        }
        shape = (batch, channels, *places(extents, spans, strides, pads))
        return self._add("Conv", [x, *weights, *self._biases(channels, bias)], shape, attributes)

    def depthwise(
        self, x: ir.Value, kernel: Size, stride: Size = 1, padding: Padding = None, bias: bool = True
    ) -> ir.Value:
        """A convolution of each channel by its own kernel."""
        return self.conv(x, channels_of(x), kernel, stride, padding, groups=channels_of(x), bias=bias)

    def conv_transpose(self, x: ir.Value, channels: int, size: int) -> ir.Value:
        """A transposed convolution whose stride is its kernel: a map `size` times as large, no overlap."""
        batch, inputs, *extents = shape_of(x)
        weight = self._weight((inputs, channels, *each(size, len(extents))), inputs, 1.0)
        attributes = {"kernel_shape": each(size, len(extents)), "strides": each(size, len(extents))}
        shape = (batch, channels, *(size * extent for extent in extents))
        return self._add("ConvTranspose", [x, weight, *self._biases(channels, True)], shape, attributes)

    def dense(self, x: ir.Value, features: int, gain: float = 1.0) -> ir.Value:
        """A fully connected layer on (batch, features), with bias."""
        batch, inputs = shape_of(x)
        weight = self._weight((features, inputs), inputs, gain)
        return self._add("Gemm", [x, weight, *self._biases(features, True)], (batch, features), {"transB": 1})

    def linear(self, x: ir.Value, features: int, gain: float = 1.0) -> ir.Value:
        """A dense layer on each token of (batch, tokens, features), as exporters write it: a product, and the bias."""
        *rest, inputs = shape_of(x)
        weight = self._weight((inputs, features), inputs, gain)
        product = self._add("MatMul", [x, weight], (*rest, features))
        return self._add("Add", [product, *self._biases(features, True)], (*rest, features))

    def classify(self, x: ir.Value, classes: int) -> ir.Value:
        """The average of each channel, and a score for each class from these."""
        return self.dense(self.flatten(self.global_average_pool(x)), classes, CLASSIFIER_GAIN)

    def batch_normalization(self, x: ir.Value, epsilon: float = 1e-5) -> ir.Value:
        """Batch normalisation as inference does it: by statistics that are constants."""
        size = channels_of(x)
        constants = [
            self._constant("scale", self._random.uniform(0.8, 1.2, size)),
            self._constant("bias", self._random.normal(_NORMALIZED_MEAN, 0.2, size)),
            self._constant("mean", np.zeros(size)),
            self._constant("variance", np.ones(size)),
        ]
        return self._add("BatchNormalization", [x, *constants], shape_of(x), {"epsilon": epsilon})

    def layer_normalization(self, x: ir.Value, epsilon: float) -> ir.Value:
        """Normalisation along the last axis (Ba et al., "Layer Normalization", 2016)."""
        size = shape_of(x)[-1]
        constants = [
            self._constant("scale", self._random.uniform(0.8, 1.2, size)),
            self._constant("bias", self._random.normal(0.0, 0.1, size)),
        ]
        return self._add("LayerNormalization", [x, *constants], shape_of(x), {"axis": -1, "epsilon": epsilon})

    def embed(self, x: ir.Value, deviation: float) -> ir.Value:
        """A trained number added to every element, as for the positions of tokens."""
        places = self._constant("position", self._random.normal(0.0, deviation, (1, *shape_of(x)[1:])))
        return self._add("Add", [x, places], shape_of(x))

    def conv_bn(
        self,
        x: ir.Value,
        channels: int,
        kernel: Size,
        stride: Size = 1,
        padding: Padding = None,
        groups: int = 1,
        bias: bool = False,
        activation: Activation | None = None,
        epsilon: float = 1e-5,
    ) -> ir.Value:
        """A convolution, its batch normalisation and what follows: the brick of most networks."""
        x = self.conv(x, channels, kernel, stride, padding, groups, bias=bias)
        x = self.batch_normalization(x, epsilon)
        return activation(self, x) if activation else x

    def squeeze_excite(self, x: ir.Value, squeezed: int, activation: Activation, gate: Activation) -> ir.Value:
        """Weighs the channels of x by what their averages say (Hu et al., "Squeeze-and-Excitation Networks", 2018)."""
        weights = activation(self, self.conv(self.global_average_pool(x), squeezed, 1))
        return self.mul(x, gate(self, self.conv(weights, channels_of(x), 1)))

    # Functions of one variable

    def relu(self, x: ir.Value) -> ir.Value:
        return self._add("Relu", [x], shape_of(x))

    def relu6(self, x: ir.Value) -> ir.Value:
        return self._add("Clip", [x, self._scalar("low", 0.0), self._scalar("high", 6.0)], shape_of(x))

    def sigmoid(self, x: ir.Value) -> ir.Value:
        return self._add("Sigmoid", [x], shape_of(x))

    def silu(self, x: ir.Value) -> ir.Value:
        return self.mul(x, self.sigmoid(x))

    def hard_sigmoid(self, x: ir.Value) -> ir.Value:
        return self._add("HardSigmoid", [x], shape_of(x), {"alpha": 1 / 6, "beta": 0.5})

    def hard_swish(self, x: ir.Value) -> ir.Value:
        return self._add("HardSwish", [x], shape_of(x))

    def tanh(self, x: ir.Value) -> ir.Value:
        return self._add("Tanh", [x], shape_of(x))

    def gelu(self, x: ir.Value) -> ir.Value:
        return self._add("Gelu", [x], shape_of(x))

    def softmax(self, x: ir.Value, axis: int = 1) -> ir.Value:
        return self._add("Softmax", [x], shape_of(x), {"axis": axis})

    def multiply_by(self, x: ir.Value, factor: float) -> ir.Value:
        return self._add("Mul", [x, self._scalar("factor", factor)], shape_of(x))

    # Several inputs

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._add("Add", [a, b], np.broadcast_shapes(shape_of(a), shape_of(b)))

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self._add("Mul", [a, b], np.broadcast_shapes(shape_of(a), shape_of(b)))

    def matmul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The matrix product of the last two axes; those before are equal."""
        return self._add("MatMul", [a, b], (*shape_of(a)[:-1], shape_of(b)[-1]))

    def concat(self, *parts: ir.Value) -> ir.Value:
        """The channels of all parts, one after the other."""
        batch, _, *extents = shape_of(parts[0])
        return self._add("Concat", parts, (batch, sum(map(channels_of, parts)), *extents), {"axis": 1})

    def halves(self, x: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first and the second half of the channels."""
        batch, channels, *extents = shape_of(x)
        name = self._named("Split")
        outputs = [_value(f"{name}_output_{index}", (batch, channels // 2, *extents)) for index in range(2)]
        self._nodes.append(ir.node("Split", [x], {"axis": 1, "num_outputs": 2}, outputs=outputs, name=name))
        return outputs[0], outputs[1]

    # Pooling

    def max_pool(self, x: ir.Value, kernel: int, stride: int, padding: int = 0, ceil: bool = False) -> ir.Value:
        """ceil: a last window that only begins inside the map counts too."""
        attributes = {"ceil_mode": int(ceil)} if ceil else {}
        return self._pool("MaxPool", x, kernel, stride, padding, attributes)

    def average_pool(self, x: ir.Value, kernel: Size, stride: Size) -> ir.Value:
        return self._pool("AveragePool", x, kernel, stride, 0, {})

    def global_average_pool(self, x: ir.Value) -> ir.Value:
        batch, channels, *extents = shape_of(x)
        return self._add("GlobalAveragePool", [x], (batch, channels, *(1 for _ in extents)))

    # Shapes

    def flatten(self, x: ir.Value) -> ir.Value:
        batch, *rest = shape_of(x)
        return self._add("Flatten", [x], (batch, prod(rest)), {"axis": 1})

    def reshape(self, x: ir.Value, shape: Sequence[int]) -> ir.Value:
        """shape: behind the batch, which stays."""
        return self._add("Reshape", [x, self._integers("shape", (0, *shape))], (shape_of(x)[0], *shape))

    def transpose(self, x: ir.Value, order: Sequence[int]) -> ir.Value:
        return self._add("Transpose", [x], tuple(shape_of(x)[axis] for axis in order), {"perm": order})

    def prepend_zeros(self, x: ir.Value) -> ir.Value:
        """A row of zeros before the tokens of (batch, tokens, features)."""
        batch, tokens, features = shape_of(x)
        return self._add("Pad", [x, self._integers("pads", (0, 1, 0, 0, 0, 0))], (batch, tokens + 1, features))

    def first_token(self, x: ir.Value) -> ir.Value:
        """(batch, tokens, features) to (batch, 1, features)."""
        batch, _, features = shape_of(x)
        bounds = (("start", 0), ("end", 1), ("axis", 1))
        return self._add("Slice", [x, *(self._integers(n, (v,)) for n, v in bounds)], (batch, 1, features))

    def shuffle_channels(self, x: ir.Value, groups: int) -> ir.Value:
        """Takes one channel of each group in turn (Zhang et al., "ShuffleNet", 2018)."""
        _, channels, height, width = shape_of(x)
        split = (groups, channels // groups, height, width)
        x = self.transpose(self.reshape(x, split), (0, 2, 1, 3, 4))
        return self.reshape(x, (channels, height, width))

    def upsample(self, x: ir.Value, factor: int) -> ir.Value:
        """Each element repeated `factor` times along height and width."""
        batch, channels, *extents = shape_of(x)
        scales = self._constant("scales", np.array([1, 1, *(factor for _ in extents)]))
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        shape = (batch, channels, *(factor * extent for extent in extents))
        return self._add("Resize", [x, None, scales], shape, attributes)

    def depth_to_space(self, x: ir.Value, block: int) -> ir.Value:
        """Channels become pixels, as PyTorch's PixelShuffle."""
        batch, channels, height, width = shape_of(x)
        shape = (batch, channels // block**2, block * height, block * width)
        return self._add("DepthToSpace", [x], shape, {"blocksize": block, "mode": "CRD"})

    def last(self, x: ir.Value) -> ir.Value:
        """The last element of a sequence: (batch, channels, length) to (batch, channels, 1)."""
        batch, channels, length = shape_of(x)
        bounds = (("start", length - 1), ("end", length), ("axis", 2))
        return self._add("Slice", [x, *(self._integers(n, (v,)) for n, v in bounds)], (batch, channels, 1))

    # How a node comes about

    def _pool(
        self, operator: str, x: ir.Value, kernel: Size, stride: Size, padding: int, attributes: dict[str, int]
    ) -> ir.Value:
        batch, channels, *extents = shape_of(x)
        kernels, strides = each(kernel, len(extents)), each(stride, len(extents))
        pads = zeros(extents, kernels, strides, padding)
        extents = [*places(extents, kernels, strides, pads, bool(attributes.get("ceil_mode")))]
        window = {"kernel_shape": kernels, "strides": strides, "pads": pads}
        return self._add(operator, [x], (batch, channels, *extents), {**window, **attributes})

    def _add(
        self,
        operator: str,
        inputs: Sequence[ir.Value | None],
        shape: Sequence[int],
        attributes: Mapping[str, object] | None = None,
    ) -> ir.Value:
        name = self._named(operator)
        output = _value(f"{name}_output", shape)
        for value in inputs:
            if value is not None and value.const_value is not None:
                value.name = f"{name}.{value.name}"
                self._constants.append(value)
        self._nodes.append(ir.node(operator, inputs, attributes, outputs=[output], name=name))  # type: ignore[arg-type]
        return output

    def _named(self, operator: str) -> str:
        stem = "/".join([*self._scopes, operator])
        self._names[stem] = self._names.get(stem, 0) + 1
        return f"{stem}_{self._names[stem]}"

    def _weight(self, shape: tuple[int, ...], fan_in: int, gain: float) -> ir.Value:
        values = self._random.standard_normal(shape, np.float32)
        values *= np.float32(np.sqrt(gain / fan_in))
        return self._constant("weight", values)

    def _biases(self, size: int, wanted: bool) -> list[ir.Value]:
        return [self._constant("bias", self._random.normal(0.0, 0.05, size))] if wanted else []

    def _scalar(self, name: str, value: float) -> ir.Value:
        return self._constant(name, np.array(value))

    def _integers(self, name: str, values: Sequence[int]) -> ir.Value:
        return _constant(name, np.array(values, np.int64))

    def _constant(self, name: str, values: NDArray[np.floating] | NDArray[np.integer]) -> ir.Value:
        return _constant(name, np.asarray(values, np.float32))


def _value(name: str, shape: Sequence[int]) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))


def _constant(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> ir.Value:
    tensor = ir.Tensor(values)
    return ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
