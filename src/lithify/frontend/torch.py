"""PyTorch models: modules with example inputs, exported programs and `.pt2` files, by PyTorch's own ONNX exporter."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from lithify.errors import LithifyError
from lithify.frontend.onnx import settle
from lithify.frontend.table import called, file_of

OPSET = 20
"""Gelu and friends are single operators here, and attention is still written out."""

_TRAINING = {"aten.dropout.default": 2, "aten.batch_norm.default": 5, "aten.feature_dropout.default": 2}
"""Operator -> which of its arguments says that it trains."""


def load(source: Any, shape: Mapping[str, Sequence[int]] | None = None, inputs: Any = None) -> ir.Model:
    """The ONNX model of a module, an ExportedProgram or a `.pt2` file, as it computes in evaluation mode.

    inputs: of a module: one tensor or array, a tuple of them, or a mapping from argument to tensor; the shapes of the
    example are those that the chip is compiled for.
    Raises LithifyError for a module without inputs, and for what PyTorch cannot export, with PyTorch's reason.
    """
    name = called(source)
    if isinstance(source, str | Path):
        source = _read(file_of(source, "a program that torch.export.save wrote"))
    if isinstance(source, torch.export.ExportedProgram):
        if inputs is not None:
            raise LithifyError(f"'{name}' is exported already, with its inputs; leave out inputs.")
        _refuse_training(source, name)
        return settle(export(name, source), name, shape)
    if inputs is None:
        raise LithifyError(
            f"'{name}' is a PyTorch module, whose shapes follow from its inputs; give an example: "
            "lithify.load(module, inputs=(example,))."
        )
    arguments, named = _arguments(inputs)
    with evaluating(source):
        model = export(name, source, arguments, named)
    return settle(model, name, shape)


def export(
    name: str,
    model: Any,
    arguments: tuple[Any, ...] | None = None,
    named: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> ir.Model:
    """The model as PyTorch exports it, quietly. Its constants are copies: training on changes nothing here."""
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                model,
                arguments or (),
                kwargs=dict(named) if named else None,
                dynamo=True,
                opset_version=OPSET,
                input_names=input_names,
                output_names=output_names,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever its stages met, chained
        raise LithifyError(
            f"PyTorch cannot export '{name}' to ONNX: {_reason(error)}. "
            "Change the module so that torch.onnx.export(..., dynamo=True) takes it."
        ) from error
    assert program is not None
    _refuse_complex(program.exported_program, name)
    made: ir.Model = program.model
    for value in made.graph.initializers.values():
        if value.const_value is not None:
            value.const_value = ir.tensor(np.array(value.const_value.numpy()), name=value.name)
    return made


@contextlib.contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """The module and all within it in evaluation mode; afterwards each as it was."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments, arrays made tensors."""

    def tensors(entry: Any) -> Any:
        leaf = torch.from_numpy(np.ascontiguousarray(entry)) if isinstance(entry, np.ndarray) else entry
        return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf

    given = torch.utils._pytree.tree_map(tensors, inputs)
    if isinstance(given, Mapping):
        return (), dict(given)
    return (tuple(given) if isinstance(given, tuple | list) else (given,)), {}


def _read(path: Path) -> Any:
    try:
        with _quiet():
            return torch.export.load(path)
    except Exception as error:  # zip, pickle, schema: whatever the file is broken in
        raise LithifyError(
            f"'{path}' is no program that torch.export.save wrote ({_reason(error)}). "
            "Write it with torch.export.save(torch.export.export(module.eval(), (example,)), path)."
        ) from error


def _refuse_training(program: Any, name: str) -> None:
    """What was exported while it trained answers otherwise than the trained network."""
    for node in program.graph.nodes:
        place = _TRAINING.get(str(node.target))
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise LithifyError(
                f"'{name}' was exported in training mode: its {str(node.target).split('.')[1]} still trains. "
                "Export module.eval()."
            )


def _refuse_complex(program: Any, name: str) -> None:
    """The exporter would make two real numbers of each complex one at the network's inputs and outputs."""
    for node in program.graph.nodes if program is not None else ():
        if node.op not in ("placeholder", "output"):
            continue
        ports = (node,) if node.op == "placeholder" else torch.utils._pytree.tree_leaves(node.args)
        for port in ports:
            value = port.meta.get("val") if isinstance(port, torch.fx.Node) else None
            if isinstance(value, torch.Tensor) and value.is_complex():
                raise LithifyError(
                    f"'{name}' takes or gives complex numbers at '{port.name}'; Lithify takes real ones. "
                    "Give the real and the imaginary part as two tensors."
                )


def _reason(error: BaseException) -> str:
    """The first line of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own progress, notes and warnings: what is wrong comes back as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            with contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                yield
    finally:
        logging.disable(before)
