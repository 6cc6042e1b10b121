"""What quantisation cost, layer by layer, and how a picture becomes the input: as a report keeps them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lithify.preprocessing import Chain
from lithify.quantize.post_training import Quantization, Trial
from lithify.quantize.report import LayerError


@dataclass(frozen=True)
class Way:
    """One way to quantise. noise_db: signal-to-noise ratio of the model's outputs, decibels; None: no noise at all."""

    method: str
    bias_correction: bool
    equalize: bool
    noise_db: float | None


@dataclass(frozen=True)
class LayerNoise:
    """One int8 tensor against the float model's; see `lithify.quantize.LayerError`. None: no noise at all."""

    layer: str
    operator: str
    tensor: str
    step: float
    zero_point: int
    noise_db: float | None
    own_noise_db: float | None
    clipped: float


@dataclass(frozen=True)
class Quantized:
    """chosen: the way taken. trials: all that `auto` compared, the best first. samples: that the errors are over."""

    chosen: Way
    trials: tuple[Way, ...]
    layers: tuple[LayerNoise, ...]
    samples: int

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        table = asdict(self)
        return {**table, "trials": list(table["trials"]), "layers": list(table["layers"])}


@dataclass(frozen=True)
class PictureStep:
    """One step from a picture to the input. what: done to it; value: its number or kind; where: "host" or "chip"."""

    what: str
    value: str
    where: str


@dataclass(frozen=True)
class Pictures:
    """input: the network's. normalization: a sentence that says where the normalisation is computed, and why."""

    input: str
    normalization: str
    steps: tuple[PictureStep, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps]}


def quantized_of(found: Quantization) -> Quantized | None:
    """What the quantiser found; None where the model came quantised or nothing of it could be."""
    if found.chosen is None or found.errors is None:
        return None
    layers = tuple(_layer(entry) for entry in found.errors.layers)
    return Quantized(_way(found.chosen), tuple(map(_way, found.trials)), layers, found.errors.samples)


def quantized_from_json(table: Mapping[str, Any] | None) -> Quantized | None:
    """What `Quantized.to_json` gave; KeyError or TypeError where it is none."""
    if table is None:
        return None
    layers = tuple(LayerNoise(**entry) for entry in table["layers"])
    return Quantized(Way(**table["chosen"]), tuple(Way(**entry) for entry in table["trials"]), layers, table["samples"])


def pictures_of(chain: Chain | None) -> Pictures | None:
    """The steps of a chain; None without one."""
    if chain is None:
        return None
    return Pictures(chain.input, chain.normalization, tuple(PictureStep(*step) for step in chain.steps()))


def pictures_from_json(table: Mapping[str, Any] | None) -> Pictures | None:
    """What `Pictures.to_json` gave; KeyError or TypeError where it is none."""
    if table is None:
        return None
    return Pictures(table["input"], table["normalization"], tuple(PictureStep(**step) for step in table["steps"]))


def _way(trial: Trial) -> Way:
    return Way(trial.method, trial.bias_correction, trial.equalize, _finite(trial.noise_db))


def _layer(entry: LayerError) -> LayerNoise:
    values = asdict(entry)
    return LayerNoise(**{**values, **{name: _finite(values[name]) for name in ("noise_db", "own_noise_db")}})


def _finite(decibels: float) -> float | None:
    """JSON knows no infinity. A signal of nothing but noise is as bad as the smallest number says."""
    return None if decibels == math.inf else max(decibels, -1e3)
