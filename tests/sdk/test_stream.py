"""The unmodified alpaca-py SDK hears every step of its orders, and nobody else hears of them."""

import asyncio
import contextlib
import time

import msgspec
import pytest
import redis
import websockets
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import (
    OrderSide,
    OrderStatus,
)
from alpaca.trading.models import TradeUpdate
from django.conf import settings

from accounts.services import api_key_revoke
from orders.api.stream import TradeStream
from orders.tests.api import new_caller
from positions.tests.helpers import BY
from tests.sdk.helpers import Following, limit, market_order, sdk, until
from trading_portal.kernel import clock


def test_the_stream_tells_every_step_of_an_order(live, market, caller):
    client = sdk(live, caller)
    with Following(live, caller) as following:
        bought = client.submit_order(market_order(market, qty=4))
        until(lambda: "fill" in following.events)
        resting = client.submit_order(limit(market))
        until(lambda: following.events.count("new") == 2)
        client.cancel_order_by_id(resting.id)
        until(lambda: "canceled" in following.events)
        with pytest.raises(APIError):
            client.submit_order(market_order(market, side=OrderSide.SELL, qty=20_001))
        until(lambda: "rejected" in following.events)
    first = [update.event for update in following.updates if update.order.id == bought.id]
    assert first[0] == "accepted"
    assert [event for event in first if event != "partial_fill"] == ["accepted", "pending_new", "new", "fill"]
    second = [update.event for update in following.updates if update.order.id == resting.id]
    assert second == ["accepted", "pending_new", "new", "pending_cancel", "canceled"]
    fill = next(update for update in following.updates if update.event == "fill")
    assert (fill.order.status, fill.order.filled_qty, fill.price) == (OrderStatus.FILLED, "4", 100.02)
    assert fill.position_qty == 4.0
    assert fill.execution_id is not None


async def _deaf_to_loss(self, message):
    """Hear what is published, and never ask the log what was lost."""
    if message is not None:
        await self._tell(message["events"], {order["id"]: order for order in message["orders"]})


@pytest.mark.parametrize("reads_the_log", [False, True])
def test_the_stream_has_no_gap_and_no_double_through_the_loss_of_redis(
    live, market, caller, monkeypatch, reads_the_log
):
    if not reads_the_log:
        monkeypatch.setattr(TradeStream, "_heard", _deaf_to_loss)
    client = sdk(live, caller)
    placed = []
    with Following(live, caller) as following:
        for number in range(30):
            placed.append(client.submit_order(limit(market, qty=number + 1)).id)
            if number % 5 == 2:
                connection = redis.Redis.from_url(settings.REDIS_URL)
                connection.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                connection.close()
        until(lambda: following.events.count("new") >= (30 if reads_the_log else 0), seconds=30)
        time.sleep(2)
        told = [(update.order.id, update.event) for update in following.updates]
    expected = [(order_id, event) for order_id in placed for event in ("accepted", "pending_new", "new")]
    assert len(told) == len(set(told))
    assert (set(expected) <= set(told)) is reads_the_log
    for order_id in placed if reads_the_log else ():
        assert [event for told_id, event in told if told_id == order_id] == ["accepted", "pending_new", "new"]


def test_nobody_hears_of_another_accounts_orders(live, market, caller):
    other = new_caller()
    with Following(live, other) as following:
        sdk(live, caller).submit_order(limit(market))
        mine = sdk(live, other).submit_order(limit(market))
        until(lambda: "new" in following.events)
    assert {update.order.id for update in following.updates} == {mine.id}


async def _raw(live, *frames, count=1, headers=None):
    """Send frames by hand; return what is answered, then the close code if it is closed."""
    answers = []
    async with websockets.connect(f"ws://{live}/stream", additional_headers=headers or {}) as socket:
        for frame in frames:
            await socket.send(frame)
        with contextlib.suppress(TimeoutError):
            try:
                while True:
                    answers.append(await asyncio.wait_for(socket.recv(), 0.5 if len(answers) >= count else 10))
            except websockets.ConnectionClosed as closed:
                answers.append(closed.rcvd.code if closed.rcvd else None)
    return answers


def raw(live, *frames, **options):
    return asyncio.run(
        _raw(live, *(f if isinstance(f, bytes | str) else msgspec.json.encode(f) for f in frames), **options)
    )


@contextlib.asynccontextmanager
async def listening(live, caller):
    """Open a stream by hand, on which both welcomes are read already."""
    async with websockets.connect(f"ws://{live}/stream") as socket:
        await socket.send(msgspec.json.encode(authenticate(caller)))
        await socket.send(msgspec.json.encode(LISTEN))
        for _ in range(2):
            await socket.recv()
        yield socket


def authenticate(caller, **changes):
    data = {"key_id": caller.key_id, "secret_key": caller.secret, **changes}
    return {"action": "authenticate", "data": data}


LISTEN = {"action": "listen", "data": {"streams": ["trade_updates", "account_updates"]}}


def test_the_handshake_is_alpacas_in_json_and_in_msgpack(live, caller):
    authorized = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
    listening = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    answers = raw(live, authenticate(caller), LISTEN, count=2)
    assert all(isinstance(answer, bytes) for answer in answers)
    assert [msgspec.json.decode(answer) for answer in answers] == [authorized, listening]
    packed = [msgspec.msgpack.encode(frame) for frame in (authenticate(caller), LISTEN)]
    assert [msgspec.msgpack.decode(answer) for answer in raw(live, *packed, count=2)] == [authorized, listening]
    headers = {"Content-Type": "application/msgpack"}
    (answer,) = raw(live, authenticate(caller), headers=headers)
    assert msgspec.msgpack.decode(answer) == authorized


def test_the_stream_lets_nobody_in_who_may_not_read(live, caller):
    unauthorized = {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
    blind = new_caller(account_id=caller.account_id, scopes=["x:y"])
    elsewhere = new_caller(account_id=caller.account_id, allowed_networks=["10.0.0.0/8"])
    for frame in (authenticate(caller, secret_key="wrong"), authenticate(blind), authenticate(elsewhere)):
        first, code = raw(live, frame, count=2)
        assert (msgspec.json.decode(first), code) == (unauthorized, 4401)
    (answer,) = raw(live, LISTEN)
    assert msgspec.json.decode(answer)["data"]["status"] == "unauthorized"
    for malformed in ("{", "[]", b"\xc1", "x" * 70_000):
        assert raw(live, malformed) == [4400]


def test_a_revoked_key_is_cut_off(live, caller):
    """The account's own event tells the connection at once; nothing is sent to it any more."""

    async def cut_off():
        async with listening(live, caller) as socket:
            await asyncio.to_thread(api_key_revoke, key_id=caller.key_id, by=BY, at=clock.now())
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 10)
            return closed.value.rcvd.code

    assert asyncio.run(cut_off()) == 4401


def test_an_update_parses_whatever_its_event(live, market, caller):
    """alpaca-py casts each frame itself; here the raw frame is checked against its model, field by field."""

    async def first_update():
        async with listening(live, caller) as socket:
            await asyncio.to_thread(sdk(live, caller).submit_order, limit(market))
            return msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10))

    frame = asyncio.run(first_update())
    assert frame["stream"] == "trade_updates"
    assert TradeUpdate(**frame["data"]).event == "accepted"
