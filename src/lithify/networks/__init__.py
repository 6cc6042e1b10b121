"""The standard networks as ONNX models, written by code with seeded weights: nothing is downloaded, nothing trained.

For example `lithify.networks.build("resnet50")`.
"""

import onnx_ir as ir

from lithify.errors import LithifyError
from lithify.networks import statistics
from lithify.networks.builder import Builder
from lithify.networks.cost import count_macs, count_parameters
from lithify.networks.sample import sample
from lithify.networks.table import NETWORKS, Network

__all__ = ["NETWORKS", "Network", "build", "count_macs", "count_parameters", "sample", "unknown"]

_MACS_TO_MEASURE = 4_000_000_000
"""Work of the pass that measures batch statistics: as many samples as it allows, between 2 and 64."""


def build(name: str, seed: int = 0, shape: tuple[int, ...] | None = None) -> ir.Model:
    """The network `name` of the table: float32, batch 1, every shape fixed, weights drawn with `seed`.

    Its batch normalisations hold the statistics of sample data, so that activations keep their size through the depth
    and can be quantised. Equal seeds give equal bits on the same processor and ONNX Runtime.
    shape: of the input instead of the table's, where the layers allow it.
    Raises LithifyError for a name that is not in the table.
    """
    row = NETWORKS.get(name)
    if row is None:
        raise unknown(name)
    input_shape = shape or row.input_shape
    builder = Builder(name, input_shape, seed)
    model = builder.model(row.layers(builder))
    count = min(64, max(2, _MACS_TO_MEASURE // row.macs))
    statistics.measure(model, sample(input_shape, count, seed))
    return model


def unknown(name: str) -> LithifyError:
    """The error that there is no network of this name."""
    return LithifyError(f"There is no network '{name}'; there are {', '.join(NETWORKS)}.")
