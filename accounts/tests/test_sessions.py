"""Sessions are read many at a time, and say who somebody is only for as long as that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client

from accounts import consumers
from accounts.consumers import SessionGuard
from accounts.models import Grant
from accounts.selectors import accounts_visible_among, sessions_people
from accounts.services import account_open
from audit.domain.types import Actor
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


def signed_in() -> tuple[str, Any]:
    person = get_user_model().objects.create_user(username=uuid7().hex, password="first")
    client = Client()
    client.force_login(person)
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value), person


def account_of(owner_id: UUID) -> UUID:
    number = uuid7().hex[-12:]
    by = Actor.system("test")
    return account_open(
        owner_id=owner_id, number=number, name="A", base_currency="USD", is_paper=True, by=by, at=clock.now()
    )


def test_each_session_names_its_person_and_what_is_none_names_nobody() -> None:
    people = dict(signed_in() for _ in range(3))
    found = sessions_people([*people, "made-up", ""], clock.now())
    assert found == {key: person.pk for key, person in people.items()}


def test_a_session_ends_with_its_time_its_password_or_its_person() -> None:
    (expired, _), (changed, one), (shut_out, two), (kept, three) = (signed_in() for _ in range(4))
    Session.objects.filter(session_key=expired).update(expire_date=clock.now() - timedelta(seconds=1))
    one.set_password("second")
    one.save()
    two.is_active = False
    two.save()
    assert sessions_people([expired, changed, shut_out, kept], clock.now()) == {kept: three.pk}


def test_a_session_signed_under_a_former_secret_still_counts(settings: Any) -> None:
    key, person = signed_in()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 8
    assert sessions_people([key], clock.now()) == {key: person.pk}


def test_those_accounts_are_visible_that_are_owned_or_granted() -> None:
    (_, owner), (_, stranger) = signed_in(), signed_in()
    own, granted = account_of(owner.pk), account_of(owner.pk)
    Grant.objects.create(user_id=stranger.pk, account_id=granted, permission="view", granted_at=clock.now())
    pairs = {(owner.pk, own), (stranger.pk, own), (stranger.pk, granted)}
    assert accounts_visible_among(pairs) == {(owner.pk, own), (stranger.pk, granted)}


async def test_sessions_asked_for_at_once_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def read(keys: Collection[str], at: datetime) -> dict[str, UUID]:
        reads.append(len(keys))
        return {key: UUID(int=len(key)) for key in keys if key != "unknown"}

    monkeypatch.setattr(consumers, "sessions_people", read)
    guard = SessionGuard()
    keys = ["k" * number for number in range(1, 201)]
    found = await asyncio.gather(*(guard.person_of(key) for key in [*keys, *keys, "unknown", ""]))
    assert found == [UUID(int=len(key)) for key in [*keys, *keys]] + [None, None]
    assert sum(reads) <= 201
    assert len(reads) <= 2


async def test_a_database_that_is_away_is_told_to_whoever_asks_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(keys: Collection[str], at: datetime) -> dict[str, UUID]:
        raise OperationalError

    guard = SessionGuard()
    with monkeypatch.context() as patch:
        patch.setattr(consumers, "sessions_people", away)
        with pytest.raises(OperationalError):
            await guard.person_of("key")
    assert await guard.person_of("key") is None


@dataclass(eq=False)
class Watched:
    session_key: str
    person_id: UUID
    accounts: set[str] = field(default_factory=set)
    has_ended: bool = False

    def accounts_shown(self) -> Collection[str]:
        return self.accounts

    def session_ended(self) -> None:
        self.has_ended = True

    def account_hidden(self, account_id: str) -> None:
        self.accounts.discard(account_id)


async def test_a_guard_ends_what_lost_its_session_and_hides_what_may_no_longer_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = UUID(int=7)
    mine, hidden = str(uuid7()), str(uuid7())
    monkeypatch.setattr(consumers, "GUARD_SECONDS", 0.01)
    monkeypatch.setattr(consumers, "sessions_people", lambda *_: {"kept": owner, "other": UUID(int=8)})
    monkeypatch.setattr(consumers, "accounts_visible_among", lambda _: {(owner, UUID(mine))})
    guard = SessionGuard()
    kept, gone, other = Watched("kept", owner, {mine, hidden}), Watched("gone", owner), Watched("other", owner)
    for stream in (kept, gone, other):
        guard.watch(stream)
    async with asyncio.timeout(5):
        while not (gone.has_ended and other.has_ended and kept.accounts == {mine}):
            await asyncio.sleep(0.01)
    assert not kept.has_ended
    guard.forget(kept)
