"""The unmodified alpaca-py SDK trades in a whole portal: its own server, processes and feed."""

import threading
import time
from decimal import Decimal
from itertools import count

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

# Risk takes the same order twice within ten seconds for a slip.
thousandths = count(13)


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def test_an_order_goes_from_the_sdk_to_the_position_and_every_step_is_streamed(either_portal):
    key_id, secret = either_portal["api"]["key_id"], either_portal["api"]["secret_key"]
    client = TradingClient(key_id, secret, url_override=either_portal["url"])
    stream = TradingStream(key_id, secret, url_override=either_portal["url"].replace("http", "ws") + "/stream")
    heard = []

    async def take(update):
        heard.append(update)

    stream.subscribe_trade_updates(take)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    until(lambda: stream._running)
    time.sleep(1)

    def steps(order_id):
        return [update.event for update in heard if update.order.id == order_id]

    bought_quantity, resting_quantity = (Decimal(next(thousandths)) / 1000 for _ in range(2))
    before = {position.symbol: Decimal(position.qty) for position in client.get_all_positions()}
    cash = Decimal(client.get_account().cash)
    ticket = MarketOrderRequest(
        symbol="ETH/USD", qty=float(bought_quantity), side=OrderSide.BUY, time_in_force=TimeInForce.GTC
    )
    bought = client.submit_order(ticket)
    until(lambda: "fill" in steps(bought.id))
    assert steps(bought.id)[0] == "accepted"
    filled = client.get_order_by_id(bought.id)
    assert (filled.status, filled.filled_qty) == (OrderStatus.FILLED, str(bought_quantity))
    position = client.get_open_position("ETHUSD")
    assert Decimal(position.qty) == before.get("ETH/USD", Decimal(0)) + bought_quantity
    assert Decimal(client.get_account().cash) < cash

    far = Decimal(position.current_price).quantize(Decimal(1)) * Decimal("0.95")
    resting = client.submit_order(
        LimitOrderRequest(
            symbol="ETH/USD",
            qty=float(resting_quantity),
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=float(far.quantize(Decimal(1))),
        )
    )
    until(lambda: "new" in steps(resting.id))
    assert resting.id in {order.id for order in client.get_orders()}
    client.cancel_order_by_id(resting.id)
    until(lambda: "canceled" in steps(resting.id))
    with pytest.raises(APIError) as refused:
        client.submit_order(
            MarketOrderRequest(symbol="BTC/USD", qty=9_000, side=OrderSide.BUY, time_in_force=TimeInForce.GTC)
        )
    assert (refused.value.status_code, refused.value.code) == (403, 40310000)
    stream.stop()
    thread.join(15)
