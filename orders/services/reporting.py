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
from orders.domain.ratios import shares_after
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.states import InvalidTransition, anomalies
from orders.domain.translating import REFERRING, translate
from orders.domain.types import BaseState
from orders.selectors.executions import ExecutionFacts
from orders.services.filling import Fill, event_of_fill, fill_of
from orders.services.splitting import SplitTerms, order_split
from orders.services.versions import Settled, version_settle
from orders.services.working import WorkingOrder, reasons_stored
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

BOOKED = (EventKind.TRADED, EventKind.BUSTED, EventKind.CORRECTED)
EARLY = "EXECUTION_UNKNOWN"
"""Why a bust or correction is parked that came before its trade: it is applied when that comes."""
_ANSWERS = (ReportKind.REPLACED, ReportKind.REPLACE_REJECTED)


class Incoming(msgspec.Struct, frozen=True):
    """A report to be applied, and the id of the execution it may make; `parked_id` where it is parked already."""

    report: VenueReport
    execution_id: UUID
    parked_id: UUID | None = None


class Move(msgspec.Struct, frozen=True):
    """One report applied: the order as it then stood and what it held, the execution made, the fill spoken of.

    `settled` is the replace that it ended, `split` the terms that a split left; `unparked` is the parked report it was.
    """

    order: WorkingOrder
    report: VenueReport
    event: OrderEvent
    described: Mapping[str, Any]
    execution_id: UUID
    referred: Fill | None
    odd: Sequence[Reason]
    reserved: Decimal
    settled: Settled | None = None
    split: SplitTerms | None = None
    unparked: UUID | None = None

    @property
    def kind(self) -> EventKind:
        """Return what happened."""
        return self.event.kind


class Parked(msgspec.Struct, frozen=True):
    """One report that could not be applied, and why; `order` is None when it is not one of ours."""

    id: UUID
    report: VenueReport
    why: Reason
    order: WorkingOrder | None
    described: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a batch's orders and executions, read under the accounts' lock.

    `early` are parked busts and corrections of trades that may come in this batch, by the trade's exec_id.
    """

    venue: str
    orders: Mapping[UUID, OrderFacts]
    recorded: Mapping[str, UUID]
    executions: Mapping[str, ExecutionFacts]
    asked: Mapping[UUID, OrderTerms]
    early: Mapping[str, Sequence[Incoming]]


@dataclass(slots=True)
class Batch:
    """Apply reports one after the other, each to what those before it left."""

    known: Known
    at: datetime
    unbookable: Mapping[UUID, Reason]
    orders: dict[UUID, WorkingOrder] = field(init=False)
    fills: dict[str, Fill] = field(init=False)
    recorded: dict[str, UUID] = field(init=False)
    early: dict[str, list[Incoming]] = field(init=False)
    moves: list[Move | Parked] = field(default_factory=list)
    unparked: list[UUID] = field(default_factory=list)
    repeats: int = 0

    def __post_init__(self) -> None:
        """Start from what is known."""
        asked = self.known.asked
        self.orders = {key: WorkingOrder(facts, asked.get(key)) for key, facts in self.known.orders.items()}
        self.recorded = dict(self.known.recorded)
        self.early = {exec_id: list(each) for exec_id, each in self.known.early.items()}
        self.fills = {exec_id: fill_of(each) for exec_id, each in self.known.executions.items()}

    def run(self, incoming: Sequence[Incoming]) -> None:
        """Apply every report, park those that cannot be."""
        for each in incoming:
            self._hear(each)

    def _hear(self, each: Incoming) -> None:
        report, is_new = each.report, each.parked_id is None
        if is_new and report.exec_id is not None and self.recorded.get(report.exec_id) == report.order_id:
            self.repeats += 1
            return
        why = self._take(each)
        if why is not None and is_new:
            self._park(each, why)
        if why is None and each.parked_id is not None:
            self.unparked.append(each.parked_id)
        if report.exec_id is not None:
            self.recorded.setdefault(report.exec_id, report.order_id)
            # What spoke of this execution before it came has waited for it.
            for waiting in self.early.pop(report.exec_id, ()) if why is None else ():
                self._hear(waiting)

    def _take(self, each: Incoming) -> Reason | None:
        """Apply one report, or return why it cannot be."""
        report, execution_id = each.report, each.execution_id
        order = self.orders.get(report.order_id)
        if order is None:
            return reason("ORDER_UNKNOWN", order_id=report.order_id)
        if order.facts.venue != self.known.venue or report.venue != self.known.venue:
            return reason("REPORT_FROM_ELSEWHERE", venue=order.facts.venue, reported_by=report.venue)
        first = self.recorded.get(report.exec_id or "", report.order_id)
        if first != report.order_id:
            return reason("EXEC_ID_REUSED", exec_id=report.exec_id, first_order=first)
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
            self.moves.append(Move(order, report, event, told, execution_id, None, (), reserved))
            return None
        if event.kind is EventKind.STATUS or (referred is not None and not referred.is_live):
            self.repeats += 1
            return None
        return self._move(order, event, each, referred)

    def _event(self, report: VenueReport, order: WorkingOrder, referred: Fill | None) -> OrderEvent | Reason:
        if report.kind is ReportKind.STATUS_UNKNOWN_ORDER and not order.state.is_unknown:
            # Only an order whose outcome is in doubt ends by this (row 45); for another it is only a status (row 42).
            return OrderEvent(EventKind.STATUS)
        if report.kind is ReportKind.REPLACED and order.asked is not None:
            taken = translate(report)
            return taken if isinstance(taken, Reason) else replace(taken, time_in_force=order.asked.time_in_force)
        if referred is None:
            return translate(report)
        return event_of_fill(translate(report, was_quantity=referred.counted, was_price=referred.price), referred)

    def _referred(self, report: VenueReport) -> Fill | Reason | None:
        """Return the fill that a bust or correction speaks of."""
        if report.kind not in REFERRING or report.ref_exec_id is None:
            return None
        fill = self.fills.get(report.ref_exec_id)
        if fill is None or fill.order_id != report.order_id:
            return reason(EARLY, ref_exec_id=report.ref_exec_id)
        return fill

    def _move(self, order: WorkingOrder, event: OrderEvent, each: Incoming, referred: Fill | None) -> Reason | None:
        before, report, execution_id, split = order.state, each.report, each.execution_id, None
        try:
            if event.kind is EventKind.SPLIT:
                split = order_split(order, event, report, at=report.executed_at)
            else:
                order.apply(event, at=report.executed_at)
        except InvalidTransition as error:
            return error.reason
        if isinstance(split, Reason):
            return split
        settled = version_settle(order, before, event.kind, report)
        order.facts = _told(order.facts, report, order.state.base, event.kind)
        odd, told = anomalies(before, event, order.state), order.described()
        reserved = order.held.quantity
        move = Move(order, report, event, told, execution_id, referred, odd, reserved, settled, split, each.parked_id)
        self.moves.append(move)
        if split is not None:
            self._restate_fills(report.order_id, event)
        self._keep_fill(event, report, execution_id, referred)
        return None

    def _restate_fills(self, order_id: UUID, event: OrderEvent) -> None:
        """Have an order's live fills count for what they became; their sum is the order's."""
        fills = sorted(self.fills.items(), key=lambda each: each[1].execution_id)
        live = {exec_id: fill for exec_id, fill in fills if fill.order_id == order_id and fill.is_live}
        counted = shares_after([fill.counted for fill in live.values()], event.ratio)
        for (exec_id, fill), quantity in zip(live.items(), counted, strict=True):
            self.fills[exec_id] = replace(fill, counted=quantity)

    def _keep_fill(self, event: OrderEvent, report: VenueReport, execution_id: UUID, referred: Fill | None) -> None:
        """Keep what later reports of this batch may refer to."""
        if referred is not None and report.ref_exec_id is not None:
            self.fills[report.ref_exec_id] = replace(referred, is_live=False)
        if event.kind in BOOKED and report.exec_id is not None:
            is_live = event.kind is not EventKind.BUSTED
            stands = report if is_live or referred is None else referred
            trade_id = execution_id if referred is None else referred.trade_id
            self.fills[report.exec_id] = Fill(
                execution_id, report.order_id, stands.quantity or ZERO, stands.price or ZERO, report.fee,
                report.executed_at, is_live, event.quantity if is_live else event.was_quantity, trade_id,
            )  # fmt: skip

    def _park(self, each: Incoming, why: Reason) -> None:
        report, order = each.report, self.orders.get(each.report.order_id)
        parked = Parked(uuid7(), report, why, order, order.described() if order else None)
        self.moves.append(parked)
        if why.code == EARLY and report.ref_exec_id is not None:
            waiting = Incoming(report, each.execution_id, parked.id)
            self.early.setdefault(report.ref_exec_id, []).append(waiting)


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


def changed_orders(batch: Batch) -> Collection[WorkingOrder]:
    """Return the orders that a batch moved."""
    return {id(move.order): move.order for move in batch.moves if isinstance(move, Move)}.values()
