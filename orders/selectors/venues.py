"""Read what venues still owe an answer to, and what they are still to be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orders.domain.breaker import BreakerState
from orders.domain.types import IntentKind
from orders.models import Breaker
from orders.selectors.sql import fetch

_IN_FLIGHT = """
SELECT i.id, i.order_id, i.kind, i.attempts, i.sent_at, o.is_unknown
FROM orders_venueintent i JOIN orders_order o ON o.id = i.order_id
WHERE i.venue = %s AND i.state = 'sent' AND i.sent_at <= %s AND i.id > %s
ORDER BY i.id LIMIT %s
"""
_DUE = "SELECT DISTINCT venue FROM orders_venueintent WHERE state = 'due' AND due_at <= %s"
_POSITION = "SELECT drop_copy_id FROM orders_venuelease WHERE venue = %s"


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message that was sent, or was about to be, and is not answered."""

    intent_id: int
    order_id: UUID
    kind: IntentKind
    attempt: int
    sent_at: datetime
    is_unknown: bool


def intents_in_flight(venue: str, *, sent_before: datetime, limit: int, after_id: int = 0) -> list[InFlight]:
    """Return a venue's unanswered messages, oldest first."""
    rows = fetch(_IN_FLIGHT, [venue, sent_before, after_id, limit])
    return [InFlight(row[0], row[1], IntentKind(row[2]), *row[3:]) for row in rows]


def venues_due(*, at: datetime) -> list[str]:
    """Return the venues that have something to be told now."""
    return [row[0] for row in fetch(_DUE, [at])]


def drop_copy_position(venue: str) -> int:
    """Return up to which report a venue's drop copy has been compared with what is recorded."""
    rows = fetch(_POSITION, [venue])
    return rows[0][0] if rows else 0


def breaker_of(venue: str) -> Breaker | None:
    """Return what was last found of a venue; None of one that has always answered."""
    return Breaker.objects.filter(venue=venue).first()


def breakers_open() -> list[Breaker]:
    """Return the venues that do not answer."""
    return list(Breaker.objects.filter(state=BreakerState.OPEN.value).order_by("venue"))
