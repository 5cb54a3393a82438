"""One order as a paper venue's book works it: pure, no clock, no storage."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from orders.domain.types import STOPS, OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.money import ZERO

IMMEDIATE = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_HUNDRED = Decimal(100)


class Place(StrEnum):
    """Say where in the book an order is."""

    NOWHERE = ""
    ARRIVING = "arriving"
    RESTING = "resting"
    WAITING = "waiting"


@dataclass(slots=True, eq=False)
class BookOrder:
    """One order as the venue works it; `ready_at` is monotonic seconds, `arrival` the venue's own count.

    A stop waits until it `is_triggered`; a trailing one follows `mark`, the best price since it came. One fill takes
    `slice` at most, where that is not zero. An order that is `at_auction` trades at once or not at all.
    """

    order_id: UUID
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal | None
    arrival: int
    ready_at: float = 0.0
    filled: Decimal = ZERO
    account_id: UUID | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    mark: Decimal | None = None
    is_triggered: bool = False
    extended_hours: bool = False
    slice: Decimal = ZERO
    at_auction: bool = False
    place: Place = Place.NOWHERE

    @property
    def leaves(self) -> Decimal:
        """Return what is still to be filled."""
        return self.quantity - self.filled

    @property
    def is_waiting_stop(self) -> bool:
        """Tell whether the order is a stop whose price has not come."""
        return self.order_type in STOPS and not self.is_triggered

    @property
    def is_immediate(self) -> bool:
        """Tell whether what does not trade at once is canceled."""
        return self.at_auction or self.time_in_force in IMMEDIATE

    @property
    def trigger_price(self) -> Decimal | None:
        """Return the price that makes a stop an order; a trailing one's follows its mark."""
        if self.order_type is not OrderType.TRAILING_STOP:
            return self.stop_price
        if self.mark is None:
            return None
        distance = self.trail_price if self.trail_price is not None else self._share_of_mark(self.mark)
        return self.mark + distance * self.side.sign

    def _share_of_mark(self, mark: Decimal) -> Decimal:
        return mark * (self.trail_percent or ZERO) / _HUNDRED

    def take(self, quantity: Decimal) -> None:
        """Count a fill."""
        self.filled += quantity

    def accepts(self, price: Decimal) -> bool:
        """Tell whether the order may trade at this price."""
        if self.limit_price is None:
            return True
        return price <= self.limit_price if self.side is Side.BUY else price >= self.limit_price

    def follow(self, last: Decimal) -> bool:
        """Let a trailing stop follow the market; tell whether its mark moved."""
        if self.order_type is not OrderType.TRAILING_STOP:
            return False
        if self.mark is not None and (last <= self.mark if self.side is Side.SELL else last >= self.mark):
            return False
        self.mark = last
        return True

    def is_triggered_by(self, last: Decimal) -> bool:
        """Tell whether a last price makes the stop an order: at its trigger price, or beyond."""
        trigger = self.trigger_price
        if trigger is None:
            return False
        return last >= trigger if self.side is Side.BUY else last <= trigger

    def priority(self) -> tuple[Decimal, int]:
        """Return what sorts the better price first, then the earlier arrival; a market order beats every limit."""
        if self.limit_price is None:
            return Decimal("-Infinity"), self.arrival
        return self.limit_price * -self.side.sign, self.arrival

    def readiness(self) -> tuple[float, int]:
        """Return what sorts the orders that arrive."""
        return self.ready_at, self.arrival
