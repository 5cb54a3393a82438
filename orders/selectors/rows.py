"""Turn order rows into facts; the instrument's part comes from marketdata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from audit.sql import Row, fetch_later
from marketdata.domain.types import Listing
from marketdata.selectors import listings_by_id
from orders.domain.commands import Schedule
from orders.domain.facts import OrderFacts
from orders.domain.types import BaseState, Leg, OrderClass, OrderType, PendingOperation, TimeInForce
from orders.selectors.versions import versions_current
from positions.domain.types import Side

COLUMNS = """
o.id, o.account_id, o.instrument_id, o.client_order_id, o.side, o.type, o.time_in_force, o.quantity, o.limit_price,
o.stop_price, o.extended_hours, o.base, o.pending, o.is_unknown, o.filled_quantity, o.filled_value, o.average_price,
o.is_refused, o.reasons, o.venue, o.venue_order_id, o.source, o.correlation_id, o.event_sequence, o.placed_at,
o.expires_at, o.routed_at, o.filled_at, o.ended_at, o.updated_at, o.worst_price,
o.notional, o.trail_price, o.trail_percent, o.order_class, o.parent_id, o.leg, o.schedule, o.version_number,
o.version_id
"""

# A look-up costs a tenth of what calling the enumeration does, and every order has seven.
_SIDES = {each.value: each for each in Side}
_TYPES = {each.value: each for each in OrderType}
_TIMES = {each.value: each for each in TimeInForce}
_BASES = {each.value: each for each in BaseState}
_PENDING = {each.value: each for each in PendingOperation}
_CLASSES = {each.value: each for each in OrderClass}
_LEGS = {each.value: each for each in Leg}
# The caller holds the lock of their accounts.
LOCKED = "FROM orders_order o WHERE o.id = ANY(%s::uuid[]) ORDER BY o.id FOR NO KEY UPDATE"


def orders_fetch(tail: str, parameters: Sequence[Any] = ()) -> list[OrderFacts]:
    """Return the orders that a FROM clause and what follows it name, `o` being the order."""
    return orders_fetch_later(tail, parameters)()


def orders_fetch_later(tail: str, parameters: Sequence[Any] = ()) -> Callable[[], list[OrderFacts]]:
    """Ask for orders, inside `pipelined`."""
    rows = fetch_later(f"SELECT {COLUMNS} {tail}", parameters)
    return lambda: _facts(rows())


def _facts(rows: Sequence[Row]) -> list[OrderFacts]:
    known = listings_by_id({row[2] for row in rows})
    found = [facts_of(row, known[row[2]]) for row in rows]
    versions = versions_current([order.version_id for order in found if order.version_id])
    return [_renamed(order, versions) for order in found] if versions else found


def _renamed(order: OrderFacts, versions: Mapping[UUID, tuple[str, UUID]]) -> OrderFacts:
    """Return an order under the client_order_id of its last accepted replace."""
    if order.version_id is None:
        return order
    client_order_id, replaces = versions[order.version_id]
    return replace(order, client_order_id=client_order_id, replaces=replaces)


def facts_of(row: Sequence[Any], instrument: Listing) -> OrderFacts:
    """Return the facts of one row of COLUMNS."""
    return OrderFacts(
        id=row[0],
        account_id=row[1],
        instrument_id=row[2],
        symbol=instrument.symbol,
        asset_class=instrument.asset_class,
        client_order_id=row[3],
        side=_SIDES[row[4]],
        order_type=_TYPES[row[5]],
        time_in_force=_TIMES[row[6]],
        quantity=row[7],
        limit_price=row[8],
        stop_price=row[9],
        extended_hours=row[10],
        base=_BASES[row[11]],
        pending=_PENDING[row[12]],
        is_unknown=row[13],
        filled_quantity=row[14],
        filled_value=row[15],
        average_price=row[16],
        is_refused=row[17],
        reasons=json.loads(row[18]) if isinstance(row[18], str) else row[18],
        venue=row[19],
        venue_order_id=row[20],
        source=row[21],
        correlation_id=row[22],
        event_sequence=row[23],
        placed_at=row[24],
        expires_at=row[25],
        routed_at=row[26],
        filled_at=row[27],
        ended_at=row[28],
        updated_at=row[29],
        worst_price=row[30],
        notional=row[31],
        trail_price=row[32],
        trail_percent=row[33],
        order_class=_CLASSES[row[34]],
        parent_id=row[35],
        leg=_LEGS[row[36]],
        schedule=schedule_of(row[37]) if row[37] else None,
        version_number=row[38],
        version_id=row[39],
    )


def schedule_of(stored: Any) -> Schedule:
    """Return a schedule as the row keeps it."""
    return msgspec.convert(json.loads(stored) if isinstance(stored, str) else stored, Schedule)
