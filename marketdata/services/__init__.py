"""Write instruments, watchlists, candles and prices; run a feed."""

from __future__ import annotations

from marketdata.services.instruments import (
    demo_instruments_ensure,
    instrument_add,
    instrument_switch,
    watchlist_ensure,
)

__all__ = ["demo_instruments_ensure", "instrument_add", "instrument_switch", "watchlist_ensure"]
