"""What is withdrawn through one web process ends, at once, the streams that another holds: pushed, not found by asking.

The processes ask by themselves too, every ten or fifteen seconds; a stream that ends within SOON was told.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import Grant
from orders.tests.api import Caller, new_caller
from positions.tests.helpers import rows
from tests.live import SERVERS
from tests.sdk.helpers import until
from tests.test_browser_socket import ask, heard
from tests.watching import SOON, Webs, owner_of, watching
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.running import testing

SIGNED_OUT = 4401
FORBIDDEN = "stream-error"
BY_SESSION = ("page", "prices", "events by session")
BY_KEY = ("trade updates", "events by key")


@pytest.fixture(scope="module")
def webs() -> Iterator[Webs]:
    """Serve the site with two processes, one of each server, each on a port of its own."""
    with ExitStack() as leave:
        served = [leave.enter_context(testing.web_processes(os.environ, server=name))[1] for name in SERVERS]
        for address in served:
            until(lambda address=address: is_served(address))
        yield served


def is_served(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def stranger() -> UUID:
    return new_person()


def new_person() -> UUID:
    """Return a person who owns nothing."""
    person_id: UUID = get_user_model().objects.create_user(username=uuid7().hex).pk
    return person_id


def session_of(person_id: UUID) -> str:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=person_id))
    return str(client.cookies["sessionid"].value)


# How they end, when access is withdrawn through the first of the processes


def told(*names: str) -> dict[str, list[Any]]:
    """Return how these end, at both processes, when access is withdrawn."""
    ends = {"page": SIGNED_OUT, "prices": "", "trade updates": SIGNED_OUT}
    return {name: [ends.get(name, FORBIDDEN)] * len(SERVERS) for name in names}


class Desk:
    """A browser of somebody who is signed in."""

    def __init__(self, web: str, session: str) -> None:
        self._client = httpx.Client(base_url=f"http://{web}", cookies={"sessionid": session}, timeout=30)

    def post(self, path: str, data: dict[str, Any], *, page: str = "") -> None:
        """Send a form, with the token that its page was given."""
        with self._client as client:
            assert client.get(page or path).status_code == 200
            answer = client.post(path, data=data, headers={"X-CSRFToken": client.cookies["csrftoken"]})
            assert answer.status_code == 302, answer.text


def admin_at(web: str) -> Desk:
    person = get_user_model().objects.create_superuser(username=uuid7().hex, password="x")
    return Desk(web, session_of(person.pk))


def sign_out(web: str, person_id: UUID, session: str) -> None:
    Desk(web, session).post("/sign-out", {}, page="/")


def set_password(web: str, person_id: UUID, session: str) -> None:
    new = uuid7().hex
    admin_at(web).post(f"/admin/accounts/user/{person_id}/password/", {"password1": new, "password2": new})


def shut_out(web: str, person_id: UUID, session: str) -> None:
    username = get_user_model().objects.get(pk=person_id).username
    fields = {"username": username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    admin_at(web).post(f"/admin/accounts/user/{person_id}/change/", fields)
    assert not get_user_model().objects.get(pk=person_id).is_active


def delete_session(web: str, person_id: UUID, session: str) -> None:
    Session.objects.filter(session_key=session).delete()


def delete(web: str, person_id: UUID) -> None:
    admin_at(web).post(f"/admin/accounts/user/{person_id}/delete/", {"post": "yes"})


def revoke(web: str, caller: Caller) -> None:
    [[key]] = rows("SELECT id FROM accounts_apikey WHERE key_id = %s", caller.key_id)
    admin_at(web).post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": str(key)})


Withdrawal = Callable[[str, UUID, str], None]


@pytest.mark.parametrize("withdraw", [sign_out, set_password, shut_out, delete_session])
async def test_what_a_session_opened_ends_with_it_everywhere(webs: Webs, caller: Caller, withdraw: Withdrawal) -> None:
    owner_id = await sync_to_async(owner_of)(caller.account_id)
    session = await sync_to_async(session_of)(owner_id)
    async with watching() as held:
        for web in webs:
            await held.by_session(web, session, caller.account_id)
        await sync_to_async(withdraw)(webs[0], owner_id, session)
        assert await held.ended() == told(*BY_SESSION)


async def test_a_session_that_ends_leaves_the_person_s_other_streams_alone(webs: Webs, caller: Caller) -> None:
    owner_id = await sync_to_async(owner_of)(caller.account_id)
    session, other = [await sync_to_async(session_of)(owner_id) for _ in range(2)]
    async with watching() as held, watching() as kept:
        for web in webs:
            await held.by_session(web, session, caller.account_id)
            await kept.by_session(web, other, caller.account_id)
            await kept.by_key(web, caller)
        await sync_to_async(sign_out)(webs[0], owner_id, session)
        assert await held.ended() == told(*BY_SESSION)
        await asyncio.sleep(0.5)
        assert not kept.over()


async def test_what_a_key_opened_ends_everywhere_when_an_officer_revokes_it(webs: Webs, caller: Caller) -> None:
    other = await sync_to_async(new_caller)(account_id=caller.account_id)
    async with watching() as held, watching() as kept:
        for web in webs:
            await held.by_key(web, caller)
            await kept.by_key(web, other)
        await sync_to_async(revoke)(webs[0], caller)
        assert await held.ended() == told(*BY_KEY)
        await asyncio.sleep(0.5)
        assert not kept.over()


async def test_what_a_key_opened_ends_everywhere_when_its_person_is_shut_out(webs: Webs, caller: Caller) -> None:
    owner_id = await sync_to_async(owner_of)(caller.account_id)
    async with watching() as held:
        for web in webs:
            await held.by_key(web, caller)
        await sync_to_async(shut_out)(webs[0], owner_id, "")
        assert await held.ended() == told(*BY_KEY)


async def test_a_key_s_streams_end_when_it_expires(webs: Webs) -> None:
    expires_at = clock.now() + timedelta(seconds=4)
    caller = await sync_to_async(new_caller)(expires_at=expires_at)
    async with watching() as held:
        for web in webs:
            await held.by_key(web, caller)
        await asyncio.sleep((expires_at - clock.now()).total_seconds() - 0.2)
        assert not held.over()
        assert await held.ended() == told(*BY_KEY)


def grant_to(person_id: UUID, account_id: UUID) -> Grant:
    return Grant.objects.create(user_id=person_id, account_id=account_id, permission="view", granted_at=clock.now())


def remove(grant: Grant) -> None:
    grant.delete()


def move(grant: Grant) -> None:
    grant.account_id = new_caller().account_id
    grant.save()


@pytest.mark.parametrize("withdraw", [remove, move])
async def test_an_account_is_hidden_everywhere_when_its_grant_is_withdrawn(
    webs: Webs, caller: Caller, stranger: UUID, withdraw: Callable[[Grant], None]
) -> None:
    session = await sync_to_async(session_of)(stranger)
    grant = await sync_to_async(grant_to)(stranger, caller.account_id)
    async with watching() as held:
        pages = [await held.page(web, session) for web in webs]
        for page, web in zip(pages, webs, strict=True):
            await ask(page, op="subscribe", id=2, ch="account", account_id=str(caller.account_id))
            await heard(page, type="snapshot", ch="account")
            await held.events("events by session", web, caller.account_id, cookies={"sessionid": session})
        await sync_to_async(withdraw)(grant)
        async with asyncio.timeout(SOON):
            for page in pages:
                assert (await heard(page, op="error", ch="account"))["code"] == "ACCOUNT_NOT_FOUND"
        assert await held.ended() == told("events by session")
        for page in pages:
            await ask(page, op="ping", id=3)
            await heard(page, op="pong", id=3)


async def test_a_person_who_is_deleted_watches_no_longer(webs: Webs, stranger: UUID) -> None:
    async with watching() as held:
        await held.pages(webs, await sync_to_async(session_of)(stranger))
        await sync_to_async(delete)(webs[0], stranger)
        assert await held.ended() == told("page")


def shut_all_out(people: list[UUID]) -> None:
    for person in get_user_model().objects.filter(pk__in=people):
        person.is_active = False
        person.save(update_fields=["is_active"])


async def test_the_pages_of_fifty_people_end_at_once(webs: Webs) -> None:
    people = [await sync_to_async(new_person)() for _ in range(50)]
    async with watching() as held:
        for person_id in people:
            await held.pages(webs, await sync_to_async(session_of)(person_id))
        await sync_to_async(shut_all_out)(people)
        assert await held.ended() == {"page": [SIGNED_OUT] * len(people) * len(webs)}
