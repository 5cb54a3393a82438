"""Let reservations follow orders: what is left of them, and the larger of before and after while a change waits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.types import LockedAccounts
from marketdata.domain.types import InstrumentFacts
from orders.domain.brackets import is_exit
from orders.domain.holding import Held
from orders.domain.types import STOPS, BaseState
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


def exits_reservation(
    exits: Sequence[WorkingOrder], *, locked: LockedAccounts, instruments: Mapping[UUID, InstrumentFacts]
) -> NewReservation | None:
    """Return the one reservation of a group's exits, the take-profit given first; None when none of them works.

    They close the same units, so these are held once: by the take-profit while it works, else by the stop, for the
    most that either may still trade, at the worst price of either.
    """
    working = [(order, order.held) for order in exits if order.state.base is not BaseState.HELD]
    working = [(order, held) for order, held in working if held.quantity]
    if not working:
        return None
    order, first = working[0]
    most = max(held.quantity for _, held in working)
    worst = max(_price(*each) for each in working)
    return _reservation(order, Held(most, worst, first.limit_price), locked, instruments)


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
        facts.order_type in STOPS,
    )
