"""Written functions along a row to programs of the vector unit.

- sources: what the inputs of a function are
- values: which values are constants, of the row, or of elements, and which are still to be worked out
- lanes: a step, or a product and what is done with it next, as a micro-operation; where its operands are
- tables: what is looked up, being a function of one int8
- programs: loops over the strips, reductions, registers and scalars
"""

from collections.abc import Mapping

from lithify.compiler.vector.programs import Program
from lithify.compiler.vector.sources import Source, Streamed
from lithify.compiler.vector.tables import tabulated
from lithify.errors import LithifyError
from lithify.isa.vector import Micro
from lithify.reference.written import Written

__all__ = ["Source", "Streamed", "tabulated", "translate"]


def translate(
    function: Written,
    sources: Mapping[str, Source],
    *,
    divide_by: float | None = None,
    whole_strips: bool = False,
    strips: int | None = None,
) -> tuple[Micro, ...]:
    """The program that stores the function's result, element by element.

    sources: of every input of the function. divide_by: the scale of an int8 output, by which results are divided before
    they are rounded. whole_strips: rows are a multiple of 64 long, so that no element is missing. strips: of a row; if
    it is said, and registers suffice, what two loops need of every element is worked out once, and the program is
    good for rows of so many strips alone.
    Raises LithifyError for what the unit cannot do, or not with its registers.
    """
    if strips is not None:
        try:
            return Program(function, sources, whole_strips, strips).made(divide_by)
        except LithifyError:
            pass  # without keeping anything it takes fewer registers
    return Program(function, sources, whole_strips, None).made(divide_by)
