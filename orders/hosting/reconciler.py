"""Close the gaps between a venue and us: what was sent and not answered, what was reported and not recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from orders import selectors, services
from orders.brokers.protocol import VenueGone
from orders.domain.breaker import Line
from orders.domain.errors import LeaseLost
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from orders.hosting.health import VenueHealth
from orders.hosting.line import AdapterLine
from orders.hosting.recorder import Recorder
from orders.hosting.surveyor import Surveyor
from orders.hosting.turning import TurningThread
from orders.selectors import InFlight
from orders.services.reconciling import gap_closed_tell
from trading_portal.kernel import clock

TURN_SECONDS = 1.0
ASK_AFTER = timedelta(seconds=2)
ASK_AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0)
UNKNOWN_AFTER = timedelta(seconds=10)
COMPARE_SECONDS = 5.0
OVERDUE_AFTER = timedelta(seconds=1)
AT_ONCE = 500
_ENDS = (ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED)
_REPLACE_ANSWERS = (ReportKind.REPLACED, ReportKind.REPLACE_REJECTED)
log = structlog.get_logger(__name__)


class Reconciler:
    """Ask the venue, first when a worker takes it over, then again and again. Never sends blindly."""

    def __init__(
        self, venue: str, fence: int, line: AdapterLine, recorder: Recorder, health: VenueHealth,
        may_speak: Callable[[], bool], on_displaced: Callable[[], None], on_sending: Callable[[], None],
    ) -> None:  # fmt: skip
        self._venue = venue
        self._fence = fence
        self._line = line
        self._recorder = recorder
        self._health = health
        self._may_speak = may_speak
        self._on_displaced = on_displaced
        self._on_sending = on_sending
        self._is_connected = self.is_reconciled = False
        self._patient_until = clock.monotonic() + UNKNOWN_AFTER.total_seconds()
        self._compare_at = 0.0
        self._surveyor = Surveyor(venue, fence, line, recorder, health)
        self._asked: dict[int, tuple[int, float]] = {}
        self.thread = TurningThread(f"reconcile-{venue}", self.turn, idle_seconds=TURN_SECONDS)

    def turn(self) -> None:
        """Do what is due; the first turn connects the venue and asks about everything that is in doubt."""
        if not self._may_speak():
            return
        try:
            self._turn()
        except (LeaseLost, VenueGone) as error:
            log.warning("hosting.displaced", venue=self._venue, error=str(error))
            self._on_displaced()

    def _turn(self) -> None:
        self._health.turn()
        if self.is_reconciled or clock.monotonic() >= self._patient_until:
            self._mark_unknown()
        if self._health.is_open:  # nothing is asked; what was accepted and not sent is dropped, cancels are tried
            self._on_sending()
            return
        if not self._is_connected:
            with self._health.call(Line.ASK):
                self._line.start(self._recorder.take)
            self._is_connected = True
        if not self.is_reconciled:
            self._compare()
            self._ask_all()
            self.is_reconciled = True
            self._on_sending()
            return
        if self._health.is_probing:
            self._compare_at = 0.0
        self._ask(selectors.intents_in_flight(self._venue, sent_before=clock.now() - ASK_AFTER, limit=AT_ONCE))
        if clock.monotonic() >= self._compare_at:
            self._compare()
            self._compare_at = clock.monotonic() + COMPARE_SECONDS
            self.thread.alive()
            self._surveyor.turn()

    def _compare(self) -> None:
        """Record what the drop copy has and we have not been told."""
        since_id = selectors.drop_copy_position(self._venue)
        while not self.thread.is_stopping:
            self.thread.alive()
            with self._health.call(Line.ASK):
                page = self._line.drop_copy(since_id)
            if not page.reports:
                return
            missing = self._recorder.take_missing(page.reports, page.last_id)
            overdue = [report for report in missing if report.executed_at <= clock.now() - OVERDUE_AFTER]
            if overdue:
                log.info("hosting.reports_caught_up", venue=self._venue, reports=len(overdue))
                gap_closed_tell(venue=self._venue, fence=self._fence, reports=len(overdue), at=clock.now())
            since_id = page.last_id

    def _ask_all(self) -> None:
        """Ask about every intent that an earlier worker left in flight."""
        after_id = 0
        while not self.thread.is_stopping:
            self.thread.alive()
            intents = selectors.intents_in_flight(
                self._venue, sent_before=clock.now(), after_id=after_id, limit=AT_ONCE
            )
            if not intents:
                return
            self._ask(intents)
            after_id = max(intent.intent_id for intent in intents)

    def _ask(self, intents: Sequence[InFlight]) -> None:
        """Ask the venue what became of messages; send again only what it has never heard of."""
        at = clock.monotonic()
        self._asked = {i.intent_id: self._asked[i.intent_id] for i in intents if i.intent_id in self._asked}
        due = [intent for intent in intents if self._asked.get(intent.intent_id, (0, 0.0))[1] <= at]
        if not due:
            return
        for intent in due:
            count = self._asked.get(intent.intent_id, (0, 0.0))[0]
            self._asked[intent.intent_id] = (count + 1, at + ASK_AGAIN_SECONDS[min(count, len(ASK_AGAIN_SECONDS) - 1)])
        with self._health.call(Line.ASK):
            reports = self._line.query([intent.order_id for intent in due])
        log.info("hosting.asked", venue=self._venue, intents=len(due), reports=len(reports))
        self._settle(due, reports)

    def _settle(self, intents: Iterable[InFlight], reports: Sequence[VenueReport]) -> None:
        heard = [report for report in reports if report.kind is not ReportKind.STATUS_UNKNOWN_ORDER]
        never = {report.order_id: report for report in reports if report.kind is ReportKind.STATUS_UNKNOWN_ORDER}
        ended = {report.order_id for report in heard if report.kind in _ENDS}
        answered = ended | {report.order_id for report in heard if report.kind is ReportKind.CANCEL_REJECTED}
        replaced = {(report.order_id, report.request_id) for report in heard if report.kind in _REPLACE_ANSWERS}
        submits, cancels, replaces = set(), set(), set()
        for intent in intents:
            if intent.order_id in never and intent.is_unknown:
                heard.append(never[intent.order_id])
            elif intent.order_id in never and intent.kind is IntentKind.SUBMIT:
                submits.add(intent.order_id)
            elif intent.kind is IntentKind.CANCEL and intent.order_id not in answered:
                cancels.add(intent.order_id)
            elif _is_unheard(intent, ended, replaced):
                replaces.add(intent.order_id)
        self._recorder.take(heard)
        self._send_again(submits, IntentKind.SUBMIT)
        self._send_again(cancels, IntentKind.CANCEL)
        self._send_again(replaces, IntentKind.REPLACE)

    def _send_again(self, order_ids: Collection[UUID], kind: IntentKind) -> None:
        if order_ids:
            count = services.sends_retry(
                venue=self._venue, order_ids=order_ids, kinds=[kind], fence=self._fence, at=clock.now()
            )
            log.info("hosting.sent_again", venue=self._venue, kind=kind.value, messages=count)

    def _mark_unknown(self) -> None:
        """Say that an outcome is unknown, once the venue has not answered for too long."""
        at = clock.now()
        marked = services.orders_unknown_mark(
            venue=self._venue, sent_before=at - self._health.patience(UNKNOWN_AFTER), fence=self._fence, at=at
        )
        if marked:
            log.warning("hosting.orders_unknown", venue=self._venue, orders=len(marked))


def _is_unheard(intent: InFlight, ended: Collection[UUID], replaced: Collection[tuple[UUID, UUID | None]]) -> bool:
    """Tell whether a venue never got a replace: it neither answered it nor ended the order.

    A venue that does not name what it answers may have answered this one: then nothing is sent again.
    """
    if intent.kind is not IntentKind.REPLACE or intent.order_id in ended:
        return False
    return (intent.order_id, intent.request_id) not in replaced and (intent.order_id, None) not in replaced
