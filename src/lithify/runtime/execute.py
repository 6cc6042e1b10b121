"""Runs a program: its segments one after the other over named tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.conditions import skip_of
from lithify.isa.file import load_program
from lithify.isa.program import Base, ChipSegment, Conversion, HostSegment, Program, TensorInfo
from lithify.reference.definition import Operand
from lithify.reference.elementwise import dequantize, quantize, reshape, signed, unsigned
from lithify.reference.graph import OPEN, Node, Tensor, fits
from lithify.reference.indices import indices, truth
from lithify.reference.positions import position_mask, position_range
from lithify.runtime.device import LATE, Device, DeviceResult, FunctionalDevice
from lithify.runtime.memory import check_placement, pack, pack_list, unpack
from lithify.runtime.states import Memory, appending, exchange, first_memory, held, rows_after

Array = NDArray[Any]

_MEANINGS = {
    "Quantize": quantize,
    "Dequantize": dequantize,
    "Signed": signed,
    "Unsigned": unsigned,
    "Truth": truth,
    "Indices": indices,
    "Reshape": reshape,
    "PositionMask": position_mask,
    "PositionRange": position_range,
}


@dataclass(frozen=True)
class SegmentOutcome:
    """What the device told of a chip segment."""

    segment: ChipSegment
    result: DeviceResult


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    outputs: in the model's order. environment: every tensor at the borders of segments, by name, in the layout of ONNX.
    segments: one entry per chip segment, in order of execution.
    """

    outputs: tuple[Array, ...]
    environment: Mapping[str, Array]
    segments: tuple[SegmentOutcome, ...]

    @property
    def cycles(self) -> int | None:
        """Cycles of all chip segments; None if the device knows no time."""
        counts = [entry.result.cycles for entry in self.segments]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def late(self) -> int:
        """Of these cycles, those in which a beat waited for a board's SDRAM beyond the memory model: where it is 0,
        `cycles` are those of the timing simulator. Other devices are never late.
        """
        return sum(entry.result.counters.get(LATE, 0) for entry in self.segments)


def run(
    program: Program,
    inputs: Mapping[str, Array] | Sequence[Array],
    device: Device | None = None,
    seed: int = 0,
    memory: Memory | None = None,
) -> Outcome:
    """Runs a program once.

    inputs: one array per input of the model, by name or in the model's order, of exactly its shape and dtype. Where
        the program has a batch all of them may hold fewer samples; the outputs then hold as many.
    device: what runs the chip segments; the functional simulator by default.
    seed: of the bytes in DRAM that nothing has written.
    memory: the DRAM that the run before left, with its states; None: all states are 0.0.
    Raises LithifyError for inputs that do not fit, and for what the device or the host cannot run.
    """
    device = FunctionalDevice() if device is None else device
    given, samples = whole_batch(program, inputs)
    environment: dict[str, Array] = dict(check_inputs(program, given))
    skip = skip_of(samples, program.batch)
    dram = first_memory(program, seed) if memory is None else memory
    environment |= held(program, dram)
    seen = appending(program, dram, environment[program.cache.position] if program.cache else None)
    outcomes = []
    for segment in program.segments:
        if isinstance(segment, ChipSegment):
            segment = segment.serving(rows_after(program, seen))
            outcomes.append(SegmentOutcome(segment, _run_chip(program, segment, environment, seen, device, skip)))
        else:
            environment.update(run_on_host(program, segment, environment))
    outputs = tuple(value_of(program, environment, name) for name in program.outputs)
    if program.states:
        exchange(dram)
    if samples < program.batch:
        outputs = tuple(value[:samples] for value in outputs)
    return Outcome(outputs, environment, tuple(outcomes))


def run_program_file(path: str | Path, *inputs: Array, device: Device | None = None) -> Outcome:
    """Runs a saved program on arrays in the model's order; raises LithifyError as `load_program` and `run` do."""
    return run(load_program(path), inputs, device)


def whole_batch(
    program: Program, inputs: Mapping[str, Array] | Sequence[Array]
) -> tuple[Mapping[str, Array] | Sequence[Array], int]:
    """The inputs with zeros behind the samples that are given, where these are fewer than the program's batch; and how
    many are given.
    """
    arrays = list(inputs.values() if isinstance(inputs, Mapping) else inputs)
    counts = {np.shape(array)[0] if np.ndim(array) else 0 for array in arrays}
    if program.batch == 1 or len(counts) != 1 or not 0 < min(counts) < program.batch:
        return inputs, program.batch

    def filled(array: Array) -> Array:
        empty = np.zeros((program.batch - len(array), *np.shape(array)[1:]), np.asarray(array).dtype)
        return np.concatenate([array, empty])

    if isinstance(inputs, Mapping):
        return {name: filled(array) for name, array in inputs.items()}, min(counts)
    return [filled(array) for array in inputs], min(counts)


def check_inputs(program: Program, inputs: Mapping[str, Array] | Sequence[Array]) -> dict[str, Array]:
    """The inputs by name; raises LithifyError if one is missing, unknown, or of another shape or dtype."""
    if not isinstance(inputs, Mapping):
        if len(inputs) != len(program.inputs):
            raise LithifyError(
                f"The program '{program.name}' was given {len(inputs)} inputs; "
                f"it takes {len(program.inputs)}: {', '.join(program.inputs)}."
            )
        inputs = dict(zip(program.inputs, inputs, strict=True))
    unknown = [name for name in inputs if name not in program.inputs]
    if unknown:
        raise LithifyError(
            f"The program '{program.name}' has no input '{unknown[0]}'; its inputs are: {', '.join(program.inputs)}."
        )
    checked = {}
    for name in program.inputs:
        if name not in inputs:
            raise LithifyError(
                f"The program '{program.name}' was not given its input '{name}'; "
                f"its inputs are: {', '.join(program.inputs)}."
            )
        info, data = program.tensors[name], np.asarray(inputs[name])
        if data.shape != info.shape or data.dtype.name != info.dtype:
            raise LithifyError(
                f"Input '{name}' was given as {data.dtype.name} of shape {data.shape}; "
                f"it must be {info.dtype} of shape {info.shape}."
            )
        checked[name] = data
    return checked


def value_of(program: Program, environment: Mapping[str, Array], name: str) -> Array:
    """A tensor by its name or by the tensor that it is another shape of."""
    for source in (name, *_same_bytes(program, name)):
        if source in environment:
            shape = program.tensors[name].shape
            return environment[source] if OPEN in shape else environment[source].reshape(shape)
    raise LithifyError(
        f"The program '{program.name}' uses the tensor '{name}' before anything made it; compile the network again."
    )


def _given(program: Program, environment: Mapping[str, Array], name: str) -> Array:
    """A tensor that a chip segment reads; of a longer one its first elements."""
    if name not in program.originals:
        return value_of(program, environment, name)
    shape = program.tensors[name].shape
    whole = value_of(program, environment, program.originals[name])
    return whole[tuple(slice(0, size) for size in shape)]


def _same_bytes(program: Program, name: str) -> list[str]:
    """Other names of a tensor's bytes, in whatever shape."""

    def original(entry: str) -> str:
        while entry in program.aliases:
            entry = program.aliases[entry]
        return entry

    names = {*program.aliases, *program.aliases.values()}
    return sorted(entry for entry in names if entry != name and original(entry) == original(name))


def _run_chip(
    program: Program,
    segment: ChipSegment,
    environment: dict[str, Array],
    dram: Mapping[Base, NDArray[np.uint8]],
    device: Device,
    skip: int,
) -> DeviceResult:
    for placement in (*segment.inputs, *segment.outputs):
        check_placement(program, placement, dram)
    for placement in segment.inputs:
        if placement.base in (Base.STATE, Base.CACHE):
            continue
        pack(_given(program, environment, placement.tensor), placement, dram[placement.base])
    for entry in segment.lists:
        pack_list(value_of(program, environment, entry.tensor), entry, dram[Base.INPUTS])
    result = device.run_segment(program, segment, dram, skip)
    for placement in segment.outputs:
        shape = program.tensors[placement.tensor].shape
        environment[placement.tensor] = unpack(placement, shape, dram[placement.base])
    return result


def run_on_host(
    program: Program, segment: HostSegment | Conversion, environment: Mapping[str, Array]
) -> dict[str, Array]:
    """The tensors that a segment of the host makes, by name."""
    if isinstance(segment, HostSegment):
        return _run_host(program, segment, environment)
    return {segment.output: _convert(program, segment, environment)}


def _run_host(program: Program, segment: HostSegment, environment: Mapping[str, Array]) -> dict[str, Array]:
    # ONNX Runtime is imported only where a program has a host segment.
    from lithify.reference.host import run_model

    results = run_model(segment.model, {name: value_of(program, environment, name) for name in segment.inputs})
    for name in (name for name in segment.outputs if name in results):
        if not fits(results[name].shape, program.tensors[name].shape):
            raise LithifyError(
                f"Host segment '{segment.name}' gives '{name}' of shape {list(results[name].shape)}, where ONNX's "
                f"shape inference says {list(program.tensors[name].shape)}; change the operators of that segment "
                f"({', '.join(segment.operators)})."
            )
    missing = [name for name in segment.outputs if name not in results]
    if missing:
        raise LithifyError(
            f"Host segment '{segment.name}' gives {', '.join(results)} but not '{missing[0]}'; "
            "compile the network again."
        )
    return {name: results[name] for name in segment.outputs}


def _convert(program: Program, conversion: Conversion, environment: Mapping[str, Array]) -> Array:
    """A conversion by the definition of its operator."""
    if conversion.operator not in _MEANINGS:
        raise LithifyError(
            f"Conversion '{conversion.name}' has the operator '{conversion.operator}'; "
            f"this Lithify knows: {', '.join(_MEANINGS)}."
        )
    source, target = program.tensors[conversion.input], program.tensors[conversion.output]
    attributes: dict[str, Any] = {}
    if conversion.operator in ("Reshape", "Indices", "PositionRange"):
        attributes = {"shape": target.shape}
    elif conversion.operator == "PositionMask":
        attributes = dict(zip(("rows", "columns"), target.shape, strict=True))
    node = Node(conversion.name, conversion.operator, (source.name,), (target.name,), attributes)
    operand = Operand(_tensor(source), value_of(program, environment, source.name))
    (result,) = _MEANINGS[conversion.operator](node, (operand,), (_tensor(target),))
    return result


def _tensor(info: TensorInfo) -> Tensor:
    scale = None if info.scale is None else np.asarray(info.scale, dtype=np.float32)
    return Tensor(info.name, info.shape, info.dtype, scale, info.zero_point)
