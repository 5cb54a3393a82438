"""Account streams that this process holds itself.

The hub wakes them; what they then read of the event log, and whether they still may, is read for all of them together,
on one thread and one connection, and a page that many want is read and written once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django_eventstream.storage import EventDoesNotExist
from django_eventstream.utils import make_id, sse_encode_event

from accounts.api.gathering import Gathering
from orders.eventstream.readers import StreamReader, reads_allowed
from orders.eventstream.streams import AuditLogStorage, channel_of, forbidden_sse
from trading_portal.kernel import clock

PAGE = 100
QUIET_SECONDS = 20.0
# As the library begins a stream: padding, for readers that wait for so much before they believe in one.
_OPENING = b":" + b" " * 2048 + b"\n\nevent: stream-open\ndata:\n\n"
_KEEP_ALIVE = b"event: keep-alive\ndata:\n\n"


class Place(NamedTuple):
    """Who reads which account, and the sequence that they had last."""

    reader: StreamReader
    account_id: UUID
    since: int


class Page(NamedTuple):
    """What came next, as it goes out; and whether there may be more at once."""

    body: bytes
    last: int
    has_more: bool = False


async def account_parts(place: Place, woken: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield what came after a place, then what comes whenever `woken`, and a sign of life where nothing does for long.

    It ends where the account may not be read any more.
    """
    opening = _OPENING
    while True:
        woken.clear()
        page = await _pages().ask(place)
        if page is None:
            yield forbidden_sse(place.account_id).encode()
            return
        if opening or page.body:
            yield opening + page.body
        opening = b""
        place = place._replace(since=page.last)
        while not page.has_more and not woken.is_set():
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await woken.wait()
            except TimeoutError:
                yield _KEEP_ALIVE


@cache
def _pages() -> Gathering[Place, Page | None]:
    """Return who reads the log for every stream; no more wait than there are streams."""
    return Gathering(pages_read, name="account-streams", capacity=sys.maxsize)


def pages_read(places: Sequence[Place]) -> list[Page | None]:
    """Return what comes next at each place, None for who may not read there."""
    allowed = reads_allowed({(place.reader, place.account_id) for place in places}, clock.now())
    pages: dict[tuple[UUID, int], Page] = {}
    found: list[Page | None] = []
    for reader, account_id, since in places:
        if (reader, account_id) not in allowed:
            found.append(None)
            continue
        if (account_id, since) not in pages:
            pages[account_id, since] = _page(account_id, since)
        found.append(pages[account_id, since])
    return found


def _page(account_id: UUID, since: int) -> Page:
    channel = channel_of(account_id)
    try:
        events = AuditLogStorage().get_events(channel, since, PAGE)
    except EventDoesNotExist as unknown:
        last = int(unknown.current_id)
        told = {"channels": [channel]}
        reset = sse_encode_event("stream-reset", told, event_id=make_id({channel: last}), json_encode=True)
        return Page(reset.encode(), last)
    written = [sse_encode_event(one.type, one.data, event_id=make_id({channel: one.id})) for one in events]
    return Page("".join(written).encode(), events[-1].id if events else since, len(events) == PAGE)
