"""Every rule, below, at and above its limit, and without what it needs."""

from decimal import Decimal

import pytest

from risk.domain.reasons import SENTENCES, sentence
from risk.domain.rules import RULES, WELL_FORMED
from risk.domain.types import LimitFacts, Mode, Resting, Restriction, Verdict
from risk.tests.builders import VALUES, but, check_of, codes, d, facts, intent, judged, limits, off, price, snapshot
from trading_portal.kernel.ids import uuid7


def test_an_ordinary_order_is_approved_with_every_rule_on_record():
    decision = judged()
    assert decision.approved
    assert decision.reasons == ()
    told = {check.rule for check in decision.checks}
    # Nothing is sold short, no stop waits, its own or an exit's, nobody says that it only closes, the venue answers.
    assert told == {WELL_FORMED.name, *(rule.name for rule in RULES)} - {
        "short_sale",
        "short_value",
        "stop_side",
        "exit_stop_side",
        "closes_only",
        "venue_available",
    }
    assert decision.worst_price == d("100")


def test_every_reason_is_collected_not_only_the_first():
    order = intent("10000000.5", "100.005", instrument=facts(is_halted=True, is_tradable=False))
    met = snapshot(switches=(Restriction("the whole firm"),), states=(Restriction("AAPL"),))
    assert codes(judged(order, met)) == {
        "KILL_SWITCH_ON",
        "TRADING_HALTED",
        "INSTRUMENT_NOT_TRADABLE",
        "INSTRUMENT_HALTED",
        "QUANTITY_OFF_LOT",
        "PRICE_OFF_TICK",
        "QUANTITY_ABOVE_LIMIT",
        "NOTIONAL_ABOVE_LIMIT",
        "BUYING_POWER_EXCEEDED",
        "POSITION_ABOVE_LIMIT",
        "CONCENTRATION_ABOVE_LIMIT",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "short"),
        ("order_type", "stop"),
        ("time_in_force", "forever"),
        ("quantity", d("0")),
        ("quantity", d("-1")),
        ("quantity", d("NaN")),
        ("quantity", d("sNaN")),
        ("quantity", d("Infinity")),
        ("quantity", d("1e400")),
        ("quantity", None),
        ("quantity", 1.0),
        ("limit_price", None),
        ("limit_price", d("0")),
        ("limit_price", d("-5")),
        ("limit_price", d("NaN")),
        ("limit_price", d("Infinity")),
        ("stop_price", d("5")),
    ],
)
def test_a_malformed_order_is_refused_and_named(field, value):
    decision = judged(but(intent(), **{field: value}))
    assert not decision.approved
    assert [why.code for why in decision.reasons] == ["ORDER_INVALID"]
    assert decision.worst_price is None


def test_a_market_order_must_not_carry_a_limit_price():
    assert codes(judged(but(intent(), order_type="market"))) == {"ORDER_INVALID"}


@pytest.mark.parametrize(("quantity", "passes"), [("3", True), ("2.5", False)])
def test_the_quantity_lies_on_the_lot(quantity, passes):
    assert ("QUANTITY_OFF_LOT" not in codes(judged(intent(quantity)))) is passes


@pytest.mark.parametrize(("at", "passes"), [("100.01", True), ("100.005", False)])
def test_the_price_lies_on_the_tick(at, passes):
    assert ("PRICE_OFF_TICK" not in codes(judged(intent(price=at)))) is passes


# (rule, code, how the limit is put, an order below, at and above it)
NEAR = [
    ("max_quantity", "QUANTITY_ABOVE_LIMIT", "10", intent("9"), intent("10"), intent("11")),
    ("max_notional", "NOTIONAL_ABOVE_LIMIT", "1000", intent("9"), intent("10"), intent("11")),
    (
        "price_collar",
        "PRICE_OUTSIDE_COLLAR",
        "0.05",
        intent(price="104.99"),
        intent(price="105"),
        intent(price="105.01"),
    ),
    ("max_position", "POSITION_ABOVE_LIMIT", "10", intent("9"), intent("10"), intent("11")),
    ("concentration", "CONCENTRATION_ABOVE_LIMIT", "0.001", intent("9"), intent("10"), intent("11")),
]


@pytest.mark.parametrize(("rule", "code", "limit", "below", "equal", "above"), NEAR, ids=[row[0] for row in NEAR])
def test_a_value_equal_to_the_limit_passes_and_above_breaches(rule, code, limit, below, equal, above):
    by = limits(**{rule: limit})
    assert judged(below, by=by).approved
    assert judged(equal, by=by).approved
    refused = judged(above, by=by)
    assert codes(refused) == {code}
    check = check_of(refused, rule)
    assert (check.verdict, check.limit, check.version, check.scope) == (Verdict.BREACHED, d(limit), 1, "firm")
    assert check.value > d(limit)


@pytest.mark.parametrize(("needed", "passes"), [("9", True), ("10", True), ("11", False)])
def test_an_order_may_spend_the_last_cent_of_buying_power_and_no_more(needed, passes):
    met = snapshot(cash=d("5000"), reserved=d("4000"))
    decision = judged(intent(needed, "100"), met)
    assert decision.approved is passes
    assert codes(decision) == (set() if passes else {"BUYING_POWER_EXCEEDED"})


def test_the_reason_names_what_was_needed_and_what_was_free():
    decision = judged(intent("11", "100"), snapshot(cash=d("5000"), reserved=d("4000")))
    assert str(decision.reasons[0]) == "BUYING_POWER_EXCEEDED: needed=1100 available=1000 currency=USD"


def test_working_orders_count_towards_the_position():
    by = limits(max_position="100")
    met = snapshot(holding=d("50"), working_buy=d("40"))
    assert judged(intent("10"), met, by).approved
    assert codes(judged(intent("11"), met, by)) == {"POSITION_ABOVE_LIMIT"}


def test_concentration_counts_holding_working_orders_and_this_one():
    met = snapshot(equity=d("10000"), cash=d("10000"), holding=d("10"), working_buy=d("5"), working_buy_value=d("500"))
    assert judged(intent("5", "100"), met).approved
    assert codes(judged(intent("6", "100"), met)) == {"CONCENTRATION_ABOVE_LIMIT"}


@pytest.mark.parametrize(
    ("equity", "code"), [(None, "EQUITY_UNKNOWN"), (d("0"), "EQUITY_NOT_POSITIVE"), (d("-1"), "EQUITY_NOT_POSITIVE")]
)
def test_without_equity_nothing_adds_exposure(equity, code):
    assert codes(judged(met=snapshot(equity=equity))) == {code}
    assert judged(intent(side="sell"), snapshot(equity=equity, holding=d("10"))).approved


@pytest.mark.parametrize(("recent", "passes"), [(98, True), (99, True), (100, False)])
def test_the_order_rate_counts_this_order_too(recent, passes):
    assert codes(judged(met=snapshot(recent_orders=recent))) == (set() if passes else {"ORDER_RATE_ABOVE_LIMIT"})


@pytest.mark.parametrize(("age", "passes"), [("9.999999", False), ("10", True), (None, True)])
def test_the_same_order_again_is_refused_until_the_window_is_over(age, passes):
    met = snapshot(duplicate_age=None if age is None else d(age))
    assert codes(judged(met=met)) == (set() if passes else {"DUPLICATE_ORDER"})
    assert judged(intent(side="sell"), but(met, holding=d("10"))).approved


@pytest.mark.parametrize(("working", "passes"), [(498, True), (499, True), (500, False)])
def test_open_orders_are_counted_with_this_one(working, passes):
    assert codes(judged(met=snapshot(open_orders=working))) == (set() if passes else {"OPEN_ORDERS_ABOVE_LIMIT"})


def test_open_orders_of_an_instrument_count_where_the_limit_names_one():
    by = limits(max_open_orders=LimitFacts("max_open_orders", d("3"), 1, "instrument", is_per_instrument=True))
    assert judged(met=snapshot(open_orders=100, open_orders_here=2), by=by).approved
    assert codes(judged(met=snapshot(open_orders=100, open_orders_here=3), by=by)) == {"OPEN_ORDERS_ABOVE_LIMIT"}


@pytest.mark.parametrize("rule", sorted(VALUES.keys() - {"short_value"}))
def test_a_missing_limit_refuses(rule):
    decision = judged(by=limits(**{rule: None}))
    assert not decision.approved
    assert ("LIMIT_MISSING", rule) in {(why.code, why.facts.get("rule")) for why in decision.reasons}


@pytest.mark.parametrize("rule", sorted(VALUES.keys() - {"short_value"}))
def test_a_rule_that_is_switched_off_says_so_and_does_not_refuse(rule):
    decision = judged(met=snapshot(price=price(age="1")), by=limits(**{rule: off(rule)}))
    assert decision.approved
    assert check_of(decision, rule).verdict is Verdict.OFF


def test_from_eighty_percent_a_limit_warns_and_lets_by():
    by = limits(max_quantity="10")
    assert check_of(judged(intent("7"), by=by), "max_quantity").verdict is Verdict.PASSED
    decision = judged(intent("8"), by=by)
    assert decision.approved
    assert check_of(decision, "max_quantity").verdict is Verdict.WARNED


def test_every_reason_a_rule_gives_has_a_sentence_that_names_its_facts():
    decisions = [
        judged(order, met, by)
        for order in (intent("20000", "150"), intent("2.5", "99.999", "sell"), but(intent(), side="x"))
        for met in (
            snapshot(),
            snapshot(price=None),
            snapshot(rate=None, equity=None, is_open=None),
            snapshot(price=price(age="60"), equity=d("0"), recent_orders=100, open_orders=500, duplicate_age=d("1")),
            snapshot(switches=(Restriction("x"),), states=(Restriction("x", Mode.REDUCING),), cash=d("1")),
            snapshot(states=(Restriction("x"),), sells=(Resting(uuid7(), None),), buys=(Resting(uuid7(), None),)),
        )
        for by in (limits(), limits(max_quantity=None))
    ]
    reasons = [why for decision in decisions for why in decision.reasons]
    assert len({why.code for why in reasons}) > 18
    for why in reasons:
        assert why.code in SENTENCES
        assert "{" not in sentence(why.code, why.facts)
        assert " -" not in sentence(why.code, why.facts).replace(" -1", "")


def test_a_decision_depends_on_nothing_but_its_arguments():
    order, met, by = intent(), snapshot(), limits()
    first, second = judged(order, met, by), judged(order, met, by)
    assert first == second
    assert isinstance(first.worst_price, Decimal)
