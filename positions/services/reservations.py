"""Hold and let go what open orders may still spend or deliver; the caller holds the accounts' lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from positions.domain.types import NewReservation
from trading_portal.kernel.arrays import array_of, texts_of

_OPEN = """
INSERT INTO positions_reservation (order_id, account_id, instrument_id, owner_id, side, quantity_left, price,
                                   limit_price, currency, is_dormant, opened_at)
SELECT *, %s::timestamptz FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[],
                                      %s::numeric[], %s::numeric[], %s::text[], %s::boolean[])
"""
_CHANGE = """
UPDATE positions_reservation AS held SET quantity_left = new.quantity_left
FROM unnest(%s::uuid[], %s::numeric[]) AS new(order_id, quantity_left) WHERE held.order_id = new.order_id
"""
_REPRICE = """
UPDATE positions_reservation AS held
SET quantity_left = new.quantity_left, price = new.price, limit_price = new.limit_price
FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[], %s::numeric[]) AS new(order_id, quantity_left, price, limit_price)
WHERE held.order_id = new.order_id
"""
_RELEASE = "DELETE FROM positions_reservation WHERE order_id = ANY(%s::uuid[])"


def reservations_open(*, reservations: Sequence[NewReservation], at: datetime) -> None:
    """Hold what newly accepted orders may spend or deliver; one statement."""
    if not reservations:
        return
    columns: list[Any] = [
        array_of(each.order_id for each in reservations),
        array_of(each.account_id for each in reservations),
        array_of(each.instrument_id for each in reservations),
        array_of(each.owner_id for each in reservations),
        texts_of(each.side for each in reservations),
        array_of(each.quantity_left for each in reservations),
        array_of(each.price for each in reservations),
        array_of(each.limit_price for each in reservations),
        texts_of(each.currency for each in reservations),
        array_of(each.is_dormant for each in reservations),
    ]
    _execute(_OPEN, [at, *columns])


def reservations_change(*, left: Mapping[UUID, Decimal]) -> None:
    """Set what is left of open orders, by order id; an order that is done goes to `reservations_release` instead."""
    if left:
        _execute(_CHANGE, [array_of(left), array_of(left.values())])


def reservations_reprice(*, held: Mapping[UUID, tuple[Decimal, Decimal, Decimal | None]]) -> None:
    """Set what is left of open orders, what a unit may cost and their limit price, by order id."""
    if held:
        left, prices, limits = zip(*held.values(), strict=True)
        _execute(_REPRICE, [array_of(held), array_of(left), array_of(prices), array_of(limits)])


def reservations_release(*, order_ids: Collection[UUID]) -> None:
    """Let go what orders held; releasing again changes nothing."""
    if order_ids:
        _execute(_RELEASE, [array_of(order_ids)])


def _execute(sql: str, values: list[Any]) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A reservation changes in the transaction of its order.")
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
