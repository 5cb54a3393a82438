"""Account streams that a GRIP proxy, Pushpin, holds for us: we tell it what to send, and whom to cut off.

It is told in the account's own sequence, each event after the one before. What it missed it sees by the gap, and asks
us for what the log has: so a message to it may be lost, late or repeated, and no reader misses or repeats an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
import requests
from django.conf import settings
from django_eventstream.utils import sse_encode_event
from gripcontrol import HttpStreamFormat, parse_grip_uri
from pubcontrol import Item

from audit.domain.types import EventRecord
from marketdata.services import redis_answering, redis_shared
from orders.eventstream.readers import StreamReader, reads_allowed
from orders.eventstream.streams import event_json, forbidden_sse, grip_channel_of
from trading_portal.kernel.errors import Unavailable, reason

# Together below what the relay's heartbeat allows for one turn.
CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 2.0
# Above these an account's readers are told to read the log; Pushpin keeps 100 messages back for a reader, takes 1 MB.
EVENTS_MAX = 50
BODY_BYTES = 500_000
# A reader is known for as many rounds of asking again.
_ROUNDS = 3
# Pushpin is next door: a proxy that the environment names for the world outside is not asked.
_NO_PROXIES = {"http": "", "https": ""}
_AT_FAULT = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

_encode = msgspec.json.Encoder().encode


def hold_note(*, account_id: UUID, reader: StreamReader, at: datetime) -> None:
    """Remember who reads an account through Pushpin; call before the log is read, so that nothing falls between.

    Raise Unavailable while Redis does not answer: a reader that is not known would be told nothing.
    """
    seconds = _ROUNDS * settings.GRIP_RECHECK_SECONDS
    with redis_answering():
        pipeline: Any = redis_shared().pipeline(transaction=False)
        pipeline.zadd(_key(account_id), {reader.id: at.timestamp() + seconds})
        pipeline.zremrangebyscore(_key(account_id), "-inf", f"({at.timestamp()}")
        pipeline.expire(_key(account_id), seconds)
        pipeline.execute()


def accounts_held(account_ids: Collection[UUID], at: datetime) -> set[UUID]:
    """Return those of the accounts that somebody reads through Pushpin; what nobody reads costs it nothing."""
    return set(_readers(account_ids, at))


def events_publish(events: Sequence[EventRecord], *, at: datetime) -> None:
    """Send events to their readers through Pushpin, in one request; who may read no longer is cut off instead.

    Raise Unavailable while Pushpin or Redis does not answer; the events are then published again.
    """
    accounts = {event.account_id for event in events if event.account_id}
    readers = _readers(accounts, at)
    reads = {(reader, account_id) for account_id, held in readers.items() for reader in held}
    allowed = reads_allowed(reads, at)
    items = [item for read in sorted(reads - allowed, key=str) for item in _cut_off(*read)]
    size = sum(map(len, items))
    for account_id, told in groupby(sorted(events, key=_place), key=lambda event: event.account_id):
        if account_id is None or account_id not in readers:
            continue
        run = list(told)
        written = [_event_item(event) for event in run] if len(run) <= EVENTS_MAX else []
        if not written or size + sum(map(len, written)) > BODY_BYTES:
            written = list(_ask_again(account_id, readers[account_id]))
        items += written
        size += sum(map(len, written))
    _post(items)


def readers_ask_again(*, account_id: UUID, reader: StreamReader) -> None:
    """Let Pushpin read the log again for a reader; raise Unavailable when it does not answer."""
    _post([_ask_again_item(account_id, reader)])


def _key(account_id: UUID) -> str:
    return f"grip:readers:{account_id}"


def _place(event: EventRecord) -> tuple[str, int]:
    return str(event.account_id), event.account_sequence or 0


def _readers(account_ids: Collection[UUID], at: datetime) -> dict[UUID, list[StreamReader]]:
    asked = list(account_ids)
    with redis_answering():
        pipeline: Any = redis_shared().pipeline(transaction=False)
        for account_id in asked:
            pipeline.zrangebyscore(_key(account_id), at.timestamp(), "+inf")
        found = pipeline.execute()
    return {
        account_id: [StreamReader.named(name.decode()) for name in names]
        for account_id, names in zip(asked, found, strict=True)
        if names
    }


# What Pushpin is told


def _event_item(event: EventRecord) -> bytes:
    """Return an event as its message; Pushpin writes each reader's id where %I stands."""
    assert event.account_id is not None
    assert event.account_sequence is not None
    data = _encode(event_json(event)).decode()
    content = sse_encode_event(event.type, data, event_id="%I", escape=True)
    return _item(
        grip_channel_of(event.account_id),
        HttpStreamFormat(content, content_filters=["build-id"]),
        id=str(event.account_sequence),
        prev_id=str(event.account_sequence - 1),
    )


def _ask_again(account_id: UUID, readers: Iterable[StreamReader]) -> Iterator[bytes]:
    """Yield what makes Pushpin read the log for every reader of an account, and forget which event was the last."""
    for reader in readers:
        yield _ask_again_item(account_id, reader)
    yield _item(grip_channel_of(account_id), HttpStreamFormat(action="hint"))


def _ask_again_item(account_id: UUID, reader: StreamReader) -> bytes:
    """Return the hint for one reader: in its own channel, which has no sequence, it is followed without delay."""
    meta = {"require_sub": grip_channel_of(account_id)}
    return _item(_channel_of_reader(reader), HttpStreamFormat(action="hint"), meta=meta)


def _cut_off(reader: StreamReader, account_id: UUID) -> Iterator[bytes]:
    """Yield what tells a reader that it may not read, and closes its connections.

    As the library's own publish_kick, but without ids: by them Pushpin would pass over a second one within a minute.
    """
    for format_ in (HttpStreamFormat(forbidden_sse(account_id)), HttpStreamFormat(close=True)):
        yield _item(_channel_of_reader(reader), format_, meta={"require_sub": grip_channel_of(account_id)})


def _channel_of_reader(reader: StreamReader) -> str:
    return f"user-{reader.id}"


def _item(channel: str, format_: HttpStreamFormat, **fields: Any) -> bytes:
    return _encode({"channel": channel, **Item(format_, **fields).export()})


def _post(items: Sequence[bytes]) -> None:
    """Hand messages to Pushpin; raise Unavailable when it does not take them, ValueError for what it never will."""
    if not items:
        return
    url = parse_grip_uri(settings.GRIP_URL)["control_uri"] + "/publish/"
    body = b'{"items":[' + b",".join(items) + b"]}"
    try:
        answer = requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            proxies=_NO_PROXIES,
        )
    except requests.RequestException as error:
        # Not the error's own text: the address may be in it.
        why = reason("PUSHPIN_UNAVAILABLE", error=type(error).__name__)
        raise Unavailable(why, "Pushpin does not answer where GRIP_URL says.") from error
    if answer.status_code in _AT_FAULT:
        raise ValueError(f"Pushpin refused messages with {answer.status_code}: {answer.text[:200]}")
    if answer.status_code != HTTPStatus.OK:
        why = reason("PUSHPIN_UNAVAILABLE", status=answer.status_code)
        raise Unavailable(why, "Pushpin does not take messages where GRIP_URL says.")
