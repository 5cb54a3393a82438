"""Rules about prices: the worst one, the collar, its age, its currency, and none at all."""

import pytest

from risk.domain.types import Verdict
from risk.tests.builders import check_of, codes, d, facts, intent, judged, limits, price, snapshot


def test_the_notional_of_a_market_order_is_that_at_the_collar_for_both_sides():
    by = limits(max_notional="1100", price_collar="0.10")
    met = snapshot(holding=d("1000"))
    for side in ("buy", "sell"):
        assert judged(intent("10", None, side), met, by).approved
        assert codes(judged(intent("11", None, side), met, by)) == {"NOTIONAL_ABOVE_LIMIT"}


def test_the_notional_of_a_sell_is_at_least_that_at_the_reference():
    by = limits(max_notional="999")
    assert "NOTIONAL_ABOVE_LIMIT" in codes(judged(intent("10", "95", "sell"), snapshot(holding=d("10")), by))


def test_the_notional_is_in_the_accounts_currency():
    by = limits(max_notional="1000")
    order = intent("10", "100", instrument=facts(currency="EUR"))
    assert judged(order, snapshot(rate=d("1")), by).approved
    assert codes(judged(order, snapshot(rate=d("1.0000000001")), by)) == {"NOTIONAL_ABOVE_LIMIT"}


def test_the_worst_price_of_a_market_order_is_rounded_up_to_the_tick():
    decision = judged(intent("1", None), snapshot(price=price("33.33")))
    assert decision.worst_price == d("36.67")


def test_a_sell_far_below_the_market_is_outside_the_collar_and_one_far_above_only_waits():
    met = snapshot(holding=d("100"))
    by = limits(price_collar="0.05")
    assert judged(intent(price="95", side="sell"), met, by).approved
    assert codes(judged(intent(price="94.99", side="sell"), met, by)) == {"PRICE_OUTSIDE_COLLAR"}
    assert judged(intent(price="150", side="sell"), met, by).approved
    assert judged(intent(price="50"), met, by).approved


@pytest.mark.parametrize(("age", "passes"), [("4.999", True), ("5", True), ("5.001", False), ("-5.001", False)])
def test_a_price_older_than_the_limit_refuses_what_adds_exposure(age, passes):
    decision = judged(met=snapshot(price=price(age=age)))
    assert decision.approved is passes
    assert codes(decision) == (set() if passes else {"PRICE_STALE"})
    assert judged(intent(price=None), snapshot(price=price(age=age))).approved is passes


def test_an_exit_takes_the_last_price_and_its_age_is_on_record():
    decision = judged(intent("10", None, "sell"), snapshot(holding=d("10"), price=price(age="86400", is_quote=False)))
    assert decision.approved
    check = check_of(decision, "stale_price")
    assert (check.verdict, check.value) == (Verdict.EXEMPT, d("86400"))


def test_out_of_session_the_last_close_holds_whatever_its_age():
    met = snapshot(is_open=False, price=price(age="200000", is_quote=False))
    assert judged(intent(), met).approved
    assert codes(judged(intent(price="111"), met)) == {"PRICE_OUTSIDE_COLLAR"}


@pytest.mark.parametrize(
    "broken", [None, price("NaN"), price("Infinity"), price("0"), price("-1"), price(age="NaN"), price(age="Infinity")]
)
def test_without_a_usable_price_nothing_is_approved_not_even_an_exit(broken):
    for order in (intent(), intent(price=None), intent(side="sell")):
        decision = judged(order, snapshot(price=broken, holding=d("10")))
        assert codes(decision) == {"PRICE_MISSING"}
        assert decision.worst_price is None


def test_without_a_rate_nothing_is_approved():
    decision = judged(intent(instrument=facts(currency="EUR")), snapshot(rate=None))
    assert codes(decision) == {"NO_RATE"}
    assert str(decision.reasons[0]) == "NO_RATE: currency=EUR base=USD"
