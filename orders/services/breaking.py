"""Keep what the worker of a venue finds of it where every process sees it, and tell the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction

from audit.domain.types import Actor, EventPayload, NewEvent
from audit.services import events_append
from audit.sql import execute, fetch
from orders.domain.breaker import BreakerState, Line
from orders.domain.reasons import sentence
from orders.domain.venue_events import BreakerClosed, BreakerOpened, BreakerProbing, VenueQuick, VenueSlow
from orders.services.leasing import lease_require
from trading_portal.kernel.ids import uuid7

_STOOD = "SELECT state, is_slow FROM orders_breaker WHERE venue = %s FOR UPDATE"
_STORE = """
INSERT INTO orders_breaker (venue, state, opened_by, cause, changed_at, probe_at, is_slow, acknowledge_p95_ms,
                            fill_p95_ms, patience_ms, measured_at)
VALUES (%(venue)s, %(state)s, %(opened_by)s, %(cause)s, %(at)s, %(probe_at)s, %(is_slow)s, %(acknowledge)s,
        %(fill)s, %(patience)s, %(at)s)
ON CONFLICT (venue) DO UPDATE SET
    state = excluded.state, opened_by = excluded.opened_by, cause = excluded.cause, probe_at = excluded.probe_at,
    changed_at = CASE WHEN orders_breaker.state = excluded.state THEN orders_breaker.changed_at
                      ELSE excluded.changed_at END,
    is_slow = excluded.is_slow, acknowledge_p95_ms = excluded.acknowledge_p95_ms, fill_p95_ms = excluded.fill_p95_ms,
    patience_ms = excluded.patience_ms, measured_at = excluded.measured_at
"""
CAUSE_LENGTH = 200
SENTENCES = {
    BreakerState.OPEN: "VENUE_AWAY",
    BreakerState.HALF_OPEN: "VENUE_RETRIED",
    BreakerState.CLOSED: "VENUE_BACK",
}


@dataclass(frozen=True, slots=True)
class Health:
    """What a worker finds of its venue; `probe_at` is when an open breaker lets something through."""

    state: BreakerState = BreakerState.CLOSED
    opened_by: Line = Line.ASK
    cause: str = ""
    probe_at: datetime | None = None
    is_slow: bool = False
    acknowledge_p95_ms: int | None = None
    fill_p95_ms: int | None = None
    patience_ms: int = 10_000


def venue_health_store(*, venue: str, fence: int | None, health: Health, at: datetime) -> None:
    """Store how a venue is; what changed since it was last stored is told in its stream. Raise LeaseLost."""
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        rows = fetch(_STOOD, [venue])
        stood, was_slow = (BreakerState(rows[0][0]), rows[0][1]) if rows else (BreakerState.CLOSED, False)
        execute(
            _STORE,
            {
                "venue": venue,
                "state": health.state.value,
                "opened_by": health.opened_by.value,
                "cause": health.cause[:CAUSE_LENGTH],
                "at": at,
                "probe_at": health.probe_at,
                "is_slow": health.is_slow,
                "acknowledge": health.acknowledge_p95_ms,
                "fill": health.fill_p95_ms,
                "patience": health.patience_ms,
            },
        )
        told: list[EventPayload] = []
        if health.state is not stood:
            told.append(_moved(venue, health))
        if health.is_slow is not was_slow:
            told.append(_measured(venue, health))
        events_append(events=[venue_event(venue, payload, at) for payload in told], at=at)


def _moved(venue: str, health: Health) -> EventPayload:
    facts = {
        "venue": venue,
        "state": health.state.value,
        "cause": health.cause[:CAUSE_LENGTH],
        "sentence": told_of(venue, health.state),
    }
    made: Mapping[BreakerState, Callable[[], EventPayload]] = {
        BreakerState.OPEN: partial(
            BreakerOpened, **facts, probe_at=health.probe_at.isoformat() if health.probe_at else ""
        ),
        BreakerState.HALF_OPEN: partial(BreakerProbing, **facts),
        BreakerState.CLOSED: partial(BreakerClosed, **facts),
    }
    return made[health.state]()


def _measured(venue: str, health: Health) -> EventPayload:
    kind = VenueSlow if health.is_slow else VenueQuick
    return kind(
        venue=venue,
        acknowledge_p95_ms=health.acknowledge_p95_ms,
        fill_p95_ms=health.fill_p95_ms,
        patience_ms=health.patience_ms,
    )


def told_of(venue: str, state: BreakerState) -> str:
    """Return what the users of a venue are told of its state."""
    return sentence(SENTENCES[state], {"venue": venue})


def venue_event(venue: str, payload: EventPayload, at: datetime, *, by: Actor | None = None) -> NewEvent:
    """Return an event of a venue's own stream."""
    return NewEvent(
        stream=f"venue:{venue}",
        payload=payload,
        actor=by or Actor.system("venue"),
        correlation_id=uuid7(),
        valid_at=at,
    )
