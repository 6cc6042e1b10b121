"""The way of a picture into a compiled network: what was stated, what the host does of it, and what the chip does.

A quantised model carries it in its metadata and a program in a section of its own, as JSON, so that a picture given at
run time goes the way that the calibration pictures went.
"""

import json
from dataclasses import asdict, dataclass

from lithify.errors import LithifyError
from lithify.preprocessing.picture import Preprocessing
from lithify.preprocessing.text import from_mapping

KEY = "lithify.preprocessing"
"""Under which name an ONNX model carries its chain."""

HOST, CHIP = "host", "chip"


@dataclass(frozen=True)
class Chain:
    """input: the network's input that takes the picture.

    stated: what the user said. host: what the host computes of it at run time; where the chip normalises, all but that.
    normalization: a sentence that says where the normalisation is computed, and why.
    """

    input: str
    stated: Preprocessing
    host: Preprocessing
    normalization: str

    @property
    def folded(self) -> bool:
        """Whether the chip normalises."""
        return self.stated.normalizes and not self.host.normalizes

    def steps(self) -> tuple[tuple[str, str, str], ...]:
        """Each step in order: what is done, to what ("" where nothing is to say), and where ("host" or "chip")."""
        stated = self.stated
        made: list[tuple[str, str, str]] = [("colors", stated.colors, HOST)]
        if stated.resize is not None:
            made.append(("resize", f"{_size(stated.resize)}, {stated.interpolation}", HOST))
        if stated.crop is not None:
            crop = stated.crop if isinstance(stated.crop, tuple) else (stated.crop, stated.crop)
            made.append(("crop", _size(crop), HOST))
        made.append(("layout", stated.layout, HOST))
        if stated.normalizes:
            made.append(("normalise", _formula(stated), CHIP if self.folded else HOST))
        return tuple(made)

    def to_json(self) -> str:
        """As JSON, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True)


def chain_from_json(text: str | bytes) -> Chain:
    """What `Chain.to_json` wrote. Raises LithifyError for text that is none."""
    try:
        values = json.loads(text)
        texts = [values["input"], values["normalization"]]
        stated, host = values["stated"], values["host"]
    except (ValueError, TypeError, KeyError) as error:
        raise LithifyError(
            "The preprocessing that the model or program carries is not readable; quantise the network again."
        ) from error
    if set(values) != {"input", "stated", "host", "normalization"} or not all(isinstance(text, str) for text in texts):
        raise LithifyError(
            "The preprocessing that the model or program carries is not readable; quantise the network again."
        )
    return Chain(texts[0], from_mapping(stated), from_mapping(host), texts[1])


def _size(size: int | tuple[int, int]) -> str:
    return f"shorter side {size}" if isinstance(size, int) else f"{size[0]} x {size[1]}"


def _formula(stated: Preprocessing) -> str:
    """(pixel x scale - mean) / std with its numbers, without what changes nothing."""
    inverse = 1 / stated.scale
    text = "pixel"
    if stated.scale != 1:
        text += f" / {round(inverse)}" if abs(inverse - round(inverse)) < 1e-9 * inverse else f" x {stated.scale:g}"
    if any(stated.mean):
        text = f"({text} - {_numbers(stated.mean)})"
    if any(value != 1 for value in stated.std):
        text += f" / {_numbers(stated.std)}"
    return text


def _numbers(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else f"({', '.join(f'{value:g}' for value in values)})"
