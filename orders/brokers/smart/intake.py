"""Take in what the portal asks of a router."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.brokers.smart.desk import Desk
from orders.brokers.smart.working import Parent, ParentState
from orders.domain.reports import ReportKind
from orders.domain.schedules import Step, steps_of
from orders.domain.types import PLAIN_TYPES, Algorithm

Message = VenueOrder | VenueCancel | VenueReplace
DEFAULT_LENGTH = timedelta(minutes=30)


class Intake:
    """Begin, cancel and change orders."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def take(self, message: Message, at: datetime) -> None:
        """Do what one message asks; what the order leads to is decided at the end of the turn."""
        parent = self._desk.parents.get(message.order_id)
        if isinstance(message, VenueOrder):
            self._begin(message, at) if parent is None else self._repeat(parent)
        elif parent is None:
            is_cancel = isinstance(message, VenueCancel)
            kind = ReportKind.CANCEL_REJECTED if is_cancel else ReportKind.REPLACE_REJECTED
            request_id = None if isinstance(message, VenueCancel) else message.request_id
            self._desk.tell(message.order_id, kind, at, reason="UNKNOWN_ORDER", request_id=request_id)
        elif isinstance(message, VenueCancel):
            self._cancel(parent, at)
        else:
            self._replace(parent, message, at)

    def _begin(self, order: VenueOrder, at: datetime) -> None:
        lot = self._desk.views.lots([order.symbol], at).get(order.symbol)
        steps, ends_at = self._timetable(order, lot, at)
        parent = Parent(
            order, at, order.quantity, order.limit_price, order.time_in_force, lot or Decimal(1), steps, ends_at
        )
        self._desk.parents[parent.id] = parent
        self._desk.turn.touch(parent)
        if order.order_type not in PLAIN_TYPES or lot is None:
            parent.state = ParentState.DONE
            why = "TYPE_NOT_SUPPORTED" if lot else "UNKNOWN_SYMBOL"
            self._desk.tell(parent.id, ReportKind.REJECTED, at, reason=why)
            return
        self._desk.tell(parent.id, ReportKind.NEW, at)
        self._desk.set_timer(parent, at)
        self._desk.due[parent.id] = parent

    def _timetable(
        self, order: VenueOrder, lot: Decimal | None, at: datetime
    ) -> tuple[tuple[Step, ...], datetime | None]:
        """Return the steps of an order that is worked over time, and its end; none for one that is sent at once."""
        plan = order.schedule
        if plan is None or lot is None:
            return (), None
        starts_at = max(plan.starts_at or at, at)
        ends_at = plan.ends_at if plan.ends_at and plan.ends_at > starts_at else starts_at + DEFAULT_LENGTH
        is_vwap = plan.algorithm is Algorithm.VWAP
        volumes = self._desk.views.volumes(order.symbol, starts_at, ends_at) if is_vwap else ()
        steps = steps_of(
            quantity=order.quantity, lot=lot, starts_at=starts_at, ends_at=ends_at, slices=plan.slices, volumes=volumes
        )
        return tuple(steps), ends_at

    def _repeat(self, parent: Parent) -> None:
        self._desk.turn.repeated += self._desk.store.copies.reports_of([parent.id])

    def _cancel(self, parent: Parent, at: datetime) -> None:
        if parent.state is ParentState.DONE:
            past = [r for r in self._desk.store.copies.reports_of([parent.id]) if r.kind is ReportKind.CANCELED]
            if past:
                self._desk.turn.repeated.append(past[-1])
            else:
                self._desk.tell(parent.id, ReportKind.CANCEL_REJECTED, at, reason="TOO_LATE")
            return
        parent.is_cancel_asked = True
        self._desk.turn.touch(parent)
        self._desk.due[parent.id] = parent

    def _replace(self, parent: Parent, asked: VenueReplace, at: datetime) -> None:
        known = [r for r in self._desk.store.copies.reports_of([parent.id]) if r.request_id == asked.request_id]
        if known:
            self._desk.turn.repeated += known
            return
        if parent.state is ParentState.DONE or parent.is_cancel_asked or parent.steps or parent.ask is not None:
            if parent.ask is None or parent.ask.request_id != asked.request_id:
                why = "TOO_LATE" if parent.state is ParentState.DONE else "NOT_NOW"
                self._desk.tell(parent.id, ReportKind.REPLACE_REJECTED, at, reason=why, request_id=asked.request_id)
            return
        parent.ask = asked
        self._desk.turn.touch(parent)
        self._desk.due[parent.id] = parent
