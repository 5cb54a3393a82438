"""Read what venues still owe an answer to, and what they are still to be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from audit.sql import fetch
from marketdata.selectors import instruments_by_id
from orders.domain.breaker import BreakerState
from orders.domain.facts import PAPER_VENUE
from orders.domain.reasons import sentence
from orders.domain.types import BaseState, IntentKind
from orders.models import Breaker, ParkedReport, VenueAlert

ALERTS_SHOWN = 20

# What is in flight first, and only then the oldest of it: in the order of their ids all that was ever sent is read.
_IN_FLIGHT = """
WITH flying AS MATERIALIZED (
    SELECT id, order_id, kind, attempts, sent_at, version_id FROM orders_venueintent
    WHERE venue = %s AND state = 'sent' AND sent_at <= %s AND id > %s
)
SELECT i.id, i.order_id, i.kind, i.attempts, i.sent_at, o.is_unknown, i.version_id
FROM flying i CROSS JOIN LATERAL (SELECT is_unknown FROM orders_order WHERE id = i.order_id OFFSET 0) AS o
ORDER BY i.id LIMIT %s
"""
_OPEN = """
SELECT o.id FROM orders_order o
WHERE NOT o.is_closed AND o.venue = %s AND o.updated_at <= %s
  AND (o.base IN ('new', 'partially_filled', 'stopped', 'suspended')
       OR o.base = 'done_for_day' AND o.time_in_force = 'gtc')
"""
_STATES = "SELECT id, base FROM orders_order WHERE id = ANY(%s)"
_TRADED = """
SELECT instrument_id, sum(CASE side WHEN 'buy' THEN filled_quantity ELSE -filled_quantity END)
FROM orders_order WHERE venue = %s AND filled_quantity <> 0 GROUP BY instrument_id
"""
_DUE = "SELECT DISTINCT venue FROM orders_venueintent WHERE state = 'due' AND due_at <= %s"
_LOAD = """
SELECT venue, sum(due)::int, sum(in_flight)::int, coalesce(max(breaker), 'closed')
FROM (SELECT venue, count(*) AS due, 0 AS in_flight, NULL AS breaker
      FROM orders_venueintent WHERE state = 'due' AND due_at <= %s GROUP BY venue
      UNION ALL SELECT venue, 0, count(*), NULL FROM orders_venueintent WHERE state = 'sent' GROUP BY venue
      UNION ALL SELECT venue, 0, 0, state FROM orders_breaker) AS found
GROUP BY venue
"""
_POSITION = "SELECT drop_copy_id FROM orders_venuelease WHERE venue = %s"
# Whose orders are there, or would go there: the default venue concerns everybody.
_AWAY = """
SELECT who.account_id, breaker.venue, breaker.changed_at
FROM orders_breaker breaker CROSS JOIN unnest(%(accounts)s::uuid[]) AS who(account_id)
WHERE breaker.state = 'open'
  AND (breaker.venue = %(default)s
       OR EXISTS (SELECT FROM orders_venueroute route WHERE route.venue = breaker.venue
                  AND (route.account_id IS NULL OR route.account_id = who.account_id))
       OR EXISTS (SELECT FROM orders_order o WHERE o.account_id = who.account_id AND o.venue = breaker.venue
                  AND NOT o.is_closed))
ORDER BY breaker.venue
"""


@dataclass(frozen=True, slots=True)
class VenueAway:
    """A venue that does not answer, and since when."""

    venue: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AlertShown:
    """An alert with its sentence."""

    alert: VenueAlert
    sentence: str


@dataclass(frozen=True, slots=True)
class VenuesHealth:
    """How venues are: those left alone or being tried again, every one that was measured, and what needs a person."""

    away: list[Breaker]
    breakers: list[Breaker]
    alerts: list[AlertShown]
    alerts_standing: int
    reports_parked: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message that was sent, or was about to be, and is not answered; `request_id` is a replace's own."""

    intent_id: int
    order_id: UUID
    kind: IntentKind
    attempt: int
    sent_at: datetime
    is_unknown: bool
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class VenueLoad:
    """How many messages a venue is to be sent and has not answered, and where its breaker stands."""

    venue: str
    due: int = 0
    in_flight: int = 0
    breaker: BreakerState = BreakerState.CLOSED


def intents_in_flight(venue: str, *, sent_before: datetime, limit: int, after_id: int = 0) -> list[InFlight]:
    """Return a venue's unanswered messages, oldest first."""
    rows = fetch(_IN_FLIGHT, [venue, sent_before, after_id, limit])
    return [InFlight(row[0], row[1], IntentKind(row[2]), *row[3:]) for row in rows]


def venues_due(*, at: datetime) -> list[str]:
    """Return the venues that have something to be told now."""
    return [row[0] for row in fetch(_DUE, [at])]


def venues_load(*, at: datetime) -> list[VenueLoad]:
    """Return the load of every venue that has one, or was ever measured."""
    return [VenueLoad(venue, due, sent, BreakerState(breaker)) for venue, due, sent, breaker in fetch(_LOAD, [at])]


def drop_copy_position(venue: str) -> int:
    """Return up to which report a venue's drop copy has been compared with what is recorded."""
    rows = fetch(_POSITION, [venue])
    return rows[0][0] if rows else 0


def breaker_of(venue: str) -> Breaker | None:
    """Return what was last found of a venue; None of one that has always answered."""
    return Breaker.objects.filter(venue=venue).first()


def venues_health() -> VenuesHealth:
    """Return how venues are, and what a person has still to look at there."""
    breakers = list(Breaker.objects.order_by("venue"))
    standing = VenueAlert.objects.filter(resolved_at=None)
    return VenuesHealth(
        away=[breaker for breaker in breakers if breaker.state != BreakerState.CLOSED.value],
        breakers=breakers,
        alerts=[AlertShown(a, sentence(a.code, a.facts)) for a in standing.order_by("-raised_at")[:ALERTS_SHOWN]],
        alerts_standing=standing.count(),
        reports_parked=ParkedReport.objects.filter(resolved_at=None).count(),
    )


def venues_away(account_ids: Collection[UUID]) -> dict[UUID, list[VenueAway]]:
    """Return for accounts the venues they use that do not answer; an account without one is absent."""
    away: dict[UUID, list[VenueAway]] = {}
    for account_id, venue, since in fetch(_AWAY, {"accounts": list(account_ids), "default": PAPER_VENUE}):
        away.setdefault(account_id, []).append(VenueAway(venue, since))
    return away


def orders_open_at(venue: str, *, unchanged_since: datetime) -> set[UUID]:
    """Return the orders that work at a venue as far as we know, and did so an instant ago."""
    return {row[0] for row in fetch(_OPEN, [venue, unchanged_since])}


def order_states(order_ids: Collection[UUID]) -> dict[UUID, BaseState]:
    """Return where orders stand; those that are not ours are absent."""
    return {row[0]: BaseState(row[1]) for row in fetch(_STATES, [list(order_ids)])} if order_ids else {}


def traded_at(venue: str) -> dict[str, Decimal]:
    """Return for each symbol what was bought at a venue less what was sold there, as recorded."""
    traded = {row[0]: row[1] for row in fetch(_TRADED, [venue])}
    instruments = instruments_by_id(traded.keys())
    return {instruments[key].symbol: quantity for key, quantity in traded.items()}
