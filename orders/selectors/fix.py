"""Read partners' FIX sessions, and which orders are a key's own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from audit.sql import fetch
from orders.domain.types import IntentKind
from orders.selectors.orders import orders_open_ids

_REQUEST = """
SELECT r.id, r.client_order_id, r.original_id, r.order_id, r.kind, r.correlation_id, r.answered_at IS NOT NULL
FROM orders_fixrequest r WHERE r.session_id = %s AND
"""
_MESSAGES = """
SELECT m.number, m.text FROM orders_fixmessage m
WHERE m.session_id = %s AND m.number >= %s AND m.number < %s ORDER BY m.number
"""
_NAMED = """
SELECT o.id FROM orders_order o WHERE o.account_id = %(account)s AND o.client_order_id = %(name)s
UNION ALL
SELECT v.order_id FROM orders_orderversion v WHERE v.account_id = %(account)s AND v.client_order_id = %(name)s
"""
_NAMES = """
SELECT o.id, o.client_order_id FROM orders_order o WHERE o.id = ANY(%(ids)s)
UNION ALL
SELECT v.id, v.client_order_id FROM orders_orderversion v WHERE v.id = ANY(%(ids)s)
"""
_OWN = "SELECT o.id FROM orders_order o WHERE o.id = ANY(%s) AND o.api_key_id = %s"


@dataclass(frozen=True, slots=True)
class FixRequestFacts:
    """A cancel or replace as a partner asked for it."""

    id: int
    client_order_id: str
    original_id: str
    order_id: UUID
    kind: IntentKind
    correlation_id: UUID
    is_answered: bool


def fix_requests_open(session_id: UUID) -> list[FixRequestFacts]:
    """Return the requests whose end the partner was not told yet, oldest first."""
    return _requests("r.answered_at IS NULL ORDER BY r.id", [session_id])


def fix_request_by_client_order_id(session_id: UUID, client_order_id: str) -> FixRequestFacts | None:
    """Return the session's request of that ClOrdID, or None."""
    found = _requests("r.client_order_id = %s", [session_id, client_order_id])
    return found[0] if found else None


def _requests(where: str, values: Sequence[object]) -> list[FixRequestFacts]:
    rows = fetch(_REQUEST + where, list(values))
    return [FixRequestFacts(row[0], row[1], row[2], row[3], IntentKind(row[4]), row[5], row[6]) for row in rows]


def fix_messages_between(session_id: UUID, first: int, end: int) -> dict[int, str]:
    """Return what was sent under the numbers from `first` up to, and without, `end`."""
    return {row[0]: row[1] for row in fetch(_MESSAGES, [session_id, first, end])}


def orders_of_key(order_ids: Collection[UUID], key_pk: UUID) -> set[UUID]:
    """Return which of these orders were placed with an API key."""
    return {row[0] for row in fetch(_OWN, [list(order_ids), key_pk])} if order_ids else set()


def orders_open_ids_of_key(*, account_id: UUID, key_pk: UUID | None, instrument_id: UUID | None = None) -> list[UUID]:
    """Return what a cancel could still reach of an account's orders, or of those that one API key placed."""
    found = [order_id for _, order_id in orders_open_ids(account_id=account_id, instrument_id=instrument_id)]
    if key_pk is None:
        return found
    own = orders_of_key(found, key_pk)
    return [order_id for order_id in found if order_id in own]


def order_id_of_client_order_id(account_id: UUID, client_order_id: str) -> UUID | None:
    """Return which order has, had or was to have that client_order_id: its own, or a replace's."""
    found = fetch(_NAMED, {"account": account_id, "name": client_order_id})
    return found[0][0] if found else None


def names_by_public_id(public_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the client_order_id that went with each id: an order's own, or that of a replace."""
    return {row[0]: row[1] for row in fetch(_NAMES, {"ids": list(public_ids)})} if public_ids else {}
