"""PyTorch's own way: ``torch.compile(model, backend="lithify", options={"chip": "edge", "device": "sim"})``.

Each graph that PyTorch captures is frozen with its weights, made int8 by its first batches, compiled, and run in a
session. New shapes and changed weights are compiled again. What the chip has no unit for runs on the host, and a graph
that cannot be compiled at all, or that is to be trained, in PyTorch: both named in the log `lithify.torch` and in
`graphs()`, and refused with the option strict.
"""

import logging
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lithify import flow
from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.runtime.names import parse
from lithify.runtime.session import Session

if TYPE_CHECKING:
    from lithify.program import Program

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What `options` of torch.compile may hold.

    chip, device: as for `lithify.compile` and `lithify.Session`. calibration: how many batches decide on the scales;
    those before the last of them are answered by PyTorch. strict: refuse what the chip cannot do. method: of
    `lithify.quantize`.
    """

    chip: Any = "edge"
    device: Any = "sim"
    calibration: int = 1
    strict: bool = False
    method: Any = "minmax"

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> "Options":
        """From torch.compile's mapping; LithifyError for a key that is none of these, a calibration below 1, and a chip
        or a device that does not exist: these are slips, not graphs for PyTorch to run.
        """
        known = [entry.name for entry in fields(cls)]
        for key in given or {}:
            if key not in known:
                raise LithifyError(f"The backend 'lithify' has no option '{key}'; its options are: {', '.join(known)}.")
        options = cls(**(given or {}))
        if options.calibration < 1:
            raise LithifyError(f"calibration was given as {options.calibration} batches; it must be at least 1.")
        load_chip(options.chip)
        parse(options.device)
        return options


@dataclass
class Compiled:
    """A graph for inputs of one shape, with the weights of one moment.

    weights: where each lies, and how often it was changed. session: None while it is calibrated, and where `reason`
    says why PyTorch runs it.
    """

    weights: tuple[tuple[int, int], ...]
    samples: list[tuple[Any, ...]] = field(default_factory=list)
    session: Session | None = None
    program: "Program | None" = None
    reason: str = ""


class Graph:
    """A graph that PyTorch captured, as it calls it. static: the places of its weights among the arguments."""

    def __init__(self, module: torch.fx.GraphModule, static: frozenset[int], options: Options) -> None:
        self.module, self.options = module, options
        self._static = static
        self._compiled: dict[Any, Compiled] = {}
        _GRAPHS.add(self)
        weakref.finalize(self, _close, self._compiled)

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """One entry for each shape of the inputs, with the weights it was last called with."""
        return tuple(self._compiled.values())

    @property
    def host_nodes(self) -> tuple[str, ...]:
        """Operators that run on the host, by ONNX name, of all shapes."""
        programs = [entry.program for entry in self._compiled.values() if entry.program is not None]
        return tuple(dict.fromkeys(name for program in programs for name in program.host_nodes))

    def __call__(self, *arguments: Any) -> Any:
        """The graph's outputs. Raises LithifyError for what `strict` refuses."""
        if torch.is_grad_enabled() and any(
            isinstance(entry, torch.Tensor) and entry.requires_grad for entry in arguments
        ):
            return self._train(arguments)
        compiled = self._entry(arguments)
        if compiled.session is None and not compiled.reason:
            compiled.samples.append(tuple(arguments[place] for place in self._open(arguments)))
            if len(compiled.samples) >= self.options.calibration:
                self._compile(compiled, arguments)
        if compiled.session is None:
            return self.module(*arguments)
        feed = {
            name: np.ascontiguousarray(arguments[place].detach().cpu().numpy())
            for name, place in zip(compiled.session.program.inputs, self._open(arguments), strict=True)
        }
        made = iter(compiled.session.run(None, feed))
        device = next((entry.device for entry in arguments if isinstance(entry, torch.Tensor)), None)
        kept = _outputs(self.module)
        return tuple(
            torch.from_numpy(np.ascontiguousarray(next(made))).to(device) if computed else self._passed(node, arguments)
            for node, computed in kept
        )

    def _train(self, arguments: Sequence[Any]) -> Any:
        why = "gradients are asked for, which a compiled network does not give; call it under torch.no_grad()"
        if self.options.strict:
            raise LithifyError(f"The graph is refused with strict: {why}.")
        _say(f"A graph runs in PyTorch: {why}.")
        return self.module(*arguments)

    def _compile(self, compiled: Compiled, arguments: Sequence[Any]) -> None:
        places = self._open(arguments)
        frozen = _Frozen(self.module, {place: entry for place, entry in enumerate(arguments) if place not in places})
        try:
            if not places:
                raise LithifyError("The graph takes no tensor that changes, so it computes a constant.")
            examples = tuple(arguments[place].detach() for place in places)
            model = flow.optimize(flow.load(frozen, inputs=examples))
            given = [str(entry.name) for entry in model.graph.inputs]
            if len(given) != len(places):
                raise LithifyError(f"The graph uses {len(given)} of its {len(places)} inputs.")
            samples = [
                {name: entry.detach().cpu().numpy() for name, entry in zip(given, batch, strict=True)}
                for batch in compiled.samples
            ]
            quantized = flow.quantize(model, samples, method=self.options.method)
            compiled.program = flow.compile(quantized, self.options.chip, strict=self.options.strict)
            compiled.session = Session(compiled.program, self.options.device)
        except LithifyError as error:
            if self.options.strict:
                raise
            compiled.reason = str(error)
            _say(f"A graph runs in PyTorch: {error}")
        finally:
            compiled.samples.clear()
        if compiled.program is not None and compiled.program.host_nodes:
            _say(f"On the host run: {', '.join(dict.fromkeys(compiled.program.host_nodes))}.")

    def _open(self, arguments: Sequence[Any]) -> tuple[int, ...]:
        """The places of the tensors that change from call to call."""
        return tuple(
            place
            for place, entry in enumerate(arguments)
            if place not in self._static and isinstance(entry, torch.Tensor)
        )

    def _entry(self, arguments: Sequence[Any]) -> Compiled:
        """What is compiled for these shapes, types, numbers and weights; a new one where the weights have changed."""
        key = tuple(
            (tuple(entry.shape), entry.dtype) if isinstance(entry, torch.Tensor) else entry
            for place, entry in enumerate(arguments)
            if place not in self._static
        )
        weights = tuple((arguments[place].data_ptr(), arguments[place]._version) for place in sorted(self._static))
        compiled = self._compiled.get(key)
        if compiled is not None and compiled.weights != weights:
            _close({key: self._compiled.pop(key)})
        return self._compiled.setdefault(key, Compiled(weights))

    def _passed(self, node: Any, arguments: Sequence[Any]) -> Any:
        """An output that is an argument or a constant."""
        if not isinstance(node, torch.fx.Node):
            return node
        if node.op == "get_attr":
            return (
                self.module.get_parameter(node.target)
                if node.target in dict(self.module.named_parameters())
                else (self.module.get_buffer(node.target))
            )
        placeholders = [entry for entry in self.module.graph.nodes if entry.op == "placeholder"]
        return arguments[placeholders.index(node)]


class _Frozen(torch.nn.Module):  # type: ignore[misc]
    """A graph with all but its open inputs fixed. It gives what it computes; arguments handed on are left out."""

    def __init__(self, module: torch.fx.GraphModule, fixed: Mapping[int, Any]) -> None:
        super().__init__()
        self.module = module
        self._fixed = {place: entry for place, entry in fixed.items() if not isinstance(entry, torch.Tensor)}
        self._count = len([node for node in module.graph.nodes if node.op == "placeholder"])
        self._tensors = []
        for place, entry in fixed.items():
            if isinstance(entry, torch.Tensor):
                self._tensors.append(place)
                self.register_buffer(f"fixed_{place}", entry.detach())

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The computed outputs."""
        fixed = {**self._fixed, **{place: getattr(self, f"fixed_{place}") for place in self._tensors}}
        rest = iter(given)
        arguments = [fixed[place] if place in fixed else next(rest) for place in range(self._count)]
        made = self.module(*arguments)
        computed = [computed for _, computed in _outputs(self.module)]
        return tuple(value for value, wanted in zip(made, computed, strict=True) if wanted)


def backend(
    module: torch.fx.GraphModule, example_inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None, **_: Any
) -> Callable[..., Any]:
    """The backend `lithify` of torch.compile; options as in `Options`. Raises LithifyError for others."""
    chosen = Options.of(options)
    static = frozenset(place for place, entry in enumerate(example_inputs) if _is_weight(entry))
    return Graph(module, static, chosen)


def graphs() -> tuple[Graph, ...]:
    """The graphs that torch.compile made by this backend and that are in use: what runs where, and why."""
    return tuple(_GRAPHS)


def _is_weight(entry: Any) -> bool:
    """A parameter, or a buffer that PyTorch says to stay where it is."""
    address = getattr(entry, "_dynamo_static_input_type", None)
    return isinstance(entry, torch.nn.Parameter) or (isinstance(entry, torch.Tensor) and address is not None)


def _outputs(module: torch.fx.GraphModule) -> list[tuple[Any, bool]]:
    """The graph's outputs, and whether each is computed."""
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    (entries,) = output.args
    listed: Iterable[Any] = entries if isinstance(entries, tuple | list) else (entries,)
    return [
        (entry, isinstance(entry, torch.fx.Node) and entry.op not in ("placeholder", "get_attr")) for entry in listed
    ]


def _close(compiled: Mapping[Any, Compiled]) -> None:
    """Gives the devices of graphs back that are not called any more."""
    for entry in compiled.values():
        if entry.session is not None:
            entry.session.close()


def _say(text: str) -> None:
    """Once for each text."""
    if text not in _SAID:
        _SAID.add(text)
        LOG.warning(text)


_GRAPHS: "weakref.WeakSet[Graph]" = weakref.WeakSet()
_SAID: set[str] = set()

torch._dynamo.register_backend(backend, name="lithify")
