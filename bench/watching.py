"""Watch accounts over WebSockets, as a page and as a program do; note how old each event is on arrival.

Ages are from the event's own `recorded_at` to the frame's receipt, by the clock of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import websockets

from bench.browser import sign_in
from bench.orders import Key
from bench.portal import BenchPortal

BEGIN_SECONDS = 10.0
PAGE_SECONDS = 0.3
UPDATES = "trade_updates"


@dataclass
class Watched:
    """How old each event was on arrival, in milliseconds, by type; when, by the database's clock, the last arrived."""

    ages: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    last_at: float = 0.0


Told = Iterable[tuple[str, str]]


@contextlib.asynccontextmanager
async def open_page(portal: BenchPortal, account_id: str) -> AsyncIterator[Watched]:
    """Follow an account as its page does; events go by their types in the log."""
    cookie = await asyncio.to_thread(sign_in, portal.facts["url"], portal.facts["users"]["trader"])
    headers = {"Cookie": cookie, "Origin": portal.facts["url"]}
    asks = [{"op": "subscribe", "id": 1, "ch": "account", "account_id": account_id}]
    async with _watching(portal, "/ws", headers, asks, _told_to_page) as watched:
        yield watched
        await asyncio.sleep(PAGE_SECONDS)


@contextlib.asynccontextmanager
async def open_stream(portal: BenchPortal, key: Key) -> AsyncIterator[Watched]:
    """Follow a key's account as a program does, over Alpaca's stream; events go by the names that Alpaca has."""
    asks: list[dict[str, Any]] = [
        {"action": "auth", "key": key[0], "secret": key[1]},
        {"action": "listen", "data": {"streams": [UPDATES]}},
    ]
    async with _watching(portal, "/stream", {}, asks, _told_to_program) as watched:
        yield watched


@contextlib.asynccontextmanager
async def _watching(
    portal: BenchPortal,
    path: str,
    headers: Mapping[str, str],
    asks: Sequence[Mapping[str, Any]],
    told: Callable[[Any], Told | None],
) -> AsyncIterator[Watched]:
    """Ask, wait until it has begun, note what is told; `told` gives None for the frame that says that it has begun."""
    address = portal.facts["url"].replace("http", "ws") + path
    watched, has_begun = Watched(), asyncio.Event()

    async def watch() -> None:
        async for frame in socket:
            events = told(json.loads(frame))
            if events is None:
                has_begun.set()
                continue
            now = time.time()
            for kind, recorded_at in events:
                watched.ages[kind].append((now - datetime.fromisoformat(recorded_at).timestamp()) * 1000)
                watched.last_at = now

    async with websockets.connect(address, additional_headers=headers, max_size=None) as socket:
        for ask in asks:
            await socket.send(json.dumps(ask))
        watcher = asyncio.create_task(watch())
        try:
            await asyncio.wait_for(has_begun.wait(), BEGIN_SECONDS)
            yield watched
        finally:
            watcher.cancel()


def _told_to_page(message: Any) -> Told | None:
    if message.get("ch") != "account":
        return ()
    if message.get("op") == "ack":
        return None
    events = message["events"] if message.get("type") == "delta" else ()
    return [(event["type"], event["recorded_at"]) for event in events]


def _told_to_program(message: Any) -> Told | None:
    if message["stream"] == "listening":
        return None
    return [(message["data"]["event"], message["data"]["at"])] if message["stream"] == UPDATES else ()
