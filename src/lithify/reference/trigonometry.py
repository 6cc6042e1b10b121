"""Angles and their hyperbolic kin, as exact as the digits of the decimal context in use (80, see `functions`)."""

from decimal import Decimal

ZERO, ONE, TWO, HALF = Decimal(0), Decimal(1), Decimal(2), Decimal("0.5")
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211707")


def minus_one_of_exp(x: Decimal) -> Decimal:
    """exp(x) - 1, without the loss of digits near 0."""
    if abs(x) > Decimal("0.01"):
        return x.exp() - 1
    term, total = x, x
    for n in range(2, 40):
        term = term * x / n
        total += term
    return total


def log_of_one_plus(x: Decimal) -> Decimal:
    """ln(1 + x) for x >= 0, without the loss of digits near 0."""
    if x > Decimal("0.01"):
        return (1 + x).ln()
    power, total = x, x
    for n in range(2, 40):
        power = -power * x
        total += power / n
    return total


_NAN = Decimal("NaN")


def sin(x: Decimal) -> Decimal:
    """NaN at infinity."""
    if not x.is_finite():
        return _NAN
    return _sine_series(x.remainder_near(2 * PI))


def cos(x: Decimal) -> Decimal:
    """NaN at infinity."""
    if not x.is_finite():
        return _NAN
    return _sine_series(PI / 2 - abs(x.remainder_near(2 * PI)))


def tan(x: Decimal) -> Decimal:
    """NaN at infinity."""
    return sin(x) / cos(x)


def _sine_series(x: Decimal) -> Decimal:
    """sin(x) for |x| <= pi."""
    square, term, total, n = x * x, x, x, 1
    while term and abs(term) > abs(total) * Decimal("1e-80"):
        term = -term * square / ((n + 1) * (n + 2))
        total += term
        n += 2
    return total


def atan(x: Decimal) -> Decimal:
    """pi / 2 at infinity."""
    if x.is_nan():
        return x
    if x.is_infinite():
        return (PI / 2).copy_sign(x)
    if abs(x) > 1:
        return (PI / 2).copy_sign(x) - atan(1 / x)
    part, halvings = x, 4
    for _ in range(halvings):  # tan(a / 2) = t / (1 + sqrt(1 + t^2))
        part = part / (1 + (1 + part * part).sqrt())
    square, power, total, n = part * part, part, part, 1
    while power and abs(power) > abs(total) * Decimal("1e-80"):
        power = -power * square
        n += 2
        total += power / n
    return total * TWO**halvings


def asin(x: Decimal) -> Decimal:
    """NaN beyond 1."""
    if x.is_nan() or abs(x) > 1:
        return _NAN
    return (PI / 2).copy_sign(x) if abs(x) == 1 else atan(x / (1 - x * x).sqrt())


def acos(x: Decimal) -> Decimal:
    """NaN beyond 1; 2 atan(sqrt((1 - x) / (1 + x))), which keeps its digits near 1."""
    if x.is_nan() or abs(x) > 1:
        return _NAN
    return +PI if x == -1 else 2 * atan(((1 - x) / (1 + x)).sqrt())


def sinh(x: Decimal) -> Decimal:
    """(exp(x) - exp(-x)) / 2."""
    if not x.is_finite():
        return x
    part = minus_one_of_exp(abs(x))
    return ((part + part / (part + 1)) / 2).copy_sign(x) if part.is_finite() else part.copy_sign(x)


def cosh(x: Decimal) -> Decimal:
    """(exp(x) + exp(-x)) / 2."""
    return (x.exp() + (-x).exp()) / 2


def asinh(x: Decimal) -> Decimal:
    """ln(x + sqrt(x^2 + 1))."""
    if not x.is_finite():
        return x
    size = abs(x)
    return log_of_one_plus(size + size * size / (1 + (1 + size * size).sqrt())).copy_sign(x)


def acosh(x: Decimal) -> Decimal:
    """ln(x + sqrt(x^2 - 1)); NaN below 1."""
    if x.is_nan() or x < 1:
        return _NAN
    rest = x - 1
    return log_of_one_plus(rest + (rest * (rest + 2)).sqrt())


def atanh(x: Decimal) -> Decimal:
    """ln((1 + x) / (1 - x)) / 2; infinite at 1, NaN beyond."""
    if x.is_nan() or abs(x) > 1:
        return _NAN
    if abs(x) == 1:
        return Decimal("Infinity").copy_sign(x)
    return (log_of_one_plus(2 * abs(x) / (1 - abs(x))) / 2).copy_sign(x)
