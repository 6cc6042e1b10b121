"""States: inputs that are what an output was in the run before. Both lie in the chip's DRAM, and never leave it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Image, image_shape
from lithify.compiler.memories import Memories
from lithify.errors import LithifyError
from lithify.isa.program import Base, ChipSegment, Placement, Segment, State
from lithify.reference.graph import Graph, Node


@dataclass(frozen=True)
class Pair:
    """input, output: of the network. read, written: the int8 tensors that they are to the chip."""

    input: str
    output: str
    read: str
    written: str


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
    a, b = graph.tensors[read], graph.tensors[written]
    if a.zero_point != b.zero_point or not np.array_equal(np.asarray(a.scale), np.asarray(b.scale)):
        raise LithifyError(
            f"The state '{name}' is read at the scale {a.scale} (zero point {a.zero_point}) and made at the scale "
            f"{b.scale} (zero point {b.zero_point}), so that runs would round it; quantise the network with "
            f"state={{'{name}': '{output}'}}, which gives both one scale."
        )
    inputs = tuple(read if known == name else known for known in graph.inputs)
    outputs = tuple(written if known == output else known for known in graph.outputs)
    nodes = tuple(node for node in graph.nodes if node not in gone)
    return replace(graph, inputs=inputs, outputs=outputs, nodes=nodes), Pair(name, output, read, written)


def place_states(graph: Graph, pairs: tuple[Pair, ...], aliases: Mapping[str, str], memories: Memories, chip: Chip) -> (
    tuple[State, ...]
):  # fmt: skip
    """Gives every state its place behind Base.STATE, and behind Base.NEXT; both are equally large."""
    made = []
    for pair in pairs:
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


def check_states(pairs: tuple[Pair, ...], aliases: Mapping[str, str], segments: list[Segment]) -> None:
    """Raises LithifyError for a state that the chip does not both read and make."""
    chip = [segment for segment in segments if isinstance(segment, ChipSegment)]
    read = {place.tensor for segment in chip for place in segment.inputs if place.base is Base.STATE}
    made = {place.tensor for segment in chip for place in segment.outputs if place.base is Base.NEXT}
    for pair in pairs:
        if pair.read not in read or aliases.get(pair.written, pair.written) not in made:
            raise LithifyError(
                f"The state '{pair.input}' -> '{pair.output}' is read or made by the host alone; a state stays in the "
                "chip's memory. Take it as an ordinary input and output."
            )
