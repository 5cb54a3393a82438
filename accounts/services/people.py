"""Make people, let them sign in, and keep how they want the pages to look."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError

from accounts.domain import sign_in
from accounts.models import User
from accounts.services.admitting import rates_take
from trading_portal.kernel.errors import InvalidInput, reason


@transaction.atomic
def person_ensure(
    *, username: str, email: str, first_name: str, last_name: str, password: str, groups: Sequence[str], is_staff: bool
) -> tuple[UUID, str]:
    """Make a person, or keep the one there; return their id and a password that signs in.

    The given password is kept when it is the person's; otherwise a new random one is set.
    """
    user, _ = User.objects.get_or_create(
        username=username, defaults={"email": email, "first_name": first_name, "last_name": last_name}
    )
    if not password or not user.check_password(password):
        password = secrets.token_urlsafe(9)
        user.set_password(password)
    user.is_staff = is_staff
    user.save()
    user.groups.set(Group.objects.filter(name__in=groups))
    return user.id, password


def person_preferences_change(*, user_id: UUID, chosen: Mapping[str, object]) -> None:
    """Keep how a person wants the pages to look; raise InvalidInput for what is no choice."""
    for name, value in chosen.items():
        if not isinstance(value, str) or value not in sign_in.CHOICES.get(name, ()):
            why = reason("PREFERENCE_UNKNOWN", name=name[:40])
            raise InvalidInput(why, f"{name[:40]} cannot be set to that.")
    with transaction.atomic():
        person = User.objects.select_for_update().get(id=user_id)
        person.theme = str(chosen.get("theme", person.theme))
        person.time_zone = str(chosen.get("time_zone", person.time_zone))
        others = {name: value for name, value in chosen.items() if name not in ("theme", "time_zone")}
        person.preferences = {**person.preferences, **others}
        person.save(update_fields=["theme", "time_zone", "preferences"])


def sign_in_try(*, username: str, address: str) -> int:
    """Count one try to sign in; return 0, or for how many seconds this name or address is locked out."""
    requests = sign_in.sign_in_requests(username, address)
    answers = rates_take(requests, window_seconds=sign_in.WINDOW_SECONDS)
    return max((answer.wait_seconds for answer in answers if not answer.is_allowed), default=0)


def sign_in_succeeded(*, username: str, address: str) -> None:
    """Forget the failed tries of one name from one address."""
    client: Redis = get_redis_connection("default")
    with suppress(RedisError):  # Not forgotten, the tries only run out sooner.
        client.delete(f"{{rate}}:{sign_in.own_key(username, address)}")
