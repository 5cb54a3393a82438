"""`/prices/stream`: prices as server-sent events, with the sessions, origins and caps of `/ws`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session

from accounts import consumers as account_consumers
from marketdata.domain import channels
from marketdata.hub import hub as hub_module
from marketdata.tests.support import price
from tests.test_browser_socket import closed, join
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def symbol() -> str:
    return f"S{uuid7().hex[10:].upper()}"


def publish(symbol: str, last: str) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.publish(channels.PRICES, msgspec.json.encode([price(symbol, last)]))


async def publish_often(symbol: str, last: str) -> None:
    """Publish until ended: a hub that has only begun does not hear the first."""
    while True:
        await sync_to_async(publish)(symbol, last)
        await asyncio.sleep(0.05)


def client_of(host: str, session: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{host}", cookies={settings.SESSION_COOKIE_NAME: session}, timeout=10)


@asynccontextmanager
async def streaming(host: str, session: str, query: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with (
        asyncio.timeout(20),
        client_of(host, session) as client,
        client.stream("GET", f"/prices/stream?{query}") as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]
        yield frames(answer)


async def frames(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def heard(stream: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    async for frame in stream:
        if frame.get("type") == kind:
            return frame
    raise EOFError


async def test_a_snapshot_comes_first_and_then_deltas_that_follow_each_other(
    live: str, session: str, symbol: str
) -> None:
    async with streaming(live, session, f"symbols={symbol},BTC/USD&rate=10") as stream:
        told = await heard(stream, "snapshot")
        for last in ("100", "101"):
            publishing = asyncio.create_task(publish_often(symbol, last))
            while told["quotes"].get(symbol, {}).get("last") != last:
                before, told = told, await heard(stream, "delta")
                assert told["prev"] == before["seq"]
            publishing.cancel()


@pytest.mark.parametrize(
    "query", ["", "symbols=", "symbols=AAPL&rate=11", "symbols=AAPL&rate=x", "symbols=" + "A" * 25]
)
async def test_what_cannot_be_streamed_is_refused(live: str, session: str, query: str) -> None:
    async with client_of(live, session) as client:
        answer = await client.get(f"/prices/stream?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_nobody_streams_without_a_session_or_from_another_site(live: str, session: str) -> None:
    async with client_of(live, session) as client:
        foreign = await client.get("/prices/stream?symbols=AAPL", headers={"Origin": "https://evil.example"})
        post = await client.post("/prices/stream?symbols=AAPL")
    async with client_of(live, "made-up") as client:
        unknown = await client.get("/prices/stream?symbols=AAPL")
    assert [foreign.status_code, post.status_code, unknown.status_code] == [403, 405, 401]


async def test_streams_and_sockets_of_a_person_count_together(
    live: str, session: str, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "CONNECTIONS_PER_USER", 2)
    async with streaming(live, session, f"symbols={symbol}") as stream, join(live, session) as socket:
        await heard(stream, "snapshot")
        await socket.send('{"op":"ping","id":1}')
        await socket.recv()
        async with client_of(live, session) as client:
            answer = await client.get("/prices/stream?symbols=AAPL")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        async with join(live, session) as third:
            assert await closed(third) == 4429


async def test_a_stream_ends_with_its_session(
    live: str, session: str, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_consumers, "GUARD_SECONDS", 0.2)
    async with streaming(live, session, f"symbols={symbol}") as stream:
        await heard(stream, "snapshot")
        await sync_to_async(Session.objects.filter(session_key=session).delete)()
        with pytest.raises(EOFError):
            await heard(stream, "never")
    async with client_of(live, session) as client:
        assert (await client.get("/prices/stream?symbols=AAPL")).status_code == 401
