"""Write instruments, watchlists, candles and prices; run a feed."""

from __future__ import annotations

from marketdata.services.feeding import feed_run
from marketdata.services.instruments import (
    demo_instruments_ensure,
    instrument_add,
    instrument_switch,
    watchlist_ensure,
)
from marketdata.services.quotes import redis_answering, redis_client, redis_shared

__all__ = [
    "demo_instruments_ensure",
    "feed_run",
    "instrument_add",
    "instrument_switch",
    "redis_answering",
    "redis_client",
    "redis_shared",
    "watchlist_ensure",
]
