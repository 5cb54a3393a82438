"""Holdings, ledger, buying power and valuation are exact, whatever the fills."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from positions.domain.buying_power import free_cash, quantity_available
from positions.domain.errors import Unbookable
from positions.domain.holdings import HoldingState, day_roll, fill_apply, fill_value
from positions.domain.ledger import (
    CashState,
    cash_roll,
    fill_cash,
    fill_lines,
    imbalances,
    posting_lines,
    reversal_lines,
)
from positions.domain.rates import Mark, Rate, rate_of
from positions.domain.shapes import account_json, position_json
from positions.domain.types import AccountExposure, Book, FillFact, HoldingFacts, Side, WorkingOrders
from positions.domain.valuation import account_summarise, position_value
from trading_portal.kernel.ids import uuid7

D = Decimal
AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
TODAY = AT.date()
ACCOUNT, INSTRUMENT = uuid7(), uuid7()


def fill(side="buy", quantity="1", price="100", fee="0", currency="USD"):
    return FillFact(
        execution_id=uuid7(),
        order_id=uuid7(),
        account_id=ACCOUNT,
        instrument_id=INSTRUMENT,
        side=Side(side),
        quantity=D(quantity),
        price=D(price),
        fee=D(fee),
        currency=currency,
        executed_at=AT,
    )


def folded(*fills, day=TODAY):
    holding = HoldingState(day=day, opened_at=AT)
    realised = []
    for each in fills:
        holding, gained = fill_apply(holding, each, day=day)
        realised.append(gained)
    return holding, realised


amounts = st.decimals("0.0000000001", "9999999", places=10)
fills_strategy = st.lists(
    st.builds(fill, st.sampled_from(["buy", "sell"]), amounts, amounts, st.decimals("-5", "500", places=10)),
    max_size=25,
)
small = st.sampled_from(["1", "2", "3", "0.5", "7"])
crossing_fills = st.lists(
    st.builds(fill, st.sampled_from(["buy", "sell"]), small, st.sampled_from(["10", "9.99", "10.0000000001", "33"])),
    max_size=25,
)


@given(st.one_of(fills_strategy, crossing_fills), amounts)
def test_realised_and_unrealised_equal_the_money_that_moved_to_the_last_digit(fills, price):
    holding, realised = folded(*fills)
    position = position_value(
        instrument_id=INSTRUMENT,
        symbol="X",
        currency="USD",
        holding=holding,
        mark=Mark(price, AT, True, None),
    )
    moved = sum((fill_cash(each) + each.fee for each in fills), D(0))
    assert holding.realised_pnl + position.unrealised_pnl == moved + position.market_value
    assert sum(realised, D(0)) == holding.realised_pnl


@given(st.one_of(fills_strategy, crossing_fills))
def test_quantity_is_the_sum_of_fills_and_cost_is_never_negative(fills):
    holding, _ = folded(*fills)
    assert holding.quantity == sum((each.quantity * each.side.sign for each in fills), D(0))
    assert holding.cost >= 0
    assert holding.average_cost >= 0
    assert holding.fees == sum((each.fee for each in fills), D(0))
    assert holding.quantity != 0 or holding.cost == 0


@given(fills_strategy)
def test_lines_of_every_fill_and_of_its_reversal_sum_to_zero(fills):
    lines = [line for each in fills for line in fill_lines(each, transaction_id=each.execution_id)]
    back = [line for each in fills for line in reversal_lines(each, transaction_id=uuid7())]
    assert imbalances(lines) == {}
    assert imbalances(back) == {}
    assert sum((line.amount for line in lines if line.book is Book.CASH), D(0)) == sum(
        (fill_cash(each) for each in fills), D(0)
    )
    assert sum((line.amount for line in lines + back if line.book is Book.CASH), D(0)) == 0


@given(st.lists(st.tuples(st.booleans(), crossing_fills), max_size=5), amounts)
def test_day_pnl_of_a_position_is_its_gain_since_the_previous_close(days, close):
    holding = HoldingState(day=TODAY, opened_at=AT)
    before, flow = D(0), D(0)
    for number, (_, fills) in enumerate(days):
        before, flow = holding.quantity, D(0)
        for each in fills:
            holding, _ = fill_apply(holding, each, day=TODAY + timedelta(days=number))
            flow += fill_cash(each) + each.fee
    holding = day_roll(holding, day=TODAY + timedelta(days=max(len(days) - 1, 0)))
    valued = position_value(
        instrument_id=INSTRUMENT, symbol="X", currency="USD", holding=holding, mark=Mark(D(12), AT, True, close)
    )
    assert valued.day_pnl == holding.quantity * 12 - fill_value_of(before, close) + flow


def fill_value_of(quantity, price):
    return fill_value(fill("buy", abs(quantity), price)) * (1 if quantity > 0 else -1) if quantity else D(0)


def test_buys_average_their_cost():
    holding, realised = folded(fill("buy", "10", "100"), fill("buy", "30", "104"))
    assert (holding.quantity, holding.average_cost, holding.cost) == (D(40), D(103), D(4120))
    assert realised == [0, 0]


def test_a_sale_realises_against_average_cost_and_leaves_it_as_it_was():
    holding, realised = folded(fill("buy", "10", "100"), fill("buy", "10", "110"), fill("sell", "5", "120", fee="1"))
    assert (holding.quantity, holding.average_cost, holding.realised_pnl) == (D(15), D(105), D(75))
    assert realised[-1] == 75
    assert holding.fees == 1


def test_crossing_zero_realises_the_closed_part_and_reopens_at_the_price_of_the_fill():
    holding, realised = folded(fill("buy", "10", "100"), fill("sell", "25", "90"))
    assert realised == [0, D(-100)]
    assert (holding.quantity, holding.average_cost, holding.cost) == (D(-15), D(90), D(1350))
    back, gained = fill_apply(holding, fill("buy", "20", "80"), day=TODAY)
    assert gained == 150
    assert (back.quantity, back.average_cost, back.realised_pnl) == (D(5), D(80), D(50))


def test_a_closed_holding_has_no_cost_and_keeps_what_it_realised():
    holding, _ = folded(fill("sell", "3", "10"), fill("buy", "3", "7"))
    assert (holding.quantity, holding.cost, holding.average_cost, holding.realised_pnl) == (0, 0, 0, D(9))


def test_thirds_leave_no_dust_behind():
    holding, _ = folded(fill("buy", "3", "33.3333333333"), *[fill("sell", "1", "40") for _ in range(3)])
    assert holding.realised_pnl == D(120) - D("99.9999999999")


@pytest.mark.parametrize(
    ("quantity", "price"),
    [("0", "1"), ("-1", "1"), ("1", "0"), ("NaN", "1"), ("1", "Infinity"), ("1e18", "1"), ("1e10", "1e10")],
)
def test_what_no_column_can_hold_is_named_unbookable(quantity, price):
    wrong = fill("buy", quantity, price)
    with pytest.raises(Unbookable) as caught:
        fill_value(wrong)
    assert caught.value.execution_id == wrong.execution_id


def test_what_would_take_a_holding_past_its_column_is_unbookable():
    holding, _ = folded(fill("buy", "5e8", "1e9"))
    with pytest.raises(Unbookable):
        fill_apply(holding, fill("buy", "5e8", "1e9"), day=TODAY)


def test_money_paid_in_comes_from_outside():
    lines = posting_lines(
        transaction_id=uuid7(), account_id=ACCOUNT, currency="USD", amount=D(5), reason="deposit", at=AT
    )
    assert [(line.book, line.amount) for line in lines] == [(Book.CASH, D(5)), (Book.EXTERNAL, D(-5))]
    assert imbalances(lines) == {}
    assert imbalances(lines[:1]) != {}


def working(side, quantity, price, currency="USD"):
    return WorkingOrders(INSTRUMENT, Side(side), currency, 1, D(quantity), D(quantity) * D(price), uuid7(), None)


def test_buying_power_is_cash_less_open_buys_in_the_same_currency_only():
    exposure = AccountExposure(
        account_id=ACCOUNT,
        cash={"USD": D(1000), "BTC": D(2)},
        holdings={INSTRUMENT: HoldingFacts(INSTRUMENT, "X", "USD", D(10), D(1))},
        working=[
            working("buy", "2", "100"),
            working("buy", "1", "0.5", "BTC"),
            working("sell", "4", "100"),
            working("buy", "1", "3", "EUR"),
        ],
    )
    assert free_cash(exposure, {}) == {"USD": D(800), "BTC": D("1.5"), "EUR": D(-3)}
    assert quantity_available(exposure, INSTRUMENT) == 6
    assert quantity_available(exposure, uuid7()) == 0


def test_a_rate_is_direct_or_inverted_or_not_there():
    marks = {"BTC/USD": Mark(D(50000), AT, True, D(40000)), "EUR/USD": Mark(D("1.25"), AT, False, None)}
    assert rate_of("USD", "USD", {}) == Rate(D(1), D(1), True)
    assert rate_of("BTC", "USD", marks) == Rate(D(50000), D(40000), True)
    assert rate_of("USD", "EUR", marks) == Rate(D("0.8"), None, False)
    assert rate_of("USDT", "USD", marks) is None


def summary(cash, positions=(), rates=None, reserved=None):
    return account_summarise(
        account_id=ACCOUNT,
        base="USD",
        cash={
            name: money if isinstance(money, CashState) else CashState(TODAY, D(money)) for name, money in cash.items()
        },
        reserved=reserved or {},
        positions=positions,
        rates={"USD": Rate(D(1), D(1), True), **(rates or {})},
    )


def position(holding, mark, currency="USD"):
    return position_value(instrument_id=INSTRUMENT, symbol="X", currency=currency, holding=holding, mark=mark)


def test_an_account_is_cash_plus_market_value_through_rates():
    longs, _ = folded(fill("buy", "10", "100"))
    shorts, _ = folded(fill("sell", "1", "0.05", currency="BTC"))
    found = summary(
        {"USD": "1000", "BTC": "0.1"},
        [position(longs, Mark(D(110), AT, True, None)), position(shorts, Mark(D("0.04"), AT, True, None), "BTC")],
        rates={"BTC": Rate(D(50000), None, True)},
        reserved={"USD": D(300)},
    )
    # What is short is worth 2,000 and holds 3,000; open orders hold 300.
    assert (found.cash, found.short_margin, found.buying_power) == (D(6000), D(3000), D(2700))
    assert (found.long_market_value, found.short_market_value) == (D(1100), D(-2000))
    assert found.equity == 5100
    assert found.unrealised_pnl == 100 + 500
    assert found.missing == ()


def test_a_day_starts_from_cash_and_holdings_at_the_previous_close_and_leaves_deposits_out():
    yesterday = TODAY - timedelta(days=1)
    holding, _ = folded(fill("buy", "10", "100"), day=yesterday)
    holding, _ = fill_apply(holding, fill("sell", "4", "120", fee="1"), day=TODAY)
    cash = CashState(TODAY, balance=D(500) + 479 + 50, opening_balance=D(500), day_posted=D(50))
    found = summary({"USD": cash}, [position(holding, Mark(D(125), AT, True, D(105)))])
    assert found.last_equity == 500 + 1050
    assert found.equity == 1029 + 750
    assert found.day_pnl == 4 * 15 + 6 * 20 - 1


def test_a_day_that_nothing_touched_opens_with_what_is_there():
    rolled = cash_roll(CashState(date(2026, 1, 1), D(7), D(3), D(4)), day=TODAY)
    assert rolled == CashState(TODAY, D(7), D(7), D(0))
    assert cash_roll(rolled, day=date(2026, 1, 1)) == rolled


def test_no_price_and_no_rate_are_said_and_never_guessed():
    holding, _ = folded(fill("buy", "10", "100"))
    found = summary({"USD": "1000", "USDT": "5"}, [position(holding, None)])
    assert (found.equity, found.cash, found.buying_power, found.day_pnl) == (None, None, None, None)
    assert [why.code for why in found.missing] == ["NO_PRICE", "NO_RATE"]
    assert not found.is_live


def test_an_empty_balance_needs_no_rate():
    assert summary({"USD": "1000", "USDT": "0"}).equity == 1000


def test_numbers_leave_as_plain_strings_and_what_is_unknown_as_null():
    holding, _ = folded(fill("buy", "0.00000010", "100"))
    text = position_json(
        position(holding, None), account_id=ACCOUNT, exchange="X", asset_class="crypto", available=holding.quantity
    )
    assert (text["qty"], text["avg_entry_price"], text["cost_basis"]) == ("0.0000001", "100", "0.00001")
    assert (text["market_value"], text["current_price"], text["unrealized_plpc"]) == (None, None, None)
    valued = position_json(
        position(holding, Mark(D(110), AT, True, D(100))),
        account_id=ACCOUNT,
        exchange="X",
        asset_class="crypto",
        available=D(0),
    )
    assert (valued["unrealized_plpc"], valued["change_today"]) == ("0.1", "0.1")
    assert account_json(summary({"USD": "1000.50"}))["equity"] == "1000.5"


def exposed(quantity, *orders, cash=10_000):
    return AccountExposure(
        account_id=ACCOUNT,
        cash={"USD": D(cash)},
        holdings={INSTRUMENT: HoldingFacts(INSTRUMENT, "X", "USD", D(quantity), D(1))} if quantity else {},
        working=list(orders),
    )


def free(exposure, price="100"):
    return free_cash(exposure, {INSTRUMENT: D(price)} if price else {})["USD"]


def test_what_is_sold_short_holds_half_as_much_again_as_it_is_worth():
    assert free(exposed(-20)) == D(7000)
    assert free(exposed(-20), price="150") == D(5500)
    assert free(exposed(-20), price=None) is None
    assert free(exposed(20), price=None) == D(10000)


def test_an_open_short_sale_needs_the_deposit_that_its_proceeds_do_not_bring():
    assert free(exposed(0, working("sell", "20", "100"))) == D(9000)
    assert free(exposed(20, working("sell", "20", "100"))) == D(10000)
    # Half of what is on sale is no longer held: the venue took a fill back.
    assert free(exposed(10, working("sell", "20", "100"))) == D(9500)


def test_the_margin_pays_for_what_covers_a_short_position():
    assert free(exposed(-20, working("buy", "20", "110"))) == D(7000)
    assert free(exposed(-20, working("buy", "30", "110"))) == D(7000) - D(1100)
