"""A paper venue for tests: its market is shown by the test, its tables are the real ones."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from marketdata.domain.types import PriceUpdate, Session
from orders.brokers.paper.broker import PaperBroker
from orders.brokers.paper.market import Listing
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.protocol import VenueOrder
from orders.models import PaperReport
from orders.tests.broker_contract import SECONDS, Ability, Levels
from positions.domain.types import Side
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

AT_ONCE = PaperProfile(latency=0, resting=0)


def price(symbol: str, *, bids: Levels, asks: Levels, is_open: bool = True, at: datetime | None = None) -> PriceUpdate:
    """Return a price update that displays these levels."""
    at = at or clock.now()
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    return PriceUpdate(
        symbol=symbol,
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=Decimal(bid_size),
        ask_size=Decimal(ask_size),
        last=Decimal(ask),
        last_size=Decimal(1),
        executed_at=at,
        received_at=at,
        is_synthetic=False,
        is_open=is_open,
        bids=[(Decimal(p), Decimal(s)) for p, s in bids],
        asks=[(Decimal(p), Decimal(s)) for p, s in asks],
    )


class ShownMarket:
    """Answer with what a test has shown last, as fresh as now."""

    def __init__(self, day_ends_at: datetime | None = None) -> None:
        self.prices: dict[str, PriceUpdate] = {}
        self.ends_at = day_ends_at
        self.symbols = {"TEST"}
        self.listing: Listing | None = None
        self.is_halted = False

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        return {symbol: self.prices[symbol] for symbol in symbols if symbol in self.prices}

    def listings(self, symbols: Collection[str], at: datetime) -> Mapping[str, Listing]:
        if self.listing:
            listing = self.listing
        else:
            listing = Listing(Session(is_open=True, opens_at=None, closes_at=self.ends_at, next_open_at=self.ends_at))
        return {symbol: replace(listing, is_halted=self.is_halted) for symbol in symbols if symbol in self.symbols}


class PaperDriver:
    """Drive paper brokers of one fresh venue."""

    symbol = "TEST"
    lacks = {
        **dict.fromkeys(set(Ability) - {Ability.MARKET, Ability.REPLACE}, "its scenarios have tests of their own"),
        Ability.CUT: "it runs in the process that speaks to it",
    }

    def __init__(self, profile: PaperProfile = AT_ONCE, day_ends_at: datetime | None = None) -> None:
        self.venue = f"paper-{uuid7().hex[-12:]}"
        self.profile = profile
        self.market = ShownMarket(day_ends_at)
        self.broker: PaperBroker | None = None

    def adapter(self) -> PaperBroker:
        self.broker = PaperBroker(self.venue, self.profile, self.market)
        return self.broker

    def show(self, *, bids: Levels, asks: Levels, is_open: bool = True) -> None:
        update = price(self.symbol, bids=bids, asks=asks, is_open=is_open)
        self.market.prices[self.symbol] = update
        if self.broker:
            self.broker.tap.keep([update])

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        """Show just what one resting order may take, and wait until it has."""
        trades = PaperReport.objects.filter(order_id=order.order_id, kind="trade")
        before, deadline = trades.count(), time.monotonic() + SECONDS
        far = "1" if order.side is Side.BUY else "1000000"
        level, other = [(price, quantity)], [(far, "1")]
        bids, asks = (other, level) if order.side is Side.BUY else (level, other)
        self.show(bids=bids, asks=asks)
        while trades.count() == before:
            assert time.monotonic() < deadline, "the paper venue did not trade"
            time.sleep(0.002)
