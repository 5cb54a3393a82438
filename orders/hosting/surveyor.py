"""Compare what a venue has with what we have: open orders and sums traded. A gap is closed, or a person is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog

from orders.domain.breaker import Line
from orders.domain.order import LIVE
from orders.domain.types import BaseState
from orders.hosting.health import VenueHealth
from orders.hosting.line import AdapterLine
from orders.hosting.recorder import Recorder
from orders.selectors.venues import order_states, orders_open_at, traded_at
from orders.services.alerting import Alert, alerts_keep
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO, plain

OPEN_SECONDS = 30.0
TRADED_SECONDS = 300.0
AGAIN_SECONDS = 5.0
# What has just changed may not have reached the other side yet.
SETTLED = timedelta(seconds=2)
AT_ONCE = 500
_ORDER_CODES = ("OPEN_HERE_NOT_THERE", "OPEN_THERE_NOT_HERE")
_SUM_CODES = ("POSITION_DIFFERS",)
_STANDING = LIVE | {BaseState.DONE_FOR_DAY}
log = structlog.get_logger(__name__)

Gap = tuple[str, str]


class Surveyor:
    """Look at both sides now and then; what differs at one look is looked at again soon, and told if it stays."""

    def __init__(self, venue: str, fence: int, line: AdapterLine, recorder: Recorder, health: VenueHealth) -> None:
        self._venue = venue
        self._fence = fence
        self._line = line
        self._recorder = recorder
        self._health = health
        self._open_at = self._traded_at = 0.0
        self._gaps: set[Gap] = set()
        self._sums: dict[str, tuple[Decimal, Decimal]] = {}
        self._has_alerted = [True, True]  # what an earlier worker has raised may be over by now

    def turn(self) -> None:
        """Compare what is due."""
        at = clock.monotonic()
        if at >= self._open_at:
            self._open_at = at + (AGAIN_SECONDS if self._compare_open() else OPEN_SECONDS)
        if at >= self._traded_at:
            self._traded_at = at + (AGAIN_SECONDS if self._compare_sums() else TRADED_SECONDS)

    def _compare_open(self) -> bool:
        """Compare open orders, ask about those that only we have open, and tell whether to look again soon."""
        before = clock.now() - SETTLED
        with self._health.call(Line.ASK):
            theirs = self._line.open_orders()
        if theirs is None:
            return False
        ours = orders_open_at(self._venue, unchanged_since=before)
        not_there, not_here = ours.difference(theirs), self._not_here(theirs)
        gaps: dict[Gap, Alert] = {}
        for order_id in not_there:
            why = reason("OPEN_HERE_NOT_THERE", venue=self._venue)
            gaps[why.code, str(order_id)] = Alert(why, str(order_id), order_id)
        for order_id, base in not_here.items():
            status = "not one of ours" if base is None else base.value
            why = reason("OPEN_THERE_NOT_HERE", venue=self._venue, status=status)
            gaps[why.code, str(order_id)] = Alert(why, str(order_id), None if base is None else order_id)
        if not_there:
            self._ask(sorted(not_there)[:AT_ONCE])
        self._keep(0, _ORDER_CODES, [alert for gap, alert in gaps.items() if gap in self._gaps])
        is_news = not gaps.keys() <= self._gaps
        self._gaps = set(gaps)
        return is_news

    def _not_here(self, theirs: Collection[UUID]) -> Mapping[UUID, BaseState | None]:
        """Return what is open there and over here; what is on its way there is asked about anyway."""
        known = order_states(theirs)
        return {order_id: known.get(order_id) for order_id in theirs if known.get(order_id) not in _STANDING}

    def _ask(self, order_ids: Collection[UUID]) -> None:
        """Let the venue say what became of orders: its reports close the gap, a repeat changes nothing."""
        with self._health.call(Line.ASK):
            reports = self._line.query(list(order_ids))
        self._recorder.take([report for report in reports if report.exec_id is not None])
        log.info("hosting.gap_asked", venue=self._venue, orders=len(order_ids), reports=len(reports))

    def _compare_sums(self) -> bool:
        """Compare what was traded in sum, and tell whether to look again soon."""
        with self._health.call(Line.ASK):
            theirs = self._line.traded()
        if theirs is None:
            return False
        ours = traded_at(self._venue)
        symbols = sorted(theirs.keys() | ours.keys())
        both = {symbol: (ours.get(symbol, ZERO), theirs.get(symbol, ZERO)) for symbol in symbols}
        differing = {symbol: pair for symbol, pair in both.items() if pair[0] != pair[1]}
        alerts = [
            Alert(self._difference(symbol, *pair), symbol)
            for symbol, pair in differing.items()
            if symbol in self._sums and pair[1] - pair[0] == self._sums[symbol][1] - self._sums[symbol][0]
        ]
        self._keep(1, _SUM_CODES, alerts)
        is_news = bool(differing) and len(alerts) < len(differing)
        self._sums = differing
        return is_news

    def _difference(self, symbol: str, ours: Decimal, theirs: Decimal) -> Reason:
        return reason("POSITION_DIFFERS", venue=self._venue, subject=symbol, ours=plain(ours), theirs=plain(theirs))

    def _keep(self, which: int, codes: Collection[str], alerts: list[Alert]) -> None:
        """Let these alerts stand; where none stands and none stood there is nothing to write."""
        if not alerts and not self._has_alerted[which]:
            return
        new = alerts_keep(venue=self._venue, codes=codes, alerts=alerts, fence=self._fence, at=clock.now())
        self._has_alerted[which] = bool(alerts)
        if new:
            log.error("hosting.gap_found", venue=self._venue, alerts=new)
