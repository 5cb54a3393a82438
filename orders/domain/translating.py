"""Say in the table's words what a venue reported, or why nobody can."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from orders.domain.order import EventKind, OrderEvent
from orders.domain.reports import ReportKind, Restatement, VenueReport
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import AMOUNT_LIMIT, ZERO, stored

_KINDS: Mapping[ReportKind, EventKind] = {
    ReportKind.NEW: EventKind.ACKNOWLEDGED,
    ReportKind.TRADE: EventKind.TRADED,
    ReportKind.CANCELED: EventKind.CANCELED,
    ReportKind.REJECTED: EventKind.REJECTED,
    ReportKind.EXPIRED: EventKind.EXPIRED,
    ReportKind.CANCEL_REJECTED: EventKind.CANCEL_REJECTED,
    ReportKind.REPLACED: EventKind.REPLACED,
    ReportKind.REPLACE_REJECTED: EventKind.REPLACE_REJECTED,
    ReportKind.DONE_FOR_DAY: EventKind.DONE_FOR_DAY,
    ReportKind.SUSPENDED: EventKind.SUSPENDED,
    ReportKind.STOPPED: EventKind.STOPPED,
    ReportKind.CALCULATED: EventKind.CALCULATED,
    ReportKind.TRADE_CANCEL: EventKind.BUSTED,
    ReportKind.TRADE_CORRECT: EventKind.CORRECTED,
    ReportKind.STATUS: EventKind.STATUS,
    ReportKind.STATUS_UNKNOWN_ORDER: EventKind.NEVER_HEARD,
}
_RESTATEMENTS = {
    Restatement.RELEASE: EventKind.RELEASED,
    Restatement.RENEWAL: EventKind.RENEWED,
    Restatement.SPLIT: EventKind.SPLIT,
}
REFERRING = (ReportKind.TRADE_CANCEL, ReportKind.TRADE_CORRECT)
_NAMED = (ReportKind.TRADE, *REFERRING)


def translate(report: VenueReport, *, was_quantity: Decimal = ZERO, was_price: Decimal = ZERO) -> OrderEvent | Reason:
    """Return the event a report means; `was_*` are the live fill that a bust or correction refers to."""
    fault = _fault(report)
    if fault is not None:
        return fault
    if report.kind is ReportKind.RESTATED:
        kind = _RESTATEMENTS.get(report.restatement) if report.restatement else None
        if kind is EventKind.SPLIT and report.ratio is not None:
            return OrderEvent(kind, ratio=report.ratio, quantity=report.quantity or ZERO)
        return OrderEvent(kind) if kind else reason("RESTATEMENT_NOT_BOOKED", restatement=report.restatement)
    return OrderEvent(
        _KINDS[report.kind],
        quantity=report.quantity or ZERO,
        price=report.price or ZERO,
        was_quantity=was_quantity,
        was_price=was_price,
    )


def _fault(report: VenueReport) -> Reason | None:
    """Return what a report lacks to be booked."""
    if report.kind in _NAMED and not report.exec_id:
        return reason("REPORT_INCOMPLETE", field="exec_id")
    if report.kind in REFERRING and not report.ref_exec_id:
        return reason("REPORT_INCOMPLETE", field="ref_exec_id")
    if report.kind in (ReportKind.TRADE, ReportKind.TRADE_CORRECT):
        if not _is_bookable(report.quantity):
            return reason("REPORT_INCOMPLETE", field="quantity")
        if not _is_bookable(report.price):
            return reason("REPORT_INCOMPLETE", field="price")
        if not report.fee.is_finite() or abs(report.fee) >= AMOUNT_LIMIT or stored(report.fee) != report.fee:
            return reason("REPORT_INCOMPLETE", field="fee")
    if report.kind is ReportKind.RESTATED and report.restatement is Restatement.SPLIT:
        return _split_fault(report)
    if report.kind is ReportKind.REPLACED and not _is_bookable(report.quantity):
        return reason("REPORT_INCOMPLETE", field="quantity")
    return None


def _split_fault(report: VenueReport) -> Reason | None:
    """Return what a split lacks; its ratio may have more digits than a column."""
    if report.ratio is None or not report.ratio.is_finite() or not ZERO < report.ratio < AMOUNT_LIMIT:
        return reason("REPORT_INCOMPLETE", field="ratio")
    said = {"quantity": report.quantity, "price": report.price, "stop_price": report.stop_price}
    wrong = [name for name, amount in said.items() if amount and not _is_bookable(amount)]
    return reason("REPORT_INCOMPLETE", field=wrong[0]) if wrong else None


def _is_bookable(amount: Decimal | None) -> bool:
    return amount is not None and amount.is_finite() and ZERO < amount < AMOUNT_LIMIT and stored(amount) == amount
