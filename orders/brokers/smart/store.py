"""A router's rows: what it works, what it sent where and why, and every report it made, in one transaction a turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from audit.sql import as_json, execute, fetch
from orders.brokers.copies import ReportCopy, VenueCopies
from orders.brokers.protocol import VenueOrder, VenueReplace
from orders.brokers.smart.working import Child, ChildState, Parent, ParentState
from orders.domain.reports import VenueReport
from orders.domain.routing import RouteDecision
from orders.domain.schedules import Step
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side

_ORDERS = """
INSERT INTO orders_smartorder AS known (order_id, venue, account_id, symbol, side, type, time_in_force, quantity,
    limit_price, expires_at, extended_hours, steps, ends_at, filled_quantity, state, is_cancel_asked, ask, received_at)
SELECT order_id, %s, account_id, symbol, side, type, time_in_force, quantity, limit_price, expires_at, extended_hours,
    steps, ends_at, filled_quantity, state, is_cancel_asked, ask, received_at
FROM json_to_recordset(%s::json) AS new(order_id uuid, account_id uuid, symbol text, side text, type text,
    time_in_force text, quantity numeric, limit_price numeric, expires_at timestamptz, extended_hours boolean,
    steps jsonb, ends_at timestamptz, filled_quantity numeric, state text, is_cancel_asked boolean, ask jsonb,
    received_at timestamptz)
ON CONFLICT (order_id) DO UPDATE SET time_in_force = excluded.time_in_force, quantity = excluded.quantity,
    limit_price = excluded.limit_price, expires_at = excluded.expires_at, filled_quantity = excluded.filled_quantity,
    state = excluded.state, is_cancel_asked = excluded.is_cancel_asked, ask = excluded.ask
"""
_CHILDREN = """
INSERT INTO orders_smartchild AS known (id, order_id, venue, time_in_force, quantity, limit_price, filled_quantity,
    state, ended_as, sent_at)
SELECT id, parent_id, venue, time_in_force, quantity, limit_price, filled, state, ended_as, sent_at
FROM json_to_recordset(%s::json) AS new(id uuid, parent_id uuid, venue text, time_in_force text, quantity numeric,
    limit_price numeric, filled numeric, state text, ended_as text, sent_at timestamptz)
ON CONFLICT (id) DO UPDATE SET filled_quantity = excluded.filled_quantity, state = excluded.state,
    ended_as = excluded.ended_as
"""
_DECISIONS = """
INSERT INTO orders_smartdecision (id, order_id, quantity, decision, cause, decided_at)
SELECT id, order_id, quantity, decision, cause, decided_at
FROM json_to_recordset(%s::json) AS new(id uuid, order_id uuid, quantity numeric, decision jsonb, cause text,
    decided_at timestamptz)
"""
_READ = """
SELECT order_id, account_id, symbol, side, type, time_in_force, quantity, limit_price, expires_at, extended_hours,
       steps::text, ends_at, filled_quantity, state, is_cancel_asked, ask::text, received_at
FROM orders_smartorder WHERE venue = %s AND {which}
"""
_READ_CHILDREN = """
SELECT id, order_id, venue, time_in_force, quantity, limit_price, sent_at, filled_quantity, state, ended_as
FROM orders_smartchild WHERE order_id = ANY(%s) ORDER BY id
"""
_PARENTS_OF = "SELECT DISTINCT order_id FROM orders_smartchild WHERE id = ANY(%s)"


class DecisionMade(msgspec.Struct, frozen=True):
    """A decision with what it was about."""

    id: UUID
    order_id: UUID
    quantity: Decimal
    decision: RouteDecision
    cause: str
    decided_at: datetime


@dataclass(slots=True)
class Turn:
    """Gather what one turn changes, and what it leads to once that is stored."""

    parents: dict[UUID, Parent] = field(default_factory=dict)
    children: dict[UUID, Child] = field(default_factory=dict)
    decisions: list[DecisionMade] = field(default_factory=list)
    reports: list[VenueReport] = field(default_factory=list)
    repeated: list[VenueReport] = field(default_factory=list)
    submits: list[Child] = field(default_factory=list)
    cancels: list[Child] = field(default_factory=list)
    asks: list[Child] = field(default_factory=list)

    def touch(self, parent: Parent, child: Child | None = None) -> None:
        """Note that a parent, and one of its parts, is to be stored."""
        self.parents[parent.id] = parent
        if child is not None:
            self.children[child.id] = child


class SmartStore:
    """Read and write one router's rows on the calling thread's connection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.copies = VenueCopies(name)

    def write(self, turn: Turn) -> None:
        """Store a turn, all of it or nothing."""
        with transaction.atomic():
            if turn.parents:
                execute(_ORDERS, [self.name, as_json([_parent_row(parent) for parent in turn.parents.values()])])
            if turn.decisions:
                execute(_DECISIONS, [as_json(turn.decisions)])
            if turn.children:
                execute(_CHILDREN, [as_json([_child_row(child) for child in turn.children.values()])])
            self.copies.add(ReportCopy(report) for report in turn.reports)

    def working(self) -> list[Parent]:
        """Return every order that is not done, with its parts."""
        return self._parents("state <> 'done'", [])

    def known(self, order_ids: Collection[UUID]) -> list[Parent]:
        """Return these orders, done or not, with their parts."""
        return self._parents("order_id = ANY(%s)", [list(order_ids)]) if order_ids else []

    def parents_of(self, child_ids: Collection[UUID]) -> list[Parent]:
        """Return the orders that these parts belong to."""
        return self.known([row[0] for row in fetch(_PARENTS_OF, [list(child_ids)])]) if child_ids else []

    def _parents(self, which: str, values: Sequence[Any]) -> list[Parent]:
        found = {row[0]: _parent(row) for row in fetch(_READ.format(which=which), [self.name, *values])}
        if found:
            for row in fetch(_READ_CHILDREN, [list(found)]):
                found[row[1]].children[row[0]] = _child(row)
            for report in self.copies.reports_of(list(found)):
                if report.exec_id:
                    found[report.order_id].seen.add(report.exec_id)
        return list(found.values())


def _parent_row(parent: Parent) -> dict[str, Any]:
    order = parent.order
    return {
        "order_id": parent.id,
        "account_id": order.account_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.order_type,
        "time_in_force": parent.time_in_force,
        "quantity": parent.quantity,
        "limit_price": parent.limit_price,
        "expires_at": order.expires_at,
        "extended_hours": order.extended_hours,
        "steps": list(parent.steps) or None,
        "ends_at": parent.ends_at,
        "filled_quantity": parent.filled,
        "state": parent.state,
        "is_cancel_asked": parent.is_cancel_asked,
        "ask": parent.ask,
        "received_at": parent.received_at,
    }


def _child_row(child: Child) -> dict[str, Any]:
    return {
        "id": child.id,
        "parent_id": child.parent_id,
        "venue": child.venue,
        "time_in_force": child.time_in_force,
        "quantity": child.quantity,
        "limit_price": child.limit_price,
        "filled": child.filled,
        "state": child.state,
        "ended_as": child.ended_as,
        "sent_at": child.sent_at,
    }


def _parent(row: Sequence[Any]) -> Parent:
    order = VenueOrder(
        order_id=row[0],
        account_id=row[1],
        symbol=row[2],
        side=Side(row[3]),
        order_type=OrderType(row[4]),
        time_in_force=TimeInForce(row[5]),
        quantity=row[6],
        limit_price=row[7],
        expires_at=row[8],
        extended_hours=row[9],
    )
    return Parent(
        order=order,
        received_at=row[16],
        quantity=row[6],
        limit_price=row[7],
        time_in_force=order.time_in_force,
        lot=Decimal(0),
        steps=tuple(msgspec.json.decode(row[10], type=list[Step])) if row[10] else (),
        ends_at=row[11],
        filled=row[12],
        state=ParentState(row[13]),
        is_cancel_asked=row[14],
        ask=msgspec.json.decode(row[15], type=VenueReplace) if row[15] else None,
    )


def _child(row: Sequence[Any]) -> Child:
    return Child(
        id=row[0],
        parent_id=row[1],
        venue=row[2],
        time_in_force=TimeInForce(row[3]),
        quantity=row[4],
        limit_price=row[5],
        sent_at=row[6],
        filled=row[7],
        state=ChildState(row[8]),
        ended_as=row[9],
    )
