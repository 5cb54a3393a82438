"""The rules for stops, trails, amounts, auctions, fees and short sales, each by itself."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from positions.domain.types import AccountExposure
from risk.domain.account_book import AccountBook, Market
from risk.domain.book import Book
from risk.domain.fingerprints import fingerprint
from risk.domain.preview import preview_of
from risk.domain.sizing import sized
from risk.domain.types import LimitFacts, OrderIntent
from risk.tests.builders import ACCOUNT, AT, codes, d, facts, intent, judged, limits, price, snapshot
from trading_portal.kernel.errors import Reason

SHORTABLE = facts(is_shortable=True)
MAY = {"may_short": True}


def stop(side="buy", at="105", limit=None, **changes):
    order = intent(price=limit, side=side, order_type="stop" if limit is None else "stop_limit", **changes)
    return replace(order, stop_price=d(at))


def trailing(side="buy", **trail):
    order = intent(price=None, side=side, order_type="trailing_stop")
    return replace(order, **{name: d(value) for name, value in trail.items()})


@pytest.mark.parametrize(
    ("order", "worst"),
    [
        (stop(), "115.5"),
        (stop(at="100.01"), "110.02"),  # rounded up to the tick
        (stop(limit="106"), "106"),
        (trailing(trail_price="5"), "115.5"),
        (trailing(trail_percent="2"), "112.2"),
    ],
    ids=["stop", "tick", "stop_limit", "trail", "percent"],
)
def test_a_buy_that_waits_for_a_price_is_worth_what_it_may_cost_there(order, worst):
    assert judged(order).worst_price == d(worst)


@pytest.mark.parametrize("order", [stop("sell", "95"), stop("sell", "95", "94"), trailing("sell", trail_price="5")])
def test_a_sale_that_waits_is_worth_no_less_than_the_market(order):
    assert judged(order, snapshot(holding=d("10"))).worst_price == d("100")


@pytest.mark.parametrize(
    ("order", "passes"),
    [
        (stop(at="100.01"), True),
        (stop(at="100"), False),
        (stop("sell", "99.99"), True),
        (stop("sell", "100"), False),
        (stop("sell", "101", "100"), False),
        (trailing("sell", trail_price="100"), False),
        (trailing("sell", trail_price="99.99"), True),
    ],
)
def test_a_stop_stands_on_the_far_side_of_the_market(order, passes):
    found = codes(judged(order, snapshot(holding=d("10"))))
    assert found == (set() if passes else {"STOP_WRONG_SIDE"})


@pytest.mark.parametrize(("limit", "passes"), [("132", True), ("132.01", False)])
def test_the_collar_of_a_stop_limit_lies_around_its_stop(limit, passes):
    assert codes(judged(stop(at="120", limit=limit))) == (set() if passes else {"PRICE_OUTSIDE_COLLAR"})


@pytest.mark.parametrize(
    "order",
    [
        replace(stop(), stop_price=None),
        replace(stop(), limit_price=d("1")),
        replace(intent(), stop_price=d("105")),
        trailing(),
        trailing(trail_price="1", trail_percent="1"),
        trailing(trail_price="-1"),
        replace(intent(), trail_price=d("1")),
        replace(intent(), notional=d("0")),
        replace(intent(), quantity=d("0")),
        intent(time_in_force="gtd"),
    ],
)
def test_prices_that_are_not_the_types_make_an_order_that_nothing_else_judges(order):
    decision = judged(order)
    assert codes(decision) == {"ORDER_INVALID"}
    assert len(decision.checks) == 1


@pytest.mark.parametrize(
    ("quantity", "changes", "passes"),
    [
        ("0.5", {}, True),
        ("0.0000000001", {}, False),
        ("0.5", {"time_in_force": "gtc"}, False),
        ("0.5", {"is_plain": False}, False),
        ("0.5", {"order_type": "stop", "price": None, "stop_price": d("105")}, False),
    ],
)
def test_parts_of_a_share_are_for_plain_orders_of_the_day(quantity, changes, passes):
    order = intent(quantity, instrument=facts(is_fractionable=True), **changes)
    assert codes(judged(order)) == (set() if passes else {"QUANTITY_OFF_LOT"})


@pytest.mark.parametrize("time_in_force", ["opg", "cls"])
def test_an_auction_takes_orders_until_it_closes_its_books(time_in_force):
    order = intent(price=None, time_in_force=time_in_force)
    closed = snapshot(is_open=False, price=price(is_quote=False))
    assert codes(judged(order, closed)) == set()
    assert codes(judged(replace(order, is_on_time=False), closed)) == {"AUCTION_CLOSED"}
    assert codes(judged(order, replace(closed, is_open=None))) == {"AUCTION_CLOSED"}


def test_stops_may_wait_out_of_session_and_orders_without_a_price_may_not():
    closed = snapshot(is_open=False, price=price(is_quote=False))
    assert codes(judged(stop(), closed)) == set()
    assert codes(judged(trailing(trail_price="5"), closed)) == set()
    assert codes(judged(intent(price=None), closed)) == {"MARKET_CLOSED"}


def test_fees_are_needed_beside_the_price_and_a_rebate_is_not_counted_on():
    fees = {"fee_rate": d("0.001"), "fee_per_unit": d("0.01")}
    assert judged(replace(intent(), **fees)).worst_price == d("100.11")
    assert judged(replace(intent(), fee_rate=d("-0.001"))).worst_price == d("100")
    held = snapshot(holding=d("10"))
    assert judged(replace(intent(side="sell"), **fees), held).worst_price == d("100")
    exactly = snapshot(cash=d("1001.1"))
    assert codes(judged(replace(intent(), **fees), exactly)) == set()
    assert codes(judged(replace(intent(), **fees), snapshot(cash=d("1001")))) == {"BUYING_POWER_EXCEEDED"}


def test_a_preview_tells_the_fees_apart_from_the_price():
    shown = preview_of(judged(replace(intent(), fee_rate=d("0.001"))))
    assert (shown.worst_price, shown.fees, shown.notional) == (d("100"), d("1"), d("1000"))
    assert shown.buying_power is not None
    assert shown.buying_power_after == shown.buying_power - d("1001")


def test_a_preview_of_a_short_sale_holds_its_deposit():
    shown = preview_of(judged(intent(side="sell", instrument=SHORTABLE), snapshot(**MAY)))
    assert shown.buying_power is not None
    assert (shown.buying_power_after, shown.position_after) == (shown.buying_power - d("500"), d("-10"))


@pytest.mark.parametrize(
    ("quantity", "met", "found"),
    [
        ("10", {}, set()),
        ("10", {"may_short": False}, {"SHORT_NOT_ALLOWED"}),
        ("10", {"holding": d("9")}, {"SHORT_THROUGH_ZERO"}),
        ("10", {"holding": d("10")}, set()),
        ("10", {"holding": d("-5")}, set()),
        ("0.5", {}, {"SHORT_NOT_WHOLE"}),
    ],
)
def test_a_short_sale_is_whole_allowed_and_does_not_pass_through_zero(quantity, met, found):
    order = intent(quantity, side="sell", instrument=facts(is_shortable=True, is_fractionable=True))
    assert codes(judged(order, snapshot(**(MAY | met)))) == found


@pytest.mark.parametrize(("cash", "passes"), [("3500", True), ("3499.99", False)])
def test_a_short_sale_needs_half_its_worth_beside_the_margin_that_is_held(cash, passes):
    met = snapshot(cash=d(cash), margin=d("3000"), holding=d("-20"), equity=d("100000"), **MAY)
    order = intent(side="sell", instrument=SHORTABLE)
    assert codes(judged(order, met)) == (set() if passes else {"BUYING_POWER_EXCEEDED"})


def test_what_is_short_leaves_less_to_buy_with_and_an_unknown_margin_nothing():
    assert codes(judged(met=snapshot(cash=d("3999"), margin=d("3000")))) == {"BUYING_POWER_EXCEEDED"}
    assert codes(judged(met=snapshot(margin=None))) == {"MARGIN_UNKNOWN"}


@pytest.mark.parametrize(("before", "passes"), [("4000", True), ("4000.01", False)])
def test_what_is_sold_short_in_all_has_a_limit(before, passes):
    order = intent(side="sell", instrument=SHORTABLE)
    found = judged(order, snapshot(short_value=d(before), **MAY), limits(short_value="5000"))
    assert codes(found) == (set() if passes else {"SHORT_VALUE_ABOVE_LIMIT"})


def test_a_limit_of_an_instrument_counts_what_is_short_of_it_alone():
    here = limits(short_value=LimitFacts("short_value", d("1500"), 1, "instrument", is_per_instrument=True))
    order, met = intent(side="sell", instrument=SHORTABLE), snapshot(short_value=d("90000"), **MAY)
    assert codes(judged(order, met, here)) == set()
    assert codes(judged(order, replace(met, short_value_here=d("501")), here)) == {"SHORT_VALUE_ABOVE_LIMIT"}
    assert codes(judged(order, met, limits(short_value=None))) == {"LIMIT_MISSING"}


def test_an_order_that_only_closes_may_not_open():
    closes = replace(intent(side="sell"), closes_only=True)
    assert codes(judged(closes, snapshot(holding=d("10")))) == set()
    assert "NOT_CLOSING" in codes(judged(closes, snapshot(holding=d("9"))))
    covers = replace(intent(), closes_only=True)
    assert codes(judged(covers, snapshot(holding=d("-10")))) == set()
    assert codes(judged(covers)) == {"NOT_CLOSING"}


def amount(notional="1000", **changes):
    return replace(intent("1", **changes), quantity=d("0"), notional=d(notional))


@pytest.mark.parametrize(
    ("order", "quantity"),
    [
        (amount(price=None), "9.9990000999"),
        (amount(price=None, side="sell"), "10.0010001000"),
        (amount(price="80"), "12.5"),
    ],
)
def test_an_amount_is_cut_down_to_the_least_part_at_the_price_it_meets(order, quantity):
    share = facts(is_fractionable=True)
    found = sized(replace(order, instrument=share), quote(), in_session=True, limits=limits())
    assert isinstance(found, OrderIntent)
    assert found.quantity == d(quantity).quantize(share.fraction, rounding="ROUND_DOWN")


def quote(**changes):
    return replace(price(), bid=d("99.99"), ask=d("100.01"), **changes)


@pytest.mark.parametrize(
    ("known", "in_session", "code"),
    [
        (None, True, "PRICE_MISSING"),
        (quote(reference=Decimal("NaN")), True, "PRICE_MISSING"),
        (quote(age=d("5.001")), True, "PRICE_STALE"),
        (quote(age=d("-6")), True, "PRICE_STALE"),
    ],
)
def test_an_amount_is_worked_out_from_no_price_that_is_missing_or_old(known, in_session, code):
    found = sized(amount(price=None), known, in_session=in_session, limits=limits())
    assert isinstance(found, Reason)
    assert found.code == code


def test_orders_are_twins_by_what_they_ask_for():
    prints = {
        fingerprint(order)
        for order in (
            intent(), intent("11"), intent(price=None), stop(), stop(at="106"), stop(limit="106"),
            trailing(trail_price="5"), trailing(trail_percent="5"), amount(), amount("1001"), amount(price=None),
        )
    }  # fmt: skip
    assert len(prints) == 11
    assert fingerprint(amount()) == fingerprint(replace(amount(), quantity=d("12")))


def test_each_short_sale_of_a_batch_counts_for_the_next():
    exposure = AccountExposure(ACCOUNT, {"USD": d("1000")}, {}, [])
    account = AccountBook(exposure, equity=d("1000000"), may_short=True, rates={"USD": d("1")})
    book = Book(
        at=AT,
        accounts={ACCOUNT: account},
        markets={SHORTABLE.id: Market(True, price())},
        rates={("USD", "USD"): d("1")},
        limits={(None, None): limits(short_value="1900")},
    )
    sales = [intent(quantity, side="sell", instrument=SHORTABLE) for quantity in ("9", "10", "2", "1")]
    decisions = book.decide_all(sales)
    assert [codes(decision) for decision in decisions] == [
        set(),
        set(),
        {"BUYING_POWER_EXCEEDED", "SHORT_VALUE_ABOVE_LIMIT"},
        {"SHORT_VALUE_ABOVE_LIMIT"},
    ]


def test_orders_before_and_after_the_session_are_judged_by_the_market_as_it_stands_then():
    exposure = AccountExposure(ACCOUNT, {"USD": d("100000")}, {}, [])
    book = Book(
        at=AT,
        accounts={ACCOUNT: AccountBook(exposure, equity=d("1000000"))},
        markets={facts().id: Market(False, price("50", is_quote=False))},
        extended={facts().id: Market(True, price(age="6"))},
        rates={("USD", "USD"): d("1")},
        limits={(None, None): limits()},
    )
    assert codes(book.decide_all([replace(intent(price="60"), extended_hours=True)])[0]) == {"PRICE_STALE"}
    assert codes(book.decide_all([intent(price="55")])[0]) == set()
