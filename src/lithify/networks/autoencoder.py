"""Anomaly detection of MLPerf Tiny: a dense autoencoder, the baseline of DCASE 2020 task 2 (Koizumi et al., 2020)."""

import onnx_ir as ir

from lithify.networks.builder import Builder

_WIDTHS = (128, 128, 128, 128, 8, 128, 128, 128, 128)


def autoencoder(net: Builder) -> list[ir.Value]:
    """640 features of five frames of sound, through a waist of 8, back to 640."""
    x = net.input
    for width in _WIDTHS:
        x = net.relu(net.batch_normalization(net.dense(x, width), epsilon=1e-3))
    return [net.dense(x, 640)]
