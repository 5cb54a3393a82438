"""The hub, over a real Redis: snapshots, deltas, conflation, and a Redis that is lost or away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import redis.asyncio as redis
from django.conf import settings as django_settings

from marketdata.domain import channels
from marketdata.domain.types import CandleMessage, PriceUpdate
from marketdata.hub import Hub
from marketdata.hub import hub as hub_module
from marketdata.tests.readers import Reader, eventually, follow, symbol
from marketdata.tests.support import price
from trading_portal.kernel.ids import uuid7


async def test_quotes_begin_with_a_snapshot_and_go_on_with_deltas_in_sequence(hub: Hub, publish: Any) -> None:
    one, two, other = symbol(), symbol(), symbol()
    reader = Reader(hub)
    await hub.connected()
    await publish(channels.PRICES, [price(one, "100"), price(other, "1")])
    await eventually(lambda: one in hub.board.prices)
    reader.client.subscribe_quotes([one, two], rate=10, reply_to=7)
    snapshot = (await eventually(lambda: reader.of("quotes", "snapshot")))[0]
    assert reader.ops("ack")[0] == {
        "op": "ack", "id": 7, "ch": "quotes", "epoch": hub.epoch, "seq": snapshot["seq"], "mode": "snapshot",
    }  # fmt: skip
    assert snapshot["quotes"].keys() == {one}
    for last in ("101", "102"):
        await publish(channels.PRICES, [price(two, last), price(other, "2")])
        await eventually(lambda last=last: reader.last(two) == last)
    deltas = reader.of("quotes")
    assert [delta["quotes"].keys() for delta in deltas] == [{two}, {two}]
    assert [delta["prev"] for delta in deltas] == [snapshot["seq"], deltas[0]["seq"]]


async def test_a_quote_shows_its_change_since_the_previous_close(hub: Hub, publish: Any) -> None:
    one = symbol()
    reader = Reader(hub)
    await hub.connected()
    reader.client.subscribe_quotes([one], rate=10)
    await publish(channels.PRICES, [price(one, "100", previous_close=Decimal(80), is_synthetic=True)])
    delta = (await eventually(lambda: reader.of("quotes")))[0]["quotes"][one]
    assert (delta["last"], delta["change"], delta["change_percent"]) == ("100", "20", "25.00")
    assert (delta["bid"], delta["ask"], delta["bid_size"], delta["synthetic"]) == ("99", "101", "5", True)


async def test_prices_conflate_to_the_latest_at_the_rate_asked_for(hub: Hub, publish: Any) -> None:
    one = symbol()
    fast, slow = Reader(hub), Reader(hub)
    await hub.connected()
    fast.client.subscribe_quotes([one], rate=100)
    slow.client.subscribe_quotes([one], rate=2)
    for number in range(100):
        await publish(channels.PRICES, [price(one, str(100 + number))])
        await asyncio.sleep(0.02)
    await eventually(lambda: slow.last(one) == "199")
    assert 10 <= len(fast.of("quotes")) <= 25 + 5
    assert 3 <= len(slow.of("quotes")) <= 7


async def test_readers_with_the_same_question_get_the_same_text_made_once(hub: Hub, publish: Any) -> None:
    names = [symbol() for _ in range(3)]
    readers = [Reader(hub) for _ in range(20)]
    await hub.connected()
    for reader in readers:
        reader.client.subscribe_quotes(list(reversed(names)), rate=5)
    await publish(channels.PRICES, [price(name) for name in names])
    await eventually(lambda: all(reader.of("quotes") for reader in readers))
    # Among other frames: a heartbeat may come in between.
    texts = [text for reader in readers for text in reader.texts if '"type":"delta","ch":"quotes"' in text]
    assert len(texts) == len(readers)
    assert len({id(text) for text in texts}) == 1


async def test_depth_follows_one_book(hub: Hub, publish: Any) -> None:
    one = symbol()
    levels = {"bids": [(Decimal("99.5"), Decimal(3))], "asks": [(Decimal(101), Decimal(2))]}
    reader = Reader(hub)
    await hub.connected()
    await publish(channels.PRICES, [price(one, **levels)])
    await eventually(lambda: one in hub.board.prices)
    reader.client.subscribe_depth(one, reply_to=1)
    snapshot = (await eventually(lambda: reader.of("depth", "snapshot")))[0]
    assert (snapshot["sym"], snapshot["bids"], snapshot["asks"]) == (one, [["99.5", "3"]], [["101", "2"]])
    await publish(channels.PRICES, [price(one, **levels | {"asks": []})])
    assert (await eventually(lambda: reader.of("depth")))[0]["asks"] == []
    reader.client.unsubscribe("depth")
    await publish(channels.PRICES, [price(one, **levels)])
    await asyncio.sleep(0.5)
    assert len(reader.of("depth")) == 1


async def test_the_last_state_of_a_candle_is_not_lost_when_the_next_one_begins(hub: Hub, publish: Any) -> None:
    one = symbol()

    def candle(t: int, close: str) -> CandleMessage:
        return CandleMessage(one, "1m", t, *[Decimal(1)] * 3, Decimal(close), Decimal(5))

    reader = Reader(hub)
    await hub.connected()
    reader.client.subscribe_candles(one, "1m", reply_to=1)
    reader.gate.clear()
    await publish(channels.CANDLES, [candle(60, "1")])
    await publish(channels.CANDLES, [candle(60, "2"), candle(120, "3")])
    await publish(channels.CANDLES, [candle(120, "4")])
    await asyncio.sleep(0.3)
    reader.gate.set()
    await eventually(lambda: len(reader.of("candles")) >= 2 and reader.of("candles")[-1]["candle"]["c"] == "4")
    final = {delta["candle"]["t"]: delta["candle"]["c"] for delta in reader.of("candles")}
    assert final == {60: "2", 120: "4"}
    assert reader.of("candles")[0]["candle"]["v"] == "5"


async def test_an_unreadable_message_is_passed_over(hub: Hub, publish: Any) -> None:
    one = symbol()
    reader, account = Reader(hub), str(uuid7())
    reader.client.subscribe_account(account)
    await hub.connected()
    reader.client.subscribe_quotes([one], rate=10)
    for nonsense in ({"x": 1}, [{"symbol": 5}], "text"):
        for channel in (channels.PRICES, channels.CANDLES, channels.account_channel(account)):
            await publish(channel, nonsense)
    await publish(channels.PRICES, [price(one)])
    await eventually(lambda: reader.of("quotes"))


async def _kill_subscribers() -> None:
    admin = redis.Redis.from_url(django_settings.REDIS_URL)
    await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await admin.aclose()


async def test_when_redis_was_lost_every_reader_starts_over_under_a_new_epoch(hub: Hub, publish: Any) -> None:
    one, account = symbol(), str(uuid7())
    reader = await follow(hub, account, 0)
    reader.client.subscribe_quotes([one], rate=10)
    before = hub.epoch
    await eventually(lambda: reader.of("quotes", "snapshot"))
    await _kill_subscribers()
    resync = (await eventually(lambda: reader.ops("resync")))[0]
    assert resync == {"op": "resync", "reason": "restart"}
    assert hub.epoch != before
    assert hub.accounts_watched() == []
    await hub.connected()
    reader.client.subscribe_quotes([one], rate=10)
    await publish(channels.PRICES, [price(one)])
    await eventually(lambda: reader.of("quotes"))


async def test_a_hub_without_redis_waits_and_its_readers_still_get_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "HEARTBEAT_SECONDS", 1)
    found = Hub("redis://127.0.0.1:9/0")
    try:
        reader = Reader(found)
        await eventually(lambda: reader.ops("hb"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await found.connected()
    finally:
        await found.close()


async def test_two_hundred_readers_of_ten_symbols_all_get_every_turn(hub: Hub, publish: Any) -> None:
    names = [symbol() for _ in range(10)]
    readers = [Reader(hub) for _ in range(200)]
    await hub.connected()
    for reader in readers:
        reader.client.subscribe_quotes(names, rate=4)
    updates: Sequence[PriceUpdate] = [price(name) for name in names]
    for _ in range(12):
        await publish(channels.PRICES, updates)
        await asyncio.sleep(0.25)
    await eventually(lambda: all(len(reader.of("quotes")) >= 9 for reader in readers))
    for reader in readers:
        deltas = reader.of("quotes")
        assert all(later["prev"] == earlier["seq"] for earlier, later in pairwise(deltas))
