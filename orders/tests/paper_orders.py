"""Orders as a paper venue's book works them, for tests of the book alone."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from uuid import uuid4

from orders.brokers.paper.bookorder import BookOrder
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side

_arrivals = count(1)


def d(text: str) -> Decimal:
    return Decimal(text)


def order(side: str, quantity: str, limit: str | None = None, tif: str = "day", ready_at: float = 0) -> BookOrder:
    return BookOrder(
        order_id=uuid4(),
        symbol="AAPL",
        side=Side(side),
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce(tif),
        quantity=d(quantity),
        limit_price=d(limit) if limit else None,
        arrival=next(_arrivals),
        ready_at=ready_at,
    )
