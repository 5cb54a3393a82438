"""Take a venue's reports from the adapter's thread and record them in batches, on a thread of its own."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from django.db import InterfaceError, OperationalError

from orders import services
from orders.domain.errors import LeaseLost
from orders.domain.reports import VenueReport
from orders.hosting.health import VenueHealth
from orders.hosting.turning import TurningThread
from orders.services.metrics import REPORTS_RECORDED
from trading_portal.kernel import clock
from trading_portal.kernel.failpoints import failpoint

BATCH = 1000
REMEMBERED = 200_000
IDLE_SECONDS = 0.5
log = structlog.get_logger(__name__)


class Recorder:
    """Hold what a venue has reported until it is recorded; a repeat is harmless, a loss is not."""

    def __init__(self, venue: str, fence: int, health: VenueHealth, on_displaced: Callable[[], None]) -> None:
        self._venue = venue
        self._fence = fence
        self._health = health
        self._on_displaced = on_displaced
        self._waiting: deque[VenueReport | int] = deque()
        self._taken: list[VenueReport | int] = []
        self._remembered: dict[str, None] = {}
        self._recorded = REPORTS_RECORDED.labels(venue)
        self.thread = TurningThread(f"record-{venue}", self.turn, idle_seconds=IDLE_SECONDS)

    @property
    def backlog(self) -> int:
        """Return how many reports wait to be recorded."""
        return len(self._waiting) + len(self._taken)

    def take(self, reports: Sequence[VenueReport]) -> None:
        """Take reports in; never blocks."""
        self._remembered.update((report.exec_id, None) for report in reports if report.exec_id)
        self._waiting.extend(reports)
        self.thread.wake()
        self._health.answered(reports)

    def take_missing(self, reports: Sequence[VenueReport], up_to: int) -> list[VenueReport]:
        """Take the reports of a drop copy that did not come otherwise, and return them.

        Once everything before is recorded, the venue's drop copy counts as compared `up_to` this id.
        """
        missing = [report for report in reports if report.exec_id not in self._remembered]
        self.take(missing)
        self._waiting.append(up_to)
        self.thread.wake()
        return missing

    def turn(self) -> None:
        """Record until nothing waits."""
        while self._taken or self._waiting:
            self.thread.alive()
            while self._waiting and len(self._taken) < BATCH:
                self._taken.append(self._waiting.popleft())
            reports = [item for item in self._taken if isinstance(item, VenueReport)]
            marks = [item for item in self._taken if isinstance(item, int)]
            if reports:
                failpoint("venue.before_record")
            is_whole = self._record(reports)
            if marks and is_whole:
                services.drop_copy_compared(venue=self._venue, fence=self._fence, up_to=marks[-1])
            is_full = len(self._taken) >= BATCH
            self._taken.clear()
            self._forget_oldest()
            if not is_full:
                self.thread.rest()

    def _record(self, reports: Sequence[VenueReport]) -> bool:
        """Record reports; one that cannot even be parked is kept from its neighbours and comes again by drop copy."""
        if not reports:
            return True
        try:
            services.executions_record(venue=self._venue, reports=reports, fence=self._fence, at=clock.now())
        except (OperationalError, InterfaceError):
            raise
        except LeaseLost:
            self._displaced()
            return False
        except Exception:
            if len(reports) == 1:
                log.exception("hosting.report_not_recorded", venue=self._venue, exec_id=reports[0].exec_id)
                self._remembered.pop(reports[0].exec_id or "", None)
                return False
            half = len(reports) // 2
            is_whole = self._record(reports[:half])
            return self._record(reports[half:]) and is_whole
        self._recorded.inc(len(reports))
        return True

    def _displaced(self) -> None:
        """Drop what waits: whoever holds the lease now takes it from the drop copy."""
        self._waiting.clear()
        self._on_displaced()

    def _forget_oldest(self) -> None:
        excess = len(self._remembered) - REMEMBERED
        if excess > 0:
            for exec_id in list(itertools.islice(self._remembered, excess)):
                self._remembered.pop(exec_id, None)
