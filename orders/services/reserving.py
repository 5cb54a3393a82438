"""Let reservations follow orders: what is left of them, and the larger of before and after while a change waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.types import LockedAccounts
from marketdata.domain.types import InstrumentFacts
from orders.domain.brackets import is_exit
from orders.domain.facts import OrderFacts
from orders.domain.holding import Held, exits_held
from orders.domain.types import STOPS
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
            order.facts.id: (held.quantity, _price(order.facts, held), held.limit_price)
            for order, had, held in kept
            if not _is_as_dear(had, held)
        }
    )
    again = [(order.facts, held) for order, had, held in moved if held.quantity and not had.quantity]
    reservations_open(reservations=[_reservation(*each, locked, instruments) for each in again], at=at)


def exits_reservation(
    exits: Sequence[WorkingOrder], *, locked: LockedAccounts, instruments: Mapping[UUID, InstrumentFacts]
) -> NewReservation | None:
    """Return the one reservation of a group's exits, the take-profit given first; None when none of them works."""
    found = exits_held([(order.facts, order.state, order.asked) for order in exits])
    return None if found is None else _reservation(*found, locked, instruments)


def _is_as_dear(had: Held, held: Held) -> bool:
    return had.price == held.price and had.limit_price == held.limit_price


def _price(facts: OrderFacts, held: Held) -> Decimal:
    if held.price is None:
        raise LookupError(f"order {facts.id} was approved without a worst price")
    return held.price


def _reservation(
    facts: OrderFacts, held: Held, locked: LockedAccounts, instruments: Mapping[UUID, InstrumentFacts]
) -> NewReservation:
    return NewReservation(
        facts.id,
        facts.account_id,
        facts.instrument_id,
        locked[facts.account_id].owner_id,
        facts.side,
        held.quantity,
        _price(facts, held),
        held.limit_price,
        instruments[facts.instrument_id].currency,
        facts.order_type in STOPS,
    )
