"""Account events through the hub: after their snapshot, once, in sequence, to the account's own readers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from marketdata.domain import channels
from marketdata.hub import Hub
from marketdata.hub import client as hub_client
from marketdata.hub import hub as hub_module
from marketdata.tests.readers import Reader, eventually, follow, message, sequences
from trading_portal.kernel.ids import uuid7


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
