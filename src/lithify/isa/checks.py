"""Is an instruction one that a chip can execute? The rules of docs/architecture.md that no field width enforces.

These are properties of one instruction and a chip; where addresses point is checked by whoever executes it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.chip.vector import PROGRAM_OPERATIONS
from lithify.errors import LithifyError
from lithify.isa.addresses import ring, weight_words
from lithify.isa.encoding import Instruction
from lithify.isa.lists import list_bytes, list_entries
from lithify.isa.operations import Queue

FLOAT32_SMALLEST_NORMAL = 2.0**-126


def refuse(index: int, instruction: Instruction, problem: str, allowed: str) -> LithifyError:
    """The error that instruction `index` of a program breaks a rule."""
    return LithifyError(f"Instruction {index} ({instruction.operation.name}) {problem}, but {allowed}.")


def check_instruction(chip: Chip, index: int, instruction: Instruction) -> None:
    """Raises LithifyError, naming instruction `index`, if `chip` cannot execute the instruction."""
    queue = instruction.operation.queue
    if queue in (Queue.LOAD, Queue.STORE):
        _check_transfer(chip, index, instruction)
    elif queue is Queue.COMPUTE:
        _check_compute(chip, index, instruction)
    elif queue is Queue.VECTOR:
        _check_vector(chip, index, instruction)


def _check_vector(chip: Chip, index: int, instruction: Instruction) -> None:
    if chip.vector is None:
        allowed = f"chip '{chip.name}' has none; its vector_lanes is 0"
        raise refuse(index, instruction, "needs the vector unit", allowed)
    value = instruction.integer
    _at_least_one(index, instruction, "operations", "rows", "columns")
    if value("operations") > PROGRAM_OPERATIONS:
        problem = f"has a program of {value('operations')} micro-operations"
        raise refuse(index, instruction, problem, f"the unit holds {PROGRAM_OPERATIONS}")
    if value("y_format") == 1:
        raise refuse(index, instruction, "has an output of int32", "it writes int8 or float32")
    if value("table") and value("x_format") != 0:
        raise refuse(index, instruction, "has a table", "its first input is not int8")
    if value("minimum") > value("maximum"):
        problem = f"has minimum {value('minimum')} above maximum {value('maximum')}"
        raise refuse(index, instruction, problem, "minimum must not exceed maximum")


def _at_least_one(index: int, instruction: Instruction, *fields: str) -> None:
    for field in fields:
        if instruction.integer(field) < 1:
            raise refuse(index, instruction, f"has {field} 0", "it must be at least 1")


def _check_transfer(chip: Chip, index: int, instruction: Instruction) -> None:
    _at_least_one(index, instruction, "row_bytes", "rows", "planes")
    if instruction.integer("listed"):
        _check_list(chip, index, instruction)
    if instruction.operation.name == "STORE":
        for field in ("offset", "row_bytes", "row_stride", "plane_stride"):
            value = instruction.integer(field)
            if value % chip.word_bytes:
                allowed = f"it must be a multiple of the {chip.word_bytes} bytes of a scratchpad word"
                raise refuse(index, instruction, f"has {field} {value}", allowed)


def _check_list(chip: Chip, index: int, instruction: Instruction) -> None:
    value = instruction.integer
    if not chip.has("gather"):
        built = ", ".join(chip.units) or "none"
        allowed = f"chip '{chip.name}' has no such unit; its optional units are: {built}"
        raise refuse(index, instruction, "needs the unit 'gather'", allowed)
    _at_least_one(index, instruction, "table")
    if value("planes") > list_entries(chip):
        problem = f"takes {value('planes')} planes from a list"
        raise refuse(index, instruction, problem, f"a list holds {list_entries(chip)}")
    if value("plane_stride") % list_bytes(chip):
        problem = f"has a list at byte {value('plane_stride')}"
        raise refuse(index, instruction, problem, f"it must be at a multiple of {list_bytes(chip)} bytes")


def _check_compute(chip: Chip, index: int, instruction: Instruction) -> None:
    name = instruction.operation.name
    value = instruction.integer
    _check_units(chip, index, instruction)
    counts = ("window_height", "window_width", "passes_y", "passes_x", "chunks", "out_height", "out_width")
    _at_least_one(index, instruction, *counts, "tile", "groups")
    if value("tile") > chip.accumulators:
        allowed = f"chip '{chip.name}' has {chip.accumulators} accumulators a column"
        raise refuse(index, instruction, f"has tiles of {value('tile')} positions", allowed)
    taps = value("window_height") * value("window_width")
    if name == "CONV" and taps != 1:
        raise refuse(index, instruction, f"has a window of {taps} taps", "the window of a CONV has one")
    if name == "DEPTHWISE" and taps > chip.rows:
        raise refuse(index, instruction, f"has a window of {taps} taps", f"a column of '{chip.name}' has {chip.rows}")
    if not 1 <= value("slide") <= value("window_width"):
        allowed = f"it must be from 1 to the window's width, {value('window_width')}"
        raise refuse(index, instruction, f"has slide {value('slide')}", allowed)
    if name == "STREAM":
        _check_stream(index, instruction)
    _check_second(index, instruction)
    _check_taps_at_once(chip, index, instruction)
    _check_weight_banks(chip, index, instruction)
    _check_ring(chip, index, instruction, "in", "position_y_words")
    if value("keep") or value("accumulate"):
        positions = value("out_height") * value("out_width")
        if value("groups") != 1 or positions > value("tile"):
            problem = f"is part of a split reduction and has {value('groups')} groups and {positions} positions"
            raise refuse(index, instruction, problem, "it must be of one group and one tile")
    if not value("keep"):
        _check_results(chip, index, instruction)


def _check_units(chip: Chip, index: int, instruction: Instruction) -> None:
    name = instruction.operation.name
    pooling = instruction.integer("window_height") * instruction.integer("window_width") > 1
    for needed, unit in (
        (name == "DEPTHWISE", "depthwise"),
        (name == "STREAM" and pooling, "max_pool"),
        (bool(instruction.integer("residual")), "add"),
        (bool(instruction.integer("lookup")), "lookup"),
        (bool(instruction.integer("multiply")), "multiply"),
    ):
        if needed and unit not in chip.units:
            built = ", ".join(chip.units) or "none"
            allowed = f"chip '{chip.name}' has no such unit; its optional units are: {built}"
            raise refuse(index, instruction, f"needs the unit '{unit}'", allowed)
    if name == "STREAM" and not chip.streams:
        allowed = f"chip '{chip.name}' has none of them"
        raise refuse(index, instruction, "needs one of the units 'add', 'max_pool', 'lookup' and 'multiply'", allowed)


def _check_stream(index: int, instruction: Instruction) -> None:
    value = instruction.integer
    if value("passes_y") * value("passes_x") * value("chunks") != 1:
        raise refuse(index, instruction, "has several passes", "a STREAM has one")
    if value("slide") != value("window_width"):
        allowed = f"a STREAM reads its whole window, {value('window_width')} columns"
        raise refuse(index, instruction, f"has slide {value('slide')}", allowed)
    if value("keep") or value("accumulate"):
        raise refuse(index, instruction, "keeps or adds to sums", "a STREAM has none")


def _check_second(index: int, instruction: Instruction) -> None:
    """The rules of `lookup`, `multiply` and `broadcast`."""
    value = instruction.integer
    if value("lookup") > 2:
        raise refuse(index, instruction, f"has lookup {value('lookup')}", "it must be 0, 1 or 2")
    if value("lookup") and value("keep"):
        raise refuse(index, instruction, "keeps its sums and looks results up", "it has no results")
    if value("broadcast") and not (value("residual") or value("multiply")):
        raise refuse(index, instruction, "has broadcast", "it has no second tensor to take again and again")
    if not value("multiply"):
        return
    if instruction.operation.name != "STREAM" or value("window_height") * value("window_width") != 1:
        raise refuse(index, instruction, "multiplies", "only a STREAM with a window of one tap does")
    if value("residual"):
        raise refuse(index, instruction, "adds and multiplies", "it has one second tensor, for one of them")


def _check_taps_at_once(chip: Chip, index: int, instruction: Instruction) -> None:
    taps = instruction.integer("taps_at_once")
    if taps > 1 and instruction.operation.name == "CONV":
        raise refuse(index, instruction, f"has taps_at_once {taps}", "the window of a CONV has one tap")
    if taps > chip.activation_ports:
        allowed = f"chip '{chip.name}' has activation_ports {chip.activation_ports}"
        raise refuse(index, instruction, f"has taps_at_once {taps}", allowed)


def _check_weight_banks(chip: Chip, index: int, instruction: Instruction) -> None:
    """The two words of a cycle come from different banks: half of two or more banks apart."""
    banks = instruction.integer("weight_banks")
    if chip.weight_ports == 1:
        if banks:
            allowed = f"chip '{chip.name}' has weight_ports 1, so it must be 0"
            raise refuse(index, instruction, f"has weight_banks {banks}", allowed)
    elif weight_words(chip, instruction) and not 2 <= banks <= chip.scratchpad_banks:
        allowed = f"chip '{chip.name}' has weight_ports 2, so it must be from 2 to {chip.scratchpad_banks}"
        raise refuse(index, instruction, f"has weight_banks {banks}", allowed)


def _check_ring(chip: Chip, index: int, instruction: Instruction, tensor: str, step: str) -> None:
    """A tensor's ring lies in the scratchpad, its first row in the ring, and a step is at most once around."""
    value = instruction.integer
    start, words = value(f"{tensor}_ring_start"), value(f"{tensor}_ring_words")
    if not words:
        return
    place = f"words {start} to {start + words - 1}"
    if start + words > chip.words:
        allowed = f"chip '{chip.name}' has {chip.words} words"
        raise refuse(index, instruction, f"has a ring `{tensor}_ring` of {place}", allowed)
    if not start <= value(f"{tensor}_address") < start + words:
        problem = f"has {tensor}_address {value(f'{tensor}_address')}"
        raise refuse(index, instruction, problem, f"its ring is {place}")
    if value(step) > words:
        problem = f"has {step} {value(step)}"
        raise refuse(index, instruction, problem, f"a step in a ring of {words} words is at most as long")


def check_in_ring(index: int, instruction: Instruction, tensor: str, addresses: NDArray[np.int32], role: str) -> None:
    """Raises LithifyError if an address, once reduced, is outside the ring of its tensor ("in", "out", "residual")."""
    around = ring(instruction, tensor)
    outside = addresses[~around.holds(addresses)]
    if outside.size:
        problem = f"{role} at scratchpad word {int(outside[0])}"
        allowed = f"its ring is words {around.start} to {around.end - 1}"
        raise refuse(index, instruction, problem, allowed)


def _check_results(chip: Chip, index: int, instruction: Instruction) -> None:
    value = instruction.integer
    words = chip.column_words if instruction.operation.name == "CONV" else 1
    if value("group_words") != words:
        allowed = f"chip '{chip.name}' makes {words} result words a position"
        raise refuse(index, instruction, f"has group_words {value('group_words')}", allowed)
    if not 1 <= value("last_group_words") <= words:
        problem = f"has last_group_words {value('last_group_words')}"
        raise refuse(index, instruction, problem, f"it must be from 1 to group_words, {words}")
    _check_ring(chip, index, instruction, "out", "out_row_words")
    if value("residual") or value("multiply"):
        _check_ring(chip, index, instruction, "residual", "out_row_words")
    limits = [("minimum", "maximum")] + [("sum_minimum", "sum_maximum")] * value("residual")
    for low, high in limits:
        if value(low) > value(high):
            problem = f"has {low} {value(low)} above {high} {value(high)}"
            raise refuse(index, instruction, problem, f"{low} must not exceed {high}")
    fields = ("a_multiplier", "b_multiplier") if value("residual") else ("a_multiplier",) * value("multiply")
    for field in fields:
        multiplier = float(instruction[field])
        if not (FLOAT32_SMALLEST_NORMAL <= multiplier < math.inf):
            allowed = "a multiplier must be a positive normal number"
            raise refuse(index, instruction, f"has {field} {multiplier}", allowed)
