"""What a router holds in memory: the orders it works, their parts at venues, and how the venues are doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from orders.brokers.protocol import VenueOrder, VenueReplace
from orders.domain.breaker import Breaker, BreakerState, Line
from orders.domain.reports import ReportKind
from orders.domain.routing import VenueView
from orders.domain.schedules import Step, due_quantity
from orders.domain.types import TimeInForce
from trading_portal.kernel.money import ZERO

SLOW_SECONDS = 0.05
SUSPECT_SECONDS = 5.0
FIRST_UNANSWERED = 4
MOST_UNANSWERED = 512
_SMOOTHING = 0.2


class ParentState(StrEnum):
    """Say how far a router is with an order."""

    WORKING = "working"
    DONE = "done"


class ChildState(StrEnum):
    """Say how far a part is: on its way, working, being taken back, or over."""

    SENT = "sent"
    OPEN = "open"
    CANCELING = "canceling"
    DONE = "done"


@dataclass(slots=True)
class Child:
    """A part of an order at one venue; `sent_mono` is when it was sent, `ask_mono` when its venue is asked about it.

    Both are on the monotonic clock.
    """

    id: UUID
    parent_id: UUID
    venue: str
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    sent_at: datetime
    filled: Decimal = ZERO
    state: ChildState = ChildState.SENT
    ended_as: str = ""
    sent_mono: float = 0.0
    asked: int = 0
    ask_mono: float = 0.0

    @property
    def leaves(self) -> Decimal:
        """Return what may still trade there."""
        return ZERO if self.state is ChildState.DONE else max(self.quantity - self.filled, ZERO)


@dataclass(slots=True)
class Parent:
    """An order as the router works it; `seen` are the exec ids already reported, `given_up` is why no venue is left."""

    order: VenueOrder
    received_at: datetime
    quantity: Decimal
    limit_price: Decimal | None
    time_in_force: TimeInForce
    lot: Decimal
    steps: tuple[Step, ...] = ()
    ends_at: datetime | None = None
    filled: Decimal = ZERO
    state: ParentState = ParentState.WORKING
    is_cancel_asked: bool = False
    ask: VenueReplace | None = None
    given_up: str = ""
    children: dict[UUID, Child] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def id(self) -> UUID:
        """Return the order's id."""
        return self.order.order_id

    @property
    def live(self) -> list[Child]:
        """Return the parts that may still trade."""
        return [child for child in self.children.values() if child.state is not ChildState.DONE]

    @property
    def leaves(self) -> Decimal:
        """Return what is not filled."""
        return max(self.quantity - self.filled, ZERO)

    @property
    def is_immediate(self) -> bool:
        """Tell whether what cannot be taken at once is given up."""
        return self.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)

    def end(self, at: datetime) -> tuple[ReportKind, str] | None:
        """Return as what the order is over once nothing of it works, and why; None while it goes on.

        It follows from what is stored, so that a router that starts again comes to the same; what was `given_up` is
        looked at anew.
        """
        if self.is_cancel_asked:
            return ReportKind.CANCELED, ""
        ends = [child.ended_as for child in self.children.values()]
        if "expired" in ends:
            return ReportKind.EXPIRED, "EXPIRED_AT_VENUE"
        if self.ends_at is not None and self.ends_at <= at:
            return ReportKind.CANCELED, "SCHEDULE_ENDED"
        if self.is_immediate and ends and all(end in ("canceled", "filled") for end in ends):
            return ReportKind.CANCELED, "NOTHING_MORE_AT_ONCE"
        return (ReportKind.CANCELED, self.given_up) if self.given_up else None

    def unplaced(self, at: datetime) -> Decimal:
        """Return how much should be at a venue by now and is not."""
        due = min(due_quantity(self.steps, at), self.quantity) if self.steps else self.quantity
        return max(due - self.filled - sum((child.leaves for child in self.live), ZERO), ZERO)


@dataclass(slots=True)
class Health:
    """How a venue does: what its answers took, and how many may be waited for at once.

    Like a connection of TCP, a venue that is new or has failed is first given a few orders, and more as it answers: one
    that is silent keeps no more than those.
    """

    venue: str
    latency: float = 0.0
    unanswered: int = 0
    most_unanswered: int = FIRST_UNANSWERED
    suspect_until: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)

    def answered(self, seconds: float, at: float) -> None:
        """Note an acknowledgement."""
        self.latency = seconds if not self.latency else self.latency + _SMOOTHING * (seconds - self.latency)
        self.breaker.succeeded(Line.SEND, at)
        if seconds > SLOW_SECONDS:
            self.suspect(at)
        else:
            self.most_unanswered = min(self.most_unanswered + 1, MOST_UNANSWERED)

    def failed(self, at: float, cause: str) -> None:
        """Note a call that broke, an order that was refused or an answer that did not come."""
        self.breaker.failed(Line.SEND, at, cause)
        self.suspect(at)

    def suspect(self, at: float) -> None:
        """Send here last, and little, for a while."""
        self.suspect_until = at + SUSPECT_SECONDS
        self.most_unanswered = FIRST_UNANSWERED

    def is_away(self, at: float) -> bool:
        """Tell whether nothing is sent here for now, whatever else there is."""
        self.breaker.probe_due(at)
        return self.breaker.state is BreakerState.OPEN

    def has_room(self, at: float) -> bool:
        """Tell whether one more may be sent here now."""
        is_away = self.is_away(at)
        is_half_open = self.breaker.state is BreakerState.HALF_OPEN
        return not is_away and self.unanswered < (1 if is_half_open else self.most_unanswered)

    def view(self, shown: VenueView, at: float) -> VenueView:
        """Return what the venue shows with how it does."""
        return VenueView(
            venue=shown.venue,
            levels=shown.levels,
            fee_rate=shown.fee_rate,
            fee_per_unit=shown.fee_per_unit,
            latency=self.latency,
            is_suspect=at < self.suspect_until,
            is_broken=not self.has_room(at),
        )
