"""Name the keys and channels through which prices travel in Redis."""

from __future__ import annotations

PRICES = "hub:prices"
CANDLES = "hub:candles"
ACCOUNTS = "hub:accounts"
FRESH_SECONDS = 5


def quote_key(symbol: str) -> str:
    """Return the key of a symbol's last price, which lives for FRESH_SECONDS."""
    return f"md:quote:{symbol}"
