"""Keep what a fill is worth in the books, and what it counts for in an order that was split since."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from orders.domain.facts import OrderFacts
from orders.domain.order import EventKind, OrderEvent
from orders.selectors.executions import ExecutionFacts
from positions.domain.types import FillFact
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.money import divide, multiply, stored


class Fill(msgspec.Struct, frozen=True):
    """A fill that a later report may bust or correct, as traded.

    `counted` is what it counts for in its order, splits since included; `trade_id` the trade it stands for.
    """

    execution_id: UUID
    order_id: UUID
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
    is_live: bool
    counted: Decimal
    trade_id: UUID


def fill_of(each: ExecutionFacts) -> Fill:
    """Return a fill as it was stored."""
    return Fill(
        each.id, each.order_id, each.quantity, each.price, each.fee, each.executed_at, each.is_live, each.counted,
        each.trade_id or each.id,
    )  # fmt: skip


def event_of_fill(event: OrderEvent | Reason, fill: Fill) -> OrderEvent | Reason:
    """Return a bust or correction in the units of an order that was split since; it speaks of the fill as traded."""
    if isinstance(event, Reason) or fill.counted == fill.quantity:
        return event
    was_value = multiply(fill.quantity, fill.price)
    was_price = stored(divide(was_value, fill.counted))
    if event.kind is EventKind.BUSTED:
        return replace(event, was_price=was_price, was_value=was_value)
    value = multiply(event.quantity, event.price)
    quantity = stored(divide(multiply(event.quantity, fill.counted), fill.quantity))
    price = stored(divide(value, quantity))
    return replace(event, quantity=quantity, price=price, value=value, was_price=was_price, was_value=was_value)


def fill_fact(order: OrderFacts, fill: Fill, *, currency: str) -> FillFact:
    """Return a fill as positions book it."""
    return FillFact(
        fill.execution_id,
        order.id,
        order.account_id,
        order.instrument_id,
        order.side,
        fill.quantity,
        fill.price,
        fill.fee,
        currency,
        fill.executed_at,
    )
