"""The paper broker: a venue of the portal's own, behind the same protocol as any other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from marketdata.domain.types import PriceUpdate
from orders.brokers.paper.engine import PaperEngine
from orders.brokers.paper.intake import Message
from orders.brokers.paper.market import LiveMarket, Market, PriceTap
from orders.brokers.paper.profile import PaperProfile
from orders.brokers.paper.store import PaperStore
from orders.brokers.paper.wire import Wire
from orders.brokers.protocol import DropCopy, OnReports, VenueCancel, VenueGone, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind, VenueReport
from trading_portal.kernel import clock
from trading_portal.kernel.pace import Pace

IDLE_SECONDS = 0.5
RETRY_SECONDS = 0.25
BATCH = 1_000
_HALF = 0.5
T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Question:
    """Something to be read from the tables, in its turn after every message sent before it."""

    ask: Callable[[], Any]
    answer: Future[Any]


class PaperBroker:
    """Run a paper venue on a thread of its own, with its own database connection.

    What it is told is gathered while it writes: one transaction for all that came meanwhile, then the reports.
    """

    def __init__(self, name: str, profile: PaperProfile | None = None, market: Market | None = None) -> None:
        self._name = name
        self._profile = profile or PaperProfile()
        self._store = PaperStore(name)
        self._engine = PaperEngine(self._store, self._profile, market or LiveMarket())
        self._inbox: deque[tuple[float, Message | _Question]] = deque()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._pace = Pace(self._stopping)
        self._gone: Exception | None = None
        self._on_reports: OnReports = _nowhere
        self._reported_up_to = 0
        self._ready_at = 0.0
        self._wire = Wire(self._profile.faults)
        self._random = Random(self._profile.faults.seed)  # noqa: S311 - faults must be repeatable, not secret
        self.tap = PriceTap(self._awake.set)
        self._opened: Future[None] = Future()
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Return the venue's name."""
        return self._name

    @property
    def is_alive(self) -> bool:
        """Tell whether the venue runs here."""
        return self._thread is not None and self._thread.is_alive()

    async def start(self, on_reports: OnReports) -> None:
        """Load the book and begin to trade; raise when the database cannot be read."""
        self._on_reports = on_reports
        if not self.is_alive:
            self._gone, self._opened = None, Future()
            self._thread = threading.Thread(target=self._run, name=f"paper-{self._name}", daemon=True)
            self._thread.start()
        await asyncio.shield(asyncio.wrap_future(self._opened))
        self.tap.start()

    async def stop(self) -> None:
        """Do what was already sent, report it, and end."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)
        await asyncio.to_thread(self.tap.stop)

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; an order that the venue already has is answered with the state it has."""
        await self._tell(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels."""
        await self._tell(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes; a request that the venue already has is answered as before."""
        await self._tell(replaces)

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Return every report of these orders so far; `status_unknown_order` for one the venue never heard of."""
        await self._tell([])
        reports: list[VenueReport] = await self._ask(lambda: self._store.reports_of(order_ids))
        heard_of = {report.order_id for report in reports}
        return reports + [self._unknown(order_id) for order_id in order_ids if order_id not in heard_of]

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return reports after a point, oldest first."""
        await self._tell([])
        return await asyncio.to_thread(_read, lambda: self._store.reports_after(since_id))

    async def open_orders(self) -> Collection[UUID]:
        """Return the orders that work here."""
        await self._tell([])
        return await asyncio.to_thread(_read, self._store.open_ids)

    async def traded(self) -> Mapping[str, Decimal]:
        """Return for each symbol what was bought less what was sold."""
        await self._tell([])
        return await asyncio.to_thread(_read, self._store.traded)

    def _unknown(self, order_id: UUID) -> VenueReport:
        return VenueReport(
            venue=self._name, kind=ReportKind.STATUS_UNKNOWN_ORDER, order_id=order_id, executed_at=clock.now()
        )

    async def _tell(self, messages: Sequence[Message]) -> None:
        """Send messages over a wire that may lose them, break before or after they were sent, or never say which."""
        faults, chance = self._profile.faults, self._random.random
        if faults.hang and chance() < faults.hang:
            await asyncio.Event().wait()
        breaks = faults.fail and chance() < faults.fail
        if not breaks or chance() < _HALF:
            self._send([message for message in messages if not faults.lose or chance() >= faults.lose])
        if breaks:
            raise ConnectionError(f"The line to {self._name} broke.")

    def _send(self, messages: Sequence[Message | _Question]) -> None:
        """Put messages on their way; they arrive after a while, in the order they were sent."""
        self._require_here()
        jitter = self._random.expovariate(1 / self._profile.jitter) if self._profile.jitter else 0.0
        self._ready_at = max(self._ready_at, clock.monotonic() + self._profile.latency + jitter)
        self._inbox.extend((self._ready_at, message) for message in messages)
        self._awake.set()

    def _require_here(self) -> None:
        if self._gone or self._stopping.is_set():
            raise VenueGone(f"{self._name} does not run here any more.") from self._gone

    async def _ask(self, ask: Callable[[], Any]) -> Any:
        question = _Question(ask, Future())
        self._send([question])
        return await asyncio.wrap_future(question.answer)

    def _run(self) -> None:
        try:
            self._engine.open(clock.now())
            self._reported_up_to = self._store.last_report_id()
        except Exception as error:  # noqa: BLE001 - whoever awaits start() is told
            self._gone = error
            self._opened.set_exception(error)
            connection.close()
            return
        self._opened.set_result(None)
        try:
            while not (self._stopping.is_set() and not self._inbox):
                self._awake.wait(self._idle_seconds())
                self._awake.clear()
                self._pace.begin()
                self._turn()
                self._pace.rest()
        except VenueGone as error:
            self._gone = error
            log.warning("paper.displaced", venue=self._name, session=self._store.session)
        except Exception as error:
            self._gone = error
            log.exception("paper.ended", venue=self._name)
        finally:
            self._on_reports(self._wire.flush())
            self._refuse_questions()
            connection.close()

    def _idle_seconds(self) -> float:
        due = [self._inbox[0][0]] if self._inbox else []
        if self._wire.next_due_at is not None:
            due.append(self._wire.next_due_at)
        at = clock.monotonic()
        rest = self._engine.rest_seconds(at=clock.now(), monotonic=at)
        waits = [each - at for each in due] + ([] if rest is None else [rest])
        return max(0.0, min([IDLE_SECONDS, *waits]))

    def _turn(self) -> None:
        at = clock.monotonic()
        messages: list[Message] = []
        questions: list[_Question] = []
        while self._inbox and self._inbox[0][0] <= at and len(messages) < BATCH:
            _, item = self._inbox.popleft()
            if isinstance(item, _Question):
                questions.append(item)
            else:
                messages.append(item)
        self._work(messages, self.tap.take())
        for question in questions:
            _answer(question)

    def _work(self, messages: Sequence[Message], updates: Mapping[str, PriceUpdate]) -> None:
        """Run one turn to its end, through a restart of the database, and report what came of it."""
        while True:
            try:
                reports = self._engine.turn(messages, updates, at=clock.now(), monotonic=clock.monotonic())
                break
            except (OperationalError, InterfaceError) as error:
                log.warning("paper.database_lost", venue=self._name, error=str(error))
                self._recover()
            except VenueGone:
                raise
            except Exception:
                log.exception("paper.turn_failed", venue=self._name, messages=len(messages))
                self._recover()
                self._work_each(messages)
                return
        self._reported_up_to = max(self._reported_up_to, self._engine.last_report_id)
        self._report(reports)

    def _report(self, reports: Sequence[VenueReport]) -> None:
        """Put reports on the wire, and hand on what arrives."""
        if arriving := self._wire.carry(reports, clock.monotonic()):
            self._on_reports(arriving)

    def _work_each(self, messages: Sequence[Message]) -> None:
        """Keep one message that cannot be worked from taking its neighbours down; whoever sent it will ask."""
        if len(messages) == 1:
            log.error("paper.message_dropped", venue=self._name, order_id=str(messages[0].order_id))
            return
        for message in messages:
            self._work([message], {})

    def _recover(self) -> None:
        """Hold again what the tables have, and report what a lost commit had stored after all."""
        while True:
            connection.close()
            time.sleep(RETRY_SECONDS)
            try:
                self._engine.load(clock.now())
                missed = self._store.reports_after(self._reported_up_to)
                break
            except (OperationalError, InterfaceError):
                if self._stopping.is_set():
                    raise
        self._reported_up_to = missed.last_id
        self._report(missed.reports)

    def _refuse_questions(self) -> None:
        while self._inbox:
            _, item = self._inbox.popleft()
            if isinstance(item, _Question) and item.answer.set_running_or_notify_cancel():
                item.answer.set_exception(VenueGone(f"{self._name} does not run here any more."))


def _read(read: Callable[[], T]) -> T:
    """Read on a connection of its own: a long answer must not hold up the market."""
    try:
        return read()
    finally:
        connection.close()


def _nowhere(reports: Sequence[VenueReport]) -> None:
    """Take the reports of a venue that was never started: there are none."""


def _answer(question: _Question) -> None:
    if not question.answer.set_running_or_notify_cancel():
        return
    try:
        question.answer.set_result(question.ask())
    except Exception as error:  # noqa: BLE001 - whoever asked is told, and asks again
        question.answer.set_exception(error)
        connection.close()
