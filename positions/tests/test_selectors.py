"""Accounts and positions are read set-wise, marked to prices, and say what they do not know."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import positions.selectors as selectors_module
from accounts.services import accounts_lock
from positions import selectors, services
from positions.domain.types import HoldingFacts, NewReservation, Side
from positions.tests.helpers import book, fill, new_account, new_currency, new_instrument, set_last, set_live
from trading_portal.kernel import clock
from trading_portal.kernel.errors import NotFound, Unavailable, reason
from trading_portal.kernel.ids import uuid7

D = Decimal


def reserve(account_id, instrument, side, quantity, price):
    with transaction.atomic():
        accounts_lock([account_id])
        services.reservations_open(
            reservations=[
                NewReservation(
                    uuid7(), account_id, instrument.id, uuid7(), Side(side), D(quantity), D(price), D(price), "USD"
                )
            ],
            at=clock.now(),
        )


def test_exposures_say_what_each_account_has_and_what_its_orders_may_do():
    instrument, sold_out = new_instrument(), new_instrument()
    first, second = new_account(("USD", "1000")), new_account()
    book(fill(first, instrument, quantity="3"), fill(first, sold_out), fill(first, sold_out, "sell"))
    reserve(first, instrument, "sell", "2", "101")
    reserve(first, instrument, "sell", "1", "99")
    reserve(first, instrument, "buy", "1.5", "90")
    reserve(first, instrument, "buy", "1", "91")
    found = selectors.exposures([first, second])
    assert found[first].cash == {"USD": D(700)}
    assert found[first].holdings == {instrument.id: HoldingFacts(instrument.id, instrument.symbol, "USD", D(3), D(100))}
    working = {orders.side: orders for orders in found[first].working}
    sells, buys = working[Side.SELL], working[Side.BUY]
    assert (sells.instrument_id, sells.currency, sells.orders) == (instrument.id, "USD", 2)
    assert (sells.quantity_left, sells.value, sells.limit_price) == (3, 301, 99)
    assert (buys.orders, buys.quantity_left, buys.value, buys.limit_price) == (2, D("2.5"), 226, 91)
    assert (found[second].cash, found[second].holdings, found[second].working) == ({}, {}, [])


def test_an_account_is_marked_to_live_prices():
    instrument = new_instrument()
    account_id = new_account(("USD", "1000"))
    book(fill(account_id, instrument, quantity="3", fee="1"))
    reserve(account_id, instrument, "buy", "1", "50")
    reserve(account_id, instrument, "sell", "2", "200")
    set_live(instrument, "110", previous_close="90")
    summary = selectors.account_summary(account_id, clock.now())
    assert (summary.cash, summary.equity, summary.buying_power) == (699, 1029, 649)
    assert (summary.long_market_value, summary.unrealised_pnl, summary.fees) == (330, 30, 1)
    assert (summary.last_equity, summary.day_posted, summary.day_pnl) == (0, 1000, 29)
    assert summary.is_live
    (position,) = selectors.positions_list(account_id, clock.now())
    assert (position["symbol"], position["qty"], position["qty_available"]) == (instrument.symbol, "3", "1")
    assert (position["market_value"], position["unrealized_pl"], position["current_price"]) == ("330", "30", "110")
    assert (position["lastday_price"], position["day_pl"], position["is_live"]) == ("90", "30", True)


def test_a_day_later_the_day_starts_from_the_close():
    instrument = new_instrument()
    account_id = new_account(("USD", "1000"))
    book(fill(account_id, instrument, quantity="3"))
    set_live(instrument, "110", previous_close="90")
    tomorrow = clock.now() + timedelta(days=1)
    summary = selectors.account_summary(account_id, tomorrow)
    assert (summary.last_equity, summary.day_pnl) == (970, 60)


def test_without_a_live_price_the_last_known_one_is_used_and_said():
    instrument = new_instrument()
    account_id = new_account(("USD", "1000"))
    book(fill(account_id, instrument, quantity="3"))
    long_ago = clock.now() - timedelta(days=9)
    set_last(instrument, "95", long_ago)
    assert not selectors.account_summary(account_id, clock.now()).is_live
    (position,) = selectors.positions_list(account_id, clock.now())
    assert (position["current_price"], position["is_live"]) == ("95", False)
    assert position["price_at"] == long_ago.isoformat()


def test_without_any_price_the_value_is_not_known():
    instrument = new_instrument()
    account_id = new_account(("USD", "1000"))
    book(fill(account_id, instrument, quantity="3"))
    summary = selectors.account_summary(account_id, clock.now())
    assert (summary.cash, summary.equity, summary.unrealised_pnl) == (700, None, None)
    assert [str(why) for why in summary.missing] == [f"NO_PRICE: symbol={instrument.symbol}"]
    (position,) = selectors.positions_list(account_id, clock.now())
    assert (position["market_value"], position["unrealized_pl"], position["current_price"]) == (None, None, None)


def test_prices_that_cannot_be_read_leave_the_last_known_ones(monkeypatch):
    instrument = new_instrument()
    account_id = new_account(("USD", "1000"))
    book(fill(account_id, instrument, quantity="3"))
    set_last(instrument, "95")

    def unavailable(symbols):
        raise Unavailable(reason("PRICES_UNAVAILABLE"), "Prices cannot be read right now.")

    monkeypatch.setattr(selectors_module, "quotes_latest", unavailable)
    assert selectors.account_summary(account_id, clock.now()).equity == 985


def test_other_currencies_count_through_a_rate_and_without_one_are_not_guessed():
    foreign = new_currency()
    account_id = new_account(("USD", "1000"), (foreign, "4"))
    assert selectors.account_summary(account_id, clock.now()).equity is None
    rate = new_instrument(f"{foreign}/USD")
    set_live(rate, "2.5", previous_close="2")
    summary = selectors.account_summary(account_id, clock.now())
    assert (summary.equity, summary.cash_by_currency) == (1010, {"USD": 1000, foreign: 4})
    tomorrow = selectors.account_summary(account_id, clock.now() + timedelta(days=1))
    assert (tomorrow.last_equity, tomorrow.day_pnl) == (1008, 2)


def test_many_accounts_cost_no_more_statements_than_one():
    instrument = new_instrument()
    set_live(instrument, "110", previous_close=None)
    accounts = [new_account(("USD", "1000")) for _ in range(4)]
    book(*[fill(account_id, instrument) for account_id in accounts])
    with CaptureQueriesContext(
        connection,
    ) as one:
        selectors.valuations(accounts[:1], clock.now())
    with CaptureQueriesContext(connection) as many:
        found = selectors.valuations(accounts, clock.now())
    assert len(many) <= len(one) <= 3
    assert {valued.summary.equity for valued in found.values()} == {1010}


def test_an_account_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        selectors.account_summary(uuid7(), clock.now())
    assert selectors.positions_of([uuid7()], clock.now()) == {}
