"""Count by a split's ratio: units one way, prices the other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from trading_portal.kernel.money import ZERO, divide, multiply, stored

_LARGEST_PART = 1000


def units_after(units: Decimal, ratio: Decimal) -> Decimal:
    """Return what units become by a split, rounded once to what a column holds."""
    new, old = _parts(ratio)
    return stored(divide(multiply(units, new), old))


def price_after(price: Decimal, ratio: Decimal) -> Decimal:
    """Return what a price of one unit becomes by a split, rounded once to what a column holds."""
    new, old = _parts(ratio)
    return stored(divide(multiply(price, old), new))


def shares_after(fills: Sequence[Decimal], ratio: Decimal) -> list[Decimal]:
    """Return what fills become, so that their sum is what the sum becomes: the last takes what rounding leaves."""
    found = [units_after(each, ratio) for each in fills]
    if found:
        found[-1] += units_after(sum(fills, ZERO), ratio) - sum(found, ZERO)
    return found


def _parts(ratio: Decimal) -> tuple[Decimal, Decimal]:
    """Return a ratio as new units for old ones; one of three is written 0.3333333333, and is a third all the same."""
    parts = Fraction(ratio).limit_denominator(_LARGEST_PART)
    new, old = Decimal(parts.numerator), Decimal(parts.denominator)
    return (new, old) if new and stored(divide(new, old)) == stored(ratio) else (ratio, Decimal(1))
