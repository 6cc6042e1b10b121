"""What depends on nothing but one int8 is one of 256 numbers: it becomes a table that the unit looks x up in."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.reference.float32 import PRIMITIVES
from lithify.reference.written import Step, Written, evaluate

WORTH = 4
"""Steps from which on a table is worth its bytes, its cycles at the start of an instruction and its place."""


@dataclass(frozen=True, eq=False)
class Tabulated:
    """A function with a value of its first input's elements taken out.

    function: what remains; `value` is its last input, and the first is gone where nothing else reads it. table: float32
    [256], the value for -128 to 127.
    """

    function: Written
    value: str
    table: NDArray[np.float32]


def tabulated(function: Written, numbers: Mapping[str, float], elements: NDArray[np.float32]) -> Tabulated | None:
    """Takes out the value that takes the most steps; None if none takes `WORTH`.

    numbers: the inputs that are one number. elements: float32 [256], the first input for the int8 values from -128 on.
    """
    argument = function.inputs[0]
    own, of_elements = {argument, *numbers}, {argument}
    made: dict[str, Step] = {}
    for step in function.steps:
        names = {op for op in step.operands if isinstance(op, str)}
        if step.instruction in PRIMITIVES and names <= own:
            own.add(step.result)
            made[step.result] = step
            if names & of_elements:
                of_elements.add(step.result)
    others = [step for step in function.steps if step.result not in made]
    read = {op for step in others for op in step.operands} | set(function.results)
    counts = {
        name: sum(step.result in of_elements for step in _steps_of(name, made))
        for name in made
        if name in read & of_elements
    }
    value = max(counts, key=lambda name: counts[name], default=None)
    if value is None or counts[value] < WORTH:
        return None
    kept: list[Step] = []
    wanted = set(function.results)
    for step in reversed(function.steps):
        if step.result in wanted and step.result != value:
            kept.insert(0, step)
            wanted |= {op for op in step.operands if isinstance(op, str)}
    inputs = (*(name for name in function.inputs if name in wanted), value)
    whole = Written(function.name, function.inputs, (value,), tuple(_steps_of(value, made)))
    given = (elements if name == argument else numbers.get(name, 0.0) for name in function.inputs)
    table = np.broadcast_to(evaluate(whole, *given), elements.shape)
    return Tabulated(Written(function.name, inputs, function.results, tuple(kept)), value, np.ascontiguousarray(table))


def _steps_of(name: str, made: Mapping[str, Step]) -> list[Step]:
    """The steps that a value takes, in order."""
    wanted = {name}
    steps: list[Step] = []
    for step in reversed(tuple(made.values())):
        if step.result in wanted:
            steps.insert(0, step)
            wanted |= {op for op in step.operands if isinstance(op, str)}
    return steps
