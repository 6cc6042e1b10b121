"""The network that a command was given: a file, a model, or the name of a standard network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from lithify import flow


def named_model(
    model: str | Path | ir.Model, shape: Mapping[str, Sequence[int]] | None = None, seed: int = 0
) -> tuple[str, ir.Model]:
    """What to call it, and the model; LithifyError as `lithify.load`."""
    from lithify import networks

    if isinstance(model, ir.Model):
        return model.graph.name or "network", model
    if not Path(model).exists() and str(model) in networks.NETWORKS:
        return str(model), networks.build(str(model), seed)
    return Path(model).stem, flow.load(model, shape)
