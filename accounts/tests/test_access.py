"""Who is told that access changed, when, and that no withdrawal fails because nobody can be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.conf import settings as given
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client

from accounts import services
from accounts.domain import access
from accounts.models import ApiKey, Grant
from accounts.tests.test_sessions import account_of, signed_in
from audit.domain.types import Actor
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

BY = Actor.system("test")


class Ear:
    """Hear what is published about one person."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    def heard(self, person_id: UUID) -> int:
        """Return how often this person was named since it was asked last."""
        with redis.Redis.from_url(given.REDIS_URL) as client:
            end = uuid7()
            client.publish(access.CHANNEL, access.people_write([end]))
        times = 0
        while end not in (named := self._next()):
            times += named.count(person_id)
        return times

    def _next(self) -> list[UUID]:
        message = self._subscription.get_message(ignore_subscribe_messages=True, timeout=10)
        return access.people_read(message["data"]) if message else []


@pytest.fixture
def ear() -> Iterator[Ear]:
    with redis.Redis.from_url(given.REDIS_URL) as client, client.pubsub() as subscription:
        subscription.subscribe(access.CHANNEL)
        assert subscription.get_message(timeout=10)["type"] == "subscribe"
        yield Ear(subscription)


def key_of(person_id: UUID) -> str:
    made = services.api_key_create(
        user_id=person_id, account_id=account_of(person_id), name="k", scopes=["trading"], by=BY, at=clock.now()
    )
    return made.key_id


def test_a_revoked_key_is_told_of_once_it_is_committed_and_only_then(ear: Ear) -> None:
    _, person = signed_in()
    key_id = key_of(person.pk)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.api_key_revoke(key_id=key_id, by=BY, at=clock.now())
        raise ZeroDivisionError
    assert ear.heard(person.pk) == 0
    with transaction.atomic():
        services.api_key_revoke(key_id=key_id, by=BY, at=clock.now())
        assert ear.heard(person.pk) == 0
    assert ear.heard(person.pk) == 1
    services.api_key_revoke(key_id=key_id, by=BY, at=clock.now())
    assert ear.heard(person.pk) == 0


def test_people_are_told_of_who_can_sign_in_no_longer(ear: Ear) -> None:
    _, person = signed_in()
    person.set_password("another")
    person.save()
    assert ear.heard(person.pk) == 1
    person.is_active = False
    person.save(update_fields=["is_active"])
    assert ear.heard(person.pk) == 1
    person_id = person.pk
    person.delete()
    assert ear.heard(person_id) >= 1


def test_who_signs_in_or_chooses_a_theme_is_not_told_of(ear: Ear) -> None:
    person = get_user_model().objects.create_user(username=uuid7().hex, password="first")
    Client().force_login(person)
    services.person_preferences_change(user_id=person.pk, chosen={"theme": "dark"})
    assert ear.heard(person.pk) == 0


def test_a_grant_that_changes_is_told_of(ear: Ear) -> None:
    (_, owner), (_, stranger) = signed_in(), signed_in()
    account_id = account_of(owner.pk)
    assert ear.heard(stranger.pk) == 0
    grant = Grant.objects.create(user=stranger, account_id=account_id, permission="trade", granted_at=clock.now())
    grant.permission = "view"
    grant.save()
    assert ear.heard(stranger.pk) == 2
    Grant.objects.filter(user=stranger).delete()
    assert ear.heard(stranger.pk) == 1
    assert ear.heard(owner.pk) == 0


def test_signing_out_is_told_of_and_what_only_ran_out_is_not(ear: Ear) -> None:
    person = get_user_model().objects.create_user(username=uuid7().hex)
    client = Client()
    client.force_login(person)
    client.post("/sign-out")
    assert ear.heard(person.pk) == 1
    key, another = signed_in()
    Session.objects.filter(session_key=key).update(expire_date=clock.now() - timedelta(seconds=1))
    Session.objects.filter(session_key=key).delete()
    assert ear.heard(another.pk) == 0


def test_what_is_withdrawn_while_redis_is_away_is_withdrawn(settings: Any) -> None:
    session_key, person = signed_in()
    key_id = key_of(person.pk)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    services.api_key_revoke(key_id=key_id, by=BY, at=clock.now())
    assert ApiKey.objects.get(key_id=key_id).revoked_at is not None
    Session.objects.filter(session_key=session_key).delete()
    person.is_active = False
    person.save()
    assert not get_user_model().objects.get(pk=person.pk).is_active
