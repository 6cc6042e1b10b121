"""Assign: which nodes run on the chip and which on the host, what is fused, and which tensors are only other shapes.

The outcome is a list of pieces of work in an order in which they can run, chip work gathered in as few segments as it
takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import image_shape
from lithify.compiler.lowering import lower_node
from lithify.compiler.lowering.chain import MOVERS, join_chains, move_reshapes
from lithify.compiler.lowering.concat import place_parts
from lithify.compiler.lowering.heads import take_heads
from lithify.compiler.lowering.node import Unsupported, image_of
from lithify.compiler.lowering.products import flattened_gemm
from lithify.compiler.lowering.residuals import read_in_place
from lithify.compiler.lowering.streams import residual_of
from lithify.compiler.lowering.table import changes_nothing, fuse_tables
from lithify.compiler.lowering.turned import identities
from lithify.compiler.operation import Operation
from lithify.reference.graph import Graph, Node

CONVERSIONS = (
    *("Quantize", "Dequantize", "Signed", "Unsigned", "Truth", "Indices", "Reshape"),
    *("PositionMask", "PositionRange"),
)
"""Operators of the host that need no ONNX Runtime."""


@dataclass(frozen=True, eq=False)
class Work:
    """One node's work. operations: empty for work of the host. reads, writes: tensors; reads are never aliases."""

    node: Node
    operations: tuple[Operation, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """stretches: work in order of execution, alternately of the host and of the chip, gathered in stretches.

    aliases: tensor -> the tensor whose bytes it is in another shape. fused: tensors that no memory ever holds.
    reasons: node -> why it runs on the host, for every quantised node that does. constants: tensors that operations
    read beside those of the graph.
    """

    stretches: tuple[tuple[Work, ...], ...]
    aliases: Mapping[str, str]
    fused: tuple[str, ...]
    reasons: Mapping[str, str]
    constants: Mapping[str, NDArray[np.int8]]


def assign(graph: Graph, chip: Chip) -> Assignment:
    """Assigns every node of a checked graph."""
    lowered: dict[str, tuple[Operation, ...]] = {}
    reasons: dict[str, str] = {}
    for node in graph.nodes:
        if node.operator in (*CONVERSIONS, "Host", *MOVERS) or changes_nothing(graph, node):
            continue
        try:
            lowered[node.name] = lower_node(graph, node, chip)
        except Unsupported as unsupported:
            reasons[node.name] = str(unsupported)
    heads = take_heads(graph, chip, lowered)
    for name in heads.absorbed:
        reasons.pop(name, None)
    inner, joined = join_chains(graph, chip, lowered, reasons, heads.absorbed)
    inner, joined = [*heads.fused, *inner], heads.absorbed | joined
    aliases = _aliases(graph, lowered, joined)
    move_reshapes(graph, chip, lowered, aliases, joined)
    _read_originals(graph, lowered, aliases)
    fused, absorbed = _fuse(graph, chip, lowered, aliases)
    fused += inner
    absorbed |= joined
    fused += fuse_tables(graph, lowered, aliases, absorbed)
    fused += place_parts(graph, lowered, aliases, absorbed)
    fused += read_in_place(graph, lowered, aliases, absorbed)
    work = []
    for node in graph.nodes:
        if node.name in absorbed or node.outputs[0] in aliases:
            continue
        operations = lowered.get(node.name, ())
        if operations:
            made = {operation.y.name for operation in operations}
            names = [name for operation in operations for name in operation.sources if name not in made]
            names += [operation.gather.indices for operation in operations if operation.gather]
        else:
            names = [aliases.get(name, name) for name in node.inputs if name]
        reads = tuple(dict.fromkeys(name for name in names if operations or name not in graph.constants))
        work.append(Work(node, operations, reads, node.outputs))
    constants = identities(operation for entry in work for operation in entry.operations)
    ready = {*graph.inputs, *graph.constants, *constants}
    return Assignment(_stretches(work, ready), aliases, tuple(fused), reasons, constants)


def _aliases(graph: Graph, lowered: Mapping[str, tuple[Operation, ...]], joined: set[str]) -> dict[str, str]:
    """Reshapes that cost nothing: the chip sees the same image, or only products read it that take it as it was; and
    tables that change nothing.
    """
    aliases: dict[str, str] = {}
    for node in graph.nodes:
        if (node.operator != "Reshape" and not changes_nothing(graph, node)) or node.inputs[0] in graph.constants:
            continue
        if node.name in joined or node.name in lowered:
            continue
        (name,) = node.outputs
        original = aliases.get(node.inputs[0], node.inputs[0])
        before, after = graph.tensors[original], graph.tensors[name]
        readers = [
            reader
            for reader in graph.nodes
            if any(name in operation.sources for operation in lowered.get(reader.name, ()))
        ]
        shape = image_shape(after.shape)
        same = before.dtype == "int8" and image_shape(before.shape) == shape and _same_order(before.shape, after.shape)
        flat = before.dtype == "int8" and shape[:2] == (1, 1)
        # Reshapes of reshapes would have to follow the same rule through every step; those go by the host.
        again = any(
            name in reader.inputs and reader.operator == "Reshape" and reader.name not in joined
            for reader in graph.nodes
        )
        if same or (not readers and not again) or (flat and not again and all(r.operator == "Gemm" for r in readers)):
            aliases[name] = original
    return aliases


def _same_order(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes of equal images hold their elements in the same order: images are NCHW, matrices are not."""
    height, width, channels = image_shape(a)
    planes = [shape if len(shape) == 4 else None for shape in (a, b)]
    return planes[0] == planes[1] or height * width == 1 or channels == 1


def _read_originals(graph: Graph, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str]) -> None:
    """Makes every operation read the tensor that lies in memory instead of its alias."""
    for name, operations in lowered.items():
        changed = []
        for operation in operations:
            if operation.x.name in aliases and operation.excerpt is not None:
                operation = replace(operation, x=replace(operation.x, name=aliases[operation.x.name]))
            elif operation.x.name in aliases:
                original = graph.tensors[aliases[operation.x.name]]
                image = image_of(original)
                same = (image.height, image.width, image.channels) == (
                    operation.x.height,
                    operation.x.width,
                    operation.x.channels,
                )
                operation = replace(operation, x=image) if same else flattened_gemm(operation, original)
            gather = operation.gather
            if gather is not None and gather.table in aliases:
                operation = replace(operation, gather=replace(gather, table=aliases[gather.table]))
            second = operation.second
            if second is not None and second.image.name in aliases:
                image = replace(second.image, name=aliases[second.image.name])
                operation = replace(operation, second=replace(second, image=image))
            residual = operation.residual
            if residual is not None and residual.image in aliases:
                operation = replace(operation, residual=replace(residual, image=aliases[residual.image]))
            changed.append(operation)
        lowered[name] = tuple(changed)


def _fuse(
    graph: Graph, chip: Chip, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str]
) -> tuple[list[str], set[str]]:
    """Additions behind the operation that makes one of their operands; returns fused tensors and absorbed nodes."""
    makers = {node.outputs[0]: node for node in graph.nodes}
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[aliases.get(name, name)] = readers.get(aliases.get(name, name), 0) + 1
    kept = {aliases.get(name, name) for name in graph.outputs} | set(aliases) | set(aliases.values())
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    fused: list[str] = []
    absorbed: set[str] = set()
    for node in graph.nodes:
        if node.operator != "Add" or len(lowered.get(node.name, ())) != 1:
            continue
        choices = []
        for index in (0, 1):
            name = node.inputs[index]
            maker = makers.get(name)
            if maker is None or name in kept or readers[name] != 1 or len(lowered.get(maker.name, ())) != 1:
                continue
            main = lowered[maker.name][0]
            try:
                residual = residual_of(graph, node, chip, index)
            except Unsupported:  # the other operand is the larger
                continue
            residual = replace(residual, image=aliases.get(residual.image, residual.image))
            # The array and the residual port may not read the same bank.
            if main.unit in ("stream", "vector") or main.residual is not None or main.table is not None:
                continue
            if main.x.name == residual.image or main.landing is not None:
                continue
            choices.append((position[maker.name], index, maker, main, residual))
        if choices:
            _, index, maker, main, residual = max(choices, key=lambda choice: choice[0])
            target = image_of(graph.tensors[node.outputs[0]])
            lowered[node.name] = (replace(main, y=target, tensor=target.name, region=target.whole, residual=residual),)
            fused.append(node.inputs[index])
            absorbed.add(maker.name)
    return fused, absorbed


def _stretches(work: list[Work], known: set[str]) -> tuple[tuple[Work, ...], ...]:
    """Work in an order that respects what each reads, changing between host and chip as seldom as it can."""
    remaining, known = list(work), set(known)
    stretches: list[tuple[Work, ...]] = []
    on_chip = False
    while remaining:
        stretch: list[Work] = []
        waiting: list[Work] = []
        for entry in remaining:
            if bool(entry.operations) == on_chip and all(name in known for name in entry.reads):
                stretch.append(entry)
                known.update(entry.writes)
            else:
                waiting.append(entry)
        ready = any(all(name in known for name in entry.reads) for entry in waiting)
        assert ready or not waiting, f"'{waiting[0].node.name}' reads what nothing makes"
        remaining = waiting
        if stretch:
            stretches.append(tuple(stretch))
        on_chip = not on_chip
    return tuple(stretches)
