"""Open account streams hold no connection to the database, and what happens is read for all of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection

from accounts.api.pool import THREADS
from marketdata.hub.hub import CONNECTIONS_PER_USER
from orders.eventstream import AuditLogStorage
from positions.tests.helpers import new_account
from tests.test_account_stream import headers_of, new_key, something_happens
from tests.test_browser_socket import session_of

ACCOUNTS = 3
SECONDS = 20
# Who reads for everybody, and somebody else of this process who happens to come by.
FEW = 2
_HELD = """
SELECT pid, backend_start FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Connections:
    """The connections that the database held while somebody looked."""

    def __init__(self) -> None:
        self.before: set[Any] = set()
        self.seen: set[Any] = set()

    @property
    def opened(self) -> int:
        return len(self.seen - self.before)

    def look(self, begun: threading.Event, ended: threading.Event) -> None:
        with connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute(_HELD)
                held = set(cursor.fetchall())
                if not begun.is_set():
                    self.before = held
                    begun.set()
                self.seen |= held
        connection.close()


@contextlib.contextmanager
def looking() -> Iterator[Connections]:
    """See every connection that is there for more than a millisecond or two."""
    found, begun, ended = Connections(), threading.Event(), threading.Event()
    thread = threading.Thread(target=found.look, args=(begun, ended))
    thread.start()
    try:
        assert begun.wait(SECONDS)
        yield found
    finally:
        ended.set()
        thread.join()


@contextlib.asynccontextmanager
async def following(client: httpx.AsyncClient, account_id: UUID, headers: Any) -> AsyncIterator[AsyncIterator[str]]:
    async with client.stream("GET", f"/events/accounts/{account_id}/", headers=headers) as response:
        assert response.status_code == 200
        yield response.aiter_lines()


async def until(lines: AsyncIterator[str], wanted: str) -> None:
    async with asyncio.timeout(SECONDS):
        async for line in lines:
            if line.startswith(wanted):
                return
    raise EOFError


def by_key(account_id: UUID) -> dict[str, str]:
    return headers_of(new_key(account_id))


def by_session(account_id: UUID) -> dict[str, str]:
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session_of(account_id)}"}


class Pages:
    """Count how often a page of the log is read for streams."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = 0
        self._get = AuditLogStorage.get_events
        monkeypatch.setattr(AuditLogStorage, "get_events", self.get)

    def get(self, *asked: Any, **options: Any) -> Any:
        self.read += 1
        return self._get(AuditLogStorage(), *asked, **options)


@pytest.mark.parametrize("headers_for", [by_key, by_session])
async def test_neither_an_open_stream_nor_an_event_costs_a_connection(
    live: str, headers_for: Callable[[UUID], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [await sync_to_async(new_account)() for _ in range(ACCOUNTS)]
    headers = {account_id: await sync_to_async(headers_for)(account_id) for account_id in accounts}
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=f"http://{live}", timeout=SECONDS, limits=limits) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        streams: dict[UUID, list[AsyncIterator[str]]] = {}
        with looking() as opening:
            for account_id in accounts:
                opened = [following(client, account_id, headers[account_id]) for _ in range(CONNECTIONS_PER_USER)]
                streams[account_id] = [await stack.enter_async_context(stream) for stream in opened]
                await asyncio.gather(*(until(lines, "event: stream-open") for lines in streams[account_id]))
        pages = Pages(monkeypatch)
        with looking() as reading:
            for account_id in accounts:
                last = await sync_to_async(something_happens)(account_id)
                wanted = f"id: account-{account_id}:{last}"
                await asyncio.gather(*(until(lines, wanted) for lines in streams[account_id]))
    assert opening.opened <= THREADS + FEW
    assert reading.opened <= FEW
    assert pages.read <= 4 * ACCOUNTS
