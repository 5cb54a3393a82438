"""Turn money of one currency into another's, through the price of a rate instrument: no price, no rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading_portal.kernel.money import divide

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Mark:
    """What an instrument is valued at: its last trade, live or of its last close."""

    price: Decimal
    at: datetime
    is_live: bool
    previous_close: Decimal | None


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in the base; `previous` as of the previous close, None when unknown."""

    now: Decimal
    previous: Decimal | None
    is_live: bool


def rate_symbols(currency: str, base: str) -> tuple[str, ...]:
    """Return the symbols of the instruments that can tell a rate; none are needed for the base itself."""
    return () if currency == base else (f"{currency}/{base}", f"{base}/{currency}")


def rate_of(currency: str, base: str, marks: Mapping[str, Mark]) -> Rate | None:
    """Return the rate of a currency, direct or inverted, or None: stablecoins too need a price."""
    if currency == base:
        return Rate(_ONE, _ONE, is_live=True)
    direct, inverted = rate_symbols(currency, base)
    if mark := marks.get(direct):
        return Rate(mark.price, mark.previous_close, mark.is_live)
    if mark := marks.get(inverted):
        previous = divide(_ONE, mark.previous_close) if mark.previous_close else None
        return Rate(divide(_ONE, mark.price), previous, mark.is_live)
    return None
