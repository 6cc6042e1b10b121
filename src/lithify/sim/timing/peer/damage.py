"""Which words of a link are damaged, and how: a number for each node and cycle, the same in every simulation."""

from lithify.isa.peer import WORD_BYTES, Wires

Word = tuple[int, bytes]
"""What is on a link in a cycle: kind, and 16 bytes."""

MASK = (1 << 64) - 1
DATA_BITS = 8 * WORD_BYTES


def mixed(number: int) -> int:
    """The end of splitmix64 (Steele, Lea and Flood, 2014)."""
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & MASK
    return number ^ number >> 31


def damaged(wires: Wires, node: int, cycle: int, word: Word) -> Word | None:
    """The word as it arrives that a node puts on its link in a cycle; None: nothing does.

    A word in four that are hit is lost, of the others one to four bits are flipped, its kind's among them.
    """
    if wires.cut is not None and cycle >= wires.cut:
        return None
    if not wires.threshold:
        return word
    number = mixed((wires.seed * 0x9E3779B97F4A7C15 + (2 * cycle + node) * 0xD1342543DE82EF95) & MASK)
    if number >> 32 >= wires.threshold:
        return word
    if number % 4 == 0:
        return None
    kind, data = word[0], int.from_bytes(word[1], "little")
    for _ in range(1 + number // 4 % 4):
        number = mixed((number + 0x9E3779B97F4A7C15) & MASK)
        bit = number % (DATA_BITS + 3)
        if bit < DATA_BITS:
            data ^= 1 << bit
        else:
            kind ^= 1 << (bit - DATA_BITS)
    return (kind, data.to_bytes(WORD_BYTES, "little")) if kind else None
