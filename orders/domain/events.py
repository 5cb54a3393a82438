"""What the log says about orders: facts as text, decimals plain, each event with where the order then stood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from audit.domain.types import EventPayload
from orders.domain.commands import Schedule
from orders.domain.types import Leg, OrderClass

ReasonDict = Mapping[str, Any]
TermsDict = Mapping[str, str]
"""Quantity, prices and time in force as text; what an order has not is not there."""


class OrderPayload(EventPayload, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of an order says: where it stands after it.

    `version_id` is the public id it has since its last accepted replace; before the first it is not there.
    """

    order_id: str
    status: str
    base: str
    pending: str
    is_unknown: bool
    quantity: str
    filled_quantity: str
    leaves_quantity: str
    average_price: str | None
    version_id: str | None = None


class OrderTaken(OrderPayload, frozen=True, kw_only=True):
    """What was ordered; version 1 did not tell what stands here after `trail_percent`."""

    VERSION: ClassVar[int] = 2
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    limit_price: str | None
    stop_price: str | None
    client_order_id: str
    source: str
    venue: str
    notional: str | None = None
    trail_price: str | None = None
    trail_percent: str | None = None
    extended_hours: bool = False
    order_class: str = OrderClass.SIMPLE.value
    parent_id: str | None = None
    leg: str = Leg.NONE.value
    schedule: Schedule | None = None
    expires_at: str | None = None


class OrderAccepted(OrderTaken, frozen=True, kw_only=True):
    """The order passed risk and is stored; it holds `worst_price` a unit and goes to the venue at `due_at`.

    An exit that is held has no `due_at` yet, and holds nothing.
    """

    TYPE: ClassVar[str] = "order.accepted"
    worst_price: str
    due_at: str


class OrderRefused(OrderTaken, frozen=True, kw_only=True):
    """Risk refused the order; it is kept as rejected."""

    TYPE: ClassVar[str] = "order.refused"
    reasons: tuple[ReasonDict, ...]
    worst_price: str | None = None


class OrderActivated(OrderPayload, frozen=True, kw_only=True):
    """The order that it closes is filled: the exit is on its way to the venue."""

    TYPE: ClassVar[str] = "order.activated"
    reason: ReasonDict
    due_at: str


class OrderRouted(OrderPayload, frozen=True, kw_only=True):
    """The intent to send the order was stored; the venue is told next."""

    TYPE: ClassVar[str] = "order.routed"
    venue: str
    attempt: int


class OrderDropped(OrderPayload, frozen=True, kw_only=True):
    """The order was stopped before it was sent."""

    TYPE: ClassVar[str] = "order.dropped"
    reasons: tuple[ReasonDict, ...]


class OrderCancelRequested(OrderPayload, frozen=True, kw_only=True):
    """Somebody asked for a cancel, and the venue will be told; `reasons` are the order's, where its group asked."""

    TYPE: ClassVar[str] = "order.cancel_requested"
    VERSION: ClassVar[int] = 2
    reasons: tuple[ReasonDict, ...] = ()


class OrderReplaceAsked(OrderPayload, frozen=True, kw_only=True):
    """Somebody asked for a change: the terms before and after, and the id the order would have."""

    request_id: str
    client_order_id: str
    replaces: str
    was: TermsDict
    becomes: TermsDict


class OrderReplaceRequested(OrderReplaceAsked, frozen=True, kw_only=True):
    """A change passed risk, and the venue will be asked; the larger of before and after is reserved."""

    TYPE: ClassVar[str] = "order.replace_requested"
    worst_price: str
    reserved_quantity: str
    reserved_price: str


class OrderReplaceRefused(OrderReplaceAsked, frozen=True, kw_only=True):
    """Risk refused a change; the order is what it was."""

    TYPE: ClassVar[str] = "order.replace_refused"
    VERSION: ClassVar[int] = 2
    reasons: tuple[ReasonDict, ...]
    worst_price: str | None = None


class ReportedMove(OrderPayload, frozen=True, kw_only=True):
    """A move that a venue reported."""

    venue: str
    venue_order_id: str | None
    exec_id: str | None
    text: str


class OrderAcknowledged(ReportedMove, frozen=True, kw_only=True):
    """The venue has the order."""

    TYPE: ClassVar[str] = "order.acknowledged"


class OrderRouteDecided(ReportedMove, frozen=True, kw_only=True):
    """A router shared a part of the order out; `venues_seen` is what it decided on, `text` why it had to decide."""

    TYPE: ClassVar[str] = "order.route_decided"
    route_quantity: str
    slices: tuple[Mapping[str, str], ...]
    venues_seen: tuple[Mapping[str, Any], ...]


class OrderExecuted(ReportedMove, frozen=True, kw_only=True):
    """The venue traded; exactly one of these for each fill, with what it left behind."""

    TYPE: ClassVar[str] = "order.executed"
    execution_id: str
    fill_quantity: str
    fill_price: str
    fee: str
    currency: str
    position_quantity: str
    position_average_cost: str
    realised_pnl: str
    cash: str
    reserved_quantity: str


class OrderRestatedFill(ReportedMove, frozen=True, kw_only=True):
    """The venue took a fill back, or changed it."""

    execution_id: str
    ref_execution_id: str
    was_quantity: str
    was_price: str
    fill_quantity: str
    fill_price: str
    currency: str
    position_quantity: str
    position_average_cost: str
    realised_pnl: str
    cash: str
    reserved_quantity: str


class OrderBusted(OrderRestatedFill, frozen=True, kw_only=True):
    """The venue took a fill back."""

    TYPE: ClassVar[str] = "order.busted"


class OrderCorrected(OrderRestatedFill, frozen=True, kw_only=True):
    """The venue changed a fill's quantity or price.

    `traded_quantity` and `traded_price` are what the venue said, where the order was split since the trade.
    """

    TYPE: ClassVar[str] = "order.corrected"
    VERSION: ClassVar[int] = 2
    fee: str = "0"
    traded_quantity: str | None = None
    traded_price: str | None = None


class OrderCanceled(ReportedMove, frozen=True, kw_only=True):
    """The order is cancelled: by us when it was never sent, else by the venue; `reasons` are told when they changed."""

    TYPE: ClassVar[str] = "order.canceled"
    VERSION: ClassVar[int] = 2
    reasons: tuple[ReasonDict, ...] = ()


class OrderCancelRejected(ReportedMove, frozen=True, kw_only=True):
    """The venue refused to cancel."""

    TYPE: ClassVar[str] = "order.cancel_rejected"


class OrderReplaced(ReportedMove, frozen=True, kw_only=True):
    """The venue took a replace: the order has its terms and its id from now on."""

    TYPE: ClassVar[str] = "order.replaced"
    request_id: str
    client_order_id: str
    replaces: str
    was: TermsDict
    becomes: TermsDict
    worst_price: str
    reserved_quantity: str


class OrderReplaceRejected(ReportedMove, frozen=True, kw_only=True):
    """The venue refused a replace, or it was stopped before it was sent; the order is what it was."""

    TYPE: ClassVar[str] = "order.replace_rejected"
    VERSION: ClassVar[int] = 2
    request_id: str | None
    client_order_id: str | None
    was: TermsDict
    becomes: TermsDict
    reserved_quantity: str
    reasons: tuple[ReasonDict, ...] = ()


class OrderRejected(ReportedMove, frozen=True, kw_only=True):
    """The venue refused the order, or never heard of it."""

    TYPE: ClassVar[str] = "order.rejected"
    reasons: tuple[ReasonDict, ...]


class OrderExpired(ReportedMove, frozen=True, kw_only=True):
    """The order's time in force ended."""

    TYPE: ClassVar[str] = "order.expired"


class OrderSuspended(ReportedMove, frozen=True, kw_only=True):
    """The venue suspended the order."""

    TYPE: ClassVar[str] = "order.suspended"


class OrderStopped(ReportedMove, frozen=True, kw_only=True):
    """The venue guarantees the order's price."""

    TYPE: ClassVar[str] = "order.stopped"


class OrderDoneForDay(ReportedMove, frozen=True, kw_only=True):
    """The order is done for the day."""

    TYPE: ClassVar[str] = "order.done_for_day"


class OrderCalculated(ReportedMove, frozen=True, kw_only=True):
    """The order is done and being settled."""

    TYPE: ClassVar[str] = "order.calculated"


class OrderRestated(ReportedMove, frozen=True, kw_only=True):
    """The venue restated the order: released from a halt, renewed for the next session, or split with its instrument.

    `restatement` says which; of a split, `ratio` is the new units for one old, and `was` and `becomes` the terms.
    """

    TYPE: ClassVar[str] = "order.restated"
    VERSION: ClassVar[int] = 2
    restatement: str = ""
    ratio: str | None = None
    was: TermsDict = {}
    becomes: TermsDict = {}
    worst_price: str | None = None
    reserved_quantity: str | None = None


class OrderUnknown(OrderPayload, frozen=True, kw_only=True):
    """The venue did not answer in time: the outcome is not known, and is being asked for."""

    TYPE: ClassVar[str] = "order.unknown"
    venue: str
    waited_seconds: int


class OrderAnomaly(OrderPayload, frozen=True, kw_only=True):
    """Something is odd: a report could not be applied and is parked, or was applied and should not have come."""

    TYPE: ClassVar[str] = "order.anomaly"
    venue: str
    reason: ReasonDict
    exec_id: str | None
    execution_id: str | None
    parked_report_id: str | None


class ReportUnmatched(EventPayload, frozen=True, kw_only=True):
    """A venue reported on an order that is not ours."""

    TYPE: ClassVar[str] = "venue.report_unmatched"
    venue: str
    order_id: str
    exec_id: str | None
    parked_report_id: str
    reason: ReasonDict
