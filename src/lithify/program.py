"""A compiled network as its user holds it: run it, count its cycles, prove it, save it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.isa import program as isa_program
from lithify.isa.file import load_program, save
from lithify.preprocessing import Preprocessing
from lithify.progress import Progress
from lithify.quantize.data import Input, Samples, Source, read
from lithify.reference.graph import OPEN, Graph, Tensor
from lithify.reference.positions import position_of
from lithify.runtime import run
from lithify.runtime.names import parse
from lithify.runtime.opened import opened
from lithify.runtime.resident import PROGRAM
from lithify.runtime.session import Session
from lithify.runtime.states import Memory, first_memory, held

if TYPE_CHECKING:
    from lithify.sim.inference import Simulation
    from lithify.verify import Verification

QUANTIZED = "quantized.onnx"
"""Name of the quantised model in a build folder, beside `PROGRAM`: what `verify` needs."""

Device = str
"""What executes a program: "sim", the functional simulator; "timing", the same with its cycles; "rtl", the chip's
Verilog, simulated; "fpga:" and a serial port, as in "fpga:/dev/ttyUSB0", a board that `lithify fpga` made a bitstream
for; several, as in "sim:0-3"; or as frameworks write it, "asic:0", "/device:ASIC:0" (see `lithify.runtime.names`).
"""


@dataclass(frozen=True)
class Program(isa_program.Program):
    """A compiled network for one chip; what it holds is said in `lithify.isa.program`.

    model: the quantised graph it was compiled from, or the file that holds it, which is read when `graph` is first
    asked for; None where only the .lith file is there.
    reasons: for nodes that are quantised and yet run on the host, why, by name; empty for a program that was loaded.
    memory: the DRAM of the chip, of a program that has states and has run.
    """

    model: Graph | Path | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    memory: Memory = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def graph(self) -> Graph | None:
        """The quantised graph, which `verify` judges by.

        Raises LithifyError where the file that lies beside the program is no model, or another one.
        """
        return self._graph_of(self.model) if isinstance(self.model, Path) else self.model

    @classmethod
    def load(
        cls, source: str | Path, *, chip: str | Path | Chip | None = None, model: str | Path | None = None
    ) -> Self:
        """The program of a .lith file or a build folder.

        chip: the chip it is wanted for, None for the one it was compiled for. model: the quantised model it was
        compiled from; without it, `quantized.onnx` beside the program, where there is one.
        Raises LithifyError for a missing, damaged, foreign or newer file, and for a program of another chip.
        """
        path = Path(source)
        if path.is_dir():
            path = path / PROGRAM
        compiled = load_program(path)
        if chip is not None and (wanted := load_chip(chip)) != compiled.chip:
            raise LithifyError(
                f"The program '{path}' is for {_chip_text(compiled.chip, wanted)}; "
                f"compile the network again with --chip {chip if isinstance(chip, str | Path) else chip.name}."
            )
        beside = Path(model) if model is not None else path.with_name(QUANTIZED)
        loaded = cls(**_fields(compiled), model=beside if model is not None or beside.is_file() else None)
        if model is not None:
            # Named, so it has to fit; what merely lies there is read when it is needed.
            _ = loaded.graph
        return loaded

    def save(self, path: str | Path) -> None:
        """Writes the .lith file. It runs without the model and without the compiler."""
        target = Path(path)
        if not target.parent.is_dir():
            try:
                target.parent.mkdir(parents=True)
            except OSError as error:
                raise LithifyError(
                    f"Cannot write the program '{path}': {error.strerror}; "
                    "give a file name in a folder you may write to."
                ) from error
        save(self, target)

    @property
    def model_inputs(self) -> tuple[Input, ...]:
        """What the network takes, in its order."""
        chosen = {
            name: [entry.entries for part in self.segments if isinstance(part, isa_program.ChipSegment)
                   for entry in part.lists if entry.tensor == name]
            for name in self.inputs
        }  # fmt: skip
        if self.cache is not None:
            chosen[self.cache.position].append(self.cache.rows - self.cache.added + 1)
        return tuple(
            Input(name, self.tensors[name].shape, self.tensors[name].dtype, min(chosen[name], default=1))
            for name in self.inputs
        )

    @property
    def host_nodes(self) -> tuple[str, ...]:
        """Operators that run on the host, by ONNX name, one for each node of each host segment."""
        return tuple(
            operator
            for segment in self.segments
            if isinstance(segment, isa_program.HostSegment)
            for operator in segment.operators
        )

    @property
    def pictures(self) -> Preprocessing | None:
        """What the host makes of a picture before the network takes it; None where no preprocessing was stated."""
        return self.preprocessing.host if self.preprocessing is not None else None

    def run(self, *inputs: NDArray[Any] | str | Path, device: Device = "sim") -> list[NDArray[Any]]:
        """The outputs, in the model's order.

        inputs: one for each input of the network, in its order: an array that is one sample, or several stacked along
        a new first axis (or along the batch axis where that is 1); then the outputs are stacked along the batch axis
        too. A program with states goes on from where the last run left them, sample after sample (see `reset`).
        Where the program carries a preprocessing, also the file of a picture, a folder of pictures, or pictures as
        uint8 [H, W, C] or [N, H, W, C]. An array of the input's own shape is taken as it is. A program with a batch
        (`batch` above 1) takes any number of samples along it; of fewer than the batch it works on these alone.
        Raises LithifyError for what does not fit.
        """
        if len(inputs) != len(self.inputs):
            raise LithifyError(
                f"The network takes {len(self.inputs)} inputs ({', '.join(self.inputs)}), but {len(inputs)} were given."
            )
        count = self._samples_given(inputs)
        if count:
            return self._run_batches([np.asarray(given) for given in inputs], count, device)
        found = {
            item.name: read(
                given if isinstance(given, str | Path) else np.asarray(given), [item], preprocessing=self.pictures
            ).inputs[item.name]
            for item, given in zip(self.model_inputs, inputs, strict=True)
        }
        counts = {len(array) for array in found.values()}
        if len(counts) > 1:
            raise LithifyError(
                f"The inputs hold {' and '.join(map(str, sorted(counts)))} samples; give as many for every input."
            )
        return self.run_samples(Samples(found), device=device)

    def reset(self) -> None:
        """Makes every state 0.0 again."""
        self.memory.clear()

    def state(self, name: str) -> NDArray[np.float32]:
        """What the next run begins with, of the input of this name; LithifyError if it is no state."""
        placement = next((state.placement for state in self.states if state.input == name), None)
        if placement is None:
            known = ", ".join(state.input for state in self.states) or "none"
            raise LithifyError(f"The program '{self.name}' has no state '{name}'; its states are: {known}.")
        info = self.tensors[placement.tensor]
        steps = held(self, self._kept() or {})[placement.tensor].astype(np.float32) - np.float32(info.zero_point)
        return np.asarray(steps * np.float32(info.scale), np.float32)

    @property
    def dram(self) -> Memory | None:
        """The chip's DRAM that goes from run to run, for `lithify.runtime.run`; None for a program without states."""
        return self._kept()

    def _kept(self) -> Memory | None:
        """The memory that goes from run to run; None for a program without states, whose runs begin anew."""
        if self.states and not self.memory:
            self.memory.update(first_memory(self))
        return self.memory if self.states else None

    def _samples_given(self, inputs: Sequence[Any]) -> int:
        """How many samples of its batch the inputs hold; 0 where they are given in another form."""
        shapes = [self.tensors[name].shape for name in self.inputs]
        if self.batch == 1 or any(isinstance(given, str | Path) for given in inputs):
            return 0
        fit = all(np.shape(given)[1:] == shape[1:] for given, shape in zip(inputs, shapes, strict=True))
        counts = {np.shape(given)[0] if np.ndim(given) else 0 for given in inputs}
        return counts.pop() if fit and len(counts) == 1 else 0

    def _run_batches(self, inputs: Sequence[NDArray[Any]], count: int, device: Device) -> list[NDArray[Any]]:
        """The outputs of `count` samples: as many whole batches as there are, and what remains."""
        if len(parse(device)) > 1:
            with Session(self, device) as session:
                return session.run(None, {
                    name: given.astype(self.tensors[name].dtype, copy=False)
                    for name, given in zip(self.inputs, inputs, strict=True)
                })  # fmt: skip
        made = []
        for name, given in zip(self.inputs, inputs, strict=True):
            if given.dtype.kind == "f" and not np.isfinite(given).all():
                raise LithifyError(f"The input '{name}' holds NaN or infinite values; give finite numbers.")
        with opened(device, self.chip) as machine:
            for first in range(0, count, self.batch):
                part = [
                    given[first : first + self.batch].astype(self.tensors[name].dtype, copy=False)
                    for name, given in zip(self.inputs, inputs, strict=True)
                ]
                made.append(run(self, part, machine, memory=self._kept()).outputs)
        return [np.concatenate(arrays) for arrays in zip(*made, strict=True)]

    def run_samples(
        self, samples: Samples, *, device: Device = "sim", progress: Progress | None = None
    ) -> list[NDArray[Any]]:
        """The outputs for every sample, stacked along the batch axis ([N * batch, ...]); several devices share them."""
        outputs: list[Sequence[NDArray[Any]]] = []
        for name in self.outputs if len(samples) > 1 else ():
            if OPEN in self.tensors[name].shape:
                raise LithifyError(
                    f"The data decide how many the output '{name}' has, and those of {len(samples)} samples cannot be "
                    "stacked; give one sample at a time."
                )
        if len(parse(device)) > 1:
            with Session(self, device, note=progress.note if progress else None) as session:
                for made in session.run_many(None, (samples[index] for index in range(len(samples)))):
                    outputs.append(made)
                    if progress:
                        progress.update(len(outputs), len(samples), "samples")
            return [stack(arrays) for arrays in zip(*outputs, strict=True)]
        with opened(device, self.chip, progress.note if progress else None) as machine:
            for index in range(len(samples)):
                outputs.append(run(self, samples[index], machine, memory=self._kept()).outputs)
                if progress:
                    progress.update(index + 1, len(samples), "samples")
        return [stack(arrays) for arrays in zip(*outputs, strict=True)]

    def simulate(self, samples: int | None = None, position: int | None = None) -> "Simulation":
        """The cycles of one inference, from the timing simulator, which is exactly the RTL's count, and what each layer
        costs.

        samples: as many as a run of a program with a batch is given, 1 to `batch`; None: all. position: rows that its
        caches hold before the run (see `cache`); None: as many as leave room for those that the run adds.
        Raises LithifyError for another number.
        """
        from lithify.sim.inference import simulate

        if samples is not None and not 1 <= samples <= self.batch:
            raise LithifyError(self._few(samples))
        if position is not None and self.cache is None:
            raise LithifyError(f"The program '{self.name}' has no caches; simulate it without a position.")
        if position is not None and self.cache is not None:
            position_of(np.array(position), self.cache.rows, self.cache.added, self.cache.position)
        return simulate(self, samples, position)

    def _few(self, samples: int) -> str:
        why = f", because the network {self.mixed}" if self.mixed else ""
        allowed = f"1 to {self.batch} samples" if self.batch > 1 else f"nothing but whole inputs{why}"
        return f"A run of {samples} samples was asked for, but the program '{self.name}' takes {allowed}."

    def verify(
        self,
        inputs: Source | None = None,
        *,
        rtl: Literal["full", "layers", "none"] = "full",
        count: int = 8,
        seed: int = 0,
        gates: bool = False,
        pdk: "str | Path | None" = None,
        progress: Progress | None = None,
    ) -> "Verification":
        """Compares reference, functional simulator and RTL on every intermediate and output tensor, and timing
        simulator and RTL on every cycle.

        inputs: samples, in any form that `lithify.quantize` takes; None: random ones. Of them as many as fit are taken,
        and saturating inputs made from them fill up to `count`. rtl: "full" all inputs in RTL; "layers" the first, with
        all its layers; "none" no RTL.
        gates: run the chip's netlist, mapped by Yosys, in place of its RTL: of generic gates, or of the cells of the
        process kit in the folder `pdk`.
        A difference is no error: see `agreed` and `differences` of the result.
        Raises LithifyError where the program has no graph to be judged by, and for a kit without `gates`.
        """
        from lithify.verify import verify, verify_samples

        if self.graph is None:
            raise LithifyError(
                f"The program '{self.name}' came without the quantised model it was compiled from; "
                "give that model (--model, or `Program.load(path, model=...)`)."
            )
        if gates and rtl == "none":
            raise LithifyError(
                "The netlist runs in place of the RTL: give 'layers' or 'full' (--rtl), or leave gates out."
            )
        if pdk is not None and not gates:
            raise LithifyError("A process kit is for the netlist: ask for it with gates (--gates), or leave pdk out.")
        samples = verify_samples(self.model_inputs, inputs, count, seed, self.pictures)
        device = None
        if gates:
            from lithify.runtime.gates import gate_device
            from lithify.silicon.kit import load_kit

            kit = None if pdk is None else load_kit(Path(pdk))
            device = gate_device(self.chip, kit, note=None if progress is None else progress.note)
        return verify(self, self.graph, samples, rtl=rtl, device=device, progress=progress)

    def _graph_of(self, path: Path) -> Graph:
        from lithify.frontend import load
        from lithify.quantize import read as read_graph

        graph = read_graph(load(path))
        wanted = [self.tensors[name] for name in self.inputs]
        kept = {state.input for state in self.states}
        found = [graph.tensors[name] for name in graph.inputs if name not in kept]
        if [(tensor.name, tensor.shape) for tensor in wanted] != [(tensor.name, tensor.shape) for tensor in found]:
            raise LithifyError(
                f"'{path}' is not the model that the program '{self.name}' was compiled from: its inputs are "
                f"{_inputs_text(found)}, the program's {_inputs_text(wanted)}; give the right one with --model."
            )
        return graph

    def disassemble(self) -> str:
        """The listing of all instructions."""
        from lithify.isa.listing import listing

        return listing(self)


def from_compiled(
    compiled: isa_program.Program, graph: Graph | None = None, reasons: Mapping[str, str] | None = None
) -> Program:
    """The program that the compiler made, with the graph it was made from."""
    return Program(**_fields(compiled), model=graph, reasons=reasons or {})


def stack(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Outputs of several samples as one array: along the first axis where it is a batch of 1, else along a new one."""
    if len(arrays) == 1:
        return arrays[0]
    first = arrays[0]
    return np.concatenate(arrays) if first.ndim and first.shape[0] == 1 else np.stack(arrays)


def _fields(compiled: isa_program.Program) -> Mapping[str, Any]:
    return {field.name: getattr(compiled, field.name) for field in fields(isa_program.Program)}


def _inputs_text(tensors: Sequence[isa_program.TensorInfo | Tensor]) -> str:
    return ", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in tensors)


def _chip_text(own: Chip, wanted: Chip) -> str:
    """How the chip of a program and the one wanted differ: by name, else by the first key."""
    if own.name != wanted.name:
        return f"the chip '{own.name}', not for '{wanted.name}'"
    for key, value in own.model_dump(by_alias=True).items():
        other = wanted.model_dump(by_alias=True)[key]
        if value != other:
            return f"a chip '{own.name}' whose {key} is {value}, not for one whose {key} is {other}"
    return f"another chip '{own.name}'"
