"""The ring of weights: where each chunk lies, and before which step it is loaded.

Chunks start at a bank, one after the other, and wrap around. While a bank is read nothing can be loaded into it, so
small chunks that follow one another share a bank and are loaded together, before the first of them is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.bands import Bands
from lithify.compiler.plan import Plan
from lithify.compiler.steps import Chunk, Step

TOGETHER = 8
"""Chunks at most that are loaded together."""


@dataclass
class _Page:
    """The bank that was filled last. opener: index of the step before which it is loaded."""

    opener: int
    bank: int
    words: int
    chunks: int


def place_weights(steps: Sequence[Step], plan: Plan, chip: Chip) -> tuple[Step, ...]:
    """The steps with every chunk at its address, and with the chunks that are loaded before each."""
    placed = list(steps)
    held: dict[tuple[int, int, int], tuple[int, int, Chunk]] = {}
    following = 0
    page: _Page | None = None
    rings = plan.ring_banks
    # Weights that stay over the bands of a stretch lie in one piece, so that they never push each other out.
    whole = {phase.stretch.first: phase for phase in plan.phases if isinstance(phase, Bands) and phase.weights_stay}
    for index, step in enumerate(steps):
        first = chip.scratchpad_banks - rings[step.operation]
        entered = whole.pop(step.operation, None)
        if entered is not None:
            last = following + stay_banks(entered, steps[index:], chip)
            if not first <= following or last > chip.scratchpad_banks:
                following, page = first, None
        # The banks below this operation's ring are used for images.
        held = {key: entry for key, entry in held.items() if entry[0] >= first}
        if page and page.bank < first:
            page = None
        if step.chunk is None:
            continue
        wanted = step.chunk
        if wanted.key in held:
            placed[index] = replace(placed[index], chunk=held[wanted.key][2])
            continue
        size = -(-wanted.words // chip.bank_words)
        # The first bank is not shared: nothing can be done before it has come.
        if page and page.opener and page.words + wanted.words <= chip.bank_words and page.chunks < TOGETHER:
            start, opener = page.bank, page.opener
            address = start * chip.bank_words + page.words
            page.words += wanted.words
            page.chunks += 1
        else:
            start = following if first <= following <= chip.scratchpad_banks - size else first
            if start == first < following and size <= following - first < 2 * size:
                # Two do not fit beside each other: they overlap least if one begins low and the other ends high.
                low = page is not None and following - size == first
                start = chip.scratchpad_banks - size if low else first
            address, opener = start * chip.bank_words, index
            held = {key: entry for key, entry in held.items() if entry[1] <= start or entry[0] >= start + size}
            following = start + size
            page = _Page(index, start + size - 1, wanted.words - (size - 1) * chip.bank_words, 1)
        chunk = replace(wanted, address=address)
        held[wanted.key] = start, start + size, chunk
        placed[index] = replace(placed[index], chunk=chunk)
        placed[opener] = replace(placed[opener], weights=(*placed[opener].weights, chunk))
    return tuple(placed)


def stay_banks(bands: Bands, steps: Sequence[Step], chip: Chip) -> int:
    """Banks at most of all weights of a stretch; steps: from its first on."""
    seen: dict[tuple[int, int, int], int] = {}
    for step in steps:
        if step.operation >= bands.stretch.end:
            break
        if step.chunk is not None:
            seen[step.chunk.key] = -(-step.chunk.words // chip.bank_words)
    return sum(seen.values())
