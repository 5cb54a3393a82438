"""Store decided orders: rows, messages to venues, reservations, decisions and events, one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from accounts.domain.types import LockedAccounts
from audit.sql import execute, pipelined
from marketdata.domain.types import InstrumentFacts, Session
from orders.domain.commands import PlaceOrder
from orders.domain.events import OrderAccepted, OrderRefused
from orders.domain.facts import OrderFacts
from orders.domain.types import STOPS, BaseState, IntentKind, Leg, OrderClass, PendingOperation, TimeInForce
from orders.services.intents import intents_insert
from orders.services.working import Journal, WorkingOrder, reasons_stored
from positions.domain.types import NewReservation
from positions.services import reservations_open
from risk.domain.types import Decision
from risk.services import decisions_record
from trading_portal.kernel.arrays import Rows
from trading_portal.kernel.money import ZERO, plain

_NEW = Rows(
    id="uuid", account_id="uuid", instrument_id="uuid", client_order_id="text", command_hash="bytea", side="text",
    type="text", time_in_force="text", quantity="numeric", limit_price="numeric", stop_price="numeric",
    extended_hours="boolean", base="text", worst_price="numeric", is_refused="boolean", is_closed="boolean",
    reasons="jsonb", venue="text", source="text", api_key_id="uuid", correlation_id="uuid", placed_at="timestamptz",
    expires_at="timestamptz", ended_at="timestamptz", notional="numeric", trail_price="numeric",
    trail_percent="numeric", order_class="text", parent_id="uuid", leg="text", schedule="jsonb",
)  # fmt: skip
_INSERT = f"""
INSERT INTO orders_order (pending, is_unknown, filled_quantity, filled_value, version_number, event_sequence,
    updated_at, {_NEW.columns})
SELECT 'none', false, 0, 0, 1, 1, %s, {_NEW.columns} FROM {_NEW}
"""


_AMOUNTS = ("notional", "trail_price", "trail_percent")
_OF_A_SESSION = frozenset((TimeInForce.DAY, TimeInForce.OPG, TimeInForce.CLS))


class NewOrder(msgspec.Struct, frozen=True):
    """A command that makes an order: its instrument, its session, and the id it will have; of a leg, what it is."""

    index: int
    command: PlaceOrder
    hash: bytes
    order_id: UUID
    instrument: InstrumentFacts
    session: Session
    venue: str
    parent_id: UUID | None = None
    leg: Leg = Leg.NONE

    def due_at(self, at: datetime) -> datetime:
        """Return when the order goes to its venue: now, or when the market opens next."""
        if self.session.is_open:
            return at
        if self.session.opens_at is None:
            raise LookupError(f"risk let an order in {self.instrument.symbol} wait for a session that nobody knows")
        return self.session.opens_at


class DecidedOrder(msgspec.Struct, frozen=True):
    """A new order with risk's decision; of a leg, the decision on the order that it hangs on."""

    new: NewOrder
    decision: Decision
    order: WorkingOrder

    @property
    def worst_price(self) -> Decimal:
        """Return what the reservation holds a unit; an approval without one would reserve nothing."""
        worst = self.order.facts.worst_price
        if worst is None:
            raise LookupError(f"risk approved an order in {self.new.instrument.symbol} without a worst price")
        return worst


def decided(new: NewOrder, decision: Decision, *, at: datetime) -> DecidedOrder:
    """Return a new order as its decision makes it; its facts are those it has once its first event is noted."""
    order = WorkingOrder(_facts(new, decision, at))
    order.sequence = 0
    return DecidedOrder(new, decision, order)


def orders_store(orders: Sequence[DecidedOrder], *, locked: LockedAccounts, at: datetime) -> None:
    """Write everything that decided orders are made of, in the caller's transaction."""
    sent = [each for each in orders if each.order.state.base is BaseState.ACCEPTED]
    own = [each for each in orders if each.new.leg is Leg.NONE]
    journal = Journal(locked, at=at)
    # The database works on each statement while the next one is made.
    with pipelined():
        execute(_INSERT, [at, *_NEW.bound(_row(each) for each in orders)])
        intents_insert([(each.new.order_id, each.new.venue, IntentKind.SUBMIT, each.new.due_at(at)) for each in sent])
        reservations_open(reservations=[_reservation(each, locked) for each in own if each.decision.approved], at=at)
        for each in orders:
            _note(journal, each, at)
        journal.write()
        decisions_record(decisions=[each.decision for each in own], at=at)


def _facts(new: NewOrder, decision: Decision, at: datetime) -> OrderFacts:
    command = new.command
    return OrderFacts(
        id=new.order_id,
        account_id=command.account_id,
        instrument_id=new.instrument.id,
        symbol=new.instrument.symbol,
        asset_class=new.instrument.asset_class,
        client_order_id=command.client_order_id,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        quantity=command.quantity if command.notional is None else decision.intent.quantity,
        limit_price=command.limit_price,
        stop_price=command.stop_price,
        extended_hours=command.extended_hours,
        notional=command.notional,
        trail_price=command.trail_price,
        trail_percent=command.trail_percent,
        order_class=command.order_class,
        parent_id=new.parent_id,
        leg=new.leg,
        schedule=command.schedule,
        base=BaseState.ACCEPTED if decision.approved else BaseState.REJECTED,
        pending=PendingOperation.NONE,
        is_unknown=False,
        filled_quantity=ZERO,
        filled_value=ZERO,
        average_price=None,
        is_refused=not decision.approved,
        reasons=reasons_stored(decision.reasons),
        venue=new.venue,
        venue_order_id=None,
        source=command.source,
        correlation_id=command.correlation_id,
        event_sequence=1,
        placed_at=command.placed_at,
        expires_at=new.session.closes_at if command.time_in_force in _OF_A_SESSION else command.good_till,
        routed_at=None,
        filled_at=None,
        ended_at=None if decision.approved else at,
        updated_at=at,
        worst_price=decision.worst_price,
    )


def _row(each: DecidedOrder) -> tuple[Any, ...]:
    facts, command = each.order.facts, each.new.command
    return (
        facts.id, facts.account_id, facts.instrument_id, facts.client_order_id, each.new.hash, facts.side,
        facts.order_type, facts.time_in_force, facts.quantity, facts.limit_price, facts.stop_price,
        facts.extended_hours, facts.base, facts.worst_price, facts.is_refused, facts.is_refused, facts.reasons,
        facts.venue, facts.source, command.api_key_pk, facts.correlation_id, facts.placed_at, facts.expires_at,
        facts.ended_at, facts.notional, facts.trail_price, facts.trail_percent, facts.order_class, facts.parent_id,
        facts.leg, facts.schedule,
    )  # fmt: skip


def _reservation(each: DecidedOrder, locked: LockedAccounts) -> NewReservation:
    new, command = each.new, each.new.command
    return NewReservation(
        order_id=new.order_id,
        account_id=command.account_id,
        instrument_id=new.instrument.id,
        owner_id=locked[command.account_id].owner_id,
        side=command.side,
        quantity_left=each.order.facts.quantity,
        price=each.worst_price,
        limit_price=command.limit_price,
        currency=new.instrument.currency,
        is_dormant=command.order_type in STOPS,
    )


def _note(journal: Journal, each: DecidedOrder, at: datetime) -> None:
    """Note the order's first event."""
    facts = each.order.facts
    taken: dict[str, Any] = {
        "by": each.new.command.by,
        "valid_at": each.new.command.placed_at,
        "symbol": facts.symbol,
        "side": facts.side.value,
        "order_type": facts.order_type.value,
        "time_in_force": facts.time_in_force.value,
        "limit_price": None if facts.limit_price is None else plain(facts.limit_price),
        "stop_price": None if facts.stop_price is None else plain(facts.stop_price),
        "client_order_id": facts.client_order_id,
        "source": facts.source,
        "venue": facts.venue,
    }
    taken |= {name: plain(value) for name in _AMOUNTS if (value := getattr(facts, name)) is not None}
    taken |= _taken_rarely(facts)
    if each.decision.approved:
        is_held = facts.base is BaseState.HELD
        worst, due_at = plain(each.worst_price), "" if is_held else each.new.due_at(at).isoformat()
        journal.note(each.order, OrderAccepted, worst_price=worst, due_at=due_at, **taken)
    else:
        worst_price = None if facts.worst_price is None else plain(facts.worst_price)
        journal.note(each.order, OrderRefused, reasons=tuple(facts.reasons), worst_price=worst_price, **taken)


def _taken_rarely(facts: OrderFacts) -> dict[str, Any]:
    """Return what only some orders have, as their first event tells it."""
    rare: dict[str, Any] = {}
    if facts.expires_at is not None:
        rare["expires_at"] = facts.expires_at.astimezone(UTC).isoformat()
    if facts.extended_hours:
        rare["extended_hours"] = True
    if facts.order_class is not OrderClass.SIMPLE:
        rare["order_class"] = facts.order_class.value
        rare["leg"] = facts.leg.value
        rare["parent_id"] = None if facts.parent_id is None else str(facts.parent_id)
    if facts.schedule is not None:
        rare["schedule"] = facts.schedule
    return rare
