"""Whether a reader of `/events/` may still read: asked for as long as the stream is open, and by what opened it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest

from accounts.api.authentication import address_of, credentials_of
from accounts.consumers import get_guard
from orders.api.stream import UNAUTHORIZED, key_lapsed, key_verified
from orders.eventstream import UNAVAILABLE

End = Callable[[int], None]


class SessionReader:
    """A reader with a session, as the guard of sessions knows it."""

    def __init__(self, session_key: str, person_id: UUID, account_id: UUID, end: End) -> None:
        self.session_key = session_key
        self.person_id = person_id
        self._account_id = str(account_id)
        self._end = end

    def accounts_shown(self) -> Collection[str]:
        """Return the one account."""
        return (self._account_id,)

    def session_ended(self) -> None:
        """End: the session ended, or its person was shut out."""
        self._end(UNAUTHORIZED)

    def session_unknown(self) -> None:
        """End: for too long nobody could tell whether the session holds."""
        self._end(UNAVAILABLE)

    def account_hidden(self, account_id: str) -> None:
        """End: nothing else is read here."""
        self._end(UNAUTHORIZED)


@contextmanager
def access_watched(request: HttpRequest, account_id: UUID, person_id: UUID, end: End) -> Iterator[None]:
    """Call `end` with a close code once what opened a stream, a key or a session, lets it be read no longer."""
    credentials = credentials_of(request)
    if credentials is None:
        reader = SessionReader(cast(Any, request).session.session_key or "", person_id, account_id, end)
        get_guard().watch(reader)
        try:
            yield
        finally:
            get_guard().forget(reader)
        return
    task = asyncio.get_running_loop().create_task(_key_watched(credentials, address_of(request), person_id, end))
    try:
        yield
    finally:
        task.cancel()


async def _key_watched(credentials: tuple[str, str], address: str, person_id: UUID, end: End) -> None:
    end(await key_lapsed(person_id, lambda: key_verified(credentials, address), asyncio.Event()))
