"""Functions of one number, float32 to float32: the result is the float32 nearest to the exact value, halves to even.

Computed with 80 decimal digits, so that no result depends on a processor's or a library's last bit. Arguments and
parameters are taken as the float32 numbers they are. NaN where a function is not defined, infinities where it has
them. Names, parameters and defaults are those of the ONNX operators; Silu and QuickGelu are Swish.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference import trigonometry
from lithify.reference.trigonometry import HALF as _HALF
from lithify.reference.trigonometry import ONE as _ONE
from lithify.reference.trigonometry import PI as _PI
from lithify.reference.trigonometry import TWO as _TWO
from lithify.reference.trigonometry import ZERO as _ZERO
from lithify.reference.trigonometry import log_of_one_plus as _log_of_one_plus
from lithify.reference.trigonometry import minus_one_of_exp as _minus_one_of_exp

Values = NDArray[np.float32]

# No traps: 1 / 0 is infinite and infinity - infinity is NaN, as in IEEE 754.
_CONTEXT = Context(prec=80, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def _tanh(x: Decimal) -> Decimal:
    part = _minus_one_of_exp(-2 * abs(x))
    return (-part / (part + 2)).copy_sign(x)


def _softplus(x: Decimal) -> Decimal:
    return max(x, _ZERO) + _log_of_one_plus((-abs(x)).exp())


def _erf(x: Decimal) -> Decimal:
    """2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)), all terms of one sign."""
    if abs(x) > 12:  # 1 - erf(12) < 1e-63
        return _ONE.copy_sign(x)
    square = x * x
    term, total, n = x, x, 1
    while abs(term) > abs(total) * Decimal("1e-78"):
        term = term * 2 * square / (2 * n + 1)
        total += term
        n += 1
    return 2 / _PI.sqrt() * (-square).exp() * total


def _elu(x: Decimal, alpha: Decimal) -> Decimal:
    return x if x > 0 else alpha * _minus_one_of_exp(x)


def _mish(x: Decimal) -> Decimal:
    """x * tanh(ln(1 + e)) with e = exp(x), which is x * e * (e + 2) / (e * (e + 2) + 2)."""
    part = (-abs(x)).exp()
    if x > 0:
        return x * (1 + 2 * part) / (1 + 2 * part + 2 * part * part)
    return x * part * (part + 2) / (part * (part + 2) + 2)


def _gelu(x: Decimal) -> Decimal:
    return x * _HALF * (1 + _erf(x / _TWO.sqrt()))


def _gelu_tanh(x: Decimal) -> Decimal:
    return x * _HALF * (1 + _tanh((2 / _PI).sqrt() * (x + Decimal("0.044715") * x * x * x)))


def _power(x: Decimal, exponent: Decimal) -> Decimal:
    return _ONE if exponent == 0 else x**exponent


def _shrink(x: Decimal, bias: Decimal, lambd: Decimal) -> Decimal:
    return x if x.is_nan() else x + bias if x < -lambd else x - bias if x > lambd else _ZERO


def _between(x: Decimal, low: Decimal, high: Decimal) -> Decimal:
    return x if x.is_nan() else min(max(x, low), high)


@dataclass(frozen=True)
class Function:
    """exact: the value at x, as exact as 80 digits are, given x and the parameters in the order of `defaults`.

    defaults: parameter -> the value ONNX gives it when the node does not say.
    """

    exact: Callable[..., Decimal]
    defaults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "Identity": Function(lambda x: x),
        "Abs": Function(abs),
        "Neg": Function(lambda x: -x),
        "Sign": Function(lambda x: x if x.is_nan() or x == 0 else _ONE.copy_sign(x)),
        "Floor": Function(lambda x: x.to_integral_value("ROUND_FLOOR")),
        "Ceil": Function(lambda x: x.to_integral_value("ROUND_CEILING")),
        "Round": Function(lambda x: x.to_integral_value("ROUND_HALF_EVEN")),
        "Relu": Function(lambda x: _between(x, _ZERO, Decimal("Infinity"))),
        "Clip": Function(_between, {"min": -math.inf, "max": math.inf}),
        "LeakyRelu": Function(lambda x, alpha: alpha * x if x < 0 else x, {"alpha": 0.01}),
        "PRelu": Function(lambda x, slope: slope * x if x < 0 else x, {"slope": 0.25}),
        "ThresholdedRelu": Function(lambda x, alpha: x if x > alpha else _ZERO, {"alpha": 1.0}),
        "HardSigmoid": Function(
            lambda x, alpha, beta: _between(alpha * x + beta, _ZERO, _ONE), {"alpha": 0.2, "beta": 0.5}
        ),
        "HardSwish": Function(lambda x: x * _between(x / 6 + _HALF, _ZERO, _ONE)),
        "Softsign": Function(lambda x: x / (1 + abs(x))),
        "Sqrt": Function(lambda x: x.sqrt()),
        "Reciprocal": Function(lambda x: 1 / x),
        "Pow": Function(_power, {"exponent": 2.0}),
        "Exp": Function(lambda x: x.exp()),
        "Log": Function(lambda x: x.ln()),
        "Sigmoid": Function(_sigmoid),
        "Tanh": Function(_tanh),
        "Erf": Function(_erf),
        "Softplus": Function(_softplus),
        "Elu": Function(_elu, {"alpha": 1.0}),
        "Selu": Function(
            lambda x, alpha, gamma: gamma * _elu(x, alpha),
            {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
        ),
        "Celu": Function(lambda x, alpha: x if x > 0 else alpha * _minus_one_of_exp(x / alpha), {"alpha": 1.0}),
        "Swish": Function(lambda x, alpha: x * _sigmoid(alpha * x), {"alpha": 1.0}),
        "Mish": Function(_mish),
        "Gelu": Function(_gelu),
        "GeluTanh": Function(_gelu_tanh),
        "Shrink": Function(_shrink, {"bias": 0.0, "lambd": 0.5}),
        "Sin": Function(trigonometry.sin),
        "Cos": Function(trigonometry.cos),
        "Tan": Function(trigonometry.tan),
        "Asin": Function(trigonometry.asin),
        "Acos": Function(trigonometry.acos),
        "Atan": Function(trigonometry.atan),
        "Sinh": Function(trigonometry.sinh),
        "Cosh": Function(trigonometry.cosh),
        "Asinh": Function(trigonometry.asinh),
        "Acosh": Function(trigonometry.acosh),
        "Atanh": Function(trigonometry.atanh),
    }
)
"""ONNX operator -> the function; GeluTanh is Gelu with approximate = "tanh"."""

PAIRS: Mapping[str, Callable[[Values, Values], Values]] = MappingProxyType(
    {
        "Add": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "Div": np.divide,
        "Max": np.maximum,
        "Min": np.minimum,
    }
)
"""ONNX operator of two operands -> one IEEE operation in float32, for functions written with several operators."""


def apply(name: str, x: Values, **parameters: float) -> Values:
    """The function at every x, float32 of any shape; parameters not given have ONNX's defaults.

    Raises LithifyError for a function or a parameter that is unknown.
    """
    if name not in FUNCTIONS:
        raise LithifyError(f"There is no function '{name}' of one number; known are: {', '.join(FUNCTIONS)}.")
    function = FUNCTIONS[name]
    unknown = sorted(set(parameters) - set(function.defaults))
    if unknown:
        known = ", ".join(function.defaults) or "none"
        raise LithifyError(f"The function {name} has no parameter '{unknown[0]}'; it has: {known}.")
    with localcontext(_CONTEXT):
        settings = [Decimal(float(np.float32(parameters.get(key, value)))) for key, value in function.defaults.items()]
        results = [nearest_float32(function.exact(Decimal(float(item)), *settings)) for item in x.flat]
    return np.array(results, np.float32).reshape(x.shape)


def combine(name: str, a: Values, b: Values) -> Values:
    """One operator of `PAIRS` in float32, broadcasting; infinities and NaN as IEEE 754 has them."""
    if name not in PAIRS:
        raise LithifyError(f"There is no operation '{name}' of two numbers; known are: {', '.join(PAIRS)}.")
    with np.errstate(all="ignore"):
        return PAIRS[name](np.asarray(a, np.float32), np.asarray(b, np.float32))


def nearest_float32(value: Decimal) -> np.float32:
    """The float32 nearest to a decimal number, halves to even, in one rounding."""
    wide = float(value)
    # Two roundings would be wrong where the float64 is a half of float32 and the value is not: an inexact float64 is
    # made odd, which is never such a half and lies on the side of the value.
    if math.isfinite(wide) and (rest := value - Decimal(wide)) != 0 and not _odd(wide):
        wide = math.nextafter(wide, math.copysign(math.inf, rest))
    with np.errstate(over="ignore"):
        return np.float32(wide)


def _odd(wide: float) -> bool:
    return bool(np.float64(wide).view(np.int64) & 1)
