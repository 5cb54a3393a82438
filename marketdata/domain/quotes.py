"""Say a price as browsers are shown it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from marketdata.domain.types import PriceUpdate

_HUNDREDTH = Decimal("0.01")


class _QuoteView(msgspec.Struct, frozen=True):
    """A price as a browser shows it."""

    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    last_size: Decimal
    change: Decimal | None
    change_percent: Decimal | None
    previous_close: Decimal | None
    executed_at: object
    received_at: object
    synthetic: bool
    open: bool


def _change_of(update: PriceUpdate) -> tuple[Decimal | None, Decimal | None]:
    """Return the change since the previous close, as an amount and as a percentage to two places."""
    before = update.previous_close
    if not before:
        return None, None
    change = update.last - before
    return change, (change * 100 / before).quantize(_HUNDREDTH, rounding=ROUND_HALF_EVEN)


def quote_text(update: PriceUpdate) -> str:
    """Return a price as the JSON object that quotes frames hold."""
    change, percent = _change_of(update)
    return msgspec.json.encode(
        _QuoteView(
            update.bid,
            update.ask,
            update.bid_size,
            update.ask_size,
            update.last,
            update.last_size,
            change,
            percent,
            update.previous_close,
            update.executed_at,
            update.received_at,
            update.is_synthetic,
            update.is_open,
        )
    ).decode()
