"""Which scratchpad banks an instruction uses, by role: bit b of a mask stands for bank b."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.chip.pipeline import compute_pipeline
from lithify.isa.addresses import (
    Addresses,
    input_rows,
    reduced_reads,
    residual_addresses,
    result_addresses,
    steps_between_reads,
    weight_addresses,
    weight_words,
)
from lithify.isa.checks import check_in_ring, refuse
from lithify.isa.encoding import Instruction
from lithify.isa.operations import Queue
from lithify.isa.vector import program_addresses, stream_addresses
from lithify.sim.functional.transfer import row_addresses


@dataclass(frozen=True)
class Banks:
    """Banks by role. transfer: what a LOAD writes or a STORE reads; streams, stored: what a VECTOR reads, its program
    among it, and writes; the others are a compute instruction's.
    """

    transfer: int = 0
    activations: int = 0
    weights: int = 0
    residual: int = 0
    results: int = 0
    streams: int = 0
    stored: int = 0

    @property
    def every(self) -> int:
        """All of them."""
        compute = self.activations | self.weights | self.residual | self.results
        return self.transfer | compute | self.streams | self.stored


def banks_of(chip: Chip, index: int, instruction: Instruction) -> Banks:
    """The banks of an instruction; raises LithifyError, naming instruction `index`, for addresses beyond the chip's."""

    def mask(addresses: Addresses) -> int:
        if addresses.size and int(addresses.max()) >= chip.words:
            problem = f"uses scratchpad word {int(addresses.max())}"
            raise refuse(index, instruction, problem, f"chip '{chip.name}' has {chip.words} words")
        return sum(1 << int(bank) for bank in np.unique(addresses // chip.bank_words))

    value = instruction.integer
    if instruction.operation.queue in (Queue.LOAD, Queue.STORE):
        return Banks(transfer=mask(row_addresses(instruction, chip.word_bytes)))
    if instruction.operation.queue is Queue.VECTOR:
        shape = chip.vector
        assert shape is not None, "checked before: the chip has the unit"
        inputs = (stream_addresses(shape, instruction, name).ravel() for name in "xwv")
        streams = np.concatenate([program_addresses(shape, instruction), *inputs])
        return Banks(streams=mask(streams), stored=mask(stream_addresses(shape, instruction, "y")))
    if instruction.operation.queue is not Queue.COMPUTE:
        return Banks()
    none = np.empty(0, np.int32)
    second = (value("residual") or value("multiply")) and not value("keep")
    activations = activation_words(instruction)
    results = none if value("keep") else result_addresses(instruction)
    residual = residual_addresses(instruction) if second else none
    check_in_ring(index, instruction, "in", activations, "reads activations")
    check_in_ring(index, instruction, "out", results, "writes results")
    check_in_ring(index, instruction, "residual", residual, "reads the residual")
    _check_taps_at_once(chip, index, instruction)
    return Banks(
        activations=mask(activations),
        weights=mask(weight_addresses(chip, instruction, 0, weight_words(chip, instruction))),
        residual=mask(residual),
        results=mask(results),
    )


def residual_meets_results(chip: Chip, instruction: Instruction) -> int:
    """The banks in which a word of the second tensor may be read in the cycle in which a result is written; also those
    where a result lies over what is still to be read.

    Word j is read some cycles before result j is written; in the cycle of that write a word up to as many beats later.
    """
    pipeline, beats = compute_pipeline(chip), chip.word_beats
    ahead = (pipeline.result - pipeline.residual + beats - 1) // beats
    results, residual = result_addresses(instruction), residual_addresses(instruction)
    met = 0
    for later in range(ahead + 1):
        written, read = results[: results.size - later] // chip.bank_words, residual[later:] // chip.bank_words
        met |= sum(1 << int(bank) for bank in np.unique(written[written == read]))
    # For each result the place in the order of reading of what it covers.
    order = np.argsort(residual, kind="stable")
    place = np.minimum(np.searchsorted(residual[order], results), residual.size - 1)
    covered = residual[order][place] == results
    late = covered & (order[place] > np.arange(results.size))
    return met | sum(1 << int(bank) for bank in np.unique(results[late] // chip.bank_words))


def activation_words(instruction: Instruction) -> Addresses:
    """The distinct scratchpad words that a compute instruction reads as activations."""
    rows, there = _rows(instruction)
    sums = np.unique(rows[there])[:, None] + _steps_in_rows(instruction)[None, :]
    return np.unique(reduced_reads(instruction, sums))


def _check_taps_at_once(chip: Chip, index: int, instruction: Instruction) -> None:
    """Taps of a window column that are read in one cycle lie in different banks."""
    together = instruction.integer("taps_at_once")
    if together < 2:
        return
    rows, there = _rows(instruction)
    # Only how the taps of a window lie to each other matters: equal ones are looked at once.
    places = np.unique(np.where(there, rows, -1), axis=0)
    steps = _steps_in_rows(instruction)
    banks = reduced_reads(instruction, places[:, :, None] + steps) // chip.bank_words  # [places, taps, steps]
    for one in range(places.shape[1]):
        for other in range(one + 1, min((one // together + 1) * together, places.shape[1])):
            both = (places[:, one] >= 0) & (places[:, other] >= 0)
            met = (banks[:, one] == banks[:, other]) & both[:, None]
            if met.any():
                problem = f"reads taps {one} and {other} of a window column in scratchpad bank {banks[:, one][met][0]}"
                raise refuse(index, instruction, problem, "taps that are read at once must lie in different banks")


def _rows(instruction: Instruction) -> tuple[Addresses, NDArray[np.bool_]]:
    """Addresses of the rows that windows read, without the steps in a row, and whether these rows exist.

    Both are [positions' rows x passes_y, taps of a column].
    """
    value = instruction.integer
    y = np.arange(value("out_height"), dtype=np.int32)[:, None, None]
    one_pass = np.arange(value("passes_y"), dtype=np.int32)[:, None]
    tap = np.arange(value("window_height"), dtype=np.int32)
    rows = input_rows(instruction, y) + one_pass * value("pass_y_words") + tap * value("tap_y_words")
    coordinate = value("start_y") + y * value("position_y") + one_pass * value("pass_y") + tap * value("tap_y")
    there = (coordinate >= 0) & (coordinate < value("in_height"))
    return rows.reshape(-1, tap.size), there.reshape(-1, tap.size)


def _steps_in_rows(instruction: Instruction) -> Addresses:
    """Distinct address steps from a row to what is read in it: every column that exists, chunk and group."""
    value = instruction.integer
    x = np.arange(value("out_width"), dtype=np.int32)[:, None, None]
    one_pass = np.arange(value("passes_x"), dtype=np.int32)[:, None]
    tap = np.arange(value("window_width"), dtype=np.int32)
    columns = x * value("position_x_words") + one_pass * value("pass_x_words") + tap * value("tap_x_words")
    coordinate = value("start_x") + x * value("position_x") + one_pass * value("pass_x") + tap * value("tap_x")
    there = np.unique(columns[(coordinate >= 0) & (coordinate < value("in_width"))])
    return np.unique(there[:, None] + np.unique(steps_between_reads(instruction))[None, :])
