"""A Slice of columns needs no copy: what reads it, or adds it, reads it where it lies.

The recurrent networks of `optimize.recurrent` add one step's part of a product over all steps.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from lithify.compiler.image import Image
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph


def read_in_place(
    graph: Graph, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str], absorbed: set[str]
) -> list[str]:
    """Lets what reads a Slice of an image of one row read columns of that image; the Slices that no one else reads.

    absorbed: nodes whose work others do; those Slices join them.
    """
    makers = {node.outputs[0]: node for node in graph.nodes if node.operator == "Slice"}
    taken: Counter[str] = Counter()
    for name, operations in lowered.items():
        if name in absorbed:
            continue
        changed = []
        for operation in operations:
            residual = operation.residual
            maker = makers.get(residual.image) if residual is not None else None
            piece = _columns(lowered.get(maker.name, ())) if maker is not None else None
            if residual is not None and piece is not None and operation.y.height == 1 and not residual.broadcast:
                source, column = piece
                # The array and the residual port may not read the same bank.
                if source.name not in (operation.x.name, operation.y.name):
                    taken[residual.image] += 1
                    residual = replace(residual, image=source.name, column=column)
                    operation = replace(operation, residual=residual)
            maker = makers.get(operation.x.name)
            piece = _columns(lowered.get(maker.name, ())) if maker is not None else None
            single = operation.each_word_alone and operation.sliding == Sliding() and operation.landing is None
            if piece is not None and single and operation.excerpt is None and operation.region == operation.y.whole:
                source, column = piece
                if source.name != operation.y.name and (residual is None or residual.image != source.name):
                    taken[operation.x.name] += 1
                    operation = replace(operation, x=source, sliding=Sliding(pads=(0, -column)))
            changed.append(operation)
        lowered[name] = tuple(changed)
    readers = Counter(
        name
        for other, operations in lowered.items()
        if other not in absorbed
        for op in operations
        for name in op.sources
    )
    on_host = {name for node in graph.nodes if node.name not in lowered for name in node.inputs}
    kept = {*graph.outputs, *aliases, *aliases.values(), *on_host}
    unread = [name for name in taken if not readers[name] and name not in kept and makers[name].name not in absorbed]
    absorbed.update(makers[name].name for name in unread)
    return unread


def _columns(operations: tuple[Operation, ...]) -> tuple[Image, int] | None:
    """The image of which operations copy neighbouring columns, all channels, and the first; None for other ones."""
    if len(operations) != 1:
        return None
    (copy,) = operations
    sliding = copy.sliding
    whole = Sliding((1, 1), (1, sliding.strides[1]), (0, sliding.pads[1]))
    plain = sliding == whole and copy.table is None and copy.residual is None and copy.landing is None
    together = sliding.strides[1] == 1 and copy.x.height == copy.y.height == 1 and copy.excerpt is None
    return (copy.x, -sliding.pads[1]) if plain and together and copy.x.channels == copy.y.channels else None
