"""By blocks: which images stay on the chip, which live in DRAM, and how each operation is cut into blocks.

The scratchpad is divided in whole banks, so that no two units ever meet in one unless one waits for the other: a ring
of banks at the upper end for weights, as large as suits each operation, the others for images. An image that is
resident has banks from the operation that makes it to the last that reads it. Others lie in DRAM and pass through
staging banks, block by block, two copies of each where there is room, so that transfers run beside the computation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.planning.block_search import TooLarge, cut
from lithify.compiler.planning.blocks import Blocks, Staged
from lithify.compiler.planning.chunks import RingTooSmall
from lithify.compiler.planning.spread import layout
from lithify.errors import LithifyError


@dataclass(frozen=True)
class MemoryPlan:
    """homes: first bank of each resident image. blocks: one entry per operation. cycles: the estimate of the whole.

    least_ring: banks at the upper end that no image ever takes.
    """

    least_ring: int
    homes: Mapping[str, int]
    blocks: tuple[Blocks, ...]
    cycles: int


def plan_by_blocks(
    operations: tuple[Operation, ...],
    images: Mapping[str, Image],
    sources: frozenset[str],
    wanted: frozenset[str],
    chip: Chip,
) -> MemoryPlan:
    """The plan that is estimated fastest, over the least sizes of the ring, and over where residuals and results lie.

    sources: images that lie in DRAM before the segment; wanted: those that must lie there after it.
    Raises LithifyError if the chip is too small for one tile of a layer.
    """
    reads: dict[str, int] = {}
    for operation in operations:
        for name in operation.reads:
            reads[name] = reads.get(name, 0) + 1
    # What passes between DRAM and one operation gains nothing from staying on the chip.
    keep = {
        name: not ((name in sources and reads.get(name, 0) < 2) or (name in wanted and name not in reads))
        for name in images
    }
    best: MemoryPlan | None = None
    failure: LithifyError | None = None
    for ring in range(1, chip.scratchpad_banks - 1):
        try:
            plan = plan_memory(operations, images, keep, chip, ring)
        except LithifyError as error:
            # A larger ring helps where weights do not fit, a smaller one where images do not.
            failure = failure or error
            continue
        if best is None or plan.cycles < best.cycles:
            best = plan
    if best is None:
        assert failure is not None
        raise failure
    return _align_residuals(operations, images, keep, chip, best)


def _align_residuals(
    operations: tuple[Operation, ...],
    images: Mapping[str, Image],
    keep: Mapping[str, bool],
    chip: Chip,
    best: MemoryPlan,
) -> MemoryPlan:
    """Where only one of residual and result is resident, blocks cannot be sliced: tries both in DRAM."""
    for operation in operations:
        if operation.residual is None:
            continue
        pair = operation.residual.image, operation.y.name
        resident = [name for name in pair if name in best.homes]
        if len(resident) == 1:
            changed = {**{name: may and name in best.homes for name, may in keep.items()}, resident[0]: False}
            plan = plan_memory(operations, images, changed, chip, best.least_ring)
            if plan.cycles < best.cycles:
                best = plan
    return best


def plan_memory(
    operations: tuple[Operation, ...],
    images: Mapping[str, Image],
    keep: Mapping[str, bool],
    chip: Chip,
    least_ring: int,
) -> MemoryPlan:
    """The plan of one chip segment with at least `least_ring` banks for weights.

    keep: for every image, whether it may stay on the chip (False: it lies in DRAM in any case, staging is as good).
    Raises LithifyError if the chip is too small for one tile of a layer.
    """
    spilled = {name for name, may in keep.items() if not may}
    known: dict[_Case, Blocks | TooLarge | RingTooSmall] = {}
    while True:
        attempt = _Attempt(operations, images, chip, least_ring, spilled, known)
        full = attempt.run()
        if full is None:
            cycles = sum(block.cycles for block in attempt.blocks)
            return MemoryPlan(least_ring, attempt.homes, tuple(attempt.blocks), cycles)
        index, needed = full
        candidates = [name for name in attempt.live if name not in spilled]
        if not candidates:
            available = (chip.scratchpad_banks - least_ring) * chip.bank_words
            raise _too_small(chip, operations[index], needed * chip.bank_words, "beside the weights", available)
        used = set(operations[index].reads) | {operations[index].y.name}
        # The largest frees most; an image that only waits costs no staging banks now.
        spilled.add(max(candidates, key=lambda name: (attempt.banks_of(images[name]), name not in used)))


def _too_small(chip: Chip, operation: Operation, needed: int, what: str, available: int) -> LithifyError:
    return LithifyError(
        f"Chip '{chip.name}' is too small for one tile of layer '{operation.layer}': it needs "
        f"{needed * chip.word_bytes} bytes of scratchpad {what}, and has {available * chip.word_bytes}; "
        "give it more `scratchpad_bytes`."
    )


_Case = tuple[int, Staged, int, tuple[tuple[int, int], ...]]
"""What the cut of an operation depends on: which operation, what of it lies in DRAM, the ring and the
free banks."""


class _Attempt:
    """One walk over the operations with a given set of images in DRAM."""

    def __init__(
        self,
        operations: tuple[Operation, ...],
        images: Mapping[str, Image],
        chip: Chip,
        least_ring: int,
        spilled: set[str],
        known: dict[_Case, Blocks | TooLarge | RingTooSmall],
    ) -> None:
        self.operations, self.images, self.chip, self.spilled = operations, images, chip, spilled
        self.least_ring, self.known = least_ring, known
        self.live: dict[str, tuple[int, int]] = {}
        self.homes: dict[str, int] = {}
        self.blocks: list[Blocks] = []
        self.last: dict[str, int] = {}
        for index, operation in enumerate(operations):
            for name in (*operation.reads, operation.y.name):
                self.last[name] = index

    def banks_of(self, image: Image) -> int:
        """Banks of a whole image."""
        return layout(image, image.height, self.chip).banks

    def run(self) -> tuple[int, int] | None:
        """None, or the operation at which there was no room and the banks it asked for."""
        for index, operation in enumerate(self.operations):
            try:
                for name in (*operation.reads, operation.y.name):
                    if name not in self.spilled and name not in self.live:
                        self._settle(name)
                staged = Staged(
                    operation.x.name in self.spilled,
                    operation.residual is not None and operation.residual.image in self.spilled,
                    operation.y.name in self.spilled,
                )
                self.blocks.append(self._cut(index, staged))
            except TooLarge as full:
                return index, full.needed
            except RingTooSmall as full:
                available = self._most_ring() * self.chip.bank_words
                raise _too_small(self.chip, operation, full.needed, "for weights", available) from None
            for name in [name for name in self.live if self.last[name] <= index]:
                del self.live[name]
        return None

    def _cut(self, index: int, staged: Staged) -> Blocks:
        """The cheapest cut of an operation over all sizes of its ring that leave the resident images alone."""
        best: Blocks | None = None
        problem: TooLarge | RingTooSmall | None = None
        for ring in range(self.least_ring, self._most_ring() + 1):
            result = self._cut_with(index, staged, ring)
            if isinstance(result, Blocks):
                if best is None or result.cycles < best.cycles:
                    best = result
                if result.weights is None:
                    break
            elif problem is None or isinstance(result, TooLarge):
                problem = result
        if best is not None:
            return best
        assert problem is not None
        raise problem

    def _cut_with(self, index: int, staged: Staged, ring: int) -> "Blocks | TooLarge | RingTooSmall":
        """The cut with a given ring, found once for equal cases: attempts differ in few operations."""
        free = tuple(self._free(ring))
        case = index, staged, ring, free
        if case not in self.known:
            try:
                self.known[case] = cut(self.operations[index], self.chip, ring, staged, list(free))
            except (TooLarge, RingTooSmall) as problem:
                self.known[case] = problem
        return self.known[case]

    def _most_ring(self) -> int:
        """Banks above all resident images; at least the least ring."""
        return self.chip.scratchpad_banks - max((first + size for first, size in self.live.values()), default=0)

    def _settle(self, name: str) -> None:
        needed = self.banks_of(self.images[name])
        fitting = [(size, first) for first, size in self._free(self.least_ring) if size >= needed]
        # Even without room the image counts as live, so that it is among those that may be moved to DRAM.
        self.live[name] = (min(fitting)[1], needed) if fitting else (0, 0)
        if not fitting:
            raise TooLarge(needed)
        self.homes[name] = min(fitting)[1]

    def _free(self, ring: int) -> list[tuple[int, int]]:
        """Runs of free banks below the ring: (first, count)."""
        taken = [False] * (self.chip.scratchpad_banks - ring)
        for first, size in self.live.values():
            taken[first : first + size] = [True] * size
        runs: list[tuple[int, int]] = []
        for bank, busy in enumerate(taken):
            if not busy:
                if runs and sum(runs[-1]) == bank:
                    runs[-1] = runs[-1][0], runs[-1][1] + 1
                else:
                    runs.append((bank, 1))
        return runs
