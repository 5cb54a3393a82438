"""The SDK's clients, the orders they place, and its stream in a thread."""

import asyncio
import contextlib
import threading
import time
from itertools import count

import msgspec
import redis
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    OrderSide,
    TimeInForce,
)
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
)
from alpaca.trading.stream import TradingStream
from django.conf import settings

from marketdata.domain.channels import PRICES, quote_key
from orders.tests.paper import price

quantities = count(1)


@contextlib.contextmanager
def showing(symbol):
    """Show a market of 100.00 to 100.02, deep enough, for as long as the block runs."""
    stopping = threading.Event()

    def show():
        client = redis.Redis.from_url(settings.REDIS_URL)
        while not stopping.is_set():
            update = price(symbol, bids=[("100", "100000")], asks=[("100.02", "100000")])
            client.set(quote_key(symbol), msgspec.json.encode(update), ex=5)
            client.publish(PRICES, msgspec.json.encode([update]))
            stopping.wait(0.25)
        client.close()

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield symbol
    finally:
        stopping.set()
        thread.join()


def sdk(live, caller):
    return TradingClient(caller.key_id, caller.secret, url_override=f"http://{live}")


def limit(symbol, **changes):
    given = {"qty": next(quantities), "limit_price": 99.5, "side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    return LimitOrderRequest(symbol=symbol, **{**given, **changes})


def market_order(symbol, **changes):
    given = {"qty": next(quantities), "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    return MarketOrderRequest(symbol=symbol, **{**given, **changes})


def until(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


class Following:
    """The SDK's own stream, in a thread, and what it heard."""

    def __init__(self, live, caller):
        self.updates = []
        self.stream = TradingStream(caller.key_id, caller.secret, url_override=f"ws://{live}/stream")
        self.stream.subscribe_trade_updates(self._take)
        self._is_listening = threading.Event()
        self._dispatch, self.stream._dispatch = self.stream._dispatch, self._look_at

    async def _look_at(self, message):
        if message.get("stream") == "listening":
            self._is_listening.set()
        await self._dispatch(message)

    async def _take(self, update):
        self.updates.append(update)

    @property
    def events(self):
        return [update.event for update in self.updates]

    def __enter__(self):
        self.thread = threading.Thread(target=self.stream.run, daemon=True)
        self.thread.start()
        assert self._is_listening.wait(15)
        return self

    def __exit__(self, *error):
        self.stream.stop()
        # The SDK itself looks up from its socket every five seconds.
        asyncio.run_coroutine_threadsafe(self.stream._ws.close(), self.stream._loop)
        self.thread.join(15)
        assert not self.thread.is_alive()
