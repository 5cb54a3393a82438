"""Splits, corrections and busts: order, fills, prices, reservation, money and profit follow to the last digit."""

from decimal import Decimal

import pytest

from orders import services
from orders.domain.commands import ReplaceFields, ReplaceOrder, StopLoss, TakeProfit
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import OrderClass
from orders.tests.desk import Desk, rows
from positions.domain.types import Side
from positions.tests.helpers import BY
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.management.commands.check_invariants import invariants_check

PROMISES = ("I01", "I02", "I03", "I05", "I06", "I07", "I08", "I09", "I10", "I13", "I16", "I19")


@pytest.fixture
def desk():
    made = Desk(cash="1000000")
    yield made
    findings = invariants_check(PROMISES, made.accounts)
    assert [(f.invariant.code, f.invariant.sentence, f.hits) for f in findings if f.hits] == []


def split(desk: Desk, order_id, ratio: str, **facts) -> VenueReport:
    return desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.SPLIT, ratio=Decimal(ratio), **facts)


def profit(desk: Desk) -> tuple[Decimal, ...]:
    return rows("SELECT quantity, cost, realised_pnl FROM positions_holding WHERE account_id = %s", desk.account)[0]


def held(order_id) -> tuple[Decimal, ...]:
    return rows("SELECT quantity_left, price, limit_price FROM positions_reservation WHERE order_id = %s", order_id)[0]


def codes(order_id) -> list[str]:
    found = rows(
        "SELECT payload #>> '{reason,code}' FROM audit_event WHERE stream = %s AND type = 'order.anomaly' "
        "ORDER BY sequence",
        f"order:{order_id}",
    )
    return [row[0] for row in found]


def test_a_split_restates_quantity_fills_average_prices_and_reservation_in_one_event(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    desk.record(desk.trade(order_id, "4", "99"))
    desk.record(split(desk, order_id, "2"))
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.filled_quantity, order.leaves_quantity) == (
        "partially_filled",
        20,
        8,
        12,
    )
    assert (order.average_price, order.filled_value, order.limit_price) == (Decimal("49.5"), 396, 50)
    assert held(order_id) == (12, 50, 50)
    assert desk.events(order_id)[-1] == "restated"
    desk.record(desk.trade(order_id, "12", "50"))
    assert (desk.status(order_id), desk.order(order_id).filled_value) == ("filled", 996)


def test_a_reverse_split_by_a_third_loses_no_unit(desk):
    order_id = desk.working(quantity="9", limit_price="30")
    desk.record(*(desk.trade(order_id, "1", "29") for _ in range(4)), split(desk, order_id, "0.3333333333"))
    order = desk.order(order_id)
    assert (order.quantity, order.limit_price, order.filled_value) == (3, 90, 116)
    counted = rows("SELECT sum(restated_quantity) FROM orders_execution WHERE order_id = %s", order_id)[0][0]
    assert order.filled_quantity == counted == Decimal("1.3333333333")


def test_what_the_venue_says_of_a_split_goes_before_what_is_reckoned(desk):
    order_id = desk.working(quantity="5", limit_price="100")
    desk.record(split(desk, order_id, "1.5", quantity="7", price="66.67"))
    order = desk.order(order_id)
    assert (order.quantity, order.limit_price, held(order_id)[0]) == (7, Decimal("66.67"), 7)


def test_fills_from_before_a_split_can_be_busted_and_corrected_as_they_were_traded(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    first, second = desk.trade(order_id, "4", "99"), desk.trade(order_id, "3", "98")
    desk.record(first, second)
    desk.record(split(desk, order_id, "3"))
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=first.exec_id))
    order = desk.order(order_id)
    assert (order.filled_quantity, order.filled_value, desk.held()) == (9, 294, 3)
    again = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=second.exec_id, quantity="2", price="97")
    desk.record(again)
    order = desk.order(order_id)
    assert (order.filled_quantity, order.filled_value, desk.held()) == (6, 194, 2)
    assert (desk.cash(), held(order_id)[0]) == (1000000 - 194, 24)
    desk.record(desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=again.exec_id))
    assert (desk.order(order_id).filled_quantity, desk.cash(), desk.held()) == (0, 1000000, 0)


def replace(desk: Desk, order_id, **fields) -> None:
    asked = ReplaceFields(**{name: Decimal(value) for name, value in fields.items()})
    command = ReplaceOrder(
        order_id=order_id, account_id=desk.account, fields=asked, by=BY, correlation_id=uuid7(),
        requested_at=clock.now(),
    )  # fmt: skip
    assert services.order_replace(command=command, at=clock.now()).status == "requested"


def test_a_split_restates_a_replace_that_waits(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    replace(desk, order_id, quantity="12", limit_price="99")
    assert len(desk.claim()) == 1
    desk.record(split(desk, order_id, "2"))
    assert held(order_id) == (24, Decimal("49.5"), 50)
    desk.record(desk.report(order_id, ReportKind.REPLACED, quantity="24"))
    order = desk.order(order_id)
    assert (order.status, order.quantity, order.limit_price) == ("new", 24, Decimal("49.5"))


def test_a_replace_that_was_not_sent_before_the_split_is_not_sent_after_it(desk):
    """What risk approved was of the old units."""
    order_id = desk.working(quantity="10", limit_price="100")
    replace(desk, order_id, quantity="12", limit_price="99")
    desk.record(split(desk, order_id, "2"))
    assert desk.claim() == []
    order = desk.order(order_id)
    assert (order.status, order.quantity, held(order_id)) == ("new", 20, (20, 50, 50))


def test_a_split_restates_the_held_legs_of_a_bracket(desk):
    placement = desk.place_all(
        [
            desk.command(
                order_class=OrderClass.BRACKET,
                quantity="10",
                limit_price="100",
                take_profit=TakeProfit(limit_price=Decimal(110)),
                stop_loss=StopLoss(stop_price=Decimal(90), limit_price=Decimal(88)),
            )
        ]
    )[0]
    root, legs = placement.order.id, [leg.id for leg in placement.legs]
    desk.claim()
    desk.record(desk.report(root, ReportKind.NEW), desk.trade(root, "4"))
    desk.record(split(desk, root, "2"))
    profit_leg, stop = desk.order(legs[0]), desk.order(legs[1])
    assert (profit_leg.status, profit_leg.quantity, profit_leg.limit_price) == ("held", 20, 55)
    assert (stop.quantity, stop.stop_price, stop.limit_price) == (20, 45, 44)
    assert desk.events(legs[0])[-1] == "restated"
    desk.record(desk.trade(root, "12", "50"))
    # What the account holds is split by its own corporate action: till then exits close what is held, and say so.
    assert codes(root)[-1] == "EXIT_NOT_COVERED"
    assert {(each.order_id, each.quantity, each.limit_price) for each in desk.claim()} == {
        (legs[0], 16, 55), (legs[1], 16, 44),
    }  # fmt: skip


def test_a_day_order_and_a_split_that_leaves_nonsense_are_parked(desk):
    order_id = desk.working(quantity="10")
    for ratio in ("1e-12", "NaN", "0", "-2", "1e15"):
        desk.record(split(desk, order_id, ratio))
    assert desk.order(order_id).quantity == 10
    assert desk.parked() == ["SPLIT_NOT_TELLABLE", *["REPORT_INCOMPLETE"] * 4]


def test_a_bust_that_comes_before_its_trade_waits_for_it(desk):
    order_id = desk.working(quantity="10")
    trade = desk.trade(order_id, "4", "99")
    bust = desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id)
    assert desk.record(bust).parked == 1
    outcome = desk.record(trade)
    assert (outcome.recorded, outcome.parked, desk.held(), desk.cash()) == (2, 0, 0, 1000000)
    assert (desk.status(order_id), codes(order_id)) == ("new", ["EXECUTION_UNKNOWN", "PARKED_REPORT_APPLIED"])
    assert desk.events(order_id)[-4:] == ["anomaly", "executed", "busted", "anomaly"]
    assert rows("SELECT resolved_at IS NULL FROM orders_parkedreport WHERE venue = %s", desk.venue) == [(False,)]
    assert desk.record(bust, trade).repeats == 2
    other = desk.report(order_id, ReportKind.TRADE_CANCEL, ref_exec_id=trade.exec_id)
    assert desk.record(other).repeats == 1


def test_corrections_before_their_trade_wait_in_a_chain_also_within_one_batch(desk):
    order_id = desk.working(quantity="10", limit_price="100")
    trade = desk.trade(order_id, "10", "100")
    first = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=trade.exec_id, quantity="10", price="99")
    second = desk.report(order_id, ReportKind.TRADE_CORRECT, ref_exec_id=first.exec_id, quantity="8", price="98")
    outcome = desk.record(second, first, trade)
    assert (outcome.recorded, outcome.parked) == (3, 2)
    order = desk.order(order_id)
    assert (order.status, order.filled_quantity, order.average_price) == ("partially_filled", 8, 98)
    assert (desk.held(), desk.cash()) == (8, 1000000 - 784)
    assert rows("SELECT count(*) FROM orders_parkedreport WHERE venue = %s AND resolved_at IS NULL", desk.venue) == [
        (0,)
    ]


def test_a_person_has_a_parked_report_applied_again(desk):
    order_id = desk.working(quantity="10")
    desk.record(desk.report(order_id, ReportKind.RESTATED, restatement=Restatement.RELEASE))
    desk.record(desk.report(order_id, ReportKind.CANCEL_REJECTED))
    found = [row[0] for row in rows("SELECT id FROM orders_parkedreport WHERE venue = %s ORDER BY id", desk.venue)]
    desk.record(desk.report(order_id, ReportKind.SUSPENDED))
    assert services.parked_reports_apply(report_ids=found, by=BY, at=clock.now()) == (1, 1)
    assert desk.status(order_id) == "new"
    assert services.parked_reports_apply(report_ids=found[:1], by=BY, at=clock.now()) == (0, 0)
    assert codes(order_id)[-1] == "PARKED_REPORT_APPLIED"
    told = rows("SELECT type FROM audit_event WHERE stream = %s ORDER BY id", f"venue:{desk.venue}")
    assert [row[0] for row in told] == ["venue.report_reapplied"] * 2


def traded(desk: Desk, *legs: tuple[Side, str, str]):
    """Fill an order for each (side, quantity, price), and return its trade."""
    found = []
    for side, quantity, price in legs:
        order_id = desk.working(side=side, quantity=quantity, limit_price="100")
        trade = desk.trade(order_id, quantity, price)
        desk.record(trade)
        found.append(trade)
    return found


@pytest.mark.parametrize(
    "legs",
    [
        [(Side.BUY, "10", "100"), (Side.BUY, "11", "120"), (Side.SELL, "12", "130")],
        [(Side.BUY, "10", "100"), (Side.SELL, "10", "110"), (Side.BUY, "7", "90"), (Side.SELL, "3", "95")],
    ],
)
def test_after_a_correction_profit_is_what_it_would_be_had_it_been_traded_so(desk, legs):
    first, *_ = traded(desk, *legs)
    desk.record(
        desk.report(
            first.order_id, ReportKind.TRADE_CORRECT, ref_exec_id=first.exec_id, quantity=legs[0][1], price="90.01"
        )
    )
    other = Desk(cash="1000000")
    traded(other, (legs[0][0], legs[0][1], "90.01"), *legs[1:])
    assert profit(desk) == profit(other)
    assert desk.cash() == other.cash()


def test_a_bust_of_what_was_sold_on_leaves_a_short_position_and_its_exact_profit(desk):
    first, second, _ = traded(desk, (Side.BUY, "10", "100"), (Side.BUY, "5", "104"), (Side.SELL, "12", "110"))
    desk.record(desk.report(first.order_id, ReportKind.TRADE_CANCEL, ref_exec_id=first.exec_id))
    # 5 bought at 104 were sold at 110; the other 7 were sold short.
    assert profit(desk) == (-7, 770, 30)
    assert (desk.cash(), held(first.order_id)[0]) == (1000000 - 520 + 1320, 10)
    desk.record(desk.report(second.order_id, ReportKind.TRADE_CANCEL, ref_exec_id=second.exec_id))
    assert profit(desk) == (-12, 1320, 0)
