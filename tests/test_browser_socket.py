"""`/ws`: who may listen, what comes first, and that account events come without gap or double."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from accounts import consumers as account_consumers
from audit.selectors import events_of_account
from orders.broadcasts import accounts_publish
from orders.consumers import browser as browser_module
from orders.domain.breaker import BreakerState
from orders.services.breaking import Health, venue_health_store
from orders.tests.desk import Desk
from orders.tests.test_pages import browser_of
from trading_portal.kernel import clock

SECONDS = 10


@pytest.fixture
def desk() -> Desk:
    return Desk(accounts=2)


@pytest.fixture
def session(desk: Desk) -> str:
    return session_of(desk.account)


def session_of(account_id: UUID) -> str:
    return str(browser_of(account_id).client.cookies[settings.SESSION_COOKIE_NAME].value)


def join(host: str, session: str = "", *, origin: str | None = None) -> Any:
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}
    return connect(f"ws://{host}/ws", origin=origin or f"http://{host}", additional_headers=headers)


async def ask(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def heard(socket: ClientConnection, **wanted: Any) -> dict[str, Any]:
    """Return the next frame that says this; others are passed over."""
    async with asyncio.timeout(SECONDS):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if all(frame.get(name) == value for name, value in wanted.items()):
                return frame


async def closed(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await socket.recv()
            except ConnectionClosed:
                return socket.close_code


async def test_a_page_of_another_site_is_turned_away(live: str, session: str) -> None:
    async with join(live, session, origin="https://evil.example") as socket:
        assert await closed(socket) == 4403


async def test_a_socket_without_an_origin_is_turned_away(live: str, session: str) -> None:
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
    async with connect(f"ws://{live}/ws", additional_headers=headers) as socket:
        assert await closed(socket) == 4403


async def test_nobody_listens_without_a_session(live: str) -> None:
    async with join(live) as socket:
        assert await closed(socket) == 4401


async def test_another_s_account_is_not_there(live: str, session: str, desk: Desk) -> None:
    async with join(live, session) as socket:
        await ask(socket, op="subscribe", id=1, ch="account", account_id=str(desk.accounts[1]))
        assert (await heard(socket, op="error"))["code"] == "ACCOUNT_NOT_FOUND"


async def test_the_snapshot_comes_first_and_then_each_event_once(live: str, session: str, desk: Desk) -> None:
    old = await sync_to_async(desk.accepted)()
    async with join(live, session) as socket:
        await ask(socket, op="subscribe", id=7, ch="account", account_id=str(desk.account))
        ack = await heard(socket, op="ack")
        snapshot = await heard(socket, type="snapshot", ch="account")
        assert ack["seq"] == snapshot["seq"]
        assert [order["id"] for order in snapshot["orders"]] == [str(old)]
        assert snapshot["account"]["currency"] == "USD"

        new = await sync_to_async(desk.accepted)()
        await sync_to_async(_publish)(desk.account, 0)
        await sync_to_async(_publish)(desk.account, 0)
        await sync_to_async(desk.accepted)()
        await sync_to_async(_publish)(desk.account, snapshot["seq"])
        first = await heard(socket, type="delta", ch="account")
        second = await heard(socket, type="delta", ch="account")
        assert first["prev"] == snapshot["seq"]
        assert second["prev"] == first["seq"]
        assert str(new) in [order["id"] for order in first["orders"]]


def _publish(account_id: UUID, since: int) -> None:
    accounts_publish(events_of_account(account_id, since, 100), at=clock.now())


async def test_marks_move_the_valuation_without_an_event(live: str, session: str, desk: Desk) -> None:
    async with join(live, session) as socket:
        await ask(socket, op="subscribe", id=1, ch="account", account_id=str(desk.account))
        valuation = await heard(socket, type="valuation", ch="account")
        assert valuation["account"]["equity"] == "1000000000"
        assert "seq" not in valuation


async def test_a_page_is_told_of_a_venue_that_is_away_and_when_it_is_back(live: str, session: str, desk: Desk) -> None:
    await sync_to_async(desk.working)()
    async with join(live, session) as socket:
        await ask(socket, op="subscribe", id=1, ch="account", account_id=str(desk.account))
        assert (await heard(socket, type="snapshot"))["notices"] == []
        await sync_to_async(venue_is)(desk, BreakerState.OPEN)
        notices: list[dict[str, Any]] = []
        while not notices:
            notices = (await heard(socket, type="valuation", ch="account"))["notices"]
        assert (notices[0]["code"], notices[0]["venue"]) == ("VENUE_AWAY", desk.venue)
        assert desk.venue in notices[0]["sentence"]
        await sync_to_async(venue_is)(desk, BreakerState.CLOSED)
        assert (await heard(socket, type="valuation", notices=[]))["notices"] == []


def venue_is(desk: Desk, state: BreakerState) -> None:
    venue_health_store(venue=desk.venue, fence=None, health=Health(state=state), at=clock.now())


async def test_rubbish_is_answered_and_too_much_of_it_ends_the_line(live: str, session: str) -> None:
    async with join(live, session) as socket:
        await socket.send("{")
        assert (await heard(socket, op="error"))["code"] == "REQUEST_MALFORMED"
        await ask(socket, op="subscribe", id=2, ch="depth")
        assert (await heard(socket, op="error"))["code"] == "CHANNEL_INCOMPLETE"
        await ask(socket, op="ping", id=3, ts="x")
        assert await heard(socket, op="pong") == {"op": "pong", "id": 3, "ts": "x"}
        await socket.send("x" * 20_000)
        assert await closed(socket) == 4400


async def test_a_flood_of_requests_ends_the_line(live: str, session: str) -> None:
    async with join(live, session) as socket:
        for number in range(browser_module.REQUESTS + 1):
            await ask(socket, op="ping", id=number)
        assert await closed(socket) == 4429


async def test_the_line_ends_with_the_session(live: str, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_consumers, "GUARD_SECONDS", 0.2)
    async with join(live, session) as socket:
        await ask(socket, op="ping", id=1)
        await heard(socket, op="pong")
        await sync_to_async(Session.objects.filter(session_key=session).delete)()
        assert await closed(socket) == 4401
