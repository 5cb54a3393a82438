"""Match orders of one symbol against what its quote displays: pure, no clock, no storage."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from orders.domain.types import OrderType, TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.money import ZERO

IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
Price = Decimal
Size = Decimal


class OutcomeKind(StrEnum):
    """Say what the book did with an order."""

    TRADE = "trade"
    CANCELED = "canceled"


@dataclass(slots=True, eq=False)
class BookOrder:
    """One order as the venue works it; `ready_at` is monotonic seconds, `arrival` the venue's own count.

    A stop waits until it `is_triggered`; a trailing one follows `mark`, the best price since it came.
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

    @property
    def leaves(self) -> Decimal:
        """Return what is still to be filled."""
        return self.quantity - self.filled

    def accepts(self, price: Decimal) -> bool:
        """Tell whether the order may trade at this price."""
        if self.limit_price is None:
            return True
        return price <= self.limit_price if self.side is Side.BUY else price >= self.limit_price

    def priority(self) -> tuple[Decimal, int]:
        """Return what sorts the better price first, then the earlier arrival; a market order beats every limit."""
        if self.limit_price is None:
            return Decimal("-Infinity"), self.arrival
        return self.limit_price * -self.side.sign, self.arrival


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one order: a trade of `quantity` at `price` that left `leaves`, or its end."""

    order: BookOrder
    kind: OutcomeKind
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    leaves: Decimal = ZERO
    reason: str = ""


@dataclass(slots=True)
class _Level:
    """One displayed price; `left` is what nobody has taken of it yet."""

    price: Decimal
    displayed: Decimal
    left: Decimal


@dataclass(slots=True)
class Book:
    """Hold one symbol's orders in price-time order, and the liquidity its quote displays."""

    is_open: bool = True
    has_quote: bool = False
    _levels: dict[Side, list[_Level]] = field(default_factory=lambda: {Side.BUY: [], Side.SELL: []})
    _arriving: deque[BookOrder] = field(default_factory=deque)
    _resting: dict[Side, list[BookOrder]] = field(default_factory=lambda: {Side.BUY: [], Side.SELL: []})

    @property
    def is_empty(self) -> bool:
        """Tell whether no order waits here."""
        return not (self._arriving or self._resting[Side.BUY] or self._resting[Side.SELL])

    @property
    def next_ready_at(self) -> float | None:
        """Return when the next arriving order may trade."""
        return self._arriving[0].ready_at if self._arriving else None

    def show(
        self, *, bids: Sequence[tuple[Price, Size]], asks: Sequence[tuple[Price, Size]], is_open: bool
    ) -> list[Outcome]:
        """Take a new quote, best prices first, and match the resting orders in price-time order.

        A level that is displayed unchanged keeps what was taken from it.
        """
        self.has_quote, self.is_open = True, is_open
        self._levels[Side.SELL] = _refreshed(self._levels[Side.SELL], asks)
        self._levels[Side.BUY] = _refreshed(self._levels[Side.BUY], bids)
        return self._match_resting(Side.BUY) + self._match_resting(Side.SELL)

    def forget_quote(self) -> None:
        """Have no price: nothing trades until the next quote."""
        self.has_quote = False
        self._levels = {Side.BUY: [], Side.SELL: []}

    def add(self, order: BookOrder) -> None:
        """Take an order in; it trades from its `ready_at` on, in the order of arrival."""
        self._arriving.append(order)

    def remove(self, order: BookOrder) -> None:
        """Take an order out, wherever it waits."""
        queue = self._resting[order.side]
        index = bisect_left(queue, order.priority(), key=BookOrder.priority)
        if index < len(queue) and queue[index] is order:
            del queue[index]
        elif order in self._arriving:
            self._arriving.remove(order)

    def advance(self, at: float) -> list[Outcome]:
        """Let the arriving orders that are ready trade; what is left of them rests or, if immediate, is canceled."""
        outcomes: list[Outcome] = []
        while self._arriving and self._arriving[0].ready_at <= at:
            order = self._arriving.popleft()
            outcomes += self._arrive(order)
        return outcomes

    def _arrive(self, order: BookOrder) -> list[Outcome]:
        if order.time_in_force is TimeInForce.FOK and self._available(order) < order.leaves:
            return [Outcome(order, OutcomeKind.CANCELED, reason="NOT_FILLABLE_AT_ONCE")]
        outcomes = self._take(order)
        if not order.leaves:
            return outcomes
        if order.time_in_force in IMMEDIATE:
            return [*outcomes, Outcome(order, OutcomeKind.CANCELED, reason="NOTHING_MORE_AT_ONCE")]
        insort(self._resting[order.side], order, key=BookOrder.priority)
        return outcomes

    def _match_resting(self, side: Side) -> list[Outcome]:
        outcomes: list[Outcome] = []
        done = 0
        for order in self._resting[side]:
            trades = self._take(order)
            outcomes += trades
            if order.leaves:
                break  # the liquidity, or its price, ends here for everyone behind as well
            done += 1
        del self._resting[side][:done]
        return outcomes

    def _take(self, order: BookOrder) -> list[Outcome]:
        if not self.is_open:
            return []
        trades: list[Outcome] = []
        for level in self._opposite(order):
            if not order.leaves or not order.accepts(level.price):
                break
            if quantity := min(order.leaves, level.left):
                order.filled += quantity
                level.left -= quantity
                trades.append(Outcome(order, OutcomeKind.TRADE, quantity, level.price, order.leaves))
        return trades

    def _available(self, order: BookOrder) -> Decimal:
        if not self.is_open:
            return ZERO
        return sum((level.left for level in self._opposite(order) if order.accepts(level.price)), ZERO)

    def _opposite(self, order: BookOrder) -> list[_Level]:
        return self._levels[Side.SELL if order.side is Side.BUY else Side.BUY]


def _refreshed(shown: list[_Level], levels: Sequence[tuple[Price, Size]]) -> list[_Level]:
    """Return the levels now displayed, the unchanged ones with what is left of them."""
    left = {(level.price, level.displayed): level.left for level in shown}
    return [_Level(price, size, left.get((price, size), size)) for price, size in levels if price > 0 and size > 0]
