"""Who is behind a stream: the page it came from, the session it brings, and whether that still holds.

WebSockets and server-sent events ask here alike. Sessions are read many at a time: those that arrive while others are
read go together. Those of open streams are asked about again as soon as their person's access changes, which the hub
hears of, and every few seconds, a part of them at a time, for what it did not hear. Whoever streams by a key is told of
the person's changes too.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import OperationalError
from django.http import parse_cookie
from django.http.request import validate_host

from accounts.api.pool import in_pool
from accounts.selectors import accounts_visible_among, sessions_people
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable

GUARD_SECONDS = 15.0
STEP_SECONDS = 0.5
AT_ONCE = 500
REST_SECONDS = 0.02
"""Between two reads of sessions: when many connect at once, more of them share a read."""

UNKNOWN_READS = 3
"""So often in a row a stream may stay unchecked, for want of the database, before it ends."""

LATELY_SECONDS = 30.0
"""Within this of a change of access a stream that opens is asked about at once: it may have been let in just before."""

READ_SECONDS = 5.0
"""A database that says nothing for so long is away: one read that hangs must not end the watch over everybody."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Stream(Protocol):
    """An open stream, as its guard knows it."""

    session_key: str
    person_id: UUID

    def accounts_shown(self) -> Collection[str]:
        """Return the accounts that it shows now."""
        ...

    def session_ended(self) -> None:
        """End the stream; never wait."""
        ...

    def session_unknown(self) -> None:
        """End the stream, about which nobody could be asked for long; never wait."""
        ...

    def account_hidden(self, account_id: str) -> None:
        """Show an account no longer; never wait."""
        ...


class SessionGuard:
    """Know whose sessions the streams of one event loop are."""

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Future[UUID | None]] = {}
        self._streams: dict[Stream, float] = {}
        """When each was asked about last, the longest ago first."""
        self._at_once: dict[Stream, None] = {}
        self._unknown: dict[Stream, int] = {}
        """How many reads in a row each was left unchecked by."""
        self._changed: set[UUID] = set()
        self._changed_at: dict[UUID, float] = {}
        """Whose access changed lately, the longest ago first."""
        self._has_changed = asyncio.Event()
        self._told: defaultdict[UUID, dict[Callable[[], None], None]] = defaultdict(dict)
        self._reading: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None

    async def person_of(self, session_key: str) -> UUID | None:
        """Return who a session belongs to, or None; raise a database's error."""
        if not session_key:
            return None
        loop = asyncio.get_running_loop()
        asked = self._asked.get(session_key)
        if asked is None:
            asked = self._asked[session_key] = loop.create_future()
        if self._reading is None:
            self._reading = loop.create_task(self._read(), name="sessions-read")
        return await asyncio.shield(asked)

    def watch(self, stream: Stream) -> None:
        """Ask about a stream's session now and then, until it is forgotten."""
        self._streams[stream] = clock.monotonic()
        if stream.person_id in self._changed_at:
            self._at_once[stream] = None
            self._has_changed.set()
        if self._round is None or self._round.done():
            self._round = asyncio.get_running_loop().create_task(self._rounds(), name="sessions-guard")

    def forget(self, stream: Stream) -> None:
        """Ask about a stream no more; harmless when repeated."""
        self._streams.pop(stream, None)
        self._at_once.pop(stream, None)
        self._unknown.pop(stream, None)

    @contextmanager
    def telling(self, person_id: UUID, tell: Callable[[], None]) -> Iterator[None]:
        """Tell of every change of a person's access; a stream by a key asks about its key then."""
        self._told[person_id][tell] = None
        try:
            yield
        finally:
            del self._told[person_id][tell]
            if not self._told[person_id]:
                del self._told[person_id]

    def people_changed(self, people: Collection[UUID]) -> None:
        """Ask at once about the streams of people whose access changed."""
        now = clock.monotonic()
        for person_id in people:
            self._changed_at.pop(person_id, None)
            self._changed_at[person_id] = now
            for tell in list(self._told.get(person_id, ())):
                tell()
        while (oldest := next(iter(self._changed_at), None)) and now - self._changed_at[oldest] > LATELY_SECONDS:
            del self._changed_at[oldest]
        if self._streams:
            self._changed.update(people)
            self._has_changed.set()

    async def _read(self) -> None:
        """Read what was asked, all of it at once, until nothing more was asked meanwhile."""
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                people = await _in_time(sessions_people, list(asked), clock.now())
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                for future in asked.values():
                    future.set_exception(error)
            else:
                for key, future in asked.items():
                    future.set_result(people.get(key))
            await asyncio.sleep(REST_SECONDS)
        self._reading = None

    async def _rounds(self) -> None:
        while self._streams:
            await self._rest()
            while streams := self._due():
                try:
                    await self._check(streams)
                except Exception as error:
                    # Whatever it was, it must not end the watch over all the others.
                    is_away = isinstance(error, DatabaseError)
                    log.warning("streams.guard_failed", error=repr(error), streams=len(streams), exc_info=not is_away)
                    self._left_unknown(streams)
                    break

    async def _rest(self) -> None:
        """Wait a step, or until somebody's access changes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(STEP_SECONDS, GUARD_SECONDS)):
                await self._has_changed.wait()
        self._has_changed.clear()

    def _due(self) -> list[Stream]:
        """Return streams to ask about, those of people whose access changed first; each once, whatever comes of it."""
        now = clock.monotonic()
        if self._changed:
            changed, self._changed = self._changed, set()
            self._at_once.update((stream, None) for stream in self._streams if stream.person_id in changed)
        due = list(itertools.islice(self._at_once, AT_ONCE))
        if not due:
            first = itertools.islice(self._streams.items(), AT_ONCE)
            due = [stream for stream, at in first if now - at >= GUARD_SECONDS]
        for stream in due:
            self._at_once.pop(stream, None)
            del self._streams[stream]
            self._streams[stream] = now
        return due

    def _left_unknown(self, streams: Collection[Stream]) -> None:
        """Count a failed read against all that were due, since none can be read; end what stays unchecked too long."""
        unread = dict.fromkeys(streams)
        while due := self._due():
            unread.update(dict.fromkeys(due))
        for stream in unread.keys() & self._streams.keys():
            self._unknown[stream] = self._unknown.get(stream, 0) + 1
            if self._unknown[stream] >= UNKNOWN_READS:
                self.forget(stream)
                stream.session_unknown()
            elif stream.person_id in self._changed_at:
                self._at_once[stream] = None

    async def _check(self, streams: Collection[Stream]) -> None:
        people = await _in_time(sessions_people, {stream.session_key for stream in streams}, clock.now())
        shown = []
        for stream in streams:
            if people.get(stream.session_key) != stream.person_id:
                self.forget(stream)
                stream.session_ended()
            else:
                shown += [(stream, account_id) for account_id in stream.accounts_shown()]
        if shown:
            pairs = {(stream.person_id, UUID(account_id)) for stream, account_id in shown}
            visible = await _in_time(accounts_visible_among, pairs)
            for stream, account_id in shown:
                if (stream.person_id, UUID(account_id)) not in visible:
                    stream.account_hidden(account_id)
        for stream in streams:
            self._unknown.pop(stream, None)


async def _in_time(read: Callable[..., T], *asked: Any) -> T:
    """Return what a read returns; raise a database's error when it takes too long, or too many wait."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await in_pool(read, *asked)
    except (TimeoutError, Unavailable) as error:
        raise OperationalError("The database does not answer.") from error


_guards: WeakKeyDictionary[asyncio.AbstractEventLoop, SessionGuard] = WeakKeyDictionary()


def get_guard() -> SessionGuard:
    """Return the guard of the running event loop: one per web process."""
    loop = asyncio.get_running_loop()
    guard = _guards.get(loop)
    if guard is None:
        guard = _guards[loop] = SessionGuard()
    return guard


def session_key_of(scope: Mapping[str, Any]) -> str:
    """Return the key of the session that a connection brings, or nothing."""
    cookies = parse_cookie(_header(scope, b"cookie"))
    return str(cookies.get(settings.SESSION_COOKIE_NAME, ""))


def is_own_origin(scope: Mapping[str, Any], *, is_needed: bool) -> bool:
    """Tell whether the page that opened a connection is this site's; a browser that opens a WebSocket always says."""
    origin = _header(scope, b"origin")
    if not origin:
        return not is_needed
    if origin in settings.PUBLIC_ORIGINS:
        return True
    asked = urlsplit(origin)
    host = _header(scope, b"host")
    return bool(asked.netloc) and asked.netloc == host and validate_host(asked.hostname or "", settings.ALLOWED_HOSTS)


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    found: bytes = dict(scope["headers"]).get(name, b"")
    return found.decode("latin-1")
