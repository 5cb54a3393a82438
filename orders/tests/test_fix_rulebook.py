"""A rule that refuses an order over HTTP refuses it over FIX, with the same code."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orders.domain.fix import ORD_TYPES, TIMES_IN_FORCE, TRAILING_STOP_PEG, Tag
from orders.domain.types import OrderType, TimeInForce
from orders.gateways.fix.engine import Inbound
from orders.gateways.fix.following import Scope
from orders.gateways.fix.ordering import Ordering
from orders.services.queue import PlacementQueue
from orders.tests.api import Caller, new_caller
from orders.tests.desk import Desk
from orders.tests.rulebook import RULES, body_of, codes_of
from trading_portal.kernel.ids import uuid7


@pytest.fixture(scope="module")
def who() -> tuple[Desk, Caller]:
    desk = Desk()
    return desk, new_caller(account_id=desk.account)


@pytest.mark.parametrize(("changes", "code"), RULES, ids=str)
def test_a_rule_refuses_over_fix_with_the_code_that_it_has_over_http(
    who: tuple[Desk, Caller], changes: dict[str, Any], code: str
) -> None:
    desk, caller = who
    body = body_of(desk, changes)
    told = codes_of(caller.post("/v2/orders", body).json())
    assert code in told
    text = ordered_by_fix(desk, caller, body)
    assert [why for why in told if f"{why}: " in text] == told, text


def ordered_by_fix(desk: Desk, caller: Caller, body: dict[str, Any]) -> str:
    """Return the text with which an order is refused that a partner sends."""
    queue = PlacementQueue()
    scope = Scope(uuid7(), desk.account, "number", caller.key_id, uuid7(), tells_account=False)
    partner = Ordering(scope, (caller.key_id, caller.secret), "127.0.0.1", queue)
    message = Inbound(1, "D", {Tag.SENDING_TIME: "20260101-00:00:00", **fix_of(body)})
    try:
        (answer,) = asyncio.run(partner.place([message])).messages
    finally:
        assert queue.stop()
    return dict(answer.fields)[Tag.TEXT]


def fix_of(body: dict[str, Any]) -> dict[int, str]:
    """Return a body in the words of FIX."""
    fields: dict[int, str] = {
        Tag.CL_ORD_ID: body["client_order_id"], Tag.SYMBOL: body["symbol"], Tag.SIDE: "1",
        Tag.ORD_TYPE: ORD_TYPES[OrderType(body["type"])],
        Tag.TIME_IN_FORCE: TIMES_IN_FORCE[TimeInForce(body["time_in_force"])],
    }  # fmt: skip
    named = {
        "qty": Tag.ORDER_QTY, "notional": Tag.CASH_ORDER_QTY, "limit_price": Tag.PRICE, "stop_price": Tag.STOP_PX,
        "trail_price": Tag.PEG_OFFSET_VALUE, "venue": Tag.EX_DESTINATION,
    }  # fmt: skip
    fields |= {tag: body[name] for name, tag in named.items() if name in body}
    if body["type"] == "trailing_stop":
        fields[Tag.EXEC_INST] = TRAILING_STOP_PEG
    if "trail_percent" in body:
        fields |= {Tag.PEG_OFFSET_VALUE: f"{body['trail_percent']}00", Tag.PEG_OFFSET_TYPE: "1"}
    if body.get("extended_hours"):
        fields[Tag.TRADING_SESSION_ID] = "6"
    if "good_till" in body:
        fields |= {Tag.TIME_IN_FORCE: "6", Tag.EXPIRE_TIME: "20200131-20:00:00"}
    return fields
