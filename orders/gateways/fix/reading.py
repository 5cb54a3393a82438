"""Put what a FIX message orders into the words of a body, which the one parser of orders then reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from orders.domain.commands import OrderFields, ReplaceFields
from orders.domain.fix import (
    BASIS_POINTS_PER_PERCENT,
    GOOD_TILL_DATE,
    ORD_TYPES,
    PEG_OFFSET_BASIS_POINTS,
    SHORT_SALES,
    SIDE_WORDS,
    TRAILING_STOP_PEG,
    Tag,
    date_from_fix,
    decimal_from_fix,
    order_type_from_fix,
    time_from_fix,
    time_in_force_from_fix,
)
from orders.domain.parsing import parse_order
from orders.domain.replacing import parse_replace
from orders.domain.types import OrderType
from positions.domain.types import Side
from trading_portal.kernel.errors import Reason, reason

EXTENDED_SESSION = "6"
_AMOUNTS: Mapping[str, Tag] = {
    "qty": Tag.ORDER_QTY,
    "notional": Tag.CASH_ORDER_QTY,
    "limit_price": Tag.PRICE,
    "stop_price": Tag.STOP_PX,
}
# How a partner knows the fields that the parser speaks of.
_NAMES: Mapping[str, str] = {
    "qty": "OrderQty (38)",
    "notional": "CashOrderQty (152)",
    "limit_price": "Price (44)",
    "stop_price": "StopPx (99)",
    "trail_price": "PegOffsetValue (211)",
    "trail_percent": "PegOffsetValue (211)",
    "trail": "PegOffsetValue (211)",
    "good_till": "ExpireTime (126) or ExpireDate (432)",
    "time_in_force": "TimeInForce (59)",
    "type": "OrdType (40)",
    "side": "Side (54)",
    "symbol": "Symbol (55)",
    "client_order_id": "ClOrdID (11)",
    "extended_hours": "TradingSessionID (336)",
    "position_intent": "PositionEffect (77)",
    "venue": "ExDestination (100)",
}
Fields = Mapping[int, str]


def order_of(fields: Fields) -> OrderFields | list[Reason]:
    """Return the order that a NewOrderSingle describes, or every reason why it describes none."""
    faults: list[Reason] = []
    body: dict[str, Any] = {
        "client_order_id": fields[Tag.CL_ORD_ID],
        "symbol": fields[Tag.SYMBOL],
        "side": SIDE_WORDS[fields[Tag.SIDE]].value,
        "type": _order_type(fields, faults),
        "position_intent": _intent(fields),
        "extended_hours": True if fields.get(Tag.TRADING_SESSION_ID) == EXTENDED_SESSION else None,
        "venue": fields.get(Tag.EX_DESTINATION),
        **_terms(fields, faults),
    }
    body["time_in_force"] = body["time_in_force"] or "day"
    offset = fields.get(Tag.PEG_OFFSET_VALUE)
    if offset is not None:
        is_percent = fields.get(Tag.PEG_OFFSET_TYPE) == PEG_OFFSET_BASIS_POINTS
        body["trail_percent" if is_percent else "trail_price"] = _trail(fields)
    found = parse_order(body)
    faults += _named(found) if isinstance(found, list) else []
    return faults or found


def replace_of(fields: Fields) -> ReplaceFields | list[Reason]:
    """Return what an OrderCancelReplaceRequest changes, or every reason why it changes nothing we know."""
    faults: list[Reason] = []
    body: dict[str, Any] = {"client_order_id": fields[Tag.CL_ORD_ID], **_terms(fields, faults)}
    if fields.get(Tag.CASH_ORDER_QTY) is not None:
        faults.append(reason("FIELD_NOT_SUPPORTED", field="CashOrderQty (152)", value="in a replace"))
    body.pop("notional")
    if fields.get(Tag.PEG_OFFSET_VALUE) is not None:
        body["trail"] = _trail(fields)
    found = parse_replace(body)
    faults += _named(found) if isinstance(found, list) else []
    return faults or found


def side_of(fields: Fields) -> Side:
    """Return the side that a message names."""
    return SIDE_WORDS[fields[Tag.SIDE]]


def type_of(fields: Fields) -> OrderType | None:
    """Return the order type that a message names."""
    return order_type_from_fix(fields[Tag.ORD_TYPE], fields.get(Tag.EXEC_INST, ""))


def _terms(fields: Fields, faults: list[Reason]) -> dict[str, Any]:
    """Return what both an order and its replace say: amounts, prices, and for how long."""
    written = fields.get(Tag.TIME_IN_FORCE)
    word = time_in_force_from_fix(written) if written is not None else None
    return {
        **{name: _amount(fields, tag) for name, tag in _AMOUNTS.items()},
        "time_in_force": None if word is None else word.value,
        "good_till": _good_till(fields, faults),
    }


def _amount(fields: Fields, tag: Tag) -> Decimal | str | None:
    """Return a number exactly; what is none is left as it is, for the parser to refuse."""
    value = decimal_from_fix(fields.get(tag))
    return fields.get(tag) if value is None else value


def _trail(fields: Fields) -> Decimal | str | None:
    value = _amount(fields, Tag.PEG_OFFSET_VALUE)
    if isinstance(value, Decimal) and fields.get(Tag.PEG_OFFSET_TYPE) == PEG_OFFSET_BASIS_POINTS:
        return value / BASIS_POINTS_PER_PERCENT
    return value


def _order_type(fields: Fields, faults: list[Reason]) -> str | None:
    """Return the type; instructions that nobody here would follow are refused, never passed over."""
    is_pegged = fields[Tag.ORD_TYPE] == ORD_TYPES[OrderType.TRAILING_STOP]
    instructions = fields.get(Tag.EXEC_INST, "").split()
    unknown = [each for each in instructions if not (is_pegged and each == TRAILING_STOP_PEG)]
    if unknown:
        faults.append(reason("FIELD_NOT_SUPPORTED", field="ExecInst (18)", value=" ".join(unknown)[:40]))
    found = type_of(fields)
    if found is None and not unknown:
        faults.append(reason("FIELD_REQUIRED", field=f"ExecInst (18) {TRAILING_STOP_PEG}"))
    # A pegged order that is none of ours was refused above; the parser need not complain of its type as well.
    return found.value if found else OrderType.TRAILING_STOP.value


def _intent(fields: Fields) -> str | None:
    """Return what a position effect or a short sale says about the position."""
    side = side_of(fields).value
    if fields[Tag.SIDE] in SHORT_SALES:
        return f"{side}_to_open"
    effect = {"O": "open", "C": "close"}.get(fields.get(Tag.POSITION_EFFECT, ""))
    return f"{side}_to_{effect}" if effect else None


def _good_till(fields: Fields, faults: list[Reason]) -> str | None:
    """Return when a good-till-date order ends: at that time, or with that day in UTC."""
    if fields.get(Tag.TIME_IN_FORCE) != GOOD_TILL_DATE:
        if Tag.EXPIRE_TIME in fields or Tag.EXPIRE_DATE in fields:
            faults.append(reason("FIELD_NOT_SUPPORTED", field=_NAMES["good_till"], value="without TimeInForce 6"))
        return None
    at = time_from_fix(fields.get(Tag.EXPIRE_TIME))
    day = date_from_fix(fields.get(Tag.EXPIRE_DATE))
    if at is None and day is not None:
        at = datetime.combine(day, time(), UTC) + timedelta(days=1)
    if at is None:
        faults.append(reason("FIELD_REQUIRED", field=_NAMES["good_till"]))
        return None
    return at.isoformat()


def _named(found: list[Reason]) -> list[Reason]:
    """Return the parser's reasons with the fields under their FIX names."""
    return [
        Reason(why.code, {**why.facts, "field": _NAMES.get(str(why.facts["field"]), why.facts["field"])})
        if "field" in why.facts
        else why
        for why in found
    ]
