"""Follow what becomes of the parts of orders: by their venues' reports, and by the clock."""

from __future__ import annotations

import heapq
from datetime import datetime

from orders.brokers.smart.desk import Desk
from orders.brokers.smart.working import SLOW_SECONDS, Child, ChildState, Parent, ParentState
from orders.domain.reports import ReportKind, VenueReport

_ENDS = {
    ReportKind.CANCELED: "canceled",
    ReportKind.REJECTED: "rejected",
    ReportKind.EXPIRED: "expired",
    ReportKind.STATUS_UNKNOWN_ORDER: "never_heard",
}
_BAD_ANSWERS = (ReportKind.REJECTED, ReportKind.STATUS_UNKNOWN_ORDER)


class Following:
    """Move parts by what venues say, and doubt those that say nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def reported(self, report: VenueReport, monotonic: float) -> None:
        """Apply one report of a venue to the part it is about; a repeat changes nothing."""
        parent = self._desk.parents.get(self._desk.owner.get(report.order_id, report.order_id))
        child = parent.children.get(report.order_id) if parent else None
        if parent is None or child is None:
            return
        self._answered(child, report.kind, monotonic)
        if report.kind is ReportKind.NEW and child.state is ChildState.SENT:
            self._opened(child, monotonic)
            self._desk.turn.touch(parent, child)
        elif report.kind in (ReportKind.TRADE, ReportKind.TRADE_CANCEL, ReportKind.TRADE_CORRECT):
            self._traded(parent, child, report, monotonic)
        elif child.state is not ChildState.DONE and (report.kind in _ENDS or _never_came(report, child)):
            self._child_ended(parent, child, report, monotonic)
        self._desk.due[parent.id] = parent

    def _answered(self, child: Child, kind: ReportKind, monotonic: float) -> None:
        """Note that a venue need not be waited for any more; that it knows nothing of a part is no good answer."""
        if not child.sent_mono:
            return
        health = self._desk.health[child.venue]
        health.unanswered = max(health.unanswered - 1, 0)
        if kind not in _BAD_ANSWERS:
            health.answered(monotonic - child.sent_mono, monotonic)
        child.sent_mono = 0.0

    def _opened(self, child: Child, monotonic: float) -> None:
        child.state = ChildState.OPEN
        self._desk.ask_later(child, monotonic)

    def _traded(self, parent: Parent, child: Child, report: VenueReport, monotonic: float) -> None:
        exec_id = f"{report.venue}:{report.exec_id}"
        if exec_id in parent.seen:
            return
        parent.seen.add(exec_id)
        if report.kind is ReportKind.TRADE and report.quantity is not None:
            child.filled += report.quantity
            parent.filled += report.quantity
            if child.filled >= child.quantity:
                child.state, child.ended_as = ChildState.DONE, "filled"
            elif child.state is ChildState.SENT:
                self._opened(child, monotonic)
        self._desk.turn.touch(parent, child)
        ref = f"{report.venue}:{report.ref_exec_id}" if report.ref_exec_id else None
        self._desk.turn.reports.append(
            VenueReport(
                venue=self._desk.store.name,
                kind=report.kind,
                order_id=parent.id,
                venue_order_id=str(parent.id),
                exec_id=exec_id,
                ref_exec_id=ref,
                quantity=report.quantity,
                price=report.price,
                fee=report.fee,
                reason=report.reason,
                executed_at=report.executed_at,
            )
        )

    def _child_ended(self, parent: Parent, child: Child, report: VenueReport, monotonic: float) -> None:
        was_asked = child.state is ChildState.CANCELING
        child.state, child.ended_as = ChildState.DONE, _ENDS.get(report.kind, "never_heard")
        self._desk.turn.touch(parent, child)
        if report.kind in _BAD_ANSWERS:
            self._desk.health[child.venue].failed(monotonic, report.reason or child.ended_as)
        if report.kind is ReportKind.CANCELED and not was_asked and not parent.is_immediate:
            self._desk.health[child.venue].suspect(monotonic)

    def look_at_slow(self, monotonic: float) -> None:
        """Suspect a venue that has not answered in time, and ask for the part back."""
        while self._desk.unanswered and self._desk.unanswered[0][0] + SLOW_SECONDS <= monotonic:
            sent_mono, child = self._desk.unanswered.popleft()
            parent = self._desk.parents.get(child.parent_id)
            if parent is None or child.state is not ChildState.SENT or child.sent_mono != sent_mono:
                continue
            self._desk.health[child.venue].suspect(monotonic)
            if self._is_there_another(child.venue, monotonic):
                self._desk.recall_child(parent, child, monotonic)
            else:
                self._desk.ask_later(child, monotonic)

    def _is_there_another(self, slow: str, monotonic: float) -> bool:
        """Tell whether some venue is trusted: while all are slow, moving from one to the next helps nobody."""
        return any(
            monotonic >= health.suspect_until and not health.is_away(monotonic)
            for venue, health in self._desk.health.items()
            if venue != slow
        )

    def ask_due(self, monotonic: float) -> None:
        """Ask again about parts that were not answered, and now and then about those that work."""
        while self._desk.asks and self._desk.asks[0][0] <= monotonic:
            due, _, child = heapq.heappop(self._desk.asks)
            parent = self._desk.parents.get(child.parent_id)
            if parent is not None and child.state is not ChildState.DONE and child.ask_mono == due:
                self._desk.turn.asks.append(child)
                if child.state is ChildState.SENT and self._is_there_another(child.venue, monotonic):
                    self._desk.recall_child(parent, child, monotonic)
                    continue
                if child.state is ChildState.CANCELING:
                    self._desk.turn.cancels.append(child)
                self._desk.ask_later(child, monotonic)

    def on_time(self, at: datetime) -> None:
        """Go on with orders of which more is due now, and end those whose time is over."""
        while self._desk.timed and self._desk.timed[0][0] <= at:
            parent = self._desk.parents.get(heapq.heappop(self._desk.timed)[2])
            if parent is None or parent.state is ParentState.DONE:
                continue
            self._desk.due[parent.id] = parent
            self._desk.set_timer(parent, at)


def _never_came(report: VenueReport, child: Child) -> bool:
    """Tell whether a venue says, asked for a part back, that it has none such: what was sent before came before."""
    is_unknown = report.kind is ReportKind.CANCEL_REJECTED and report.reason == "UNKNOWN_ORDER"
    return is_unknown and child.state is ChildState.CANCELING and not child.filled
