"""Exits at work: they share what they close, and end, reduce or outlive each other."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from orders import services
from orders.domain.brackets import Group, Member, steps
from orders.domain.reports import ReportKind
from orders.tests.desk import Desk, rows
from orders.tests.groups import anomalies, group, replaced, reserved, statuses, why, working
from positions.domain.types import Side
from trading_portal.kernel import clock


@pytest.fixture
def desk():
    return Desk(cash="1000000")


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
