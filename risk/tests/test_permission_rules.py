"""Rules about who may trade what, and when: sessions, halts, states, switches, short sales and exits."""

import msgspec
import pytest

from risk.domain.types import Mode, Resting, Restriction
from risk.tests.builders import but, codes, d, facts, intent, judged, limits, price, snapshot
from trading_portal.kernel.ids import uuid7


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


def test_nothing_is_taken_for_a_venue_that_does_not_answer_not_even_an_exit():
    order = msgspec.structs.replace(intent("5", "100", side="sell"), venue="paper", is_venue_available=False)
    decision = judged(order, snapshot(holding=d("10")))
    assert [(why.code, why.facts) for why in decision.reasons] == [("BROKER_UNAVAILABLE", {"venue": "paper"})]
