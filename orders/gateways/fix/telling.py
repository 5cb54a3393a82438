"""Say what the event log says, in execution reports; each has an ExecID that follows from its event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from audit.domain.types import EventRecord
from orders.domain.facts import OrderFacts
from orders.domain.fix import (
    BASIS_POINTS_PER_PERCENT,
    ORD_STATUSES,
    ORD_TYPES,
    PEG_OFFSET_BASIS_POINTS,
    PEG_OFFSET_PRICE,
    SIDES,
    STATUS_REJECTED,
    TRAILING_STOP_PEG,
    ExecType,
    MsgType,
    Tag,
    decimal_to_fix,
    time_in_force_to_fix,
    time_to_fix,
)
from orders.domain.order import TERMINAL
from orders.domain.reasons import sentence
from orders.selectors.fix import FixRequestFacts
from trading_portal.kernel.money import plain

NONE: Final = "NONE"
TEXT_LIMIT = 400
EXEC_TYPES: Final[Mapping[str, ExecType]] = {
    "order.accepted": ExecType.PENDING_NEW,
    "order.refused": ExecType.REJECTED,
    "order.dropped": ExecType.REJECTED,
    "order.acknowledged": ExecType.NEW,
    "order.executed": ExecType.TRADE,
    "order.busted": ExecType.TRADE_CANCEL,
    "order.corrected": ExecType.TRADE_CORRECT,
    "order.cancel_requested": ExecType.PENDING_CANCEL,
    "order.canceled": ExecType.CANCELED,
    "order.replace_requested": ExecType.PENDING_REPLACE,
    "order.replaced": ExecType.REPLACED,
    "order.rejected": ExecType.REJECTED,
    "order.expired": ExecType.EXPIRED,
    "order.suspended": ExecType.SUSPENDED,
    "order.stopped": ExecType.STOPPED,
    "order.done_for_day": ExecType.DONE_FOR_DAY,
    "order.calculated": ExecType.CALCULATED,
    "order.restated": ExecType.RESTATED,
    "order.split": ExecType.RESTATED,
    "order.unknown": ExecType.ORDER_STATUS,
}
# FIX 434: what a refusal answers.
_REFUSALS: Final[Mapping[str, str]] = {
    "order.cancel_rejected": "1",
    "order.replace_rejected": "2",
    "order.replace_refused": "2",
}
# The events that end a request; the end of its order does as well.
ENDS: Final = frozenset(("order.canceled", "order.replaced", *_REFUSALS))
_REJECT_REASONS: Final[Mapping[str, str]] = {
    "SYMBOL_UNKNOWN": "1",
    "INSTRUMENT_NOT_TRADABLE": "1",
    "MARKET_CLOSED": "2",
    "QUANTITY_ABOVE_LIMIT": "3",
    "NOTIONAL_ABOVE_LIMIT": "3",
    "BUYING_POWER_EXCEEDED": "3",
    "POSITION_ABOVE_LIMIT": "3",
    "CONCENTRATION_ABOVE_LIMIT": "3",
    "OPEN_ORDERS_ABOVE_LIMIT": "3",
    "ORDER_RATE_ABOVE_LIMIT": "3",
    "RATE_LIMITED": "3",
    "CLIENT_ORDER_ID_TAKEN": "6",
    "DUPLICATE_ORDER": "6",
    "FIELD_NOT_SUPPORTED": "11",
    "QUANTITY_OFF_LOT": "13",
    "ACCOUNT_NOT_FOUND": "15",
}
_CANCEL_REJECT_REASONS: Final[Mapping[str, str]] = {
    "ORDER_NOT_CANCELABLE": "0",
    "ORDER_NOT_REPLACEABLE": "0",
    "ORDER_NOT_FOUND": "1",
    "CANCEL_ALREADY_PENDING": "3",
    "CLIENT_ORDER_ID_TAKEN": "6",
}
_OTHER: Final = "99"
_RELEASED, _RENEWED, _SPLIT = "8", "1", "0"

Pairs = list[tuple[int, str]]
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the partner, before the session numbers it; the request it answers for good, if any."""

    type: MsgType
    fields: Pairs
    answers: int | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What the partner calls an order at the time of an event: ClOrdID, and the one it takes the place of."""

    client_order_id: str
    original_id: str | None = None


def event_message(
    event: EventRecord, facts: Facts, order: OrderFacts, names: Names, request: FixRequestFacts | None, account: str
) -> Message | None:
    """Return what an order's event says, None for one that FIX has no word for.

    `facts` are the event's; `order` is the order as it stands now, told as it stood after the event.
    """
    if event.type in _REFUSALS:
        return None if request is None else _refused(event, facts, order, request)
    exec_type = EXEC_TYPES.get(event.type)
    if exec_type is None:
        return None
    fields = _head(order, names, account)
    fields += [
        (Tag.EXEC_ID, str(facts.get("execution_id") or event.id)),
        (Tag.EXEC_TYPE, exec_type.value),
        (Tag.TRANSACT_TIME, time_to_fix(event.valid_at)),
        *_standing(facts),
        *_trade(facts, exec_type),
        *_because(facts, exec_type),
    ]
    if exec_type is ExecType.RESTATED:
        fields.append((Tag.EXEC_RESTATEMENT_REASON, _restatement(event.type, facts)))
    if event.type == "order.unknown":
        fields.append((Tag.TEXT, "The venue has not answered; the outcome is being confirmed."))
    has_ended = event.type in ENDS or facts["base"] in TERMINAL
    return Message(MsgType.EXECUTION_REPORT, fields, request.id if request and has_ended else None)


def status_message(
    order: OrderFacts, names: Names, account: str, *, exec_id: UUID, at: datetime, echoes: Sequence[tuple[int, str]]
) -> Message:
    """Return how an order stands now (ExecType I); `echoes` repeat the ids of who asked."""
    fields = _head(order, names, account)
    fields += [
        (Tag.EXEC_ID, str(exec_id)),
        (Tag.EXEC_TYPE, ExecType.ORDER_STATUS.value),
        (Tag.TRANSACT_TIME, time_to_fix(at)),
        (Tag.ORD_STATUS, ORD_STATUSES[order.status]),
        (Tag.ORDER_QTY, plain(order.quantity)),
        (Tag.CUM_QTY, plain(order.filled_quantity)),
        (Tag.LEAVES_QTY, plain(order.leaves_quantity)),
        (Tag.AVG_PX, plain(order.average_price or Decimal(0))),
        *echoes,
    ]
    if order.reasons:
        fields.append((Tag.TEXT, reasons_text(order.reasons)))
    return Message(MsgType.EXECUTION_REPORT, fields)


def refusal_message(
    given: Mapping[int, str], reasons: Sequence[Mapping[str, Any]], *, exec_id: UUID, exec_type: ExecType, at: datetime
) -> Message:
    """Return the report of an order that is none: not stored, or not found."""
    code = str(reasons[0]["code"]) if reasons else ""
    fields: Pairs = [
        (Tag.ORDER_ID, NONE),
        (Tag.EXEC_ID, str(exec_id)),
        (Tag.EXEC_TYPE, exec_type.value),
        (Tag.ORD_STATUS, STATUS_REJECTED),
        (Tag.ORD_REJ_REASON, "5" if code == "ORDER_NOT_FOUND" else _REJECT_REASONS.get(code, _OTHER)),
        (Tag.TEXT, reasons_text(reasons)),
        (Tag.LEAVES_QTY, "0"),
        (Tag.CUM_QTY, "0"),
        (Tag.AVG_PX, "0"),
        (Tag.TRANSACT_TIME, time_to_fix(at)),
    ]
    echoed = (Tag.CL_ORD_ID, Tag.SYMBOL, Tag.SIDE, Tag.ORD_TYPE, Tag.ORDER_QTY, Tag.PRICE, Tag.ORD_STATUS_REQ_ID)
    return Message(MsgType.EXECUTION_REPORT, fields + [(tag, given[tag]) for tag in echoed if tag in given])


def cancel_refusal_message(
    given: Mapping[int, str], order: OrderFacts | None, reasons: Sequence[Mapping[str, Any]], *, at: datetime
) -> Message:
    """Return the OrderCancelReject of a request that was never taken."""
    code = str(reasons[0]["code"]) if reasons else ""
    return Message(
        MsgType.CANCEL_REJECT,
        [
            (Tag.ORDER_ID, str(order.id) if order else NONE),
            (Tag.CL_ORD_ID, given[Tag.CL_ORD_ID]),
            (Tag.ORIG_CL_ORD_ID, given[Tag.ORIG_CL_ORD_ID]),
            (Tag.ORD_STATUS, ORD_STATUSES[order.status] if order else STATUS_REJECTED),
            (Tag.CXL_REJ_RESPONSE_TO, "2" if given[Tag.MSG_TYPE] == MsgType.REPLACE else "1"),
            (Tag.CXL_REJ_REASON, _CANCEL_REJECT_REASONS.get(code, _OTHER)),
            (Tag.TRANSACT_TIME, time_to_fix(at)),
            (Tag.TEXT, reasons_text(reasons)),
        ],
    )


def reasons_text(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Return reasons as a partner reads them: each with its code and its sentence, on one line."""
    text = " ".join(f"{why['code']}: {sentence(why['code'], why.get('facts', {}))}" for why in reasons)
    return "".join(char if char.isprintable() else "?" for char in text)[:TEXT_LIMIT]


def _head(order: OrderFacts, names: Names, account: str) -> Pairs:
    """Return what every report says of its order."""
    fields: Pairs = [
        (Tag.ORDER_ID, str(order.id)),
        (Tag.CL_ORD_ID, names.client_order_id),
        (Tag.ACCOUNT, account),
        (Tag.SYMBOL, order.symbol),
        (Tag.SIDE, SIDES[order.side]),
        (Tag.ORD_TYPE, ORD_TYPES[order.order_type]),
        (Tag.TIME_IN_FORCE, time_in_force_to_fix(order.time_in_force, good_till=order.good_till)),
    ]
    if names.original_id is not None:
        fields.append((Tag.ORIG_CL_ORD_ID, names.original_id))
    if order.good_till is not None:
        fields.append((Tag.EXPIRE_TIME, time_to_fix(order.good_till)))
    if order.venue_order_id is not None:
        fields.append((Tag.SECONDARY_ORDER_ID, order.venue_order_id))
    amounts = ((Tag.PRICE, order.limit_price), (Tag.STOP_PX, order.stop_price), (Tag.CASH_ORDER_QTY, order.notional))
    fields += [(tag, decimal_to_fix(amount)) for tag, amount in amounts if amount is not None]
    return fields + _trail(order)


def _trail(order: OrderFacts) -> Pairs:
    if order.trail_price is not None:
        offset, unit = order.trail_price, PEG_OFFSET_PRICE
    elif order.trail_percent is not None:
        offset, unit = order.trail_percent * BASIS_POINTS_PER_PERCENT, PEG_OFFSET_BASIS_POINTS
    else:
        return []
    return [
        (Tag.EXEC_INST, TRAILING_STOP_PEG),
        (Tag.PEG_OFFSET_VALUE, decimal_to_fix(offset)),
        (Tag.PEG_OFFSET_TYPE, unit),
    ]


def _standing(facts: Facts) -> Pairs:
    return [
        (Tag.ORD_STATUS, ORD_STATUSES[facts["status"]]),
        (Tag.ORDER_QTY, facts["quantity"]),
        (Tag.CUM_QTY, facts["filled_quantity"]),
        (Tag.LEAVES_QTY, facts["leaves_quantity"]),
        (Tag.AVG_PX, facts["average_price"] or "0"),
    ]


def _trade(facts: Facts, exec_type: ExecType) -> Pairs:
    """Return what was traded; a bust names what is taken back, and like a correction which trade it speaks of."""
    if "execution_id" not in facts:
        return []
    prefix = "was" if exec_type is ExecType.TRADE_CANCEL else "fill"
    fields: Pairs = [
        (Tag.LAST_QTY, facts[f"{prefix}_quantity"]),
        (Tag.LAST_PX, facts[f"{prefix}_price"]),
    ]
    if "ref_execution_id" in facts:
        fields.append((Tag.EXEC_REF_ID, facts["ref_execution_id"]))
    if facts.get("exec_id"):
        fields.append((Tag.SECONDARY_EXEC_ID, facts["exec_id"]))
    if facts.get("fee", "0") != "0":
        fields += [(Tag.COMMISSION, facts["fee"]), (Tag.COMM_TYPE, "3")]
    return fields


def _because(facts: Facts, exec_type: ExecType) -> Pairs:
    reasons = facts.get("reasons") or ()
    if exec_type is ExecType.REJECTED and reasons:
        reason_code = _REJECT_REASONS.get(reasons[0]["code"], _OTHER)
        return [(Tag.ORD_REJ_REASON, reason_code), (Tag.TEXT, reasons_text(reasons))]
    text = facts.get("text")
    fields: Pairs = [(Tag.ORD_REJ_REASON, _OTHER)] if exec_type is ExecType.REJECTED else []
    return [*fields, (Tag.TEXT, text[:TEXT_LIMIT])] if text else fields


def _restatement(event_type: str, facts: Facts) -> str:
    """Return FIX 378: a split, the next session, or the end of a halt."""
    if event_type == "order.split" or facts.get("ratio"):
        return _SPLIT
    return _RENEWED if facts.get("restatement") == "renewal" else _RELEASED


def _refused(event: EventRecord, facts: Facts, order: OrderFacts, request: FixRequestFacts) -> Message:
    reasons = facts.get("reasons") or ()
    text = reasons_text(reasons) if reasons else str(facts.get("text") or "")
    code = reasons[0]["code"] if reasons else ""
    is_too_late = facts["base"] in TERMINAL
    fields: Pairs = [
        (Tag.ORDER_ID, str(order.id)),
        (Tag.CL_ORD_ID, request.client_order_id),
        (Tag.ORIG_CL_ORD_ID, request.original_id),
        (Tag.ORD_STATUS, ORD_STATUSES[facts["status"]]),
        (Tag.CXL_REJ_RESPONSE_TO, _REFUSALS[event.type]),
        (Tag.CXL_REJ_REASON, _CANCEL_REJECT_REASONS.get(code, "0" if is_too_late else _OTHER)),
        (Tag.TRANSACT_TIME, time_to_fix(event.valid_at)),
    ]
    if text:
        fields.append((Tag.TEXT, text[:TEXT_LIMIT]))
    return Message(MsgType.CANCEL_REJECT, fields, request.id)
