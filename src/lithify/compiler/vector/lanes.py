"""A step, or a product and what is done with it next, as a micro-operation of the lanes.

A micro-operation has one register, one scalar, one constant and one stream; what does not fit beside each other is
fetched to the accumulator before, and what is read later than by the next is kept in a register.
"""

from collections.abc import Mapping
from dataclasses import replace

from lithify.chip.vector import REGISTERS
from lithify.compiler.vector.sources import Place, Source
from lithify.compiler.vector.values import INPUT, Values
from lithify.errors import LithifyError
from lithify.isa.vector import A, B, C, Micro, Second
from lithify.reference.written import Step, Written

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


class Lanes(Values):
    """The program so far; accumulator, mask: the values that these hold."""

    def __init__(self, function: Written, sources: Mapping[str, Source]) -> None:
        super().__init__(function, sources)
        self.operations: list[Micro] = []
        self.accumulator: str | None = None
        self.mask: str | None = None
        self.free_registers = list(range(REGISTERS))

    def fuses(self, step: Step, following: Step) -> bool:
        """Whether a product and what is done to it next are one micro-operation."""
        if step.instruction not in ("multiply", INPUT) or self.uses.get(step.result) != 1:
            return False
        if following.instruction not in ("add", "subtract", "maximum", "minimum", "round"):
            return False
        if step.result not in following.operands:
            return False
        others = [op for op in following.operands if op != step.result]
        if len(others) != (following.instruction != "round"):
            return False
        if any(self.place(op).stream is not None for op in others):
            return False
        factors = () if step.instruction == INPUT else step.operands
        if factors and all(self.place(op).scalar is not None for op in factors):
            return False
        stays = [self.place(op) for op in (*factors, *others) if op != self.accumulator]
        constants = {place.bits for place in stays if place.constant is not None}
        if step.instruction == INPUT:
            constants.add(Place(float(step.operands[1])).bits)
        registers = {place.register for place in stays if place.register is not None}
        scalars = {place.scalar for place in stays if place.scalar is not None}
        return len(constants) <= 1 and len(registers) <= 1 and len(scalars) <= 1

    def lanes(self, step: Step, product: Step | None = None) -> None:
        """One step, or a product and the step that takes it; the result is the accumulator."""
        if product is not None:
            base, other = self._product(product), next((op for op in step.operands if op != product.result), None)
            second = _SECOND[step.instruction]
            if other is not None:
                if step.operands[0] != product.result:
                    second = _TURNED[second]
                base = self._with_c(base, other)
            self._append(replace(base, second=second), step.result)
            return
        if step.instruction in ("multiply", "scale", INPUT):
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
            raise self.refuse(step)
        if second is Second.SELECT:
            self._check_mask(str(operands.pop(0)))
        if len(operands) > 1 and self.place(operands[1]).stream is not None:
            operands, second = operands[::-1], _TURNED[second]
        entry = self._first(operands[0], operands[1] if len(operands) > 1 else None)
        if len(operands) > 1:
            entry = self._with_c(entry, operands[1])
        self._append(replace(entry, second=second), step.result)

    def keep(self, name: str) -> None:
        """Puts the accumulator into a register, too."""
        register = self.take_register()
        if self.operations[-1].to_scalar:
            self.operations.append(Micro())  # one target a micro-operation
        self.operations[-1] = replace(self.operations[-1], write=1, target=register)
        self.places[name] = Place(register=register)

    def move(self, x: str | float) -> None:
        """Brings x to the accumulator."""
        place = self.place(x)
        if isinstance(x, str) and x == self.accumulator:
            return
        if place.stream is not None:
            entry = Micro(a=A.STREAM, stream=place.stream)
        elif place.scalar is not None:
            entry = Micro(a=A.CONSTANT, constant=1.0, b=B.SCALAR, scalar=place.scalar)
        elif place.register is not None:
            entry = _reads(Micro(a=A.REGISTER), place)
        else:
            entry = Micro(a=A.CONSTANT, constant=place.number)
        self._append(entry, x if isinstance(x, str) else "")

    def take_register(self) -> int:
        """A free register."""
        if not self.free_registers:
            raise LithifyError(f"The vector program of {self.name} needs more than {REGISTERS} registers.")
        return self.free_registers.pop(0)

    def refuse(self, step: Step) -> LithifyError:
        """The error for a step that the unit cannot do."""
        return LithifyError(
            f"The vector unit cannot {step.instruction} as {self.name} asks for: "
            "it divides elements by a number of the row, and numbers of the row by each other and a constant."
        )

    def _append(self, entry: Micro, name: str) -> None:
        if entry.second in (Second.LESS, Second.EQUAL):
            entry, self.mask = replace(entry, set_mask=1), name
        self.operations.append(entry)
        self.accumulator = name

    def _product(self, step: Step) -> Micro:
        """a and b of a product, with what does not fit beside each other fetched before."""
        if step.instruction == INPUT:
            stream, scale = step.operands
            return Micro(a=A.STREAM, b=B.CONSTANT, constant=float(scale), stream=int(float(stream)))
        x, y = step.operands
        scale = int(step.instruction == "scale")
        if self.place(y).stream is not None:
            x, y = y, x
        elif self.place(x).stream is None and not scale and x != self.accumulator:
            if y == self.accumulator or self.place(x).scalar is not None:
                x, y = y, x
        if isinstance(y, str) and y == self.accumulator and x != y and self.place(x).scalar is not None:
            # A scalar is only ever b: x has to be the accumulator, and y another place.
            self.keep(y)
            self.move(x)
        entry = self._first(x, y)
        if y == self.accumulator and entry.a is not A.ACCUMULATOR:
            return replace(entry, b=B.ACCUMULATOR, scale=scale)
        if y == x and entry.a is A.ACCUMULATOR:
            return replace(entry, b=B.ACCUMULATOR, scale=scale)
        place = self.place(y)
        if place.constant is not None:
            return replace(entry, b=B.CONSTANT, constant=place.constant, scale=scale)
        if place.scalar is not None:
            return replace(entry, b=B.SCALAR, scalar=place.scalar, scale=scale)
        return _reads(replace(entry, b=B.REGISTER, scale=scale), place)

    def _first(self, x: str | float, other: str | float | None) -> Micro:
        """x as the first operand, times 1; moved to the accumulator where it cannot stand beside `other`."""
        place, beside = self.place(x), self.place(other) if other is not None else Place()
        if isinstance(x, str) and x == self.accumulator:
            return Micro()
        if place.stream is not None:
            return Micro(a=A.STREAM, stream=place.stream)
        if place.constant is not None:
            if beside.constant is None or beside.bits == place.bits:
                return Micro(a=A.CONSTANT, constant=place.constant)
        elif place.register is not None:
            if beside.register is None or beside.register == place.register or other == self.accumulator:
                return _reads(Micro(a=A.REGISTER), place)
        if other is not None and other == self.accumulator and place.scalar is None:
            raise LithifyError(f"The vector program of {self.name} has two operands in one place.")
        if place.scalar is not None and other == self.accumulator:
            return Micro(a=A.CONSTANT, constant=1.0, b=B.SCALAR, scalar=place.scalar)
        self.move(x)
        return Micro()

    def _with_c(self, entry: Micro, y: str | float) -> Micro:
        place = self.place(y)
        if isinstance(y, str) and y == self.accumulator:
            return replace(entry, c=C.ACCUMULATOR)
        if place.constant is not None:
            return replace(entry, c=C.CONSTANT, constant=place.constant)
        if place.scalar is not None:
            return replace(entry, c=C.SCALAR, scalar=place.scalar)
        return _reads(replace(entry, c=C.REGISTER), place)

    def _check_mask(self, name: str) -> None:
        if self.mask != name:
            raise LithifyError(f"The vector program of {self.name} takes a mask that is no longer there.")

    def _divide(self, step: Step) -> None:
        x, y = step.operands
        divisor = self.place(y)
        if divisor.scalar is None and divisor.constant is None:
            self._divide_by_elements(step)
            return
        if not isinstance(x, str):
            raise self.refuse(step)
        if self.place(x).register is None:
            self.move(x)
            self.keep(x)
        source, target = self.places[x], self.take_register()
        entry = _reads(Micro(Second.DIVIDE, A.REGISTER, B.CONSTANT, target=target), source)
        if divisor.scalar is not None:
            entry = replace(entry, b=B.SCALAR, scalar=divisor.scalar)
        else:
            entry = replace(entry, constant=divisor.number)
        self.operations.append(entry)
        self.accumulator = None
        self.places[step.result] = Place(register=target)
        self.move(step.result)

    def _divide_by_elements(self, step: Step) -> None:
        """The divisor goes to the register that the quotient takes."""
        x, y = step.operands
        if isinstance(y, str) and y == self.accumulator and y not in self.places:
            self.keep(y)
        source, copied = self.place(x), None
        if source.register is None:
            self.move(x)
            copied = self._write()
            source = Place(register=copied)
        self.move(y)
        target = self._write()
        self.operations.append(_reads(Micro(Second.DIVIDE, A.REGISTER, B.REGISTER, target=target), source))
        if copied is not None and isinstance(x, str) and x not in self.places:
            self.places[x] = source
        elif copied is not None:
            self.free_registers.append(copied)
        self.accumulator = None
        self.places[step.result] = Place(register=target)
        self.move(step.result)

    def _write(self) -> int:
        """A register with a copy of the accumulator."""
        register = self.take_register()
        if self.operations[-1].to_scalar or self.operations[-1].write:
            self.operations.append(Micro())
        self.operations[-1] = replace(self.operations[-1], write=1, target=register)
        return register


def _reads(entry: Micro, place: Place) -> Micro:
    """The micro-operation with the register of a place."""
    return replace(entry, register=place.register or 0, read_strip=int(place.by_strip))
