"""Account events as server-sent events, read from the event log: an id is the account's sequence.

The log is the only store, so a stream resumes without a gap and without a double, whichever process it comes back to.
The hub only says that there is something to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.event import Event
from django_eventstream.storage import EventDoesNotExist, StorageBase
from django_eventstream.utils import sse_encode_error

from accounts.api.pool import in_pool
from audit.domain.types import EventRecord
from audit.selectors import account_sequence_last, events_of_account
from marketdata.hub import HubClient, get_hub
from orders.eventstream.readers import StreamReader
from trading_portal.kernel.errors import Unavailable, reason

CONNECT_SECONDS = 5.0
AGAIN_SECONDS = 0.5
UNAVAILABLE = 4503
_PREFIX = "account-"

log = structlog.get_logger(__name__)


def channel_of(account_id: UUID) -> str:
    """Return the name of an account's channel."""
    return f"{_PREFIX}{account_id}"


def grip_channel_of(account_id: UUID) -> str:
    """Return the name under which Pushpin knows an account's channel, as django-eventstream gives it."""
    return f"events-{channel_of(account_id)}"


def account_of(channel: str) -> UUID:
    """Return the account whose channel this is."""
    return UUID(channel.removeprefix(_PREFIX))


def event_json(event: EventRecord) -> dict[str, object]:
    """Return an event of the log as partners read it, in streams and lists alike."""
    return {
        "id": event.id,
        "account_sequence": event.account_sequence,
        "stream": event.stream,
        "sequence": event.sequence,
        "type": event.type,
        "version": event.version,
        "actor": event.actor,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "valid_at": event.valid_at,
        "recorded_at": event.recorded_at,
        "payload": event.payload,
    }


def forbidden_sse(account_id: UUID) -> str:
    """Return what tells a reader that the account may be read no longer, as django-eventstream says it."""
    channel = channel_of(account_id)
    told: str = sse_encode_error(
        "forbidden", f"Permission denied to channels: {channel}", extra={"channels": [channel]}
    )
    return told


class AuditLogStorage(StorageBase):
    """Give django-eventstream the event log to read."""

    def append_event(self, channel: str, event_type: str, data: object) -> Event:
        """Refuse: events are appended by services, in the transaction they tell of."""
        raise PermissionError("Account events come from the event log; nothing else may be sent in their channel.")

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        """Return what came after an id; raise EventDoesNotExist for an id that was never given out."""
        account_id = account_of(channel)
        events = events_of_account(account_id, last_id, limit) if last_id >= 0 else []
        if not events and not 0 <= last_id <= (last := account_sequence_last(account_id)):
            raise EventDoesNotExist(f"No event {last_id}", last)
        return [
            Event(channel, event.type, msgspec.json.encode(event_json(event)).decode(), id=event.account_sequence)
            for event in events
        ]

    def get_current_id(self, channel: str) -> int:
        """Return the id of the newest event, 0 when there is none."""
        return account_sequence_last(account_of(channel))


class AccountChannelManager(ChannelManagerBase):
    """Give each account a channel, and let only those read it who may see the account."""

    def get_channels_for_request(self, request: object, view_kwargs: Mapping[str, Any]) -> set[str]:
        """Return the channel that the address names."""
        return {channel_of(view_kwargs["account_id"])}

    def can_read_channel(self, user: StreamReader | None, channel: str) -> bool:
        """Tell whether the reader may see the account, as of now."""
        return user is not None and user.may_read(account_of(channel))

    def is_channel_reliable(self, channel: str) -> bool:
        """Say that every channel can be resumed."""
        return True


Heard = Callable[[Mapping[str, Any] | None], Awaitable[None]]
Closed = Callable[[int], Awaitable[None]]


class AccountFollower:
    """Hear of an account's events as they are published.

    `heard` gets each message that follows the one before, or None when something may have been missed: then the log
    tells. `closed` is called with a close code when the follower has ended and will hear nothing more. It is one of the
    connections that `person_id` may have; without one, of those that count for the account alone.
    """

    def __init__(self, account_id: UUID, heard: Heard, closed: Closed, *, person_id: UUID | None = None) -> None:
        self._account_id = account_id
        self._counts_for = person_id or account_id
        self._heard = heard
        self._closed = closed
        self._client: HubClient | None = None
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begin to hear; return the sequence after which everything is heard.

        Raise TooManyConnections at once, Unavailable without Redis.
        """
        self._client = get_hub().join(self._take, self._closed, self._counts_for)
        try:
            return await self._subscribe(self._client)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Hear no more; harmless when repeated."""
        if self._client is not None:
            self._client.leave()
        if self._again is not None:
            self._again.cancel()

    async def _subscribe(self, client: HubClient) -> int:
        client.subscribe_account(self._account_id)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await get_hub().connected()
        except TimeoutError:
            why = reason("STREAM_UNAVAILABLE")
            raise Unavailable(why, "Events cannot be followed now. Connect again shortly.") from None
        last = await in_pool(account_sequence_last, self._account_id)
        client.start_account(self._account_id, {"op": "ack"}, {"op": "snapshot"}, last)
        return last

    async def _take(self, frame: str) -> None:
        message = _message_of(frame)
        if message.get("type") == "delta":
            await self._heard(message)
        elif message.get("op") == "resync":
            self._again = asyncio.get_running_loop().create_task(self._subscribe_again())

    async def _subscribe_again(self) -> None:
        """Go on after a gap, a restart of Redis or an overflow: follow first, then let the log be read."""
        assert self._client is not None
        while True:
            try:
                await self._subscribe(self._client)
                await self._heard(None)
            except Unavailable:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it was, a reader that is told nothing must reconnect
                log.warning("stream.lost", account_id=str(self._account_id), error=repr(error))
                self.stop()
                await self._closed(UNAVAILABLE)
            return


@lru_cache(maxsize=32)
def _message_of(frame: str) -> Mapping[str, Any]:
    """Return what a frame says: all followers of an account get the same text, and read it once."""
    message: Mapping[str, Any] = msgspec.json.decode(frame)
    return message
