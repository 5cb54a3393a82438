"""The check as placing an order meets it: real rows, real prices, one transaction."""

import json
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.services import accounts_lock
from risk.models import Breach, Decision, OrderCount, OrderFingerprint
from risk.selectors import decision_of
from risk.services import decisions_record, fingerprints_sweep, orders_check
from risk.tests.helpers import codes, decide, hold, limit_row, new_account, new_instrument, order, place, rows, set_live
from trading_portal.kernel import clock

pytestmark = pytest.mark.usefixtures("firm_limits")


def test_an_ordinary_order_is_approved_and_its_decision_explains_every_check():
    account_id, stock = new_account(), new_instrument("100")
    [decision] = place(order(account_id, stock, "10", "101"))
    assert decision.approved, decision.reasons
    shown = decision_of(decision.order_id)
    assert shown.is_approved
    assert shown.inputs["symbol"] == stock.symbol
    assert shown.inputs["reference_price"] == "100"
    assert Decimal(shown.inputs["price_age"]) < 5
    notional = next(check for check in shown.checks if check.rule == "max_notional")
    assert (notional.value, notional.limit, notional.percent, notional.version) == ("1010", "250000", "0.4", 1)
    assert (notional.passed, notional.scope, notional.label) == (True, "firm", "Order notional")


def test_a_refused_order_is_kept_with_every_reason_and_a_breach_for_each():
    account_id, stock = new_account("1000"), new_instrument("100")
    [decision] = place(order(account_id, stock, "20000", "120"))
    assert not decision.approved
    shown = decision_of(decision.order_id)
    told = {why["code"] for why in shown.reasons}
    assert told == codes(decision) >= {"QUANTITY_ABOVE_LIMIT", "BUYING_POWER_EXCEEDED", "PRICE_OUTSIDE_COLLAR"}
    assert "20000" in next(why["sentence"] for why in shown.reasons if why["code"] == "QUANTITY_ABOVE_LIMIT")
    assert set(Breach.objects.filter(order_id=decision.order_id).values_list("code", "severity")) == {
        (code, "refused") for code in told
    }


def test_a_batch_is_decided_as_its_orders_would_be_one_after_another():
    stock, coin = new_instrument("100"), new_instrument("33.33", tick_size=Decimal("0.0001"))
    twins = [(new_account("9000"), new_account("2000")) for _ in range(2)]
    for pair in twins:
        hold(pair[0], stock, "30")
    wanted = [
        (0, stock, "25", "100", "buy"),
        (0, stock, "25", "100", "buy"),
        (0, stock, "20", None, "sell"),
        (0, stock, "20", "120", "sell"),
        (0, stock, "5", "110", "sell"),
        (1, coin, "12", "33.3333", "buy"),
        (1, coin, "30", None, "buy"),
        (1, coin, "1", "34", "sell"),
        (0, coin, "60", None, "buy"),
        (0, coin, "90", "33.3333", "buy"),
        (1, stock, "9", "99.99", "buy"),
    ]
    at = clock.now()
    for account_id in (account for pair in twins for account in pair):
        limit_row("order_rate", "5", account_id)
        limit_row("concentration", "0.6", account_id)

    def intents(pair):
        return [order(pair[who], *rest) for who, *rest in wanted]

    together = place(*intents(twins[0]), at=at)
    alone = [place(each, at=at)[0] for each in intents(twins[1])]

    def shape(decision):
        judged = {(check.rule, check.verdict, check.value, check.code) for check in decision.checks}
        return decision.approved, decision.worst_price, judged

    assert [shape(each) for each in together] == [shape(each) for each in alone]
    assert {each.approved for each in together} == {True, False}


def test_a_batch_of_a_hundred_orders_over_many_accounts_takes_few_statements():
    stock = new_instrument("100")
    accounts = [new_account() for _ in range(10)]
    intents = [order(accounts[n % 10], stock, str(1 + n // 10), "99") for n in range(100)]
    place(order(accounts[0], stock, "50", "98"))
    with transaction.atomic():
        locked = accounts_lock(accounts)
        with CaptureQueriesContext(connection) as queries:
            decisions = orders_check(intents=intents, locked=locked, at=clock.now())
            decisions_record(decisions=decisions, at=clock.now())
    assert all(decision.approved for decision in decisions)
    # Set-wise statements of risk itself travel beside Django's cursor: one to read, one to write.
    assert len(queries) <= 3


def test_checking_a_batch_costs_far_less_than_a_third_of_a_millisecond_an_order():
    stock = new_instrument("100")
    accounts = [new_account() for _ in range(10)]
    batches = [[order(accounts[n % 10], stock, str(1 + n), f"{90 + run}") for n in range(100)] for run in range(4)]
    spent = []
    for batch in batches:
        with transaction.atomic():
            locked = accounts_lock(accounts)
            started = time.thread_time()
            orders_check(intents=batch, locked=locked, at=clock.now())
            spent.append(time.thread_time() - started)
    assert min(spent) / 100 < 0.0003


def test_a_check_outside_a_transaction_is_a_mistake():
    account_id, stock = new_account(), new_instrument()
    with transaction.atomic():
        locked = accounts_lock([account_id])
    with pytest.raises(transaction.TransactionManagementError):
        orders_check(intents=[order(account_id, stock)], locked=locked, at=clock.now())


def test_an_open_order_holds_its_buying_power_until_it_is_released():
    account_id, stock = new_account("2000"), new_instrument("100")
    limit_row("concentration", "1", account_id)
    assert place(order(account_id, stock, "15", "100"))[0].approved
    assert codes(decide(order(account_id, stock, "6", "100"))[0]) >= {"BUYING_POWER_EXCEEDED"}
    assert decide(order(account_id, stock, "5", "100"))[0].approved


def test_the_same_order_twice_is_a_duplicate_for_ten_seconds():
    account_id, stock = new_account(), new_instrument("100")
    at = clock.now()
    assert place(order(account_id, stock), at=at)[0].approved
    set_live(stock, "100", age=-5)
    assert codes(place(order(account_id, stock), at=at + timedelta(seconds=9.9))[0]) == {"DUPLICATE_ORDER"}
    set_live(stock, "100", age=-10)
    assert place(order(account_id, stock), at=at + timedelta(seconds=10))[0].approved


def test_a_refused_order_seeds_neither_a_duplicate_nor_the_rate():
    account_id, stock = new_account("50"), new_instrument("100")
    assert not place(order(account_id, stock))[0].approved
    assert not OrderFingerprint.objects.filter(account_id=account_id).exists()
    assert not OrderCount.objects.filter(account_id=account_id).exists()


def test_the_order_rate_is_counted_over_a_second_and_forgotten_after_it():
    account_id, stock = new_account(), new_instrument("100")
    limit_row("order_rate", "3", account_id)
    at = clock.now().replace(microsecond=450_000)

    def one(price, seconds=0.0):
        return codes(place(order(account_id, stock, "1", price), at=at + timedelta(seconds=seconds))[0])

    assert one("90") == one("91", 0.1) == one("92", 0.5) == set()
    assert one("93", 0.9) == {"ORDER_RATE_ABOVE_LIMIT"}
    # The first order's tenth has left the window: one more, and no second one.
    assert one("94", 1.1) == set()
    assert one("95", 1.1) == {"ORDER_RATE_ABOVE_LIMIT"}
    assert one("96", 1.2) == set()
    set_live(stock, "100", age=-9)
    assert one("97", 9) == set()
    count = OrderCount.objects.get(account_id=account_id)
    assert (count.counts[0], sum(count.counts)) == (1, 1)


def test_the_narrowest_limit_decides_on_the_next_order():
    account_id, other_id, stock = new_account(), new_account(), new_instrument("100")
    limit_row("max_quantity", "4", instrument=stock)
    assert codes(decide(order(other_id, stock, "5"))[0]) == {"QUANTITY_ABOVE_LIMIT"}
    limit_row("max_quantity", "3", account_id)
    assert codes(decide(order(account_id, stock, "4"))[0]) == {"QUANTITY_ABOVE_LIMIT"}
    limit_row("max_quantity", "6", account_id, stock)
    assert decide(order(account_id, stock, "6"))[0].approved


def test_a_temporary_limit_ends_on_time_even_when_nobody_put_it_back():
    account_id, stock = new_account(), new_instrument("100")
    until = clock.now()
    limit_row(
        "max_quantity", "50", account_id, temporary_until=until, standing_value=Decimal(5), standing_is_enforced=True
    )
    before = decide(order(account_id, stock, "50"), at=until - timedelta(seconds=1))[0]
    assert before.approved
    assert codes(decide(order(account_id, stock, "6"), at=until)[0]) == {"QUANTITY_ABOVE_LIMIT"}


def test_a_temporary_limit_with_nothing_to_go_back_to_leaves_its_place_to_the_wider_one():
    account_id, stock = new_account(), new_instrument("100")
    until = clock.now()
    limit_row("max_quantity", "50000", account_id, temporary_until=until)
    assert codes(decide(order(account_id, stock, "10001"), at=until)[0]) >= {"QUANTITY_ABOVE_LIMIT"}


def test_a_limit_that_comes_near_leaves_one_warning_for_the_desk():
    account_id, stock = new_account(), new_instrument("100")
    limit_row("max_open_orders", "5", account_id)
    decisions = [place(order(account_id, stock, "1", str(price)))[0] for price in (90, 91, 92, 93, 94)]
    assert all(decision.approved for decision in decisions)
    warned = Breach.objects.filter(account_id=account_id, severity="warning")
    assert [(row.order_id, row.code, row.facts["value"]) for row in warned] == [
        (decisions[3].order_id, "MAX_OPEN_ORDERS_NEAR_LIMIT", "4")
    ]


def test_a_stored_decision_is_compact_and_its_numbers_are_exact_text():
    account_id, stock = new_account(), new_instrument("100")
    [decision] = place(order(account_id, stock, "7", "99.10"))
    [[checks, reasons]] = rows(
        "SELECT checks::text, reasons::text FROM risk_decision WHERE order_id = %s", decision.order_id
    )
    assert len(checks) < 2000
    assert reasons == "[]"
    values = [check["value"] for check in json.loads(checks) if "value" in check]
    assert all(isinstance(value, str) for value in values)
    assert Decimal("693.7") in map(Decimal, values)
    assert "693.7" in [check.value for check in decision_of(decision.order_id).checks]


def test_a_decision_on_an_unusable_order_can_be_stored_too():
    account_id, stock = new_account(), new_instrument("100")
    [decision] = place(order(account_id, stock, "NaN"))
    assert codes(decision) == {"ORDER_INVALID"}
    assert decision_of(decision.order_id).inputs["quantity"] == "NaN"


def test_fingerprints_too_old_for_any_window_are_swept():
    account_id, stock = new_account(), new_instrument("100")
    at = clock.now()
    place(order(account_id, stock), at=at)
    OrderFingerprint.objects.filter(account_id=account_id).update(placed_at=at - timedelta(days=2))
    place(order(account_id, stock, "2"), at=at)
    assert fingerprints_sweep(at=at) >= 1
    assert OrderFingerprint.objects.filter(account_id=account_id).count() == 1


def test_the_decisions_of_a_batch_belong_to_its_transaction():
    account_id, stock = new_account(), new_instrument("100")
    with pytest.raises(transaction.TransactionManagementError):
        decisions_record(decisions=decide(order(account_id, stock)), at=clock.now())
    assert not Decision.objects.filter(account_id=account_id).exists()
