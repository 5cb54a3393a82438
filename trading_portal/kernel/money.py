"""Keep money exact: strict parsing, one rounding, plain text."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

STORED_PLACES = 10
STORED_DIGITS = 28
STORED_STEP = Decimal(1).scaleb(-STORED_PLACES)
STORED_LIMIT = Decimal(1).scaleb(STORED_DIGITS - STORED_PLACES)
AMOUNT_LIMIT = Decimal(10**15)
"""What a quantity, a price or a limit stays below: what is made of some of them still fits the columns."""
ZERO = Decimal(0)

_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_PLAIN_NUMBER = re.compile(r"-?(?:\d{1,18})(?:\.\d{1,10})?", re.ASCII)
_CURRENCY_PLACES = {"JPY": 0, "KRW": 0, "BTC": 8, "ETH": 8}


def parse(text: object) -> Decimal | None:
    """Return the Decimal that a plain number says (string, int or Decimal), or None when it is not one.

    Refuses floats, booleans, NaN, Infinity, exponents, blanks, underscores, other scripts' digits,
    more than 18 digits before or 10 after the point, and the negative zero.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
        return None
    if isinstance(text, Decimal):
        if not text.is_finite() or abs(text.adjusted()) > STORED_DIGITS:
            return None
        text = format(text, "f")
    written = str(text)
    if not _PLAIN_NUMBER.fullmatch(written):
        return None
    value = Decimal(written)
    return None if value == 0 and written.startswith("-") else value


def plain(value: Decimal) -> str:
    """Return a Decimal without exponent and without trailing zeros."""
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether a value lies on the grid of a positive step."""
    return _CONTEXT.remainder(value, step) == 0


def to_tick(raw: Decimal, *, tick: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return the price on the tick grid nearest to raw."""
    return (raw / tick).quantize(Decimal(1), rounding=rounding, context=_CONTEXT) * tick


def stored(value: Decimal) -> Decimal:
    """Return a value rounded to what a column holds: ten places, half to even."""
    return value.quantize(STORED_STEP, context=_CONTEXT)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """Return the product with fifty digits; round it with `stored` at the edge."""
    return _CONTEXT.multiply(left, right)


def divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return the quotient with fifty digits; round it with `stored` at the edge."""
    return _CONTEXT.divide(numerator, denominator)


def currency_places(currency: str) -> int:
    """Return how many decimals an amount of a currency is shown with."""
    return _CURRENCY_PLACES.get(currency, 2)


def shown(amount: Decimal, *, currency: str) -> str:
    """Return an amount as a person reads it: rounded once to the currency's places."""
    return format(amount.quantize(Decimal(1).scaleb(-currency_places(currency)), context=_CONTEXT), "f")
