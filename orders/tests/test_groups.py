"""Brackets, OCO and OTO orders: exits wait for their entry, share what they close, and end each other."""

from decimal import Decimal
from uuid import UUID

import pytest
from msgspec.structs import replace

from orders import services
from orders.domain.brackets import Group, Member, steps
from orders.domain.commands import ReplaceFields, ReplaceOrder, StopLoss, TakeProfit
from orders.domain.reports import ReportKind
from orders.domain.types import OrderClass, OrderType, TimeInForce
from orders.services import executions
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import BY
from risk.services import trading_state_set
from risk.tests.helpers import officer
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk(cash="1000000")


def group(desk: Desk, order_class: OrderClass = OrderClass.BRACKET, **changes) -> tuple[UUID, ...]:
    """Place a group around 100, profit at 110 and stop at 90; return its orders' ids, the root first."""
    given = {
        "order_class": order_class,
        "quantity": "10",
        "take_profit": TakeProfit(limit_price=Decimal(110)),
        "stop_loss": StopLoss(stop_price=Decimal(90)),
    }
    placement = desk.place_all([desk.command(**given | changes)])[0]
    assert placement.status == "accepted", placement
    return placement.order.id, *(leg.id for leg in placement.legs)


def working(desk: Desk, **changes) -> tuple[UUID, UUID, UUID]:
    """Return a bracket whose entry is filled and whose exits the venue has."""
    entry, profit, stop = group(desk, **changes)
    desk.claim()
    desk.record(desk.trade(entry, str(desk.order(entry).quantity)))
    assert {message.order_id for message in desk.claim()} == {profit, stop}
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    return entry, profit, stop


def replaced(desk: Desk, order_id: UUID, **fields):
    command = ReplaceOrder(
        order_id=order_id,
        account_id=desk.account,
        fields=ReplaceFields(**fields),
        by=BY,
        correlation_id=uuid7(),
        requested_at=clock.now(),
    )
    return services.order_replace(command=command, at=clock.now())


def statuses(desk: Desk, ids) -> list[str]:
    return [desk.status(order_id) for order_id in ids]


def reserved(desk: Desk, ids) -> list[Decimal | None]:
    return [desk.reserved(order_id) for order_id in ids]


def anomalies(order_id: UUID) -> list[str]:
    found = rows(
        "SELECT payload #>> '{reason,code}' FROM audit_event WHERE stream = %s AND type = 'order.anomaly' "
        "ORDER BY sequence",
        f"order:{order_id}",
    )
    return [row[0] for row in found]


def why(desk: Desk, order_id: UUID) -> list[str]:
    return [reason["code"] for reason in desk.order(order_id).reasons]


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


def test_a_working_exit_that_is_cancelled_ends_the_other_once_the_venue_says_so(desk):
    ids = _, profit, stop = working(desk)
    desk.cancel(profit)
    assert statuses(desk, ids) == ["filled", "pending_cancel", "new"]
    desk.record(desk.report(profit, ReportKind.CANCELED))
    assert statuses(desk, ids) == ["filled", "canceled", "pending_cancel"]
    assert reserved(desk, ids) == [None, None, 10]
    assert [(m.order_id, m.kind) for m in desk.claim()] == [(stop, "cancel")]
    desk.record(desk.report(stop, ReportKind.CANCELED))
    assert (desk.status(stop), reserved(desk, ids)) == ("canceled", [None, None, None])


def test_a_filled_exit_cancels_the_other(desk):
    ids = entry, profit, stop = working(desk)
    desk.record(desk.trade(profit, "10", "110"))
    assert statuses(desk, ids) == ["filled", "filled", "pending_cancel"]
    assert [(m.order_id, m.kind) for m in desk.claim()] == [(stop, "cancel")]
    desk.record(desk.report(stop, ReportKind.CANCELED))
    assert (desk.status(stop), why(desk, stop), desk.held()) == ("canceled", ["EXIT_FILLED"], 0)
    assert reserved(desk, ids) == [None, None, None]
    assert anomalies(entry) == []


def test_a_stop_that_begins_to_fill_ends_the_take_profit(desk):
    ids = _, profit, stop = working(desk)
    desk.record(desk.trade(stop, "4", "90"))
    assert statuses(desk, ids) == ["filled", "pending_cancel", "partially_filled"]
    assert reserved(desk, ids) == [None, 10, None]
    desk.record(desk.report(profit, ReportKind.CANCELED))
    assert statuses(desk, ids) == ["filled", "canceled", "partially_filled"]
    assert reserved(desk, ids) == [None, None, 6]
    desk.record(desk.trade(stop, "6", "90"))
    assert (desk.held(), reserved(desk, ids)) == (0, [None, None, None])


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_both_exits_filling_is_booked_and_a_person_can_find_it(desk, is_one_batch):
    entry, profit, stop = working(desk)
    reports = [desk.trade(profit, "10", "110"), desk.trade(stop, "10", "90")]
    for batch in [reports] if is_one_batch else [[each] for each in reports]:
        desk.record(*batch)
    assert desk.held() == -10
    assert anomalies(entry) == ["OVER_EXIT"]


def test_what_the_take_profit_fills_is_taken_from_the_stop(desk):
    ids = _, profit, stop = working(desk)
    desk.record(desk.trade(profit, "4", "110"))
    assert statuses(desk, ids) == ["filled", "partially_filled", "pending_replace"]
    (message,) = desk.claim()
    assert (message.order_id, message.kind, message.terms.quantity, message.terms.limit_price) == (
        stop,
        "replace",
        6,
        None,
    )
    assert reserved(desk, ids) == [None, 10, None]
    desk.record(desk.report(stop, ReportKind.REPLACED, quantity="6", request_id=message.terms.version_id))
    order = desk.order(stop)
    assert (order.status, order.quantity, order.stop_price, order.version_number) == ("new", 6, 90, 2)
    assert reserved(desk, ids) == [None, 6, None]
    desk.record(desk.trade(profit, "6", "110"))
    assert statuses(desk, ids) == ["filled", "filled", "pending_cancel"]


def test_fills_while_the_stop_is_being_reduced_are_taken_from_it_next(desk):
    ids = _, profit, stop = working(desk)
    desk.record(desk.trade(profit, "4", "110"))
    (first,) = desk.claim()
    desk.record(desk.trade(profit, "2", "110"))
    assert desk.claim() == []
    desk.record(desk.report(stop, ReportKind.REPLACED, quantity="6", request_id=first.terms.version_id))
    (second,) = desk.claim()
    assert (second.terms.quantity, second.terms.replaces, reserved(desk, ids)) == (
        4,
        first.terms.version_id,
        [None, 6, None],
    )
    desk.record(desk.report(stop, ReportKind.REPLACED, quantity="4", request_id=second.terms.version_id))
    assert (desk.order(stop).quantity, reserved(desk, ids)) == (4, [None, 4, None])
    desk.record(desk.trade(stop, "4", "90"))
    assert (desk.held(), statuses(desk, ids)) == (0, ["filled", "pending_cancel", "filled"])


def test_a_stop_that_is_not_acknowledged_yet_is_reduced_once_it_is(desk):
    entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.trade(entry, "10"))
    desk.claim()
    desk.record(desk.trade(profit, "4", "110"))
    assert desk.claim() == []
    desk.record(desk.report(stop, ReportKind.NEW))
    assert [(m.order_id, m.terms.quantity) for m in desk.claim()] == [(stop, 6)]


def test_a_venue_that_will_not_reduce_is_asked_again_by_the_sweep(desk):
    _, profit, stop = working(desk)
    desk.record(desk.trade(profit, "4", "110"))
    desk.claim()
    desk.record(desk.report(stop, ReportKind.REPLACE_REJECTED))
    assert (desk.status(stop), desk.claim()) == ("new", [])
    assert services.groups_repair(at=clock.now()) == 1
    assert [(m.order_id, m.terms.quantity) for m in desk.claim()] == [(stop, 6)]


def test_a_bust_of_a_part_of_the_entry_reduces_both_exits(desk):
    entry, profit, stop = group(desk)
    desk.claim()
    fill = desk.trade(entry, "3")
    desk.record(fill, desk.trade(entry, "7"))
    desk.claim()
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    desk.record(desk.report(entry, ReportKind.TRADE_CANCEL, ref_exec_id=fill.exec_id))
    messages = desk.claim()
    assert {(m.order_id, m.terms.quantity) for m in messages} == {(profit, 7), (stop, 7)}
    for message in messages:
        report = {"quantity": "7", "request_id": message.terms.version_id}
        desk.record(desk.report(message.order_id, ReportKind.REPLACED, **report))
    assert (reserved(desk, (entry, profit, stop)), desk.held()) == ([3, 7, None], 7)
    assert anomalies(entry) == ["ENTRY_BUSTED"]


def test_the_price_of_an_exit_can_be_changed_and_its_quantity_cannot(desk):
    ids = _, profit, _ = working(desk)
    refused = replaced(desk, profit, quantity=Decimal(5))
    assert (refused.status, refused.refusal[0].code) == ("invalid", "REPLACE_OF_EXIT_QUANTITY")
    assert replaced(desk, profit, limit_price=Decimal(108)).status == "requested"
    assert reserved(desk, ids) == [None, 10, None]
    (message,) = desk.claim()
    desk.record(
        desk.report(profit, ReportKind.REPLACED, quantity="10", price="108", request_id=message.terms.version_id)
    )
    assert (desk.order(profit).limit_price, statuses(desk, ids)) == (108, ["filled", "new", "new"])
    assert rows("SELECT limit_price FROM positions_reservation WHERE order_id = %s", profit) == [(108,)]


def test_exits_are_for_what_a_replaced_entry_bought(desk):
    entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.report(entry, ReportKind.NEW))
    assert replaced(desk, entry, quantity=Decimal(8)).status == "requested"
    (message,) = desk.claim()
    desk.record(desk.report(entry, ReportKind.REPLACED, quantity="8", request_id=message.terms.version_id))
    desk.record(desk.trade(entry, "8"))
    assert [desk.order(each).quantity for each in (profit, stop)] == [8, 8]
    assert {(m.order_id, m.quantity) for m in desk.claim()} == {(profit, 8), (stop, 8)}


def test_a_venue_that_will_not_cancel_is_asked_again_by_the_sweep(desk):
    _, profit, stop = working(desk)
    desk.record(desk.trade(profit, "10", "110"))
    desk.claim()
    desk.record(desk.report(stop, ReportKind.CANCEL_REJECTED))
    assert (desk.status(stop), desk.claim()) == ("new", [])
    services.groups_repair(at=clock.now())
    assert [(m.order_id, m.kind) for m in desk.claim()] == [(stop, "cancel")]


def test_a_rejected_exit_leaves_the_other_to_protect_the_position_and_is_shouted_about(desk):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.trade(entry, "10"))
    desk.claim()
    desk.record(desk.report(profit, ReportKind.REJECTED), desk.report(stop, ReportKind.NEW))
    assert statuses(desk, ids) == ["filled", "rejected", "new"]
    assert (anomalies(entry), reserved(desk, ids)) == (["EXIT_REJECTED"], [None, None, 10])


def test_a_fill_of_the_take_profit_that_is_taken_back_leaves_it_working(desk):
    ids = _, profit, stop = working(desk)
    fill = desk.trade(profit, "10", "110")
    desk.record(fill)
    desk.record(desk.report(stop, ReportKind.CANCELED))
    desk.record(desk.report(profit, ReportKind.TRADE_CANCEL, ref_exec_id=fill.exec_id))
    assert statuses(desk, ids) == ["filled", "new", "canceled"]
    assert (reserved(desk, ids), desk.held()) == ([None, 10, None], 10)


def test_a_bust_of_the_whole_entry_cancels_its_exits(desk):
    entry, profit, stop = group(desk)
    desk.claim()
    fill = desk.trade(entry, "10")
    desk.record(fill)
    desk.claim()
    desk.record(desk.report(profit, ReportKind.NEW), desk.report(stop, ReportKind.NEW))
    desk.record(desk.report(entry, ReportKind.TRADE_CANCEL, ref_exec_id=fill.exec_id))
    assert statuses(desk, (entry, profit, stop)) == ["new", "pending_cancel", "pending_cancel"]
    assert (anomalies(entry), why(desk, stop)) == (["ENTRY_BUSTED"], ["ENTRY_BUSTED"])


def test_exits_never_open_a_position_the_other_way(desk):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.trade(entry, "9"))
    sale = desk.sent(side=Side.SELL, quantity="6", limit_price="101")
    desk.record(desk.trade(entry, "1"))
    assert statuses(desk, ids) == ["filled", "accepted", "accepted"]
    assert [desk.order(each).quantity for each in (profit, stop)] == [4, 4]
    assert (reserved(desk, ids), desk.reserved(sale)) == ([None, 4, None], 6)
    assert anomalies(entry) == ["EXIT_NOT_COVERED"]


def test_exits_of_what_was_sold_already_are_cancelled(desk):
    ids = entry, profit, stop = group(desk)
    desk.claim()
    desk.record(desk.trade(entry, "9"))
    sale = desk.sent(side=Side.SELL, quantity="9", limit_price="101")
    # The last share is sold by a report that comes too late for anybody to have refused it.
    desk.record(desk.trade(sale, "10", "101"), desk.trade(entry, "1"))
    assert statuses(desk, ids) == ["filled", "canceled", "canceled"]
    assert (why(desk, profit), why(desk, stop)) == (["EXIT_NOT_COVERED"], ["EXIT_NOT_COVERED"])
    assert (anomalies(entry), reserved(desk, ids)) == (["EXIT_NOT_COVERED"], [None, None, None])


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


def oco(desk: Desk) -> tuple[UUID, ...]:
    desk.record(desk.trade(desk.working(quantity="10"), "10"))
    return group(desk, OrderClass.OCO, side=Side.SELL, limit_price=None)


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


def test_the_sweep_finds_what_a_change_of_rows_left_behind_and_nothing_else(desk):
    ids = _, profit, stop = working(desk)
    assert services.groups_repair(at=clock.now()) == 0
    desk.record(desk.trade(profit, "10", "110"))
    assert services.groups_repair(at=clock.now()) == 0
    desk.record(desk.report(stop, ReportKind.CANCELED))
    assert services.groups_repair(at=clock.now()) == 0
    assert statuses(desk, ids) == ["filled", "filled", "canceled"]


def test_a_split_of_the_exits_asks_nothing_of_them(desk):
    """The entry is done and keeps its old units; its exits are for twice as many, one after the other."""
    entry, profit, stop = (desk.order(order_id) for order_id in working(desk))
    doubled = [replace(order.state, quantity=Decimal(20)) for order in (profit, stop)]
    root = Member(entry, entry.state, False)
    for states in ([doubled[0], stop.state], [profit.state, doubled[1]], doubled):
        legs = [Member(order, state, False) for order, state in zip((profit, stop), states, strict=True)]
        assert steps(Group(root, legs)) == []
