"""Name the keys and channels through which prices travel in Redis."""

from __future__ import annotations

PRICES = "hub:prices"
CANDLES = "hub:candles"
FRESH_SECONDS = 5
_ACCOUNT = "hub:account:"


def quote_key(symbol: str) -> str:
    """Return the key of a symbol's last price, which lives for FRESH_SECONDS."""
    return f"md:quote:{symbol}"


def account_channel(account_id: object) -> str:
    """Return the channel of one account's events; who publishes asks Redis first whether anybody listens."""
    return f"{_ACCOUNT}{account_id}"


def account_of(channel: str) -> str | None:
    """Return the account id of an account's channel, None for another channel."""
    return channel.removeprefix(_ACCOUNT) if channel.startswith(_ACCOUNT) else None
