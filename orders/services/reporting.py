"""Move orders by a venue's reports, in memory: what is applied, what repeats, what must be parked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.order import EventKind, OrderEvent
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.states import InvalidTransition, anomalies
from orders.domain.translating import REFERRING, translate
from orders.domain.types import BaseState
from orders.selectors.executions import ExecutionFacts
from orders.services.versions import Settled, version_settle
from orders.services.working import WorkingOrder, reasons_stored
from positions.domain.types import FillFact
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7

BOOKED = (EventKind.TRADED, EventKind.BUSTED, EventKind.CORRECTED)
_ANSWERS = (ReportKind.REPLACED, ReportKind.REPLACE_REJECTED)


class Fill(msgspec.Struct, frozen=True):
    """A fill that a later report may bust or correct."""

    execution_id: UUID
    order_id: UUID
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
    is_live: bool


class Move(msgspec.Struct, frozen=True):
    """One report applied: the order as it then stood and what it held, the execution made, the fill spoken of.

    `settled` is the replace that it ended.
    """

    order: WorkingOrder
    report: VenueReport
    kind: EventKind
    described: Mapping[str, Any]
    execution_id: UUID
    referred: Fill | None
    odd: Sequence[Reason]
    reserved: Decimal
    settled: Settled | None


class Parked(msgspec.Struct, frozen=True):
    """One report that could not be applied, and why; `order` is None when it is not one of ours."""

    id: UUID
    report: VenueReport
    why: Reason
    order: WorkingOrder | None
    described: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a batch's orders and executions, read under the accounts' lock."""

    venue: str
    orders: Mapping[UUID, OrderFacts]
    recorded: Mapping[str, UUID]
    executions: Mapping[str, ExecutionFacts]
    asked: Mapping[UUID, OrderTerms]


@dataclass(slots=True)
class Batch:
    """Apply reports one after the other, each to what those before it left."""

    known: Known
    at: datetime
    unbookable: Mapping[UUID, Reason]
    execution_ids: Sequence[UUID]
    orders: dict[UUID, WorkingOrder] = field(init=False)
    fills: dict[str, Fill] = field(init=False)
    recorded: dict[str, UUID] = field(init=False)
    moves: list[Move | Parked] = field(default_factory=list)
    repeats: int = 0

    def __post_init__(self) -> None:
        """Start from what is known."""
        asked = self.known.asked
        self.orders = {key: WorkingOrder(facts, asked.get(key)) for key, facts in self.known.orders.items()}
        self.recorded = dict(self.known.recorded)
        self.fills = {
            exec_id: Fill(e.id, e.order_id, e.quantity, e.price, e.fee, e.executed_at, e.is_live)
            for exec_id, e in self.known.executions.items()
        }

    def run(self, reports: Sequence[VenueReport]) -> None:
        """Apply every report, park those that cannot be."""
        for report, execution_id in zip(reports, self.execution_ids, strict=True):
            if report.exec_id is not None and self.recorded.get(report.exec_id) == report.order_id:
                self.repeats += 1
                continue
            why = self._take(report, execution_id)
            if why is not None:
                self._park(report, why)
            if report.exec_id is not None:
                self.recorded.setdefault(report.exec_id, report.order_id)

    def _take(self, report: VenueReport, execution_id: UUID) -> Reason | None:
        """Apply one report, or return why it cannot be."""
        order = self.orders.get(report.order_id)
        if order is None:
            return reason("ORDER_UNKNOWN", order_id=report.order_id)
        if order.facts.venue != self.known.venue or report.venue != self.known.venue:
            return reason("REPORT_FROM_ELSEWHERE", venue=order.facts.venue, reported_by=report.venue)
        if report.exec_id is not None and report.exec_id in self.recorded:
            return reason("EXEC_ID_REUSED", exec_id=report.exec_id, first_order=self.recorded[report.exec_id])
        if why := _stray_answer(report, order):
            return why
        if execution_id in self.unbookable:
            return self.unbookable[execution_id]
        referred = self._referred(report)
        if isinstance(referred, Reason):
            return referred
        event = self._event(report, order, referred)
        if isinstance(event, Reason):
            return event
        if event.kind is EventKind.STATUS and report.route is not None:
            told, reserved = order.described(), order.held.quantity
            self.moves.append(Move(order, report, event.kind, told, execution_id, None, (), reserved, None))
            return None
        if event.kind is EventKind.STATUS or (referred is not None and not referred.is_live):
            self.repeats += 1
            return None
        return self._move(order, event, report, execution_id, referred)

    def _event(self, report: VenueReport, order: WorkingOrder, referred: Fill | None) -> OrderEvent | Reason:
        if report.kind is ReportKind.STATUS_UNKNOWN_ORDER and not order.state.is_unknown:
            # Only an order whose outcome is in doubt ends by this (row 45); for another it is only a status (row 42).
            return OrderEvent(EventKind.STATUS)
        if report.kind is ReportKind.REPLACED and order.asked is not None:
            taken = translate(report)
            return taken if isinstance(taken, Reason) else replace(taken, time_in_force=order.asked.time_in_force)
        if referred is None:
            return translate(report)
        return translate(report, was_quantity=referred.quantity, was_price=referred.price)

    def _referred(self, report: VenueReport) -> Fill | Reason | None:
        """Return the fill that a bust or correction speaks of."""
        if report.kind not in REFERRING or report.ref_exec_id is None:
            return None
        fill = self.fills.get(report.ref_exec_id)
        if fill is None or fill.order_id != report.order_id:
            return reason("EXECUTION_UNKNOWN", ref_exec_id=report.ref_exec_id)
        return fill

    def _move(
        self, order: WorkingOrder, event: OrderEvent, report: VenueReport, execution_id: UUID, referred: Fill | None
    ) -> Reason | None:
        before = order.state
        try:
            order.apply(event, at=report.executed_at)
        except InvalidTransition as error:
            return error.reason
        settled = version_settle(order, before, event.kind, report)
        order.facts = _told(order.facts, report, order.state.base, event.kind)
        odd, told = anomalies(before, event, order.state), order.described()
        reserved = order.held.quantity
        self.moves.append(Move(order, report, event.kind, told, execution_id, referred, odd, reserved, settled))
        self._keep_fill(event, report, execution_id, referred)
        return None

    def _keep_fill(self, event: OrderEvent, report: VenueReport, execution_id: UUID, referred: Fill | None) -> None:
        """Keep what later reports of this batch may refer to."""
        if referred is not None and report.ref_exec_id is not None:
            self.fills[report.ref_exec_id] = replace(referred, is_live=False)
        if event.kind in BOOKED and report.exec_id is not None:
            is_live = event.kind is not EventKind.BUSTED
            quantity, price = (event.quantity, event.price) if is_live else (event.was_quantity, event.was_price)
            self.fills[report.exec_id] = Fill(
                execution_id, report.order_id, quantity, price, report.fee, report.executed_at, is_live
            )

    def _park(self, report: VenueReport, why: Reason) -> None:
        order = self.orders.get(report.order_id)
        self.moves.append(Parked(uuid7(), report, why, order, order.described() if order else None))


def _stray_answer(report: VenueReport, order: WorkingOrder) -> Reason | None:
    """Return why an answer to a replace is not to be taken: another one is pending than the one it names."""
    if report.kind not in _ANSWERS or report.request_id is None or order.asked is None:
        return None
    if report.request_id == order.asked.version_id:
        return None
    return reason("REPLACE_NOT_PENDING", request_id=report.request_id, pending=order.asked.version_id)


def _told(facts: OrderFacts, report: VenueReport, base: BaseState, kind: EventKind) -> OrderFacts:
    """Return the facts with what a report says beside the move."""
    reasons = facts.reasons
    if kind is EventKind.REJECTED:
        reasons = reasons_stored([reason("VENUE_REJECTED", text=report.reason or "no reason given")])
    if kind is EventKind.NEVER_HEARD:
        reasons = reasons_stored([reason("VENUE_NEVER_HEARD")])
    if reasons is facts.reasons and report.venue_order_id in (None, facts.venue_order_id):
        return facts
    return replace(facts, reasons=reasons, venue_order_id=report.venue_order_id or facts.venue_order_id)


def fill_fact(order: OrderFacts, fill: Fill, *, currency: str) -> FillFact:
    """Return a fill as positions book it."""
    return FillFact(
        fill.execution_id,
        order.id,
        order.account_id,
        order.instrument_id,
        order.side,
        fill.quantity,
        fill.price,
        fill.fee,
        currency,
        fill.executed_at,
    )


def changed_orders(batch: Batch) -> Collection[WorkingOrder]:
    """Return the orders that a batch moved."""
    return {id(move.order): move.order for move in batch.moves if isinstance(move, Move)}.values()
