"""What every venue's adapter does, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable
from uuid import UUID

import msgspec

from orders.domain.commands import Schedule
from orders.domain.reports import VenueReport
from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side

OnReports = Callable[[Sequence[VenueReport]], None]


class VenueGone(Exception):
    """The adapter cannot speak to its venue any more; what was being sent is in doubt."""


class VenueOrder(msgspec.Struct, frozen=True):
    """An order as a venue is told of it; the venue knows it by `order_id`, which makes a repeat harmless.

    `expires_at` ends a gtc order that is good till a date (FIX 432); the venue ends a day order by its own session.
    `account_id` is for venues that tell our clients apart (FIX 1), `scenario` for paper venues that play one.
    """

    order_id: UUID
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None
    extended_hours: bool = False
    schedule: Schedule | None = None
    account_id: UUID | None = None
    scenario: str = ""


class VenueCancel(msgspec.Struct, frozen=True):
    """A request to cancel what is left of an order."""

    order_id: UUID


class VenueReplace(msgspec.Struct, frozen=True):
    """A request to change an order that works; `request_id` is this request's own and makes a repeat harmless.

    `quantity` is the whole order's, fills included (FIX 38); prices are those it shall have from then on, and
    `expires_at` ends it if it is good till a date.
    """

    order_id: UUID
    request_id: UUID
    quantity: Decimal
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DropCopy:
    """A page of everything a venue reported, in its order; the next page starts after `last_id`."""

    reports: Sequence[VenueReport]
    last_id: int


class BrokerAdapter(Protocol):
    """Speak to one venue, on the event loop of the process that hosts it.

    Reports come through the callback given to `start`, from a thread of the adapter's own, in the venue's order;
    the callback returns at once. A report may come late, twice or never: `query` and `drop_copy` close the gap.
    An exception from `submit`, `cancel` or `replace` means that the outcome is in doubt, never that nothing was sent.
    """

    @property
    def name(self) -> str:
        """Return the venue's name, as orders and reports carry it."""
        ...

    async def start(self, on_reports: OnReports) -> None:
        """Connect; raise when the venue cannot be reached, after which it may be called again."""
        ...

    async def stop(self) -> None:
        """Disconnect, having reported what was already done."""
        ...

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders; an order that the venue already has is answered with the state it has."""
        ...

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        """Ask for cancels; each is answered by `canceled` or `cancel_rejected`."""
        ...

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        """Ask for changes; each is answered by `replaced` or `replace_rejected`, naming its `request_id`."""
        ...

    async def query(self, order_ids: Sequence[UUID]) -> Sequence[VenueReport]:
        """Return every report of these orders so far; `status_unknown_order` for one the venue never heard of."""
        ...

    async def drop_copy(self, since_id: int) -> DropCopy:
        """Return reports after a point, oldest first, at most a few thousand; none left: an empty page."""
        ...


@runtime_checkable
class TellsOpenOrders(Protocol):
    """An adapter whose venue can say which orders it has open; one that cannot is not asked."""

    async def open_orders(self) -> Collection[UUID]:
        """Return the orders that work there, ours or not."""
        ...


@runtime_checkable
class TellsTraded(Protocol):
    """An adapter whose venue can say what it has traded in sum; one that cannot is not asked."""

    async def traded(self) -> Mapping[str, Decimal]:
        """Return for each symbol what was bought less what was sold, busts and corrections followed."""
        ...
