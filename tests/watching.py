"""A person's streams, held open by name, and how each of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from accounts.selectors import account_by_id
from orders.tests.api import Caller
from tests.test_browser_socket import ask, closed, heard, join

SOON = 3.0
"""Well below how often a process asks about streams by itself."""

End = asyncio.Task[Any]
Webs = list[str]


def owner_of(account_id: UUID) -> UUID:
    found = account_by_id(account_id)
    assert found is not None
    return found.owner_id


class Watching:
    """Hold streams open, by name, and say how each ended."""

    def __init__(self, leave: AsyncExitStack) -> None:
        self._leave = leave
        self.ends: dict[str, list[End]] = {}

    async def page(self, web: str, session: str) -> ClientConnection:
        socket = await self._leave.enter_async_context(join(web, session))
        await ask(socket, op="ping", id=1)
        await heard(socket, op="pong")
        return socket

    async def pages(self, webs: Webs, session: str) -> None:
        """Hold a page at each process."""
        for web in webs:
            self._note("page", closed(await self.page(web, session)))

    async def by_session(self, web: str, session: str, account_id: UUID) -> None:
        """Hold what a session opens."""
        self._note("page", closed(await self.page(web, session)))
        prices = f"http://{web}/prices/stream?symbols=AAPL"
        await self._sse("prices", prices, "data: ", cookies={"sessionid": session})
        await self.events("events by session", web, account_id, cookies={"sessionid": session})

    async def by_key(self, web: str, caller: Caller) -> None:
        """Hold what a key opens."""
        socket = await self._leave.enter_async_context(connect(f"ws://{web}/stream"))
        key = {"key_id": caller.key_id, "secret_key": caller.secret}
        for message in ({"action": "auth", "data": key}, {"action": "listen", "data": {"streams": ["trade_updates"]}}):
            await socket.send(msgspec.json.encode(message))
            assert b"unauthorized" not in await asyncio.wait_for(socket.recv(), 10)
        self._note("trade updates", closed(socket))
        await self.events("events by key", web, caller.account_id, headers=caller.headers)

    async def events(self, name: str, web: str, account_id: UUID, **options: Any) -> None:
        await self._sse(name, f"http://{web}/events/accounts/{account_id}/", "event: stream-open", **options)

    def over(self) -> set[str]:
        """Return those of which one has ended."""
        return {name for name, ends in self.ends.items() if any(end.done() for end in ends)}

    async def ended(self) -> dict[str, list[Any]]:
        """Return how all of them ended, which must be soon."""
        async with asyncio.timeout(SOON):
            return {name: [await end for end in ends] for name, ends in self.ends.items()}

    async def _sse(self, name: str, url: str, opened: str, **options: Any) -> None:
        client = await self._leave.enter_async_context(httpx.AsyncClient(timeout=30, **options))
        response = await self._leave.enter_async_context(client.stream("GET", url))
        assert response.status_code == 200, await response.aread()
        lines = response.aiter_lines()
        async for line in lines:
            if line.startswith(opened):
                break
        self._note(name, last_event(lines))

    def _note(self, name: str, end: Any) -> None:
        self.ends.setdefault(name, []).append(asyncio.create_task(end))


async def last_event(lines: AsyncIterator[str]) -> str:
    """Read to the end; return the name of the last event."""
    last = ""
    async for line in lines:
        if line.startswith("event: "):
            last = line.removeprefix("event: ")
    return last


@asynccontextmanager
async def watching() -> AsyncIterator[Watching]:
    async with AsyncExitStack() as leave:
        held = Watching(leave)
        yield held
        for end in (end for ends in held.ends.values() for end in ends):
            end.cancel()
