"""The compiler's steps, from a quantised graph to a program."""

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from lithify.chip import Chip
from lithify.compiler.assign import CONVERSIONS, Assignment, Work, assign
from lithify.compiler.fold import fold_constants
from lithify.compiler.host.model import constant_model, host_model
from lithify.compiler.image import image_shape
from lithify.compiler.lengths import Shortened, WholeLength, shortened, wanted_lengths
from lithify.compiler.memories import ALIGNMENT, Memories
from lithify.compiler.operation import Operation
from lithify.compiler.samples import Batch, batch_of, samples_of
from lithify.compiler.segment import END, Compiled, compile_segment, result_of
from lithify.compiler.states import cache_of, check_states, place_states, with_states
from lithify.compiler.steps.step import Step
from lithify.errors import LithifyError
from lithify.isa import Queue, encode
from lithify.isa.program import Base, ChipSegment, Conversion, HostSegment, Layer, Program, Result, Segment, TensorInfo
from lithify.reference.check import check
from lithify.reference.graph import Graph, Tensor


@dataclass(frozen=True)
class Compilation:
    """A program, and what the compiler decided on the way.

    reasons: node -> why it runs on the host, for every quantised node that does. segments: the chip segments' plans.
    seconds: wall time.
    """

    program: Program
    reasons: Mapping[str, str]
    segments: tuple[Compiled, ...]
    seconds: float


class Listener(Protocol):
    """Is told of a compilation as it goes on; what it raises ends it."""

    def assigned(self, operations: Sequence[Operation]) -> None:
        """Of all chip segments, before any is planned."""

    def planned(self, operations: Sequence[Operation], steps: Sequence[Step], placed: bool) -> None:
        """Of each chip segment, twice, before anything is encoded: the steps when its images have places, and when its
        weights have, with what each step loads of them.
        """


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles of garbage: a program is a million objects and more, none of them garbage, through
    which it would go again and again, a tenth to a third of the time.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def compile_graph(
    graph: Graph, chip: Chip, states: Mapping[str, str] = MappingProxyType({}), lengths: Sequence[int] | None = None
) -> Program:
    """The program of a quantised graph for a chip.

    states: inputs of the graph that stay on the chip, and what output each was in the run before.
    lengths: rows of its caches for which the program has instructions of their own beside those for all rows; None:
        a half, a quarter and an eighth.
    Raises LithifyError if the graph is not well formed, the chip too small for one tile of a layer, and for states that
    cannot stay.
    """
    return compile_with_reasons(graph, chip, states, lengths).program


@uncollected()
def compile_with_reasons(
    graph: Graph,
    chip: Chip,
    states: Mapping[str, str] = MappingProxyType({}),
    lengths: Sequence[int] | None = None,
    listener: Listener | None = None,
) -> Compilation:
    """As `compile_graph`, with the compiler's decisions."""
    start = time.perf_counter()
    check(graph)
    graph, pairs = with_states(graph, states)
    graph = fold_constants(graph)
    assignment = assign(graph, chip)
    if listener is not None:
        listener.assigned([one for stretch in assignment.stretches for work in stretch for one in work.operations])
    tensors = {name: Tensor(name, data.shape, "int8") for name, data in assignment.constants.items()}
    graph = replace(graph, tensors={**graph.tensors, **tensors}, constants={**graph.constants, **assignment.constants})
    memories, batch = Memories(), batch_of(graph)
    cache = cache_of(graph, pairs, chip)
    placed = place_states(graph, pairs, assignment.aliases, memories, chip)
    segments: list[Segment] = []
    compiled: list[Compiled] = []
    layers: list[Layer] = []
    code = _Code(chip)
    before = dict(memories.used)
    for index, stretch in enumerate(assignment.stretches):
        if not stretch[0].operations:
            segments += [_on_host(graph, work) for work in stretch]
            continue
        part = _on_chip(graph, stretch, assignment, index, memories, batch, chip, listener)
        compiled.append(part)
        layers += _layers(part, code.count)
        segments.append(code.segment(f"chip {len(compiled)}", part))
    check_states(pairs, assignment.aliases, segments)
    tensors = dict(graph.tensors)
    originals: dict[str, str] = {}
    if cache is not None:
        for rows in wanted_lengths(cache, lengths):
            try:
                short = shortened(graph, rows)
                segments = _with_length(short, segments, assignment, memories, before, code, chip)
            except WholeLength as whole:
                cache = replace(cache, whole=str(whole))
                break
            tensors |= {name: short.graph.tensors[name] for name in short.originals}
            originals |= short.originals
    fixed = [name for name in graph.outputs if name in graph.constants]
    segments += [HostSegment(name, ("Constant",), (), (name,), constant_model(graph, name)) for name in fixed]
    program = Program(
        graph.name,
        chip,
        tuple(name for name in graph.inputs if name not in {pair.read for pair in pairs}),
        tuple(name for name in graph.outputs if name not in {pair.written for pair in pairs}),
        {name: _info(tensor) for name, tensor in tensors.items() if name not in graph.constants or name in fixed},
        tuple(segments),
        b"".join(code.instructions),
        b"".join(memories.constants),
        memories.used,
        tuple(code.results),
        tuple(layers),
        assignment.aliases,
        (*assignment.fused, *(name for pair in pairs for name in pair.hidden)),
        batch=batch.size,
        mixed=batch.mixed,
        states=placed,
        cache=cache,
        originals=originals,
    )
    return Compilation(program, assignment.reasons, tuple(compiled), time.perf_counter() - start)


@dataclass
class _Code:
    """Instructions so far. count: of them, each END included; results: what they write."""

    chip: Chip
    instructions: list[bytes] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    count: int = 0

    def segment(self, name: str, part: Compiled) -> ChipSegment:
        """Adds a segment."""
        code = encode((*(action.instruction for action in part.actions), END))
        code += bytes(-len(code) % ALIGNMENT)
        start = sum(map(len, self.instructions))
        self.instructions.append(code)
        self.results += _results(part, self.count, self.chip)
        self.count += len(part.actions) + 1
        return ChipSegment(name, start, len(code), part.inputs, part.outputs, part.lists)


def _with_length(
    short: Shortened,
    segments: list[Segment],
    whole: Assignment,
    memories: Memories,
    before: Mapping[Base, int],
    code: _Code,
    chip: Chip,
) -> list[Segment]:
    """The segments with one more each, for launches of fewer rows; raises WholeLength where these would not follow the
    same host's work.

    before: what of DRAM was taken before the segments; those of different lengths never run together, and share the
    rest.
    """
    assignment = assign(short.graph, chip)

    def works(of: Assignment) -> list[list[str]]:
        return [["chip"] if stretch[0].operations else [work.node.name for work in stretch] for stretch in of.stretches]

    if works(assignment) != works(whole):
        raise WholeLength(f"at {short.rows} rows other work is left to the host")
    for name, original in short.originals.items():
        if original in memories.cache:
            memories.cache[name] = memories.cache[original]
    constants = {name: Tensor(name, data.shape, "int8") for name, data in assignment.constants.items()}
    graph = replace(
        short.graph,
        tensors={**short.graph.tensors, **constants},
        constants={**short.graph.constants, **assignment.constants},
    )
    used = dict(memories.used)
    memories.used |= {base: before[base] for base in (Base.INPUTS, Base.OUTPUTS, Base.WORKSPACE)}
    parts = [
        _on_chip(graph, stretch, assignment, index, memories, Batch(1), chip)
        for index, stretch in enumerate(assignment.stretches)
        if stretch[0].operations
    ]
    memories.used = {base: max(size, memories.used[base]) for base, size in used.items()}
    made: list[Segment] = []
    for segment in segments:
        if isinstance(segment, ChipSegment):
            entry = code.segment(f"{segment.name}, {short.rows} rows", parts.pop(0))
            # A cache is the whole cache, however much of it is read.
            inputs, outputs = (
                (*(place for place in places if place.base is not Base.CACHE),
                 *(place for place in own if place.base is Base.CACHE))
                for places, own in ((entry.inputs, segment.inputs), (entry.outputs, segment.outputs))
            )  # fmt: skip
            entry = replace(entry, inputs=inputs, outputs=outputs, rows=short.rows)
            segment = replace(segment, shorter=(*segment.shorter, entry))
        made.append(segment)
    return made


def _on_chip(
    graph: Graph,
    stretch: tuple[Work, ...],
    assignment: Assignment,
    index: int,
    memories: Memories,
    batch: Batch,
    chip: Chip,
    listener: Listener | None = None,
) -> Compiled:
    operations = tuple(operation for work in stretch for operation in work.operations)
    made = {name for work in stretch for name in work.writes}
    later = [name for other in assignment.stretches[index + 1 :] for work in other for name in work.reads]
    outputs = [assignment.aliases.get(name, name) for name in graph.outputs]
    wanted = frozenset(name for name in (*later, *outputs) if name in made)
    reads = {name for work in stretch for name in work.reads} - made
    constants = {name: np.asarray(graph.constants[name]) for name in reads if name in graph.constants}
    samples = {
        name: samples_of(graph.tensors[name].shape, batch.size)
        if name in batch.batched
        else np.zeros(image_shape(graph.tensors[name].shape)[:2], np.int32)
        for name in wanted
    }
    outside = {name: graph.tensors[name] for name in reads}
    planned = None if listener is None else listener.planned
    return compile_segment(operations, outside, wanted, constants, memories, chip, samples, batch.size, planned)


def _on_host(graph: Graph, work: Work) -> Segment:
    node = work.node
    if node.operator in CONVERSIONS:
        return Conversion(node.name, node.operator, node.inputs[0], node.outputs[0])
    operators, inputs, model = host_model(graph, node)
    return HostSegment(node.name, operators, inputs, node.outputs, model)


def _results(part: Compiled, first: int, chip: Chip) -> list[Result]:
    results = []
    for number, action in enumerate(part.actions, first):
        if action.queue not in (Queue.COMPUTE, Queue.VECTOR):
            continue
        step = part.steps[action.step]
        operation = part.operations[step.operation]
        place = result_of(step, operation, chip)
        if place is not None:
            steps = operation.landing.steps if operation.landing else (1, 1)
            results.append(Result(number, operation.layer, operation.tensor, *place, *steps))
    return results


def _layers(part: Compiled, first: int) -> list[Layer]:
    """One entry for each layer, in the order of their first instructions."""
    spans: dict[str, tuple[str, int, int, int]] = {}
    images: dict[str, set[int]] = {}
    for number, action in enumerate(part.actions, first):
        if action.queue in (Queue.COMPUTE, Queue.VECTOR):
            operation = part.operations[part.steps[action.step].operation]
            _, begin, _, macs = spans.get(operation.layer, ("", number, 0, 0))
            spans[operation.layer] = operation.operator, begin, number, max(macs, operation.macs)
            images.setdefault(operation.layer, set()).add(operation.excerpt.row if operation.excerpt else 0)
    # Of a batch every image has its own operations, which count its own work.
    return [
        Layer(name, operator, begin, end, macs * len(images[name]))
        for name, (operator, begin, end, macs) in spans.items()
    ]


def _info(tensor: Tensor) -> TensorInfo:
    if tensor.scale is not None and np.ndim(tensor.scale) != 0:
        raise LithifyError(
            f"Tensor '{tensor.name}' has a scale per channel; only weights may have that: give it one scale."
        )
    scale = None if tensor.scale is None else float(tensor.scale)
    return TensorInfo(tensor.name, tensor.shape, tensor.dtype, scale, tensor.zero_point)
