"""Make instruments and prices for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from audit.domain.types import Actor
from marketdata.domain.types import FeedQuote, FeedTrade, InstrumentFacts, PriceUpdate
from marketdata.services import instrument_add
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

AT = datetime(2026, 3, 4, 15, 0, 7, tzinfo=UTC)
TESTER = Actor.system("test")


def facts(**changes: Any) -> InstrumentFacts:
    known: dict[str, Any] = {
        "id": uuid7(),
        "symbol": f"T{uuid7().hex[8:20].upper()}",
        "name": "Test instrument",
        "asset_class": "crypto",
        "exchange": "CRYPTO",
        "currency": "USD",
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.0001"),
        "calendar": "24/7",
        "is_active": True,
        "is_tradable": True,
        "is_halted": False,
        "is_shortable": False,
    }
    return InstrumentFacts(**known | changes)


def stored_instrument(**changes: Any) -> InstrumentFacts:
    return instrument_add(facts=facts(**changes), by=TESTER, at=clock.now())


def trade(symbol: str, price: str, quantity: str = "1", at: datetime = AT) -> FeedTrade:
    return FeedTrade(symbol=symbol, price=Decimal(price), quantity=Decimal(quantity), executed_at=at)


def quote(symbol: str, bid: str, ask: str, at: datetime = AT, **changes: Any) -> FeedQuote:
    sizes = {"bid_size": Decimal(5), "ask_size": Decimal(7)}
    return FeedQuote(symbol=symbol, bid=Decimal(bid), ask=Decimal(ask), quoted_at=at, **sizes | changes)


def price(symbol: str, last: str = "100", **changes: Any) -> PriceUpdate:
    known: dict[str, Any] = {
        "symbol": symbol,
        "bid": Decimal(last) - 1,
        "ask": Decimal(last) + 1,
        "bid_size": Decimal(5),
        "ask_size": Decimal(7),
        "last": Decimal(last),
        "last_size": Decimal(1),
        "executed_at": AT,
        "received_at": clock.now(),
        "is_synthetic": False,
        "is_open": True,
        "previous_close": Decimal(80),
    }
    return PriceUpdate(**known | changes)
