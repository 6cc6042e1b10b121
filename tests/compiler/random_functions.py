"""Random written functions of a row: x by elements, n a number of the row."""

import numpy as np

TWO = ("add", "subtract", "multiply", "maximum", "minimum", "less", "equal", "signed", "scale")
ONE = ("round", "exponent", "significand", "absolute", "negate")
OF_ROW = ("divide", "square_root", "add", "multiply", "subtract")


def random_text(random: np.random.Generator) -> str:
    """The lines of a function with a result y that depends on elements and on the row."""
    elements, rows, lines = ["x"], ["n"], list[str]()

    def among(names: list[str] | tuple[str, ...]) -> str:
        return names[int(random.integers(0, len(names)))]

    def number(share: float) -> str:
        """A number of the row, or with this probability a constant."""
        return repr(float(np.float32(random.normal()))) if random.random() < share else among(rows)

    for place in range(int(random.integers(2, 14))):
        kind, name = random.random(), f"v{place}"
        other = among(elements) if random.random() < 0.6 else number(0.5)
        if kind < 0.15:
            lines.append(f"{name} = {among(('row_sum', 'row_maximum'))}({among(elements)})")
        elif kind < 0.3:
            function = among(OF_ROW)
            operands = number(0.2) if function == "square_root" else f"{number(0.2)}, {number(0.2)}"
            lines.append(f"{name} = {function}({operands})")
        elif kind < 0.4:
            lines.append(f"{name} = divide({among(elements)}, {number(0.2)})")
        elif kind < 0.5:
            lines.append(f"m{place} = less({elements[-1]}, {number(0.5)})")
            lines.append(f"{name} = select(m{place}, {other}, {among(elements)})")
        elif kind < 0.6:
            lines.append(f"{name} = {among(ONE)}({among(elements)})")
        else:
            pair = [among(elements), other]
            first, second = pair if random.random() < 0.5 else reversed(pair)
            lines.append(f"{name} = {among(TWO)}({first}, {second})")
        (rows if kind < 0.3 else elements).append(name)
    return "\n".join([*lines, f"y = add({elements[-1]}, {rows[-1]})"])
