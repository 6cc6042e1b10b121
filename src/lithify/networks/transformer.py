"""Transformer encoders: BERT (Devlin et al., 2018) and the Vision Transformer (Dosovitskiy et al., 2020)."""

import onnx_ir as ir

from lithify.networks.builder import Builder, shape_of

_SHARPNESS = 2.0
"""Gain of queries and keys: at 1 an untrained network attends to everything alike, and its softmax is never tried."""


def bert(net: Builder, layers: int, heads: int) -> list[ir.Value]:
    """The encoder behind the embeddings, on (batch, tokens, width): normalisation after each sum."""
    x = net.layer_normalization(net.input, epsilon=1e-12)
    for layer in range(layers):
        with net.scope(f"layer{layer + 1}"):
            x = net.layer_normalization(net.add(x, attention(net, x, heads)), epsilon=1e-12)
            x = net.layer_normalization(net.add(x, feed_forward(net, x)), epsilon=1e-12)
    return [x]


def vision_transformer(net: Builder, patch: int, width: int, layers: int, heads: int, classes: int) -> list[ir.Value]:
    """Patches of an image as tokens, and one before them that the scores are read from: normalisation before each part.

    The class token stands in the first row of the position embeddings, to which a row of zeros is padded.
    """
    x = net.conv(net.input, width, patch, patch, padding=0, gain=1.0)
    _, _, height, columns = shape_of(x)
    x = net.transpose(net.reshape(x, (width, height * columns)), (0, 2, 1))
    x = net.embed(net.prepend_zeros(x), 0.02)
    for layer in range(layers):
        with net.scope(f"layer{layer + 1}"):
            x = net.add(x, attention(net, net.layer_normalization(x, epsilon=1e-6), heads))
            x = net.add(x, feed_forward(net, net.layer_normalization(x, epsilon=1e-6)))
    x = net.layer_normalization(x, epsilon=1e-6)
    return [net.dense(net.flatten(net.first_token(x)), classes)]


def attention(net: Builder, x: ir.Value, heads: int) -> ir.Value:
    """Every token takes, in each head, the values of all tokens, weighed by a softmax of its query with their keys."""
    _, tokens, width = shape_of(x)
    depth = width // heads

    def split(value: ir.Value, order: tuple[int, ...]) -> ir.Value:
        return net.transpose(net.reshape(value, (tokens, heads, depth)), order)

    with net.scope("attention"):
        queries = split(net.linear(x, width, _SHARPNESS), (0, 2, 1, 3))
        keys = split(net.linear(x, width, _SHARPNESS), (0, 2, 3, 1))
        values = split(net.linear(x, width), (0, 2, 1, 3))
        scores = net.multiply_by(net.matmul(queries, keys), depth**-0.5)
        mixed = net.transpose(net.matmul(net.softmax(scores, -1), values), (0, 2, 1, 3))
        return net.linear(net.reshape(mixed, (tokens, width)), width)


def feed_forward(net: Builder, x: ir.Value) -> ir.Value:
    """Two layers on each token by itself, four times as wide between them."""
    width = shape_of(x)[-1]
    with net.scope("feed_forward"):
        return net.linear(net.gelu(net.linear(x, 4 * width)), width, 2.0)
