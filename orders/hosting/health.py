"""Judge a venue by how it answers, and let every process know."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError

from orders.brokers.protocol import VenueGone
from orders.domain.breaker import PROBE_SECONDS, Breaker, BreakerState, Line
from orders.domain.errors import LeaseLost
from orders.domain.latency import Latencies, is_slow, patience
from orders.domain.reports import ReportKind, VenueReport
from orders.selectors.venues import breaker_of
from orders.services.breaking import Health, venue_health_store
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Reason, reason

MEASURE_SECONDS = 5.0
# A question that failed is soon asked again: that it fails again within the second is no news.
ASK_SECONDS = 1.0
FOLLOWED = 20_000
# Not the venue's fault: another worker has it, or our own tables cannot be reached.
_NOT_ITS_FAULT = (VenueGone, LeaseLost, DatabaseError, InterfaceError)
_ENDS = (ReportKind.CANCELED, ReportKind.REJECTED, ReportKind.EXPIRED, ReportKind.STATUS_UNKNOWN_ORDER)
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Sent:
    """An order whose answer is waited for, or its first fill, where it is to trade at once."""

    at: float
    is_immediate: bool
    is_acknowledged: bool = False


class VenueHealth:
    """One host's view of its venue: breaker and delays, shared by its threads, stored as they change."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._fence: int | None = None
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._breaker = Breaker()
        self._probe_at: datetime | None = None
        self._acknowledged, self._filled = Latencies(), Latencies()
        self._sent: dict[UUID, _Sent] = {}
        self._stored = Health()
        self._measure_at = self._ask_counts_at = 0.0

    def begin(self, fence: int) -> None:
        """Take the venue over as its last worker left it."""
        found = breaker_of(self._venue)
        with self._lock:
            self._fence = fence
            self._sent.clear()
            stood = BreakerState(found.state) if found else BreakerState.CLOSED
            if stood is not self._breaker.state:
                self._breaker = Breaker()
                if found is not None and stood is not BreakerState.CLOSED:
                    left = (found.probe_at - clock.now()).total_seconds() if found.probe_at else 0.0
                    probe_in = min(max(left, 0.0), PROBE_SECONDS)
                    self._breaker.open(Line(found.opened_by), clock.monotonic(), found.cause, probe_in=probe_in)
                self._moved()
            self._stored = self._health(clock.monotonic())

    @property
    def is_open(self) -> bool:
        """Tell whether the venue is left alone for now."""
        return self._breaker.state is BreakerState.OPEN

    @property
    def is_probing(self) -> bool:
        """Tell whether one message at a time is sent, to see what becomes of it."""
        return self._breaker.state is BreakerState.HALF_OPEN

    @property
    def refusal(self) -> Reason | None:
        """Return why nothing new is sent now."""
        return reason("BROKER_UNAVAILABLE", venue=self._venue) if self.is_open else None

    def patience(self, at_least: timedelta) -> timedelta:
        """Return how long an answer is waited for: the slower the venue answers, the longer."""
        with self._lock:
            p95 = self._acknowledged.p95(clock.monotonic())
        return timedelta(seconds=patience(p95, at_least=at_least.total_seconds()))

    @contextmanager
    def call(self, line: Line) -> Iterator[None]:
        """Note whether a call to the venue was answered."""
        try:
            yield
        except _NOT_ITS_FAULT:
            raise
        except Exception as error:
            self._failed(line, f"{type(error).__name__}: {error}".rstrip(": "))
            raise
        with self._lock:
            if has_changed := self._breaker.succeeded(line, clock.monotonic()):
                self._moved()
        if has_changed:
            self._store()

    def _failed(self, line: Line, cause: str) -> None:
        at = clock.monotonic()
        with self._lock:
            if line is Line.ASK:
                if at < self._ask_counts_at:
                    return
                self._ask_counts_at = at + ASK_SECONDS
            if has_changed := self._breaker.failed(line, at, cause):
                self._moved()
        if has_changed:
            self._store()

    def _moved(self) -> None:
        """Note when, by the clock on the wall, an open breaker lets something through."""
        breaker = self._breaker
        left = timedelta(seconds=breaker.probe_at - clock.monotonic())
        self._probe_at = clock.now() + left if breaker.state is BreakerState.OPEN else None
        log.warning("hosting.breaker", venue=self._venue, state=breaker.state.value, cause=breaker.cause)

    def turn(self) -> None:
        """Let a probe through when it is time, and store what has changed; call it every second or so."""
        at = clock.monotonic()
        with self._lock:
            if self._breaker.probe_due(at):
                self._moved()
            is_due = at >= self._measure_at
            if is_due:
                self._measure_at = at + MEASURE_SECONDS
            health, stored = self._health(at), self._stored
        is_news = (health.state, health.is_slow) != (stored.state, stored.is_slow)
        if is_news or (is_due and health != stored):
            self._store()

    def sent(self, orders: Iterable[tuple[UUID, bool]]) -> None:
        """Begin to count for orders that are being sent, each with whether it is to trade at once."""
        at = clock.monotonic()
        with self._lock:
            for order_id, is_immediate in orders:
                self._sent.setdefault(order_id, _Sent(at, is_immediate))
            while len(self._sent) > FOLLOWED:
                del self._sent[next(iter(self._sent))]

    def answered(self, reports: Sequence[VenueReport]) -> None:
        """Measure how long the first answer took, and the first fill of what was to trade at once."""
        at = clock.monotonic()
        with self._lock:
            for report in reports:
                sent = self._sent.get(report.order_id)
                if sent is not None:
                    self._measure(report, sent, at)

    def _measure(self, report: VenueReport, sent: _Sent, at: float) -> None:
        if not sent.is_acknowledged:
            self._acknowledged.add(at - sent.at, at)
            sent.is_acknowledged = True
        if report.kind is ReportKind.TRADE and sent.is_immediate:
            self._filled.add(at - sent.at, at)
        if report.kind is ReportKind.TRADE or report.kind in _ENDS or not sent.is_immediate:
            del self._sent[report.order_id]

    def _health(self, at: float) -> Health:
        acknowledged, filled = self._acknowledged.p95(at), self._filled.p95(at)
        return Health(
            state=self._breaker.state,
            opened_by=self._breaker.opened_by,
            cause=self._breaker.cause,
            probe_at=self._probe_at,
            is_slow=is_slow(acknowledged) or is_slow(filled),
            acknowledge_p95_ms=_milliseconds(acknowledged),
            fill_p95_ms=_milliseconds(filled),
            patience_ms=round(patience(acknowledged) * 1000),
        )

    def _store(self) -> None:
        """Store how the venue is; what cannot be stored now is stored with the next turn."""
        with self._storing:
            with self._lock:
                fence, health = self._fence, self._health(clock.monotonic())
            try:
                venue_health_store(venue=self._venue, fence=fence, health=health, at=clock.now())
            except LeaseLost:
                return
            except (DatabaseError, InterfaceError) as error:
                log.warning("hosting.health_not_stored", venue=self._venue, error=str(error))
                return
            with self._lock:
                self._stored = health


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
