"""Orders, their replaces and their fills, as their events make them: what orders.domain.replay works on and leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from orders.domain.commands import Schedule
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.order import OrderState
from orders.domain.types import BaseState, Leg, OrderClass, OrderType, PendingOperation, TimeInForce
from positions.domain.types import FillFact, Side
from trading_portal.kernel.money import ZERO

Reasons = Sequence[Mapping[str, Any]]
Row = dict[str, Any]
NOTHING_UNTOLD: frozenset[str] = frozenset()
CHANGES_SINCE = 2
"""The version of an event from which it tells every change that it brings."""


class Unreplayable(Exception):
    """Say that an account's events make no sense: one is missing, or speaks of what never was."""


def amount_told(text: str | None) -> Decimal | None:
    """Return an amount as an event tells it."""
    return None if text is None else Decimal(text)


class Instrument(msgspec.Struct, frozen=True):
    """What an event's symbol stands for."""

    id: UUID
    currency: str


class RebuiltFill(msgspec.Struct):
    """One execution: a trade, or the bust or correction of one; `counted` is what it counts for in its order.

    `trade` is the trade that a bust or correction stands for, whichever it speaks of (`ref`).
    """

    fact: FillFact
    venue: str
    exec_id: str | None
    kind: str
    counted: Decimal
    recorded_at: datetime
    executed_at: datetime
    is_live: bool = True
    ref: RebuiltFill | None = None
    trade: RebuiltFill | None = None
    untold: frozenset[str] = NOTHING_UNTOLD

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Return its place among the fills of its holding: that of the trade it stands for."""
        trade = self.trade or self
        return trade.recorded_at, trade.fact.execution_id

    def row(self) -> Row:
        """Return its columns; what a fill that no longer stands counts for is nobody's to know."""
        fact = self.fact
        return {
            "id": fact.execution_id,
            "order_id": fact.order_id,
            "venue": self.venue,
            "exec_id": self.exec_id,
            "ref_exec_id": self.ref.exec_id if self.ref else None,
            "kind": self.kind,
            "trade_id": self.trade.fact.execution_id if self.trade else None,
            "is_live": self.is_live,
            "quantity": fact.quantity,
            "price": fact.price,
            "fee": fact.fee,
            "counted": self.counted if self.is_live else None,
            "executed_at": self.executed_at,
            "recorded_at": self.recorded_at,
        }


class RebuiltVersion(msgspec.Struct):
    """One replace of an order, and what came of it."""

    terms: OrderTerms
    requested_at: datetime
    state: str = "pending"
    was: Mapping[str, str] | None = None
    reasons: Reasons = ()
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None
    replaced_at: datetime | None = None
    untold: frozenset[str] = NOTHING_UNTOLD

    def row(self, order_id: UUID) -> Row:
        """Return its columns."""
        terms = self.terms
        return {
            "id": terms.version_id,
            "order_id": order_id,
            "number": terms.number,
            "client_order_id": terms.client_order_id,
            "replaces": terms.replaces,
            "quantity": terms.quantity,
            "limit_price": terms.limit_price,
            "stop_price": terms.stop_price,
            "trail_price": terms.trail_price,
            "trail_percent": terms.trail_percent,
            "time_in_force": terms.time_in_force.value,
            "expires_at": terms.expires_at,
            "worst_price": terms.worst_price,
            "was": self.was,
            "reasons": list(self.reasons),
            "state": self.state,
            "requested_at": self.requested_at,
            "accepted_at": self.accepted_at,
            "rejected_at": self.rejected_at,
            "replaced_at": self.replaced_at,
        }


class RebuiltOrder(msgspec.Struct, kw_only=True):
    """An order as the events so far leave it; `current_name` is the client_order_id of its last accepted replace.

    `asked` is the replace that the venue has not answered. `untold` names columns that its events, written in an older
    version, do not tell. `xid`, `held` and `held_before` say whether it holds anything, now and before the transaction.
    """

    id: UUID
    instrument: Instrument
    symbol: str
    client_order_id: str
    current_name: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    told_quantity: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    notional: Decimal | None
    worst_price: Decimal | None
    extended_hours: bool
    order_class: OrderClass
    parent_id: UUID | None
    leg: Leg
    schedule: Schedule | None
    base: str
    pending: str
    is_unknown: bool
    is_refused: bool
    venue: str
    source: str
    correlation_id: UUID
    placed_at: datetime
    expires_at: datetime | None
    updated_at: datetime
    ended_at: datetime | None
    event_sequence: int = 1
    version_number: int = 1
    version_id: UUID | None = None
    reasons: Reasons = ()
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    venue_order_id: str | None = None
    routed_at: datetime | None = None
    filled_at: datetime | None = None
    untold: frozenset[str] = NOTHING_UNTOLD
    versions: list[RebuiltVersion] = []
    asked: RebuiltVersion | None = None
    fills: list[RebuiltFill] = []
    xid: int = 0
    held: bool = False
    held_before: bool = False
    held_since: datetime | None = None

    @property
    def state(self) -> OrderState:
        """Return where the order stands, for the lifecycle's own rules."""
        return OrderState(
            BaseState(self.base),
            PendingOperation(self.pending),
            self.is_unknown,
            self.time_in_force,
            self.quantity,
            self.filled_quantity,
            self.filled_value,
        )

    def row(self) -> Row:
        """Return its columns, but for those that are no state of it (how it was asked for, and by which key)."""
        state = self.state
        return {
            "id": self.id,
            "instrument_id": self.instrument.id,
            "client_order_id": self.client_order_id,
            "side": self.side.value,
            "type": self.order_type.value,
            "time_in_force": self.time_in_force.value,
            "quantity": self.quantity,
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "extended_hours": self.extended_hours,
            "notional": self.notional,
            "trail_price": self.trail_price,
            "trail_percent": self.trail_percent,
            "order_class": self.order_class.value,
            "parent_id": self.parent_id,
            "leg": self.leg.value,
            "schedule": None if self.schedule is None else msgspec.to_builtins(self.schedule),
            "base": self.base,
            "pending": self.pending,
            "is_unknown": self.is_unknown,
            "is_closed": not state.is_open,
            "filled_quantity": self.filled_quantity,
            "filled_value": self.filled_value,
            "average_price": state.average_price,
            "worst_price": self.worst_price,
            "is_refused": self.is_refused,
            "reasons": list(self.reasons),
            "venue": self.venue,
            "venue_order_id": self.venue_order_id,
            "source": self.source,
            "correlation_id": self.correlation_id,
            "version_number": self.version_number,
            "version_id": self.version_id,
            "event_sequence": self.event_sequence,
            "placed_at": self.placed_at,
            "expires_at": self.expires_at,
            "routed_at": self.routed_at,
            "filled_at": self.filled_at,
            "ended_at": self.ended_at,
            "updated_at": self.updated_at,
        }

    def facts(self, account_id: UUID) -> OrderFacts:
        """Return the order as its services know it, to be asked what it holds."""
        state = self.state
        return OrderFacts(
            id=self.id,
            account_id=account_id,
            instrument_id=self.instrument.id,
            symbol=self.symbol,
            asset_class="",
            client_order_id=self.current_name,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            quantity=self.quantity,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            extended_hours=self.extended_hours,
            base=state.base,
            pending=state.pending,
            is_unknown=self.is_unknown,
            filled_quantity=self.filled_quantity,
            filled_value=self.filled_value,
            average_price=state.average_price,
            is_refused=self.is_refused,
            reasons=list(self.reasons),
            venue=self.venue,
            venue_order_id=self.venue_order_id,
            source=self.source,
            correlation_id=self.correlation_id,
            event_sequence=self.event_sequence,
            placed_at=self.placed_at,
            expires_at=self.expires_at,
            routed_at=self.routed_at,
            filled_at=self.filled_at,
            ended_at=self.ended_at,
            updated_at=self.updated_at,
            worst_price=self.worst_price,
            order_class=self.order_class,
            parent_id=self.parent_id,
            leg=self.leg,
        )
