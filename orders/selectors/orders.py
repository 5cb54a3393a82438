"""Find orders."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from audit.sql import fetch
from orders.domain.facts import OrderFacts
from orders.domain.types import Leg, OrderClass
from orders.selectors.rows import orders_fetch
from orders.selectors.versions import orders_seen

_IS_OPEN = "(NOT o.is_closed)"


def order_by_id(order_id: UUID, *, account_id: UUID | None = None) -> OrderFacts | None:
    """Return an order as this id shows it, or None when it is not there or in another account.

    An id that a replace took the place of shows it as `replaced`; one that a replace has asked for shows what is asked.
    """
    order = order_now(order_id, account_id=account_id)
    return None if order is None else _by_its_id(order, order_id)


def order_now(order_id: UUID, *, account_id: UUID | None = None) -> OrderFacts | None:
    """Return an order as it stands now, whichever of the ids it has, had or was to have names it."""
    scope = "AND (%s::uuid IS NULL OR o.account_id = %s)"
    values = [order_id, account_id, account_id]
    found = orders_fetch(f"FROM orders_order o WHERE o.id = %s {scope}", values) or orders_fetch(
        f"FROM orders_order o JOIN orders_orderversion v ON v.order_id = o.id WHERE v.id = %s {scope}", values
    )
    return found[0] if found else None


def _by_its_id(order: OrderFacts, public_id: UUID) -> OrderFacts:
    return order if order.public_id == public_id else orders_seen({public_id: order})[public_id]


def order_by_client_order_id(account_id: UUID, client_order_id: str) -> OrderFacts | None:
    """Return the account's order of that client_order_id as `order_by_id` does: a replace has its own. Else None."""
    names = [account_id, client_order_id]
    found = orders_fetch("FROM orders_order o WHERE o.account_id = %s AND o.client_order_id = %s", names)
    if found:
        return _by_its_id(found[0], found[0].id)
    version = fetch("SELECT id FROM orders_orderversion WHERE account_id = %s AND client_order_id = %s", names)
    return order_by_id(version[0][0]) if version else None


def orders_by_id(order_ids: Collection[UUID]) -> dict[UUID, OrderFacts]:
    """Return the orders of these ids; unknown ones are absent."""
    found = orders_fetch("FROM orders_order o WHERE o.id = ANY(%s)", [list(order_ids)])
    return {order.id: order for order in found}


def legs_by_root(orders: Iterable[OrderFacts]) -> dict[UUID, list[OrderFacts]]:
    """Return the legs of those orders that may have some, by the order they hang on, the take-profit first."""
    roots = [order.id for order in orders if order.order_class is not OrderClass.SIMPLE and order.leg is Leg.NONE]
    legs: dict[UUID, list[OrderFacts]] = {}
    if roots:
        tail = "FROM orders_order o WHERE o.parent_id = ANY(%s) AND o.leg <> '' ORDER BY o.leg DESC, o.id"
        for leg in orders_fetch(tail, [roots]):
            if leg.parent_id is not None:
                legs.setdefault(leg.parent_id, []).append(leg)
    return legs


def orders_open(account_ids: Collection[UUID]) -> list[OrderFacts]:
    """Return every open order of these accounts, oldest first."""
    return orders_fetch(
        f"FROM orders_order o WHERE o.account_id = ANY(%s) AND {_IS_OPEN} ORDER BY o.placed_at, o.id",
        [list(account_ids)],
    )


def orders_recent(account_id: UUID, limit: int) -> list[OrderFacts]:
    """Return an account's newest orders, newest first."""
    tail = "FROM orders_order o WHERE o.account_id = %s ORDER BY o.placed_at DESC, o.id DESC LIMIT %s"
    return orders_fetch(tail, [account_id, limit])


def orders_open_ids(
    *, account_id: UUID | None = None, instrument_id: UUID | None = None, venue: str = "", with_changing: bool = False
) -> list[tuple[UUID, UUID]]:
    """Return (account id, order id) of what a cancel could still reach in a scope; all of it empty is everything.

    With those that wait for a replace: they cannot be cancelled now, and whoever asks for all is told so.
    """
    rows = fetch(
        f"""
        SELECT o.account_id, o.id FROM orders_order o
        WHERE {_IS_OPEN} AND (o.pending = 'none' OR %(changing)s AND o.pending = 'replace') AND o.base IN
              ('accepted', 'held', 'pending_new', 'new', 'partially_filled', 'stopped', 'suspended')
          AND (%(account)s::uuid IS NULL OR o.account_id = %(account)s)
          AND (%(instrument)s::uuid IS NULL OR o.instrument_id = %(instrument)s)
          AND (%(venue)s = '' OR o.venue = %(venue)s)
        ORDER BY o.account_id, o.id
        """,
        {"account": account_id, "instrument": instrument_id, "venue": venue, "changing": with_changing},
    )
    return [(row[0], row[1]) for row in rows]
