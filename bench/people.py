"""Make people who are signed in; print their session cookies as JSON."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402

from trading_portal.kernel import clock  # noqa: E402
from trading_portal.kernel.ids import uuid7  # noqa: E402


def main(count: int) -> list[str]:
    """Return a cookie header for each of so many new people."""
    model = get_user_model()
    batch = uuid7().hex
    people = model.objects.bulk_create(model(username=f"{batch}-{number}", password="!") for number in range(count))
    store = SessionStore()
    until = clock.now() + timedelta(days=1)
    sessions = [
        Session(
            session_key=uuid7().hex,
            expire_date=until,
            session_data=store.encode(
                {
                    SESSION_KEY: str(person.pk),
                    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                    HASH_SESSION_KEY: person.get_session_auth_hash(),
                }
            ),
        )
        for person in people
    ]
    Session.objects.bulk_create(sessions, batch_size=1000)
    return [f"sessionid={session.session_key}" for session in sessions]


sys.stdout.write(json.dumps(main(int(sys.argv[1]))))
