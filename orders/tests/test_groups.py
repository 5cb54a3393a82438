"""Brackets, OCO and OTO orders: placed whole, ended whole, and their exits wait for the entry."""

from decimal import Decimal

import pytest

from orders import services
from orders.domain.commands import StopLoss, TakeProfit
from orders.domain.reports import ReportKind
from orders.domain.types import OrderClass, OrderType, TimeInForce
from orders.services import executions
from orders.tests.desk import Desk, rows
from orders.tests.groups import group, oco, reserved, statuses, why, working
from positions.domain.types import Side
from positions.tests.helpers import BY
from risk.services import trading_state_set
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk(cash="1000000")


def test_a_bracket_is_an_entry_and_two_held_exits_of_its_own_ids(desk):
    ids = group(desk)
    entry, profit, stop = (desk.order(order_id) for order_id in ids)
    assert statuses(desk, ids) == ["accepted", "held", "held"]
    assert [(leg.parent_id, leg.leg, leg.side) for leg in (profit, stop)] == [
        (entry.id, "take_profit", Side.SELL),
        (entry.id, "stop_loss", Side.SELL),
    ]
    assert (profit.order_type, profit.limit_price, profit.stop_price) == ("limit", 110, None)
    assert (stop.order_type, stop.limit_price, stop.stop_price) == ("stop", None, 90)
    assert {o.quantity for o in (entry, profit, stop)} == {10}
    assert {o.order_class for o in (entry, profit, stop)} == {OrderClass.BRACKET}
    assert len({o.client_order_id for o in (entry, profit, stop)}) == 3
    assert reserved(desk, ids) == [10, None, None]
    assert [desk.intents(order_id) for order_id in ids] == [[("submit", "due")], [], []]
    assert [desk.events(order_id) for order_id in ids] == [["accepted"]] * 3


def test_the_same_bracket_again_is_the_same_orders(desk):
    command = desk.command(
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfit(limit_price=Decimal(110)),
        stop_loss=StopLoss(stop_price=Decimal(90), limit_price=Decimal(89)),
    )
    first, again = desk.place_all([command])[0], desk.place_all([command])[0]
    assert (again.is_replay, again.order.id) == (True, first.order.id)
    assert [leg.id for leg in again.legs] == [leg.id for leg in first.legs]
    assert first.legs[1].order_type is OrderType.STOP_LIMIT
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(3,)]


def test_nothing_hangs_on_a_refused_bracket(desk):
    command = desk.command(
        order_class=OrderClass.BRACKET,
        quantity="1000000",
        take_profit=TakeProfit(limit_price=Decimal(110)),
        stop_loss=StopLoss(stop_price=Decimal(90)),
    )
    placement = desk.place_all([command])[0]
    assert (placement.status, placement.legs) == ("refused", ())
    assert rows("SELECT count(*) FROM orders_order WHERE account_id = %s", desk.account) == [(1,)]


@pytest.mark.parametrize(("side", "stop"), [(Side.BUY, "100"), (Side.BUY, "101"), (Side.SELL, "100")])
def test_a_stop_that_would_trigger_at_once_is_refused(desk, side, stop):
    desk.record(desk.trade(desk.working(quantity="30"), "30"))
    order_class = OrderClass.BRACKET if side is Side.BUY else OrderClass.OCO
    command = desk.command(
        order_class=order_class,
        side=side,
        order_type=OrderType.MARKET if side is Side.BUY else OrderType.LIMIT,
        quantity="10",
        take_profit=TakeProfit(limit_price=Decimal(110)),
        stop_loss=StopLoss(stop_price=Decimal(stop)),
    )
    placement = desk.place_all([command])[0]
    assert (placement.status, [why.code for why in placement.refusal]) == ("refused", ["STOP_WRONG_SIDE"])


def test_exits_wait_until_the_entry_is_filled_in_full(desk):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.trade(entry, "9"))
    assert statuses(desk, ids) == ["partially_filled", "held", "held"]
    assert desk.claim() == []
    desk.record(desk.trade(entry, "1"))
    assert statuses(desk, ids) == ["filled", "accepted", "accepted"]
    assert reserved(desk, ids) == [None, 10, None]
    assert {(m.order_id, m.kind) for m in desk.claim()} == {(profit, "submit"), (stop, "submit")}
    assert statuses(desk, ids) == ["filled", "pending_new", "pending_new"]
    assert desk.events(profit) == ["accepted", "activated", "routed"]


def test_exits_are_activated_in_the_batch_that_fills_the_entry_whatever_else_it_says(desk):
    ids = entry, *_ = group(desk)
    alone = desk.accepted(quantity="3")
    desk.claim()
    desk.record(
        desk.trade(alone, "3"), desk.report(entry, ReportKind.NEW), desk.trade(entry, "4"), desk.trade(entry, "6")
    )
    assert statuses(desk, ids) == ["filled", "accepted", "accepted"]
    assert reserved(desk, (*ids, alone)) == [None, 10, None, None]


def test_a_crash_before_the_commit_leaves_neither_the_fill_nor_what_follows_and_a_repeat_brings_both(desk, monkeypatch):
    ids = entry, *_ = group(desk)
    desk.claim()
    fill = desk.trade(entry, "10")

    def die(point: str) -> None:
        raise RuntimeError(point)

    with monkeypatch.context() as crash, pytest.raises(RuntimeError):
        crash.setattr(executions, "failpoint", die)
        desk.record(fill)
    assert statuses(desk, ids) == ["pending_new", "held", "held"]
    desk.record(fill)
    desk.record(fill)
    assert statuses(desk, ids) == ["filled", "accepted", "accepted"]
    assert len(desk.claim()) == 2


@pytest.mark.parametrize("end", [ReportKind.CANCELED, ReportKind.EXPIRED, ReportKind.REJECTED])
def test_an_entry_that_ends_unfilled_ends_its_held_exits(desk, end):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    if end is not ReportKind.REJECTED:
        desk.record(desk.trade(entry, "4"))
    desk.record(desk.report(entry, end))
    assert statuses(desk, ids) == [end.value, "canceled", "canceled"]
    assert (why(desk, profit), why(desk, stop)) == (["ENTRY_ENDED"], ["ENTRY_ENDED"])
    assert desk.events(profit) == ["accepted", "canceled"]
    assert reserved(desk, ids) == [None, None, None]


def test_an_entry_cancelled_before_it_was_sent_takes_its_exits_along_at_once(desk):
    ids = entry, *_ = group(desk)
    assert desk.cancel(entry).status == "canceled"
    assert statuses(desk, ids) == ["canceled", "canceled", "canceled"]
    assert desk.claim() == []


def test_a_cancel_that_the_entry_escapes_by_its_fill_leaves_the_exits_to_protect_it(desk):
    ids = entry, *_ = group(desk)
    desk.claim()
    desk.cancel(entry)
    assert statuses(desk, ids) == ["pending_cancel", "held", "held"]
    desk.record(desk.trade(entry, "10"))
    desk.record(desk.report(entry, ReportKind.CANCEL_REJECTED))
    assert statuses(desk, ids) == ["filled", "accepted", "accepted"]


def test_an_entry_dropped_at_the_gateway_takes_its_exits_along(desk):
    ids = group(desk)
    trading_state_set(
        account_id=desk.account, instrument_id=None, state="HALTED", reason="test", by=officer(), at=clock.now()
    )
    assert desk.claim() == []
    assert statuses(desk, ids) == ["rejected", "canceled", "canceled"]


def test_a_day_entry_that_was_never_sent_expires_with_its_exits(desk):
    ids = group(desk, time_in_force=TimeInForce.DAY)
    later = max(desk.order(order_id).expires_at for order_id in ids)
    while services.orders_expire_due(at=later):
        pass
    assert statuses(desk, ids) == ["expired", "expired", "expired"]


def test_a_cancelled_exit_ends_its_whole_group(desk):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    assert desk.cancel(stop).status == "canceled"
    assert statuses(desk, ids) == ["pending_cancel", "canceled", "canceled"]
    assert why(desk, profit) == ["GROUP_CANCELED"]
    desk.record(desk.report(entry, ReportKind.CANCELED))
    assert statuses(desk, ids) == ["canceled"] * 3


def test_a_bracket_sells_short_and_buys_back(desk):
    desk.record(desk.trade(desk.working(quantity="30"), "30"))
    ids = entry, profit, stop = group(
        desk,
        side=Side.SELL,
        take_profit=TakeProfit(limit_price=Decimal(90)),
        stop_loss=StopLoss(stop_price=Decimal(110)),
    )
    assert {desk.order(each).side for each in (profit, stop)} == {Side.BUY}
    assert desk.order(profit).worst_price == desk.order(stop).worst_price > 110
    desk.claim()
    desk.record(desk.trade(entry, "10"))
    assert statuses(desk, ids) == ["filled", "canceled", "canceled"]
    assert why(desk, profit) == ["EXIT_NOT_COVERED"]


@pytest.mark.parametrize(("absent", "leg"), [("take_profit", "stop_loss"), ("stop_loss", "take_profit")])
def test_an_oto_has_the_one_exit_that_was_asked_for(desk, absent, leg):
    entry, exit_ = group(desk, OrderClass.OTO, **{absent: None})
    assert desk.order(exit_).leg == leg
    desk.claim()
    desk.record(desk.trade(entry, "10"))
    assert (desk.status(exit_), desk.reserved(exit_)) == ("accepted", 10)
    desk.cancel(exit_)
    assert (desk.status(exit_), desk.reserved(exit_)) == ("canceled", None)


def test_an_oco_is_a_take_profit_and_a_stop_that_work_at_once_for_the_same_shares(desk):
    ids = profit, stop = oco(desk)
    assert statuses(desk, ids) == ["accepted", "accepted"]
    assert (desk.order(profit).limit_price, desk.order(stop).stop_price) == (110, 90)
    assert (desk.order(stop).parent_id, desk.order(stop).leg) == (profit, "stop_loss")
    assert reserved(desk, ids) == [10, None]
    assert {m.order_id for m in desk.claim()} == {profit, stop}
    desk.record(desk.trade(stop, "10", "90"))
    assert statuses(desk, ids) == ["pending_cancel", "filled"]
    assert reserved(desk, ids) == [10, None]
    desk.record(desk.report(profit, ReportKind.CANCELED))
    assert (statuses(desk, ids), desk.held(), reserved(desk, ids)) == (["canceled", "filled"], 0, [None, None])


def test_cancelling_an_oco_before_it_is_sent_cancels_both(desk):
    ids = profit, _ = oco(desk)
    desk.cancel(profit)
    assert (statuses(desk, ids), reserved(desk, ids)) == (["canceled", "canceled"], [None, None])


def test_cancelling_everything_cancels_groups_whole(desk):
    held, live = group(desk), None
    live = working(desk, quantity="7")
    services.orders_cancel_all(account_id=desk.account, by=BY, correlation_id=uuid7(), at=clock.now())
    assert statuses(desk, held) == ["pending_cancel", "canceled", "canceled"]
    assert statuses(desk, live) == ["filled", "pending_cancel", "pending_cancel"]
