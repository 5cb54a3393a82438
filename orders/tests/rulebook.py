"""Structural rules, each with an order that breaks it and the code that it is refused with."""

from __future__ import annotations

from typing import Any

from orders.domain.parsing import CLIENT_ORDER_ID_LIMIT, VENUE_LIMIT
from orders.tests.desk import Desk
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import AMOUNT_LIMIT

GONE = "2020-01-31T20:00:00Z"
TRAIL = {"type": "trailing_stop", "limit_price": None}
STOP = {"type": "stop", "limit_price": None, "stop_price": "101"}
MARKET = {"type": "market", "limit_price": None}
RULES: list[tuple[dict[str, Any], str]] = [
    ({"limit_price": None}, "LIMIT_PRICE_REQUIRED"),
    ({"type": "market"}, "LIMIT_PRICE_NOT_ALLOWED"),
    ({"type": "stop", "limit_price": None}, "STOP_PRICE_REQUIRED"),
    ({"stop_price": "101"}, "STOP_PRICE_NOT_ALLOWED"),
    (TRAIL, "TRAIL_REQUIRED"),
    ({"trail_price": "1"}, "TRAIL_NOT_ALLOWED"),
    ({**TRAIL, "trail_percent": "100"}, "FIELD_TOO_LARGE"),
    ({**STOP, "time_in_force": "ioc"}, "TIME_IN_FORCE_NOT_FOR_TYPE"),
    ({**STOP, "qty": None, "notional": "10"}, "NOTIONAL_NOT_ALLOWED"),
    ({"notional": "10"}, "QTY_OR_NOTIONAL"),
    ({**MARKET, "extended_hours": True}, "EXTENDED_HOURS_NEEDS_A_LIMIT"),
    ({"extended_hours": True, "time_in_force": "fok"}, "EXTENDED_HOURS_NEEDS_A_LIMIT"),
    ({"qty": "0"}, "FIELD_NOT_POSITIVE"),
    ({"qty": "ten"}, "FIELD_NOT_A_NUMBER"),
    ({"qty": str(AMOUNT_LIMIT)}, "FIELD_TOO_LARGE"),
    ({"limit_price": str(AMOUNT_LIMIT)}, "FIELD_TOO_LARGE"),
    ({"client_order_id": "x" * (CLIENT_ORDER_ID_LIMIT + 1)}, "FIELD_TOO_LONG"),
    ({"client_order_id": "a\u202eb"}, "FIELD_CHARACTERS"),
    ({"venue": "v" * (VENUE_LIMIT + 1)}, "FIELD_TOO_LONG"),
    ({"venue": "nowhere"}, "VENUE_UNKNOWN"),
    ({"symbol": "NOSUCH"}, "SYMBOL_UNKNOWN"),
    ({"limit_price": "99.001"}, "PRICE_OFF_TICK"),
    ({"qty": "1.5"}, "QUANTITY_OFF_LOT"),
    ({"time_in_force": "opg"}, "AUCTION_NOT_HELD"),
    ({**MARKET, "qty": None, "notional": "10"}, "NOT_FRACTIONABLE"),
    ({"time_in_force": "gtc", "good_till": GONE}, "GOOD_TILL_OUT_OF_RANGE"),
]


def body_of(desk: Desk, changes: dict[str, Any]) -> dict[str, Any]:
    body = {
        "symbol": desk.symbol, "side": "buy", "type": "limit", "time_in_force": "day", "qty": "5", "limit_price": "99",
        "client_order_id": str(uuid7()), **changes,
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None}


def codes_of(problem: dict[str, Any]) -> list[str]:
    return [error["code"] for error in problem["errors"]]
