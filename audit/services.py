"""Append to the event log, and move the cursors of those who read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from audit.domain.types import NewEvent, Position
from audit.selectors import CHANNEL
from audit.sql import execute
from trading_portal.kernel.arrays import Rows
from trading_portal.kernel.ids import uuid7

_EVENTS = Rows(
    id="uuid", stream="text", sequence="bigint", account_id="uuid", account_sequence="bigint", type="text",
    version="smallint", payload="jsonb", actor="text", correlation_id="uuid", causation_id="uuid",
    valid_at="timestamptz",
)  # fmt: skip
_INSERT = f"""
INSERT INTO audit_event (recorded_at, {_EVENTS.columns}) SELECT %s, {_EVENTS.columns} FROM {_EVENTS}
"""
_HEADS = """
INSERT INTO audit_streamhead AS head (stream, sequence)
SELECT stream, count FROM unnest(%s::text[], %s::bigint[]) AS new(stream, count) ORDER BY stream
ON CONFLICT (stream) DO UPDATE SET sequence = head.sequence + excluded.sequence
RETURNING stream, sequence
"""
_PARK = """
INSERT INTO audit_parkedevent (id, consumer, event_id, error, parked_at)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_MOVE = """
INSERT INTO audit_cursor AS c (consumer, xid, event_id, moved_at) VALUES (%s, %s::text::xid8, %s, %s)
ON CONFLICT (consumer) DO UPDATE
SET xid = excluded.xid, event_id = excluded.event_id, moved_at = excluded.moved_at
WHERE (c.xid, c.event_id) < (excluded.xid, excluded.event_id)
"""


def events_append(*, events: Sequence[NewEvent], at: datetime) -> list[UUID]:
    """Append events in the caller's transaction and return their ids; raise outside a transaction.

    Their order here is their order in the log. The relay is woken after the commit.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Events are appended inside the transaction they tell of.")
    if not events:
        return []
    _relay_wake_on_commit()
    sequences = _sequences_taken(events)
    ids = [uuid7() for _ in events]
    rows = [
        (
            event_id, event.stream, sequence, event.account_id, event.account_sequence, event.payload.TYPE,
            event.payload.VERSION, event.payload, str(event.actor), event.correlation_id, event.causation_id,
            event.valid_at,
        )
        for event_id, sequence, event in zip(ids, sequences, events, strict=True)
    ]  # fmt: skip
    execute(_INSERT, [at, *_EVENTS.bound(rows)])
    return ids


def _relay_wake_on_commit() -> None:
    """Wake the relay once for each transaction.

    In a transaction of its own: a NOTIFY inside the one that writes holds a lock of the whole database until that
    commit is on disk, so that no two writers could share a flush. Who dies in between leaves it to the relay's poll.
    """
    if not any(function is _relay_wake for _, function, *_ in connection.run_on_commit):
        transaction.on_commit(_relay_wake, robust=True)


def _relay_wake() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


def _sequences_taken(events: Sequence[NewEvent]) -> list[int]:
    """Return every event's sequence, taking from the stream heads those that the caller does not count."""
    wanted = Counter(event.stream for event in events if event.sequence is None)
    following: dict[str, int] = {}
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(_HEADS, [list(wanted), list(wanted.values())])
            following = {stream: head - wanted[stream] for stream, head in cursor.fetchall()}
    taken = []
    for event in events:
        if event.sequence is None:
            following[event.stream] += 1
        taken.append(following[event.stream] if event.sequence is None else event.sequence)
    return taken


def cursor_move(*, consumer: str, to: Position, at: datetime) -> None:
    """Note that a consumer is done with every event up to one; never moves back."""
    execute(_MOVE, [consumer, str(to.xid), to.id, at])


def cursor_reset(*, consumer: str, xid: int, event_id: UUID, at: datetime) -> None:
    """Set a consumer to any point of the log, back or forth; (0, the zero id) is the beginning."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE.partition("\nWHERE")[0], [consumer, str(xid), event_id, at])


def event_park(*, consumer: str, event_id: UUID, error: str, at: datetime) -> None:
    """Set an event aside for a person, so that its consumer can go on with the next."""
    with connection.cursor() as cursor:
        cursor.execute(_PARK, [uuid7(), consumer, event_id, error[:4000], at])
