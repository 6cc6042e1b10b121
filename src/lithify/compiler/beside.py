"""Beside: an order of operations in which the array works on while the vector unit does.

The two have queues of their own, so an instruction of the one runs beside those of the other that come after it in
the program and do not need it. What a vector operation waits for comes as early as it can, and what does not feed the
next one fills the time that it takes. A vector operation *flies* from its place to the first operation that touches
what it makes; until then its banks are not given to anyone else (`plan.py`, `ring.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.cost import compute_cycles
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation


@dataclass(frozen=True)
class _Part:
    """What is read or written of an image: a rectangle of its pixels, and words of each from `word` to before `end`."""

    image: str
    area: Rectangle
    word: int = 0
    end: int = 1 << 30

    def meets(self, other: "_Part") -> bool:
        """Whether the two share a word."""
        a, b = self.area, other.area
        return (
            self.image == other.image
            and self.word < other.end
            and other.word < self.end
            and a.y < b.y + b.height
            and b.y < a.y + a.height
            and a.x < b.x + b.width
            and b.x < a.x + a.width
        )


def _written(operation: Operation, chip: Chip) -> _Part:
    region, landing = operation.region, operation.landing
    if landing is None:
        return _Part(operation.y.name, region, 0, operation.y.pixel_words(chip.word_bytes))
    (y, x), (down, right) = landing.pixel(region.y, region.x), landing.steps
    area = Rectangle(y, x, (region.height - 1) * down + 1, (region.width - 1) * right + 1)
    return _Part(operation.y.name, area, landing.word, landing.word + -(-landing.channels // chip.word_bytes))


def _read(operation: Operation) -> list[_Part]:
    area = operation.input_of(operation.region)
    parts = [_Part(operation.x.name, replace(area, y=area.y + operation.first_row))]
    everything = Rectangle(0, 0, 1 << 30, 1 << 30)
    if operation.residual is not None:
        whole = operation.residual.broadcast or operation.landing is not None
        parts.append(_Part(operation.residual.image, everything if whole else operation.region))
    if operation.second is not None:
        parts.append(_Part(operation.second.image.name, everything))
    return parts


def _needs(operations: Sequence[Operation], chip: Chip) -> list[list[int]]:
    """For each operation those before it that make what it reads."""
    written = [_written(operation, chip) for operation in operations]
    # What a layer makes on the way is traced as a part of its result, and written over by that.
    ordered = {operation.layer for operation in operations if operation.y.name != operation.tensor}
    needs: list[list[int]] = []
    before: dict[str, list[int]] = {}
    for index, operation in enumerate(operations):
        found = {
            other for part in _read(operation) for other in before.get(part.image, []) if part.meets(written[other])
        }
        if operation.layer in ordered:
            found |= {other for other in range(index) if operations[other].layer == operation.layer}
        needs.append(sorted(found))
        before.setdefault(operation.y.name, []).append(index)
    return needs


def beside(operations: Sequence[Operation], chip: Chip) -> tuple[Operation, ...]:
    """The operations in this order; as they are where there is no vector operation."""
    if not any(operation.program for operation in operations):
        return tuple(operations)
    needs = _needs(operations, chip)
    feeds = _feeds(operations, needs)
    waiting = list(range(len(operations)))
    ends: dict[int, int] = {}
    now = {False: 0, True: 0}
    ordered: list[int] = []
    while waiting:
        ready = [index for index in waiting if all(before in ends for before in needs[index])]

        def start(index: int) -> int:
            vector = operations[index].program is not None
            return max(now[vector], *(ends[before] for before in needs[index]), 0)

        # What can start first; of those that wait for nothing, what feeds the earliest vector operation.
        chosen = min(ready, key=lambda index: (start(index), feeds[index], index))
        vector = operations[chosen].program is not None
        operation = operations[chosen]
        ends[chosen] = now[vector] = start(chosen) + compute_cycles(operation, chip, operation.region)
        ordered.append(chosen)
        waiting.remove(chosen)
    return tuple(operations[index] for index in ordered)


def _feeds(operations: Sequence[Operation], needs: Sequence[Sequence[int]]) -> list[int]:
    """For each operation the first vector operation that needs it, however far behind; the number of all for none."""
    feeds = [len(operations)] * len(operations)
    for index in range(len(operations) - 1, -1, -1):
        if operations[index].program is not None:
            feeds[index] = index
        for before in needs[index]:
            feeds[before] = min(feeds[before], feeds[index])
    return feeds


def flights(operations: Sequence[Operation], chip: Chip) -> dict[int, int]:
    """Vector operation -> the first operation behind it that touches what it makes, if others come before that."""
    found: dict[int, int] = {}
    for index, operation in enumerate(operations):
        if operation.program is None:
            continue
        own = _written(operation, chip)
        until = len(operations)
        for other in range(index + 1, len(operations)):
            if any(part.meets(own) for part in (_written(operations[other], chip), *_read(operations[other]))):
                until = other
                break
        if until > index + 1:
            found[index] = until
    return found
