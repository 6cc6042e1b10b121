"""Views and order: what operations are changed to before they are planned.

A 1x1 convolution with a stride reads only some pixels of its input. Where that lies in DRAM in any case it reads a
view: the same bytes with longer strides, so that only those pixels are loaded.
"""

from collections.abc import Sequence
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.image import DramImage, Image
from lithify.compiler.operation import Operation, Sliding


def strided_views(operations: Sequence[Operation], chip: Chip) -> tuple[tuple[Operation, ...], dict[str, str]]:
    """The operations with views as inputs, and for each view the image that it shows."""
    made = {operation.y.name for operation in operations}
    views: dict[str, str] = {}
    changed: list[Operation] = []
    for operation in operations:
        x, sliding = operation.x, operation.sliding
        words = x.height * x.width * x.pixel_words(chip.word_bytes)
        if (
            x.name in made
            and operation.landing is None
            and operation.excerpt is None
            and not sliding.turned
            and sliding.kernel == (1, 1)
            and sliding.pads == (0, 0)
            and max(sliding.strides) > 1
            and 2 * words > chip.words
        ):
            name = f"{x.name} (pixels for {operation.layer})"
            views[name] = x.name
            view = Image(name, operation.y.height, operation.y.width, x.channels)
            operation = replace(operation, x=view, sliding=Sliding())
        changed.append(operation)
    return tuple(changed), views


def view_of(original: DramImage, strides: tuple[int, int]) -> DramImage:
    """Every `strides`-th pixel."""
    return replace(
        original, row_stride=original.row_stride * strides[0], pixel_stride=original.pixel_stride * strides[1]
    )


def branches_first(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations with those whose results only wait to be added moved up to where their inputs are made.

    They read what the main branch reads too, so that it need not be kept until the main branch is done. So are copies
    to their place among the rows of a Concat, which are the states of a recurrent network.
    """
    ordered = list(operations)
    for operation in operations:
        name = operation.y.name
        makers = [other for other in operations if other.y.name == name]
        readers = [other for other in operations if name in other.sources]
        if (
            len(makers) > 1
            or not readers
            or any(other.residual is None or other.residual.image != name for other in readers)
        ):
            continue
        _move_up(ordered, operation)
    for operation in operations:
        if operation.operator == "Concat" and operation.y.height == 1 and operation.residual is None:
            _move_up(ordered, operation)
    # What all steps of a recurrent network add a row of comes first: its weights pass before the steps' weights come.
    added = [operation.residual for operation in operations if operation.residual is not None]
    in_parts = {residual.image for residual in added if residual.column}
    made = {operation.y.name for operation in operations}
    first = [operation for operation in ordered if operation.y.name in in_parts and made.isdisjoint(operation.sources)]
    return (*first, *(operation for operation in ordered if operation not in first))


def _move_up(ordered: list[Operation], operation: Operation) -> None:
    """Puts an operation right behind those that make what it reads."""
    ordered.remove(operation)
    made = [place for place, other in enumerate(ordered) if other.y.name in operation.sources]
    ordered.insert(max(made, default=-1) + 1, operation)
