"""An order in the abstract: where it stands, and what can happen to it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from orders.domain.types import BaseState, PendingOperation, TimeInForce
from trading_portal.kernel.money import ZERO, divide, stored

OPEN = (
    BaseState.PENDING_NEW,
    BaseState.NEW,
    BaseState.PARTIALLY_FILLED,
    BaseState.STOPPED,
    BaseState.SUSPENDED,
)
LIVE = frozenset((BaseState.ACCEPTED, BaseState.HELD, *OPEN))
TERMINAL = frozenset((BaseState.FILLED, BaseState.CANCELED, BaseState.EXPIRED, BaseState.REJECTED, BaseState.REPLACED))


class EventKind(StrEnum):
    """What can happen to an order: requests taken, our own decisions, and what venues report (FIX 150, 35=9)."""

    ACTIVATED = "activated"
    ROUTED = "routed"
    CANCEL_REQUESTED = "cancel_requested"
    REPLACE_REQUESTED = "replace_requested"
    DROPPED = "dropped"
    LAPSED = "lapsed"
    TIMED_OUT = "timed_out"
    NEVER_HEARD = "never_heard"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    TRADED = "traded"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    RELEASED = "released"
    DONE_FOR_DAY = "done_for_day"
    RENEWED = "renewed"
    CALCULATED = "calculated"
    EXPIRED = "expired"
    CANCELED = "canceled"
    REPLACED = "replaced"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACE_REJECTED = "replace_rejected"
    BUSTED = "busted"
    CORRECTED = "corrected"
    SPLIT = "split"
    STATUS = "status"


class OrderEvent(msgspec.Struct, frozen=True):
    """One happening; `quantity` and `price` are the trade's, the corrected fill's, or the order's new ones.

    A replace may give the order another `time_in_force`.

    `was_quantity` and `was_price` are the live fill that a bust or correction speaks of; `value` and `was_value` what a
    corrected fill and the one it was are worth exactly, where a split restated them and price x quantity is rounded.
    A split gives `ratio` new units for one old; `quantity` is then the order's, where the venue says it.
    """

    kind: EventKind
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    was_quantity: Decimal = ZERO
    was_price: Decimal = ZERO
    ratio: Decimal = Decimal(1)
    value: Decimal | None = None
    was_value: Decimal | None = None
    time_in_force: TimeInForce | None = None


class OrderState(msgspec.Struct, frozen=True):
    """Where an order stands; `filled_value` is the exact sum of price x quantity over its live fills."""

    base: BaseState
    pending: PendingOperation
    is_unknown: bool
    time_in_force: TimeInForce
    quantity: Decimal
    filled_quantity: Decimal
    filled_value: Decimal

    @property
    def leaves_quantity(self) -> Decimal:
        """Return what may still trade: quantity less fills while the order lives, else nothing."""
        is_paused = self.base is BaseState.DONE_FOR_DAY and self.time_in_force is TimeInForce.GTC
        if self.base not in LIVE and not is_paused:
            return ZERO
        return max(self.quantity - self.filled_quantity, ZERO)

    @property
    def is_open(self) -> bool:
        """Return whether more can happen: it lives, rests until tomorrow, or the venue owes an answer."""
        return self.base in LIVE or self.pending is not PendingOperation.NONE or self.leaves_quantity > ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Return the quantity-weighted price of the live fills, rounded once to what a column holds."""
        return stored(divide(self.filled_value, self.filled_quantity)) if self.filled_quantity else None
