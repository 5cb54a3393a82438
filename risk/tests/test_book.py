"""Batches: what is approved counts for what comes after, and deciding together is deciding one after another."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from positions.domain.types import AccountExposure, HoldingFacts, Side, WorkingOrders
from risk.domain.account_book import AccountBook, Market
from risk.domain.book import Book, StateRow, SwitchRow, limits_resolve
from risk.domain.fingerprints import fingerprint
from risk.domain.types import LimitFacts, Mode, Verdict
from risk.tests.builders import AT, but, check_of, codes, d, facts, intent, judged, limits, price, snapshot
from trading_portal.kernel.ids import uuid7

ONE, TWO = uuid7(), uuid7()
STOCK = facts(id=uuid7(), symbol="STK")
COIN = facts(id=uuid7(), symbol="COIN", currency="EUR", tick_size=d("0.0000000001"), lot_size=d("0.0000000001"))
TIGHT = limits(
    max_quantity="40", max_notional="3000", max_position="60", concentration="0.5", order_rate="8", max_open_orders="7"
)
MARKETS = {STOCK.id: Market(True, price("100", bid="99.9", ask="100.1")), COIN.id: Market(True, price("3.3333333333"))}
RATES = {("USD", "USD"): d("1"), ("EUR", "USD"): d("1.0872340981")}


def exposure(account_id, cash="6000", holdings=(), working=()):
    held = {key: HoldingFacts(key, "X", "USD", d(quantity), d("90")) for key, quantity in holdings}
    return AccountExposure(account_id, {"USD": d(cash), "EUR": d("900.1234567891")}, held, list(working))


def books(exposures, placed, recent):
    accounts = {
        key: AccountBook(value, equity=d("9000"), recent_orders=recent.get(key, 0), placed=placed.get(key))
        for key, value in exposures.items()
    }
    return Book(at=AT, accounts=accounts, markets=MARKETS, rates=RATES, limits={(None, None): TIGHT})


def working(decision):
    order = decision.intent
    return WorkingOrders(
        order.instrument.id,
        Side(order.side),
        order.instrument.currency,
        1,
        order.quantity,
        order.quantity * decision.worst_price,
        order.order_id,
        order.limit_price,
    )


@st.composite
def orders(draw):
    instrument = draw(st.sampled_from([STOCK, COIN]))
    is_stock = instrument is STOCK
    quantity = draw(st.integers(1, 45)) if is_stock else draw(st.decimals("0.0000000001", "60", places=10))
    near = st.integers(90, 112) if is_stock else st.decimals("3", "3.7", places=10)
    return intent(
        str(quantity),
        draw(st.none() | near.map(str)),
        draw(st.sampled_from(["buy", "sell"])),
        account_id=draw(st.sampled_from([ONE, TWO])),
        instrument=instrument,
        time_in_force=draw(st.sampled_from(["day", "gtc", "ioc"])),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(orders(), min_size=1, max_size=12))
def test_deciding_a_batch_equals_deciding_one_after_another(batch):
    start = {ONE: exposure(ONE, holdings=[(STOCK.id, "30")]), TWO: exposure(TWO, holdings=[(COIN.id, "-20")])}
    together = books(start, {}, {}).decide_all(batch)

    exposures, placed, recent, alone = dict(start), {ONE: {}, TWO: {}}, {ONE: 0, TWO: 0}, []
    for order in batch:
        decision = books(exposures, placed, recent).decide_all([order])[0]
        alone.append(decision)
        if decision.approved:
            key = order.account_id
            held = exposures[key]
            exposures[key] = replace(held, working=[*held.working, working(decision)])
            placed[key][fingerprint(order)] = AT
            recent[key] += 1
    assert together == alone


def test_the_second_of_two_orders_meets_the_first():
    book = books({ONE: exposure(ONE, cash="4000")}, {}, {})
    first, second, third = (intent(q, "100", account_id=ONE, instrument=STOCK) for q in ("25", "16", "15"))
    decisions = book.decide_all([first, second, third])
    assert [decision.approved for decision in decisions] == [True, False, True]
    assert codes(decisions[1]) == {"BUYING_POWER_EXCEEDED"}


def test_a_refused_order_changes_nothing_and_seeds_no_duplicate():
    book = books({ONE: exposure(ONE)}, {}, {})
    order = intent("41", "10", account_id=ONE, instrument=STOCK)
    assert [codes(decision) for decision in book.decide_all([order, but(order, order_id=uuid7())])] == [
        {"QUANTITY_ABOVE_LIMIT"}
    ] * 2


def test_an_approved_order_makes_the_next_like_it_a_duplicate_and_another_price_does_not():
    book = books({ONE: exposure(ONE)}, {}, {})
    order = intent("1", "100", account_id=ONE, instrument=STOCK)
    again, other = but(order, order_id=uuid7(), limit_price=d("100.00")), but(order, limit_price=d("99"))
    first, second, third = book.decide_all([order, again, other])
    assert (first.approved, codes(second), third.approved) == (True, {"DUPLICATE_ORDER"}, True)


def test_accounts_do_not_share_anything():
    book = books({ONE: exposure(ONE, cash="100"), TWO: exposure(TWO, cash="100")}, {}, {})
    decisions = book.decide_all([intent("1", "100", account_id=key, instrument=STOCK) for key in (ONE, TWO)])
    assert all(decision.approved for decision in decisions)


def test_cash_of_one_currency_does_not_pay_for_another():
    book = books({ONE: exposure(ONE, cash="0")}, {}, {})
    dollars = intent("1", "100", account_id=ONE, instrument=STOCK)
    euros = intent("1", "3", account_id=ONE, instrument=COIN)
    assert [codes(decision) for decision in book.decide_all([dollars, euros])] == [{"BUYING_POWER_EXCEEDED"}, set()]


def test_the_narrowest_scope_decides():
    def at(value, scope):
        return {"max_quantity": LimitFacts("max_quantity", d(value), 1, scope)}

    rows = {
        (None, None): TIGHT | at("4", "firm"),
        (None, STOCK.id): at("3", "instrument"),
        (ONE, None): at("2", "account"),
        (ONE, STOCK.id): at("1", "account+instrument"),
    }
    assert limits_resolve(rows, ONE, STOCK.id)["max_quantity"].value == 1
    assert limits_resolve(rows, ONE, COIN.id)["max_quantity"].value == 2
    assert limits_resolve(rows, TWO, STOCK.id)["max_quantity"].value == 3
    assert limits_resolve(rows, TWO, COIN.id)["max_quantity"].value == 4
    assert limits_resolve(rows, ONE, STOCK.id)["max_notional"] == TIGHT["max_notional"]


def test_states_and_switches_reach_exactly_their_scope():
    def refused(order, **rows):
        accounts = {key: AccountBook(exposure(key), equity=d("9000")) for key in (ONE, TWO)}
        found = Book(at=AT, accounts=accounts, markets=MARKETS, rates=RATES, limits={(None, None): TIGHT}, **rows)
        return not found.decide_all([order])[0].approved

    here = intent("1", "100", account_id=ONE, instrument=STOCK, venue="paper")
    elsewhere = [
        but(here, account_id=TWO),
        but(here, instrument=COIN, limit_price=d("3")),
        but(here, venue="other"),
    ]
    scopes = [(ONE, None, ""), (None, STOCK.id, ""), (None, None, "paper")]
    for (account_id, instrument_id, venue), other in zip(scopes, elsewhere, strict=True):
        switch = [SwitchRow(account_id, instrument_id, venue)]
        assert refused(here, switches=switch)
        assert not refused(other, switches=switch)
        if not venue:
            state = [StateRow(account_id, instrument_id, Mode.HALTED)]
            assert refused(here, states=state)
            assert not refused(other, states=state)
    assert all(refused(order, switches=[SwitchRow(None, None, "")]) for order in (here, *elsewhere))


def test_an_unknown_market_is_closed_and_without_a_price():
    accounts = {ONE: AccountBook(exposure(ONE), equity=d("9000"))}
    book = Book(at=AT, accounts=accounts, markets={}, rates=RATES, limits={(None, None): TIGHT})
    order = intent("1", "100", account_id=ONE, instrument=STOCK)
    assert codes(book.decide_all([order])[0]) == {"MARKET_CLOSED", "PRICE_MISSING"}


def test_an_order_placed_a_moment_ago_is_a_duplicate_until_the_window_is_over():
    order = intent("1", "100", account_id=ONE, instrument=STOCK)
    for seconds, passes in ((9, False), (10, True)):
        placed = {ONE: {fingerprint(order): AT - timedelta(seconds=seconds)}}
        assert books({ONE: exposure(ONE)}, placed, {}).decide_all([order])[0].approved is passes


WORDS = st.sampled_from(["buy", "sell", "market", "limit", "day", "gtc", "ioc", "fok", "", "BUY", "short", "stop"])
ODD = st.sampled_from(
    [None, *map(Decimal, ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-0", "-5", "1e400", "1e-400"])]
)
NUMBERS = ODD | st.decimals(allow_nan=True, allow_infinity=True)


@settings(max_examples=400, deadline=None)
@given(side=WORDS, kind=WORDS, tif=WORDS, quantity=NUMBERS, limit=NUMBERS, stop=ODD)
def test_no_malformed_order_is_approved_and_none_raises(side, kind, tif, quantity, limit, stop):
    order = but(
        intent(), side=side, order_type=kind, time_in_force=tif, quantity=quantity, limit_price=limit, stop_price=stop
    )
    decision = judged(order, snapshot(holding=d("10")))
    if decision.approved:
        assert side in ("buy", "sell")
        assert tif in ("day", "gtc", "ioc", "fok")
        assert stop is None
        assert quantity.is_finite()
        assert 0 < quantity <= 10000
        assert (limit is None) if kind == "market" else (limit.is_finite() and limit > 0)
    assert decision.approved is not bool(decision.reasons)


@settings(max_examples=400, deadline=None)
@given(
    reference=NUMBERS.filter(lambda value: value is not None),
    age=NUMBERS.filter(lambda value: value is not None),
    rate=st.none() | st.just(d("1")),
    equity=st.none() | st.decimals(-10, 10, places=2),
    is_open=st.sampled_from([True, False, None]),
    side=st.sampled_from(["buy", "sell"]),
    kind=st.sampled_from([None, "100"]),
)
def test_nothing_is_approved_on_inputs_that_are_not_known(reference, age, rate, equity, is_open, side, kind):
    known = but(price(), reference=reference, age=age)
    met = snapshot(price=known, rate=rate, equity=equity, is_open=is_open, holding=d("10"))
    decision = judged(intent(price=kind, side=side), met)
    if decision.approved:
        assert reference.is_finite()
        assert reference > 0
        assert age.is_finite()
        assert None not in (rate, is_open)
        assert side == "sell" or (equity is not None and equity > 0)
        assert side == "sell" or not is_open or abs(age) <= 5


def test_a_warning_is_raised_when_eighty_percent_is_crossed_and_not_again():
    book = books({ONE: exposure(ONE, cash="1000")}, {}, {})
    batch = [intent("1", str(p), account_id=ONE, instrument=STOCK) for p in (90, 91, 92, 93, 94, 95, 96)]
    checks = [check_of(decision, "max_open_orders") for decision in book.decide_all(batch)]
    assert [check.verdict for check in checks][-3:] == [Verdict.PASSED, Verdict.WARNED, Verdict.WARNED]
    assert [check.before for check in checks][-2:] == [5, 6]


def test_an_exit_beyond_what_is_not_yet_on_sale_is_no_exit():
    met = snapshot(holding=d("10"), working_sell=d("5"))
    assert judged(intent("5", side="sell"), met).is_reducing
    assert not judged(intent("6", side="sell"), met).is_reducing


def test_the_keenest_own_order_is_the_one_that_would_be_met():
    for prices in (("105", "101"), ("101", "105")):
        book = books({ONE: exposure(ONE, holdings=[(STOCK.id, "30")])}, {}, {})
        sells = [intent("1", at, "sell", account_id=ONE, instrument=STOCK) for at in prices]
        decisions = book.decide_all([*sells, intent("1", "102", account_id=ONE, instrument=STOCK)])
        [why] = decisions[-1].reasons
        assert (why.code, why.facts["price"]) == ("SELF_TRADE", d("101"))


def test_a_hair_above_a_limit_of_many_digits_breaches():
    fine = facts(tick_size=d("0.0000000001"), lot_size=d("0.0000000001"))
    order = intent("12345.0000000001", "3.3333333333", instrument=fine)
    met = snapshot(price=price("3.3333333333"), equity=d("1e12"), cash=d("1e12"))
    exact = order.quantity * order.limit_price
    by = limits(max_notional=str(exact), max_quantity="99999")
    assert judged(order, met, by).approved
    below = limits(max_notional=str(exact - d("1e-20")), max_quantity="99999")
    assert codes(judged(order, met, below)) == {"NOTIONAL_ABOVE_LIMIT"}
