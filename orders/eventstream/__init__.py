"""Account events as server-sent events, from here or through Pushpin."""

from __future__ import annotations

from orders.eventstream.direct import Place, account_parts
from orders.eventstream.grip import accounts_held, events_publish, hold_note, readers_ask_again
from orders.eventstream.readers import StreamReader, reader_of_token
from orders.eventstream.streams import (
    UNAVAILABLE,
    AccountChannelManager,
    AccountFollower,
    AuditLogStorage,
    channel_of,
    event_json,
    forbidden_sse,
    grip_channel_of,
)

__all__ = [
    "UNAVAILABLE",
    "AccountChannelManager",
    "AccountFollower",
    "AuditLogStorage",
    "Place",
    "StreamReader",
    "account_parts",
    "accounts_held",
    "channel_of",
    "event_json",
    "events_publish",
    "forbidden_sse",
    "grip_channel_of",
    "hold_note",
    "reader_of_token",
    "readers_ask_again",
]
