"""Float models to int8, and int8 models to the quantised graph that the chip computes.

The parts are imported when they are first used: who runs a saved program needs `data` and nothing else of this folder.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lithify.quantize.data import Input, Samples, inputs_of, seeded
    from lithify.quantize.data import read as read_data
    from lithify.quantize.post_training import (
        Quantization,
        Trial,
        chain_of,
        is_quantized,
        quantize,
        quantize_with_choice,
    )
    from lithify.quantize.reader import read
    from lithify.quantize.report import ErrorReport, LayerError, compare

__all__ = [
    "ErrorReport",
    "Input",
    "LayerError",
    "Quantization",
    "Samples",
    "Trial",
    "chain_of",
    "compare",
    "inputs_of",
    "is_quantized",
    "quantize",
    "quantize_with_choice",
    "read",
    "read_data",
    "seeded",
]

_PLACES = {
    **{name: ("data", name) for name in ("Input", "Samples", "inputs_of", "seeded")},
    "read_data": ("data", "read"),
    **{
        name: ("post_training", name)
        for name in ("Quantization", "Trial", "chain_of", "is_quantized", "quantize", "quantize_with_choice")
    },
    "read": ("reader", "read"),
    **{name: ("report", name) for name in ("ErrorReport", "LayerError", "compare")},
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'lithify.quantize' has no attribute {name!r}")
    file, original = _PLACES[name]
    return getattr(import_module(f"lithify.quantize.{file}"), original)
