"""What a venue says about an order, in one shape whatever protocol carried it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from orders.domain.routing import Slice, VenueView


class ReportKind(StrEnum):
    """Say what a report tells (FIX 150, and 35=9 for the two refused requests)."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACED = "replaced"
    REPLACE_REJECTED = "replace_rejected"
    DONE_FOR_DAY = "done_for_day"
    SUSPENDED = "suspended"
    RESTATED = "restated"
    STOPPED = "stopped"
    CALCULATED = "calculated"
    TRADE_CANCEL = "trade_cancel"
    TRADE_CORRECT = "trade_correct"
    STATUS = "status"
    STATUS_UNKNOWN_ORDER = "status_unknown_order"


class Restatement(StrEnum):
    """Say why a venue restated an order (FIX 378)."""

    RELEASE = "release"
    RENEWAL = "renewal"
    SPLIT = "split"


class RouteTold(msgspec.Struct, frozen=True):
    """Where a router sends a part of an order, and the venues as it saw them."""

    quantity: Decimal
    slices: tuple[Slice, ...]
    views: tuple[VenueView, ...]


class VenueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One report; `quantity` and `price` are the trade's (for `replaced`: the order's new ones).

    `exec_id` is unique per venue and makes a repeat harmless; only `status_unknown_order` may come without.
    `ref_exec_id` names the trade that a bust or correction speaks of; `request_id` the replace that `replaced` or
    `replace_rejected` answers, where the venue says it; `ratio` is a split's new units for one old.
    `executed_at` is the venue's clock.
    """

    venue: str
    kind: ReportKind
    order_id: UUID
    venue_order_id: str | None = None
    exec_id: str | None = None
    ref_exec_id: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    fee: Decimal = Decimal(0)
    reason: str = ""
    restatement: Restatement | None = None
    request_id: UUID | None = None
    stop_price: Decimal | None = None
    ratio: Decimal | None = None
    route: RouteTold | None = None
    executed_at: datetime
