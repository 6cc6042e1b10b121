"""States: inputs that are what an output was in the run before. Both lie in the chip's DRAM, and never leave it.

A state that rows are written into at a position (an Append) is a cache: input and output are the same bytes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Image, image_shape
from lithify.compiler.memories import ALIGNMENT, Memories
from lithify.errors import LithifyError
from lithify.isa.lists import block_bytes, pitch
from lithify.isa.program import Base, Cache, ChipSegment, Placement, Segment, State
from lithify.reference.graph import Graph, Node


@dataclass(frozen=True)
class Pair:
    """input, output: of the network. read, written: the int8 tensors that they are to the chip. hidden: tensors between
    them, which nothing makes.
    """

    input: str
    output: str
    read: str
    written: str
    hidden: tuple[str, ...] = ()


def with_states(graph: Graph, states: Mapping[str, str]) -> tuple[Graph, tuple[Pair, ...]]:
    """The graph that takes and gives its states as the chip holds them: without their conversions.

    states: input -> output. Raises LithifyError for names that the graph does not have, states of other shapes, and
    those that would be rounded between two runs.
    """
    pairs = []
    for name, output in states.items():
        for what, known, all_names in (("input", name, graph.inputs), ("output", output, graph.outputs)):
            if known not in all_names:
                raise LithifyError(
                    f"The state '{name}' -> '{output}' needs an {what} '{known}', and the network has: "
                    f"{', '.join(all_names)}."
                )
        if list(states.values()).count(output) > 1:
            raise LithifyError(f"Two states are the output '{output}'; give each state an output of its own.")
        graph, pair = _paired(graph, name, output)
        pairs.append(pair)
    if pairs and len(pairs) == len(graph.inputs):
        raise LithifyError("Every input of the network is a state; leave one that is given with each run.")
    return graph, tuple(pairs)


def _paired(graph: Graph, name: str, output: str) -> tuple[Graph, Pair]:
    first, last = graph.tensors[name], graph.tensors[output]
    if first.shape != last.shape or first.dtype != last.dtype:
        raise LithifyError(
            f"The state '{name}' is {first.dtype} of shape {first.shape}, its output '{output}' {last.dtype} of shape "
            f"{last.shape}; both must be the same."
        )
    readers = [node for node in graph.nodes if name in node.inputs]
    maker = next((node for node in graph.nodes if output in node.outputs), None)
    gone: list[Node] = []
    read, written = name, output
    if first.dtype != "int8":
        if len(readers) != 1 or readers[0].operator != "Quantize" or maker is None or maker.operator != "Dequantize":
            raise LithifyError(
                f"The state '{name}' -> '{output}' is not int8 on the chip at both its ends; a state is read by layers "
                "of the chip and made by one. Take it as an ordinary input and output."
            )
        read, written = readers[0].outputs[0], maker.inputs[0]
        gone.append(readers[0])
        if not any(output in node.inputs for node in graph.nodes):
            gone.append(maker)
    read, written, before, behind = _rows_of(graph, read, written)
    gone += before
    a, b = graph.tensors[read], graph.tensors[written]
    if a.zero_point != b.zero_point or not np.array_equal(np.asarray(a.scale), np.asarray(b.scale)):
        raise LithifyError(
            f"The state '{name}' is read at the scale {a.scale} (zero point {a.zero_point}) and made at the scale "
            f"{b.scale} (zero point {b.zero_point}), so that runs would round it; quantise the network with "
            f"state={{'{name}': '{output}'}}, which gives both one scale."
        )
    inputs = tuple(read if known == name else known for known in graph.inputs)
    outputs = tuple(written if known == output else known for known in graph.outputs)
    nodes = [node for node in graph.nodes if node not in gone]
    for node in reversed(behind):
        # What only brought the cache back into the user's form.
        if node.outputs[0] not in outputs and not any(node.outputs[0] in other.inputs for other in nodes):
            nodes.remove(node)
            gone.append(node)
    hidden = tuple(made for node in gone for made in node.outputs if made not in (read, output))
    return replace(graph, inputs=inputs, outputs=outputs, nodes=tuple(nodes)), Pair(name, output, read, written, hidden)


_MOVES = ("Reshape", "Transpose")


def _rows_of(graph: Graph, read: str, written: str) -> tuple[str, str, list[Node], list[Node]]:
    """A cache in the form in which rows are added to it, and the nodes that bring it there and back, which the chip
    need not do. Of another state the two names as they are.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs}
    before: list[Node] = []
    name = read
    while True:
        readers = [node for node in graph.nodes if name in node.inputs]
        if len(readers) != 1 or name in graph.outputs or readers[0].operator not in _MOVES:
            break
        before.append(readers[0])
        (name,) = readers[0].outputs
    behind: list[Node] = []
    made = written
    while made in makers and makers[made].operator in _MOVES:
        behind.insert(0, makers[made])
        made = makers[made].inputs[0]
    adds = len(readers) == 1 and readers[0].operator == "Append" and readers[0].inputs[0] == name
    if not adds or readers[0].outputs[0] != made or not before + behind:
        return read, written, [], []
    places = np.arange(math.prod(graph.tensors[read].shape)).reshape(graph.tensors[read].shape)
    moved = places
    for node in (*before, *behind):
        attributes = node.attributes
        moved = (
            moved.reshape(attributes["shape"]) if node.operator == "Reshape" else moved.transpose(attributes["perm"])
        )
    same = moved.shape == places.shape and np.array_equal(moved, places)
    return (name, made, before, behind) if same else (read, written, [], [])


def place_states(graph: Graph, pairs: tuple[Pair, ...], aliases: Mapping[str, str], memories: Memories, chip: Chip) -> (
    tuple[State, ...]
):  # fmt: skip
    """Gives every state its place behind Base.STATE, and behind Base.NEXT; both are equally large."""
    made = list(_place_caches(graph, pairs, memories, chip))
    caches = {state.input for state in made}
    for pair in pairs:
        if pair.input in caches:
            continue
        tensor, original = graph.tensors[pair.read], aliases.get(pair.written, pair.written)
        shape = image_shape(tensor.shape)
        if image_shape(graph.tensors[original].shape) != shape or original in memories.next:
            raise LithifyError(
                f"The state '{pair.output}' is the tensor '{original}' of shape {graph.tensors[original].shape} in "
                f"another form, and '{pair.input}' is read in its own; take it as an ordinary input and output."
            )
        pixel = Image(pair.read, *shape).pixel_words(chip.word_bytes) * chip.word_bytes
        placement = Placement(pair.read, Base.STATE, 0, *shape, pixel, fill=tensor.zero_point)
        offset = memories.reserve(Base.STATE, placement.bytes, f"the state '{pair.input}'")
        memories.used[Base.NEXT] = memories.used[Base.STATE]
        memories.state[pair.read] = memories.next[original] = offset
        made.append(State(pair.input, pair.output, replace(placement, offset=offset)))
    return tuple(made)


def _appends(graph: Graph, pairs: tuple[Pair, ...]) -> dict[str, Node]:
    """The nodes that add rows to states in place, by the states' inputs: a state that nothing else reads."""
    found = {}
    for pair in pairs:
        readers = [node for node in graph.nodes if pair.read in node.inputs]
        if len(readers) == 1 and readers[0].operator == "Append" and readers[0].outputs[0] == pair.written:
            found[pair.input] = readers[0]
    return found


def cache_of(graph: Graph, pairs: tuple[Pair, ...], chip: Chip) -> Cache | None:
    """How rows are added to the caches among the states; None without any.

    Raises LithifyError for caches that differ in their rows, in those that a run adds, or in their position.
    """
    appends = _appends(graph, pairs)
    kinds = {
        (node.inputs[2], graph.tensors[node.inputs[0]].shape[1], graph.tensors[node.inputs[1]].shape[1])
        for node in appends.values()
    }
    if len(kinds) > 1:
        told = "; ".join(f"{rows} rows, {added} of them added at '{name}'" for name, rows, added in sorted(kinds))
        raise LithifyError(f"The caches of a program must be alike, and these are of several kinds: {told}.")
    if not kinds:
        return None
    ((position, rows, added),) = kinds
    words = [
        Image(node.name, *image_shape(graph.tensors[node.inputs[0]].shape)).pixel_words(chip.word_bytes)
        for node in appends.values()
    ]
    # Rows lie so far apart that each takes the same bursts wherever it is; the base register counts in ALIGNMENT.
    return Cache(position, rows, added, max(ALIGNMENT, pitch(chip, max(words) * chip.word_bytes)))


def _place_caches(graph: Graph, pairs: tuple[Pair, ...], memories: Memories, chip: Chip) -> Iterator[State]:
    cache, appends = cache_of(graph, pairs, chip), _appends(graph, pairs)
    if cache is None:
        return
    memories.pitch = cache.pitch
    alignment = max(ALIGNMENT, min(cache.pitch, block_bytes(chip)))
    for pair in pairs:
        if pair.input not in appends:
            continue
        tensor = graph.tensors[pair.read]
        place = Placement(pair.read, Base.CACHE, 0, *image_shape(tensor.shape), cache.pitch, fill=tensor.zero_point)
        offset = memories.reserve(Base.CACHE, place.bytes, f"the cache '{pair.input}'", alignment)
        memories.cache[pair.read] = memories.cache[pair.written] = offset
        yield State(pair.input, pair.output, replace(place, offset=offset))


def check_states(pairs: tuple[Pair, ...], aliases: Mapping[str, str], segments: list[Segment]) -> None:
    """Raises LithifyError for a state that the chip does not both read and make."""
    chip = [segment for segment in segments if isinstance(segment, ChipSegment)]
    read = {place.tensor for segment in chip for place in segment.inputs if place.base in (Base.STATE, Base.CACHE)}
    made = {place.tensor for segment in chip for place in segment.outputs if place.base in (Base.NEXT, Base.CACHE)}
    for pair in pairs:
        if pair.read not in read or aliases.get(pair.written, pair.written) not in made:
            raise LithifyError(
                f"The state '{pair.input}' -> '{pair.output}' is read or made by the host alone; a state stays in the "
                "chip's memory. Take it as an ordinary input and output."
            )
