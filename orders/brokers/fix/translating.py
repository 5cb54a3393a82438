"""Say in our words what a venue's messages mean. Nothing is refused here: who books it parks what makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from orders.brokers.fix.messages import Received
from orders.domain import fix
from orders.domain.fix import ExecType, MsgType, Tag
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import IntentKind
from trading_portal.kernel.money import ZERO, divide, stored

Sent = Mapping[str, tuple[UUID, IntentKind]]
EXEC_ID_LIMIT: Final = 64
# Fills of venues that still speak as FIX 4.2 did.
_OLD_FILLS: Final = ("1", "2")
_UNDERSTOOD: Final = (MsgType.EXECUTION_REPORT, MsgType.CANCEL_REJECT, MsgType.BUSINESS_REJECT, MsgType.REJECT)


_FILLS: Final = (ExecType.TRADE, ExecType.TRADE_CORRECT, *_OLD_FILLS)
_NAMELESS: Final = ("", "0")
_PER_UNIT, _ABSOLUTE = "1", "3"
_REFUSED: Final = {
    IntentKind.SUBMIT: ReportKind.REJECTED,
    IntentKind.CANCEL: ReportKind.CANCEL_REJECTED,
    IntentKind.REPLACE: ReportKind.REPLACE_REJECTED,
}


def names_in(message: Received) -> list[str]:
    """Return the ClOrdIDs by which a message may name an order, the surest first."""
    tags = (Tag.CL_ORD_ID, Tag.ORIG_CL_ORD_ID, Tag.BUSINESS_REJECT_REF_ID)
    return [name for name in (message.get(tag) for tag in tags) if name]


def answered_question(message: Received) -> str:
    """Return the id of the status request that a message answers; nothing when it answers none."""
    is_report = message.msg_type == MsgType.EXECUTION_REPORT
    return message.get(Tag.ORD_STATUS_REQ_ID) or message.get(Tag.MASS_STATUS_REQ_ID) if is_report else ""


def translate(venue: str, message: Received, sent: Sent, *, at: datetime) -> VenueReport | None:
    """Return the report that a message is, or None when it says nothing of an order."""
    if message.msg_type not in _UNDERSTOOD:
        return None
    if message.msg_type == MsgType.EXECUTION_REPORT:
        return _execution(venue, message, sent, at)
    if message.msg_type == MsgType.CANCEL_REJECT:
        return _cancel_reject(venue, message, sent, at)
    return _refusal(venue, message, sent, at)


def order_of(venue: str, message: Received, sent: Sent) -> UUID:
    """Return the order a message speaks of; one that is not ours gets an id made of the venue's name for it."""
    for name in names_in(message):
        if name in sent:
            return sent[name][0]
    for name in reversed(names_in(message)):
        try:
            return UUID(name)
        except ValueError:
            continue
    return uuid5(NAMESPACE_OID, f"{venue} {message.get(Tag.CL_ORD_ID)} {message.get(Tag.ORDER_ID)}")


def _execution(venue: str, message: Received, sent: Sent, at: datetime) -> VenueReport:
    kind = _kind(message)
    restatement = fix.RESTATEMENTS.get(message.get(Tag.EXEC_RESTATEMENT_REASON))
    is_trade = message.get(Tag.EXEC_TYPE) in _FILLS
    changes_terms = kind in (ReportKind.REPLACED, ReportKind.RESTATED)
    quantity = _decimal(message, Tag.LAST_QTY if is_trade else Tag.ORDER_QTY) if is_trade or changes_terms else None
    price = _decimal(message, Tag.LAST_PX if is_trade else Tag.PRICE) if is_trade or changes_terms else None
    return VenueReport(
        venue=venue,
        kind=kind,
        order_id=order_of(venue, message, sent),
        venue_order_id=message.get(Tag.ORDER_ID)[:EXEC_ID_LIMIT] or None,
        exec_id=_exec_id(message, kind),
        ref_exec_id=_short(message.get(Tag.EXEC_REF_ID)) or None,
        quantity=quantity,
        price=price,
        stop_price=_decimal(message, Tag.STOP_PX) if changes_terms else None,
        fee=_fee(message, quantity) if is_trade else ZERO,
        reason=_reason(message, kind),
        restatement=restatement if kind is ReportKind.RESTATED else None,
        request_id=_request_id(message, sent) if kind is ReportKind.REPLACED else None,
        executed_at=_executed_at(message, at),
    )


def _kind(message: Received) -> ReportKind:
    """Return what FIX 150 tells; a fill that is none (no quantity) is how the unheard-of is parked."""
    exec_type = message.get(Tag.EXEC_TYPE)
    if exec_type == ExecType.REJECTED and message.get(Tag.ORD_REJ_REASON) == fix.REJECTED_DUPLICATE:
        return ReportKind.STATUS  # the second copy of an order is refused, the first works
    return fix.REPORT_KINDS.get(exec_type, ReportKind.TRADE)


def _exec_id(message: Received, kind: ReportKind) -> str:
    """Return the report's own id; a status may have none, and is told apart by when and where it was sent."""
    written = message.get(Tag.EXEC_ID)
    if written in _NAMELESS or kind is ReportKind.STATUS:
        first_sent = message.get(Tag.ORIG_SENDING_TIME) or message.get(Tag.SENDING_TIME)
        return f"{kind.value}:{first_sent}:{message.number}"
    return _short(written)


def _short(text: str) -> str:
    return text if len(text) <= EXEC_ID_LIMIT else sha256(text.encode()).hexdigest()


def _request_id(message: Received, sent: Sent) -> UUID | None:
    """Return the replace that a message answers; None when it answers none of ours."""
    name = message.get(Tag.CL_ORD_ID)
    return UUID(name) if name in sent and sent[name][1] is IntentKind.REPLACE else None


def _reason(message: Received, kind: ReportKind) -> str:
    code = message.get(Tag.ORD_REJ_REASON)
    said = message.get(Tag.TEXT)
    if kind is ReportKind.REJECTED:
        return said or fix.ORDER_REJECTS.get(code, code)
    if not said and message.get(Tag.EXEC_TYPE) not in fix.REPORT_KINDS:
        return f"150={message.get(Tag.EXEC_TYPE)}"
    return said


def _fee(message: Received, quantity: Decimal | None) -> Decimal:
    """Return what a fill cost: commission (per unit or in all) and every other fee."""
    fee = sum((amount for amount in map(fix.decimal_from_fix, message.each(Tag.MISC_FEE_AMT)) if amount), ZERO)
    commission = _decimal(message, Tag.COMMISSION)
    if commission is not None and message.get(Tag.COMM_TYPE) == _ABSOLUTE:
        fee += commission
    if commission is not None and quantity is not None and message.get(Tag.COMM_TYPE) == _PER_UNIT:
        fee += commission * quantity
    return stored(fee)


def _cancel_reject(venue: str, message: Received, sent: Sent, at: datetime) -> VenueReport:
    asked = sent.get(message.get(Tag.CL_ORD_ID))
    by_request = _REFUSED[asked[1]] if asked and asked[1] is not IntentKind.SUBMIT else None
    by_message = fix.CANCEL_REJECTED_TO.get(message.get(Tag.CXL_REJ_RESPONSE_TO))
    kind = by_request or by_message or ReportKind.CANCEL_REJECTED
    code = message.get(Tag.CXL_REJ_REASON)
    return VenueReport(
        venue=venue,
        kind=kind,
        order_id=order_of(venue, message, sent),
        exec_id=_short(f"9:{message.get(Tag.CL_ORD_ID)}"),
        reason=message.get(Tag.TEXT) or fix.CANCEL_REJECTS.get(code, code),
        request_id=_uuid(message.get(Tag.CL_ORD_ID)) if kind is ReportKind.REPLACE_REJECTED else None,
        executed_at=_executed_at(message, at),
    )


def _refusal(venue: str, message: Received, sent: Sent, at: datetime) -> VenueReport | None:
    """Return what a Reject (35=3) or BusinessMessageReject (35=j) of one of our requests means, else None."""
    name = message.get(Tag.BUSINESS_REJECT_REF_ID)
    if name not in sent:
        return None
    order_id, asked = sent[name]
    kind = _REFUSED[asked]
    return VenueReport(
        venue=venue,
        kind=kind,
        order_id=order_id,
        exec_id=_short(f"{message.msg_type}:{name}"),
        reason=message.get(Tag.TEXT) or "VENUE_DID_NOT_UNDERSTAND",
        request_id=_uuid(name) if kind is ReportKind.REPLACE_REJECTED else None,
        executed_at=_executed_at(message, at),
    )


def with_ratio(report: VenueReport, was_quantity: Decimal) -> Decimal | None:
    """Return a split's new units for one old, by what it made of the order's quantity."""
    if report.restatement is not Restatement.SPLIT or not report.quantity or not was_quantity:
        return None
    return divide(report.quantity, was_quantity)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _decimal(message: Received, tag: Tag) -> Decimal | None:
    return fix.decimal_from_fix(message.fields.get(tag))


def _executed_at(message: Received, at: datetime) -> datetime:
    written = (message.get(Tag.TRANSACT_TIME), message.get(Tag.SENDING_TIME))
    return next((found for found in map(fix.time_from_fix, written) if found), at)
