"""The program of a function: loops over the strips, what is worked out between them, and what lies where meanwhile.

A reduction needs every strip of the row, so the program is a loop over the strips for each reduction, in order, and one
for the result. A loop works out again what it needs of the elements, unless that was kept in registers numbered by the
strip; what belongs to the whole row stays in scalars or registers between them.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lithify.chip.vector import REGISTERS, SCALARS
from lithify.compiler.vector.lanes import Lanes
from lithify.compiler.vector.sources import Place, Source
from lithify.compiler.vector.values import INPUT
from lithify.errors import LithifyError
from lithify.isa.vector import A, B, C, Micro, Second, check_program
from lithify.reference.float32 import REDUCTIONS
from lithify.reference.written import Step, Written

_START = {"row_sum": (Second.ADD, 0.0), "row_maximum": (Second.MAXIMUM, float("-inf"))}

WORTH = 4
"""Steps from which on a value of the elements is kept rather than worked out again."""


class Program(Lanes):
    """See `translate`. kept: the value that stays in registers from one loop to the next, and the first of them."""

    def __init__(
        self, function: Written, sources: Mapping[str, Source], whole_strips: bool, strips: int | None
    ) -> None:
        super().__init__(function, sources)
        self.whole_strips, self.strips = whole_strips, strips or 1
        self.free_scalars = list(range(SCALARS))
        self.targets: list[str] = []
        self.kept = self._worth_keeping() if strips is not None else None
        self.kept_from = REGISTERS - self.strips
        if self.kept is not None:
            if self.kept_from < 0:
                raise LithifyError(f"The vector program of {self.name} would keep {strips} strips of a value.")
            del self.free_registers[self.kept_from :]

    def made(self, divide_by: float | None) -> tuple[Micro, ...]:
        """The whole program."""
        reductions = [name for name, step in self.steps.items() if step.instruction in REDUCTIONS]
        operands = [str(self.steps[name].operands[0]) for name in reductions]
        for number, (name, operand) in enumerate(zip(reductions, operands, strict=True)):
            self.targets = [*operands[number:], self.result]
            self._row_steps(operand)
            second, start = _START[self.steps[name].instruction]
            self._reduce(name, operand, second, start)
        self.targets = [self.result]
        self._row_steps(self.result)
        first = len(self.operations)
        self._element(self.result)
        if divide_by is not None:
            register = self.take_register()
            self.operations[-1] = replace(self.operations[-1], write=1, target=register)
            scale = float(np.float32(divide_by))
            self.operations.append(
                Micro(Second.DIVIDE, A.REGISTER, B.CONSTANT, constant=scale, register=register, target=register)
            )
            self.operations.append(Micro(a=A.REGISTER, register=register))
        self.operations[-1] = replace(self.operations[-1], store=1)
        self._loop(first)
        check_program(tuple(self.operations), self.strips)
        return tuple(self.operations)

    def _worth_keeping(self) -> str | None:
        """The first value that is reduced, and read after that, and takes some steps."""
        later: list[str] = [self.result]
        for step in reversed(tuple(self.steps.values())):
            if step.instruction in REDUCTIONS:
                later.append(str(step.operands[0]))
        for operand in later[:0:-1]:
            steps = self.needed(operand, row=False)
            others = later[: later.index(operand)]
            read = any(operand in step.operands for other in others for step in self.needed(other, row=False))
            if len(steps) >= WORTH and read:
                return operand
        return None

    def _loop(self, first: int) -> None:
        self.operations[first] = replace(self.operations[first], first=1)
        self.operations[-1] = replace(self.operations[-1], last=1)
        self.accumulator = self.mask = None

    def _reduce(self, name: str, operand: str, second: Second, start: float) -> None:
        partial = self.take_register()
        self.operations.append(Micro(a=A.CONSTANT, constant=start, write=1, target=partial))
        self.accumulator = None
        first = len(self.operations)
        self._element(operand)
        if operand == self.kept:
            if self.operations[-1].write or self.operations[-1].set_mask:
                self.operations.append(Micro())
            self.operations[-1] = replace(self.operations[-1], write=1, target=self.kept_from, write_strip=1)
            self.places[operand] = Place(register=self.kept_from, by_strip=True)
        # What a stream does not have is 0, which changes no sum.
        whole = self.whole_strips or (self.place(operand).stream is not None and second is Second.ADD)
        if not whole:
            self.operations.append(Micro(Second.SELECT, c=C.CONSTANT, constant=start, present=1))
        if not _takes_c(self.operations[-1]):
            self.operations.append(Micro())
        self.operations[-1] = replace(
            self.operations[-1], second=second, c=C.REGISTER, register=partial, write=1, target=partial
        )
        self._loop(first)
        self.operations += [Micro(second, c=C.FOLDED, fold=n) for n in range(6, 0, -1)]
        scalar = self._take_scalar()
        self.operations[-1] = replace(self.operations[-1], to_scalar=1, target=scalar)
        self.free_registers.append(partial)
        self.places[name] = Place(scalar=scalar)

    def _row_steps(self, name: str) -> None:
        """Works out what belongs to the row before the loop of `name`; it stays."""
        steps = self.needed(name, row=True)
        self.count_uses(steps)
        fused: Step | None = None
        for number, step in enumerate(steps):
            self._free_scalars()
            if step.instruction in ("divide", "square_root"):
                self._on_scalars(step)
                continue
            later = steps[number + 1 :]
            apart = [entry for entry in self.steps.values() if entry not in steps and step.result in entry.operands]
            if later and not apart and self.fuses(step, later[0]):
                fused = step
                continue
            product, fused = fused, None
            self.lanes(step, product)
            others = [entry for entry in self.steps.values() if step.result in entry.operands and entry not in later]
            divides = any(
                step.result in entry.operands and entry.instruction in ("divide", "square_root") for entry in later
            )
            if others or divides or step.result == name:
                scalar = self._take_scalar()
                self.operations[-1] = replace(self.operations[-1], to_scalar=1, target=scalar)
                self.places[step.result] = Place(scalar=scalar)
            elif not (later and step.result in later[0].operands and self.uses[step.result] == 1):
                self.keep(step.result)
            self._release(step)
            if product is not None:
                self._release(product)
        self._free_scalars()
        self.accumulator = None

    def _free_scalars(self) -> None:
        """Frees the scalars that nothing to come reads."""
        live = self.live(self.targets)
        for name in [name for name, place in self.places.items() if place.scalar is not None and name not in live]:
            self.free_scalars.append(int(self.places.pop(name).scalar or 0))

    def _on_scalars(self, step: Step) -> None:
        target = self._take_scalar()
        entry = Micro(Second.SCALAR_ROOT if step.instruction == "square_root" else Second.SCALAR_DIVIDE, target=target)
        sources = [self.place(op) for op in step.operands]
        if any(source.constant is None and source.scalar is None for source in sources):
            raise self.refuse(step)
        scalars = {source.scalar for source in sources if source.scalar is not None}
        constants = {source.bits: source.number for source in sources if source.constant is not None}
        if len(scalars) > 1 or len(constants) > 1:
            raise self.refuse(step)
        entry = replace(entry, scalar=next(iter(scalars), 0), constant=next(iter(constants.values()), 0.0))
        entry = replace(entry, a=A.REGISTER if sources[0].scalar is not None else A.CONSTANT)
        if len(sources) > 1:
            entry = replace(entry, b=B.SCALAR if sources[1].scalar is not None else B.CONSTANT)
        self.operations.append(entry)
        self.accumulator = None
        self.places[step.result] = Place(scalar=target)

    def _element(self, name: str) -> None:
        """Works out an element value in the accumulator; what it took on the way is forgotten again."""
        steps = self.needed(name, row=False)
        before = set(self.places)
        self.count_uses(steps)
        fused: set[str] = set()
        for number, step in enumerate(steps):
            following = steps[number + 1] if number + 1 < len(steps) else None
            if following is not None and self.fuses(step, following):
                fused.add(step.result)
                continue
            product = next((entry for entry in steps if entry.result in fused and entry.result in step.operands), None)
            self.lanes(step, product)
            next_reads = following is not None and step.result in following.operands
            if step.result != name and not (next_reads and self.uses[step.result] == 1):
                self.keep(step.result)
            self._release(step)
            if product is not None:
                self._release(product)
        if not steps:
            self.move(name)
        for entry in set(self.places) - before:
            register = self.places.pop(entry).register
            if register is not None and register not in self.free_registers:
                self.free_registers.append(register)

    def _release(self, step: Step) -> None:
        """Frees the registers of what nothing after `step` reads, of what these steps have made."""
        if step.instruction == INPUT:
            return
        for op in step.operands:
            if not isinstance(op, str):
                continue
            self.uses[op] -= 1
            place = self.places.get(op)
            if self.uses[op] == 0 and place is not None and place.register is not None and not place.by_strip:
                self.free_registers.append(place.register)
                del self.places[op]

    def _take_scalar(self) -> int:
        if not self.free_scalars:
            raise LithifyError(f"The vector program of {self.name} needs more than {SCALARS} scalars.")
        return self.free_scalars.pop(0)


def _takes_c(entry: Micro) -> bool:
    """Whether a product can be combined with a register in the same micro-operation."""
    plain = entry.second is Second.ADD and entry.c is C.NOTHING and entry.lane
    busy = entry.a is A.REGISTER or entry.b is B.REGISTER or entry.write or entry.set_mask or entry.to_scalar
    return plain and not busy
