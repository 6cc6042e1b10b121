"""Lithify turns a trained neural network into a verified chip, and runs the network on it.

    model = lithify.load("net.onnx")
    program = lithify.compile(lithify.quantize(lithify.optimize(model), "data.npz"), chip="edge")
    outputs = program.run(image)
    print(program.simulate().cycles)
    assert program.verify([image]).agreed

The words of the command line are the functions of this module; `flow.py` defines them. `import lithify` loads nothing
else: every part is imported when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lithify.bench import bench
    from lithify.build import build
    from lithify.conformance import conformance
    from lithify.errors import LithifyError
    from lithify.explore.advise.advise import advise
    from lithify.explore.compare.compare import compare
    from lithify.explore.search.search import explore
    from lithify.explore.search.sensitivity import sensitivity
    from lithify.explore.split.split import split
    from lithify.flow import (
        chips,
        compile,
        disassemble,
        doctor,
        layout,
        load,
        optimize,
        profile,
        quantize,
        report,
        rtl,
        run,
        simulate,
        synthesize,
        verify,
    )
    from lithify.fpga import fpga
    from lithify.fuzz import fuzz
    from lithify.preprocessing import Preprocessing
    from lithify.program import Program
    from lithify.rtl.proofs.run import prove
    from lithify.runtime.inventory import list_devices
    from lithify.runtime.session import Session
    from lithify.target import Target, chip

__version__ = "0.1.0"

__all__ = [
    "LithifyError",
    "Preprocessing",
    "Program",
    "Session",
    "Target",
    "advise",
    "bench",
    "build",
    "chip",
    "chips",
    "compare",
    "compile",
    "conformance",
    "disassemble",
    "doctor",
    "explore",
    "fpga",
    "fuzz",
    "layout",
    "list_devices",
    "load",
    "optimize",
    "profile",
    "prove",
    "quantize",
    "report",
    "rtl",
    "run",
    "sensitivity",
    "simulate",
    "split",
    "synthesize",
    "verify",
]

_ELSEWHERE = {
    "LithifyError": "lithify.errors",
    "Preprocessing": "lithify.preprocessing",
    "Program": "lithify.program",
    "Session": "lithify.runtime.session",
    "advise": "lithify.explore.advise.advise",
    "bench": "lithify.bench",
    "build": "lithify.build",
    "compare": "lithify.explore.compare.compare",
    "conformance": "lithify.conformance",
    "explore": "lithify.explore.search.search",
    "sensitivity": "lithify.explore.search.sensitivity",
    "Target": "lithify.target",
    "chip": "lithify.target",
    "fpga": "lithify.fpga",
    "fuzz": "lithify.fuzz",
    "split": "lithify.explore.split.split",
    "list_devices": "lithify.runtime.inventory",
    "prove": "lithify.rtl.proofs.run",
}
"""Files of the words that are not in `flow.py`."""


class _Folder(ModuleType):
    """A folder whose name is also a word: `lithify.quantize(model)` calls the step, `lithify.quantize.data` is a file
    of the folder.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Take the step of this name; see `lithify.flow`."""
        return self._step(*arguments, **options)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(self._step)

    @property
    def _step(self) -> Any:
        return _word(self.__name__.rpartition(".")[2])


class _Package(ModuleType):
    """This module. Python binds each imported folder here under its name; where that name is a word, the folder stays
    callable.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value.__class__ = _Folder
        super().__setattr__(name, value)


def _word(name: str) -> Any:
    """The function or class that a word stands for."""
    return getattr(import_module(_ELSEWHERE.get(name, "lithify.flow")), name)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lithify' has no attribute {name!r}")
    try:
        # A folder of this name becomes the word (see _Folder).
        return import_module(f"lithify.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"lithify.{name}":
            raise
    return _word(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
