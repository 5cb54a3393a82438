"""Recording: what a venue reports is booked once, in whatever order it comes; what cannot be is parked, not lost."""

from decimal import Decimal

import msgspec
import pytest

from orders.domain.reports import ReportKind, Restatement
from orders.domain.types import TimeInForce
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def desk():
    return Desk(cash="1000000")


def test_a_fill_moves_order_holding_cash_and_reservation_together(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    outcome = desk.record(desk.trade(order_id, "4", "99.5", fee="0.25"))
    order = desk.order(order_id)
    assert (outcome.recorded, outcome.parked, outcome.changed) == (1, 0, {order_id})
    assert (order.status, order.filled_quantity, order.average_price) == ("partially_filled", 4, Decimal("99.5"))
    assert (desk.held(), desk.cash(), desk.reserved(order_id)) == (4, Decimal("999601.75"), 6)
    assert desk.events(order_id) == ["accepted", "routed", "acknowledged", "executed"]


def test_the_event_of_a_fill_says_what_it_left_behind(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.trade(order_id, "4", "99.5", fee="0.25"))
    (payload,) = rows(
        "SELECT payload::text FROM audit_event WHERE stream = %s AND type = 'order.executed'", f"order:{order_id}"
    )[0]
    facts = msgspec.json.decode(payload)
    said = {name: facts[name] for name in ("fill_quantity", "fill_price", "fee", "cash", "position_quantity")}
    assert said == {
        "fill_quantity": "4", "fill_price": "99.5", "fee": "0.25", "cash": "999601.75", "position_quantity": "4",
    }  # fmt: skip
    assert (facts["reserved_quantity"], facts["leaves_quantity"], facts["status"]) == ("6", "6", "partially_filled")


def test_the_average_price_is_exact_over_many_fills(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.trade(order_id, "3", "99.99"), desk.trade(order_id, "3", "99.97"), desk.trade(order_id, "4", "98"))
    order = desk.order(order_id)
    assert (order.status, order.average_price) == ("filled", Decimal("99.188"))
    assert desk.reserved(order_id) is None
    assert order.filled_at is not None
    assert order.ended_at is None


def test_a_repeated_report_changes_nothing_wherever_it_stands(desk):
    order_id = desk.sent(quantity="10")
    new, first, second = desk.report(order_id, ReportKind.NEW), desk.trade(order_id, "4"), desk.trade(order_id, "6")
    outcome = desk.record(new, first, first, new)
    assert (outcome.recorded, outcome.repeats) == (2, 2)
    outcome = desk.record(first, second, new)
    assert (outcome.recorded, outcome.repeats) == (1, 2)
    assert (desk.status(order_id), desk.held()) == ("filled", 10)
    assert desk.record(new, first, second).recorded == 0
    assert desk.events(order_id) == ["accepted", "routed", "acknowledged", "executed", "executed"]
    assert desk.parked() == []


def test_a_fill_may_come_before_the_acknowledgement(desk):
    order_id = desk.sent(quantity="10")
    desk.record(desk.trade(order_id, "10"))
    assert desk.status(order_id) == "filled"
    desk.record(desk.report(order_id, ReportKind.NEW))
    assert (desk.status(order_id), desk.parked()) == ("filled", [])


def test_a_fill_during_a_pending_cancel_is_booked_while_the_status_stays(desk):
    order_id = desk.working(quantity="10")
    desk.cancel(order_id)
    desk.record(desk.trade(order_id, "4"))
    assert (desk.status(order_id), desk.held(), desk.reserved(order_id)) == ("pending_cancel", 4, 6)
    desk.record(desk.trade(order_id, "6"))
    assert (desk.status(order_id), desk.held(), desk.reserved(order_id)) == ("pending_cancel", 10, None)
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED))
    assert desk.status(order_id) == "filled"


def test_a_fill_after_the_cancel_is_booked_and_the_order_stays_cancelled(desk):
    order_id = desk.working(quantity="10")
    desk.cancel(order_id)
    desk.record(desk.report(order_id, ReportKind.CANCELED))
    desk.record(desk.trade(order_id, "3"))
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, desk.held(), desk.reserved(order_id)) == ("canceled", 3, 3, None)
    assert desk.events(order_id)[-2:] == ["executed", "anomaly"]


def test_an_overfill_is_booked_and_an_anomaly_names_the_fill(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.trade(order_id, "8"), desk.trade(order_id, "5"))
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, desk.held(), desk.reserved(order_id)) == ("filled", 13, 13, None)
    anomalies = rows(
        "SELECT payload #>> '{reason,code}', payload ->> 'execution_id' FROM audit_event "
        "WHERE stream = %s AND type = 'order.anomaly'",
        f"order:{order_id}",
    )
    executions = rows("SELECT id::text FROM orders_execution WHERE order_id = %s AND quantity = 5", order_id)
    assert anomalies == [("OVER_FILL", executions[0][0])]
    desk.record(desk.trade(order_id, "1"))
    assert (desk.order(order_id).filled_quantity, desk.parked()) == (14, [])


def test_a_move_that_is_not_in_the_table_is_parked_and_its_neighbours_go_on(desk):
    done, working = desk.working(quantity="2"), desk.working(quantity="3")
    desk.record(desk.trade(done, "2"))
    outcome = desk.record(
        desk.report(done, ReportKind.CANCELED), desk.trade(working, "3"), desk.report(done, ReportKind.EXPIRED)
    )
    assert (outcome.recorded, outcome.parked) == (1, 2)
    assert [desk.status(done), desk.status(working)] == ["filled", "filled"]
    assert desk.parked() == ["MOVE_NOT_ALLOWED", "MOVE_NOT_ALLOWED"]
    assert desk.events(done)[-2:] == ["anomaly", "anomaly"]


def test_a_parked_report_that_comes_again_is_not_parked_twice(desk):
    order_id = desk.working(quantity="2")
    desk.record(desk.trade(order_id, "2"))
    report = desk.report(order_id, ReportKind.CANCELED)
    desk.record(report)
    assert desk.record(report).repeats == 1
    assert desk.parked() == ["MOVE_NOT_ALLOWED"]


def test_a_report_on_an_order_that_is_not_ours_is_parked_raw(desk):
    order_id = desk.working(quantity="2")
    stranger = desk.trade(uuid7(), "1")
    outcome = desk.record(stranger, desk.trade(order_id, "2"))
    assert (outcome.recorded, outcome.parked, desk.parked()) == (1, 1, ["ORDER_UNKNOWN"])
    raw = rows("SELECT report ->> 'exec_id', order_id FROM orders_parkedreport WHERE venue = %s", desk.venue)
    assert raw == [(stranger.exec_id, None)]
    told = rows("SELECT type FROM audit_event WHERE stream = %s", f"venue:{desk.venue}")
    assert sorted(told) == [("venue.alert_raised",), ("venue.report_unmatched",)]
    alerts = rows("SELECT code, subject FROM orders_venuealert WHERE venue = %s", desk.venue)
    assert alerts == [("ORDER_UNKNOWN", str(stranger.order_id))]


def test_only_strangers_in_a_batch_are_parked_too(desk):
    assert desk.record(desk.trade(uuid7(), "1"), desk.trade(uuid7(), "1")).parked == 2


def test_another_venue_cannot_report_on_our_order(desk):
    order_id = desk.working(quantity="2")
    other = Desk()
    outcome = other.record(other.trade(order_id, "2"))
    assert (outcome.parked, other.parked(), desk.status(order_id)) == (1, ["REPORT_FROM_ELSEWHERE"], "new")


def test_an_exec_id_used_for_another_order_is_parked_not_taken_for_a_repeat(desk):
    first, second = desk.working(quantity="2"), desk.working(quantity="3")
    trade = desk.trade(first, "2")
    desk.record(trade)
    desk.record(desk.trade(second, "3", exec_id=trade.exec_id))
    assert (desk.status(second), desk.parked()) == ("new", ["EXEC_ID_REUSED"])


@pytest.mark.parametrize(
    "facts",
    [
        {"quantity": None}, {"quantity": "0"}, {"quantity": "-1"}, {"quantity": "NaN"}, {"quantity": "Infinity"},
        {"quantity": "1e-11"}, {"quantity": "1e20"}, {"price": None}, {"price": "0"}, {"price": "-3"},
        {"price": "NaN"}, {"fee": "NaN"}, {"exec_id": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_trade_that_makes_no_sense_is_parked_and_its_neighbours_go_on(desk, facts):
    broken, sound = desk.working(quantity="2"), desk.working(quantity="3")
    given = {"quantity": Decimal(1), "price": Decimal(100), **facts}
    numbers = {name: Decimal(value) for name, value in given.items() if name != "exec_id" and value is not None}
    nothing = {name: None for name, value in given.items() if value is None}
    report = msgspec.structs.replace(desk.report(broken, ReportKind.TRADE), **{**numbers, **nothing})
    outcome = desk.record(report, desk.trade(sound, "3"))
    assert (outcome.recorded, outcome.parked, desk.parked()) == (1, 1, ["REPORT_INCOMPLETE"])
    assert [desk.status(broken), desk.status(sound)] == ["new", "filled"]


def test_a_fill_too_large_to_book_is_parked_and_its_neighbours_go_on(desk):
    huge, sound = desk.working(quantity="2"), desk.working(quantity="3")
    outcome = desk.record(desk.trade(huge, "1e14", "1e14"), desk.trade(sound, "3"))
    assert (outcome.recorded, outcome.parked, desk.parked()) == (1, 1, ["FILL_UNBOOKABLE"])
    assert (desk.order(huge).filled_quantity, desk.held()) == (0, 3)


def test_a_rejection_says_why_and_lets_the_reservation_go(desk):
    order_id = desk.sent()
    desk.record(desk.report(order_id, ReportKind.REJECTED, reason="no such symbol here"))
    order = desk.order(order_id)
    assert (order.status, order.is_refused, desk.reserved(order_id)) == ("rejected", False, None)
    assert order.reasons == [{"code": "VENUE_REJECTED", "facts": {"text": "no such symbol here"}}]


def test_an_order_with_fills_cannot_be_rejected(desk):
    order_id = desk.sent(quantity="10")
    desk.record(desk.trade(order_id, "1"), desk.report(order_id, ReportKind.REJECTED))
    assert (desk.status(order_id), desk.parked()) == ("partially_filled", ["MOVE_NOT_ALLOWED"])


@pytest.mark.parametrize(("kind", "status"), [(ReportKind.CANCELED, "canceled"), (ReportKind.EXPIRED, "expired")])
def test_an_order_that_ends_by_itself_holds_nothing_more(desk, kind, status):
    order_id = desk.working(quantity="10")
    desk.record(desk.trade(order_id, "4"), desk.report(order_id, kind))
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, order.leaves_quantity) == (status, 4, 0)
    assert desk.reserved(order_id) is None
    assert order.ended_at is not None


def test_the_venues_end_of_an_order_drops_a_cancel_that_was_not_sent(desk):
    order_id = desk.working()
    desk.cancel(order_id)
    desk.record(desk.report(order_id, ReportKind.EXPIRED))
    assert desk.intents(order_id) == [("submit", "settled"), ("cancel", "dropped")]
    assert desk.claim() == []
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED))
    assert (desk.status(order_id), desk.parked()) == ("expired", [])


def test_a_bust_takes_the_fill_out_of_everything_and_reserves_again(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    first, second = desk.trade(order_id, "4", "99"), desk.trade(order_id, "6", "98", fee="1")
    desk.record(first, second)
    assert desk.reserved(order_id) is None
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=second.exec_id))
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, order.average_price) == ("partially_filled", 4, 99)
    assert (desk.held(), desk.cash(), desk.reserved(order_id)) == (4, Decimal(999604), 6)
    assert desk.events(order_id)[-1] == "busted"


def test_a_bust_of_a_bust_changes_nothing(desk):
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "4")
    desk.record(trade, desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id))
    again = desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id))
    assert (again.recorded, again.repeats, again.parked) == (0, 1, 0)
    assert (desk.status(order_id), desk.held(), desk.cash()) == ("new", 0, 1000000)


def test_a_correction_replaces_the_fill_and_can_itself_be_corrected(desk):
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "10", "100")
    first = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=trade.exec_id, quantity="10", price="99")
    second = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=first.exec_id, quantity="8", price="98")
    desk.record(trade, first)
    assert (desk.status(order_id), desk.order(order_id).average_price, desk.cash()) == ("filled", 99, 999010)
    desk.record(second)
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, order.average_price) == ("partially_filled", 8, 98)
    assert (desk.held(), desk.cash(), desk.reserved(order_id)) == (8, Decimal(1000000 - 784), 2)


def test_a_bust_of_what_nobody_knows_is_parked(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id="never"))
    assert (desk.status(order_id), desk.parked()) == ("new", ["EXECUTION_UNKNOWN"])


def test_a_bust_after_the_cancel_moves_the_money_and_not_the_status(desk):
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "4")
    desk.record(trade, desk.report(order_id, ReportKind.CANCELED))
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id))
    assert (desk.status(order_id), desk.order(order_id).filled_quantity, desk.held()) == ("canceled", 0, 0)
    assert (desk.cash(), desk.reserved(order_id)) == (1000000, None)


def test_a_halt_keeps_the_order_and_a_release_brings_it_back(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, ReportKind.SUSPENDED))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("suspended", 10)
    desk.record(desk.trade(order_id, "4"))
    assert (desk.status(order_id), desk.held()) == ("suspended", 4)
    assert desk.events(order_id)[-2:] == ["executed", "anomaly"]
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.RELEASE))
    assert desk.status(order_id) == "partially_filled"


@pytest.mark.parametrize(("time_in_force", "left"), [(TimeInForce.GTC, 6), (TimeInForce.DAY, None)])
def test_the_end_of_the_day_pauses_a_gtc_order_and_ends_a_day_order(desk, time_in_force, left):
    order_id = desk.working(quantity="10", time_in_force=time_in_force)
    desk.record(desk.trade(order_id, "4"), desk.report(order_id, ReportKind.DONE_FOR_DAY))
    assert (desk.status(order_id), desk.reserved(order_id)) == ("done_for_day", left)
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.RENEWAL))
    is_gtc = time_in_force is TimeInForce.GTC
    assert desk.status(order_id) == ("partially_filled" if is_gtc else "done_for_day")
    assert desk.parked() == ([] if is_gtc else ["MOVE_NOT_ALLOWED"])


def test_a_split_that_does_not_say_its_ratio_waits_for_a_person(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.SPLIT))
    assert (desk.status(order_id), desk.parked()) == ("new", ["REPORT_INCOMPLETE"])


def test_a_status_report_is_no_move(desk):
    order_id = desk.working()
    outcome = desk.record(desk.report(order_id, ReportKind.STATUS))
    assert (outcome.recorded, outcome.parked, desk.events(order_id)[-1]) == (0, 0, "acknowledged")


def test_a_sale_brings_in_money_and_what_it_earned(desk):
    bought = desk.working(quantity="10")
    desk.record(desk.trade(bought, "10", "90"))
    sold = desk.working(quantity="6", side=Side.SELL)
    desk.record(desk.trade(sold, "6", "100"))
    assert (desk.held(), desk.cash()) == (4, 1000000 - 900 + 600)
    (realised,) = rows(
        "SELECT payload ->> 'realised_pnl' FROM audit_event WHERE stream = %s AND type = 'order.executed'",
        f"order:{sold}",
    )[0]
    assert realised == "60"


def test_one_batch_carries_many_orders_of_many_accounts():
    desk = Desk(accounts=3)
    ids = [desk.accepted(account_id=desk.accounts[n % 3], quantity=str(n + 1)) for n in range(9)]
    desk.claim()
    reports = [desk.report(order_id, ReportKind.NEW) for order_id in ids]
    reports += [desk.trade(order_id, str(n + 1)) for n, order_id in enumerate(ids)]
    assert desk.record(*reports).recorded == 18
    assert {desk.status(order_id) for order_id in ids} == {"filled"}
    gaps = rows(
        "SELECT a.id FROM accounts_tradingaccount a WHERE a.id = ANY(%s) AND a.event_sequence <> "
        "(SELECT count(*) FROM audit_event e WHERE e.account_id = a.id)",
        desk.accounts,
    )
    assert gaps == []
