"""Play a recorded session to the orders of today, to live through an incident again."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import InterfaceError, OperationalError, connection

from orders.brokers.copies import OrderName, ReportCopy, VenueCopies
from orders.brokers.protocol import DropCopy, OnReports, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.brokers.replay.playing import ANSWERS, Playing, Told, as_played
from orders.brokers.replay.session import Session, Trigger
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

IDLE_SECONDS = 0.5
RETRY_SECONDS = 0.25
JOIN_SECONDS = 5.0
NOT_RECORDED = "NOT_IN_RECORDING"
log = structlog.get_logger(__name__)


class ReplayBroker:
    """A venue that says again what a recorded one said, on a thread with a database connection of its own.

    `session` makes the recording anew for every start; `run` tells one run of it from another: within a run, each
    recorded order is played once, also over restarts. `speed` 0 leaves out every wait.
    """

    def __init__(self, name: str, session: Callable[[], Session], run: str, speed: float = 1.0) -> None:
        self._name = name
        self._make_session = session
        self._run_id = run
        self._speed = speed
        self._copies = VenueCopies(name)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._playing: dict[UUID, Playing] = {}
        self._numbers: dict[UUID, str] = {}
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    @property
    def name(self) -> str:
        """Return the venue's name."""
        return self._name

    async def start(self, on_reports: OnReports) -> None:
        """Read the recording and what of it was played already; raise when either cannot be read."""
        self._on_reports = on_reports
        self._is_stopping = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, args=[opened], name=f"replay-{self._name}", daemon=True)
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(opened))

    async def stop(self) -> None:
        """Do what was already sent, and end."""
        self._is_stopping = True
        self.nudge()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, JOIN_SECONDS)

    def nudge(self) -> None:
        """Look again for what is due."""
        self._inbox.put(lambda: None)

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; each is played as the next recorded order that is like it."""
        for order in orders:
            self._put(partial(self._submitted, order))

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        for cancel in cancels:
            self._put(partial(self._canceling, cancel.order_id))

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes."""
        for asked in replaces:
            self._put(partial(self._replacing, asked))

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Return every report of these orders so far; `status_unknown_order` for one the venue never heard of."""
        answer: list[VenueReport] = await self._ask(lambda: self._told(order_ids))
        return answer

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return reports after a point, oldest first."""
        page: DropCopy = await self._ask(lambda: self._copies.after(since_id))
        return page

    # The venue's own thread

    def _put(self, work: Callable[[], None]) -> None:
        if self._is_stopping or self._thread is None or not self._thread.is_alive():
            raise VenueGone(f"{self._name} does not play here any more.")
        self._inbox.put(work)

    async def _ask(self, ask: Callable[[], Any]) -> Any:
        answer: Future[Any] = Future()

        def reply() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(ask())

        self._put(reply)
        return await asyncio.wrap_future(answer)

    def _work(self, opened: Future[None]) -> None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001 - whoever awaits start() is told
            opened.set_exception(error)
            connection.close()
            return
        opened.set_result(None)
        while not (self._is_stopping and self._inbox.empty()):
            with contextlib.suppress(queue.Empty):
                self._kept(self._inbox.get(timeout=self._idle_seconds()))
            self._kept(self._play)
        connection.close()

    def _kept(self, work: Callable[[], None]) -> None:
        """Do something through a restart of the database; what cannot be done is left to whoever asks again."""
        while True:
            try:
                work()
                return
            except (OperationalError, InterfaceError) as error:
                log.warning("replay.database_lost", venue=self._name, error=str(error))
                connection.close()
                if self._is_stopping:
                    return
                threading.Event().wait(RETRY_SECONDS)
            except Exception:
                log.exception("replay.failed", venue=self._name)
                return

    def _load(self) -> None:
        """Take up what an earlier adapter has played of this run."""
        self._session = self._make_session()
        self._playing.clear()
        by_order: dict[UUID, list[OrderName]] = {}
        for name in self._copies.names_of(self._copies.orders_named_like(f"{self._run_id}:%")):
            by_order.setdefault(name.order_id, []).append(name)
        for order_id, names in by_order.items():
            number = int(str(names[0].venue_order_id).rpartition(":")[2])
            self._session.take(number)
            playing = self._begin(order_id, number, names[0])
            for name in names[1:]:
                playing.told[Trigger(IntentKind.REPLACE, name.number)] = Told(_monotonic_of(name), UUID(name.name))
            known = {copy.report.exec_id for copy in self._copies.of([order_id])}
            while playing.played < len(playing.recorded) and self._next(playing).exec_id in known:
                # Its message came before the restart; what else followed that message is still to be told.
                playing.told.setdefault(playing.recorded[playing.played].trigger, Told(clock.monotonic()))
                playing.played += 1

    def _begin(self, order_id: UUID, number: int, name: OrderName) -> Playing:
        playing = Playing(order_id, self._session.reports[number])
        playing.told[Trigger()] = Told(_monotonic_of(name))
        self._playing[order_id] = playing
        self._numbers[order_id] = f"{self._run_id}:{number}"
        return playing

    def _idle_seconds(self) -> float:
        due = [at for playing in self._playing.values() if (at := playing.due_at(self._speed)) is not None]
        return min(max(min(due, default=clock.monotonic() + IDLE_SECONDS) - clock.monotonic(), 0.0), IDLE_SECONDS)

    def _play(self) -> None:
        """Report what is due, the earliest first."""
        while True:
            now = clock.monotonic()
            due = [(at, p) for p in self._playing.values() if (at := p.due_at(self._speed)) is not None and at <= now]
            if not due:
                return
            playing = min(due, key=lambda pair: pair[0])[1]
            self._report(self._next(playing))
            playing.played += 1

    def _next(self, playing: Playing) -> VenueReport:
        line = playing.recorded[playing.played]
        return as_played(self._name, self._numbers[playing.order_id], playing, line)

    def _report(self, report: VenueReport) -> None:
        fresh = self._copies.add([ReportCopy(msgspec.structs.replace(report, executed_at=clock.now()))])
        if fresh:
            self._on_reports(fresh)

    def _submitted(self, order: VenueOrder) -> None:
        if order.order_id in self._playing or self._copies.of([order.order_id]):
            self._again(order.order_id)
            return
        number = self._session.deal(order)
        if number is None:
            self._answer(order.order_id, ReportKind.REJECTED)
            return
        name = str(order.order_id)
        kept = self._copies.names_keep([(name, order.order_id)], is_replace=False, at=clock.now())
        self._copies.name_learn(name, f"{self._run_id}:{number}")
        self._begin(order.order_id, number, kept[name][0])

    def _canceling(self, order_id: UUID) -> None:
        playing = self._playing.get(order_id)
        if playing is not None and playing.tell(IntentKind.CANCEL, clock.monotonic()) is not None:
            return
        answers = [c.report for c in self._copies.of([order_id]) if c.report.kind in ANSWERS]
        if answers:
            self._on_reports([answers[-1]])
        else:
            self._answer(order_id, ReportKind.CANCEL_REJECTED)

    def _replacing(self, asked: VenueReplace) -> None:
        known = [c.report for c in self._copies.of([asked.order_id]) if c.report.request_id == asked.request_id]
        if known:
            self._on_reports(known)
            return
        playing = self._playing.get(asked.order_id)
        trigger = playing.tell(IntentKind.REPLACE, clock.monotonic(), asked.request_id) if playing else None
        if trigger is None:
            self._answer(asked.order_id, ReportKind.REPLACE_REJECTED, request_id=asked.request_id)
            return
        self._copies.names_keep([(str(asked.request_id), asked.order_id)], is_replace=True, at=clock.now())

    def _answer(self, order_id: UUID, kind: ReportKind, request_id: UUID | None = None) -> None:
        """Say no to what the recording does not have."""
        report = VenueReport(
            venue=self._name, kind=kind, order_id=order_id, exec_id=str(uuid7()), reason=NOT_RECORDED,
            venue_order_id=self._numbers.get(order_id), request_id=request_id, executed_at=clock.now(),
        )  # fmt: skip
        self._report(report)

    def _again(self, order_id: UUID) -> None:
        known = [copy.report for copy in self._copies.of([order_id])]
        if known:
            self._on_reports(known)

    def _told(self, order_ids: Sequence[UUID]) -> list[VenueReport]:
        known = [copy.report for copy in self._copies.of(order_ids)]
        heard_of = {report.order_id for report in known} | self._playing.keys()
        return known + [
            VenueReport(
                venue=self._name, kind=ReportKind.STATUS_UNKNOWN_ORDER, order_id=order_id, executed_at=clock.now()
            )
            for order_id in order_ids
            if order_id not in heard_of
        ]


def _monotonic_of(name: OrderName) -> float:
    """Return when a message was sent, on the clock that delays are counted by."""
    return clock.monotonic() - max((clock.now() - name.sent_at).total_seconds(), 0.0)
