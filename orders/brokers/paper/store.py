"""The paper venue's own tables: its book and every report it ever made, in its own transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from orders.brokers.paper.book import BookOrder
from orders.brokers.protocol import DropCopy, VenueGone
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import OrderType, TimeInForce
from orders.selectors.sql import execute, fetch, pipelined
from positions.domain.types import Side

PAGE = 4000

_OPEN_SESSION = """
INSERT INTO orders_papersession AS s (venue, number, started_at) VALUES (%s, 1, %s)
ON CONFLICT (venue) DO UPDATE SET number = s.number + 1, started_at = excluded.started_at RETURNING number
"""
# Nobody waits for the disk here: what we record of a report commits later, to the same log, and waits for both.
_CHECK_SESSION = """
SELECT number, set_config('synchronous_commit', 'off', true) FROM orders_papersession WHERE venue = %s FOR SHARE
"""
_OPEN_ORDERS = """
SELECT order_id, symbol, side, type, time_in_force, quantity, limit_price, arrival, filled_quantity,
       received_at, expires_at
FROM orders_paperorder WHERE venue = %s AND state = 'open' ORDER BY arrival
"""
_LAST_REPORT = "SELECT coalesce(max(id), 0) FROM orders_paperreport WHERE venue = %s"
_KNOWN = "SELECT order_id FROM orders_paperorder WHERE venue = %s AND order_id = ANY(%s)"
_INSERT_ORDERS = """
INSERT INTO orders_paperorder (order_id, venue, arrival, symbol, side, type, time_in_force, quantity, limit_price,
                               filled_quantity, state, received_at, expires_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::numeric[], %s::numeric[], %s::numeric[], %s::text[], %s::timestamptz[], %s::timestamptz[])
"""
_UPDATE_ORDERS = """
UPDATE orders_paperorder o SET filled_quantity = new.filled, state = new.state
FROM unnest(%s::uuid[], %s::numeric[], %s::text[]) AS new(order_id, filled, state) WHERE o.order_id = new.order_id
"""
_INSERT_REPORTS = """
WITH made AS (
INSERT INTO orders_paperreport (venue, order_id, exec_id, kind, quantity, price, fee, reason, executed_at)
SELECT %s, order_id, exec_id, kind, quantity, price, fee, reason, executed_at
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[],
            %s::timestamptz[]) WITH ORDINALITY
     AS new(order_id, exec_id, kind, quantity, price, fee, reason, executed_at, n)
ORDER BY n RETURNING id
) SELECT max(id) FROM made
"""
_REPORTS_OF = """
SELECT id, order_id, exec_id, kind, quantity, price, fee, reason, executed_at
FROM orders_paperreport WHERE venue = %s AND order_id = ANY(%s) ORDER BY id
"""
_REPORTS_AFTER = """
SELECT id, order_id, exec_id, kind, quantity, price, fee, reason, executed_at
FROM orders_paperreport WHERE venue = %s AND id > %s ORDER BY id LIMIT %s
"""


@dataclass(slots=True)
class Working:
    """An order of the venue with what the book does not need: its state and when it ends."""

    order: BookOrder
    received_at: datetime
    expires_at: datetime | None
    state: str = "open"


@dataclass(slots=True)
class Turn:
    """Gather what one turn of the venue changes, to be written in one transaction."""

    new: list[Working] = field(default_factory=list)
    changed: dict[UUID, Working] = field(default_factory=dict)
    reports: list[VenueReport] = field(default_factory=list)
    repeated: list[VenueReport] = field(default_factory=list)
    last_report_id: int = 0


class PaperStore:
    """Read and write one paper venue's rows on the calling thread's connection."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.session = 0

    def open_session(self, at: datetime) -> None:
        """Take the venue over: from now on no older process can write its book."""
        self.session = fetch(_OPEN_SESSION, [self.venue, at])[0][0]

    def open_orders(self) -> list[Working]:
        """Return the orders that still work, in the order of their arrival."""
        return [_working(row) for row in fetch(_OPEN_ORDERS, [self.venue])]

    def last_report_id(self) -> int:
        """Return the id of the last report made, 0 when there is none."""
        last: int = fetch(_LAST_REPORT, [self.venue])[0][0]
        return last

    def known(self, order_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the orders that the venue has ever had."""
        return {row[0] for row in fetch(_KNOWN, [self.venue, list(order_ids)])}

    def write(self, turn: Turn) -> None:
        """Store a turn, all of it or nothing; raise VenueGone when another process has taken the venue over."""
        with transaction.atomic():
            rows = fetch(_CHECK_SESSION, [self.venue])
            if not rows or rows[0][0] != self.session:
                raise VenueGone(f"Another process has taken {self.venue} over.")
            new = {working.order.order_id for working in turn.new}
            changed = [(i, w.order.filled, w.state) for i, w in turn.changed.items() if i not in new]
            with pipelined():
                if turn.new:
                    execute(_INSERT_ORDERS, _columns(_new_row(self.venue, working) for working in turn.new))
                if changed:
                    execute(_UPDATE_ORDERS, _columns(changed))
                if turn.reports:
                    values = [self.venue, *_columns(_report_row(report) for report in turn.reports)]
                    turn.last_report_id = fetch(_INSERT_REPORTS, values)[0][0]

    def reports_of(self, order_ids: Collection[UUID]) -> list[VenueReport]:
        """Return every report of these orders, oldest first."""
        return [_report(self.venue, row) for row in fetch(_REPORTS_OF, [self.venue, list(order_ids)])]

    def reports_after(self, since_id: int, limit: int = PAGE) -> DropCopy:
        """Return a page of the drop copy."""
        rows = fetch(_REPORTS_AFTER, [self.venue, since_id, limit])
        return DropCopy([_report(self.venue, row) for row in rows], rows[-1][0] if rows else since_id)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _new_row(venue: str, working: Working) -> tuple[object, ...]:
    order = working.order
    return (
        order.order_id, venue, order.arrival, order.symbol, order.side.value, order.order_type.value,
        order.time_in_force.value, order.quantity, order.limit_price, order.filled, working.state,
        working.received_at, working.expires_at,
    )  # fmt: skip


def _report_row(report: VenueReport) -> tuple[object, ...]:
    return (
        report.order_id, report.exec_id, report.kind.value, report.quantity, report.price, report.fee,
        report.reason, report.executed_at,
    )  # fmt: skip


def _working(row: tuple[Any, ...]) -> Working:
    order_id, symbol, side, order_type, tif, quantity, limit_price, arrival, filled, received_at, expires_at = row
    order = BookOrder(
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        order_type=OrderType(order_type),
        time_in_force=TimeInForce(tif),
        quantity=quantity,
        limit_price=limit_price,
        arrival=arrival,
        filled=filled,
    )
    return Working(order, received_at, expires_at)


def _report(venue: str, row: tuple[Any, ...]) -> VenueReport:
    _, order_id, exec_id, kind, quantity, price, fee, reason, executed_at = row
    return VenueReport(
        venue=venue,
        kind=ReportKind(kind),
        order_id=order_id,
        venue_order_id=str(order_id),
        exec_id=exec_id,
        quantity=quantity,
        price=price,
        fee=fee,
        reason=reason,
        executed_at=executed_at,
    )
