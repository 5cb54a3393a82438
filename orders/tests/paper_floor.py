"""A paper venue without threads for tests: its clock is stepped by the test, its tables are the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec

from marketdata.domain.types import Session
from orders.brokers.paper.engine import PaperEngine
from orders.brokers.paper.market import Listing
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.store import PaperStore
from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.domain.reports import VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.tests.paper import AT_ONCE, ShownMarket, price
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, plain

SYMBOL = "TEST"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EARLY, OPENS, CLOSES, LATE = timedelta(hours=7), timedelta(hours=9), timedelta(hours=17), timedelta(hours=20)
DAY = timedelta(days=1)
PRICES = ("stop_price", "trail_price", "trail_percent")
DEEP = (("99.9", "1000"), ("100.1", "1000"))


class SteppedMarket(ShownMarket):
    """A market that is open from nine to five every day, and from seven to eight for extended hours."""

    def listings(self, symbols: Any, at: datetime) -> Any:
        begins = datetime(at.year, at.month, at.day, tzinfo=UTC)
        today, is_open = begins, begins + OPENS <= at < begins + CLOSES
        if at >= begins + CLOSES:
            today += DAY
        following = today + DAY + OPENS if is_open else today + OPENS
        opens_at, closes_at = today + OPENS, today + CLOSES
        session = Session(is_open=is_open, opens_at=opens_at, closes_at=closes_at, next_open_at=following)
        extended = Session(
            is_open=begins + EARLY <= at < begins + LATE,
            opens_at=opens_at,
            closes_at=today + LATE,
            next_open_at=following,
        )
        opening_at = following if is_open else opens_at
        listing = Listing(session, extended, opening_at, closes_at, is_halted=self.is_halted)
        return {symbol: listing for symbol in symbols if symbol in self.symbols}


class SteppedVenue:
    """One paper venue, turned by hand; `heard` is what it has reported so far."""

    def __init__(
        self, profile: PaperProfile = AT_ONCE, *, at: datetime = NOON, venue: str = "", symbol: str = SYMBOL
    ) -> None:
        self.name = venue or f"paper-{uuid7().hex[-12:]}"
        self.symbol = symbol
        self.profile = profile
        self.market = SteppedMarket()
        self.market.symbols = {symbol}
        self.at = at
        self.heard: list[VenueReport] = []
        self.shown: tuple[tuple[str, str], tuple[str, str], str, bool] | None = None
        self.start()

    def start(self) -> None:
        """Start the venue, or start it anew as after a kill: nothing but its tables is left."""
        self.engine = PaperEngine(PaperStore(self.name), self.profile, self.market)
        self.engine.open(self.at)

    def say(self, *messages: VenueOrder | VenueCancel | VenueReplace) -> list[VenueReport]:
        self._show_again()
        return self._turn(messages)

    def show(
        self, bid: tuple[str, str] = DEEP[0], ask: tuple[str, str] = DEEP[1], last: str = "100", *, is_open: bool = True
    ) -> list[VenueReport]:
        self.shown = bid, ask, last, is_open
        return self.say()

    def step(self, seconds: float) -> list[VenueReport]:
        """Let time pass, with the market as it was shown last."""
        self.at += timedelta(seconds=seconds)
        return self.say()

    def until(self, at: datetime, *, is_open: bool | None = None) -> list[VenueReport]:
        if is_open is not None and self.shown:
            self.shown = (*self.shown[:3], is_open)
        return self.step((at - self.at).total_seconds())

    def _show_again(self) -> None:
        if self.shown:
            bid, ask, last, is_open = self.shown
            update = price(self.symbol, bids=[bid], asks=[ask], is_open=is_open, at=self.at)
            self.market.prices[self.symbol] = msgspec.structs.replace(update, last=Decimal(last))

    def _turn(self, messages: Sequence[Any]) -> list[VenueReport]:
        self.at += timedelta(milliseconds=1)
        said = self.engine.turn(messages, dict(self.market.prices), at=self.at, monotonic=self.at.timestamp())
        self.heard += said
        return said

    def kinds(self, order: VenueOrder) -> list[str]:
        return [report.kind.value for report in self.heard if report.order_id == order.order_id]

    def filled(self, order: VenueOrder) -> list[tuple[str, str]]:
        """Return the quantities and prices that an order was filled at."""
        trades = [report for report in self.heard if report.order_id == order.order_id and report.kind == "trade"]
        return [(plain(trade.quantity or ZERO), plain(trade.price or ZERO)) for trade in trades]

    def reason(self, order: VenueOrder) -> str:
        return [report.reason for report in self.heard if report.order_id == order.order_id][-1]

    def copied(self, order: VenueOrder) -> list[str]:
        """Return what the drop copy has of an order."""
        return [report.kind.value for report in PaperStore(self.name).reports_of([order.order_id])]


def order(side: str, quantity: str, limit: str | None = None, **other: Any) -> VenueOrder:
    """Return an order as the venue is told of it: at the market, or with a limit, good till canceled."""
    amounts = {name: Decimal(other.pop(name)) for name in PRICES if name in other}
    return VenueOrder(
        order_id=uuid4(),
        symbol=SYMBOL,
        side=Side(side),
        order_type=OrderType(other.pop("type", "limit" if limit else "market")),
        time_in_force=TimeInForce(other.pop("tif", "gtc")),
        quantity=Decimal(quantity),
        limit_price=Decimal(limit) if limit else None,
        **amounts,
        **other,
    )


def replacing(sent: VenueOrder, quantity: str, limit: str | None = None, **other: Any) -> VenueReplace:
    """Return a replace; what it does not name stays."""
    amounts = {name: Decimal(other.pop(name)) if name in other else getattr(sent, name) for name in PRICES}
    return VenueReplace(
        order_id=sent.order_id,
        request_id=other.pop("request_id", None) or uuid4(),
        quantity=Decimal(quantity),
        time_in_force=TimeInForce(other.pop("tif", sent.time_in_force)),
        limit_price=Decimal(limit) if limit else sent.limit_price,
        **amounts,
        **other,
    )


def canceling(sent: VenueOrder) -> VenueCancel:
    return VenueCancel(sent.order_id)
