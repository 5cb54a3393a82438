"""Run a paper venue: turn messages and prices into stored orders, fills and reports."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from marketdata.domain.types import PriceUpdate
from orders.brokers.paper.book import IMMEDIATE, Book, BookOrder, Outcome, OutcomeKind
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.store import PaperStore, Turn, Working
from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderType, TimeInForce
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

STALE_AFTER = timedelta(seconds=5)
ASK_AGAIN_AFTER = timedelta(seconds=1)
SUPPORTED_TYPES = (OrderType.MARKET, OrderType.LIMIT)
SUPPORTED_TIMES = (TimeInForce.DAY, TimeInForce.GTC, *IMMEDIATE)
_SESSION_BITS = 40

Message = VenueOrder | VenueCancel | VenueReplace


class Market(Protocol):
    """What the venue knows of the world outside: prices and trading sessions."""

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        """Return the prices that are there now; a symbol without one is left out."""
        ...

    def day_ends_at(self, symbols: Collection[str], at: datetime) -> Mapping[str, datetime | None]:
        """Return when a day order sent now ends (None: never); an unknown symbol is left out."""
        ...


class PaperEngine:
    """Hold a paper venue's books in memory, as its tables have them. One thread only."""

    def __init__(self, store: PaperStore, profile: PaperProfile, market: Market) -> None:
        self.store = store
        self.profile = profile
        self.market = market
        self._arrivals = 0
        self._forget()

    def _forget(self) -> None:
        self._books: dict[str, Book] = {}
        self._open: dict[UUID, Working] = {}
        self._ends: list[tuple[datetime, int, UUID]] = []
        self._prices: dict[str, PriceUpdate] = {}
        self._turn = Turn()

    def open(self, at: datetime) -> None:
        """Take the venue over from any process before, and load its book."""
        self.store.open_session(at)
        self._arrivals = self.store.session << _SESSION_BITS
        self.load()

    def load(self) -> None:
        """Hold again exactly what the tables have."""
        self._forget()
        for working in self.store.open_orders():
            self._work(working)

    @property
    def last_report_id(self) -> int:
        """Return the id of the last report that the last turn stored, 0 when it stored none."""
        return self._turn.last_report_id

    def next_ready_at(self) -> float | None:
        """Return the monotonic second at which the next waiting order may trade."""
        waiting = [book.next_ready_at for book in self._books.values()]
        return min((ready for ready in waiting if ready is not None), default=None)

    def turn(
        self, messages: Sequence[Message], updates: Mapping[str, PriceUpdate], *, at: datetime, monotonic: float
    ) -> list[VenueReport]:
        """Do what is due, store it in one transaction and return what is to be reported.

        An exception leaves the memory behind the tables: `load` before the next turn.
        """
        self._turn = Turn()
        for symbol, update in updates.items():
            self._price(symbol, update, at)
        self._take_in(messages, at, monotonic)
        self._advance(at, monotonic)
        self._expire(at)
        turn = self._turn
        if not turn.is_empty:
            self.store.write(turn)
        return turn.reports + turn.repeated

    def _take_in(self, messages: Sequence[Message], at: datetime, monotonic: float) -> None:
        """Accept orders and cancels in their order; a repeat is answered with what was reported before."""
        submits = {message.order_id: message.symbol for message in messages if isinstance(message, VenueOrder)}
        known = self.store.known(submits) if submits else set()
        symbols = set(submits.values())
        self._refresh_prices(symbols, at)
        ends = self.market.day_ends_at(symbols, at) if symbols else {}
        replaces = [message for message in messages if isinstance(message, VenueReplace)]
        answered = self._answered(replaces)
        late: list[UUID] = []
        for message in messages:
            working = self._open.get(message.order_id)
            if isinstance(message, VenueOrder):
                if message.order_id in submits and message.order_id not in known:
                    del submits[message.order_id]
                    self._accept(message, ends, at, monotonic)
            elif isinstance(message, VenueReplace):
                self._replace(message, working, answered, at, monotonic)
            elif working:
                self._books[working.order.symbol].remove(working.order)
                self._end(working, ReportKind.CANCELED, "", at)
            else:
                late.append(message.order_id)
        self._turn.repeated += self.store.reports_of(known) if known else []
        self._answer_late(late, at)

    def _answer_late(self, order_ids: Sequence[UUID], at: datetime) -> None:
        """Answer cancels of orders that do not work any more; a repeated cancel gets the answer it got."""
        past = [*self.store.reports_of(order_ids), *self._turn.reports] if order_ids else []
        for order_id in order_ids:
            reports = [report for report in past if report.order_id == order_id]
            answers = [r for r in reports if r.kind in (ReportKind.CANCELED, ReportKind.CANCEL_REJECTED)]
            if answers:
                self._turn.repeated.append(answers[-1])
            else:
                why = "TOO_LATE" if reports else "UNKNOWN_ORDER"
                self._report(order_id, ReportKind.CANCEL_REJECTED, at, reason=why)

    def _answered(self, replaces: Sequence[VenueReplace]) -> dict[UUID | None, VenueReport]:
        """Return the answers that these replaces were given before."""
        past = self.store.reports_of([replace.order_id for replace in replaces]) if replaces else []
        return {report.request_id: report for report in past if report.request_id}

    def _replace(
        self, asked: VenueReplace, working: Working | None, answered: dict[UUID | None, VenueReport],
        at: datetime, monotonic: float,
    ) -> None:  # fmt: skip
        """Change an order that works, or say why not; what is filled stays filled."""
        if before := answered.get(asked.request_id):
            self._turn.repeated.append(before)
            return
        if working is None:
            self._report(
                asked.order_id, ReportKind.REPLACE_REJECTED, at, reason="TOO_LATE", request_id=asked.request_id
            )
        else:
            self._change(working, asked, at, monotonic)
        answered[asked.request_id] = self._turn.reports[-1]

    def _change(self, working: Working, asked: VenueReplace, at: datetime, monotonic: float) -> None:
        order = working.order
        book = self._books[order.symbol]
        keeps_place = asked.limit_price == order.limit_price and asked.quantity <= order.quantity
        if not keeps_place or asked.quantity <= order.filled:
            book.remove(order)
        order.quantity, order.limit_price = max(asked.quantity, order.filled), asked.limit_price
        self._turn.restated[order.order_id] = working
        self._report(
            order.order_id, ReportKind.REPLACED, at,
            quantity=order.quantity, price=order.limit_price, stop_price=asked.stop_price, request_id=asked.request_id,
        )  # fmt: skip
        if not order.leaves:
            working.state = "filled"
            del self._open[order.order_id]
        elif not keeps_place:
            self._arrivals += 1
            order.arrival, order.ready_at = self._arrivals, monotonic
            book.add(order)
            self._apply(book.advance(monotonic), at)

    def _accept(self, sent: VenueOrder, ends: Mapping[str, datetime | None], at: datetime, monotonic: float) -> None:
        self._arrivals += 1
        order = BookOrder(
            order_id=sent.order_id,
            symbol=sent.symbol,
            side=sent.side,
            order_type=sent.order_type,
            time_in_force=sent.time_in_force,
            quantity=sent.quantity,
            limit_price=sent.limit_price,
            arrival=self._arrivals,
            ready_at=monotonic + self.profile.resting,
        )
        is_day = order.time_in_force is TimeInForce.DAY
        working = Working(order, at, ends.get(order.symbol) if is_day else None)
        self._turn.new[order.order_id] = working
        if why := self._refusal(order, ends):
            self._end(working, ReportKind.REJECTED, why, at)
            return
        self._report(order.order_id, ReportKind.NEW, at)
        self._work(working)
        self._apply(self._books[order.symbol].advance(monotonic), at)

    def _refusal(self, order: BookOrder, ends: Mapping[str, datetime | None]) -> str:
        """Return why this venue will not work an order; empty when it will."""
        if order.order_type not in SUPPORTED_TYPES:
            return "TYPE_NOT_SUPPORTED"
        if order.time_in_force not in SUPPORTED_TIMES:
            return "TIME_IN_FORCE_NOT_SUPPORTED"
        if order.symbol not in ends:
            return "UNKNOWN_SYMBOL"
        if order.order_type is OrderType.MARKET and not self._quoted_book(order.symbol).has_quote:
            return "NO_MARKET"
        return ""

    def _work(self, working: Working) -> None:
        order = working.order
        self._open[order.order_id] = working
        self._quoted_book(order.symbol).add(order)
        if working.expires_at:
            heapq.heappush(self._ends, (working.expires_at, order.arrival, order.order_id))

    def _quoted_book(self, symbol: str) -> Book:
        """Return a symbol's book; one that was idle takes the last price that came meanwhile."""
        book = self._books.setdefault(symbol, Book())
        if book.is_empty and (price := self._prices.get(symbol)):
            book.show(bids=_bids(price), asks=_asks(price), is_open=price.is_open)
        return book

    def _price(self, symbol: str, update: PriceUpdate, at: datetime) -> None:
        known = self._prices.get(symbol)
        if known and known.received_at >= update.received_at:
            return
        self._prices[symbol] = update
        book = self._books.get(symbol)
        if book and not book.is_empty:
            self._apply(book.show(bids=_bids(update), asks=_asks(update), is_open=update.is_open), at)

    def _refresh_prices(self, symbols: Collection[str], at: datetime) -> None:
        """Ask for prices that have not been pushed lately, and forget those that are stale."""
        silent = {s for s in symbols if s not in self._prices or at - self._prices[s].received_at > ASK_AGAIN_AFTER}
        if not silent:
            return
        for symbol, update in self.market.quotes(silent).items():
            self._price(symbol, update, at)
        self._forget_stale(silent, at)

    def _forget_stale(self, symbols: Iterable[str], at: datetime) -> None:
        for symbol in symbols:
            price = self._prices.get(symbol)
            if price and at - price.received_at > STALE_AFTER:
                del self._prices[symbol]
                self._books.setdefault(symbol, Book()).forget_quote()

    def _advance(self, at: datetime, monotonic: float) -> None:
        for symbol, book in list(self._books.items()):
            ready_at = book.next_ready_at
            if ready_at is not None and ready_at <= monotonic:
                self._forget_stale([symbol], at)
                self._apply(book.advance(monotonic), at)

    def _expire(self, at: datetime) -> None:
        while self._ends and self._ends[0][0] <= at:
            working = self._open.get(heapq.heappop(self._ends)[2])
            if working:
                self._books[working.order.symbol].remove(working.order)
                self._end(working, ReportKind.EXPIRED, "SESSION_ENDED", at)

    def _apply(self, outcomes: Iterable[Outcome], at: datetime) -> None:
        for outcome in outcomes:
            working = self._open[outcome.order.order_id]
            if outcome.kind is OutcomeKind.CANCELED:
                self._end(working, ReportKind.CANCELED, outcome.reason, at)
                continue
            self._turn.changed[outcome.order.order_id] = working
            fee = self.profile.fee(quantity=outcome.quantity, price=outcome.price)
            self._report(
                working.order.order_id, ReportKind.TRADE, at, quantity=outcome.quantity, price=outcome.price, fee=fee
            )
            if not outcome.leaves:
                working.state = "filled"
                del self._open[outcome.order.order_id]

    def _end(self, working: Working, kind: ReportKind, reason: str, at: datetime) -> None:
        working.state = kind.value
        self._turn.changed[working.order.order_id] = working
        self._open.pop(working.order.order_id, None)
        self._report(working.order.order_id, kind, at, reason=reason)

    def _report(
        self, order_id: UUID, kind: ReportKind, at: datetime, *, reason: str = "",
        quantity: Decimal | None = None, price: Decimal | None = None, stop_price: Decimal | None = None,
        fee: Decimal = ZERO, request_id: UUID | None = None,
    ) -> None:  # fmt: skip
        self._turn.reports.append(
            VenueReport(
                venue=self.store.venue,
                kind=kind,
                order_id=order_id,
                venue_order_id=str(order_id),
                exec_id=str(uuid7()),
                quantity=quantity,
                price=price,
                stop_price=stop_price,
                fee=fee,
                reason=reason,
                request_id=request_id,
                executed_at=at,
            )
        )


def _bids(price: PriceUpdate) -> Sequence[tuple[Decimal, Decimal]]:
    return price.bids or _top(price.bid, price.bid_size)


def _asks(price: PriceUpdate) -> Sequence[tuple[Decimal, Decimal]]:
    return price.asks or _top(price.ask, price.ask_size)


def _top(price: Decimal | None, size: Decimal | None) -> Sequence[tuple[Decimal, Decimal]]:
    return [(price, size)] if price is not None and size is not None else []
