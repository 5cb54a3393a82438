"""Let reservations follow orders: what is left of them, and the larger of before and after while a change waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.types import LockedAccounts
from marketdata.domain.types import InstrumentFacts
from orders.domain.brackets import is_exit
from orders.domain.holding import Held
from orders.services.working import WorkingOrder
from positions.domain.types import NewReservation
from positions.services import reservations_change, reservations_open, reservations_release, reservations_reprice


def reservations_follow(
    orders: Collection[WorkingOrder],
    *,
    locked: LockedAccounts,
    instruments: Mapping[UUID, InstrumentFacts],
    at: datetime,
) -> None:
    """Write what orders hold now where it is not what their rows hold; a bust or a replace may open one again.

    Exits of a group share one reservation, which is their group's to keep.
    """
    moved = [(order, order.held_before, order.held) for order in orders if not is_exit(order.facts)]
    kept = [(order, had, held) for order, had, held in moved if had.quantity and held.quantity and had != held]
    reservations_release(order_ids=[order.facts.id for order, had, held in moved if had.quantity and not held.quantity])
    reservations_change(left={order.facts.id: held.quantity for order, had, held in kept if _is_as_dear(had, held)})
    reservations_reprice(
        held={
            order.facts.id: (held.quantity, _price(order, held), held.limit_price)
            for order, had, held in kept
            if not _is_as_dear(had, held)
        }
    )
    again = [(order, held) for order, had, held in moved if held.quantity and not had.quantity]
    reservations_open(reservations=[_reservation(*each, locked, instruments) for each in again], at=at)


def _is_as_dear(had: Held, held: Held) -> bool:
    return had.price == held.price and had.limit_price == held.limit_price


def _price(order: WorkingOrder, held: Held) -> Decimal:
    if held.price is None:
        raise LookupError(f"order {order.facts.id} was approved without a worst price")
    return held.price


def _reservation(
    order: WorkingOrder, held: Held, locked: LockedAccounts, instruments: Mapping[UUID, InstrumentFacts]
) -> NewReservation:
    facts = order.facts
    return NewReservation(
        facts.id,
        facts.account_id,
        facts.instrument_id,
        locked[facts.account_id].owner_id,
        facts.side,
        held.quantity,
        _price(order, held),
        held.limit_price,
        instruments[facts.instrument_id].currency,
    )
