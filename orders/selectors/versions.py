"""Find the replaces of orders: what was asked, what came of it, and what an order was before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from orders.domain.facts import OrderTerms
from orders.domain.types import TimeInForce
from orders.selectors.sql import fetch

_TERMS = """
v.id, v.number, v.client_order_id, v.quantity, v.time_in_force, v.limit_price, v.stop_price, v.trail_price,
v.trail_percent, v.replaces, v.expires_at, v.worst_price
"""
_PENDING = f"SELECT v.order_id, {_TERMS} FROM orders_orderversion v WHERE v.order_id = ANY(%s) AND v.state = 'pending'"
_CURRENT = "SELECT v.id, v.client_order_id, v.replaces FROM orders_orderversion v WHERE v.id = ANY(%s)"
_CHAINS = """
SELECT o.id, o.id, o.account_id FROM orders_order o WHERE o.id = ANY(%(ids)s)
UNION ALL
SELECT v.id, v.order_id, v.account_id FROM orders_orderversion v WHERE v.id = ANY(%(ids)s)
"""


def versions_pending(order_ids: Collection[UUID]) -> dict[UUID, OrderTerms]:
    """Return the terms that orders were asked to take and the venue has not answered, by order."""
    if not order_ids:
        return {}
    return {row[0]: terms_of(row[1:]) for row in fetch(_PENDING, [list(order_ids)])}


def versions_current(version_ids: Collection[UUID]) -> dict[UUID, tuple[str, UUID]]:
    """Return the client_order_id of accepted replaces, and the public id that each took the place of."""
    if not version_ids:
        return {}
    return {row[0]: (row[1], row[2]) for row in fetch(_CURRENT, [list(version_ids)])}


def orders_named(public_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, UUID]]:
    """Return, for ids that orders have or had or were to have, the order's own id and its account."""
    return {row[0]: (row[1], row[2]) for row in fetch(_CHAINS, {"ids": list(public_ids)})}


def terms_of(row: Sequence[Any]) -> OrderTerms:
    """Return a version's terms from its row."""
    return OrderTerms(
        version_id=row[0],
        number=row[1],
        client_order_id=row[2],
        quantity=row[3],
        time_in_force=TimeInForce(row[4]),
        limit_price=row[5],
        stop_price=row[6],
        trail_price=row[7],
        trail_percent=row[8],
        replaces=row[9],
        expires_at=row[10],
        worst_price=row[11],
    )
