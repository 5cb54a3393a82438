"""Each delta names the one it builds upon: a reader that missed something knows it, and nobody else thinks so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from marketdata.domain import channels
from marketdata.domain.types import CandleMessage
from marketdata.hub import Hub
from marketdata.hub.board import CANDLES_KEPT
from marketdata.tests.frames import Made
from marketdata.tests.readers import Reader, eventually, follow, message, symbol
from marketdata.tests.support import price
from trading_portal.kernel.ids import uuid7

MINUTE = 60


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


def candle(name: str, minute: int, close: int, interval: str = "1m") -> CandleMessage:
    return CandleMessage(name, interval, minute * MINUTE, *[Decimal(1)] * 3, Decimal(close), Decimal(5))


def book(name: str, size: int) -> Any:
    return price(name, bids=[(Decimal("99.5"), Decimal(size))], asks=[(Decimal(101), Decimal(2))])


def told(reader: Reader, channel: str) -> list[dict[str, Any]]:
    """Return what a channel said from its last snapshot on."""
    frames = [frame for frame in reader.frames if frame.get("ch") == channel and "type" in frame]
    first = max(index for index, frame in enumerate(frames) if frame["type"] == "snapshot")
    return frames[first:]


def is_chained(frames: Sequence[dict[str, Any]]) -> bool:
    """Tell whether each frame builds upon the one before."""
    return all(later["prev"] == earlier["seq"] < later["seq"] for earlier, later in pairwise(frames))


def close_of(reader: Reader) -> str | None:
    deltas = reader.of("candles")
    return deltas[-1]["candle"]["c"] if deltas else None


def size_of(reader: Reader) -> str | None:
    bids = told(reader, "depth")[-1]["bids"]
    return bids[0][1] if bids else None


async def test_candles_begin_with_the_last_few_and_go_on_in_sequence(hub: Hub, publish: Any) -> None:
    one, other = symbol(), symbol()
    reader = Reader(hub)
    await hub.connected()
    await publish(channels.CANDLES, [candle(one, 2, 20), candle(one, 1, 10), candle(one, 1, 9, "5m")])
    await publish(channels.PRICES, [price(one)])
    await eventually(lambda: one in hub.board.prices)
    reader.client.subscribe_candles(one, "1m", reply_to=7)
    (snapshot,) = await eventually(lambda: reader.of("candles", "snapshot"))
    assert (snapshot["sym"], snapshot["interval"]) == (one, "1m")
    assert [(each["t"], each["c"]) for each in snapshot["candles"]] == [(60, "10"), (120, "20")]
    assert reader.ops("ack")[0]["seq"] == snapshot["seq"]
    for close in range(21, 25):
        await publish(channels.PRICES, [price(other)])
        await publish(channels.CANDLES, [candle(other, 1, 1), candle(one, 2, close), candle(other, 9, 1)])
        await eventually(lambda close=close: close_of(reader) == str(close))
    await publish(channels.CANDLES, [candle(one, 3, 31), candle(one, 2, 29)])
    await eventually(lambda: close_of(reader) == "31")
    frames = told(reader, "candles")
    assert [frame["candle"]["c"] for frame in frames[1:]] == ["21", "22", "23", "24", "29", "31"]
    assert is_chained(frames)


async def test_conflation_skips_candles_that_changed_again_without_a_gap(hub: Hub, publish: Any) -> None:
    one = symbol()
    reader = Reader(hub)
    await hub.connected()
    reader.client.subscribe_candles(one, "1m")
    await eventually(lambda: reader.of("candles", "snapshot"))
    reader.gate.clear()
    for number in range(20):
        await publish(channels.CANDLES, [candle(one, 1 + number // 10, number)])
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    reader.gate.set()
    await eventually(lambda: close_of(reader) == "19")
    frames = told(reader, "candles")
    assert len(frames) < 10
    assert {frame["candle"]["t"]: frame["candle"]["c"] for frame in frames[1:]} == {60: "9", 120: "19"}
    assert is_chained(frames)


async def test_a_reader_that_missed_a_candle_sees_the_gap_and_one_that_did_not_sees_none(
    hub: Hub, publish: Any
) -> None:
    one = symbol()
    slow, quick = Reader(hub), Reader(hub)
    await hub.connected()
    for each in (slow, quick):
        each.client.subscribe_candles(one, "1m")
    await eventually(lambda: slow.of("candles", "snapshot"))
    slow.gate.clear()
    for minute in range(1, CANDLES_KEPT + 3):
        await publish(channels.CANDLES, [candle(one, minute, minute)])
        await eventually(lambda minute=minute: close_of(quick) == str(minute))
    await asyncio.sleep(0.3)
    slow.gate.set()
    await eventually(lambda: close_of(slow) == str(CANDLES_KEPT + 2))
    assert is_chained(told(quick, "candles"))
    frames = told(slow, "candles")
    assert not is_chained(frames), "candles were lost, and the reader cannot know"
    slow.client.subscribe_candles(one, "1m")
    await eventually(lambda: len(slow.of("candles", "snapshot")) == 2)
    await publish(channels.CANDLES, [candle(one, CANDLES_KEPT + 2, 99)])
    await eventually(lambda: close_of(slow) == "99")
    assert is_chained(told(slow, "candles"))


async def test_order_books_go_on_in_sequence_however_many_turns_are_conflated(hub: Hub, publish: Any) -> None:
    one, other = symbol(), symbol()
    reader, quick = Reader(hub), Reader(hub)
    await hub.connected()
    for each in (reader, quick):
        each.client.subscribe_depth(one)
        each.client.subscribe_quotes([one, other])
        each.client.subscribe_candles(one, "1m")
    await eventually(lambda: reader.of("candles", "snapshot"))
    for size in range(1, 40):
        (reader.gate.clear if 10 < size < 25 else reader.gate.set)()
        await publish(channels.PRICES, [book(one, size) if size % 2 else price(other), price(other)])
        await publish(channels.CANDLES, [candle(one, 1, size), candle(other, 2, 1)])
        await asyncio.sleep(0.04)
    await eventually(lambda: size_of(reader) == size_of(quick) == "39")
    await eventually(lambda: close_of(reader) == "39")
    for each in (reader, quick):
        assert len(each.of("depth")) < 20
        for channel in ("depth", "quotes", "candles"):
            frames = told(each, channel)
            assert len(frames) > 2
            assert is_chained(frames), channel


async def test_no_delta_overtakes_the_snapshot_it_builds_upon(hub: Hub, publish: Any) -> None:
    one, two = symbol(), symbol()
    reader = Reader(hub)
    await hub.connected()
    reader.client.subscribe_depth(one)
    reader.client.subscribe_quotes([one, two], rate=10)
    await eventually(lambda: reader.of("quotes", "snapshot"))
    for size in range(1, 8):
        reader.gate.clear()
        await publish(channels.PRICES, [book(one, size), book(two, size)])
        await eventually(lambda: reader.client._is_sending)
        reader.client.unsubscribe("depth")
        reader.client.subscribe_depth(two if size % 2 else one)
        await publish(channels.PRICES, [book(one, 10 * size), book(two, 10 * size)])
        await eventually(lambda size=size: hub.board.prices[two].bids[0][1] == 10 * size)
        reader.gate.set()
        await eventually(lambda size=size: size_of(reader) == str(10 * size))
        assert [frame["type"] for frame in told(reader, "depth")] == ["snapshot", "delta"]
        assert is_chained(told(reader, "depth"))


async def test_readers_of_one_book_and_one_chart_get_the_same_text_made_once(
    hub: Hub, publish: Any, made: Made
) -> None:
    one = symbol()
    readers = [Reader(hub) for _ in range(20)]
    await hub.connected()
    for reader in readers:
        reader.client.subscribe_depth(one)
        reader.client.subscribe_candles(one, "1m")
    await eventually(lambda: all(reader.of("candles", "snapshot") for reader in readers))
    await publish(channels.PRICES, [book(one, 7)])
    await eventually(lambda: all(size_of(each) for each in readers))
    await publish(channels.CANDLES, [candle(one, 1, 7)])
    await eventually(lambda: all(close_of(each) for each in readers))
    for channel in ("depth", "candles"):
        for kind in ("snapshot", "delta"):
            assert made.count(kind, channel) == 1


async def test_an_account_s_readers_share_each_frame_and_one_from_further_back_gets_its_own(
    hub: Hub, publish: Any, made: Made
) -> None:
    account = str(uuid7())
    readers = [await follow(hub, account, 5) for _ in range(10)]
    late = await follow(hub, account, 4)
    await publish(channels.account_channel(account), message(account, 4, 6))
    await publish(channels.account_channel(account), message(account, 6, 7))
    await eventually(lambda: all(len(each.of("account")) == 2 for each in (*readers, late)))
    assert [delta["prev"] for delta in readers[0].of("account")] == [5, 6]
    assert [delta["prev"] for delta in late.of("account")] == [4, 6]
    assert made.count("delta", "account") == 3
