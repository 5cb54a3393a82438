"""End day orders that were never sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.services import accounts_lock
from audit.domain.types import Actor
from audit.sql import fetch
from orders.domain.events import OrderExpired
from orders.domain.order import EventKind, OrderEvent
from orders.domain.states import InvalidTransition
from orders.services.groups import groups_follow
from orders.services.intents import intents_drop
from orders.services.working import Journal, WorkingOrder, orders_locked, orders_save
from positions.services import reservations_release

CHUNK = 500
_LAPSE = OrderEvent(EventKind.LAPSED)
_LAPSED = """
SELECT id, account_id FROM orders_order
WHERE NOT is_closed AND base IN ('accepted', 'held') AND expires_at <= %s ORDER BY expires_at, id LIMIT %s
"""


def orders_expire_due(*, at: datetime, limit: int = CHUNK) -> int:
    """End day orders that were never sent and whose session is over, and return how many; venues end their own."""
    with transaction.atomic():
        found = fetch(_LAPSED, [at, limit])
        if not found:
            return 0
        locked = accounts_lock({account_id for _, account_id in found})
        orders = orders_locked([order_id for order_id, _ in found])
        journal = Journal(locked, at=at)
        lapsed = _lapse(orders, journal, at)
        followed = groups_follow(orders.values(), locked, journal, at=at)
        intents_drop(lapsed, at=at)
        reservations_release(order_ids=lapsed)
        orders_save([orders[order_id] for order_id in lapsed], at=at)
        followed.write(at=at)
        journal.write()
    return len(lapsed)


def _lapse(orders: Mapping[UUID, WorkingOrder], journal: Journal, at: datetime) -> list[UUID]:
    lapsed: list[UUID] = []
    for order_id, order in orders.items():
        try:
            order.apply(_LAPSE, at=at)
        except InvalidTransition:
            # Sent between our look and the lock: the venue ends it.
            continue
        never_sent: dict[str, Any] = {
            "venue": order.facts.venue,
            "venue_order_id": None,
            "exec_id": None,
            "text": "never sent",
        }
        journal.note(order, OrderExpired, by=Actor.system("expiry"), **never_sent)
        lapsed.append(order_id)
    return lapsed
