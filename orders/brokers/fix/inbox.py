"""Take what a venue says off QuickFIX's threads: store it, then report it, in the venue's order."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection
from msgspec.structs import replace

from orders.brokers.fix.messages import Received
from orders.brokers.fix.store import FixStore, Kept, ended_by_cancel
from orders.brokers.fix.translating import Sent, answered_question, names_in, order_of, translate, with_ratio
from orders.brokers.protocol import OnReports
from orders.domain.fix import Tag
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import IntentKind
from trading_portal.kernel import clock

BATCH: Final = 500
IDLE_SECONDS: Final = 0.25
RETRY_SECONDS: Final = 0.25
REMEMBERED: Final = 100_000
log = structlog.get_logger(__name__)


class _Heard:
    """A message of the venue, and in which era of its numbers it came."""

    __slots__ = ("era", "message")

    def __init__(self, message: Received, era: str) -> None:
        self.message = message
        self.era = era


class Question:
    """Something asked of the venue: answered by one message, or by several of which the last says so."""

    __slots__ = ("answers", "complete")

    def __init__(self) -> None:
        self.answers: list[Received] = []
        self.complete: Future[list[Received]] = Future()

    def hear(self, message: Received) -> bool:
        """Take an answer; tell whether it was the last."""
        self.answers.append(message)
        total = message.get(Tag.TOT_NUM_REPORTS)
        is_one_of_many = bool(message.get(Tag.MASS_STATUS_REQ_ID)) and message.get(Tag.LAST_RPT_REQUESTED) != "Y"
        if is_one_of_many and total not in ("0", str(len(self.answers))):
            return False
        with suppress(InvalidStateError):  # whoever asked has gone
            self.complete.set_result(self.answers)
        return True


Item = _Heard | Kept | VenueReport


class FixInbox:
    """Record on a thread of its own, batch by batch; only what is stored counts as received.

    A message that was not stored before the process died is asked for again, as the session's number is stored with it.
    """

    def __init__(self, store: FixStore, each_turn: Callable[[], None]) -> None:
        self.on_reports: OnReports = _nowhere
        self.questions: dict[str, Question] = {}
        self._store = store
        self._each_turn = each_turn
        self._items: deque[Item] = deque()
        self._sent: OrderedDict[str, tuple[UUID, IntentKind]] = OrderedDict()
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"fix-{store.venue}", daemon=True)

    def start(self) -> None:
        """Begin to record, or go on."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self, seconds: float) -> None:
        """Record what came, and end."""
        self._stopping = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def take(self, message: Received, era: str) -> None:
        """Take a message from the engine; returns at once."""
        self._put(_Heard(message, era))

    def repeat(self, reports: Sequence[VenueReport]) -> None:
        """Report once more what is stored already."""
        for report in reports:
            self._put(report)

    def own(self, report: VenueReport) -> None:
        """Store and report what we know without asking the venue."""
        self._put(Kept(report))

    def learn(self, name: str, order_id: UUID, kind: IntentKind) -> None:
        """Remember which request a ClOrdID is, so that its answer needs no look-up."""
        self._sent[name] = (order_id, kind)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _put(self, item: Item) -> None:
        self._items.append(item)
        self._woken.set()

    def _run(self) -> None:
        while not (self._stopping and not self._items):
            self._woken.wait(IDLE_SECONDS)
            self._woken.clear()
            try:
                self._turn()
            except Exception:
                log.exception("fix.turn_failed", venue=self._store.venue)
                connection.close()
        connection.close()

    def _turn(self) -> None:
        if not self._stopping:
            self._each_turn()
        while self._items:
            batch = [self._items.popleft() for _ in range(min(BATCH, len(self._items)))]
            if not self._work(batch):
                return

    def _work(self, batch: Sequence[Item]) -> bool:
        """Record one batch, through a restart of the database; False when we end before it is back."""
        while True:
            try:
                self._record(batch)
                return True
            except (OperationalError, InterfaceError) as error:
                log.warning("fix.database_lost", venue=self._store.venue, error=str(error))
                connection.close()
                if self._stopping:  # nothing after this may count as recorded: whoever comes next asks for all of it
                    self._items.clear()
                    return False
                self._woken.wait(RETRY_SECONDS)
            except Exception:
                log.exception("fix.not_recorded", venue=self._store.venue, messages=len(batch))
                connection.close()
                if len(batch) > 1:
                    return all(self._work([item]) for item in batch)
                self._give_up(batch[0])
                return True

    def _give_up(self, item: Item) -> None:
        """Report what cannot be stored as a fill without a quantity, which is parked for people to see."""
        if isinstance(item, _Heard):
            self.on_reports([_unread(self._store.venue, item.message)])

    def _record(self, batch: Sequence[Item]) -> None:
        heard = [item for item in batch if isinstance(item, _Heard)]
        sent = self._known([item.message for item in heard])
        reports: list[VenueReport] = []
        kept: list[Kept] = []
        answers: list[Received] = []
        for item in batch:
            if isinstance(item, VenueReport):
                reports.append(item)
                continue
            if isinstance(item, _Heard) and self._is_asked(item.message):
                answers.append(item.message)
                continue
            found = item if isinstance(item, Kept) else self._understand(item.message, sent, kept)
            if found is not None:
                reports.append(found.report)
                kept.append(found)
        self._store.keep(
            kept, era=heard[-1].era if heard else "", received_up_to=heard[-1].message.number if heard else 0
        )
        if reports:
            self.on_reports(reports)
        for message in answers:
            self._answer(message)

    def _known(self, messages: Sequence[Received]) -> Sent:
        """Return which of our requests the messages name."""
        names = {name for message in messages for name in names_in(message)}
        known = {name: self._sent[name] for name in names if name in self._sent}
        unknown = names - known.keys()
        return known | self._store.sent(unknown) if unknown else known

    def _understand(self, message: Received, sent: Sent, before: Sequence[Kept]) -> Kept | None:
        report = translate(self._store.venue, message, sent, at=clock.now())
        if report is None:
            log.warning("fix.not_understood", venue=self._store.venue, message=message.text)
            return None
        if report.kind is ReportKind.CANCEL_REJECTED:
            canceled = ended_by_cancel(self._past(report.order_id, before))
            return Kept(canceled or report, message.text)
        if report.restatement is Restatement.SPLIT:
            return Kept(
                replace(report, ratio=with_ratio(report, self._quantity(report.order_id, before))), message.text
            )
        return Kept(report, message.text)

    def _past(self, order_id: UUID, before: Sequence[Kept]) -> list[VenueReport]:
        """Return what the venue reported of an order up to now."""
        earlier = [kept.report for kept in before if kept.report.order_id == order_id]
        return self._store.reports_of([order_id]) + earlier

    def _quantity(self, order_id: UUID, before: Sequence[Kept]) -> Decimal:
        """Return what an order is for by now: as sent, as replaced, as split."""
        for report in reversed(self._past(order_id, before)):
            if report.kind in (ReportKind.REPLACED, ReportKind.RESTATED) and report.quantity:
                return report.quantity
        order = self._store.orders([order_id]).get(order_id)
        return order.quantity if order else Decimal(0)

    def _is_asked(self, message: Received) -> bool:
        return answered_question(message) in self.questions

    def _answer(self, message: Received) -> None:
        name = answered_question(message)
        question = self.questions.get(name)
        if question is not None and question.hear(message):
            self.questions.pop(name, None)


def _unread(venue: str, message: Received, at: datetime | None = None) -> VenueReport:
    return VenueReport(
        venue=venue,
        kind=ReportKind.TRADE,
        order_id=order_of(venue, message, {}),
        exec_id=f"unread:{message.get(Tag.SENDING_TIME)}:{message.number}"[:64],
        reason=message.text[:1000],
        executed_at=at or clock.now(),
    )


def _nowhere(reports: Sequence[VenueReport]) -> None:
    raise RuntimeError("A FIX venue's adapter was opened without anybody to report to.")
