"""Recognise an order that is like another."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from risk.domain.types import OrderIntent
from trading_portal.kernel.money import plain


def fingerprint(intent: OrderIntent) -> bytes:
    """Return 16 bytes that two orders of an account share when symbol, side, quantity and price are the same."""
    return _print(intent.instrument.id, intent.side, intent.quantity, intent.limit_price)


@lru_cache(maxsize=4096)
def _print(instrument_id: UUID, side: str, quantity: Decimal, limit_price: Decimal | None) -> bytes:
    """Remember it: looking for twins, judging and recording an order each ask."""
    price = "market" if limit_price is None else plain(limit_price)
    return blake2b(f"{instrument_id}|{side}|{plain(quantity)}|{price}".encode(), digest_size=16).digest()
