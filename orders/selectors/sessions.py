"""Find what a venue was told in a span of time: the orders, and every message about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.sql import fetch
from orders.domain.facts import OrderFacts
from orders.domain.types import IntentKind
from orders.selectors.rows import orders_fetch
from orders.selectors.versions import orders_seen

_SUBMITTED = """
SELECT i.order_id FROM orders_venueintent i
WHERE i.venue = %s AND i.kind = 'submit' AND i.sent_at >= %s AND i.sent_at < %s ORDER BY i.sent_at, i.id
"""
_MESSAGES = """
SELECT i.order_id, i.kind, i.sent_at, i.version_id FROM orders_venueintent i
WHERE i.venue = %s AND i.order_id = ANY(%s) AND i.sent_at IS NOT NULL ORDER BY i.sent_at, i.id
"""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as it was last sent; `request_id` is that of a replace."""

    order_id: UUID
    kind: IntentKind
    sent_at: datetime
    request_id: UUID | None


def orders_submitted(venue: str, *, since: datetime, until: datetime) -> list[OrderFacts]:
    """Return the orders that a venue was sent, in that order and with the terms they were first sent with."""
    ids = [row[0] for row in fetch(_SUBMITTED, [venue, since, until])]
    now = {order.id: order for order in orders_fetch("FROM orders_order o WHERE o.id = ANY(%s)", [ids])}
    first = orders_seen(now)
    return [first[order_id] for order_id in ids]


def messages_sent(venue: str, order_ids: Collection[UUID]) -> list[SentMessage]:
    """Return what a venue was told of orders, oldest first."""
    rows = fetch(_MESSAGES, [venue, list(order_ids)])
    return [SentMessage(row[0], IntentKind(row[1]), row[2], row[3]) for row in rows]
