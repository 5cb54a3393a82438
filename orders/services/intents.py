"""Keep the messages that venues are to get: due, sent, settled or dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from audit.sql import execute
from orders.domain.types import IntentKind
from trading_portal.kernel.arrays import Rows, bigints_of, uuids_of

_MESSAGES = Rows(order_id="uuid", venue="text", kind="text", due_at="timestamptz")
_INSERT = f"""
INSERT INTO orders_venueintent (state, attempts, {_MESSAGES.columns})
SELECT 'due', 0, {_MESSAGES.columns} FROM {_MESSAGES}
"""
_REPLACING = Rows(order_id="uuid", venue="text", version_id="uuid")
_REPLACES = f"""
INSERT INTO orders_venueintent (kind, state, attempts, due_at, {_REPLACING.columns})
SELECT 'replace', 'due', 0, %s, {_REPLACING.columns} FROM {_REPLACING}
"""
_DROP = """
UPDATE orders_venueintent SET state = 'dropped', settled_at = %s WHERE order_id = ANY(%s::uuid[]) AND state = 'due'
"""
_SENT = """
UPDATE orders_venueintent SET state = 'sent', sent_at = %s, fence = %s, attempts = attempts + 1
WHERE id = ANY(%s::bigint[])
"""
# A report about an order answers its submit; a request is answered once the order no longer waits for it. The orders
# come as one array, so that there is no join to plan: what is open is looked for by its order.
_SETTLE = """
UPDATE orders_venueintent
SET state = CASE WHEN state = 'due' AND kind <> 'submit' THEN 'dropped' ELSE 'settled' END, settled_at = %s
WHERE order_id = ANY(%s::uuid[]) AND state IN ('due', 'sent')
"""
_SETTLE_SUBMITS = f"{_SETTLE} AND kind = 'submit'"


def intents_insert(messages: Sequence[tuple[UUID, str, IntentKind, datetime]]) -> None:
    """Store messages (order, venue, kind, when due)."""
    if messages:
        execute(_INSERT, _MESSAGES.bound(messages))


def replaces_insert(replaces: Sequence[tuple[UUID, str, UUID]], *, at: datetime) -> None:
    """Store requests to replace orders (order, venue, version), due now."""
    if replaces:
        execute(_REPLACES, [at, *_REPLACING.bound(replaces)])


def intents_drop(order_ids: Collection[UUID], *, at: datetime) -> None:
    """Drop what was not yet sent."""
    if order_ids:
        execute(_DROP, [at, uuids_of(order_ids)])


def intents_sent(intent_ids: Collection[int], *, fence: int | None, at: datetime) -> None:
    """Note that messages are about to be sent."""
    if intent_ids:
        execute(_SENT, [at, fence, bigints_of(intent_ids)])


def intents_settle(still_waits: Mapping[UUID, bool], *, at: datetime) -> None:
    """Settle what a venue's reports answered; `still_waits` says which orders have an open request all the same."""
    waiting = [order_id for order_id, waits in still_waits.items() if waits]
    if waiting:
        execute(_SETTLE_SUBMITS, [at, uuids_of(waiting)])
    if len(waiting) < len(still_waits):
        execute(_SETTLE, [at, uuids_of(order_id for order_id, waits in still_waits.items() if not waits)])
