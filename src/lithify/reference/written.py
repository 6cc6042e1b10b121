"""Functions as written sequences of primitive instructions: tables, not code, and the interpreter of their bits.

A function is written one instruction a line, `result = instruction(operand, ...)`. An operand is a result above, an
input, or a number (a constant, rounded to float32). An instruction is a primitive (`float32.PRIMITIVES`), a reduction
along the row (`float32.REDUCTIONS`), another written function, or `polynomial(x, c0, c1, ...)`, which is Horner's rule:
multiply by x and add the next coefficient, from the last on. All of them become `Step`s, which name primitives only:
the same steps are later the program of the hardware.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.float32 import PRIMITIVES, REDUCTIONS, Values, flushed

_LINE = re.compile(r"([\w, ]+)=\s*(\w+)\((.*)\)")


@dataclass(frozen=True)
class Step:
    """One instruction. operands: names of earlier results or of inputs, and constants that float32 represents."""

    result: str
    instruction: str
    operands: tuple[str | float, ...]


@dataclass(frozen=True)
class Written:
    """A written function. inputs, results: names, several results for those that only others use."""

    name: str
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def constants(self) -> tuple[float, ...]:
        """The constants, each once, in the order of their first use."""
        return tuple(dict.fromkeys(op for step in self.steps for op in step.operands if not isinstance(op, str)))

    def count(self, *instructions: str) -> int:
        """Steps with one of these instructions; all without an argument."""
        return sum(step.instruction in instructions or not instructions for step in self.steps)


def written(
    head: str,
    text: str,
    functions: Mapping[str, Written] | None = None,
    constants: Mapping[str, Sequence[float]] | None = None,
) -> Written:
    """The function of a text; `head` is `name(input, ...) -> result, ...`.

    functions: what may be called beside primitives. constants: coefficients by name, `*NAME` in a list of operands.
    Raises LithifyError for a line that is none, an unknown instruction, operand or number of operands.
    """
    match = re.fullmatch(r"(\w+)\(([\w, ]*)\) -> ([\w, ]+)", head)
    assert match is not None, head
    name, inputs, results = match[1], _names(match[2]), _names(match[3])
    known, steps = {entry: entry for entry in inputs}, list[Step]()
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise LithifyError(f"The line '{line}' of {name} is not of the form: result = instruction(operand, ...).")
        targets, instruction = _names(parts[1]), parts[2]
        operands = _operands(name, line, parts[3], known, constants or {})
        added, values = _expanded(name, instruction, operands, f"{name}.{len(steps)}", functions or {})
        if len(values) != len(targets):
            raise LithifyError(f"The line '{line}' of {name} names {len(targets)} results; there are {len(values)}.")
        steps += added
        known |= dict(zip(targets, values, strict=True))
    missing = [entry for entry in results if entry not in known]
    if missing:
        raise LithifyError(f"{name} never says what its result '{missing[0]}' is.")
    return Written(name, inputs, tuple(known[entry] for entry in results), tuple(steps))


def _names(text: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def _operands(
    name: str, line: str, text: str, known: Mapping[str, str], constants: Mapping[str, Sequence[float]]
) -> tuple[str | float, ...]:
    operands: list[str | float] = []
    for entry in _names(text):
        if entry in known:
            operands.append(known[entry])
        elif entry.startswith("*") and entry[1:] in constants:
            operands += [float(np.float32(value)) for value in constants[entry[1:]]]
        else:
            try:
                number = float.fromhex(entry) if "x" in entry else float(entry)
            except ValueError:
                raise LithifyError(
                    f"The line '{line}' of {name} uses '{entry}', which is no number, input or result above."
                ) from None
            operands.append(float(np.float32(number)))
    return tuple(operands)


def _expanded(
    name: str, instruction: str, operands: tuple[str | float, ...], prefix: str, functions: Mapping[str, Written]
) -> tuple[list[Step], tuple[str, ...]]:
    """The primitive steps of an instruction, and the names of its results."""
    if instruction == "polynomial":
        return _horner(operands, prefix)
    if instruction in functions:
        inner = functions[instruction]
        _check_count(name, instruction, len(inner.inputs), len(operands))
        names: dict[str, str | float] = dict(zip(inner.inputs, operands, strict=True))
        steps = []
        for step in inner.steps:
            names[step.result] = f"{prefix}/{step.result}"
            read = tuple(names[op] if isinstance(op, str) else op for op in step.operands)
            steps.append(Step(str(names[step.result]), step.instruction, read))
        return steps, tuple(str(names[entry]) for entry in inner.results)
    if instruction not in PRIMITIVES and instruction not in REDUCTIONS:
        known = ", ".join((*PRIMITIVES, *REDUCTIONS, "polynomial", *functions))
        raise LithifyError(f"{name} uses '{instruction}', which is unknown; known are: {known}.")
    _check_count(name, instruction, PRIMITIVES[instruction].operands if instruction in PRIMITIVES else 1, len(operands))
    return [Step(prefix, instruction, operands)], (prefix,)


def _check_count(name: str, instruction: str, takes: int, given: int) -> None:
    if takes != given:
        raise LithifyError(f"{name} gives {instruction} {given} operands; it takes {takes}.")


def _horner(operands: tuple[str | float, ...], prefix: str) -> tuple[list[Step], tuple[str, ...]]:
    x, coefficients = operands[0], operands[1:]
    steps: list[Step] = []
    total = coefficients[-1]
    for number, coefficient in enumerate(reversed(coefficients[:-1])):
        steps.append(Step(f"{prefix}*{number}", "multiply", (total, x)))
        steps.append(Step(f"{prefix}+{number}", "add", (steps[-1].result, coefficient)))
        total = steps[-1].result
    return steps, (str(total),)


def evaluate(function: Written, *inputs: Any) -> Values:
    """The function's result, step by step; inputs float32, of shapes that broadcast (a row is the last axis).

    Subnormal inputs count as zeros. Raises LithifyError if the number of inputs is not the function's.
    """
    _check_count("A call", function.name, len(function.inputs), len(inputs))
    values: dict[str, Values] = {name: flushed(value) for name, value in zip(function.inputs, inputs, strict=True)}
    last = {op: number for number, step in enumerate(function.steps) for op in step.operands if isinstance(op, str)}
    for number, step in enumerate(function.steps):
        read = [values[op] if isinstance(op, str) else np.float32(op) for op in step.operands]
        if step.instruction in REDUCTIONS:
            values[step.result] = REDUCTIONS[step.instruction](*read)
        else:
            values[step.result] = PRIMITIVES[step.instruction].meaning(*read)
        for op in step.operands:
            if isinstance(op, str) and last[op] == number and op not in function.results:
                values.pop(op, None)
    return values[function.results[0]]
