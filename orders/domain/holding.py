"""What an order holds: money for what it may still buy, units for what it may still sell."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

import msgspec

from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.order import OrderState
from orders.domain.types import BaseState, PendingOperation
from positions.domain.types import Side
from trading_portal.kernel.money import STORED_STEP, ZERO, divide, multiply


class Held(msgspec.Struct, frozen=True):
    """What is held: units left, the most that one may cost, and the limit price others of ours would meet."""

    quantity: Decimal
    price: Decimal | None
    limit_price: Decimal | None


def held_by(facts: OrderFacts, state: OrderState, asked: OrderTerms | None) -> Held:
    """Return what an order holds: while a replace is pending, the larger of before and after."""
    left = state.leaves_quantity
    if asked is None or state.pending is not PendingOperation.REPLACE:
        return Held(left, facts.worst_price, facts.limit_price)
    if facts.worst_price is None or asked.worst_price is None:
        raise LookupError(f"order {facts.id} was approved without a worst price")
    left_then = max(asked.quantity - state.filled_quantity, ZERO)
    price = _price(left, facts.worst_price, left_then, asked.worst_price)
    return Held(max(left, left_then), price, _keener(facts, asked))


def exits_held(exits: Sequence[tuple[OrderFacts, OrderState, OrderTerms | None]]) -> tuple[OrderFacts, Held] | None:
    """Return which of a group's exits holds for all of them, the take-profit given first, and what; None: none works.

    They close the same units, so these are held once: by the take-profit while it works, else by the stop, for the
    most that either may still trade, at the worst price of either.
    """
    working = [(each[0], held_by(*each)) for each in exits if each[1].base is not BaseState.HELD]
    working = [(facts, held) for facts, held in working if held.quantity]
    if not working:
        return None
    facts, first = working[0]
    prices = [held.price for _, held in working if held.price is not None]
    most, worst = max(held.quantity for _, held in working), max(prices, default=None)
    return facts, Held(most, worst, first.limit_price)


def _price(left: Decimal, price: Decimal, left_then: Decimal, price_then: Decimal) -> Decimal:
    """Return the price at which the larger quantity is worth as much as the dearer of the two."""
    if left == left_then:
        return max(price, price_then)
    (more, dear), (less, other) = sorted([(left, price), (left_then, price_then)], reverse=True)
    if multiply(more, dear) >= multiply(less, other):
        return dear
    return divide(multiply(less, other), more).quantize(STORED_STEP, rounding=ROUND_CEILING)


def _keener(facts: OrderFacts, asked: OrderTerms) -> Decimal | None:
    """Return the limit price that trades more readily; an order without one takes any."""
    if facts.limit_price is None or asked.limit_price is None:
        return None
    prices = (facts.limit_price, asked.limit_price)
    return max(prices) if facts.side is Side.BUY else min(prices)
