"""Make of a venue's answer about an order, and of what it reported before, all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from orders.brokers.fix.messages import Received
from orders.domain import fix
from orders.domain.fix import ExecType, Tag
from orders.domain.reports import ReportKind, VenueReport
from trading_portal.kernel.money import ZERO

# What a status alone may be booked as; a fill never, whose price and number only its own report has.
_STATES: Final = {
    "0": ReportKind.NEW,
    "4": ReportKind.CANCELED,
    "8": ReportKind.REJECTED,
    "C": ReportKind.EXPIRED,
}
_ENDS: Final = (ReportKind.CANCELED, ReportKind.REJECTED, ReportKind.EXPIRED)
log = structlog.get_logger(__name__)


def never_heard_of(answer: Received) -> bool:
    """Tell whether the venue says that it has no such order."""
    is_rejected = answer.get(Tag.ORD_STATUS) == fix.STATUS_REJECTED or answer.get(Tag.EXEC_TYPE) == ExecType.REJECTED
    return is_rejected and answer.get(Tag.ORD_REJ_REASON) == fix.REJECTED_UNKNOWN_ORDER


def unknown_order(venue: str, order_id: UUID, at: datetime) -> VenueReport:
    """Return the report that a venue never heard of an order."""
    return VenueReport(venue=venue, kind=ReportKind.STATUS_UNKNOWN_ORDER, order_id=order_id, executed_at=at)


def all_known(
    venue: str, order_id: UUID, past: Sequence[VenueReport], answer: Received | None, at: datetime
) -> list[VenueReport]:
    """Return every report of an order so far, and what its status adds, where a report was lost with its session."""
    if answer is None:
        return list(past)
    if never_heard_of(answer):
        if past:
            log.error("fix.order_forgotten", venue=venue, order_id=str(order_id))
        return list(past) or [unknown_order(venue, order_id, at)]
    return [*past, *_added(venue, order_id, past, answer, at)]


def _added(
    venue: str, order_id: UUID, past: Sequence[VenueReport], answer: Received, at: datetime
) -> list[VenueReport]:
    status = answer.get(Tag.ORD_STATUS)
    kind = _STATES.get(status)
    if _filled(past) != fix.decimal_from_fix(answer.get(Tag.CUM_QTY)):
        log.error("fix.fills_missing", venue=venue, order_id=str(order_id), filled=answer.get(Tag.CUM_QTY))
        kind = None
    kinds = {report.kind for report in past}
    is_told = kind in kinds or bool(kinds.intersection(_ENDS)) or (kind is ReportKind.NEW and bool(past))
    if is_told or (kind is None and past):
        return []
    return [
        VenueReport(
            venue=venue,
            kind=kind or ReportKind.STATUS,
            order_id=order_id,
            venue_order_id=answer.get(Tag.ORDER_ID) or None,
            exec_id=f"asked:{order_id}:{status}" if kind else f"asked:{answer.get(Tag.ORD_STATUS_REQ_ID)}",
            reason=answer.get(Tag.TEXT),
            executed_at=fix.time_from_fix(answer.get(Tag.TRANSACT_TIME)) or at,
        )
    ]


def _filled(past: Sequence[VenueReport]) -> Decimal:
    """Return what the reports say was filled and stands: trades, less those taken back, as corrected."""
    live: dict[str | None, Decimal] = {}
    for report in past:
        if report.kind in (ReportKind.TRADE_CANCEL, ReportKind.TRADE_CORRECT):
            live.pop(report.ref_exec_id, None)
        if report.kind in (ReportKind.TRADE, ReportKind.TRADE_CORRECT) and report.quantity is not None:
            live[report.exec_id] = report.quantity
    return sum(live.values(), ZERO)
