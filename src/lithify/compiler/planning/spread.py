"""Spread: images whose rows a window takes together lie with every row in another bank than its neighbours.

Where a row is shorter than a bank, rows that follow one another would share one, and a window of several rows could
only be read a row at a time. Spread over a ring of `banks` banks, row y begins at y * pitch modulo the ring, where the
pitch is a bank and a little: the rows of one bank follow one another without a gap, `banks` rows apart. Of rows longer
than half a bank each has its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation

MANY_BANKS = 32
"""A chip with fewer banks has none to give away."""
LONGEST_STEP = 4
"""Rows over which readers may step at once; a longer step would take more banks than it is worth."""


@dataclass(frozen=True)
class Layout:
    """How rows of an image lie in a ring. banks: that it takes; pitch: words from row to row; words: of the ring."""

    banks: int
    pitch: int
    words: int


def row_words(image: Image, chip: Chip) -> int:
    """Words of a row."""
    return image.width * image.pixel_words(chip.word_bytes)


def layout(image: Image, rows: int, chip: Chip, dense: bool = False) -> Layout:
    """The layout of a ring of `rows` rows. dense: even if the image is to be spread, because it is loaded or stored."""
    row, bank = row_words(image, chip), chip.bank_words
    if image.spread and not dense:
        if 2 * row > bank and max(rows, image.spread + 1, chip.activation_ports) < chip.scratchpad_banks:
            # No bank holds two rows: each begins at a bank.
            banks = max(rows, image.spread + 1, chip.activation_ports)
            return Layout(banks, bank, banks * bank)
        for banks in range(chip.activation_ports + 1, chip.scratchpad_banks):
            pitch = bank - (-row // banks)
            # The rows of a bank end before the next one's begin; rows that are read together are a bank apart on either
            # side; no step is longer than the ring.
            fits = (rows - 1) * (pitch - bank) + row <= bank
            apart = (chip.activation_ports - 1) * pitch <= (banks - 1) * bank
            if fits and apart and image.spread * pitch + row <= banks * bank:
                return Layout(banks, pitch, banks * bank)
    return Layout(-(-rows * row // bank), row, rows * row)


def spread_images(operations: Sequence[Operation], stored: frozenset[str], chip: Chip) -> tuple[Operation, ...]:
    """The operations with those images spread that gain from it.

    stored: images that must get to DRAM, or come from there.
    """
    if chip.activation_ports == 1 or chip.scratchpad_banks < MANY_BANKS:
        return tuple(operations)
    chosen: set[str] = set()
    for operation in operations:
        row = row_words(operation.x, chip)
        if operation.unit != "conv" and operation.cut[0] > 1 and operation.sliding.dilations[0] == 1:
            chosen |= {operation.x.name} if row < chip.bank_words else set()
    made = {operation.y.name for operation in operations}
    chosen &= made - stored
    steps: dict[str, int] = {}
    for operation in operations:
        # What is added has the steps of the results; parts of an image are made by several operations; the vector unit
        # knows no rings.
        if operation.residual is not None:
            chosen -= {operation.residual.image, operation.y.name}
        if operation.program is not None:
            chosen -= {operation.x.name, operation.y.name}
        if operation.region != operation.y.whole or operation.landing is not None:
            chosen.discard(operation.y.name)
        steps[operation.x.name] = max(steps.get(operation.x.name, 0), _step(operation))
    chosen = {name for name in chosen if steps[name] <= LONGEST_STEP}
    return tuple(
        replace(
            operation,
            x=replace(operation.x, spread=steps[operation.x.name] if operation.x.name in chosen else 0),
            y=replace(operation.y, spread=steps[operation.y.name] if operation.y.name in chosen else 0),
        )
        for operation in operations
    )


def _step(operation: Operation) -> int:
    """Rows over which an operation steps at once in its input."""
    sliding = operation.sliding
    if sliding.turned or operation.excerpt is not None:
        return LONGEST_STEP + 1
    return max(sliding.strides[0], (sliding.kernel[0] - 1) * sliding.dilations[0])
