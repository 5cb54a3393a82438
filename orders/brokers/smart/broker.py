"""The router as a venue: what is sent here is worked over several venues that this process hosts."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from orders.brokers.protocol import (
    BrokerAdapter,
    DropCopy,
    OnReports,
    VenueCancel,
    VenueGone,
    VenueOrder,
    VenueReplace,
)
from orders.brokers.smart.desk import ASK_WORKING_SECONDS
from orders.brokers.smart.intake import Message
from orders.brokers.smart.router import Router
from orders.brokers.smart.store import SmartStore, Turn
from orders.brokers.smart.views import Views
from orders.brokers.smart.working import Child, Parent
from orders.domain.reports import ReportKind, VenueReport
from trading_portal.kernel import clock

IDLE_SECONDS = 0.5
RETRY_SECONDS = 0.25
JOIN_SECONDS = 5.0
BATCH = 512
log = structlog.get_logger(__name__)


class SmartBroker:
    """Work orders over several venues, on a thread with a database connection of its own.

    The venues' adapters run on the event loop this one is hosted on; what they report is gathered, worked in one
    transaction, and only then acted upon.
    """

    def __init__(
        self, name: str, venues: Mapping[str, BrokerAdapter], views: Views,
        *, ask_working_seconds: float = ASK_WORKING_SECONDS,
    ) -> None:  # fmt: skip
        self._name = name
        self._venues = venues
        self._store = SmartStore(name)
        self._router = Router(self._store, views, venues, ask_working_seconds)
        self._inbox: queue.SimpleQueue[Message | VenueReport | Callable[[], None]] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_reports: OnReports = lambda _: None
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Return the router's name."""
        return self._name

    async def start(self, on_reports: OnReports) -> None:
        """Connect every venue, take up what an earlier router left, and begin; raise when no venue can be reached."""
        self._on_reports = on_reports
        self._loop = asyncio.get_running_loop()
        self._is_stopping = False
        started = await asyncio.gather(*map(self._start_venue, self._venues.values()))
        if not any(started):
            raise VenueGone(f"{self._name} reaches none of its venues.")
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=[opened], name=f"smart-{self._name}", daemon=True)
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(opened))

    async def _start_venue(self, venue: BrokerAdapter) -> bool:
        try:
            await venue.start(self._heard)
        except Exception as error:  # noqa: BLE001 - the others are tried all the same
            log.warning("smart.venue_not_reached", venue=venue.name, error=str(error))
            self._router.call_failed(venue.name, clock.monotonic(), str(error))
            return False
        return True

    async def stop(self) -> None:
        """Do what was already sent, and let the venues go."""
        self._is_stopping = True
        self._inbox.put(lambda: None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, JOIN_SECONDS)
        await asyncio.gather(*(venue.stop() for venue in self._venues.values()), return_exceptions=True)

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; an order that the router already has is answered with the state it has."""
        self._send(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels: every part is taken back from its venue."""
        self._send(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes: every part is taken back, and what is left goes out on the new terms."""
        self._send(replaces)

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Return every report of these orders so far; `status_unknown_order` for one the router never heard of."""
        answer: list[VenueReport] = await self._ask(partial(self._told, order_ids))
        return answer

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return reports after a point, oldest first."""
        page: DropCopy = await self._ask(lambda: self._store.copies.after(since_id))
        return page

    async def open_orders(self) -> Collection[UUID]:
        """Return the orders that the router works."""
        found: list[Parent] = await self._ask(self._store.working)
        return [parent.id for parent in found]

    def _send(self, messages: Sequence[Message]) -> None:
        if self._is_stopping or self._thread is None or not self._thread.is_alive():
            raise VenueGone(f"{self._name} does not run here any more.")
        for message in messages:
            self._inbox.put(message)

    async def _ask(self, ask: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()

        def reply() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(ask())
                except Exception as error:  # noqa: BLE001 - whoever asked is told, and asks again
                    answer.set_exception(error)

        if self._is_stopping:
            raise VenueGone(f"{self._name} does not run here any more.")
        self._inbox.put(reply)
        return await asyncio.wrap_future(answer)

    def _heard(self, reports: Sequence[VenueReport]) -> None:
        for report in reports:
            self._inbox.put(report)

    def _told(self, order_ids: Sequence[UUID]) -> list[VenueReport]:
        known = self._store.copies.reports_of(order_ids)
        heard_of = {report.order_id for report in known}
        return known + [
            VenueReport(
                venue=self._name, kind=ReportKind.STATUS_UNKNOWN_ORDER, order_id=order_id, executed_at=clock.now()
            )
            for order_id in order_ids
            if order_id not in heard_of
        ]

    # The router's own thread

    def _run(self, opened: Future[None]) -> None:
        try:
            self._act(self._router.load(clock.now(), clock.monotonic()))
        except Exception as error:  # noqa: BLE001 - whoever awaits start() is told
            opened.set_exception(error)
            connection.close()
            return
        opened.set_result(None)
        while not (self._is_stopping and self._inbox.empty()):
            self._work(*self._gather())
        connection.close()

    def _gather(self) -> tuple[list[Message], list[VenueReport], list[Callable[[], None]]]:
        """Wait until something is said or due, and take what has gathered."""
        messages: list[Message] = []
        reports: list[VenueReport] = []
        others: list[Callable[[], None]] = []
        rest = self._router.rest_seconds(clock.now(), clock.monotonic())
        try:
            item = self._inbox.get(timeout=IDLE_SECONDS if rest is None else min(rest, IDLE_SECONDS) or 0.0005)
            while True:
                if isinstance(item, VenueReport):
                    reports.append(item)
                elif callable(item):
                    others.append(item)
                else:
                    messages.append(item)
                if len(messages) + len(reports) >= BATCH:
                    break
                item = self._inbox.get_nowait()
        except queue.Empty:
            pass
        return messages, reports, others

    def _work(
        self, messages: Sequence[Message], reports: Sequence[VenueReport], others: Sequence[Callable[[], None]]
    ) -> None:
        """Run one turn to its end, through a restart of the database."""
        while True:
            try:
                self._act(self._router.turn(messages, reports, at=clock.now(), monotonic=clock.monotonic()))
                break
            except (OperationalError, InterfaceError) as error:
                log.warning("smart.database_lost", venue=self._name, error=str(error))
                if not self._recover():
                    return
            except Exception:
                log.exception("smart.turn_failed", venue=self._name, messages=len(messages), reports=len(reports))
                self._recover()
                if len(messages) + len(reports) > 1:
                    for message in messages:
                        self._work([message], [], [])
                    for report in reports:
                        self._work([], [report], [])
                break
        for other in others:
            other()

    def _recover(self) -> bool:
        """Hold again what the tables have; tell whether it was possible."""
        while not self._is_stopping:
            connection.close()
            threading.Event().wait(RETRY_SECONDS)
            try:
                self._act(self._router.load(clock.now(), clock.monotonic()))
            except (OperationalError, InterfaceError):
                continue
            return True
        return False

    def _act(self, turn: Turn) -> None:
        """Do what a stored turn leads to: speak to the venues, and report."""
        for venue, children in _by_venue(turn.submits).items():
            self._call(venue, self._venues[venue].submit([self._router.venue_order(child) for child in children]))
        for venue, children in _by_venue(turn.cancels).items():
            self._call(venue, self._venues[venue].cancel([VenueCancel(child.id) for child in children]))
        for venue, children in _by_venue(turn.asks).items():
            self._call(venue, self._query(venue, [child.id for child in children]))
        if turn.reports or turn.repeated:
            self._on_reports([*turn.reports, *turn.repeated])

    async def _query(self, venue: str, child_ids: Sequence[UUID]) -> None:
        self._heard(await self._venues[venue].query(child_ids))

    def _call(self, venue: str, call: Coroutine[Any, Any, Any]) -> None:
        """Speak to a venue without waiting for it; a call that breaks leaves its outcome to be asked about."""
        if self._loop is None:
            raise VenueGone(f"{self._name} was never started.")
        asyncio.run_coroutine_threadsafe(call, self._loop).add_done_callback(partial(self._called, venue))

    def _called(self, venue: str, done: Future[Any]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._inbox.put(partial(self._router.call_failed, venue, clock.monotonic(), str(error)))


def _by_venue(children: Sequence[Child]) -> Mapping[str, list[Child]]:
    found: dict[str, list[Child]] = {}
    for child in children:
        found.setdefault(child.venue, []).append(child)
    return found
