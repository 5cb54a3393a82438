"""Open, move on and close partners' FIX sessions; cancel the orders of those that went away and wanted that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import Error, transaction

from audit.domain.types import Actor
from audit.selectors import account_sequence_last, events_by_correlation
from audit.sql import execute, fetch
from orders.domain.types import IntentKind
from orders.models import FixSession
from orders.selectors.fix import FixRequestFacts, fix_request_by_client_order_id, orders_open_ids_of_key
from orders.services.cancelling import orders_cancel
from trading_portal.kernel.ids import uuid7

KEPT_FOR = timedelta(days=30)
CHUNK = 500
_ENSURE = """
INSERT INTO orders_fixsession (id, key_id, next_sender, next_target, cursor, fence, cancels_on_disconnect,
                               tells_account, is_connected, address)
VALUES (%s, %s, 1, 1, %s, 0, false, false, false, '') ON CONFLICT DO NOTHING
"""
_OPEN = """
UPDATE orders_fixsession SET fence = fence + 1, is_connected = true, address = %s, connected_at = %s,
       disconnected_at = NULL, cancel_due_at = NULL, cancels_on_disconnect = %s, tells_account = %s
WHERE key_id = %s RETURNING id, fence, next_sender, next_target, cursor
"""
_MOVE = """
UPDATE orders_fixsession SET next_sender = %s, next_target = %s, cursor = %s WHERE id = %s AND fence = %s
"""
_KEEP = """
INSERT INTO orders_fixmessage (session_id, number, text, sent_at)
SELECT %s, number, text, %s FROM unnest(%s::bigint[], %s::text[]) AS new(number, text)
"""
_FORGET = "DELETE FROM orders_fixmessage WHERE session_id = %s AND (sent_at < %s OR %s)"
_ANSWERED = "UPDATE orders_fixrequest SET answered_at = %s WHERE id = ANY(%s)"
_ASK = """
INSERT INTO orders_fixrequest (session_id, client_order_id, original_id, order_id, kind, correlation_id, requested_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""
_CLOSE = """
UPDATE orders_fixsession SET is_connected = false, disconnected_at = %s,
       cancel_due_at = CASE WHEN cancels_on_disconnect THEN %s END
WHERE id = %s AND fence = %s
"""
_RECOVER = """
UPDATE orders_fixsession SET is_connected = false, disconnected_at = %s, fence = fence + 1,
       cancel_due_at = CASE WHEN cancels_on_disconnect THEN %s END
WHERE is_connected AND NOT (key_id = ANY(%s))
"""
_CANCELED = """
UPDATE orders_fixsession SET cancel_due_at = NULL WHERE id = %s AND fence = %s AND NOT is_connected
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenFixSession:
    """A session as one connection took it over: where its numbers and its reading of the log go on."""

    id: UUID
    fence: int
    next_sender: int
    next_target: int
    cursor: int


@transaction.atomic
def fix_session_open(
    *,
    key_pk: UUID,
    account_id: UUID,
    address: str,
    cancels_on_disconnect: bool,
    tells_account: bool,
    at: datetime,
) -> OpenFixSession:
    """Take over a key's session for one connection; whoever held it before can store nothing more.

    A new session begins with what happens next in the account.
    """
    execute(_ENSURE, [uuid7(), key_pk, account_sequence_last(account_id)])
    (row,) = fetch(_OPEN, [address, at, cancels_on_disconnect, tells_account, key_pk])
    execute(_FORGET, [row[0], at - KEPT_FOR, False])
    return OpenFixSession(*row)


@transaction.atomic
def fix_session_save(
    *,
    session: OpenFixSession,
    next_sender: int,
    next_target: int,
    cursor: int,
    sent: Sequence[tuple[int, str]],
    answered: Collection[int],
    is_reset: bool,
    at: datetime,
) -> bool:
    """Store, in one transaction, what is about to be sent, its numbers, and up to where the log was told.

    Return False, and store nothing, when another connection has taken the session over: then nothing may be sent.
    """
    if not execute(_MOVE, [next_sender, next_target, cursor, session.id, session.fence]):
        return False
    if is_reset:
        execute(_FORGET, [session.id, at, True])
    if sent:
        execute(_KEEP, [session.id, at, [number for number, _ in sent], [text for _, text in sent]])
    if answered:
        execute(_ANSWERED, [at, list(answered)])
    return True


def fix_request_note(
    *, session_id: UUID, client_order_id: str, original_id: str, order_id: UUID, kind: IntentKind, at: datetime
) -> tuple[FixRequestFacts, bool]:
    """Note what a partner asks before it is done; return it, and whether it was noted before."""
    values = [session_id, client_order_id, original_id, order_id, kind.value, uuid7(), at]
    is_repeat = not fetch(_ASK, values)
    found = fix_request_by_client_order_id(session_id, client_order_id)
    assert found is not None
    return found, is_repeat


def fix_request_was_taken(request: FixRequestFacts) -> bool:
    """Tell whether a request that is asked again did something the first time: then the log tells what."""
    return not request.is_answered and bool(events_by_correlation(request.correlation_id))


def fix_session_close(*, session: OpenFixSession, cancel_after: timedelta, at: datetime) -> None:
    """Note that a connection ended; orders that should not outlive it are due to be cancelled."""
    execute(_CLOSE, [at, at + cancel_after, session.id, session.fence])


def fix_sessions_recover(*, live_keys: Collection[UUID], cancel_after: timedelta, at: datetime) -> int:
    """Close sessions that nobody serves any more, and return how many; their partners may come back first.

    A killed process leaves such, and one that could not reach the database when a connection ended.
    """
    return execute(_RECOVER, [at, at + cancel_after, list(live_keys)])


def fix_cancels_due(*, at: datetime) -> int:
    """Cancel the orders of sessions that are gone for too long; return how many. Run again, it does what failed."""
    count = 0
    due = FixSession.objects.filter(cancel_due_at__lte=at, is_connected=False).select_related("key")
    for session in due:
        found = orders_open_ids_of_key(account_id=session.key.account_id, key_pk=session.key_id)
        try:
            count += _cancel(found, session.key.account_id, at)
        except Error:
            log.exception("fix.cancel_on_disconnect_failed", session=str(session.id), orders=len(found))
            continue
        execute(_CANCELED, [session.id, session.fence])
        log.info("fix.canceled_on_disconnect", session=str(session.id), orders=len(found))
    return count


def _cancel(order_ids: Sequence[UUID], account_id: UUID, at: datetime) -> int:
    by, correlation_id = Actor.system("fix_disconnect"), uuid7()
    return sum(
        outcome.status in ("canceled", "requested")
        for chunk in _chunks(order_ids)
        for outcome in orders_cancel(
            order_ids=chunk, account_id=account_id, by=by, correlation_id=correlation_id, at=at
        )
    )


def _chunks(order_ids: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    for start in range(0, len(order_ids), CHUNK):
        yield order_ids[start : start + CHUNK]
