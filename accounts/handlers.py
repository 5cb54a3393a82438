"""What Django itself changes of people, grants and sessions, wherever it does: their streams are looked at again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import Grant, User
from accounts.selectors import session_person
from accounts.services import access_changed
from trading_portal.kernel import clock

_DECIDES = frozenset({"password", "is_active"})


@receiver(post_save, sender=User)
def person_saved(*, instance: User, created: bool, update_fields: Collection[str] | None, **_: Any) -> None:
    """Look again where the password or the right to sign in may have changed; signing in itself saves a date."""
    if not created and (update_fields is None or not _DECIDES.isdisjoint(update_fields)):
        access_changed(person_id=instance.pk)


@receiver(post_delete, sender=User)
def person_deleted(*, instance: User, **_: Any) -> None:
    """Look again: the person's sessions and keys hold no longer."""
    access_changed(person_id=instance.pk)


@receiver([post_save, post_delete], sender=Grant)
def grant_changed(*, instance: Grant, **_: Any) -> None:
    """Look again at what the grant lets a person see."""
    access_changed(person_id=instance.user_id)


@receiver(post_delete, sender=Session)
def session_deleted(*, instance: Session, **_: Any) -> None:
    """Look again at whose session ended before its time: signing out deletes it, and so does a change of password."""
    if instance.expire_date > clock.now() and (person_id := session_person(instance)) is not None:
        access_changed(person_id=person_id)
