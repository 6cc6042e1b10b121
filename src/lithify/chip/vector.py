"""The shape and the distances of the vector unit: the RTL is built from them, the simulators read them."""

from dataclasses import dataclass

STRIP = 64
"""Elements that a micro-operation works on, on every chip."""

REGISTERS, SCALARS = 8, 4
"""Vector registers, of a strip each, and scalar registers."""

PROGRAM_OPERATIONS = 64
"""Micro-operations of a program, at most."""

TABLE = 256
"""Entries of the table: a float32 number for every int8."""

LANE = 12
"""From a lane's operands to its result."""

DIVIDER = 27
"""From the divider's operands to its result."""

OPERANDS = 7
"""From the issue of a group to the choice of its operands; the lanes have them in the next cycle."""

RESULT = OPERANDS + 1 + LANE
"""From the issue of a group to its result, which is written to a register in that cycle."""

REGISTER_READ = 2
"""From a register's address to the choice of operands. An odd number of cycles lies between reading and writing."""

STORED = RESULT + 3
"""From the issue of the last group of a word to the word at the scratchpad's port."""

LEAD = 20
"""From the start of a division of a register to its first read: everything before has been written."""

DIVISION = 112
"""Cycles of a division of a register: LEAD, an element a cycle, the divider's pipeline, the last group written."""

SCALAR = 32
"""Cycles of an operation on scalars."""

FIRST = 9
"""From the start of an instruction to its first micro-operation, beside a cycle for each of its program, and `TABLE`
where it brings a table."""

DRAIN = 24
"""From the end of the last micro-operation to the retirement."""

assert (RESULT - (OPERANDS - REGISTER_READ)) % 2 == 1


@dataclass(frozen=True)
class VectorShape:
    """lanes: 2, 4 or 8. word_bytes: of a scratchpad word, 8 to 64, with room for a float32 of each lane."""

    lanes: int
    word_bytes: int

    def __post_init__(self) -> None:
        assert self.lanes in (2, 4, 8) and 8 <= self.word_bytes <= STRIP and 4 * self.lanes <= self.word_bytes

    @property
    def groups(self) -> int:
        """Groups of a strip; a group is an element for each lane, and a group is issued a cycle."""
        return STRIP // self.lanes

    @property
    def period(self) -> int:
        """Cycles from a micro-operation to the next, so that a result is there when the next wants it."""
        return max(self.groups, 16)

    def strip_words(self, element_bytes: int) -> int:
        """Scratchpad words of a strip."""
        return STRIP * element_bytes // self.word_bytes
