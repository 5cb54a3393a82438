"""The check and its prices: live or last, in session or out of it, in whatever currency."""

from decimal import Decimal

import pytest

from marketdata import selectors as marketdata_selectors
from risk.models import OrderCount
from risk.selectors import decision_of
from risk.services import orders_preview
from risk.tests.helpers import (
    codes,
    decide,
    hold,
    limit_row,
    new_account,
    new_instrument,
    no_live_price,
    order,
    rows,
    set_close,
    set_live,
)
from trading_portal.kernel import clock
from trading_portal.kernel.errors import NotFound, Unavailable
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.usefixtures("firm_limits")


def test_without_a_live_price_an_order_is_refused_as_stale_and_an_exit_passes_on_the_last_one():
    account_id, stock = new_account(), new_instrument(None)
    hold(account_id, stock, "10")
    assert codes(decide(order(account_id, stock))[0]) == {"PRICE_MISSING"}
    set_close(stock, "100", age=60)
    assert codes(decide(order(account_id, stock))[0]) == {"PRICE_STALE"}
    assert decide(order(account_id, stock, "10", None, "sell"))[0].approved


def test_a_live_price_older_than_five_seconds_is_refused_at_the_edge():
    account_id, stock = new_account(), new_instrument(None)
    at = clock.now()
    with clock.frozen(at):
        set_live(stock, "100", age=5)
        assert decide(order(account_id, stock), at=at)[0].approved
        set_live(stock, "100", age=5.001)
        assert codes(decide(order(account_id, stock), at=at)[0]) == {"PRICE_STALE"}


def test_out_of_session_a_limit_order_is_judged_by_the_last_close(settings):
    settings.SIMULATED_SESSIONS = "real"
    account_id, stock = new_account(), new_instrument("500", calendar="XNYS")
    set_close(stock, "100", age=90_000)
    sunday = clock.now().replace(year=2026, month=3, day=1, hour=12)
    assert decide(order(account_id, stock, price="105"), at=sunday)[0].approved
    assert codes(decide(order(account_id, stock, price="111"), at=sunday)[0]) == {"PRICE_OUTSIDE_COLLAR"}
    assert codes(decide(order(account_id, stock, price=None), at=sunday)[0]) == {"MARKET_CLOSED"}
    assert codes(decide(order(account_id, stock, time_in_force="ioc"), at=sunday)[0]) == {"MARKET_CLOSED"}


def test_an_unknown_calendar_takes_no_order():
    account_id, stock = new_account(), new_instrument("100", calendar="NOWHERE")
    set_close(stock, "100")
    assert codes(decide(order(account_id, stock))[0]) == {"MARKET_CLOSED"}


def test_an_old_trade_does_not_outlive_the_standing_quote_as_the_reference():
    account_id, stock = new_account(), new_instrument("100")
    set_live(stock, "100", bid="119", ask="121")
    [decision] = decide(order(account_id, stock, "1", "130"))
    assert decision.approved
    assert decision.reference_price == Decimal(119)


def test_an_instrument_in_another_currency_needs_a_rate_and_its_own_cash():
    currency = "".join(chr(ord("A") + digit % 26) for digit in uuid7().bytes[-6:])
    account_id, stock = new_account(), new_instrument("100", currency=currency)
    assert codes(decide(order(account_id, stock))[0]) == {"NO_RATE"}
    new_instrument("1.5", symbol=f"{currency}/USD", currency="USD")
    assert codes(decide(order(account_id, stock))[0]) == {"BUYING_POWER_EXCEEDED"}
    rows(
        "INSERT INTO positions_cashbalance (account_id, currency, balance, day, opening_balance, day_posted) "
        "VALUES (%s, %s, 1000, current_date, 0, 0) RETURNING 1",
        account_id,
        currency,
    )
    [decision] = decide(order(account_id, stock, "10"))
    assert decision.approved
    check = next(check for check in decision.checks if check.rule == "buying_power")
    assert (check.value, check.limit) == (Decimal(1500), Decimal(1500))


def test_when_prices_cannot_be_read_nobody_decides(monkeypatch):
    account_id, stock = new_account(), new_instrument("100")

    class Dead:
        def mget(self, keys):
            raise ConnectionError("gone")

    monkeypatch.setattr(marketdata_selectors, "_redis", Dead)
    with pytest.raises(Unavailable):
        decide(order(account_id, stock))
    with pytest.raises(Unavailable):
        orders_preview(intents=[order(account_id, stock)], at=clock.now())


def test_a_removed_live_price_shows_its_age_to_who_asks():
    account_id, stock = new_account(), new_instrument("100")
    set_close(stock, "100", age=30)
    no_live_price(stock)
    [decision] = decide(order(account_id, stock))
    assert 30 <= decision.reasons[0].facts["age"] < 60


def test_a_preview_says_what_the_order_would_cost_and_leave_and_writes_nothing():
    account_id, stock = new_account("10000"), new_instrument("100")
    set_live(stock, "100", bid="99", ask="101")
    limit_row("concentration", "1", account_id)
    hold(account_id, stock, "2")
    intent = order(account_id, stock, "5", None)
    [preview] = orders_preview(intents=[intent], at=clock.now())
    assert preview.approved
    assert (preview.notional, preview.worst_price, preview.slippage) == (Decimal(550), Decimal(110), Decimal(5))
    assert (preview.buying_power, preview.buying_power_after) == (Decimal(10000), Decimal(9450))
    assert (preview.position, preview.position_after) == (Decimal(2), Decimal(7))
    assert next(check for check in preview.checks if check.rule == "buying_power").percent == "5.5"
    assert decision_of(intent.order_id) is None
    assert not OrderCount.objects.filter(account_id=account_id).exists()


def test_a_preview_of_a_resting_order_has_no_slippage_and_of_an_unknown_account_raises():
    account_id, stock = new_account(), new_instrument("100")
    assert orders_preview(intents=[order(account_id, stock, "1", "90")], at=clock.now())[0].slippage == 0
    with pytest.raises(NotFound):
        orders_preview(intents=[order(uuid7(), stock)], at=clock.now())
