"""Run a paper venue: turn messages and prices into stored orders, fills and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from marketdata.domain.types import PriceUpdate
from orders.brokers.paper.floor import Floor
from orders.brokers.paper.intake import Intake, Message
from orders.brokers.paper.market import Market
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.stage import Stage
from orders.brokers.paper.store import PaperStore
from orders.brokers.paper.timetable import Timetable
from orders.brokers.paper.working import Turn
from orders.domain.reports import VenueReport

_SESSION_BITS = 40


class PaperEngine:
    """Turn a paper venue: one turn is one transaction. One thread only."""

    def __init__(self, store: PaperStore, profile: PaperProfile, market: Market) -> None:
        self._store = store
        self._floor = Floor(store, profile, market)
        stage = Stage(self._floor)
        self._intake = Intake(self._floor, stage)
        self._timetable = Timetable(self._floor, stage)

    def open(self, at: datetime) -> None:
        """Take the venue over from any process before, and load its book."""
        self._store.open_session(at)
        self._floor.arrivals = self._store.session << _SESSION_BITS
        self.load(at)

    def load(self, at: datetime) -> None:
        """Hold again exactly what the tables have."""
        floor = self._floor
        floor.clear()
        orders = self._store.open_orders()
        floor.listed({working.order.symbol for working in orders}, at)
        for working in orders:
            if listing := floor.listings.get(working.order.symbol):
                working.order.slice = floor.profile.slice_of(working.order.quantity, lot=listing.lot)
            floor.enter(working)
        self._timetable.load(at)

    @property
    def last_report_id(self) -> int:
        """Return the id of the last report that the last turn stored, 0 when it stored none."""
        return self._floor.turn.last_report_id

    def rest_seconds(self, *, at: datetime, monotonic: float) -> float | None:
        """Return how long there is nothing to do but to wait for others; None when nothing is due at all."""
        waits = [book.next_ready_at - monotonic for _, book in self._floor.books if book.next_ready_at is not None]
        if (alarm_at := self._timetable.next_at) is not None:
            waits.append((alarm_at - at).total_seconds())
        return max(0.0, min(waits)) if waits else None

    def turn(
        self, messages: Sequence[Message], updates: Mapping[str, PriceUpdate], *, at: datetime, monotonic: float
    ) -> list[VenueReport]:
        """Do what is due, store it in one transaction and return what is to be reported.

        An exception leaves the memory behind the tables: `load` before the next turn.
        """
        floor = self._floor
        turn = floor.turn = Turn()
        self._timetable.watch(at)
        for symbol, update in updates.items():
            floor.price(symbol, update, at)
        self._intake.take(messages, at, monotonic)
        self._advance(at, monotonic)
        self._timetable.ring(at)
        if not turn.is_empty:
            self._store.write(turn)
        return self._heard(turn.reports) + turn.repeated

    def _advance(self, at: datetime, monotonic: float) -> None:
        for symbol, book in self._floor.books:
            if book.next_ready_at is not None and book.next_ready_at <= monotonic:
                self._floor.forget_stale([symbol], at)
                self._floor.apply(book.advance(monotonic), at)

    def _heard(self, reports: list[VenueReport]) -> list[VenueReport]:
        """Leave out what a silent scenario keeps to itself until the venue is asked."""
        silent = self._floor.silent
        return [report for report in reports if report.order_id not in silent] if silent else reports
