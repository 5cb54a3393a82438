"""Every rule, below, at and above its limit, and without what it needs."""

from decimal import Decimal

import msgspec
import pytest

from risk.domain.reasons import SENTENCES, sentence
from risk.domain.rules import RULES, WELL_FORMED
from risk.domain.types import LimitFacts, Mode, Resting, Restriction, Verdict
from risk.tests.builders import (
    VALUES,
    but,
    check_of,
    codes,
    d,
    facts,
    intent,
    judged,
    limits,
    off,
    price,
    snapshot,
)
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


@pytest.mark.parametrize(
    ("order", "passes"),
    [
        (intent(), True),
        (intent(time_in_force="gtc"), True),
        (intent(price=None), False),
        (intent(time_in_force="ioc"), False),
        (intent(time_in_force="fok"), False),
    ],
)
def test_out_of_session_only_orders_that_can_wait_are_taken(order, passes):
    met = snapshot(is_open=False, price=price(is_quote=False))
    assert codes(judged(order, met)) == (set() if passes else {"MARKET_CLOSED"})
    assert codes(judged(order, but(met, is_open=None))) == {"MARKET_CLOSED"}


def test_a_halted_instrument_takes_no_order_and_no_exit():
    order = intent(side="sell", instrument=facts(is_halted=True))
    assert codes(judged(order, snapshot(holding=d("10")))) == {"INSTRUMENT_HALTED"}


@pytest.mark.parametrize("flag", ["is_active", "is_tradable"])
def test_an_instrument_off_the_list_is_not_tradable(flag):
    assert codes(judged(intent(instrument=facts(**{flag: False})))) == {"INSTRUMENT_NOT_TRADABLE"}


def test_a_closed_account_takes_no_order():
    assert codes(judged(met=snapshot(is_account_open=False))) == {"ACCOUNT_CLOSED"}


@pytest.mark.parametrize(("quantity", "passes"), [("59", True), ("60", True), ("61", False)])
def test_only_what_is_held_and_not_on_sale_can_be_sold(quantity, passes):
    met = snapshot(holding=d("100"), working_sell=d("40"))
    assert codes(judged(intent(quantity, side="sell"), met)) == (set() if passes else {"SHORT_NOT_ALLOWED"})


def test_a_shortable_instrument_alone_does_not_allow_a_short_sale():
    shortable = intent("1", side="sell", instrument=facts(is_shortable=True))
    assert codes(judged(shortable)) == {"SHORT_NOT_ALLOWED"}
    assert judged(shortable, snapshot(may_short=True)).approved
    assert codes(judged(intent("1", side="sell"), snapshot(may_short=True))) == {"SHORT_NOT_ALLOWED"}


@pytest.mark.parametrize(
    ("mode", "adds", "exits"),
    [(Mode.ACTIVE, None, None), (Mode.REDUCING, "TRADING_REDUCING", None), (Mode.HALTED, *["TRADING_HALTED"] * 2)],
)
def test_a_trading_state_lets_by_what_it_says(mode, adds, exits):
    met = snapshot(holding=d("10"), states=(Restriction("account 1", mode),))
    assert codes(judged(intent(), met)) == ({adds} if adds else set())
    assert codes(judged(intent(side="sell"), met)) == ({exits} if exits else set())


def test_the_strictest_trading_state_decides():
    states = (Restriction("AAPL", Mode.REDUCING), Restriction("the whole firm", Mode.HALTED))
    assert str(judged(met=snapshot(states=states)).reasons[0]) == "TRADING_HALTED: scope=the whole firm"


def test_a_latched_switch_refuses_exits_too():
    met = snapshot(holding=d("10"), switches=(Restriction("the whole firm"),))
    assert codes(judged(intent(side="sell"), met)) == {"KILL_SWITCH_ON"}


@pytest.mark.parametrize(
    ("order", "own", "crosses"),
    [
        (intent(price="100"), "100", True),
        (intent(price="100"), "100.01", False),
        (intent(price="101"), "100", True),
        (intent(price=None), "100", True),
        (intent(price=None), "100.01", False),
        (intent(price="100"), None, True),
    ],
)
def test_an_order_that_would_meet_an_own_one_is_refused_and_the_own_one_named(order, own, crosses):
    other = Resting(uuid7(), None if own is None else d(own))
    met = snapshot(sells=(other,))
    decision = judged(order, met)
    assert codes(decision) == ({"SELF_TRADE"} if crosses else set())
    if crosses:
        assert decision.reasons[0].facts["order_id"] == other.order_id


def test_an_own_bid_away_from_the_market_does_not_stop_a_market_exit():
    met = snapshot(holding=d("10"), buys=(Resting(uuid7(), d("95")),))
    assert judged(intent(price=None, side="sell"), met).approved
    assert codes(judged(intent(price=None, side="sell"), but(met, buys=(Resting(uuid7(), d("100")),)))) == {
        "SELF_TRADE"
    }


def test_an_exit_skips_exposure_rules_and_the_duplicate_but_not_size_rate_and_count():
    met = snapshot(
        holding=d("50"), cash=d("-100"), equity=d("-100"), duplicate_age=d("1"), recent_orders=100, open_orders=500
    )
    by = limits(max_quantity="10", max_notional="100", max_position="0", concentration="0")
    assert codes(judged(intent("50", side="sell"), met, by)) == {
        "QUANTITY_ABOVE_LIMIT",
        "NOTIONAL_ABOVE_LIMIT",
        "ORDER_RATE_ABOVE_LIMIT",
        "OPEN_ORDERS_ABOVE_LIMIT",
    }


def test_covering_a_short_is_an_exit_and_going_through_zero_is_not():
    by = limits(max_position="0")
    short = snapshot(holding=d("-10"), cash=d("0"), equity=d("1"))
    assert judged(intent("10"), short, by).approved
    assert not judged(intent("11"), short, by).approved
    assert not judged(intent("10"), but(short, working_buy=d("1")), by).approved


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


def test_nothing_is_taken_for_a_venue_that_does_not_answer_not_even_an_exit():
    order = msgspec.structs.replace(intent("5", "100", side="sell"), venue="paper", is_venue_available=False)
    decision = judged(order, snapshot(holding=d("10")))
    assert [(why.code, why.facts) for why in decision.reasons] == [("BROKER_UNAVAILABLE", {"venue": "paper"})]
