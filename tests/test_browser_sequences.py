"""`/ws`: every delta names the one it builds upon, and what many tabs show of an account is read and written once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest
import redis.asyncio as redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError
from websockets.asyncio.client import ClientConnection

from audit.selectors import account_sequence_last, events_of_account
from marketdata.domain import channels
from marketdata.domain.types import CandleMessage
from marketdata.hub import get_hub
from marketdata.tests.frames import Made
from marketdata.tests.readers import symbol
from marketdata.tests.support import price
from orders.broadcasts import accounts_publish
from orders.consumers import snapshot as snapshot_module
from orders.tests.desk import Desk
from tests.test_browser_socket import SECONDS, ask, heard, join, session_of
from trading_portal.kernel import clock

TABS = 10


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def publish() -> AsyncIterator[Callable[..., Any]]:
    connection = redis.Redis.from_url(settings.REDIS_URL)

    async def send(channel: str, message: object) -> None:
        await connection.publish(channel, msgspec.json.encode(message))

    yield send
    await connection.aclose()


def candle(name: str, minute: int, close: int) -> CandleMessage:
    return CandleMessage(name, "1m", 60 * minute, *[Decimal(1)] * 3, Decimal(close), Decimal(5))


async def test_books_and_candles_go_on_from_their_snapshots_in_sequence(live: str, desk: Desk, publish: Any) -> None:
    one, other = symbol(), symbol()
    told: dict[str, list[dict[str, Any]]] = {"depth": [], "candles": []}
    async with join(live, await sync_to_async(session_of)(desk.account)) as socket:
        await ask(socket, op="subscribe", id=1, ch="depth", sym=one)
        await ask(socket, op="subscribe", id=2, ch="candles", sym=one, interval="1m")
        for channel, frames in told.items():
            frames.append(await heard(socket, type="snapshot", ch=channel, sym=one))
        for turn in range(1, 12):
            await publish(channels.PRICES, [price(other)])
            await publish(channels.PRICES, [price(one, bids=[(Decimal(99), Decimal(turn))], asks=[])])
            await publish(channels.CANDLES, [candle(one, 1 + turn // 6, turn), candle(other, 9, turn)])
            await asyncio.sleep(0.1)
        async with asyncio.timeout(SECONDS):
            while told["depth"][-1]["bids"] != [["99", "11"]] or told["candles"][-1].get("candle", {}).get("c") != "11":
                frame = msgspec.json.decode(await socket.recv())
                told.get(frame.get("ch"), []).append(frame)
    for channel, frames in told.items():
        assert 2 < len(frames) < 12
        assert all(later["prev"] == earlier["seq"] < later["seq"] for earlier, later in pairwise(frames)), channel


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


class Reading:
    """Read snapshots, the first of them not before `proceed`; count them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.begun, self.proceed = threading.Event(), threading.Event()
        self._read = snapshot_module.account_snapshot
        monkeypatch.setattr(snapshot_module, "account_snapshot", self.read)

    def read(self, account_id: UUID, at: datetime) -> Any:
        self.times += 1
        self.begun.set()
        assert self.proceed.wait(SECONDS)
        return self._read(account_id, at)


async def follow(socket: ClientConnection, account_id: UUID) -> None:
    await ask(socket, op="subscribe", id=1, ch="account", account_id=str(account_id))


async def test_ten_tabs_of_an_account_cost_one_frame_an_event_and_share_their_snapshots(
    live: str, desk: Desk, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(monkeypatch)
    session = await sync_to_async(session_of)(desk.account)
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(join(live, session)) for _ in range(TABS)]
        await follow(tabs[0], desk.account)
        await asyncio.to_thread(reading.begun.wait, SECONDS)
        for tab in tabs[1:]:
            await follow(tab, desk.account)
        await asyncio.sleep(0.5)
        reading.proceed.set()
        snapshots = [await heard(tab, type="snapshot", ch="account") for tab in tabs]
        assert {snapshot["seq"] for snapshot in snapshots} == {snapshots[0]["seq"]}
        # The first tab's, one for those that waited for it, and one for who asked when that had just begun.
        assert reading.times == made.count("snapshot", "account", of=str(desk.account)) <= 3

        before = await sync_to_async(account_sequence_last)(desk.account)
        for _ in range(3):
            await sync_to_async(desk.accepted)()
        events = await sync_to_async(events_of_account)(desk.account, before, 100)
        await sync_to_async(accounts_publish)(events, at=clock.now())
        deltas = [await heard(tab, type="delta", ch="account") for tab in tabs]
        assert deltas == [deltas[0]] * TABS
        assert deltas[0]["prev"] == before
        assert made.count("delta", "account", of=str(desk.account)) == 1


async def test_who_asks_while_a_snapshot_is_read_gets_what_was_committed_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(monkeypatch)
    early = asyncio.create_task(snapshot_module.snapshot_shared(get_hub(), desk.account))
    await asyncio.to_thread(reading.begun.wait, SECONDS)
    order_id = await asyncio.to_thread(desk.accepted)
    late = [asyncio.create_task(snapshot_module.snapshot_shared(get_hub(), desk.account)) for _ in range(2)]
    await asyncio.sleep(0)
    reading.proceed.set()
    await early
    (sequence, frame), again = await asyncio.gather(*late)
    assert again == (sequence, frame)
    snapshot = msgspec.json.decode(frame.data)
    assert [order["id"] for order in snapshot["orders"]] == [str(order_id)]
    assert sequence == snapshot["seq"] == await sync_to_async(account_sequence_last)(desk.account)
    assert reading.times == 2


async def test_a_snapshot_that_could_not_be_read_is_read_again_for_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(begin: Callable[[], Any]) -> Callable[[], Any]:
        async def fail() -> Any:
            raise OperationalError("away")

        return fail

    with monkeypatch.context() as away:
        away.setattr(snapshot_module, "database_sync_to_async", no_thread)
        for _ in range(2):
            with pytest.raises(OperationalError):
                await snapshot_module.snapshot_shared(get_hub(), desk.account)
    sequence, _ = await snapshot_module.snapshot_shared(get_hub(), desk.account)
    assert sequence == await sync_to_async(account_sequence_last)(desk.account)
