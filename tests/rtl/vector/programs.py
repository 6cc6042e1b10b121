"""Vector programs: softmax as a person would write it, and random ones."""

from dataclasses import replace

import numpy as np

from lithify.errors import LithifyError
from lithify.isa.vector import TABULATED, A, B, C, Format, Micro, Second, Stream, VectorInstruction, check_program
from lithify.reference.float_functions import POLYNOMIALS

INFINITY = float("inf")


def constant(value: float) -> float:
    return float(np.float32(value))


def folds(second: Second, target: int) -> list[Micro]:
    """The accumulator's 64 elements to the scalar `target`, in the order of `row_sum`."""
    steps = [Micro(second, c=C.FOLDED, fold=n) for n in range(6, 0, -1)]
    return [*steps[:-1], replace(steps[-1], to_scalar=1, target=target)]


def exponential() -> list[Micro]:
    """e^accumulator, for an accumulator that is not above 0, by the steps of `exp_of_sum`; registers 2, 3, 4 and 5."""
    c = POLYNOMIALS["EXP"]
    return [
        Micro(Second.MAXIMUM, c=C.CONSTANT, constant=-104),
        Micro(Second.MINIMUM, c=C.CONSTANT, constant=104, write=1, target=2),
        Micro(Second.ROUND, b=B.CONSTANT, constant=constant(1 / np.log(2)), write=1, target=3),
        Micro(Second.REVERSE, b=B.CONSTANT, c=C.REGISTER, constant=float.fromhex("0x1.62e4p-1"), register=2),
        Micro(Second.ADD, write=1, target=4),
        Micro(Second.REVERSE, a=A.REGISTER, b=B.CONSTANT, c=C.ACCUMULATOR, constant=float.fromhex("0x1.7f7d1cp-20"),
              register=3),
        Micro(Second.ADD, c=C.CONSTANT, constant=0.0, write=1, target=4),
        Micro(a=A.REGISTER, b=B.CONSTANT, register=4, constant=c[4]),
        Micro(c=C.CONSTANT, constant=c[3]),
        *(Micro(b=B.REGISTER, c=C.CONSTANT, register=4, constant=c[n]) for n in (2, 1)),
        Micro(b=B.REGISTER, c=C.CONSTANT, register=4, constant=c[0], write=1, target=5),
        Micro(a=A.REGISTER, b=B.REGISTER, register=4),
        Micro(b=B.REGISTER, register=5),
        Micro(c=C.REGISTER, register=4),
        Micro(c=C.CONSTANT, constant=1.0),
        Micro(b=B.REGISTER, register=3, scale=1),
    ]  # fmt: skip


def softmax(rows: int, columns: int, scale: float, zero_point: int, y_scale: float, y_zero_point: int,
            place: tuple[int, int, int], word_bytes: int) -> VectorInstruction:  # fmt: skip
    """Softmax of int8 rows to int8 rows; place: scratchpad addresses of program, input and output."""
    scale = constant(scale)
    read = Micro(a=A.STREAM, b=B.CONSTANT, constant=scale, first=1)
    below = replace(read, second=Second.SUBTRACT, c=C.SCALAR, scalar=0)
    operations = (
        Micro(a=A.CONSTANT, constant=-INFINITY, write=1, target=0),
        read,
        Micro(Second.SELECT, c=C.CONSTANT, constant=-INFINITY, present=1),
        Micro(Second.MAXIMUM, c=C.REGISTER, register=0, write=1, target=0, last=1),
        *folds(Second.MAXIMUM, 0),
        Micro(a=A.CONSTANT, constant=0.0, write=1, target=1),
        below,
        *exponential(),
        Micro(Second.SELECT, c=C.CONSTANT, constant=0.0, present=1),
        Micro(c=C.REGISTER, register=1, write=1, target=1, last=1),
        *folds(Second.ADD, 1),
        Micro(Second.SCALAR_DIVIDE, a=A.CONSTANT, b=B.SCALAR, constant=1.0, scalar=1, target=1),
        below,
        *exponential(),
        Micro(b=B.SCALAR, scalar=1, write=1, target=6),
        Micro(Second.DIVIDE, a=A.REGISTER, b=B.CONSTANT, constant=constant(y_scale), register=6, target=6),
        Micro(a=A.REGISTER, register=6, store=1, last=1),
    )
    row_words = -(-columns // word_bytes)
    x = Stream(place[1], row_words, Format.INT8, zero_point)
    return VectorInstruction(place[0], rows, columns, operations, x=x,
                             y=Stream(place[2], row_words, Format.INT8, y_zero_point))  # fmt: skip


def random_micro(random: np.random.Generator) -> Micro:
    """Any micro-operation, most of them no valid continuation."""

    def pick(kind: type, most: int | None = None) -> int:
        return int(random.integers(0, len(kind) if most is None else most))  # type: ignore[arg-type]

    def flag(chance: float) -> int:
        return int(random.random() < chance)

    value = [0.0, -0.0, 1.0, -2.5, 0.75, INFINITY, 1e-30, 3e38, float(random.normal() * 4), 104.0][pick(list, 10)]
    second = Second(pick(Second))
    lane = int(second < Second.DIVIDE)
    return Micro(
        second, A(pick(A)), B(pick(B)), C(pick(C, 5)), constant(value), pick(list, 8), pick(list, 4),
        scale=flag(0.1), present=flag(0.5), set_mask=flag(0.5) * int(5 <= second <= 6), write=flag(0.6) * lane,
        target=pick(list, 8), to_scalar=flag(0.3) * lane, stream=pick(list, 4), store=flag(0.3) * lane,
        read_strip=flag(0.3), write_strip=flag(0.3),
    )  # fmt: skip


def looks_up(program: tuple[Micro, ...]) -> bool:
    return any(entry.lane and entry.a is A.STREAM and entry.stream == TABULATED for entry in program)


def random_program(random: np.random.Generator) -> tuple[Micro, ...]:
    """A program of up to 64 micro-operations, some in loops, with folds and divisions; valid for up to 3 strips."""
    length = int(random.integers(3, 40))
    program: list[Micro] = []

    def fits(more: list[Micro]) -> bool:
        try:
            for strips in (1, 2, 3):
                check_program((*program, *more), strips)
        except LithifyError:
            return False
        return True

    while len(program) < length:
        second = (Second.ADD, Second.MAXIMUM, Second.MINIMUM)[int(random.integers(0, 3))]
        fold = folds(second, int(random.integers(0, 4)))
        if random.random() < 0.2 and fits(fold):
            program += fold
        body: list[Micro] = []
        for _ in range(int(random.integers(1, 6))):
            for _ in range(400):
                entry = random_micro(random)
                if fits([*body, entry]):
                    body.append(entry)
                    break
        if not body:
            continue
        looped = [replace(entry, first=int(n == 0), last=int(n == len(body) - 1)) for n, entry in enumerate(body)]
        program += looped if random.random() < 0.6 and fits(looped) else body
    return tuple(program)
