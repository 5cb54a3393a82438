"""Recognise an order that is like another."""

from __future__ import annotations

from hashlib import blake2b

from risk.domain.types import OrderIntent
from trading_portal.kernel.money import plain


def fingerprint(intent: OrderIntent) -> bytes:
    """Return 16 bytes that two orders of an account share when symbol, side, quantity and price are the same."""
    price = "market" if intent.limit_price is None else plain(intent.limit_price)
    text = f"{intent.instrument.id}|{intent.side}|{plain(intent.quantity)}|{price}"
    return blake2b(text.encode(), digest_size=16).digest()
