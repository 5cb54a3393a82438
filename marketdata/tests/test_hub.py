"""The hub, over a real Redis: snapshots, deltas, conflation, slow readers, gaps and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest
import redis.asyncio as redis
from django.conf import settings as django_settings

from marketdata.domain import channels
from marketdata.domain.types import CandleMessage, PriceUpdate
from marketdata.hub import Hub, HubClient, Line, TooManyConnections
from marketdata.hub import client as hub_client
from marketdata.hub import hub as hub_module
from marketdata.hub.frames import Frame
from marketdata.tests.support import price
from trading_portal.kernel.ids import uuid7


class Reader:
    """A connection that keeps what it is sent; `gate` closed, it reads nothing; `has_line` lets the hub write."""

    def __init__(self, hub: Hub, user_id: UUID | None = None, *, has_line: bool = False) -> None:
        self.frames: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.closed_with: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tasks = 0
        self.is_cut = False
        line = Line(self._write, self._cut) if has_line else None
        self.client: HubClient = hub.join(self._send, self._close, user_id or uuid7(), line=line)

    async def _send(self, text: str) -> None:
        self.tasks += 1
        await self.gate.wait()
        self._keep(text)

    def _write(self, frame: Frame) -> bool:
        if self.gate.is_set():
            self._keep(frame.text)
        return self.gate.is_set()

    def _keep(self, text: str) -> None:
        self.texts.append(text)
        self.frames.append(msgspec.json.decode(text))

    def _cut(self) -> None:
        self.is_cut = True

    async def _close(self, code: int) -> None:
        self.closed_with = code

    def of(self, channel: str, kind: str = "delta") -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("ch") == channel and frame.get("type") == kind]

    def ops(self, op: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame.get("op") == op]

    def last(self, symbol: str) -> str | None:
        deltas = self.of("quotes")
        return deltas[-1]["quotes"][symbol]["last"] if deltas else None


async def eventually(check: Callable[[], Any], seconds: float = 5.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (answer := check()):
            await asyncio.sleep(0.01)
        return answer


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    found = Hub(django_settings.REDIS_URL)
    yield found
    await found.close()


@pytest.fixture
async def publish() -> AsyncIterator[Callable[..., Any]]:
    connection = redis.Redis.from_url(django_settings.REDIS_URL)

    async def send(channel: str, message: object) -> None:
        await connection.publish(channel, msgspec.json.encode(message))

    yield send
    await connection.aclose()


def symbol() -> str:
    return f"H{uuid7().hex[10:].upper()}"


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
    assert len({id(reader.texts[-1]) for reader in readers}) == 1


async def test_readers_are_spread_over_the_second(hub: Hub, publish: Any) -> None:
    one = symbol()
    readers = [Reader(hub) for _ in range(100)]
    assert [len(hub._data.due(turn)) for turn in range(50)] == [0] * 50
    for reader in readers:
        reader.client.subscribe_quotes([one], rate=1)
    assert [len(hub._data.due(turn)) for turn in range(50)] == [2] * 50


async def test_a_reader_that_reads_slowly_is_skipped_and_then_gets_the_latest(hub: Hub, publish: Any) -> None:
    one = symbol()
    reader, quick = Reader(hub), Reader(hub)
    await hub.connected()
    for each in (reader, quick):
        each.client.subscribe_quotes([one], rate=10)
    await eventually(lambda: reader.of("quotes", "snapshot"))
    reader.gate.clear()
    for number in range(30):
        await publish(channels.PRICES, [price(one, str(100 + number))])
        await asyncio.sleep(0.02)
    await eventually(lambda: quick.last(one) == "129")
    reader.gate.set()
    await eventually(lambda: reader.last(one) == "129")
    deltas = reader.of("quotes")
    assert len(deltas) <= 2
    assert all(later["prev"] == earlier["seq"] for earlier, later in pairwise(deltas))


async def test_a_reader_that_is_stuck_is_dropped_with_4408_and_the_others_go_on(
    hub: Hub, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "STUCK_SECONDS", 0.3)
    one = symbol()
    stuck, quick = Reader(hub), Reader(hub)
    await hub.connected()
    for each in (stuck, quick):
        each.client.subscribe_quotes([one], rate=10)
    stuck.gate.clear()
    await publish(channels.PRICES, [price(one)])
    await eventually(lambda: stuck.closed_with == 4408)
    await publish(channels.PRICES, [price(one, "200")])
    await eventually(lambda: quick.last(one) == "200")
    assert quick.closed_with is None
    assert stuck.client not in hub._clients


async def test_a_line_is_written_to_at_once_and_a_task_sends_only_what_it_did_not_take(hub: Hub, publish: Any) -> None:
    one = symbol()
    reader = Reader(hub, has_line=True)
    await hub.connected()
    await publish(channels.PRICES, [price(one, "100")])
    await eventually(lambda: one in hub.board.prices)
    reader.client.subscribe_quotes([one], rate=10, reply_to=1)
    kinds = [frame.get("op") or frame["type"] for frame in reader.frames]
    assert [kind for kind in kinds if kind != "hb"] == ["ack", "snapshot"]
    reader.gate.clear()
    told = len(reader.frames)
    for number in range(3):
        reader.client.reply({"op": "pong", "id": number})
    await publish(channels.PRICES, [price(one, "101")])
    await eventually(lambda: hub.board.prices[one].last == 101)
    await asyncio.sleep(0.15)
    assert len(reader.frames) == told
    reader.gate.set()
    await eventually(lambda: reader.last(one) == "101")
    assert [frame["id"] for frame in reader.ops("pong")] == [0, 1, 2]
    assert reader.tasks == 3
    await publish(channels.PRICES, [price(one, "102")])
    await eventually(lambda: reader.last(one) == "102")
    assert reader.tasks == 3
    deltas = reader.of("quotes")
    assert all(later["prev"] == earlier["seq"] for earlier, later in pairwise(deltas))


async def test_readers_at_rest_hold_no_task(hub: Hub, publish: Any) -> None:
    readers = [Reader(hub, has_line=has_line) for has_line in (True, False) for _ in range(10)]
    await hub.connected()
    before = len(asyncio.all_tasks())
    for reader in readers:
        reader.client.subscribe_quotes([symbol()], rate=10)
    await eventually(lambda: all(reader.of("quotes", "snapshot") for reader in readers))
    await eventually(lambda: len(asyncio.all_tasks()) == before)


async def test_who_takes_not_even_the_goodbye_is_cut_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "STUCK_SECONDS", 0.1)
    monkeypatch.setattr(hub_client, "CLOSE_SECONDS", 0.1)
    reader = Reader(hub, has_line=True)
    reader.gate.clear()

    async def wait_for_reader(code: int) -> None:
        await reader.gate.wait()

    monkeypatch.setattr(reader.client, "_close", wait_for_reader)
    reader.client.reply({"op": "pong"})
    await eventually(lambda: reader.is_cut)
    assert reader.client not in hub._clients


async def test_a_process_takes_no_more_readers_than_it_has_files_for(hub: Hub) -> None:
    hub.most_readers = 2
    first, _ = Reader(hub), Reader(hub)
    with pytest.raises(TooManyConnections) as refused:
        Reader(hub)
    assert refused.value.code == 4503
    first.client.leave()
    Reader(hub)


async def test_the_hub_reports_its_readers_and_what_memory_they_take(hub: Hub) -> None:
    assert hub.load()["bytes_per_reader"] == 0
    held = [Reader(hub) for _ in range(10)]
    ballast = bytearray(64_000_000)  # in one piece, which no memory that was freed before has room for
    load = hub.load()
    assert load["readers"] == len(held)
    assert load["bytes_per_reader"] > 0.5 * len(ballast) / len(held)
    assert load["resident_bytes"] > len(ballast)


async def test_a_reader_whose_connection_breaks_is_forgotten(hub: Hub) -> None:
    async def broken(_: str) -> None:
        raise ConnectionResetError

    async def close(_: int) -> None:
        """Close nothing."""

    client = hub.join(broken, close, uuid7())
    client.subscribe_account(uuid7())
    client.reply({"op": "pong"})
    await eventually(lambda: client not in hub._clients)
    assert hub.accounts_watched() == []


async def test_one_person_has_a_limited_number_of_connections(hub: Hub) -> None:
    person = uuid7()
    readers = [Reader(hub, person) for _ in range(hub_module.CONNECTIONS_PER_USER)]
    with pytest.raises(TooManyConnections) as refused:
        Reader(hub, person)
    assert refused.value.code == 4429
    Reader(hub)
    readers[0].client.leave()
    readers[0].client.leave()
    Reader(hub, person)


async def test_heartbeats_come_every_few_seconds(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(hub)
    await eventually(lambda: reader.ops("hb"), seconds=hub_module.HEARTBEAT_SECONDS + 2)
    assert reader.ops("hb")[0]["ts"].endswith("Z")


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


# Accounts


def message(account: str, prev: int, seq: int) -> dict[str, object]:
    events = [{"type": "order.accepted", "account_sequence": n} for n in range(prev + 1, seq + 1)]
    return {"account_id": account, "seq": seq, "prev": prev, "events": events, "orders": [{"id": seq}], "positions": []}


async def follow(hub: Hub, account: str, sequence: int) -> Reader:
    reader = Reader(hub)
    reader.client.subscribe_account(account)
    await hub.connected()
    reader.client.start_account(
        account, {"op": "ack", "seq": sequence}, {"type": "snapshot", "ch": "account"}, sequence
    )
    return reader


def sequences(reader: Reader) -> list[int]:
    return [event["account_sequence"] for delta in reader.of("account") for event in delta["events"]]


async def test_events_that_happen_while_the_snapshot_is_read_follow_it_once(hub: Hub, publish: Any) -> None:
    account = str(uuid7())
    reader = Reader(hub)
    reader.client.subscribe_account(account)
    await hub.connected()
    for seq in (4, 5, 6):
        await publish(channels.account_channel(account), message(account, seq - 1, seq))
    await asyncio.sleep(0.2)
    assert [frame for frame in reader.frames if frame.get("op") != "hb"] == []
    reader.client.start_account(account, {"op": "ack"}, {"type": "snapshot", "ch": "account", "seq": 5}, 5)
    await publish(channels.account_channel(account), message(account, 6, 8))
    await eventually(lambda: len(reader.of("account")) == 2)
    kinds = [frame.get("op") or frame["type"] for frame in reader.frames]
    assert [kind for kind in kinds if kind != "hb"] == ["ack", "snapshot", "delta", "delta"]
    assert [(delta["prev"], delta["seq"]) for delta in reader.of("account")] == [(5, 6), (6, 8)]
    assert sequences(reader) == [6, 7, 8]
    assert reader.of("account")[0]["orders"] == [{"id": 6}]


async def test_a_redelivered_message_is_passed_over_and_an_overlapping_one_joined_on(hub: Hub, publish: Any) -> None:
    account = str(uuid7())
    reader = await follow(hub, account, 5)
    for prev, seq in ((4, 6), (5, 6), (5, 7), (7, 8)):
        await publish(channels.account_channel(account), message(account, prev, seq))
    await eventually(lambda: reader.of("account") and reader.of("account")[-1]["seq"] == 8)
    assert [(delta["prev"], delta["seq"]) for delta in reader.of("account")] == [(5, 6), (6, 7), (7, 8)]


async def test_a_gap_ends_the_subscription_with_a_resync(hub: Hub, publish: Any) -> None:
    account = str(uuid7())
    reader = await follow(hub, account, 5)
    await publish(channels.account_channel(account), message(account, 6, 7))
    resync = (await eventually(lambda: reader.ops("resync")))[0]
    assert (resync["reason"], resync["account_id"]) == ("gap", account)
    assert hub.accounts_watched() == []


async def test_account_events_are_never_conflated_up_to_a_bound_and_then_the_reader_starts_over(
    hub: Hub, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "ACCOUNT_BOUND", 50)
    patient, overrun = str(uuid7()), str(uuid7())
    readers = {account: await follow(hub, account, 0) for account in (patient, overrun)}
    await eventually(lambda: all(reader.of("account", "snapshot") for reader in readers.values()))
    for reader in readers.values():
        reader.gate.clear()
    for account, count in ((patient, 40), (overrun, 60)):
        for seq in range(1, count + 1):
            await publish(channels.account_channel(account), message(account, seq - 1, seq))
    await eventually(lambda: overrun not in hub.accounts_watched())
    for reader in readers.values():
        reader.gate.set()
    await eventually(lambda: len(sequences(readers[patient])) == 40)
    assert sequences(readers[patient]) == list(range(1, 41))
    assert (await eventually(lambda: readers[overrun].ops("resync")))[0]["reason"] == "slow_consumer"


async def test_events_of_an_account_reach_its_own_readers_alone(hub: Hub, publish: Any) -> None:
    mine, theirs = str(uuid7()), str(uuid7())
    reader, other = await follow(hub, mine, 0), await follow(hub, theirs, 0)
    await publish(channels.account_channel(mine), message(mine, 0, 1))
    await eventually(lambda: reader.of("account"))
    await asyncio.sleep(0.1)
    assert other.of("account") == []


async def test_valuations_conflate(hub: Hub) -> None:
    account = str(uuid7())
    reader = await follow(hub, account, 0)
    await eventually(lambda: reader.of("account", "snapshot"))
    reader.gate.clear()
    reader.client.reply({"op": "pong"})
    await asyncio.sleep(0.05)
    for number in range(5):
        hub.value_account(account, {"account": {"equity": str(number)}, "positions": []})
    reader.gate.set()
    await eventually(lambda: reader.of("account", "valuation"))
    await asyncio.sleep(0.05)
    assert [frame["account"]["equity"] for frame in reader.of("account", "valuation")] == ["4"]


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


async def test_a_hub_in_a_quiet_market_goes_on_receiving(
    hub: Hub, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "QUIET_SECONDS", 0.1)
    account = str(uuid7())
    reader = await follow(hub, account, 0)
    epoch = hub.epoch
    await asyncio.sleep(0.5)
    await publish(channels.account_channel(account), message(account, 0, 1))
    await eventually(lambda: reader.of("account"))
    assert hub.epoch == epoch


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
