"""Side by side: an order of operations in which the array works while the vector unit does.

Each of the two takes its instructions in program order. A list schedule with the operations' estimated cycles decides
it: of those whose inputs are made the one that can start first, and among equals the one that gives the vector unit
something to do soonest. Where there is no vector operation the order stays.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.cost import compute_cycles
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.planning.block_search import cycles_alone

LEAST_OWN, OWN_PART = 3, 4
"""Banks that the vector unit has to itself beside the array: one part in so many of all, at least so many."""


def side_by_side(operations: Sequence[Operation], chip: Chip) -> tuple[Operation, ...]:
    """The operations in such an order; a vector operation is cut where several operations make its input in pieces."""
    if not any(operation.program is not None for operation in operations):
        return tuple(operations)
    known: dict[Hashable, int | None] = {}
    halves = [half for operation in operations for half in _halves(operation, operations, chip, known)]
    pieces = [piece for operation in halves for piece in _pieces(operation, halves)]
    return tuple(replace(pieces[index], beside=span) for index, span in _order(pieces, chip))


def last_uses(operations: Sequence[Operation]) -> list[int]:
    """For each operation the last one that may begin before it has ended."""
    found = []
    for index, operation in enumerate(operations):
        last = index
        if operation.beside is not None:
            for other in range(index + 1, len(operations)):
                span = operations[other].beside
                if span is None:
                    break
                if span[0] < operation.beside[1]:
                    last = other
        found.append(last)
    return found


def own_banks(chip: Chip) -> int:
    """Banks that the vector unit has to itself beside the array."""
    return max(LEAST_OWN, chip.scratchpad_banks // OWN_PART)


def banks_for(operation: Operation, chip: Chip) -> tuple[int, int]:
    """First and end of the banks that an operation may use: where array and vector unit both work, the vector unit has
    the uppermost, so that neither waits for the other.
    """
    banks = chip.scratchpad_banks
    if operation.beside is None:
        return 0, banks
    own = own_banks(chip)
    return (banks - own, banks) if operation.program is not None else (0, banks - own)


@dataclass(frozen=True)
class _Area:
    """Pixels of an image, and words of each: first, end."""

    rectangle: Rectangle
    first: int
    end: int

    def meets(self, other: "_Area") -> bool:
        """Whether two areas of one image share a word."""
        a, b = self.rectangle, other.rectangle
        words = self.first < other.end and other.first < self.end
        rows = a.y < b.y + b.height and b.y < a.y + a.height
        return words and rows and a.x < b.x + b.width and b.x < a.x + a.width


_EVERY_WORD = 1 << 16
_EVERYWHERE = Rectangle(0, 0, 1 << 30, 1 << 30)
_NEVER = 1 << 62


def _written(operation: Operation, word_bytes: int) -> _Area:
    region, landing = operation.region, operation.landing
    if landing is None:
        return _Area(region, 0, _EVERY_WORD)
    (top, left), (down, right) = landing.pixel(region.y, region.x), landing.steps
    area = Rectangle(top, left, (region.height - 1) * down + 1, (region.width - 1) * right + 1)
    return _Area(area, landing.word, landing.word - (-landing.channels // word_bytes))


def _read(operation: Operation, word_bytes: int) -> Iterator[tuple[str, _Area]]:
    area = operation.input_of(operation.region)
    words = operation.first_word, operation.first_word + operation.x.pixel_words(word_bytes)
    if operation.gather is not None:
        yield operation.gather.table, _Area(_EVERYWHERE, 0, _EVERY_WORD)
    yield operation.x.name, _Area(replace(area, y=area.y + operation.first_row), *words)
    residual = operation.residual
    if residual is not None:
        # Which of its pixels are added is sure where results lie at their own positions.
        plain = operation.landing is None and not residual.broadcast and not residual.column
        yield residual.image, _Area(operation.region if plain else _EVERYWHERE, 0, _EVERY_WORD)
    if operation.second is not None:
        second = operation.second
        end = second.channel + operation.x.channels
        last = second.first + second.step * (operation.results.channels - 1)
        (top, left), (bottom, right) = divmod(second.first, second.image.width), divmod(last, second.image.width)
        span = (left, right + 1) if top == bottom else (0, second.image.width)
        rows = Rectangle(top, span[0], bottom + 1 - top, span[1] - span[0])
        yield second.image.name, _Area(rows, second.channel // word_bytes, -(-end // word_bytes))


def _halves(
    operation: Operation, operations: Sequence[Operation], chip: Chip, known: dict[Hashable, int | None]
) -> list[Operation]:
    """A product of matrices before a vector operation, or the first behind one, in halves of its rows: so that the
    vector unit works on one while the array does on the other. Its weights are loaded twice: it stays whole where DRAM
    takes longer for that than the half of the vector operation that is hidden. known: estimates found before.
    """
    region = operation.region
    first_reader = next(other for other in operations if other.x.name == operation.x.name) is operation
    joined = [
        other
        for other in operations
        if other.program is not None
        and (operation.y.name == other.x.name or (operation.x.name == other.y.name and first_reader))
    ]
    matrix = operation.unit == "conv" and operation.sliding.kernel == (1, 1) and region.height == 1
    if not (joined and matrix and operation.second is None and operation.landing is None and operation.excerpt is None):
        return [operation]
    if region != operation.y.whole or region.width < 2 * chip.accumulators:
        return [operation]
    halves = [replace(operation, region=part) for part in region.pieces(1, -(-region.width // 2))]
    hidden = sum(compute_cycles(other, chip, other.region) for other in joined) // 2
    whole, *parts = (_alone(each, chip, known) for each in (operation, *halves))
    if whole is not None and None not in parts and sum(part or 0 for part in parts) > whole + hidden:
        return [operation]
    return halves


def _alone(operation: Operation, chip: Chip, known: dict[Hashable, int | None]) -> int | None:
    """The estimate of a product by itself, found once for products alike."""
    x, results, residual = operation.x, operation.results, operation.residual
    case = operation.region.width, x.channels, results.channels, residual is None, operation.table is None
    if case not in known:
        known[case] = cycles_alone(operation, chip)
    return known[case]


def _pieces(operation: Operation, operations: Sequence[Operation]) -> list[Operation]:
    """A vector operation cut where its input is made, or its output read, in pieces: whole pixels of a row."""
    region = operation.region
    program = operation.program
    if program is None or program.together > 1 or region.height != 1 or operation.excerpt is not None:
        return [operation]
    made = {_written(other, 1).rectangle for other in operations if other.y.name == operation.x.name}
    read = [
        other.input_of(other.region) for other in operations if other.x.name == operation.y.name and not other.excerpt
    ]
    for areas in (made, {area for area in read if area.width < region.width}):
        spans = sorted({(area.x, area.x + area.width) for area in areas})
        joined = [0, *(end for _, end in spans)] == [*(first for first, _ in spans), region.width]
        if len(spans) > 1 and joined and all(area.height == 1 for area in areas):
            return [replace(operation, region=Rectangle(0, first, 1, end - first)) for first, end in spans]
    return [operation]


def _order(operations: Sequence[Operation], chip: Chip) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """The order: each operation, and from when to when it runs if the other unit works meanwhile."""
    before = _dependences(operations, chip)
    after: list[list[int]] = [[] for _ in operations]
    for index, makers in enumerate(before):
        for maker in makers:
            after[maker].append(index)
    cycles = [compute_cycles(operation, chip, operation.region) for operation in operations]
    # Of each operation, as bits: the vector operations that need it. Of those: what must still be done before.
    needed = [0] * len(operations)
    for index in reversed(range(len(operations))):
        for reader in after[index]:
            needed[index] |= needed[reader] | (_by_vector(operations[reader]) << reader)
    left = {index: 0 for index, operation in enumerate(operations) if _by_vector(operation)}
    for index, bits in enumerate(needed):
        for vector in left:
            left[vector] += cycles[index] * (bits >> vector & 1)

    def ahead(index: int) -> int:
        """Cycles of work before the next vector operation that an operation is a part of."""
        return min((work for vector, work in left.items() if needed[index] >> vector & 1), default=_NEVER)

    free = {True: 0, False: 0}
    possible = [0] * len(operations)
    missing = [len(makers) for makers in before]
    ready = [index for index, count in enumerate(missing) if not count]
    ordered = []
    spans: dict[int, tuple[int, int]] = {}
    while ready:
        starts = {
            index: max(possible[index], *(free[unit] for unit in _units(operations[index], chip))) for index in ready
        }
        chosen = min(ready, key=lambda index: (starts[index], index not in left, ahead(index), index))
        spans[chosen] = starts[chosen], starts[chosen] + cycles[chosen]
        free |= dict.fromkeys(_units(operations[chosen], chip), spans[chosen][1])
        ready.remove(chosen)
        for vector in left:
            left[vector] -= cycles[chosen] * (needed[chosen] >> vector & 1)
        left.pop(chosen, None)
        ordered.append(chosen)
        for reader in after[chosen]:
            possible[reader] = max(possible[reader], spans[chosen][1])
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    units = {
        vector: [span for index, span in spans.items() if _by_vector(operations[index]) == vector] for vector in free
    }
    for index in ordered:
        begin, end = spans[index]
        others = units[not _by_vector(operations[index])]
        yield index, spans[index] if any(first < end and begin < last for first, last in others) else None


def _units(operation: Operation, chip: Chip) -> tuple[bool, ...]:
    """Which units an operation keeps busy: the vector unit (True), the array. One whose inputs fill the banks that the
    vector unit leaves keeps both: it needs all of them.
    """
    if _by_vector(operation):
        return (True,)
    tile = min(operation.region.width, chip.accumulators) * operation.x.pixel_words(chip.word_bytes)
    matrix = operation.unit == "conv" and operation.sliding.kernel == (1, 1)
    large = matrix and 2 * tile > (chip.scratchpad_banks - own_banks(chip)) * chip.bank_words
    return (True, False) if large else (False,)


def _by_vector(operation: Operation) -> bool:
    return operation.program is not None


def _dependences(operations: Sequence[Operation], chip: Chip) -> list[list[int]]:
    """For each operation those that make what it reads; all of them stand before it."""
    # What a layer makes on the way is traced as a part of its result, and written over by that.
    in_order = {operation.layer for operation in operations if operation.y.name != operation.tensor}
    makers: dict[str, list[tuple[int, _Area]]] = {}
    found: list[list[int]] = []
    for index, operation in enumerate(operations):
        reads = list(_read(operation, chip.word_bytes))
        reads.append((operation.y.name, written := _written(operation, chip.word_bytes)))
        before = {maker for name, area in reads for maker, made in makers.get(name, ()) if made.meets(area)}
        if operation.layer in in_order:
            before |= {other for other in range(index) if operations[other].layer == operation.layer}
        found.append(sorted(before))
        makers.setdefault(operation.y.name, []).append((index, written))
    return found
