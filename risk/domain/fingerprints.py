"""Recognise an order that is like another."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from risk.domain.rules.structural import fault
from risk.domain.types import OrderIntent
from trading_portal.kernel.money import plain


def fingerprint(intent: OrderIntent) -> bytes:
    """Return 16 bytes that two orders of an account share when symbol, side, quantity and price are the same.

    Of an order for an amount it is the amount, whatever it came to; of a stop its stop or its trail.
    """
    prices = intent.limit_price, intent.stop_price, intent.trail_price, intent.trail_percent
    return _print(intent.instrument.id, intent.side, intent.quantity, intent.notional, *prices)


def print_of(intent: OrderIntent) -> bytes | None:
    """Return the fingerprint by which an order may be a duplicate; None for a replace and for one malformed."""
    return fingerprint(intent) if intent.instead_of is None and fault(intent) is None else None


@lru_cache(maxsize=4096)
def _print(
    instrument_id: UUID, side: str, quantity: Decimal, notional: Decimal | None, *prices: Decimal | None
) -> bytes:
    """Remember it: looking for twins, judging and recording an order each ask."""
    amount = plain(quantity) if notional is None else f"{plain(notional)} worth"
    asked = "|".join("" if price is None else plain(price) for price in prices)
    return blake2b(f"{instrument_id}|{side}|{amount}|{asked}".encode(), digest_size=16).digest()
