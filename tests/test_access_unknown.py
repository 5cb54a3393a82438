"""A stream whose right to be there cannot be checked does not live on: after three reads that failed it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from accounts import consumers
from accounts.consumers import UNKNOWN_READS
from orders.tests.desk import Desk
from tests.test_browser_socket import session_of
from tests.watching import owner_of, watching
from trading_portal.kernel import clock

Read = Callable[..., Any]


class Database:
    """Read as ever, or fail so many times like a database that is away."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.fails = self.failed = self.answered = 0

    def __call__(self, asked: Collection[Any], *more: Any) -> Any:
        if self.failed < self.fails:
            self.failed += 1
            raise OperationalError("away")
        self.answered += 1
        return self._read(asked, *more)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    """Ask about open streams often, through a database that can be away."""
    found = Database(consumers.sessions_people)
    monkeypatch.setattr(consumers, "GUARD_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "sessions_people", found)
    return found


@pytest.fixture
def account_id() -> UUID:
    return Desk().account


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def test_streams_of_a_session_end_when_the_database_stays_away(
    live: str, account_id: UUID, database: Database
) -> None:
    session = await sync_to_async(session_of)(account_id)
    async with watching() as held:
        await held.by_session(live, session, account_id)
        database.fails = 1000
        assert await held.ended() == {"page": [4503], "prices": [""], "events by session": [""]}
    assert UNKNOWN_READS <= database.failed <= UNKNOWN_READS * 3


async def test_streams_live_through_a_database_that_comes_back_in_time(
    live: str, account_id: UUID, database: Database
) -> None:
    session = await sync_to_async(session_of)(account_id)
    async with watching() as held:
        await held.page(live, session)
        await held.by_session(live, session, account_id)
        for _ in range(3):
            database.fails = database.failed + UNKNOWN_READS - 1
            await until(lambda: database.failed == database.fails)
            answered = database.answered
            await until(lambda answered=answered: database.answered > answered + 3)
        assert not held.over()


async def test_a_hung_database_ends_streams_too_however_many_there_are(
    account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One read that hangs says of all that were due that they cannot be checked, not of the few that it was for."""
    owner_id = await sync_to_async(owner_of)(account_id)
    speaks = asyncio.Event()

    async def hang(*_: Any) -> Any:
        await speaks.wait()

    monkeypatch.setattr(consumers, "GUARD_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "READ_SECONDS", 0.2)
    monkeypatch.setattr(consumers, "AT_ONCE", 2)
    monkeypatch.setattr(consumers, "in_pool", hang)
    guard, streams = consumers.SessionGuard(), [Watched("key", owner_id) for _ in range(50)]
    for stream in streams:
        guard.watch(stream)
    started = clock.monotonic()
    await until(lambda: all(stream.is_unknown for stream in streams))
    # Asked for two at a time, they would take 25 times as long.
    assert clock.monotonic() - started < UNKNOWN_READS * 0.2 * 5


class Watched:
    """A stream, as the guard knows it."""

    def __init__(self, session_key: str, person_id: UUID) -> None:
        self.session_key = session_key
        self.person_id = person_id
        self.has_ended = self.is_unknown = False

    def accounts_shown(self) -> Collection[str]:
        return ()

    def session_ended(self) -> None:
        self.has_ended = True

    def session_unknown(self) -> None:
        self.is_unknown = True

    def account_hidden(self, account_id: str) -> None:
        raise AssertionError


async def test_a_stream_that_opens_just_after_its_access_changed_is_asked_about_at_once(account_id: UUID) -> None:
    owner_id = await sync_to_async(owner_of)(account_id)
    guard, stream = consumers.SessionGuard(), Watched("ended meanwhile", owner_id)
    guard.people_changed([owner_id])
    guard.watch(stream)
    await asyncio.wait_for(until(lambda: stream.has_ended), 3)


async def test_a_read_that_fails_just_when_access_changed_is_made_again_soon(
    account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_id = await sync_to_async(owner_of)(account_id)
    database = Database(consumers.sessions_people)
    database.fails = UNKNOWN_READS - 1
    monkeypatch.setattr(consumers, "sessions_people", database)
    guard, stream = consumers.SessionGuard(), Watched("ended", owner_id)
    guard.watch(stream)
    guard.people_changed([owner_id])
    await asyncio.wait_for(until(lambda: stream.has_ended), 3)
    assert not stream.is_unknown
