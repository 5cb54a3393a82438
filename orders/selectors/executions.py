"""Find what was traded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from audit.sql import fetch
from positions.domain.types import Side

_SELECT = """
SELECT e.id, e.order_id, e.account_id, o.instrument_id, o.side, e.venue, e.exec_id, e.ref_exec_id, e.kind, e.is_live,
       e.quantity, e.price, e.fee, e.executed_at, e.recorded_at, e.restated_quantity, e.trade_id
"""
_ORDER = "JOIN orders_order o ON o.id = e.order_id"
_COLUMNS = f"{_SELECT} FROM orders_execution e {_ORDER} "
# The orders are looked up once it is known which trades these are: an account may have had any number of them.
_RECENT = f"""
{_SELECT} FROM (SELECT * FROM orders_execution WHERE account_id = %s AND is_live
                ORDER BY executed_at DESC, id DESC LIMIT %s) e {_ORDER}
ORDER BY e.executed_at DESC, e.id DESC
"""
_LIVE = """
SELECT e.id, e.order_id, o.account_id, o.instrument_id, o.side, e.venue, e.exec_id, e.ref_exec_id, e.kind, e.is_live,
       e.quantity, e.price, e.fee, coalesce(traded.executed_at, e.executed_at), e.recorded_at, e.restated_quantity,
       e.trade_id
FROM orders_execution e JOIN orders_order o ON o.id = e.order_id
LEFT JOIN orders_execution traded ON traded.id = e.trade_id
WHERE e.is_live AND (o.account_id, o.instrument_id) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))
ORDER BY coalesce(traded.recorded_at, e.recorded_at), coalesce(traded.id, e.id)
"""
_SIDE = 4


@dataclass(frozen=True, slots=True)
class ExecutionFacts:
    """One execution; only live ones count, a busted or corrected one is kept but no longer stands.

    `trade_id` is the trade that a correction stands for.
    """

    id: UUID
    order_id: UUID
    account_id: UUID
    instrument_id: UUID
    side: Side
    venue: str
    exec_id: str
    ref_exec_id: str | None
    kind: str
    is_live: bool
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
    recorded_at: datetime
    restated_quantity: Decimal | None
    trade_id: UUID | None

    @property
    def counted(self) -> Decimal:
        """Return what it counts for in its order, splits since then included."""
        return self.quantity if self.restated_quantity is None else self.restated_quantity


def _facts(rows: list[tuple[Any, ...]]) -> list[ExecutionFacts]:
    found = []
    for row in rows:
        values: list[Any] = list(row)
        values[_SIDE] = Side(values[_SIDE])
        found.append(ExecutionFacts(*values))
    return found


def executions_of_order(order_id: UUID) -> list[ExecutionFacts]:
    """Return an order's executions in the order they were recorded."""
    return _facts(fetch(_COLUMNS + "WHERE e.order_id = %s ORDER BY e.recorded_at, e.id", [order_id]))


def executions_recent(account_id: UUID, limit: int) -> list[ExecutionFacts]:
    """Return an account's newest executions that stand, by when they were done, newest first."""
    return _facts(fetch(_RECENT, [account_id, limit]))


def executions_by_exec_id(venue: str, exec_ids: Collection[str]) -> dict[str, ExecutionFacts]:
    """Return a venue's executions by the ids it gave them."""
    found = _facts(fetch(_COLUMNS + "WHERE e.venue = %s AND e.exec_id = ANY(%s)", [venue, list(exec_ids)]))
    return {execution.exec_id: execution for execution in found}


def executions_live_of(order_ids: Collection[UUID]) -> list[ExecutionFacts]:
    """Return every live execution of these orders, in the order they were recorded."""
    tail = "WHERE e.is_live AND e.order_id = ANY(%s) ORDER BY e.recorded_at, e.id"
    return _facts(fetch(_COLUMNS + tail, [list(order_ids)]))


def executions_live(holdings: Collection[tuple[UUID, UUID]]) -> list[ExecutionFacts]:
    """Return every live execution of these (account, instrument), in the order they were traded.

    A correction has the place, and the time, of the trade that it stands for.
    """
    return _facts(fetch(_LIVE, [[each[0] for each in holdings], [each[1] for each in holdings]]))
