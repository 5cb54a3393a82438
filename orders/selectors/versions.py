"""Find the replaces of orders: what was asked, what came of it, and what an order was before."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from audit.sql import fetch
from orders.domain.amending import as_asked, as_replaced
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.types import TimeInForce


class VersionShown(msgspec.Struct, frozen=True):
    """One replace of an order: the id it has or would have had, and what came of it."""

    id: UUID
    number: int
    client_order_id: str
    state: str
    answered_at: datetime | None


_TERMS = """
v.id, v.number, v.client_order_id, v.quantity, v.time_in_force, v.limit_price, v.stop_price, v.trail_price,
v.trail_percent, v.replaces, v.expires_at, v.worst_price
"""
_PENDING = f"SELECT v.order_id, {_TERMS} FROM orders_orderversion v WHERE v.order_id = ANY(%s) AND v.state = 'pending'"
_SEEN = f"""
SELECT wanted.id, successor.id, successor.accepted_at, successor.was, v.state, v.rejected_at, v.reasons, {_TERMS}
FROM unnest(%s::uuid[], %s::uuid[]) AS wanted(order_id, id)
LEFT JOIN orders_orderversion v ON v.id = wanted.id
LEFT JOIN orders_orderversion successor
    ON successor.order_id = wanted.order_id AND successor.replaces = wanted.id AND successor.state = 'accepted'
"""
_REPLACES = 9
_LAST = "SELECT order_id, max(number) FROM orders_orderversion WHERE order_id = ANY(%s) GROUP BY order_id"
_CURRENT = "SELECT v.id, v.client_order_id, v.replaces FROM orders_orderversion v WHERE v.id = ANY(%s)"
_CHAIN = """
SELECT v.id, v.number, v.client_order_id, v.state, coalesce(v.accepted_at, v.rejected_at)
FROM orders_orderversion v WHERE v.order_id = %s ORDER BY v.number
"""
_CHAINS = """
SELECT o.id, o.id, o.account_id FROM orders_order o WHERE o.id = ANY(%(ids)s)
UNION ALL
SELECT v.id, v.order_id, v.account_id FROM orders_orderversion v WHERE v.id = ANY(%(ids)s)
"""


def orders_seen(orders: Mapping[UUID, OrderFacts]) -> dict[UUID, OrderFacts]:
    """Return orders as they are seen by ids they had or asked for, given as they are now by these ids."""
    if not orders:
        return {}
    rows = fetch(_SEEN, [[order.id for order in orders.values()], list(orders)])
    return {row[0]: _seen(orders[row[0]], row) for row in rows}


def _seen(order: OrderFacts, row: Sequence[Any]) -> OrderFacts:
    public_id, replaced_by, replaced_at, was, state, rejected_at, reasons, *terms = row
    if replaced_by is not None:
        return as_replaced(
            order,
            version_id=None if public_id == order.id else public_id,
            replaces=terms[_REPLACES],
            was=was if isinstance(was, dict) else json.loads(was),
            replaced_by=replaced_by,
            replaced_at=replaced_at,
        )
    if state in ("pending", "rejected"):
        told = reasons if isinstance(reasons, list) else json.loads(reasons)
        return as_asked(order, terms_of(terms), reasons=told, rejected_at=rejected_at)
    return order


def versions_last(order_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the number of each order's newest replace, whatever came of it; one without any is absent."""
    return {row[0]: row[1] for row in fetch(_LAST, [list(order_ids)])}


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


def versions_chain(order_id: UUID) -> list[VersionShown]:
    """Return every replace that was asked of an order, the first one first."""
    return [VersionShown(*row) for row in fetch(_CHAIN, [order_id])]


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
