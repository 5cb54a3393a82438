"""Restate orders by a split of their instrument: quantities, fills, prices and a replace that waits, in one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from audit.sql import as_json, execute
from orders.domain.amending import terms_text
from orders.domain.order import OrderEvent
from orders.domain.reports import VenueReport
from orders.domain.splitting import is_tellable, order_restated, terms_restated
from orders.services.working import WorkingOrder
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import plain

_ORDERS = """
UPDATE orders_order AS o SET
    limit_price = new.limit_price, stop_price = new.stop_price, trail_price = new.trail_price,
    worst_price = new.worst_price
FROM json_to_recordset(%s::json) AS new(
    id uuid, limit_price numeric, stop_price numeric, trail_price numeric, worst_price numeric)
WHERE o.id = new.id
"""
_VERSIONS = """
UPDATE orders_orderversion AS version SET
    quantity = new.quantity, limit_price = new.limit_price, stop_price = new.stop_price,
    trail_price = new.trail_price, worst_price = new.worst_price
FROM json_to_recordset(%s::json) AS new(
    id uuid, quantity numeric, limit_price numeric, stop_price numeric, trail_price numeric, worst_price numeric)
WHERE version.id = new.id AND version.state = 'pending'
"""
_FILLS = """
UPDATE orders_execution AS fill SET restated_quantity = new.quantity
FROM json_to_recordset(%s::json) AS new(id uuid, quantity numeric) WHERE fill.id = new.id
"""
_PRICES = ("limit_price", "stop_price", "trail_price", "worst_price")


class SplitTerms(msgspec.Struct, frozen=True):
    """What a split made of an order's terms, as its event tells."""

    ratio: Decimal
    was: Mapping[str, str]
    becomes: Mapping[str, str]
    worst_price: Decimal | None


def order_split(
    order: WorkingOrder, event: OrderEvent, report: VenueReport | None, *, at: datetime
) -> SplitTerms | Reason:
    """Restate an order, and the replace it waits for; return the terms before and after, or why it cannot be.

    Raise InvalidTransition, as a move does; nothing is changed then either. `report` is the venue's, None where the
    order only follows another.
    """
    before, facts, asked = order.state, order.facts, order.asked
    was = terms_text(facts, quantity=before.quantity)
    order.apply(event, at=at)
    said = {"limit_price": report.price, "stop_price": report.stop_price} if report else {}
    order.facts = order_restated(order.facts, event.ratio, **said)
    order.asked = None if asked is None else terms_restated(asked, event.ratio)
    is_over = order.state.filled_quantity > order.state.quantity and before.filled_quantity <= before.quantity
    is_sound = is_tellable(order.facts, order.state.quantity) and not is_over
    if not is_sound or (order.asked is not None and not is_tellable(order.asked, order.asked.quantity)):
        order.state, order.facts, order.asked = before, facts, asked
        return reason("SPLIT_NOT_TELLABLE", ratio=event.ratio)
    becomes = terms_text(order.facts, quantity=order.state.quantity)
    return SplitTerms(event.ratio, was, becomes, order.facts.worst_price)


def split_facts(terms: SplitTerms) -> dict[str, Any]:
    """Return what the event of a split says of it."""
    worst_price = None if terms.worst_price is None else plain(terms.worst_price)
    return {"ratio": plain(terms.ratio), "was": terms.was, "becomes": terms.becomes, "worst_price": worst_price}


def splits_write(orders: Sequence[WorkingOrder], fills: Mapping[UUID, Decimal]) -> None:
    """Store the terms of orders that were split, of the replaces they wait for, and what their fills count for now."""
    if not orders:
        return
    execute(_ORDERS, [as_json([_row(order.facts.id, order.facts) for order in orders])])
    waiting = [order.asked for order in orders if order.asked is not None]
    if waiting:
        execute(
            _VERSIONS, [as_json([_row(terms.version_id, terms) | {"quantity": terms.quantity} for terms in waiting])]
        )
    if fills:
        execute(_FILLS, [as_json([{"id": key, "quantity": quantity} for key, quantity in fills.items()])])


def _row(key: UUID, terms: Any) -> dict[str, Any]:
    return {"id": key} | {name: getattr(terms, name) for name in _PRICES}
