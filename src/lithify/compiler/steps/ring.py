"""Weights in the scratchpad: where each chunk lies, and before which step it is loaded.

Chunks take whatever banks no image lies in at the time, as early as banks are free: weights of later layers come while
earlier ones compute. While a bank is read nothing can be loaded into it, so small chunks that follow one another share
a bank and are loaded together, before the first of them is used.
"""

from bisect import bisect, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lithify.chip import Chip
from lithify.compiler.cost import dram_cycles
from lithify.compiler.planning.bands import Bands, staying
from lithify.compiler.planning.plan import Plan, Single
from lithify.compiler.steps.kept import Kept, kept_chunks
from lithify.compiler.steps.step import Chunk, Step
from lithify.compiler.weights import chunk_banks

TOGETHER = 8
"""Chunks at most that are loaded together."""
SOON = 8
"""Steps over which a bank is kept free for rows that are to be loaded, where others are free too."""
NEAR = 64
"""Steps at most over which a bank of passing chunks is shared."""

Key = tuple[int, int, int]


@dataclass(eq=False)
class _Block:
    """Banks for all chunks of a phase that stay there to their last use.

    steps: that use them, in order. size: in banks. first: bank, once a place is found; following: the next free one.
    placed: chunks that have been given a place. page: of chunks that stay over several phases the only one, which holds
    all. scattered: that there were not so many banks in one piece, so that each page has a place of its own.
    """

    steps: list[int]
    size: int
    first: int = -1
    following: int = 0
    dense: bool = False
    placed: set[Key] = field(default_factory=set)
    page: "_Page | None" = None
    scattered: bool = False


@dataclass(eq=False)
class _Page:
    """Neighbouring banks with chunks that are loaded together.

    first, end: banks. ports: words that are read in a cycle. words: taken. opener: the step before which it is loaded;
    last: the last step that uses it.
    """

    first: int
    end: int
    ports: int
    words: int
    opener: int
    last: int
    block: _Block | None
    chunks: dict[Key, Chunk] = field(default_factory=dict)


def place_weights(
    steps: Sequence[Step],
    plan: Plan,
    areas: Sequence[tuple[int, int]],
    cycles: Sequence[int],
    chip: Chip,
    earliest: Sequence[int],
) -> tuple[Step, ...]:
    """The steps with every chunk at its address, and with the chunks that are loaded before each.

    areas: first and end of the banks in which each step's chunk may lie. cycles: what each step takes, about, 0 beside
    another. earliest: for each step the first one before which its chunk can be loaded.
    """
    return _Placing(steps, plan, areas, cycles, chip, earliest).result()


class _Placing:
    def __init__(
        self,
        steps: Sequence[Step],
        plan: Plan,
        areas: Sequence[tuple[int, int]],
        cycles: Sequence[int],
        chip: Chip,
        earliest: Sequence[int],
    ) -> None:
        self.steps, self.plan, self.areas, self.cycles, self.chip = steps, plan, areas, cycles, chip
        self.earliest = earliest
        self.images = _image_intervals(steps, plan, chip)
        self.last_use = _last_uses(steps)
        # Where inputs come from DRAM that are staged whole, so that nothing is done before: the step, and the bank.
        whole = {
            phase.operation for phase in plan.phases if isinstance(phase, Single) and len(phase.blocks.inputs) == 1
        }
        self.loaded = {
            (index, bank)
            for index, step in enumerate(steps)
            for buffer in step.loads
            if step.operation in whole
            for address, words in buffer.places
            for bank in range(address // chip.bank_words, (address + words - 1) // chip.bank_words + 1)
        }
        # Chunks that stay, and the blocks of banks in which they do.
        self.block_of: dict[int, _Block] = {}
        kept = kept_chunks(steps, plan, self.images, chip)
        for block in _blocks(steps, plan, kept, chip):
            self.block_of.update(dict.fromkeys(block.steps, block))
        self.uses: dict[Key, list[int]] = {}
        for index, step in enumerate(steps):
            if step.chunk is not None:
                self.uses.setdefault(step.chunk.key, []).append(index)
        # Of each bank: the pages that lie in it and may still matter.
        self.pages: list[list[_Page]] = [[] for _ in range(chip.scratchpad_banks)]
        self.before = [-1] * chip.scratchpad_banks
        self.held: dict[Key, _Page] = {}
        self.open: _Page | None = None
        self.following = 0
        self.ends = [0] * len(steps)
        self.transferred = 0

    def result(self) -> tuple[Step, ...]:
        placed = list(self.steps)
        loaded: dict[int, list[Chunk]] = {}
        now = 0
        for index, step in enumerate(self.steps):
            if step.chunk is not None:
                page = self.held.get(step.chunk.key)
                if page is None or page.last < index:
                    page = self.place(index, step.chunk, loaded)
                placed[index] = replace(placed[index], chunk=page.chunks[step.chunk.key])
            for buffer in step.loads:
                # Rows come about while the step before the last works.
                self.transfer(index - 2, buffer.words)
            now = max(now, self.transferred if step.loads or index in loaded else 0) + self.cycles[index]
            self.ends[index] = now
        return tuple(replace(step, weights=tuple(loaded.get(index, ()))) for index, step in enumerate(placed))

    def transfer(self, after: int, words: int) -> None:
        """Loads some words once a step is done (below 0: at any time)."""
        begin = max(self.transferred, self.ends[after] if after >= 0 else 0)
        self.transferred = begin + dram_cycles(self.chip, words * self.chip.word_bytes)

    def place(self, index: int, chunk: Chunk, loaded: dict[int, list[Chunk]]) -> _Page:
        """Finds a place for a chunk that step `index` is the next to use."""
        chip, page, block = self.chip, self.open, self.block_of.get(index)
        if block and block.page and block.page.last < index:
            # It had to give way, so its chunks pass from now on.
            self.drop(block)
            block = None
        if block and chunk.key in block.placed:
            block = None  # its page was given up for another: this time the chunk passes
        last = self.last_use[index]
        if block:
            last = max(use for use in self.uses[chunk.key] if use <= block.steps[-1])
        if block and block.dense:
            page, last = block.page, block.steps[-1]
        # The first page is not shared: nothing can be done before it has come.
        if block and page and block.page is page:
            page.last = max(page.last, last)
        elif (
            page is not None
            and page.opener
            and (page.opener >= self.earliest[index])
            and page.block is block
            and page.ports == chunk.ports
            and len(page.chunks) < TOGETHER
            and page.words + chunk.words <= (page.end - page.first) * chip.bank_words
            and self.areas[index][0] <= page.first
            and page.end <= self.areas[index][1]
            and (block or (page.last >= index - 1 and last - page.opener < NEAR))
            and all(self.image_free(bank, page.opener, last) for bank in range(page.first, page.end))
        ):
            page.last = max(page.last, last)
        else:
            size = chunk_banks(chunk.words, chunk.ports, chip)
            if block and block.first < 0:
                alone = block.scattered
                found = self.room(size if alone else block.size, index, last if alone else block.steps[-1], low=False)
                if found is None and not (block.dense or block.scattered):
                    block.scattered = True
                    found = self.room(size, index, last, low=False)
                if found is None:
                    self.drop(block)
                    block, last = None, self.last_use[index]
                elif block.scattered:
                    block.following = found
                else:
                    block.first = block.following = found
            if block:
                size = block.size if block.dense else size
                first = block.following
                block.following += size
            else:
                room = self.room(size, index, last, low=True)
                first = self.evict(size, index, last) if room is None else room
                self.following = first + size
            after = max(self.free_after(bank, index, last) for bank in range(first, first + size))
            page = _Page(first, first + size, chunk.ports, 0, index, last, block)
            self.transfer(min(after, index - 1), chunk.words)
            for bank in range(first, first + size):
                self.pages[bank].append(page)
            if block and block.dense:
                block.page = page
            else:
                self.open = page
        # Where two words are read in a cycle each half of a page takes half of every chunk.
        address = page.first * chip.bank_words + page.words // chunk.ports
        page.words += chunk.words
        if block:
            block.placed.add(chunk.key)
        made = replace(chunk, address=address, banks=page.end - page.first)
        page.chunks[chunk.key] = made
        self.held[chunk.key] = page
        loaded.setdefault(page.opener, []).append(made)
        return page

    def drop(self, block: _Block) -> None:
        """Lets the chunks of a block pass as all others do."""
        for step in block.steps:
            self.block_of.pop(step, None)

    def image_free(self, bank: int, index: int, last: int) -> bool:
        """Whether no image lies in a bank in the steps `index` to `last`."""
        return not any(begin <= last and end >= index for begin, end in self.images[bank])

    def image_soon(self, bank: int, last: int) -> bool:
        """Whether rows of an image will be loaded to a bank soon after the step `last`: they come earlier if it is
        free.
        """
        following = next((span for span in self.images[bank] if span[0] > last), None)
        return following is not None and (following[0], bank) in self.loaded and following[0] - last <= SOON

    def room(self, size: int, index: int, last: int, low: bool) -> int | None:
        """First of `size` banks that are free in the steps `index` to `last`: those that are free first.

        low: among equals the next behind those taken last, so that all are used in turn; else the uppermost.
        """
        banks = self.chip.scratchpad_banks
        begin, end = self.areas[index]
        bank_bytes = self.chip.bank_words * self.chip.word_bytes
        free = [self.free_after(bank, index, last) if begin <= bank < end else index for bank in range(banks)]
        wait = [0 if not 0 <= after < index else max(0, self.ends[after] - self.transferred) for after in free]
        slack = self.ends[index - 1] - self.transferred - dram_cycles(self.chip, size * bank_bytes) if index else 0
        best: tuple[int, ...] | None = None
        for first in range(begin, end - size + 1):
            if max(free[first : first + size]) >= index:
                continue
            waits = wait[first : first + size]
            # What lies in banks that are free is loaded while the others are waited for.
            soon = sum(self.image_soon(bank, last) for bank in range(first, first + size))
            late = max(0, max(waits) - slack)
            place = (first - self.following) % banks if low else -first
            found = late, soon, max(waits), sum(waits), place, first
            if best is None or found < best:
                best = found
        return None if best is None else best[-1]

    def free_after(self, bank: int, index: int, last: int) -> int:
        """The last step at or before `last` that uses a bank; -1 if there is none."""
        images, pages = self.images[bank], self.pages[bank]
        # Steps are asked about in order: what is over is remembered as one number.
        while images and images[0][1] < index:
            self.before[bank] = max(self.before[bank], images.popleft()[1])
        if any(page.last < index for page in pages):
            self.before[bank] = max(self.before[bank], *(page.last for page in pages if page.last < index))
            self.pages[bank] = pages = [page for page in pages if page.last >= index]
        after = max((page.last for page in pages), default=self.before[bank])
        for begin, end in images:
            if begin > last:
                break
            after = max(after, end)
        return after

    def evict(self, size: int, index: int, last: int) -> int:
        """Makes room by giving up pages that would have stayed: what they hold is loaded again when it is needed."""
        begin, end = self.areas[index]
        best: tuple[int, int] | None = None
        for first in range(begin, end - size + 1):
            span = range(first, first + size)
            if all(self.image_free(bank, index, last) for bank in span):
                lost = {id(page) for bank in span for page in self.pages[bank] if page.last >= index}
                if best is None or len(lost) < best[0]:
                    best = len(lost), first
        assert best is not None, "a chunk is larger than the ring of its operation"
        first = best[1]
        for bank in range(first, first + size):
            for page in self.pages[bank]:
                if page.last >= index:
                    used = (use for key in page.chunks for use in self.uses[key] if page.opener <= use < index)
                    page.last = max(used, default=page.opener)
                    for key in [key for key in page.chunks if self.held.get(key) is page]:
                        del self.held[key]
                    if self.open is page:
                        self.open = None
        return first


def _image_intervals(steps: Sequence[Step], plan: Plan, chip: Chip) -> list[deque[tuple[int, int]]]:
    """For each bank, in order: the first and the last step of every time in which it holds an image."""
    numbers: dict[int, int] = {}
    for number, phase in enumerate(plan.phases):
        covered = range(phase.stretch.first, phase.stretch.end) if isinstance(phase, Bands) else (phase.operation,)
        numbers.update(dict.fromkeys(covered, number))
    spans: dict[tuple[str, int, int], tuple[int, int]] = {}
    for index, step in enumerate(steps):
        for buffer in (step.input, step.residual, step.output, *step.loads, *step.stores):
            if buffer is None:
                continue
            # A resident image lies where it does over all phases, the others' places are free after theirs.
            during = -1 if buffer.image in plan.homes else numbers[step.operation]
            for address, words in buffer.places:
                for bank in range(address // chip.bank_words, (address + words - 1) // chip.bank_words + 1):
                    key = buffer.image, during, bank
                    spans[key] = spans.get(key, (index, index))[0], index
    intervals: list[list[tuple[int, int]]] = [[] for _ in range(chip.scratchpad_banks)]
    for (_, _, bank), span in spans.items():
        insort(intervals[bank], span)
    return [deque(spans) for spans in intervals]


def _last_uses(steps: Sequence[Step]) -> list[int]:
    """For each step: up to which of those that follow without a gap the chunk is used."""
    last = list(range(len(steps)))
    for index in range(len(steps) - 2, -1, -1):
        chunk, following = steps[index].chunk, steps[index + 1].chunk
        if chunk is not None and following is not None and chunk.key == following.key:
            last[index] = last[index + 1]
    return last


def _blocks(steps: Sequence[Step], plan: Plan, kept: Kept | None, chip: Chip) -> Iterator[_Block]:
    """The chunks that are used again and stay, phase by phase.

    Where the weights of a phase fit in its ring all stay, else as many as `bands.staying` says.
    """
    if kept:
        yield _Block(list(kept.steps), kept.banks, dense=True)
    starts = [phase.stretch.first if isinstance(phase, Bands) else phase.operation for phase in plan.phases]
    rooms = [phase.ring_banks if isinstance(phase, Bands) else phase.blocks.ring_banks for phase in plan.phases]
    uses: list[dict[Key, list[int]]] = [{} for _ in starts]
    banks: dict[Key, int] = {}
    for index, step in enumerate(steps):
        if step.chunk is not None and not (kept and step.chunk.key in kept.keys):
            uses[bisect(starts, step.operation) - 1].setdefault(step.chunk.key, []).append(index)
            banks[step.chunk.key] = chunk_banks(step.chunk.words, step.chunk.ports, chip)
    for room, used in zip(rooms, uses, strict=True):
        for together in _together(used):
            if all(used[key][-1] - used[key][0] < len(used[key]) for key in together):
                continue
            block = _Block([], 0)
            for key in together[: staying([banks[key] for key in together], room)]:
                block.size += banks[key]
                block.steps += used[key]
            if block.steps:
                block.steps.sort()
                yield block


def _together(used: Mapping[Key, list[int]]) -> Iterator[list[Key]]:
    """Chunks in clusters whose times overlap: those of a slice, or of all operations that go band by band."""
    cluster: list[Key] = []
    end = -1
    for key, indices in sorted(used.items(), key=lambda item: item[1][0]):
        if cluster and indices[0] > end:
            yield cluster
            cluster = []
        cluster.append(key)
        end = max(end, indices[-1])
    if cluster:
        yield cluster
