"""Read the event log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from psycopg.types.datetime import TimestamptzBinaryLoader
from psycopg.types.numeric import Int8BinaryLoader

from audit.domain.types import EventRecord, LogExtent, LoggedEvent, Position
from audit.models import Cursor, Event
from audit.sql import fetch

# `xid::text` without a name of its own would be what ORDER BY xid sorts by: 999 after 1000.
_COLUMNS = """id, xid::text AS xid_text, stream, sequence, account_id, account_sequence, type, version, payload::text,
actor, correlation_id, causation_id, valid_at, recorded_at"""

CHANNEL = "audit_event"
_AFTER_CURSOR = """(xid, id) > (SELECT coalesce(max(xid::text)::xid8, '0'::xid8),
                     coalesce(max(event_id::text)::uuid, '00000000-0000-0000-0000-000000000000')
              FROM audit_cursor WHERE consumer = %s)"""
_NOT_YET_HAD = f"{_AFTER_CURSOR} AND xid < pg_snapshot_xmin(pg_current_snapshot())"
_XID8_OID = 5069
_TO_FOLD = """
SELECT account_id, account_sequence, xid, sequence, type, version, payload::text,
       CASE WHEN sequence = 1 THEN correlation_id END, valid_at, recorded_at
FROM audit_event
WHERE account_id IS NOT NULL AND (account_id, account_sequence) > (%s, %s) AND account_id <= %s
ORDER BY account_id, account_sequence LIMIT %s
"""
# A past moment is where an account's events were before the first that came later, so that none is left out between.
_EXTENTS = """
SELECT account_id, coalesce(min(account_sequence) FILTER (WHERE {later}) - 1, max(account_sequence))
FROM audit_event WHERE account_id IS NOT NULL {chosen} GROUP BY account_id ORDER BY account_id
"""
_NEVER = "false"
_RECORDED_LATER = "recorded_at > %s"
_LATER_IN_LOG = "(xid, id) > (SELECT xid, id FROM audit_event WHERE id = %s)"
_OF_PAGE = f"{_AFTER_CURSOR} AND (xid, id) <= (%s::text::xid8, %s)"
_PAGE = f"""
SELECT xid::text AS xid_text, id FROM
    (SELECT xid, id FROM audit_event WHERE {_NOT_YET_HAD} ORDER BY xid, id LIMIT %s) AS page
ORDER BY page.xid DESC, page.id DESC LIMIT 1
"""
_ACCOUNTS_OF_PAGE = f"SELECT DISTINCT account_id FROM audit_event WHERE {_OF_PAGE} AND account_id IS NOT NULL"
# The newest one tells for all; an EXISTS over the whole log is planned as a scan of it.
_NEWEST_WAITS = """
SELECT newest.xid >= pg_snapshot_xmin(pg_current_snapshot())
FROM (SELECT xid FROM audit_event ORDER BY xid DESC, id DESC LIMIT 1) AS newest
"""
_LAGS = """
SELECT cursor.consumer, extract(epoch FROM %s - waiting.recorded_at)::float
FROM audit_cursor AS cursor LEFT JOIN LATERAL (
    SELECT recorded_at FROM audit_event WHERE (xid, id) > (cursor.xid, cursor.event_id) ORDER BY xid, id LIMIT 1
) AS waiting ON true
WHERE cursor.consumer = ANY(%s)
"""


def _record(row: tuple[Any, ...]) -> EventRecord:
    return EventRecord(
        id=row[0],
        xid=int(row[1]),
        stream=row[2],
        sequence=row[3],
        account_id=row[4],
        account_sequence=row[5],
        type=row[6],
        version=row[7],
        payload_json=row[8],
        actor=row[9],
        correlation_id=row[10],
        causation_id=row[11],
        valid_at=row[12],
        recorded_at=row[13],
    )


def _records(where: str, values: Sequence[Any]) -> list[EventRecord]:
    return [_record(row) for row in fetch(f"SELECT {_COLUMNS} FROM audit_event WHERE {where}", values)]


def events_of_stream(stream: str) -> list[EventRecord]:
    """Return every event of a stream, first to last."""
    return _records("stream = %s ORDER BY sequence", [stream])


def events_of_account(account_id: UUID, since: int, limit: int) -> list[EventRecord]:
    """Return an account's events after a sequence of its own, in that order, without a gap."""
    return _records(
        "account_id = %s AND account_sequence > %s ORDER BY account_sequence LIMIT %s", [account_id, since, limit]
    )


def account_sequence_last(account_id: UUID) -> int:
    """Return the sequence of an account's newest event, 0 when it has none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(account_sequence) FROM audit_event WHERE account_id = %s", [account_id])
        return cursor.fetchone()[0] or 0


def events_by_correlation(correlation_id: UUID) -> list[EventRecord]:
    """Return all that one click or call set off, in the order it happened."""
    return _records("correlation_id = %s ORDER BY xid, id", [correlation_id])


def page_to_relay(consumer: str, limit: int) -> Position | None:
    """Return where the next page of a consumer ends, in commit-safe order; None when it has had everything.

    Looks only below the oldest running transaction (`id > last` alone would miss what commits late); reads no event.
    """
    rows = fetch(_PAGE, [consumer, limit])
    return Position(int(rows[0][0]), rows[0][1]) if rows else None


def page_accounts(consumer: str, end: Position) -> list[UUID]:
    """Return the accounts that the events of a page tell of."""
    return [row[0] for row in fetch(_ACCOUNTS_OF_PAGE, [consumer, str(end.xid), end.id])]


def page_events(
    consumer: str, end: Position, *, types: Collection[str] = (), account_ids: Collection[UUID] | None = None
) -> list[EventRecord]:
    """Return the events of a page that are of these types (none: of any) and accounts (None: of any)."""
    where = [_OF_PAGE]
    values: list[Any] = [consumer, str(end.xid), end.id]
    if types:
        where.append("type = ANY(%s)")
        values.append(list(types))
    if account_ids is not None:
        where.append("account_id = ANY(%s)")
        values.append(list(account_ids))
    return _records(f"{' AND '.join(where)} ORDER BY xid, id", values)


def position_last() -> Position:
    """Return the place of the newest event; of an empty log, the one before every event."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xid::text AS xid_text, id FROM audit_event ORDER BY xid DESC, id DESC LIMIT 1")
        row = cursor.fetchone()
    return Position(int(row[0]), row[1]) if row else Position(0, UUID(int=0))


def cursor_exists(consumer: str) -> bool:
    """Tell whether a consumer has ever read."""
    return Cursor.objects.filter(consumer=consumer).exists()


def relay_lags(consumers: Sequence[str], *, at: datetime) -> dict[str, float]:
    """Return how many seconds ago the oldest event was recorded that a consumer has not had; 0 where it has had all.

    Consumers that have never read are absent.
    """
    return {consumer: max(lag or 0.0, 0.0) for consumer, lag in fetch(_LAGS, [at, list(consumers)])}


def events_wait_for_horizon() -> bool:
    """Tell whether events are committed that an older, still running transaction keeps above the horizon."""
    rows = fetch(_NEWEST_WAITS)
    return bool(rows and rows[0][0])


def event_exists(event_id: UUID) -> bool:
    """Tell whether the log has an event."""
    return Event.objects.filter(id=event_id).exists()


def log_extents(
    *, account_ids: Collection[UUID] = (), until: datetime | None = None, until_event: UUID | None = None
) -> list[LogExtent]:
    """Return how far the log of every account (or of those named) goes, in the order of their ids.

    With `until`, how far it went when that instant's last event had been recorded; with `until_event`, up to that one.
    """
    later, values = _NEVER, list[Any]()
    if until is not None:
        later, values = _RECORDED_LATER, [until]
    elif until_event is not None:
        later, values = _LATER_IN_LOG, [until_event]
    chosen = "AND account_id = ANY(%s)" if account_ids else ""
    with connection.cursor() as cursor:
        cursor.execute(
            _EXTENTS.format(later=later, chosen=chosen), [*values, list(account_ids)] if account_ids else values
        )
        return [LogExtent(*row) for row in cursor.fetchall()]


def events_to_fold(first: LogExtent, last: UUID, limit: int) -> list[LoggedEvent]:
    """Return the next events after `first` of its account and those up to `last`, by account and its sequence."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.adapters.register_loader(_XID8_OID, Int8BinaryLoader)
        cursor.adapters.register_loader("timestamptz", TimestamptzBinaryLoader)
        cursor.row_factory = _logged
        cursor.execute(_TO_FOLD, [first.account_id, first.until, last, limit], binary=True)
        return cursor.fetchall()


def _logged(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], LoggedEvent]:
    return LoggedEvent._make
