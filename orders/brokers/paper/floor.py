"""The floor of a paper venue: its books, open orders, alarms and prices in memory, and the few things done to them."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from uuid import UUID

from marketdata.domain.types import PriceUpdate
from orders.brokers.paper.book import Book, Outcome, OutcomeKind
from orders.brokers.paper.market import Listing, Market
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.store import PaperStore
from orders.brokers.paper.working import OPEN, Pause, Turn, Working
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.scenarios import SCENARIOS
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

STALE_AFTER = timedelta(seconds=5)
ASK_AGAIN_AFTER = timedelta(seconds=1)
AT_ONCE = 0.0
_FILLED = "filled"


class Alarm(StrEnum):
    """Say what is due for an order."""

    EXPIRE = "expire"
    ACT = "act"
    STEP = "step"
    CLOSE = "close"
    OPEN = "open"


class Floor:
    """Hold a paper venue's books in memory, as its tables have them. One thread only."""

    def __init__(self, store: PaperStore, profile: PaperProfile, market: Market) -> None:
        self.store = store
        self.profile = profile
        self.market = market
        self.arrivals = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.open: dict[UUID, Working] = {}
        self.turn = Turn()
        self.alarms: list[tuple[datetime, int, UUID, Alarm]] = []
        self.prices: dict[str, PriceUpdate] = {}
        self.listings: dict[str, Listing] = {}
        self.silent: set[UUID] = set()
        self._doubled: set[UUID] = set()
        self._books: dict[str, Book] = {}
        self._shown: dict[str, PriceUpdate] = {}
        self._numbers = count()

    @property
    def books(self) -> Iterable[tuple[str, Book]]:
        """Return the books with their symbols."""
        return list(self._books.items())

    def next_arrival(self) -> int:
        """Count one more arrival: the venue's own order of things."""
        self.arrivals += 1
        return self.arrivals

    def listed(self, symbols: Collection[str], at: datetime) -> None:
        """Read anew what is listed under these symbols."""
        found = self.market.listings(symbols, at) if symbols else {}
        self.listings.update(found)
        for symbol in symbols:
            if symbol not in found:
                self.listings.pop(symbol, None)

    def enter(self, working: Working) -> None:
        """Hold an open order, with its alarms; it goes to the book unless it pauses."""
        order = working.order
        self.open[order.order_id] = working
        scenario = SCENARIOS.get(working.scenario)
        if scenario and scenario.is_silent:
            self.silent.add(order.order_id)
        if scenario and scenario.is_doubled:
            self._doubled.add(order.order_id)
        for at, alarm in (
            (working.expires_at, Alarm.EXPIRE),
            (working.acts_at, Alarm.ACT),
            (working.step_at, Alarm.STEP),
        ):
            self.alarm(working, at, alarm)
        if working.pause is Pause.NONE:
            self.book(order.symbol).add(order)

    def alarm(self, working: Working, at: datetime | None, alarm: Alarm) -> None:
        """Have something done at an instant."""
        if at is not None:
            heapq.heappush(self.alarms, (at, next(self._numbers), working.order.order_id, alarm))

    def book(self, symbol: str) -> Book:
        """Return a symbol's book; one that was idle takes the last price that came meanwhile."""
        book = self._books.setdefault(symbol, Book())
        price = self.prices.get(symbol)
        if price and book.is_empty and self._shown.get(symbol) is not price:
            self._show(book, price)
        return book

    def pause(self, working: Working, why: Pause) -> None:
        """Take an order out of the book for a while."""
        self.book(working.order.symbol).remove(working.order)
        working.pause = why
        self.turn.restated[working.order.order_id] = working

    def resume(self, working: Working, at: datetime) -> None:
        """Let an order trade again, in the place that its arrival gives it."""
        working.pause = Pause.NONE
        self.turn.restated[working.order.order_id] = working
        self.arrive(working, at)

    def arrive(self, working: Working, at: datetime) -> None:
        """Bring an order to the book, to trade at once with what it can."""
        book = self.book(working.order.symbol)
        working.order.ready_at = AT_ONCE
        book.add(working.order)
        self.apply(book.advance(AT_ONCE), at)

    def end(self, working: Working, kind: ReportKind, reason: str, at: datetime) -> None:
        """End an order and report it."""
        self.finish(working, kind.value)
        self.report(working.order.order_id, kind, at, reason=reason)

    def finish(self, working: Working, state: str) -> None:
        """Have done with an order."""
        if book := self._books.get(working.order.symbol):
            book.remove(working.order)
        working.state = state
        self.turn.changed[working.order.order_id] = working
        self.open.pop(working.order.order_id, None)

    def reopen(self, working: Working) -> None:
        """Have a filled order work again."""
        working.state = OPEN
        self.open[working.order.order_id] = working
        self.turn.restated[working.order.order_id] = working
        self.alarm(working, working.expires_at, Alarm.EXPIRE)

    def price(self, symbol: str, update: PriceUpdate, at: datetime) -> None:
        """Take a symbol's price in and let its book trade on it; an older one than the last changes nothing."""
        known = self.prices.get(symbol)
        if known and known.received_at >= update.received_at:
            return
        self.prices[symbol] = update
        book = self._books.get(symbol)
        if book and not book.is_empty:
            self.apply(self._show(book, update), at)

    def _show(self, book: Book, price: PriceUpdate) -> list[Outcome]:
        self._shown[price.symbol] = price
        bids, asks = price.bids or _top(price.bid, price.bid_size), price.asks or _top(price.ask, price.ask_size)
        listing = self.listings.get(price.symbol)
        if listing:
            bids, asks = self.profile.displayed(bids, asks, tick=listing.tick, lot=listing.lot)
            book.is_extended = listing.is_in_extended_hours
        return book.show(bids=bids, asks=asks, is_open=price.is_open, last=price.last)

    def refresh_prices(self, symbols: Collection[str], at: datetime) -> None:
        """Ask for prices that have not been pushed lately, and forget those that are stale."""
        silent = {s for s in symbols if s not in self.prices or at - self.prices[s].received_at > ASK_AGAIN_AFTER}
        if not silent:
            return
        for symbol, update in self.market.quotes(silent).items():
            self.price(symbol, update, at)
        self.forget_stale(silent, at)

    def forget_stale(self, symbols: Iterable[str], at: datetime) -> None:
        """Have no price for symbols whose last one is too old."""
        for symbol in symbols:
            price = self.prices.get(symbol)
            if price and at - price.received_at > STALE_AFTER:
                del self.prices[symbol]
                self._books.setdefault(symbol, Book()).forget_quote()

    def apply(self, outcomes: Iterable[Outcome], at: datetime) -> None:
        """Let orders follow what the book did with them, and report it."""
        for outcome in outcomes:
            working = self.open[outcome.order.order_id]
            match outcome.kind:
                case OutcomeKind.TRADE:
                    self._traded(working, outcome, at)
                case OutcomeKind.CANCELED:
                    self.end(working, ReportKind.CANCELED, outcome.reason, at)
                case OutcomeKind.MARKED:
                    self.turn.restated[outcome.order.order_id] = working
                case OutcomeKind.TRIGGERED:
                    self._triggered(working, outcome.price, at)

    def _traded(self, working: Working, outcome: Outcome, at: datetime) -> None:
        order_id = working.order.order_id
        self.turn.changed[order_id] = working
        self.report_trade(working, outcome.quantity, outcome.price, at)
        if not outcome.leaves:
            working.state = _FILLED
            del self.open[order_id]

    def _triggered(self, working: Working, last: Decimal, at: datetime) -> None:
        """Work a stop as the order it has become; its place in the book counts from now."""
        working.order.arrival = self.next_arrival()
        self.turn.restated[working.order.order_id] = working
        self.report(working.order.order_id, ReportKind.STATUS, at, reason="TRIGGERED", price=last)
        self.arrive(working, at)

    def report_trade(self, working: Working, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Report a trade of an order, with its fee."""
        fee = self.profile.fee(quantity=quantity, price=price)
        self.report(working.order.order_id, ReportKind.TRADE, at, quantity=quantity, price=price, fee=fee)

    def report(
        self, order_id: UUID, kind: ReportKind, at: datetime, *, reason: str = "",
        quantity: Decimal | None = None, price: Decimal | None = None, stop_price: Decimal | None = None,
        fee: Decimal = ZERO, request_id: UUID | None = None, ref_exec_id: str | None = None,
        restatement: Restatement | None = None,
    ) -> VenueReport:  # fmt: skip
        """Make a report, to be stored with this turn."""
        report = VenueReport(
            venue=self.store.venue,
            kind=kind,
            order_id=order_id,
            venue_order_id=str(order_id),
            exec_id=str(uuid7()),
            ref_exec_id=ref_exec_id,
            quantity=quantity,
            price=price,
            stop_price=stop_price,
            fee=fee,
            reason=reason,
            restatement=restatement,
            request_id=request_id,
            executed_at=at,
        )
        self.turn.reports.append(report)
        if order_id in self._doubled:
            self.turn.repeated.append(report)
        return report


def _top(price: Decimal | None, size: Decimal | None) -> Sequence[tuple[Decimal, Decimal]]:
    return [(price, size)] if price is not None and size is not None else []
