"""Keep the messages that venues are to get: due, sent, settled or dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from orders.domain.types import IntentKind
from orders.selectors.sql import execute
from trading_portal.kernel.arrays import array_of, texts_of

_INSERT = """
INSERT INTO orders_venueintent (order_id, venue, kind, state, attempts, due_at)
SELECT order_id, venue, kind, 'due', 0, due_at
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) AS new(order_id, venue, kind, due_at)
"""
_REPLACES = """
INSERT INTO orders_venueintent (order_id, venue, kind, state, attempts, due_at, version_id)
SELECT order_id, venue, 'replace', 'due', 0, %s, version_id
FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) AS new(order_id, venue, version_id)
"""
_DROP = """
UPDATE orders_venueintent SET state = 'dropped', settled_at = %s WHERE order_id = ANY(%s::uuid[]) AND state = 'due'
"""
_SENT = """
UPDATE orders_venueintent SET state = 'sent', sent_at = %s, fence = %s, attempts = attempts + 1
WHERE id = ANY(%s::bigint[])
"""
# A report about an order answers its submit; a request is answered once the order no longer waits for it.
_SETTLE = """
UPDATE orders_venueintent AS intent
SET state = CASE WHEN intent.state = 'due' AND intent.kind <> 'submit' THEN 'dropped' ELSE 'settled' END,
    settled_at = %s
FROM unnest(%s::uuid[], %s::boolean[]) AS moved(order_id, still_waits)
WHERE intent.order_id = moved.order_id AND intent.state IN ('due', 'sent')
  AND (intent.kind = 'submit' OR NOT moved.still_waits)
"""


def intents_insert(messages: Sequence[tuple[UUID, str, IntentKind, datetime]]) -> None:
    """Store messages (order, venue, kind, when due)."""
    if messages:
        orders, venues, kinds, due = zip(*messages, strict=True)
        execute(_INSERT, [array_of(orders), texts_of(venues), texts_of(kinds), array_of(due)])


def replaces_insert(replaces: Sequence[tuple[UUID, str, UUID]], *, at: datetime) -> None:
    """Store requests to replace orders (order, venue, version), due now."""
    if replaces:
        orders, venues, versions = zip(*replaces, strict=True)
        execute(_REPLACES, [at, array_of(orders), texts_of(venues), array_of(versions)])


def intents_drop(order_ids: Collection[UUID], *, at: datetime) -> None:
    """Drop what was not yet sent."""
    if order_ids:
        execute(_DROP, [at, array_of(order_ids)])


def intents_sent(intent_ids: Collection[int], *, fence: int | None, at: datetime) -> None:
    """Note that messages are about to be sent."""
    if intent_ids:
        execute(_SENT, [at, fence, array_of(intent_ids)])


def intents_settle(still_waits: Mapping[UUID, bool], *, at: datetime) -> None:
    """Settle what a venue's reports answered; `still_waits` says which orders have an open request all the same."""
    if still_waits:
        execute(_SETTLE, [at, array_of(still_waits), array_of(still_waits.values())])
