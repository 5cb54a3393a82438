"""Match the orders of one symbol in price-time order, with each other and with what the market displays.

Pure: no clock, no storage. The better price goes first; at one price what the market displays goes before the venue's
own orders, which go by arrival. Two own orders trade at the resting one's price. A market order trades with own orders
only within the depth that is displayed, so that a thin book makes no wild prices. Stops are triggered by the market's
last trade during regular hours, and are orders like any other from then on. Orders of one account never trade with
each other: the newer one is canceled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from orders.brokers.paper.bookorder import BookOrder, Place
from orders.domain.types import TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.money import ZERO

Price = Decimal
Size = Decimal


class OutcomeKind(StrEnum):
    """Say what the book did with an order."""

    TRADE = "trade"
    CANCELED = "canceled"
    TRIGGERED = "triggered"
    MARKED = "marked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one order: a trade of `quantity` at `price` that left `leaves`, its end, or a stop's move.

    A triggered stop has left the book, to be added again as the order it now is.
    """

    order: BookOrder
    kind: OutcomeKind
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    leaves: Decimal = ZERO
    reason: str = ""


@dataclass(slots=True)
class _Level:
    """One displayed price; `leaves` is what nobody has taken of it yet."""

    price: Decimal
    displayed: Decimal
    leaves: Decimal
    slice: Decimal = ZERO

    def take(self, quantity: Decimal) -> None:
        self.leaves -= quantity


def _sides() -> dict[Side, list[BookOrder]]:
    return {Side.BUY: [], Side.SELL: []}


@dataclass(slots=True)
class Book:
    """Hold one symbol's orders in price-time order, and the liquidity its quote displays.

    Outside the session, but within its extended hours, only orders for extended hours trade.
    """

    is_open: bool = True
    is_extended: bool = True
    has_quote: bool = False
    last: Decimal | None = None
    _levels: dict[Side, list[_Level]] = field(default_factory=lambda: {Side.BUY: [], Side.SELL: []})
    _arriving: list[BookOrder] = field(default_factory=list)
    _waiting: dict[BookOrder, None] = field(default_factory=dict)
    _resting: dict[Side, list[BookOrder]] = field(default_factory=_sides)

    @property
    def is_empty(self) -> bool:
        """Tell whether no order waits here."""
        return not (self._arriving or self._waiting or self._resting[Side.BUY] or self._resting[Side.SELL])

    @property
    def next_ready_at(self) -> float | None:
        """Return when the next arriving order may trade."""
        return self._arriving[0].ready_at if self._arriving else None

    def best(self, side: Side) -> Decimal | None:
        """Return the best price that the market displays on a side."""
        levels = self._levels[side]
        return levels[0].price if levels else None

    def show(
        self,
        *,
        bids: Sequence[tuple[Price, Size]],
        asks: Sequence[tuple[Price, Size]],
        is_open: bool,
        last: Decimal | None = None,
    ) -> list[Outcome]:
        """Take a new quote, best prices first, match the resting orders in price-time order, and trigger stops.

        A level that is displayed unchanged keeps what was taken from it.
        """
        self.has_quote, self.is_open, self.last = True, is_open, last
        self._levels[Side.SELL] = _refreshed(self._levels[Side.SELL], asks)
        self._levels[Side.BUY] = _refreshed(self._levels[Side.BUY], bids)
        outcomes = self._match_resting(Side.BUY) + self._match_resting(Side.SELL)
        return outcomes + self._watch(list(self._waiting)) if self._waiting else outcomes

    def forget_quote(self) -> None:
        """Have no price: nothing trades with the market until the next quote."""
        self.has_quote, self.last = False, None
        self._levels = {Side.BUY: [], Side.SELL: []}

    def add(self, order: BookOrder) -> None:
        """Take an order in; it trades from its `ready_at` on, in the order of arrival."""
        order.place = Place.ARRIVING
        insort(self._arriving, order, key=BookOrder.readiness)

    def remove(self, order: BookOrder) -> None:
        """Take an order out, wherever it waits."""
        if order.place is Place.RESTING:
            queue = self._resting[order.side]
            del queue[bisect_left(queue, order.priority(), key=BookOrder.priority)]
        elif order.place is Place.ARRIVING:
            del self._arriving[bisect_left(self._arriving, order.readiness(), key=BookOrder.readiness)]
        elif order.place is Place.WAITING:
            del self._waiting[order]
        order.place = Place.NOWHERE

    def advance(self, at: float) -> list[Outcome]:
        """Let the arriving orders that are ready trade; what is left of them rests or, if immediate, is canceled."""
        count = bisect_right(self._arriving, at, key=lambda order: order.ready_at)
        ready, self._arriving = self._arriving[:count], self._arriving[count:]
        return [outcome for order in ready for outcome in self._arrive(order)]

    def _arrive(self, order: BookOrder) -> list[Outcome]:
        order.place = Place.NOWHERE
        if order.is_waiting_stop:
            order.place = Place.WAITING
            self._waiting[order] = None
            return self._watch([order])
        if order.time_in_force is TimeInForce.FOK and self._available(order) < order.leaves:
            return [Outcome(order, OutcomeKind.CANCELED, reason="NOT_FILLABLE_AT_ONCE")]
        outcomes = self._trade(order)
        if not order.leaves or _has_ended(order, outcomes):
            return outcomes
        if order.is_immediate:
            return [*outcomes, Outcome(order, OutcomeKind.CANCELED, reason="NOTHING_MORE_AT_ONCE")]
        order.place = Place.RESTING
        insort(self._resting[order.side], order, key=BookOrder.priority)
        return outcomes

    def _watch(self, stops: Iterable[BookOrder]) -> list[Outcome]:
        """Let stops see the last trade; who is triggered leaves the book."""
        if self.last is None or not self.is_open:
            return []
        outcomes: list[Outcome] = []
        for order in stops:
            has_moved = order.follow(self.last)
            if order.is_triggered_by(self.last):
                self.remove(order)
                order.is_triggered = True
                outcomes.append(Outcome(order, OutcomeKind.TRIGGERED, price=self.last))
            elif has_moved:
                outcomes.append(Outcome(order, OutcomeKind.MARKED, price=self.last))
        return outcomes

    def _match_resting(self, side: Side) -> list[Outcome]:
        outcomes: list[Outcome] = []
        done: list[BookOrder] = []
        for order in self._resting[side]:
            if not self._may_trade(order):
                continue
            trades = self._trade(order)
            outcomes += trades
            if not order.leaves or _has_ended(order, trades):
                done.append(order)
            elif order.limit_price is not None:
                break  # the liquidity, or its price, ends here for everyone behind as well
        for order in done:
            self.remove(order)
        return outcomes

    def _may_trade(self, order: BookOrder) -> bool:
        return self.is_open or order.at_auction or (order.extended_hours and self.is_extended)

    def _trade(self, order: BookOrder) -> list[Outcome]:
        """Trade an order with what stands against it, best price first."""
        if not self._may_trade(order):
            return []
        outcomes: list[Outcome] = []
        gone: list[BookOrder] = []
        for price, offer in self._offers(order):
            if not order.leaves or not order.accepts(price):
                break
            if isinstance(offer, BookOrder) and _is_own(order, offer):
                newer = max(order, offer, key=lambda each: each.arrival)
                outcomes.append(Outcome(newer, OutcomeKind.CANCELED, reason="SELF_TRADE"))
                if newer is order:
                    break
                gone.append(offer)
                continue
            outcomes += _exchange(order, offer, price)
            if isinstance(offer, BookOrder) and not offer.leaves:
                gone.append(offer)
        for offer in gone:
            self.remove(offer)
        return outcomes

    def _available(self, order: BookOrder) -> Decimal:
        """Return how much could trade at once."""
        available = ZERO
        if self._may_trade(order):
            for price, offer in self._offers(order):
                if not order.accepts(price) or (isinstance(offer, BookOrder) and _is_own(order, offer)):
                    break
                available += offer.leaves
        return available

    def _offers(self, taker: BookOrder) -> Iterator[tuple[Price, _Level | BookOrder]]:
        """Give what stands against an order, best price first; what is displayed before own orders of that price."""
        side = Side.SELL if taker.side is Side.BUY else Side.BUY
        levels = iter([level for level in self._levels[side] if level.leaves])
        level = next(levels, None)
        for own in self._resting[side]:
            if not self._may_trade(own):
                continue
            while level and own.limit_price is not None and own.limit_price * side.sign <= level.price * side.sign:
                yield level.price, level
                level = next(levels, None)
            price = self._price_between(taker, own)
            if price is not None:
                yield price, own
        while level:
            yield level.price, level
            level = next(levels, None)

    def _price_between(self, taker: BookOrder, own: BookOrder) -> Price | None:
        """Return the price at which an order would trade with a resting one; None where there is no sound one."""
        if own.limit_price is not None:
            is_sound = taker.limit_price is not None or self._is_displayed(own.side, own.limit_price)
            return own.limit_price if is_sound else None
        best = self.best(own.side)
        if best is None or taker.limit_price is None:
            return best
        price = max(taker.limit_price, best) if taker.side is Side.SELL else min(taker.limit_price, best)
        return price if self._is_displayed(taker.side, price) else None

    def _is_displayed(self, side: Side, price: Price) -> bool:
        """Tell whether a price lies within the depth that the market displays on a side."""
        levels = self._levels[side]
        return bool(levels) and price * side.sign >= levels[-1].price * side.sign


def _exchange(order: BookOrder, offer: _Level | BookOrder, price: Price) -> Iterator[Outcome]:
    """Trade two sides with each other at a price, in slices where one of them is given no more at a time."""
    largest = min((size for size in (order.slice, offer.slice) if size), default=None)
    while quantity := min(order.leaves, offer.leaves):
        quantity = quantity if largest is None else min(quantity, largest)
        order.take(quantity)
        offer.take(quantity)
        if isinstance(offer, BookOrder):
            yield Outcome(offer, OutcomeKind.TRADE, quantity, price, offer.leaves)
        yield Outcome(order, OutcomeKind.TRADE, quantity, price, order.leaves)


def _is_own(order: BookOrder, other: BookOrder) -> bool:
    return order.account_id is not None and order.account_id == other.account_id


def _has_ended(order: BookOrder, outcomes: Sequence[Outcome]) -> bool:
    return bool(outcomes) and outcomes[-1].order is order and outcomes[-1].kind is OutcomeKind.CANCELED


def _refreshed(shown: list[_Level], levels: Sequence[tuple[Price, Size]]) -> list[_Level]:
    """Return the levels now displayed, the unchanged ones with what is left of them."""
    left = {(level.price, level.displayed): level.leaves for level in shown}
    return [_Level(price, size, left.get((price, size), size)) for price, size in levels if price > 0 and size > 0]
