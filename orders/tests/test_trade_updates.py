"""Every event of an order that Alpaca has a word for parses as alpaca-py's TradeUpdate, as the order then stood."""

from datetime import UTC, datetime
from decimal import Decimal

import msgpack
import pytest
from alpaca.trading.models import TradeUpdate

from orders import services
from orders.api.stream import _log_read
from orders.api.stream_codec import FrameError, frame_read, frame_write
from orders.api.trade_updates import trade_update
from orders.broadcasts import known_by, order_json
from orders.domain import events
from orders.domain.commands import ReplaceFields, ReplaceOrder
from orders.domain.facts import OrderFacts
from orders.domain.reports import ReportKind
from orders.domain.types import BaseState, OrderType, PendingOperation, TimeInForce
from orders.tests.desk import Desk
from positions.domain.types import Side
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

AT = datetime(2026, 1, 5, 15, 0, 0, 123456, tzinfo=UTC)
FILLED = OrderFacts(
    id=uuid7(),
    account_id=uuid7(),
    instrument_id=uuid7(),
    symbol="AAPL",
    asset_class="us_equity",
    client_order_id="c-1",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=Decimal(3),
    limit_price=Decimal("190.1"),
    stop_price=None,
    extended_hours=False,
    base=BaseState.FILLED,
    pending=PendingOperation.NONE,
    is_unknown=False,
    filled_quantity=Decimal(3),
    filled_value=Decimal("570.3"),
    average_price=Decimal("190.1"),
    is_refused=False,
    reasons=[],
    venue="paper",
    venue_order_id="v",
    source="api",
    correlation_id=uuid7(),
    event_sequence=5,
    placed_at=AT,
    expires_at=None,
    routed_at=AT,
    filled_at=AT,
    ended_at=None,
    updated_at=AT,
    worst_price=Decimal("190.1"),
)


def facts(base, *, pending="none", filled="0", unknown=False, **more):
    return {
        "order_id": str(FILLED.id),
        "status": f"pending_{pending}" if pending != "none" else base,
        "base": base,
        "pending": pending,
        "is_unknown": unknown,
        "quantity": "3",
        "filled_quantity": filled,
        "leaves_quantity": str(3 - int(filled)),
        "average_price": "190.1" if filled != "0" else None,
        **more,
    }


def executed(base, filled):
    return facts(
        base,
        filled=filled,
        execution_id=str(uuid7()),
        fill_price="190.1",
        fill_quantity="1",
        position_quantity="10",
    )


def told(event_type, said):
    raw = trade_update(event_type, said, order_json(FILLED), valid_at=AT, at=AT)
    return None if raw is None else TradeUpdate(**msgpack.unpackb(frame_write(raw, is_packed=True)))


@pytest.mark.parametrize(
    ("event_type", "said", "event", "status"),
    [
        ("order.accepted", facts("accepted"), "accepted", "accepted"),
        ("order.refused", facts("rejected"), "rejected", "rejected"),
        ("order.routed", facts("pending_new"), "pending_new", "pending_new"),
        ("order.acknowledged", facts("new"), "new", "new"),
        ("order.cancel_requested", facts("new", pending="cancel"), "pending_cancel", "pending_cancel"),
        ("order.replace_requested", facts("new", pending="replace"), "pending_replace", "pending_replace"),
        ("order.replace_rejected", facts("new"), "order_replace_rejected", "new"),
        ("order.canceled", facts("canceled", filled="1"), "canceled", "canceled"),
        ("order.expired", facts("expired"), "expired", "expired"),
        ("order.rejected", facts("rejected"), "rejected", "rejected"),
        ("order.executed", executed("partially_filled", "1"), "partial_fill", "partially_filled"),
        ("order.executed", executed("filled", "3"), "fill", "filled"),
    ],
)
def test_an_event_is_told_as_the_order_then_stood(event_type, said, event, status):
    update = told(event_type, said)
    assert update.event == event
    assert update.order.status == status
    assert update.order.filled_qty == said["filled_quantity"]
    assert update.timestamp == AT
    assert (update.order.filled_at is not None) is (status == "filled")


def test_a_fill_says_what_was_traded_and_what_is_held():
    said = executed("partially_filled", "1")
    update = told("order.executed", said)
    assert str(update.execution_id) == said["execution_id"]
    assert (update.price, update.qty, update.position_qty) == (190.1, 1.0, 10.0)


def test_a_fill_that_arrives_after_a_cancel_is_partial_though_nothing_is_left():
    said = {**executed("canceled", "1"), "leaves_quantity": "0"}
    assert told("order.executed", said).event == "partial_fill"


def test_an_unknown_outcome_keeps_the_last_known_status():
    raw = trade_update("order.acknowledged", facts("new", unknown=True), order_json(FILLED), valid_at=AT, at=AT)
    assert (raw["order"]["status"], raw["order"]["outcome"]) == ("new", "unknown")


def test_every_event_of_an_order_is_told_or_known_to_have_no_word():
    silent = {"order.unknown", "order.anomaly", "order.activated", "order.replace_refused", "order.route_decided"}
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.OrderPayload)]
    types = {kind.TYPE for kind in kinds if kind.TYPE}
    said = executed("new", "0")
    assert {t for t in types if trade_update(t, said, order_json(FILLED), valid_at=AT, at=AT) is None} == silent


@pytest.mark.parametrize("is_packed", [True, False])
def test_frames_are_read_as_they_are_written(is_packed):
    message = {"action": "listen", "data": {"streams": ["trade_updates"]}}
    assert frame_read(None, frame_write(message, is_packed=is_packed)) == (message, is_packed)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("[1]", None),
        ("{", None),
        ('{"a":' * 20_000, None),
        (None, b"\xc1"),
        (None, b"\x91" * 5000),
        (None, b"{" + b" " * 70_000),
        (None, msgpack.packb([1])),
    ],
)
def test_what_is_no_frame_is_refused(text, data):
    with pytest.raises(FrameError):
        frame_read(text, data)


def test_a_replaced_order_is_told_once_more_under_the_id_it_had_and_then_under_its_new_one():
    desk = Desk()
    order_id = desk.working(quantity="10", limit_price="90")
    desk.show()
    asked = services.order_replace(
        command=ReplaceOrder(
            order_id=order_id,
            account_id=desk.account,
            fields=ReplaceFields(limit_price=Decimal(91), client_order_id="second"),
            by=BY,
            correlation_id=uuid7(),
            requested_at=clock.now(),
        ),
        at=clock.now(),
    )
    version_id = asked.version.public_id
    desk.claim()
    desk.record(desk.report(order_id, ReportKind.REPLACED, request_id=version_id, quantity="10"))
    desk.record(desk.trade(order_id, "4", "91"))
    logged, orders = _log_read(desk.account, 0)
    told = [
        trade_update(event["type"], event["facts"], orders[known_by(event["type"], event["facts"])], valid_at=AT, at=AT)
        for event in logged
        if event["order_id"] == str(order_id)
    ]
    assert [(update["event"], update["order"]["id"]) for update in told] == [
        ("accepted", str(order_id)),
        ("pending_new", str(order_id)),
        ("new", str(order_id)),
        ("pending_replace", str(order_id)),
        ("replaced", str(order_id)),
        ("partial_fill", str(version_id)),
    ]
    old, new = told[-2]["order"], told[-1]["order"]
    assert (old["status"], old["limit_price"], old["replaced_by"]) == ("replaced", "90", str(version_id))
    assert (new["status"], new["limit_price"], new["client_order_id"]) == ("partially_filled", "91", "second")
    assert new["replaces"] == str(order_id)
