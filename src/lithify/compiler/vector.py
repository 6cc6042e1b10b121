"""Written functions along a row to programs of the vector unit: passes, registers, and which two steps are one.

A reduction needs every strip of the row, so the program is a loop over the strips for each reduction, in order, and one
for the result. A loop works out again what it needs of the elements; what belongs to the whole row stays in scalars or
registers between them.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lithify.chip.vector import REGISTERS, SCALARS
from lithify.errors import LithifyError
from lithify.isa.vector import A, B, C, Micro, Second, check_program
from lithify.reference.float32 import PRIMITIVES, REDUCTIONS
from lithify.reference.written import Step, Written


@dataclass(frozen=True)
class Streamed:
    """An input that is read element by element: times `scale`, a float32 number (of int8: its scale)."""

    stream: int
    scale: float = 1.0


Source = Streamed | float
"""What an input of a function is: elements, or a number."""

_SECOND = {
    "add": Second.ADD,
    "subtract": Second.SUBTRACT,
    "maximum": Second.MAXIMUM,
    "minimum": Second.MINIMUM,
    "less": Second.LESS,
    "equal": Second.EQUAL,
    "signed": Second.SIGNED,
    "select": Second.SELECT,
    "round": Second.ROUND,
    "exponent": Second.EXPONENT,
    "significand": Second.SIGNIFICAND,
}
_TURNED = {
    Second.ADD: Second.ADD,
    Second.SUBTRACT: Second.REVERSE,
    Second.MAXIMUM: Second.MAXIMUM,
    Second.MINIMUM: Second.MINIMUM,
    Second.EQUAL: Second.EQUAL,
}
"""The same with its operands exchanged."""

_START = {"row_sum": (Second.ADD, 0.0), "row_maximum": (Second.MAXIMUM, float("-inf"))}
_INPUT = "input"
"""The instruction of the step that reads an input."""


def translate(
    function: Written, sources: Mapping[str, Source], *, divide_by: float | None = None, whole_strips: bool = False
) -> tuple[Micro, ...]:
    """The program that stores the function's result, element by element.

    sources: of every input of the function. divide_by: the scale of an int8 output, by which results are divided before
    they are rounded. whole_strips: rows are a multiple of 64 long, so that no element is missing.
    Raises LithifyError for what the unit cannot do, or not with its registers.
    """
    return _Translation(function, sources, whole_strips).program(divide_by)


@dataclass
class _Place:
    """Where a value is: a constant, a register, a scalar."""

    constant: float | None = None
    register: int | None = None
    scalar: int | None = None

    @property
    def number(self) -> float:
        """The constant of a place that is one."""
        assert self.constant is not None
        return self.constant

    @property
    def bits(self) -> bytes:
        """Of the constant: 0 and -0 are two."""
        return struct.pack("<f", self.number)


class _Translation:
    def __init__(self, function: Written, sources: Mapping[str, Source], whole_strips: bool) -> None:
        self.name, self.whole_strips = function.name, whole_strips
        self.places: dict[str, _Place] = {}
        self.steps: dict[str, Step] = {}
        self.of_row: set[str] = set()
        for name in function.inputs:
            source = sources[name]
            if isinstance(source, Streamed):
                self.steps[name] = Step(name, _INPUT, (float(source.stream), float(np.float32(source.scale))))
            else:
                self.places[name] = _Place(float(np.float32(source)))
        for step in function.steps:
            self._add(step)
        (self.result,) = function.results
        self.operations: list[Micro] = []
        self.accumulator: str | None = None
        self.mask: str | None = None
        self.free_registers, self.free_scalars = list(range(REGISTERS)), list(range(SCALARS))
        self.uses: dict[str, int] = {}
        self._targets: list[str] = []

    def _add(self, step: Step) -> None:
        """Notes a step, or its value where that is a constant."""
        read = [self.places[op].constant if op in self.places else None for op in step.operands if isinstance(op, str)]
        if None not in read and step.instruction in PRIMITIVES:
            values = [self._number(op) for op in step.operands]
            self.places[step.result] = _Place(
                float(PRIMITIVES[step.instruction].meaning(*(np.float32(value) for value in values)))
            )
            return
        self.steps[step.result] = step
        names = [op for op in step.operands if isinstance(op, str) and op in self.steps]
        if step.instruction in REDUCTIONS or all(name in self.of_row for name in names):
            self.of_row.add(step.result)

    def _number(self, operand: str | float) -> float:
        return operand if not isinstance(operand, str) else self.places[operand].number

    def program(self, divide_by: float | None) -> tuple[Micro, ...]:
        """The whole program; see `translate`."""
        reductions = [name for name, step in self.steps.items() if step.instruction in REDUCTIONS]
        operands = [str(self.steps[name].operands[0]) for name in reductions]
        for number, (name, operand) in enumerate(zip(reductions, operands, strict=True)):
            self._targets = [*operands[number:], self.result]
            self._row_steps(operand)
            second, start = _START[self.steps[name].instruction]
            self._reduce(name, operand, second, start)
        self._targets = [self.result]
        self._row_steps(self.result)
        first = len(self.operations)
        self._element(self.result)
        if divide_by is not None:
            register = self._take_register()
            self.operations[-1] = replace(self.operations[-1], write=1, target=register)
            scale = float(np.float32(divide_by))
            self.operations.append(
                Micro(Second.DIVIDE, A.REGISTER, B.CONSTANT, constant=scale, register=register, target=register)
            )
            self.operations.append(Micro(a=A.REGISTER, register=register))
        self.operations[-1] = replace(self.operations[-1], store=1)
        self._loop(first)
        check_program(tuple(self.operations))
        return tuple(self.operations)

    def _loop(self, first: int) -> None:
        self.operations[first] = replace(self.operations[first], first=1)
        self.operations[-1] = replace(self.operations[-1], last=1)
        self.accumulator = self.mask = None

    def _reduce(self, name: str, operand: str, second: Second, start: float) -> None:
        partial = self._take_register()
        self.operations.append(Micro(a=A.CONSTANT, constant=start, write=1, target=partial))
        self.accumulator = None
        first = len(self.operations)
        self._element(operand)
        if not self.whole_strips:
            self.operations.append(Micro(Second.SELECT, c=C.CONSTANT, constant=start, present=1))
        self.operations.append(Micro(second, c=C.REGISTER, register=partial, write=1, target=partial))
        self._loop(first)
        self.operations += [Micro(second, c=C.FOLDED, fold=n) for n in range(6, 0, -1)]
        scalar = self._take_scalar()
        self.operations[-1] = replace(self.operations[-1], to_scalar=1, target=scalar)
        self.free_registers.append(partial)
        self.places[name] = _Place(scalar=scalar)

    def _needed(self, name: str, row: bool) -> list[Step]:
        """The steps of `name` that are not worked out yet, in order: of the row, or of elements too."""
        wanted: set[str] = set()
        stack = [name]
        while stack:
            entry = stack.pop()
            if entry in self.places or entry in wanted:
                continue
            wanted.add(entry)
            if self.steps[entry].instruction != _INPUT:
                stack += [op for op in self.steps[entry].operands if isinstance(op, str)]
        return [step for entry, step in self.steps.items() if entry in wanted and (entry in self.of_row) == row]

    def _row_steps(self, name: str) -> None:
        """Works out what belongs to the row before the loop of `name`; it stays."""
        steps = self._needed(name, row=True)
        self._count_uses(steps)
        for number, step in enumerate(steps):
            self._free_scalars()
            if step.instruction in ("divide", "square_root"):
                self._on_scalars(step)
                continue
            self._lanes(step)
            later = steps[number + 1 :]
            others = [entry for entry in self.steps.values() if step.result in entry.operands and entry not in later]
            divides = any(
                step.result in entry.operands and entry.instruction in ("divide", "square_root") for entry in later
            )
            if others or divides or step.result == name:
                scalar = self._take_scalar()
                self.operations[-1] = replace(self.operations[-1], to_scalar=1, target=scalar)
                self.places[step.result] = _Place(scalar=scalar)
            else:
                self._keep(step.result)
            self._release(step)
        self._free_scalars()
        self.accumulator = None

    def _free_scalars(self) -> None:
        """Frees the scalars that nothing to come reads."""
        live: set[str] = set()
        seen: set[str] = set()
        stack = list(self._targets)
        while stack:
            entry = stack.pop()
            if entry in self.places:
                live.add(entry)
            elif entry not in seen:
                seen.add(entry)
                if self.steps[entry].instruction != _INPUT:
                    stack += [op for op in self.steps[entry].operands if isinstance(op, str)]
        for name in [name for name, place in self.places.items() if place.scalar is not None and name not in live]:
            self.free_scalars.append(int(self.places.pop(name).scalar or 0))

    def _on_scalars(self, step: Step) -> None:
        target = self._take_scalar()
        entry = Micro(Second.SCALAR_ROOT if step.instruction == "square_root" else Second.SCALAR_DIVIDE, target=target)
        sources = [self._place(op) for op in step.operands]
        if any(source.constant is None and source.scalar is None for source in sources):
            raise self._refuse(step)
        scalars = {source.scalar for source in sources if source.scalar is not None}
        constants = {source.bits: source.number for source in sources if source.constant is not None}
        if len(scalars) > 1 or len(constants) > 1:
            raise self._refuse(step)
        entry = replace(entry, scalar=next(iter(scalars), 0), constant=next(iter(constants.values()), 0.0))
        entry = replace(entry, a=A.REGISTER if sources[0].scalar is not None else A.CONSTANT)
        if len(sources) > 1:
            entry = replace(entry, b=B.SCALAR if sources[1].scalar is not None else B.CONSTANT)
        self.operations.append(entry)
        self.accumulator = None
        self.places[step.result] = _Place(scalar=target)

    def _element(self, name: str) -> None:
        """Works out an element value in the accumulator; what it took on the way is forgotten again."""
        steps = self._needed(name, row=False)
        before = set(self.places)
        self._count_uses(steps)
        fused: set[str] = set()
        for number, step in enumerate(steps):
            following = steps[number + 1] if number + 1 < len(steps) else None
            if following is not None and self._fuses(step, following):
                fused.add(step.result)
                continue
            product = next((entry for entry in steps if entry.result in fused and entry.result in step.operands), None)
            self._lanes(step, product)
            next_reads = following is not None and step.result in following.operands
            if step.result != name and not (next_reads and self.uses[step.result] == 1):
                self._keep(step.result)
            self._release(step)
            if product is not None:
                self._release(product)
        if not steps:
            self._move(name)
        for entry in set(self.places) - before:
            register = self.places.pop(entry).register
            if register is not None and register not in self.free_registers:
                self.free_registers.append(register)

    def _count_uses(self, steps: Sequence[Step]) -> None:
        self.uses = {}
        for step in steps:
            for op in step.operands:
                if isinstance(op, str):
                    self.uses[op] = self.uses.get(op, 0) + 1

    def _release(self, step: Step) -> None:
        """Frees the registers of what nothing after `step` reads, of what these steps have made."""
        if step.instruction == _INPUT:
            return
        for op in step.operands:
            if not isinstance(op, str):
                continue
            self.uses[op] -= 1
            place = self.places.get(op)
            if self.uses[op] == 0 and place is not None and place.register is not None:
                self.free_registers.append(place.register)
                del self.places[op]

    def _keep(self, name: str) -> None:
        register = self._take_register()
        if self.operations[-1].to_scalar:
            self.operations.append(Micro())  # one target a micro-operation
        self.operations[-1] = replace(self.operations[-1], write=1, target=register)
        self.places[name] = _Place(register=register)

    def _fuses(self, step: Step, following: Step) -> bool:
        """Whether a product and what is done to it next are one micro-operation."""
        if step.instruction not in ("multiply", _INPUT) or self.uses.get(step.result) != 1:
            return False
        if following.instruction not in ("add", "subtract", "maximum", "minimum", "round"):
            return False
        if step.result not in following.operands:
            return False
        others = [op for op in following.operands if op != step.result]
        if len(others) != (following.instruction != "round"):
            return False
        factors = () if step.instruction == _INPUT else step.operands
        if factors and all(self._place(op).scalar is not None for op in factors):
            return False
        stays = [self._place(op) for op in (*factors, *others) if op != self.accumulator]
        constants = {place.bits for place in stays if place.constant is not None}
        if step.instruction == _INPUT:
            constants.add(_Place(float(step.operands[1])).bits)
        registers = {place.register for place in stays if place.register is not None}
        scalars = {place.scalar for place in stays if place.scalar is not None}
        return len(constants) <= 1 and len(registers) <= 1 and len(scalars) <= 1

    def _place(self, operand: str | float) -> _Place:
        if not isinstance(operand, str):
            return _Place(operand)
        return self.places.get(operand, _Place())

    def _lanes(self, step: Step, product: Step | None = None) -> None:
        """One step, or a product and the step that takes it, by the lanes; the result is the accumulator."""
        if product is not None:
            base, other = self._product(product), next((op for op in step.operands if op != product.result), None)
            second = _SECOND[step.instruction]
            if other is not None:
                if step.operands[0] != product.result:
                    second = _TURNED[second]
                base = self._with_c(base, other)
            self._append(replace(base, second=second), step.result)
            return
        if step.instruction in ("multiply", "scale", _INPUT):
            self._append(self._product(step), step.result)
            return
        if step.instruction == "divide":
            self._divide(step)
            return
        operands = list(step.operands)
        if step.instruction == "absolute":
            operands, second = [operands[0], 0.0], Second.SIGNED
        elif step.instruction == "negate":
            self._append(self._product(Step(step.result, "multiply", (operands[0], -1.0))), step.result)
            return
        elif step.instruction in _SECOND:
            second = _SECOND[step.instruction]
        else:
            raise self._refuse(step)
        if second is Second.SELECT:
            self._set_mask(str(operands.pop(0)))
        entry = self._first(operands[0], operands[1] if len(operands) > 1 else None)
        if len(operands) > 1:
            entry = self._with_c(entry, operands[1])
        self._append(replace(entry, second=second), step.result)

    def _append(self, entry: Micro, name: str) -> None:
        if entry.second in (Second.LESS, Second.EQUAL):
            entry, self.mask = replace(entry, set_mask=1), name
        self.operations.append(entry)
        self.accumulator = name

    def _product(self, step: Step) -> Micro:
        """a and b of a product, with what does not fit beside each other fetched before."""
        if step.instruction == _INPUT:
            stream, scale = step.operands
            return Micro(a=A.STREAM, b=B.CONSTANT, constant=float(scale), stream=int(float(stream)))
        x, y = step.operands
        scale = int(step.instruction == "scale")
        if not scale and x != self.accumulator and (y == self.accumulator or self._place(x).scalar is not None):
            x, y = y, x
        if isinstance(y, str) and y == self.accumulator and x != y and self._place(x).scalar is not None:
            # A scalar is only ever b: x has to be the accumulator, and y another place.
            self._keep(y)
            self._move(x)
        entry = self._first(x, y)
        if y == self.accumulator and entry.a is not A.ACCUMULATOR:
            return replace(entry, b=B.ACCUMULATOR, scale=scale)
        if y == x and entry.a is A.ACCUMULATOR:
            return replace(entry, b=B.ACCUMULATOR, scale=scale)
        place = self._place(y)
        if place.constant is not None:
            return replace(entry, b=B.CONSTANT, constant=place.constant, scale=scale)
        if place.scalar is not None:
            return replace(entry, b=B.SCALAR, scalar=place.scalar, scale=scale)
        return replace(entry, b=B.REGISTER, register=place.register or 0, scale=scale)

    def _first(self, x: str | float, other: str | float | None) -> Micro:
        """x as the first operand, times 1; moved to the accumulator where it cannot stand beside `other`."""
        place, beside = self._place(x), self._place(other) if other is not None else _Place()
        if isinstance(x, str) and x == self.accumulator:
            return Micro()
        if place.constant is not None:
            if beside.constant is None or beside.bits == place.bits:
                return Micro(a=A.CONSTANT, constant=place.constant)
        elif place.register is not None:
            if beside.register is None or beside.register == place.register or other == self.accumulator:
                return Micro(a=A.REGISTER, register=place.register)
        if other is not None and other == self.accumulator and place.scalar is None:
            raise LithifyError(f"The vector program of {self.name} has two operands in one place.")
        if place.scalar is not None and other == self.accumulator:
            return Micro(a=A.CONSTANT, constant=1.0, b=B.SCALAR, scalar=place.scalar)
        self._move(x)
        return Micro()

    def _move(self, x: str | float) -> None:
        """x to the accumulator."""
        place = self._place(x)
        if isinstance(x, str) and x == self.accumulator:
            return
        if place.scalar is not None:
            entry = Micro(a=A.CONSTANT, constant=1.0, b=B.SCALAR, scalar=place.scalar)
        elif place.register is not None:
            entry = Micro(a=A.REGISTER, register=place.register)
        else:
            entry = Micro(a=A.CONSTANT, constant=place.number)
        self._append(entry, x if isinstance(x, str) else "")

    def _with_c(self, entry: Micro, y: str | float) -> Micro:
        place = self._place(y)
        if isinstance(y, str) and y == self.accumulator:
            return replace(entry, c=C.ACCUMULATOR)
        if place.constant is not None:
            return replace(entry, c=C.CONSTANT, constant=place.constant)
        if place.scalar is not None:
            return replace(entry, c=C.SCALAR, scalar=place.scalar)
        return replace(entry, c=C.REGISTER, register=place.register or 0)

    def _set_mask(self, name: str) -> None:
        if self.mask != name:
            raise LithifyError(f"The vector program of {self.name} takes a mask that is no longer there.")

    def _divide(self, step: Step) -> None:
        x, y = step.operands
        divisor = self._place(y)
        if not isinstance(x, str) or (divisor.scalar is None and divisor.constant is None):
            raise self._refuse(step)
        if self._place(x).register is None:
            self._move(x)
            self._keep(x)
        register = self.places[x].register or 0
        target = self._take_register()
        entry = Micro(Second.DIVIDE, A.REGISTER, B.CONSTANT, register=register, target=target)
        if divisor.scalar is not None:
            entry = replace(entry, b=B.SCALAR, scalar=divisor.scalar)
        else:
            entry = replace(entry, constant=divisor.number)
        self.operations.append(entry)
        self.accumulator = None
        self.places[step.result] = _Place(register=target)
        self._move(step.result)

    def _refuse(self, step: Step) -> LithifyError:
        return LithifyError(
            f"The vector unit cannot {step.instruction} as {self.name} asks for: "
            "it divides elements by a number of the row, and numbers of the row by each other and a constant."
        )

    def _take_register(self) -> int:
        if not self.free_registers:
            raise LithifyError(f"The vector program of {self.name} needs more than {REGISTERS} registers.")
        return self.free_registers.pop(0)

    def _take_scalar(self) -> int:
        if not self.free_scalars:
            raise LithifyError(f"The vector program of {self.name} needs more than {SCALARS} scalars.")
        return self.free_scalars.pop(0)
