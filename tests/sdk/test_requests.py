"""The unmodified alpaca-py SDK works: orders, account, positions, assets, clock, calendar and errors."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    OrderClass,
    OrderSide,
    OrderStatus,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from accounts.services import account_configure
from marketdata.models import Instrument
from positions.tests.helpers import BY, new_instrument
from tests.sdk.helpers import Following, limit, market_order, quantities, sdk, until
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

BUY = {"side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}


@pytest.mark.parametrize(
    ("request_class", "asked"),
    [
        (StopOrderRequest, {"stop_price": 110}),
        (StopLimitOrderRequest, {"stop_price": 110, "limit_price": 111.5}),
        (TrailingStopOrderRequest, {"trail_percent": 2.5}),
        (TrailingStopOrderRequest, {"trail_price": 1.25}),
        (LimitOrderRequest, {"limit_price": 99, "extended_hours": True}),
        (LimitOrderRequest, {"limit_price": 99, "time_in_force": TimeInForce.OPG}),
        (MarketOrderRequest, {"time_in_force": TimeInForce.CLS}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "+".join(value),
)
def test_every_request_class_is_taken_and_shown_back(live, market, share, caller, request_class, asked):
    client = sdk(live, caller)
    symbol = share if {"extended_hours", "time_in_force"} & asked.keys() else market
    placed = client.submit_order(request_class(symbol=symbol, qty=next(quantities), **{**BUY, **asked}))
    shown = client.get_order_by_id(placed.id)
    assert (shown.id, shown.client_order_id, shown.qty) == (placed.id, placed.client_order_id, placed.qty)
    for name, value in asked.items():
        told = getattr(shown, name)
        assert (told if isinstance(value, bool | TimeInForce) else float(told)) == value
    assert placed.type.value == request_class(symbol="X", qty=1, **{**BUY, **asked}).type.value
    client.cancel_order_by_id(placed.id)


def test_an_amount_is_taken_and_its_quantity_shown(live, market, caller):
    Instrument.objects.filter(symbol=market).update(is_fractionable=True)
    client = sdk(live, caller)
    given = {"notional": 250.5, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    placed = client.submit_order(MarketOrderRequest(symbol=market, **given))
    assert (Decimal(placed.notional), Decimal(placed.qty)) == (Decimal("250.5"), Decimal("2.504499100"))
    until(lambda: client.get_order_by_id(placed.id).status is OrderStatus.FILLED)
    position = client.get_open_position(market)
    assert Decimal(position.qty) == Decimal("2.504499100")
    client.close_position(market)
    until(lambda: not client.get_all_positions())


def test_what_is_sold_short_is_shown_as_short_and_bought_back(live, market, caller):
    Instrument.objects.filter(symbol=market).update(is_shortable=True)
    client = sdk(live, caller)
    with pytest.raises(APIError) as refused:
        client.submit_order(market_order(market, qty=3, side=OrderSide.SELL))
    assert refused.value.status_code == 403
    account_configure(account_id=caller.account_id, may_short=True, by=BY, at=clock.now())
    assert client.set_account_configurations(client.get_account_configurations()).no_shorting is False
    assert client.get_account().shorting_enabled
    sold = client.submit_order(market_order(market, qty=3, side=OrderSide.SELL))
    until(lambda: client.get_order_by_id(sold.id).status is OrderStatus.FILLED)
    position = client.get_open_position(market)
    assert (position.side, position.qty, position.market_value) == (PositionSide.SHORT, "-3", "-300.06")
    account = client.get_account()
    assert Decimal(account.initial_margin) == Decimal("450.09")
    assert Decimal(account.buying_power) == Decimal(account.cash) - Decimal("450.09")
    client.close_position(market)
    until(lambda: not client.get_all_positions())


def test_orders_are_placed_filled_listed_and_cancelled(live, market, caller):
    client = sdk(live, caller)
    bought = client.submit_order(market_order(market, qty=3, client_order_id="buy-3"))
    assert (bought.status, bought.side, bought.qty) == (OrderStatus.ACCEPTED, OrderSide.BUY, "3")
    filled = until(lambda: (o := client.get_order_by_id(bought.id)).status is OrderStatus.FILLED and o)
    assert (filled.filled_qty, filled.filled_avg_price) == ("3", "100.02")
    assert client.get_order_by_client_id("buy-3") == filled

    resting = client.submit_order(limit(market))
    until(lambda: client.get_order_by_id(resting.id).status is OrderStatus.NEW)
    assert [order.id for order in client.get_orders()] == [resting.id]
    everything = GetOrdersRequest(
        status=QueryOrderStatus.ALL,
        direction=Sort.ASC,
        symbols=[market],
        after=datetime.now(UTC) - timedelta(hours=1),
        limit=10,
        nested=True,
        side=OrderSide.BUY,
    )
    assert [order.id for order in client.get_orders(everything)] == [bought.id, resting.id]
    client.cancel_order_by_id(resting.id)
    until(lambda: client.get_order_by_id(resting.id).status is OrderStatus.CANCELED)

    ids = {client.submit_order(limit(market)).id for _ in range(2)}
    answers = client.cancel_orders()
    assert ({answer.id for answer in answers}, {answer.status for answer in answers}) == (ids, {200})
    until(lambda: client.get_orders() == [])


def test_an_order_is_replaced_and_found_by_every_id_it_had(live, market, caller):
    client = sdk(live, caller)
    with Following(live, caller) as following:
        placed = client.submit_order(limit(market, qty=10))
        until(lambda: client.get_order_by_id(placed.id).status is OrderStatus.NEW)
        terms = ReplaceOrderRequest(qty=12, limit_price=99.25, client_order_id="replaced-1")
        asked = client.replace_order_by_id(placed.id, terms)
        assert (asked.replaces, asked.qty, asked.limit_price) == (placed.id, "12", "99.25")
        working = until(lambda: (o := client.get_order_by_id(asked.id)).status is OrderStatus.NEW and o)
        assert (working.client_order_id, working.replaces) == ("replaced-1", placed.id)
        old = client.get_order_by_id(placed.id)
        assert (old.status, old.replaced_by, old.qty) == (OrderStatus.REPLACED, asked.id, "10")
        assert client.get_order_by_client_id("replaced-1") == working
        assert [order.id for order in client.get_orders()] == [asked.id]
        with pytest.raises(APIError) as refused:
            client.replace_order_by_id(asked.id, ReplaceOrderRequest(qty=10_000_000))
        assert (refused.value.status_code, refused.value.code) == (403, 40310000)
        client.cancel_order_by_id(asked.id)
        until(lambda: "canceled" in following.events)
    told = [(update.event, update.order.id) for update in following.updates]
    assert ("pending_replace", placed.id) in told
    assert told[told.index(("replaced", placed.id)) :] == [
        ("replaced", placed.id), ("pending_cancel", asked.id), ("canceled", asked.id),
    ]  # fmt: skip
    assert next(u for u in following.updates if u.event == "replaced").order.replaced_by == asked.id


def test_account_and_positions_follow_the_fills(live, market, caller):
    client = sdk(live, caller)
    before = client.get_account()
    assert (before.status.value, before.currency, before.cash) == ("ACTIVE", "USD", "1000000")
    client.submit_order(market_order(market, qty=10))
    position = until(lambda: next(iter(client.get_all_positions()), None))
    assert (position.symbol, position.qty, position.avg_entry_price) == (market, "10", "100.02")
    assert (position.side.value, Decimal(position.cost_basis)) == ("long", Decimal("1000.2"))
    assert client.get_open_position(market).asset_id == position.asset_id
    assert client.get_open_position(position.asset_id).symbol == market
    account = client.get_account()
    assert Decimal(account.cash) == Decimal(1_000_000) - Decimal("1000.2")
    assert Decimal(account.equity) == Decimal(account.cash) + Decimal(position.market_value)
    with pytest.raises(APIError) as missing:
        client.get_open_position("NOSUCH")
    assert (missing.value.status_code, missing.value.code) == (404, 40410000)


def bracket(market, **changes):
    given = {"take_profit": TakeProfitRequest(limit_price=110), "stop_loss": StopLossRequest(stop_price=90)}
    return market_order(market, order_class=OrderClass.BRACKET, **given | changes)


def legs_of(client, order_id):
    legs = client.get_order_by_id(order_id, GetOrderByIdRequest(nested=True)).legs or []
    return [leg.status for leg in legs]


def test_a_brackets_exits_wait_work_and_end_each_other(live, market, caller):
    client = sdk(live, caller)
    held = client.submit_order(limit(market, limit_price=50, order_class=OrderClass.OTO, stop_loss={"stop_price": 40}))
    assert (held.order_class, [leg.status for leg in held.legs]) == (OrderClass.OTO, [OrderStatus.HELD])
    with Following(live, caller) as following:
        entry = client.submit_order(bracket(market))
        assert [leg.status for leg in entry.legs] == [OrderStatus.HELD, OrderStatus.HELD]
        until(lambda: legs_of(client, entry.id) == [OrderStatus.NEW, OrderStatus.NEW])
        until(lambda: following.events.count("new") >= 3)
        assert following.events.count("held") == 2
    nested = client.get_orders(GetOrdersRequest(nested=True))
    assert {order.id: len(order.legs) for order in nested} == {held.id: 1, entry.id: 2}
    assert {order.id for order in client.get_orders()} == {held.id, held.legs[0].id, *(leg.id for leg in entry.legs)}
    client.cancel_order_by_id(entry.legs[0].id)
    until(lambda: legs_of(client, entry.id) == [OrderStatus.CANCELED, OrderStatus.CANCELED])
    quick = client.submit_order(bracket(market, take_profit=TakeProfitRequest(limit_price=99)))
    until(lambda: legs_of(client, quick.id) == [OrderStatus.FILLED, OrderStatus.CANCELED])


def test_positions_are_closed_one_by_one_and_all_at_once(live, market, caller):
    client = sdk(live, caller)
    client.submit_order(market_order(market, qty=10))
    until(lambda: client.get_all_positions())
    part = client.close_position(market, ClosePositionRequest(percentage="40"))
    assert (part.side, part.qty, part.order_type.value) == (OrderSide.SELL, "4", "market")
    until(lambda: client.get_open_position(market).qty == "6")
    client.submit_order(limit(market, side=OrderSide.SELL, qty=5, limit_price=120))
    (refused,) = client.close_all_positions()
    assert (refused.status, refused.body.held_for_orders, refused.body.available) == (403, 5, 1)
    (closed,) = client.close_all_positions(cancel_orders=True)
    assert (closed.status, closed.symbol, closed.body.qty) == (200, market, "6")
    until(lambda: client.get_all_positions() == [])
    with pytest.raises(APIError) as missing:
        client.close_position(market)
    assert (missing.value.status_code, missing.value.code) == (404, 40410000)


def test_every_refusal_is_a_proper_api_error(live, market, caller):
    client = sdk(live, caller)
    with pytest.raises(APIError) as refused:
        client.submit_order(market_order(market, side=OrderSide.SELL, qty=20_001))
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    assert "short" in refused.value.message.lower()
    with pytest.raises(APIError) as unknown:
        client.submit_order(market_order("NOSUCH"))
    assert (unknown.value.status_code, unknown.value.code) == (422, 42210000)
    with pytest.raises(APIError) as missing:
        client.cancel_order_by_id(uuid7())
    assert (missing.value.status_code, missing.value.code) == (404, 40410000)
    client.submit_order(limit(market, client_order_id="once"))
    with pytest.raises(APIError) as twice:
        client.submit_order(limit(market, client_order_id="once"))
    assert (twice.value.status_code, twice.value.code) == (422, 40010001)
    stranger = TradingClient(caller.key_id, "wrong", url_override=f"http://{live}")
    with pytest.raises(APIError) as unauthorized:
        stranger.get_account()
    assert (unauthorized.value.status_code, unauthorized.value.code) == (401, 40110000)


def test_assets_clock_and_calendar_parse(live, market, caller):
    client = sdk(live, caller)
    crypto = new_instrument(f"X{uuid7().hex[-6:].upper()}/USD")
    assets = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    assert market in {asset.symbol for asset in assets}
    for name in (crypto.symbol, crypto.symbol.replace("/", ""), crypto.symbol.replace("/", "%2F"), str(crypto.id)):
        assert client.get_asset(name).id == crypto.id
    with pytest.raises(APIError) as missing:
        client.get_asset("NOSUCH")
    assert missing.value.code == 40410000
    now = client.get_clock()
    assert abs((now.timestamp - datetime.now(UTC)).total_seconds()) < 5
    assert now.next_close > now.timestamp
    days = client.get_calendar(GetCalendarRequest(start=date(2026, 1, 5), end=date(2026, 1, 9)))
    assert [day.date.day for day in days] == [5, 6, 7, 8, 9]
    assert all(day.open < day.close for day in days)
    assert client.get_calendar()
