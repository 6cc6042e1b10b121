"""The proofs: a row each."""

from lithify.errors import LithifyError
from lithify.rtl.proofs.banks import conflicts, words
from lithify.rtl.proofs.column import column
from lithify.rtl.proofs.link import checksum
from lithify.rtl.proofs.numbers import from_integer, to_int8
from lithify.rtl.proofs.proof import Proof
from lithify.rtl.proofs.queue import queue
from lithify.rtl.proofs.registers import registers
from lithify.rtl.proofs.tokens import tokens
from lithify.rtl.proofs.transfers import bursts, read_port, rows

PROOFS = (
    Proof("queue", "the queue between units", "What goes in comes out once, in its order.", queue, "induction", 2),
    Proof(
        "tokens", "rtl/dispatch.py", "No instruction starts before what it waits for has retired.", tokens,
        "induction", 2,
    ),
    Proof(
        "registers", "rtl/control.py",
        "AXI4-Lite: one answer for each access, held until it is taken; registers keep what was written; a program "
        "starts by the doorbell alone, and never while one runs.", registers, "induction", 2,
    ),
    Proof(
        "rows", "rtl/transfer/rows.py", "The rows of a LOAD or STORE are those of its two nested loops.", rows,
        "bounded", 7,
    ),
    Proof(
        "bursts", "rtl/transfer/bursts.py",
        "The bursts of a row cover it from its first byte to its last, without a gap; none crosses 4 KB or is longer "
        "than 64 beats; one that is offered stays until it is taken.", bursts, "induction", 2,
    ),
    Proof(
        "read-port", "rtl/read_port.py",
        "AXI4: a request stays as it is until it is taken; none is lost; a beat goes to one unit.", read_port,
        "induction", 2,
    ),
    Proof(
        "conflicts", "rtl/scratchpad.py", "Two ports that meet in a bank are reported, and nothing else is.", conflicts,
        "induction", 2,
    ),
    Proof("words", "rtl/scratchpad.py", "A word that is read is the word last written there.", words, "induction", 1),
    Proof(
        "column", "rtl/compute/column.py",
        "Each accumulator holds the sum of the products of words and weights that were meant for it.", column,
        "induction", 2,
    ),
    Proof(
        "to-int8", "rtl/compute/rounding.py",
        "clip(rint(value) + zero point), halves to the even integer, for every float32.", to_int8, "induction", 3,
    ),
    Proof(
        "from-integer", "rtl/vector/convert.py", "No float32 is closer to an int32; halves to even.", from_integer,
        "induction", 3,
    ),
    Proof(
        "checksum", "rtl/link/bridge.py", "The link's CRC is that of its polynomial, bit by bit.", checksum,
        "induction", 1,
    ),
)  # fmt: skip


def proof_named(name: str) -> Proof:
    """A proof by its name; LithifyError where there is none."""
    found = next((proof for proof in PROOFS if proof.name == name), None)
    if found is None:
        raise LithifyError(f"There is no proof '{name}'; the proofs are {', '.join(proof.name for proof in PROOFS)}.")
    return found
