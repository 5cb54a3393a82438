"""Do what is due on a paper venue's floor: expiries, auctions, ends and beginnings of days, scenarios, and halts."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta

from orders.brokers.paper.bookorder import BookOrder
from orders.brokers.paper.floor import STALE_AFTER, Alarm, Floor
from orders.brokers.paper.stage import Stage
from orders.brokers.paper.working import REPORTED_ENDED, Pause, Working
from orders.domain.reports import ReportKind, Restatement
from orders.domain.types import TimeInForce

HALTS_EVERY = timedelta(seconds=1)
AUCTION_TRIED_EVERY = timedelta(milliseconds=250)
AUCTION_PATIENCE = timedelta(seconds=60)


class Timetable:
    """Ring the alarms of orders, and look for halts."""

    def __init__(self, floor: Floor, stage: Stage) -> None:
        self._floor = floor
        self._stage = stage
        self._halts_at: datetime | None = None

    @property
    def next_at(self) -> datetime | None:
        """Return when the next alarm rings."""
        return self._floor.alarms[0][0] if self._floor.alarms else None

    def load(self, at: datetime) -> None:
        """Set the alarms of sessions for the orders that the tables have."""
        for working in list(self._floor.open.values()):
            self._set_session(working, at)

    def _set_session(self, working: Working, at: datetime) -> None:
        listing = self._floor.listings.get(working.order.symbol)
        if listing is None or working.order.time_in_force is not TimeInForce.GTC or not listing.has_nights:
            return
        if working.pause is Pause.DONE_FOR_DAY and not working.scenario:
            opens_at = at if listing.session.is_open else listing.session.opens_at
            self._floor.alarm(working, opens_at, Alarm.OPEN)
        else:
            self._floor.alarm(working, listing.session.closes_at, Alarm.CLOSE)

    def ring(self, at: datetime) -> None:
        """Do everything that is due."""
        floor, alarms = self._floor, self._floor.alarms
        auction: list[Working] = []
        while alarms and alarms[0][0] <= at:
            _, _, order_id, alarm = heapq.heappop(alarms)
            working = floor.open.get(order_id)
            if working is None:
                continue
            match alarm:
                case Alarm.EXPIRE:
                    self._expire(working, at)
                case Alarm.STEP:
                    if working.step_at is not None and working.step_at <= at:
                        self._stage.go_on(working, at)
                case Alarm.CLOSE:
                    self._close(working, at)
                case Alarm.OPEN:
                    self._open(working, at)
                case Alarm.ACT:
                    auction.append(working)
        if auction:
            self._hold_auction(auction, at)

    def watch(self, at: datetime) -> None:
        """Suspend the orders of instruments that are halted now, and release those of instruments that are not."""
        floor = self._floor
        if not floor.open or (self._halts_at is not None and at < self._halts_at):
            return
        self._halts_at = at + HALTS_EVERY
        symbols = {working.order.symbol for working in floor.open.values()}
        was = {symbol for symbol in symbols if symbol in floor.listings and floor.listings[symbol].is_halted}
        floor.listed(symbols, at)
        now = {symbol for symbol in symbols if symbol in floor.listings and floor.listings[symbol].is_halted}
        for symbol in sorted(now - was):
            for working in self._of(symbol, Pause.NONE):
                floor.pause(working, Pause.SUSPENDED)
                floor.report(working.order.order_id, ReportKind.SUSPENDED, at, reason="HALTED")
        for symbol in sorted(was - now):
            self._release(symbol, at)

    def _release(self, symbol: str, at: datetime) -> None:
        """Let a symbol's orders trade again: all are told first, then they meet in the order of arrival."""
        floor = self._floor
        released = self._of(symbol, Pause.SUSPENDED)
        for working in released:
            floor.report(
                working.order.order_id, ReportKind.RESTATED, at, restatement=Restatement.RELEASE, reason="RESUMED"
            )
        for working in released:
            floor.resume(working, at)

    def _of(self, symbol: str, pause: Pause) -> list[Working]:
        found = [each for each in self._floor.open.values() if each.order.symbol == symbol and each.pause is pause]
        return sorted(found, key=lambda working: working.order.arrival)

    def _expire(self, working: Working, at: datetime) -> None:
        is_due = working.expires_at is not None and working.expires_at <= at
        if is_due and working.pause not in REPORTED_ENDED:
            is_day = working.order.time_in_force is TimeInForce.DAY
            self._floor.end(working, ReportKind.EXPIRED, "SESSION_ENDED" if is_day else "GOOD_TILL_REACHED", at)

    def _close(self, working: Working, at: datetime) -> None:
        """End the day of an order that is good for longer; one that ends before the next opening ends now."""
        floor, order = self._floor, working.order
        floor.listed([order.symbol], at)
        listing = floor.listings.get(order.symbol)
        if listing is None:
            return
        opens_at = listing.opens_next_at
        if working.pause is not Pause.NONE or order.extended_hours or opens_at is None:
            self._set_session(working, at)
        elif working.expires_at is not None and working.expires_at <= opens_at:
            floor.end(working, ReportKind.EXPIRED, "GOOD_TILL_REACHED", at)
        else:
            floor.pause(working, Pause.DONE_FOR_DAY)
            floor.report(order.order_id, ReportKind.DONE_FOR_DAY, at, reason="SESSION_ENDED")
            floor.alarm(working, opens_at, Alarm.OPEN)

    def _open(self, working: Working, at: datetime) -> None:
        """Let an order work in the new session."""
        if working.pause is not Pause.DONE_FOR_DAY:
            return
        floor, order = self._floor, working.order
        floor.listed([order.symbol], at)
        floor.report(order.order_id, ReportKind.RESTATED, at, restatement=Restatement.RENEWAL, reason="SESSION_BEGAN")
        floor.resume(working, at)
        if order.order_id in floor.open:
            self._set_session(working, at)

    def _hold_auction(self, waiting: list[Working], at: datetime) -> None:
        """Let the orders for an opening or a close trade once, by price and arrival; what is left of them ends."""
        floor = self._floor
        for working in sorted(waiting, key=lambda each: (each.order.symbol, *BookOrder.priority(each.order))):
            if working.pause is not Pause.AUCTION or working.acts_at is None:
                continue
            if self._has_price(working, at):
                working.order.at_auction = True
                working.pause = Pause.NONE
                floor.arrive(working, at)
            elif at - working.acts_at < AUCTION_PATIENCE:
                floor.alarm(working, at + AUCTION_TRIED_EVERY, Alarm.ACT)
            else:
                floor.end(working, ReportKind.CANCELED, "NO_AUCTION_PRICE", at)

    def _has_price(self, working: Working, at: datetime) -> bool:
        """Tell whether there is a price to trade at; an opening needs one of the open market."""
        symbol = working.order.symbol
        self._floor.refresh_prices([symbol], at)
        price, listing = self._floor.prices.get(symbol), self._floor.listings.get(symbol)
        is_halted = listing is not None and listing.is_halted
        if price is None or is_halted or at - price.received_at > STALE_AFTER:
            return False
        self._floor.book(symbol)
        return price.is_open or working.order.time_in_force is TimeInForce.CLS
