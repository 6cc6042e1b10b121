"""The values of a function: which are constants, which belong to the whole row, which are still to be worked out."""

from collections.abc import Mapping, Sequence

import numpy as np

from lithify.compiler.vector.sources import Place, Source, Streamed, directly
from lithify.reference.float32 import PRIMITIVES, REDUCTIONS
from lithify.reference.written import Step, Written

INPUT = "input"
"""The instruction of the step that reads an input; its operands are the stream and the scale."""


class Values:
    """The steps of a function, and where what is known of their results is.

    of_row: values that are one number for the row. uses: how often what is being worked out still reads a value.
    """

    def __init__(self, function: Written, sources: Mapping[str, Source]) -> None:
        self.name = function.name
        self.places: dict[str, Place] = {}
        self.steps: dict[str, Step] = {}
        self.of_row: set[str] = set()
        self.uses: dict[str, int] = {}
        self.direct = directly(function, {name: sources[name] for name in function.inputs})
        for name in function.inputs:
            source = sources[name]
            if not isinstance(source, Streamed):
                self.places[name] = Place(float(np.float32(source)))
            elif name in self.direct:
                self.places[name] = Place(stream=source.stream)
            else:
                self.steps[name] = Step(name, INPUT, (float(source.stream), float(np.float32(source.scale))))
        for step in function.steps:
            self._add(step)
        (self.result,) = function.results

    def _add(self, step: Step) -> None:
        """Notes a step, or its value where that is a constant."""
        read = [self.places[op].constant if op in self.places else None for op in step.operands if isinstance(op, str)]
        if None not in read and step.instruction in PRIMITIVES:
            values = [op if not isinstance(op, str) else self.places[op].number for op in step.operands]
            number = PRIMITIVES[step.instruction].meaning(*(np.float32(value) for value in values))
            self.places[step.result] = Place(float(number))
            return
        self.steps[step.result] = step
        names = [op for op in step.operands if isinstance(op, str) and (op in self.steps or op in self.direct)]
        if step.instruction in REDUCTIONS or all(name in self.of_row for name in names):
            self.of_row.add(step.result)

    def place(self, operand: str | float) -> Place:
        """Where an operand is; nowhere, if it is not worked out or only in the accumulator."""
        if not isinstance(operand, str):
            return Place(operand)
        return self.places.get(operand, Place())

    def needed(self, name: str, row: bool) -> list[Step]:
        """The steps of `name` that are not worked out yet, in order: of the row, or of elements too."""
        wanted: set[str] = set()
        stack = [name]
        while stack:
            entry = stack.pop()
            if entry in self.places or entry in wanted:
                continue
            wanted.add(entry)
            if self.steps[entry].instruction != INPUT:
                stack += [op for op in self.steps[entry].operands if isinstance(op, str)]
        return [step for entry, step in self.steps.items() if entry in wanted and (entry in self.of_row) == row]

    def live(self, targets: Sequence[str]) -> set[str]:
        """What is worked out, and read by what is still to be done for `targets`."""
        found: set[str] = set()
        seen: set[str] = set()
        stack = list(targets)
        while stack:
            entry = stack.pop()
            if entry in self.places:
                found.add(entry)
            elif entry not in seen:
                seen.add(entry)
                if self.steps[entry].instruction != INPUT:
                    stack += [op for op in self.steps[entry].operands if isinstance(op, str)]
        return found

    def count_uses(self, steps: Sequence[Step]) -> None:
        """Counts who reads what among `steps`."""
        self.uses = {}
        for step in steps:
            for op in step.operands:
                if isinstance(op, str):
                    self.uses[op] = self.uses.get(op, 0) + 1
