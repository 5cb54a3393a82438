"""The paper venue's own tables: its book and every report it ever made, in its own transactions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.sql import execute, fetch, pipelined
from orders.brokers.paper.bookorder import BookOrder
from orders.brokers.paper.working import Pause, Turn, Working
from orders.brokers.protocol import DropCopy, VenueGone
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.arrays import Rows, uuids_of

PAGE = 4000

_OPEN_SESSION = """
INSERT INTO orders_papersession AS s (venue, number, started_at) VALUES (%s, 1, %s)
ON CONFLICT (venue) DO UPDATE SET number = s.number + 1, started_at = excluded.started_at RETURNING number
"""
_CHECK_SESSION = "SELECT number FROM orders_papersession WHERE venue = %s FOR SHARE"
_ORDER = Rows(
    order_id="uuid", account_id="uuid", symbol="text", side="text", type="text", time_in_force="text",
    quantity="numeric", limit_price="numeric", stop_price="numeric", trail_price="numeric", trail_percent="numeric",
    mark="numeric", is_triggered="boolean", extended_hours="boolean", arrival="bigint", filled_quantity="numeric",
    state="text", pause="text", scenario="text", step="smallint", step_at="timestamptz", received_at="timestamptz",
    acts_at="timestamptz", expires_at="timestamptz",
)  # fmt: skip
_OPEN_ORDERS = f"SELECT {_ORDER.columns} FROM orders_paperorder WHERE venue = %s AND state = 'open' ORDER BY arrival"
_ORDERS = f"SELECT {_ORDER.columns} FROM orders_paperorder WHERE venue = %s AND order_id = ANY(%s::uuid[])"
_LAST_REPORT = "SELECT coalesce(max(id), 0) FROM orders_paperreport WHERE venue = %s"
_KNOWN = "SELECT order_id FROM orders_paperorder WHERE venue = %s AND order_id = ANY(%s::uuid[])"
_INSERT_ORDERS = f"""
INSERT INTO orders_paperorder (venue, {_ORDER.columns}) SELECT %s, {_ORDER.columns} FROM {_ORDER}
"""
_FILLED = Rows(order_id="uuid", filled="numeric", state="text")
_UPDATE_FILLED = f"""
UPDATE orders_paperorder o SET filled_quantity = new.filled, state = new.state
FROM {_FILLED} WHERE o.order_id = new.order_id
"""
_TERMS = Rows(
    order_id="uuid", filled="numeric", state="text", quantity="numeric", tif="text", limit_price="numeric",
    stop_price="numeric", trail_price="numeric", trail_percent="numeric", mark="numeric", is_triggered="boolean",
    arrival="bigint", pause="text", step="smallint", step_at="timestamptz", acts_at="timestamptz",
    expires_at="timestamptz",
)  # fmt: skip
_UPDATE_TERMS = f"""
UPDATE orders_paperorder o
SET filled_quantity = new.filled, state = new.state, quantity = new.quantity, time_in_force = new.tif,
    limit_price = new.limit_price, stop_price = new.stop_price, trail_price = new.trail_price,
    trail_percent = new.trail_percent, mark = new.mark, is_triggered = new.is_triggered, arrival = new.arrival,
    pause = new.pause, step = new.step, step_at = new.step_at, acts_at = new.acts_at, expires_at = new.expires_at
FROM {_TERMS} WHERE o.order_id = new.order_id
"""
_REPORT = Rows(
    order_id="uuid", exec_id="text", ref_exec_id="text", kind="text", quantity="numeric", price="numeric",
    stop_price="numeric", fee="numeric", reason="text", restatement="text", request_id="uuid", ratio="numeric",
    executed_at="timestamptz",
)  # fmt: skip
_INSERT_REPORTS = f"""
WITH made AS (
INSERT INTO orders_paperreport (venue, {_REPORT.columns}) SELECT %s, {_REPORT.columns} FROM {_REPORT} RETURNING id
) SELECT max(id) FROM made
"""
_REPORTS_OF = f"""
SELECT id, {_REPORT.columns} FROM orders_paperreport WHERE venue = %s AND order_id = ANY(%s::uuid[]) ORDER BY id
"""
_REPORTS_AFTER = f"""
SELECT id, {_REPORT.columns} FROM orders_paperreport WHERE venue = %s AND id > %s ORDER BY id LIMIT %s
"""
_OPEN_IDS = """
SELECT order_id FROM orders_paperorder WHERE venue = %s AND state = 'open' AND pause NOT IN ('filled', 'canceled')
"""
_TRADED = """
SELECT symbol, sum(CASE side WHEN 'buy' THEN filled_quantity ELSE -filled_quantity END)
FROM orders_paperorder WHERE venue = %s AND filled_quantity <> 0 GROUP BY symbol
"""


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

    def open_ids(self) -> set[UUID]:
        """Return the ids of the orders that still work."""
        return {row[0] for row in fetch(_OPEN_IDS, [self.venue])}

    def traded(self) -> dict[str, Decimal]:
        """Return for each symbol what was bought less what was sold."""
        return {row[0]: row[1] for row in fetch(_TRADED, [self.venue])}

    def orders(self, order_ids: Collection[UUID]) -> dict[UUID, Working]:
        """Return those of the orders that the venue has ever had, as they stand."""
        found = [_working(row) for row in fetch(_ORDERS, [self.venue, uuids_of(order_ids)])] if order_ids else []
        return {working.order.order_id: working for working in found}

    def last_report_id(self) -> int:
        """Return the id of the last report made, 0 when there is none."""
        last: int = fetch(_LAST_REPORT, [self.venue])[0][0]
        return last

    def known(self, order_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the orders that the venue has ever had."""
        return {row[0] for row in fetch(_KNOWN, [self.venue, uuids_of(order_ids)])}

    def write(self, turn: Turn) -> None:
        """Store a turn, all of it or nothing; raise VenueGone when another process has taken the venue over."""
        with transaction.atomic(), pipelined():
            rows = fetch(_CHECK_SESSION, [self.venue])
            if not rows or rows[0][0] != self.session:
                raise VenueGone(f"Another process has taken {self.venue} over.")
            changed = [_filled_row(w) for i, w in turn.changed.items() if i not in turn.new and i not in turn.restated]
            restated = [_terms_row(w) for i, w in turn.restated.items() if i not in turn.new]
            if turn.new:
                execute(_INSERT_ORDERS, [self.venue, *_ORDER.bound(_order_row(each) for each in turn.new.values())])
            if changed:
                execute(_UPDATE_FILLED, _FILLED.bound(changed))
            if restated:
                execute(_UPDATE_TERMS, _TERMS.bound(restated))
            if turn.reports:
                values = [self.venue, *_REPORT.bound(_report_row(report) for report in turn.reports)]
                turn.last_report_id = fetch(_INSERT_REPORTS, values)[0][0]

    def reports_of(self, order_ids: Collection[UUID]) -> list[VenueReport]:
        """Return every report of these orders, oldest first."""
        return [_report(self.venue, row) for row in fetch(_REPORTS_OF, [self.venue, uuids_of(order_ids)])]

    def reports_after(self, since_id: int, limit: int = PAGE) -> DropCopy:
        """Return a page of the drop copy."""
        rows = fetch(_REPORTS_AFTER, [self.venue, since_id, limit])
        return DropCopy([_report(self.venue, row) for row in rows], rows[-1][0] if rows else since_id)


def _order_row(working: Working) -> tuple[object, ...]:
    order = working.order
    return (
        order.order_id, order.account_id, order.symbol, order.side.value, order.order_type.value,
        order.time_in_force.value, order.quantity, order.limit_price, order.stop_price, order.trail_price,
        order.trail_percent, order.mark, order.is_triggered, order.extended_hours, order.arrival, order.filled,
        working.state, working.pause.value, working.scenario, working.step, working.step_at, working.received_at,
        working.acts_at, working.expires_at,
    )  # fmt: skip


def _filled_row(working: Working) -> tuple[object, ...]:
    return working.order.order_id, working.order.filled, working.state


def _terms_row(working: Working) -> tuple[object, ...]:
    order = working.order
    return (
        *_filled_row(working), order.quantity, order.time_in_force.value, order.limit_price, order.stop_price,
        order.trail_price, order.trail_percent, order.mark, order.is_triggered, order.arrival, working.pause.value,
        working.step, working.step_at, working.acts_at, working.expires_at,
    )  # fmt: skip


def _report_row(report: VenueReport) -> tuple[object, ...]:
    return (
        report.order_id, report.exec_id, report.ref_exec_id, report.kind.value, report.quantity, report.price,
        report.stop_price, report.fee, report.reason, report.restatement and report.restatement.value,
        report.request_id, report.ratio, report.executed_at,
    )  # fmt: skip


def _working(row: tuple[Any, ...]) -> Working:
    (
        order_id, account_id, symbol, side, order_type, tif, quantity, limit_price, stop_price, trail_price,
        trail_percent, mark, is_triggered, extended_hours, arrival, filled, state, pause, scenario, step, step_at,
        received_at, acts_at, expires_at,
    ) = row  # fmt: skip
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
        account_id=account_id,
        stop_price=stop_price,
        trail_price=trail_price,
        trail_percent=trail_percent,
        mark=mark,
        is_triggered=is_triggered,
        extended_hours=extended_hours,
    )
    return Working(order, received_at, expires_at, state, Pause(pause), scenario, step, step_at, acts_at)


def _report(venue: str, row: tuple[Any, ...]) -> VenueReport:
    (
        _, order_id, exec_id, ref_exec_id, kind, quantity, price, stop_price, fee, reason, restatement, request_id,
        ratio, executed_at,
    ) = row  # fmt: skip
    return VenueReport(
        venue=venue,
        kind=ReportKind(kind),
        order_id=order_id,
        venue_order_id=str(order_id),
        exec_id=exec_id,
        ref_exec_id=ref_exec_id,
        quantity=quantity,
        price=price,
        stop_price=stop_price,
        fee=fee,
        reason=reason,
        restatement=Restatement(restatement) if restatement else None,
        request_id=request_id,
        ratio=ratio,
        executed_at=executed_at,
    )
