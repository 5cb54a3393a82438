"""The hub's readers: slow ones, stuck ones, broken ones, and how many there may be."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from marketdata.domain import channels
from marketdata.hub import Hub, TooManyConnections
from marketdata.hub import client as hub_client
from marketdata.hub import hub as hub_module
from marketdata.tests.readers import Reader, eventually, symbol
from marketdata.tests.support import price
from trading_portal.kernel.ids import uuid7


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
