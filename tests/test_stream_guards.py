"""`/stream` and `/events/`: a key is asked about for as long as it is used, and a person has so many connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import OperationalError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from accounts import consumers as account_consumers
from accounts import services
from accounts.api import gathering
from accounts.consumers import SessionGuard
from accounts.models import ApiKey
from accounts.selectors import account_by_id
from marketdata.hub import Hub, get_hub
from marketdata.hub import hub as hub_module
from orders.api import stream as stream_module
from orders.api.stream import TradeStream
from orders.tests.api import Caller, new_caller
from positions.tests.helpers import BY
from tests.test_browser_socket import closed, join, session_of
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable, reason

LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
REST = {"action": "listen", "data": {"streams": []}}
AUTHORIZED, LISTENING, RESTING = "authorized", ["trade_updates"], []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about keys often."""
    monkeypatch.setattr(stream_module, "AUTHENTICATE_SECONDS", 1.0)
    monkeypatch.setattr(stream_module, "VERIFY_SECONDS", 0.1)


class Database:
    """Answer about keys, or fail like a database that is away; count both."""

    def __init__(self) -> None:
        self.fails = self.answered = self.failed = 0
        self._verify = stream_module.keys_verify

    def verify(self, *given: Any) -> Any:
        if self.failed < self.fails:
            self.failed += 1
            raise OperationalError("away")
        self.answered += 1
        return self._verify(*given)

    def fail(self, polls: int) -> None:
        """Be away for so many polls: a read that finds its connection broken is made once more."""
        self.fails = self.failed + 2 * polls


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    found = Database()
    monkeypatch.setattr(stream_module, "keys_verify", lambda *given: found.verify(*given))
    return found


def authenticate(caller: Caller) -> dict[str, Any]:
    return {"action": "authenticate", "data": {"key_id": caller.key_id, "secret_key": caller.secret}}


async def told(socket: ClientConnection, frame: dict[str, Any]) -> Any:
    """Return the status, or the streams, with which a frame is answered."""
    await socket.send(msgspec.json.encode(frame))
    data = msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10))["data"]
    return data["status"] if "status" in data else data["streams"]


@asynccontextmanager
async def authorized(live: str, caller: Caller) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://{live}/stream") as socket:
        assert await told(socket, authenticate(caller)) == AUTHORIZED
        yield socket


@asynccontextmanager
async def listening(live: str, caller: Caller) -> AsyncIterator[ClientConnection]:
    async with authorized(live, caller) as socket:
        assert await told(socket, LISTEN) == LISTENING
        yield socket


async def refusal(live: str, caller: Caller) -> int | None:
    """Return the code with which one more connection of a caller is closed."""
    async with connect(f"ws://{live}/stream") as socket:
        await socket.send(msgspec.json.encode(authenticate(caller)))
        return await closed(socket)


def has_answered_since(database: Database, answered: int) -> bool:
    return database.answered > answered


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


# The key, for as long as it is used


def expire(caller: Caller) -> None:
    ApiKey.objects.filter(key_id=caller.key_id).update(expires_at=clock.now())


def narrow(caller: Caller) -> None:
    ApiKey.objects.filter(key_id=caller.key_id).update(scopes=["x:y"])


def bind_elsewhere(caller: Caller) -> None:
    ApiKey.objects.filter(key_id=caller.key_id).update(allowed_networks=["10.0.0.0/8"])


def shut_out(caller: Caller) -> None:
    owner_id = account_by_id(caller.account_id).owner_id
    get_user_model().objects.filter(pk=owner_id).update(is_active=False)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("change", [expire, narrow, bind_elsewhere, shut_out])
async def test_a_stream_ends_with_what_its_key_granted(
    live: str, caller: Caller, database: Database, change: Any
) -> None:
    async with listening(live, caller) as socket:
        await until(lambda: database.answered > 3)
        await sync_to_async(change)(caller)
        assert await closed(socket) == 4401


@pytest.mark.usefixtures("quick")
async def test_a_key_is_asked_about_again_after_the_database_was_away(
    live: str, caller: Caller, database: Database
) -> None:
    async with listening(live, caller) as socket:
        for round_ in (1, 2):
            database.fail(polls=stream_module.UNVERIFIED_POLLS - 1)
            await until(lambda: database.failed == database.fails)
            await until(partial(has_answered_since, database, database.answered))
            assert database.failed == round_ * 2 * (stream_module.UNVERIFIED_POLLS - 1)
        assert await told(socket, REST) == RESTING
        await sync_to_async(expire)(caller)
        assert await closed(socket) == 4401


@pytest.mark.usefixtures("quick")
async def test_a_stream_ends_whose_key_could_not_be_asked_about_for_long(
    live: str, caller: Caller, database: Database
) -> None:
    async with listening(live, caller) as socket:
        database.fail(polls=1000)
        assert await closed(socket) == 4503
    assert database.failed == 2 * stream_module.UNVERIFIED_POLLS


@pytest.mark.usefixtures("quick")
async def test_a_database_that_says_nothing_is_one_that_is_away(
    live: str, caller: Caller, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks = threading.Event()
    async with listening(live, caller) as socket:
        monkeypatch.setattr(gathering, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(database, "verify", lambda *_: speaks.wait(20) and [None])
        try:
            assert await closed(socket) == 4503
        finally:
            speaks.set()


async def test_who_cannot_be_asked_about_is_not_let_in(live: str, caller: Caller, database: Database) -> None:
    database.fail(polls=1000)
    assert await refusal(live, caller) == 4503


@pytest.mark.usefixtures("quick")
async def test_a_connection_that_does_not_authenticate_ends(live: str) -> None:
    async with connect(f"ws://{live}/stream") as socket:
        assert await told(socket, LISTEN) == "unauthorized"
        assert await closed(socket) == 4401


# How many there may be


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[Hub]:
    """Collect the hubs that connections join."""
    found: list[Hub] = []

    def found_hub() -> Hub:
        hub = get_hub()
        if hub not in found:
            found.append(hub)
        return hub

    monkeypatch.setattr(stream_module, "get_hub", found_hub)
    return found


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person have two connections."""
    monkeypatch.setattr(hub_module, "CONNECTIONS_PER_USER", 2)


async def granted(caller: Caller, other: Caller) -> Caller:
    """Return a key to a caller's account that another caller's person made."""
    key = await sync_to_async(services.api_key_create)(
        user_id=(await sync_to_async(account_by_id)(other.account_id)).owner_id,
        account_id=caller.account_id,
        name="k",
        scopes=["account:read"],
        by=BY,
        at=clock.now(),
    )
    return Caller(caller.account_id, key.key_id, key.secret)


@pytest.mark.usefixtures("two")
async def test_one_person_leaves_the_places_of_others_who_see_the_account(live: str, caller: Caller) -> None:
    others = await granted(caller, await sync_to_async(new_caller)())
    async with listening(live, caller), listening(live, caller):
        assert await refusal(live, caller) == 4429
        async with listening(live, others), listening(live, others):
            assert await refusal(live, others) == 4429


@pytest.mark.usefixtures("two")
async def test_pages_and_programs_of_a_person_count_together(live: str, caller: Caller) -> None:
    session = await sync_to_async(session_of)(caller.account_id)
    async with listening(live, caller), join(live, session) as page:
        await page.send('{"op":"ping","id":1}')
        await page.recv()
        assert await refusal(live, caller) == 4429
        async with join(live, session) as another:
            assert await closed(another) == 4429


@pytest.mark.usefixtures("two")
async def test_who_never_listens_counts_too_and_once(live: str, caller: Caller) -> None:
    async with authorized(live, caller) as one, authorized(live, caller) as another:
        assert await refusal(live, caller) == 4429
        for socket in (one, another):
            for frame, answer in [(LISTEN, LISTENING), (LISTEN, LISTENING), (REST, RESTING), (REST, RESTING)]:
                assert await told(socket, frame) == answer
        assert await told(one, authenticate(caller)) == AUTHORIZED
        assert await told(one, LISTEN) == LISTENING
        assert await refusal(live, caller) == 4429


async def test_a_connection_stays_its_persons(live: str, caller: Caller) -> None:
    others = await granted(caller, await sync_to_async(new_caller)())
    async with listening(live, caller) as socket:
        assert await told(socket, authenticate(others)) == "unauthorized"
        assert await closed(socket) == 4401


async def test_who_has_not_authenticated_counts_in_the_process_and_nobody_is_left_behind(
    live: str, caller: Caller, hubs: list[Hub]
) -> None:
    async with connect(f"ws://{live}/stream") as stranger:
        assert await told(stranger, LISTEN) == "unauthorized"
        (hub,) = hubs
        full, hub.most_readers = hub.most_readers, hub.load()["readers"]
        try:
            async with connect(f"ws://{live}/stream") as another:
                assert await closed(another) == 4503
        finally:
            hub.most_readers = full
        readers = hub.load()["readers"]
    await until(lambda: hub.load()["readers"] < readers)


async def test_a_connection_that_fails_gives_its_place_back(
    live: str, caller: Caller, hubs: list[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: TradeStream, streams: object) -> None:
        raise RuntimeError

    owner_id = (await sync_to_async(account_by_id)(caller.account_id)).owner_id
    monkeypatch.setattr(TradeStream, "_listen", fail)
    async with authorized(live, caller) as socket:
        (hub,) = hubs
        assert owner_id in hub._of_user
        await socket.send(msgspec.json.encode(LISTEN))
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
    await until(lambda: owner_id not in hub._of_user)


@asynccontextmanager
async def following(live: str, account_id: Any, **options: Any) -> AsyncIterator[AsyncIterator[str]]:
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(timeout=10, **options) as client,
        client.stream("GET", f"http://{live}/events/accounts/{account_id}/") as response,
    ):
        assert response.status_code == 200
        yield response.aiter_lines()


async def heard(lines: AsyncIterator[str], wanted: Collection[str]) -> str:
    async for line in lines:
        if line in wanted:
            return line
    raise EOFError


OPENED, TOLD_TO_WAIT = "event: stream-open", "retry: 10000"


@pytest.mark.usefixtures("two")
async def test_event_streams_count_for_the_person_by_key_and_by_session(live: str, caller: Caller) -> None:
    session = await sync_to_async(session_of)(caller.account_id)
    others = await granted(caller, await sync_to_async(new_caller)())
    mine: list[dict[str, Any]] = [{"headers": caller.headers}, {"cookies": {"sessionid": session}}]
    ends = (OPENED, TOLD_TO_WAIT)
    async with (
        following(live, caller.account_id, **mine[0]) as by_key,
        following(live, caller.account_id, **mine[1]) as by_session,
    ):
        assert [await heard(by_key, ends), await heard(by_session, ends)] == [OPENED, OPENED]
        for options in mine:
            async with following(live, caller.account_id, **options) as third:
                assert await heard(third, ends) == TOLD_TO_WAIT
        assert await refusal(live, caller) == 4429
        async with following(live, caller.account_id, headers=others.headers) as theirs:
            assert await heard(theirs, ends) == OPENED


# The session guard, of pages and prices


@dataclass(eq=False)
class Watched:
    """A stream, as the session guard knows it."""

    session_key: str
    person_id: UUID
    has_ended: bool = False

    def accounts_shown(self) -> Collection[str]:
        return ()

    def session_ended(self) -> None:
        self.has_ended = True

    def account_hidden(self, account_id: str) -> None:
        raise AssertionError


@pytest.mark.parametrize("fault", ["hangs", "full", "broken"])
async def test_a_read_of_sessions_that_fails_or_hangs_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    speaks, has_failed = threading.Event(), threading.Event()

    def people(*_: Any) -> dict[str, UUID]:
        if has_failed.is_set():
            return {}
        has_failed.set()
        if fault == "hangs":
            speaks.wait(20)
        raise Unavailable(reason("API_FULL"), "Full.") if fault == "full" else RuntimeError

    monkeypatch.setattr(account_consumers, "GUARD_SECONDS", 0.01)
    monkeypatch.setattr(account_consumers, "READ_SECONDS", 0.2)
    monkeypatch.setattr(account_consumers, "sessions_people", people)
    guard, stream = SessionGuard(), Watched("gone", UUID(int=7))
    guard.watch(stream)
    try:
        await until(lambda: stream.has_ended)
    finally:
        speaks.set()
    assert has_failed.is_set()


async def test_who_asks_for_a_session_while_the_database_says_nothing_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speaks = threading.Event()
    monkeypatch.setattr(account_consumers, "READ_SECONDS", 0.2)
    guard = SessionGuard()
    with monkeypatch.context() as patch:
        patch.setattr(account_consumers, "sessions_people", lambda *_: speaks.wait(20) and {})
        try:
            with pytest.raises(OperationalError):
                await asyncio.wait_for(guard.person_of("key"), 5)
        finally:
            speaks.set()
    assert await asyncio.wait_for(guard.person_of("key"), 5) is None
