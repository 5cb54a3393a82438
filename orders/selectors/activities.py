"""Find what was traded in an account, page by page, each trade with what its order had filled by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from orders.selectors.sql import fetch
from positions.domain.types import Side

_PAGE = """
SELECT page.id, page.order_id, page.instrument_id, page.side, page.quantity, page.price, page.executed_at,
       page.ordered, (SELECT sum(x.quantity) FROM orders_execution x
                      WHERE x.order_id = page.order_id AND x.is_live
                        AND (x.recorded_at, x.id) <= (page.recorded_at, page.id))
FROM (
    SELECT e.id, e.order_id, o.instrument_id, o.side, e.quantity, e.price, e.executed_at, e.recorded_at,
           o.quantity AS ordered
    FROM orders_execution e JOIN orders_order o ON o.id = e.order_id
    WHERE o.account_id = %(account)s AND e.is_live
      AND (%(after)s::timestamptz IS NULL OR e.executed_at > %(after)s)
      AND (%(until)s::timestamptz IS NULL OR e.executed_at <= %(until)s)
      AND (%(beyond)s::uuid IS NULL OR (e.executed_at, e.id) {beyond} (
           SELECT last.executed_at, last.id FROM orders_execution last WHERE last.id = %(beyond)s))
    ORDER BY e.executed_at {direction}, e.id {direction} LIMIT %(limit)s
) page ORDER BY page.executed_at {direction}, page.id {direction}
"""
_IN_ACCOUNT = """
SELECT 1 FROM orders_execution e JOIN orders_order o ON o.id = e.order_id WHERE e.id = %s AND o.account_id = %s
"""


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade that stands; `cumulative` is what its order had filled after it, of the `ordered` that it is for."""

    id: UUID
    order_id: UUID
    instrument_id: UUID
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    ordered: Decimal
    cumulative: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuery:
    """Which of an account's trades; `beyond` is the last one seen."""

    account_id: UUID
    after: datetime | None = None
    until: datetime | None = None
    beyond: UUID | None = None
    is_ascending: bool = False
    limit: int = 100


def trades_list(query: TradeQuery) -> list[Trade]:
    """Return a page of trades by the time they were done."""
    direction, beyond = ("ASC", ">") if query.is_ascending else ("DESC", "<")
    values = {
        "account": query.account_id,
        "after": query.after,
        "until": query.until,
        "beyond": query.beyond,
        "limit": query.limit,
    }
    rows = fetch(_PAGE.format(direction=direction, beyond=beyond), values)
    return [
        Trade(row[0], row[1], row[2], Side(row[3]), row[4], row[5], row[6], ordered=row[7], cumulative=row[8])
        for row in rows
    ]


def trade_is_of(execution_id: UUID, account_id: UUID) -> bool:
    """Tell whether a trade belongs to an account."""
    return bool(fetch(_IN_ACCOUNT, [execution_id, account_id]))
