"""Tell the log what a batch of reports did: one event for each move, one for each anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.domain.types import Actor
from orders.domain import events
from orders.domain.order import EventKind
from orders.domain.reports import RouteTold
from orders.domain.types import BaseState
from orders.services.reporting import BOOKED, Batch, Move, Parked
from orders.services.splitting import split_facts
from orders.services.versions import terms_facts
from orders.services.working import Journal
from positions.domain.types import FillOutcome
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, plain

_ANSWERS = (EventKind.REPLACED, EventKind.REPLACE_REJECTED)
_PAYLOADS: Mapping[EventKind, type[events.ReportedMove]] = {
    EventKind.ACKNOWLEDGED: events.OrderAcknowledged,
    EventKind.TRADED: events.OrderExecuted,
    EventKind.CANCELED: events.OrderCanceled,
    EventKind.REJECTED: events.OrderRejected,
    EventKind.EXPIRED: events.OrderExpired,
    EventKind.CANCEL_REJECTED: events.OrderCancelRejected,
    EventKind.REPLACED: events.OrderReplaced,
    EventKind.REPLACE_REJECTED: events.OrderReplaceRejected,
    EventKind.DONE_FOR_DAY: events.OrderDoneForDay,
    EventKind.SUSPENDED: events.OrderSuspended,
    EventKind.RELEASED: events.OrderRestated,
    EventKind.RENEWED: events.OrderRestated,
    EventKind.SPLIT: events.OrderRestated,
    EventKind.STOPPED: events.OrderStopped,
    EventKind.CALCULATED: events.OrderCalculated,
    EventKind.BUSTED: events.OrderBusted,
    EventKind.CORRECTED: events.OrderCorrected,
    EventKind.STATUS: events.OrderRouteDecided,
}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What positions made of a batch, by the fill's own execution, and by the one a restatement took away."""

    booked: Mapping[UUID, FillOutcome]
    restated: Mapping[UUID, FillOutcome]


def narrate(batch: Batch, outcomes: Outcomes, journal: Journal) -> None:
    """Note every move and every parked report, in the order the venue told them."""
    by = Actor.venue(batch.known.venue)
    for each in batch.moves:
        if isinstance(each, Parked):
            _note_parked(each, journal, by)
        else:
            _note_move(each, outcomes, journal, by)


def _note_move(move: Move, outcomes: Outcomes, journal: Journal, by: Actor) -> None:
    report = move.report
    facts: dict[str, Any] = {
        "venue": report.venue,
        "venue_order_id": report.venue_order_id,
        "exec_id": report.exec_id,
        "text": report.reason,
    }
    if move.kind in BOOKED:
        facts |= _booked_facts(move, outcomes)
    if move.kind in _ANSWERS:
        facts |= _replace_facts(move)
    if report.route is not None:
        facts |= _route_facts(report.route)
    payload = _payload(move)
    if payload is events.OrderRejected or move.kind is EventKind.NEVER_HEARD:
        facts["reasons"] = tuple(move.order.facts.reasons)
    if payload is events.OrderRestated and report.restatement is not None:
        facts["restatement"] = report.restatement.value
    if move.split is not None:
        facts |= split_facts(move.split) | {"reserved_quantity": plain(move.reserved)}
    journal.note(move.order, payload, by=by, valid_at=report.executed_at, described=move.described, **facts)
    for why in move.odd:
        _note_anomaly(move, why, journal, by)
    if move.unparked is not None:
        _note_anomaly(move, reason("PARKED_REPORT_APPLIED", report=report.kind.value), journal, by)


def _payload(move: Move) -> type[events.ReportedMove]:
    if move.kind is EventKind.NEVER_HEARD:
        is_rejected = move.described["base"] == BaseState.REJECTED
        return events.OrderRejected if is_rejected else events.OrderCanceled
    return _PAYLOADS[move.kind]


def _booked_facts(move: Move, outcomes: Outcomes) -> dict[str, Any]:
    report, referred = move.report, move.referred
    outcome = outcomes.booked[move.execution_id] if referred is None else outcomes.restated[referred.execution_id]
    is_bust = move.kind is EventKind.BUSTED
    facts: dict[str, Any] = {
        "execution_id": str(move.execution_id),
        "fill_quantity": "0" if is_bust else plain(move.event.quantity),
        "fill_price": "0" if is_bust else plain(move.event.price),
        "currency": outcome.currency,
        "position_quantity": plain(outcome.quantity_after),
        "position_average_cost": plain(outcome.average_cost),
        "realised_pnl": plain(outcome.realised_pnl),
        "cash": plain(outcome.cash_after),
        "reserved_quantity": plain(move.reserved),
    }
    if referred is None:
        return {**facts, "fee": plain(report.fee)}
    if not is_bust:
        facts |= _corrected_facts(move)
    return {
        **facts,
        "ref_execution_id": str(referred.execution_id),
        "was_quantity": plain(move.event.was_quantity),
        "was_price": plain(move.event.was_price),
    }


def _corrected_facts(move: Move) -> dict[str, Any]:
    """Return what a correction says as the venue told it, where a split since counts it otherwise."""
    report, facts = move.report, {"fee": plain(move.report.fee)}
    if (report.quantity, report.price) != (move.event.quantity, move.event.price):
        facts["traded_quantity"], facts["traded_price"] = plain(report.quantity or ZERO), plain(report.price or ZERO)
    return facts


def _replace_facts(move: Move) -> dict[str, Any]:
    settled, reserved = move.settled, {"reserved_quantity": plain(move.reserved)}
    if settled is None:
        # The order's end came before this answer: nothing was pending any more (row 34).
        request = move.report.request_id
        request_id = str(request) if request else None
        return {"request_id": request_id, "client_order_id": None, "was": {}, "becomes": {}} | reserved
    if move.kind is EventKind.REPLACE_REJECTED:
        return terms_facts(settled) | reserved
    worst_price = settled.terms.worst_price
    if worst_price is None:
        raise LookupError(f"a replace of order {move.order.facts.id} was approved without a worst price")
    taken = {"replaces": str(settled.terms.replaces), "worst_price": plain(worst_price)}
    return terms_facts(settled) | taken | reserved


def _route_facts(route: RouteTold) -> dict[str, Any]:
    return {
        "route_quantity": plain(route.quantity),
        "slices": tuple({"venue": each.venue, "quantity": plain(each.quantity)} for each in route.slices),
        "venues_seen": tuple(
            {
                "venue": view.venue,
                "best_price": plain(view.levels[0][0]) if view.levels else None,
                "displayed": plain(sum((size for _, size in view.levels), ZERO)),
                "fee_rate": plain(view.fee_rate),
                "fee_per_unit": plain(view.fee_per_unit),
                "latency_ms": round(view.latency * 1000),
                "is_suspect": view.is_suspect,
                "is_left_out": view.is_broken,
            }
            for view in route.views
        ),
    }


def _note_anomaly(move: Move, why: Reason, journal: Journal, by: Actor) -> None:
    journal.note(
        move.order,
        events.OrderAnomaly,
        by=by,
        valid_at=move.report.executed_at,
        described=move.described,
        venue=move.report.venue,
        reason=why.as_dict(),
        exec_id=move.report.exec_id,
        execution_id=str(move.execution_id),
        parked_report_id=str(move.unparked) if move.unparked else None,
    )


def _note_parked(parked: Parked, journal: Journal, by: Actor) -> None:
    report, why = parked.report, parked.why.as_dict()
    if parked.order is None:
        payload = events.ReportUnmatched(
            venue=report.venue,
            order_id=str(report.order_id),
            exec_id=report.exec_id,
            parked_report_id=str(parked.id),
            reason=why,
        )
        journal.note_stray(f"venue:{by.id}", payload, by=by, correlation_id=uuid7())
        return
    journal.note(
        parked.order,
        events.OrderAnomaly,
        by=by,
        valid_at=report.executed_at,
        described=parked.described,
        venue=report.venue,
        reason=why,
        exec_id=report.exec_id,
        execution_id=None,
        parked_report_id=str(parked.id),
    )
