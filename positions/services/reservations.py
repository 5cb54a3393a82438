"""Hold and let go what open orders may still spend or deliver; the caller holds the accounts' lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from audit.sql import execute, require_transaction
from positions.domain.types import NewReservation
from trading_portal.kernel.arrays import Rows, numerics_of, uuids_of

_OPENED = Rows(
    order_id="uuid", account_id="uuid", instrument_id="uuid", owner_id="uuid", side="text", quantity_left="numeric",
    price="numeric", limit_price="numeric", currency="text", is_dormant="boolean",
)  # fmt: skip
_OPEN = f"""
INSERT INTO positions_reservation (opened_at, {_OPENED.columns}) SELECT %s, {_OPENED.columns} FROM {_OPENED}
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
    rows = [
        (
            each.order_id, each.account_id, each.instrument_id, each.owner_id, each.side, each.quantity_left,
            each.price, each.limit_price, each.currency, each.is_dormant,
        )
        for each in reservations
    ]  # fmt: skip
    _execute(_OPEN, [at, *_OPENED.bound(rows)])


def reservations_change(*, left: Mapping[UUID, Decimal]) -> None:
    """Set what is left of open orders, by order id; an order that is done goes to `reservations_release` instead."""
    if left:
        _execute(_CHANGE, [uuids_of(left), numerics_of(left.values())])


def reservations_reprice(*, held: Mapping[UUID, tuple[Decimal, Decimal, Decimal | None]]) -> None:
    """Set what is left of open orders, what a unit may cost and their limit price, by order id."""
    if held:
        left, prices, limits = zip(*held.values(), strict=True)
        _execute(_REPRICE, [uuids_of(held), numerics_of(left), numerics_of(prices), numerics_of(limits)])


def reservations_release(*, order_ids: Collection[UUID]) -> None:
    """Let go what orders held; releasing again changes nothing."""
    if order_ids:
        _execute(_RELEASE, [uuids_of(order_ids)])


def _execute(sql: str, values: list[Any]) -> None:
    require_transaction()
    execute(sql, values)
