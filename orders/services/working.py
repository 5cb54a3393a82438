"""Move locked orders through the lifecycle table, and write rows and events of a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from accounts.services import accounts_sequences_save
from audit.domain.types import Actor, EventPayload, NewEvent
from audit.services import events_append
from audit.sql import execute, require_transaction
from orders.domain.events import OrderPayload
from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.holding import Held, held_by
from orders.domain.order import TERMINAL, OrderEvent, OrderState
from orders.domain.states import apply, status_of
from orders.domain.types import BaseState, PendingOperation
from orders.selectors.rows import LOCKED, orders_fetch_later
from orders.selectors.versions import versions_pending
from trading_portal.kernel.arrays import Rows, uuids_of
from trading_portal.kernel.errors import Reason
from trading_portal.kernel.money import plain

_SAVED = Rows(
    id="uuid", base="text", pending="text", is_unknown="boolean", is_closed="boolean", quantity="numeric",
    filled_quantity="numeric", filled_value="numeric", average_price="numeric", reasons="jsonb",
    venue_order_id="text", event_sequence="bigint", routed_at="timestamptz", filled_at="timestamptz",
    ended_at="timestamptz",
)  # fmt: skip
_SAVE = f"""
UPDATE orders_order AS o SET
    base = new.base, pending = new.pending, is_unknown = new.is_unknown, is_closed = new.is_closed,
    quantity = new.quantity,
    filled_quantity = new.filled_quantity, filled_value = new.filled_value, average_price = new.average_price,
    reasons = new.reasons, venue_order_id = new.venue_order_id, event_sequence = new.event_sequence,
    routed_at = new.routed_at, filled_at = new.filled_at, ended_at = new.ended_at, updated_at = %s
FROM {_SAVED} WHERE o.id = new.id
"""


@dataclass(slots=True)
class WorkingOrder:
    """An order under its account's lock, as this transaction has moved it so far.

    `asked` are the terms of a replace that the venue has not answered; `held_before` is what the row holds; `key` is
    the order's id as events say it.
    """

    facts: OrderFacts
    asked: OrderTerms | None = None
    state: OrderState = field(init=False)
    sequence: int = field(init=False)
    held_before: Held = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Start from the row."""
        self.key = str(self.facts.id)
        self.state = self.facts.state
        self.sequence = self.facts.event_sequence
        self.held_before = self.held

    @property
    def held(self) -> Held:
        """Return what the order holds as it stands now."""
        return held_by(self.facts, self.state, self.asked)

    def apply(self, event: OrderEvent, *, at: datetime) -> None:
        """Move the order by the table; raise InvalidTransition and change nothing when it has no such move."""
        before, self.state = self.state, apply(self.state, event)
        if self.state.base is before.base:
            return
        is_filled, is_ended = self.state.base is BaseState.FILLED, self.state.base in TERMINAL
        self.facts = replace(
            self.facts, filled_at=at if is_filled else None, ended_at=at if is_ended and not is_filled else None
        )

    def current(self, *, at: datetime) -> OrderFacts:
        """Return the order's facts as they will be once this transaction commits."""
        return replace(
            self.facts,
            base=self.state.base,
            pending=self.state.pending,
            is_unknown=self.state.is_unknown,
            quantity=self.state.quantity,
            filled_quantity=self.state.filled_quantity,
            filled_value=self.state.filled_value,
            average_price=self.state.average_price,
            event_sequence=self.sequence,
            updated_at=at,
        )

    def described(self) -> dict[str, Any]:
        """Return what every event of an order says."""
        state = self.state
        told = {
            "order_id": self.key,
            "status": status_of(state.base, state.pending, is_unknown=False),
            "base": state.base.value,
            "pending": state.pending.value,
            "is_unknown": state.is_unknown,
            "quantity": plain(state.quantity),
            "filled_quantity": plain(state.filled_quantity),
            "leaves_quantity": plain(state.leaves_quantity),
            "average_price": None if state.average_price is None else plain(state.average_price),
        }
        if self.facts.version_id is not None:
            told["version_id"] = str(self.facts.version_id)
        return told


class Journal:
    """Collect a transaction's events in their order, and write them once, with the sequences they took."""

    def __init__(self, locked: LockedAccounts, *, at: datetime) -> None:
        self._locked = locked
        self._at = at
        self._events: list[NewEvent] = []

    def note(
        self,
        order: WorkingOrder,
        kind: type[OrderPayload],
        *,
        by: Actor,
        valid_at: datetime | None = None,
        correlation_id: UUID | None = None,
        described: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> None:
        """Note one event of an order, as the order stands now, or as it stood when it was described."""
        account_id = order.facts.account_id
        order.sequence += 1
        self._events.append(
            NewEvent(
                stream=f"order:{order.key}",
                payload=kind(**(described or order.described()), **facts),
                actor=by,
                correlation_id=correlation_id or order.facts.correlation_id,
                valid_at=valid_at or self._at,
                account_id=account_id,
                account_sequence=self._locked.take_sequence(account_id),
                sequence=order.sequence,
            )
        )

    def note_stray(self, stream: str, payload: EventPayload, *, by: Actor, correlation_id: UUID) -> None:
        """Note an event that belongs to no order of ours."""
        self._events.append(
            NewEvent(stream=stream, payload=payload, actor=by, correlation_id=correlation_id, valid_at=self._at)
        )

    def write(self) -> None:
        """Append the events and store the sequences they took."""
        if self._events:
            events_append(events=self._events, at=self._at)
            accounts_sequences_save(self._locked)
            self._events = []


def orders_locked(order_ids: Collection[UUID]) -> dict[UUID, WorkingOrder]:
    """Lock and return orders, in one statement and sorted; the caller holds their accounts' lock already."""
    return orders_locked_later(order_ids)()


def orders_locked_later(order_ids: Collection[UUID]) -> Callable[[], dict[UUID, WorkingOrder]]:
    """Ask for orders and their lock, inside `pipelined`, after their accounts' lock."""
    require_transaction()
    found = orders_fetch_later(LOCKED, [uuids_of(order_ids)])
    return lambda: _working(found())


def _working(found: Sequence[OrderFacts]) -> dict[UUID, WorkingOrder]:
    asked = versions_pending([o.id for o in found if o.pending is PendingOperation.REPLACE])
    return {o.id: WorkingOrder(o, asked.get(o.id)) for o in found}


def orders_save(orders: Iterable[WorkingOrder], *, at: datetime) -> None:
    """Store where orders stand now, in one statement."""
    rows = [_saved(order) for order in orders]
    if rows:
        execute(_SAVE, [at, *_SAVED.bound(rows)])


def _saved(order: WorkingOrder) -> tuple[Any, ...]:
    state, facts = order.state, order.facts
    return (
        facts.id, state.base, state.pending, state.is_unknown, not state.is_open, state.quantity,
        state.filled_quantity, state.filled_value, state.average_price, facts.reasons, facts.venue_order_id,
        order.sequence, facts.routed_at, facts.filled_at, facts.ended_at,
    )  # fmt: skip


def reasons_stored(reasons: Sequence[Reason]) -> list[Mapping[str, Any]]:
    """Return reasons as an order's row and events keep them."""
    return [why.as_dict() for why in reasons]
