"""What others see of an order, and what the order services answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec

from orders.domain.commands import Schedule
from orders.domain.order import OrderState
from orders.domain.states import status_of
from orders.domain.types import (
    BaseState,
    IntentKind,
    Leg,
    OrderClass,
    OrderType,
    PendingOperation,
    TimeInForce,
)
from positions.domain.types import Side
from trading_portal.kernel.errors import Reason

PAPER_VENUE = "paper"
SMART_VENUE = "smart"


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An order's row, with its instrument's symbol and class.

    `parent_id` and `leg` say which order it is an exit of; `version_id` is the public id of its last accepted replace,
    and `replaces` the public id it had before. As seen by an id that was replaced, it is that of `replaced_by` now.
    """

    id: UUID
    account_id: UUID
    instrument_id: UUID
    symbol: str
    asset_class: str
    client_order_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    base: BaseState
    pending: PendingOperation
    is_unknown: bool
    filled_quantity: Decimal
    filled_value: Decimal
    average_price: Decimal | None
    is_refused: bool
    reasons: list[Mapping[str, Any]]
    venue: str
    venue_order_id: str | None
    source: str
    correlation_id: UUID
    event_sequence: int
    placed_at: datetime
    expires_at: datetime | None
    routed_at: datetime | None
    filled_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    worst_price: Decimal | None
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    parent_id: UUID | None = None
    leg: Leg = Leg.NONE
    schedule: Schedule | None = None
    version_number: int = 1
    version_id: UUID | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    replaced_at: datetime | None = None

    @property
    def good_till(self) -> datetime | None:
        """Return when an order that is good till a date ends (FIX 59=6)."""
        return self.expires_at if self.time_in_force is TimeInForce.GTC else None

    @property
    def public_id(self) -> UUID:
        """Return the id that others know the order by now: that of its last accepted replace, or its own."""
        return self.version_id or self.id

    @property
    def state(self) -> OrderState:
        """Return where the order stands, for the lifecycle table."""
        return OrderState(
            self.base,
            self.pending,
            self.is_unknown,
            self.time_in_force,
            self.quantity,
            self.filled_quantity,
            self.filled_value,
        )

    @property
    def status(self) -> str:
        """Return the last known status, as `unknown` does not hide it."""
        return status_of(self.base, self.pending, is_unknown=False)

    @property
    def leaves_quantity(self) -> Decimal:
        """Return what may still trade."""
        return self.state.leaves_quantity

    @property
    def is_open(self) -> bool:
        """Tell whether more can happen to it: it lives, rests until tomorrow, or the venue owes an answer."""
        return self.state.is_open


class Placement(msgspec.Struct, frozen=True):
    """The answer to one placed order.

    `accepted`: stored, reserved, on its way. `refused`: stored as rejected, with risk's reasons. Nothing was stored
    for `conflict` (the client_order_id names another order) and `invalid`. A replay is the answer given before.
    `legs` are the exits that were stored with it.
    """

    status: Literal["accepted", "refused", "conflict", "invalid"]
    order: OrderFacts | None = None
    refusal: tuple[Reason, ...] = ()
    is_replay: bool = False
    legs: tuple[OrderFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """The answer to one cancel: `canceled` at once, `requested` of the venue, `refused`, or `not_found`."""

    order_id: UUID
    status: Literal["canceled", "requested", "refused", "not_found"]
    order: OrderFacts | None = None
    refusal: Reason | None = None


@dataclass(frozen=True, slots=True)
class ReplaceOutcome:
    """The answer to one replace; `version` is the order as it will be known, under the request's own id.

    `requested`: stored, reserved, and the venue will be asked. `refused`: by risk, which is stored; the order is as it
    was. Nothing was stored for `not_now` (the order's state allows none), `conflict` (the client_order_id names another
    order or replace), `invalid` and `not_found`. A replay is the answer given before.
    """

    order_id: UUID
    status: Literal["requested", "refused", "not_now", "conflict", "invalid", "not_found"]
    order: OrderFacts | None = None
    version: OrderFacts | None = None
    refusal: tuple[Reason, ...] = ()
    is_replay: bool = False


@dataclass(slots=True)
class RecordOutcome:
    """What became of a batch of reports; `changed` are the orders that moved."""

    recorded: int = 0
    repeats: int = 0
    parked: int = 0
    changed: set[UUID] = field(default_factory=set)


class VenueMessage(msgspec.Struct, frozen=True):
    """What a venue is to be told now; its intent is stored. `attempt` above 1: it may have been told before.

    `terms` are those of a replace; `scenario` is what its sender wants a paper venue to play.
    """

    intent_id: int
    kind: IntentKind
    attempt: int
    order_id: UUID
    account_id: UUID
    instrument_id: UUID
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    expires_at: datetime | None
    extended_hours: bool
    schedule: Schedule | None
    terms: OrderTerms | None = None
    scenario: str = ""


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a replace asks an order to become; `version_id` is the public id it will then have.

    `client_order_id` is the request's own (FIX 11 of a 35=G), `replaces` the public id the order has until then,
    `quantity` the whole order's, fills included. `expires_at` ends a day order, and a gtc order good till a date;
    `worst_price` is what risk says a unit may trade for.
    """

    version_id: UUID
    number: int
    client_order_id: str
    quantity: Decimal
    time_in_force: TimeInForce
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    replaces: UUID
    expires_at: datetime | None
    worst_price: Decimal | None
