"""Raise what a person must look at, once, and take it back when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.services import accounts_lock
from audit.domain.types import Actor
from audit.services import events_append
from audit.sql import as_json, fetch
from orders.domain.events import OrderAnomaly
from orders.domain.types import BaseState, PendingOperation
from orders.domain.venue_events import AlertRaised, AlertResolved, ParkedResolved
from orders.services.breaking import venue_event
from orders.services.leasing import lease_require
from orders.services.working import Journal, WorkingOrder, orders_locked, orders_save
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

ALERT_AFTER = timedelta(seconds=60)
CHUNK = 500
_OVERDUE, _UNANSWERED = "ANSWER_OVERDUE", "REQUEST_UNANSWERED"
# By when the venue was first told; the order's own change bounds a request that is sent again and again.
_OWED = """
SELECT o.id, o.account_id, o.venue, min(least(i.sent_at, o.updated_at))
FROM orders_venueintent i JOIN orders_order o ON o.id = i.order_id
WHERE i.state = 'sent' AND (o.is_unknown OR o.pending <> 'none')
  AND NOT EXISTS (SELECT 1 FROM orders_venuealert a WHERE a.order_id = o.id AND a.venue = o.venue
                  AND a.code IN ('ANSWER_OVERDUE', 'REQUEST_UNANSWERED') AND a.resolved_at IS NULL)
GROUP BY o.id, o.account_id, o.venue
HAVING min(least(i.sent_at, o.updated_at)) <= %(before)s
ORDER BY o.id LIMIT %(limit)s
"""
_RAISE = """
INSERT INTO orders_venuealert (id, venue, code, subject, order_id, facts, raised_at)
SELECT id, venue, code, subject, order_id, facts, %s
FROM json_to_recordset(%s::json) AS new(id uuid, venue text, code text, subject text, order_id uuid, facts jsonb)
ON CONFLICT DO NOTHING RETURNING id
"""
_ANSWERED = """
UPDATE orders_venuealert a SET resolved_at = %s FROM orders_order o
WHERE a.resolved_at IS NULL AND a.code IN ('ANSWER_OVERDUE', 'REQUEST_UNANSWERED') AND o.id = a.order_id
  AND NOT o.is_unknown AND o.pending = 'none'
RETURNING a.id, a.venue, a.subject, a.code
"""
_OVER = """
UPDATE orders_venuealert SET resolved_at = %s
WHERE venue = %s AND code = ANY(%s) AND resolved_at IS NULL AND NOT code || ' ' || subject = ANY(%s)
RETURNING id, venue, subject, code
"""
_RESOLVE = """
UPDATE orders_venuealert SET resolved_at = %s WHERE id = ANY(%s) AND resolved_at IS NULL
RETURNING id, venue, subject, code
"""
_RESOLVE_PARKED = """
UPDATE orders_parkedreport SET resolved_at = %s WHERE id = ANY(%s) AND resolved_at IS NULL RETURNING id, venue, code
"""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to be looked at: why, and what it is about."""

    why: Reason
    subject: str
    order_id: UUID | None = None


def alerts_raise(*, venue: str, alerts: Sequence[Alert], at: datetime) -> int:
    """Store alerts that do not stand yet, tell the venue's stream, and return how many were new."""
    if not alerts:
        return 0
    ids = {uuid7(): alert for alert in alerts}
    rows = [
        {
            "id": alert_id,
            "venue": venue,
            "code": alert.why.code,
            "subject": alert.subject,
            "order_id": alert.order_id,
            "facts": alert.why.as_dict()["facts"],
        }
        for alert_id, alert in ids.items()
    ]
    with transaction.atomic():
        new = {row[0]: ids[row[0]] for row in fetch(_RAISE, [at, as_json(rows)])}
        payloads = [
            AlertRaised(venue=venue, alert_id=str(alert_id), subject=alert.subject, reason=alert.why.as_dict())
            for alert_id, alert in new.items()
        ]
        events_append(events=[venue_event(venue, payload, at) for payload in payloads], at=at)
    return len(new)


def alerts_keep(*, venue: str, codes: Collection[str], alerts: Sequence[Alert], fence: int | None, at: datetime) -> int:
    """Let exactly these alerts of these codes stand at a venue: raise what is new, take back what is over.

    Return how many were new. Raise LeaseLost: who does not speak to the venue cannot compare with it.
    """
    standing = [f"{alert.why.code} {alert.subject}" for alert in alerts]
    with transaction.atomic():
        lease_require(venue=venue, fence=fence)
        _tell_resolved(fetch(_OVER, [at, venue, list(codes), standing]), Actor.system("alerts"), at)
        return alerts_raise(venue=venue, alerts=alerts, at=at)


def alerts_resolve(*, alert_ids: Collection[UUID], by: Actor, at: datetime) -> int:
    """Note that alerts are dealt with, and return how many were; running it again is harmless."""
    with transaction.atomic():
        return _tell_resolved(fetch(_RESOLVE, [at, list(alert_ids)]), by, at)


def parked_reports_resolve(*, report_ids: Collection[UUID], by: Actor, at: datetime) -> int:
    """Note that a person has dealt with parked reports, and return how many; the reports themselves stay."""
    with transaction.atomic():
        rows = fetch(_RESOLVE_PARKED, [at, list(report_ids)])
        events = [
            venue_event(venue, ParkedResolved(venue=venue, parked_report_id=str(key), code=code), at, by=by)
            for key, venue, code in rows
        ]
        events_append(events=events, at=at)
        return len(rows)


def _tell_resolved(rows: Sequence[tuple[Any, ...]], by: Actor, at: datetime) -> int:
    events = [
        venue_event(venue, AlertResolved(venue=venue, alert_id=str(key), subject=subject, code=code), at, by=by)
        for key, venue, subject, code in rows
    ]
    events_append(events=events, at=at)
    return len(rows)


def orders_overdue_alert(*, at: datetime) -> int:
    """Alert a person, once for each, about orders whose outcome a venue has owed for a minute; return how many.

    What has been answered meanwhile is taken back. The order itself says so in its own stream as well.
    """
    with transaction.atomic():
        _tell_resolved(fetch(_ANSWERED, [at]), Actor.system("alerts"), at)
        values = {"before": at - ALERT_AFTER, "limit": CHUNK}
        owed = {row[0]: row[1:] for row in fetch(_OWED, values)}
        if not owed:
            return 0
        locked = accounts_lock({account_id for account_id, _, _ in owed.values()})
        orders = orders_locked(owed)
        journal = Journal(locked, at=at)
        raised: dict[str, list[Alert]] = {}
        for order_id, order in orders.items():
            _, venue, since = owed[order_id]
            if why := _overdue(order, venue, int((at - since).total_seconds())):
                raised.setdefault(venue, []).append(Alert(why, str(order_id), order_id))
                _note(journal, order, venue, why)
        orders_save([order for order in orders.values() if order.sequence > order.facts.event_sequence], at=at)
        journal.write()
        return sum(alerts_raise(venue=venue, alerts=alerts, at=at) for venue, alerts in raised.items())


def _overdue(order: WorkingOrder, venue: str, seconds: int) -> Reason | None:
    """Return what is owed for an order; None when it was answered between our look and the lock."""
    state = order.state
    is_asked = state.pending is not PendingOperation.NONE
    if is_asked and state.leaves_quantity == ZERO and state.base is not BaseState.DONE_FOR_DAY:
        return reason(_UNANSWERED, venue=venue, seconds=seconds, pending=state.pending.value)
    if state.is_unknown or is_asked:
        return reason(_OVERDUE, venue=venue, seconds=seconds)
    return None


def _note(journal: Journal, order: WorkingOrder, venue: str, why: Reason) -> None:
    facts: Mapping[str, Any] = {"exec_id": None, "execution_id": None, "parked_report_id": None}
    journal.note(order, OrderAnomaly, by=Actor.system("alerts"), venue=venue, reason=why.as_dict(), **facts)
