"""Make the legs of a bracket, an OCO or an OTO: orders of their own, stored with the order they hang on.

Exits of an entry are held until it is filled; those of an OCO work at once, against what is held already. Both exits
close the same units: `worst_price` of either is the pair's, and one of them holds the reservation for both.
Risk judges the order they hang on. A leg is judged no more: it can only close what that order opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from orders.domain.commands import PlaceOrder, command_hash
from orders.domain.types import BaseState, Leg, OrderClass, OrderType
from orders.services.storing import DecidedOrder, NewOrder, decided
from positions.domain.types import Side
from risk.domain.types import Decision
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO, multiply, stored

_COLLAR = "price_collar"
_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def oco_priced(command: PlaceOrder) -> PlaceOrder:
    """Return an OCO with its own limit price: its first order is the take-profit itself."""
    if command.order_class is not OrderClass.OCO or command.take_profit is None:
        return command
    return replace(command, limit_price=command.take_profit.limit_price)


def legs_made(orders: Sequence[DecidedOrder], *, at: datetime) -> list[DecidedOrder]:
    """Return every approved order of a batch, each followed by its legs; nothing hangs on a refused one."""
    if all(each.new.command.order_class is OrderClass.SIMPLE for each in orders):
        return list(orders)
    return [order for each in orders for order in _with_legs(each, at)]


def _with_legs(root: DecidedOrder, at: datetime) -> Iterator[DecidedOrder]:
    legs = [(leg, _command(root, leg)) for leg in _legs_of(root)]
    if not legs:
        yield root
        return
    is_oco = root.new.command.order_class is OrderClass.OCO
    worst = max(_worst_price(command, root.decision) for _, command in legs)
    if is_oco:
        worst = max(worst, root.worst_price)
        root.order.facts = replace(root.order.facts, worst_price=worst)
    yield root
    for leg, command in legs:
        new = _new(root.new, command, leg)
        made = decided(new, root.decision, at=at)
        base = BaseState.ACCEPTED if is_oco else BaseState.HELD
        facts = replace(made.order.facts, base=base, worst_price=worst)
        made.order.facts, made.order.state = facts, facts.state
        yield made


def _legs_of(root: DecidedOrder) -> list[Leg]:
    command = root.new.command
    if command.order_class is OrderClass.SIMPLE or not root.decision.approved:
        return []
    profit = command.take_profit is not None and command.order_class is not OrderClass.OCO
    return [Leg.TAKE_PROFIT] * profit + [Leg.STOP_LOSS] * (command.stop_loss is not None)


def _new(root: NewOrder, command: PlaceOrder, leg: Leg) -> NewOrder:
    return replace(
        root, command=command, hash=command_hash(command), order_id=uuid7(), parent_id=root.order_id, leg=leg
    )


def _command(root: DecidedOrder, leg: Leg) -> PlaceOrder:
    command = root.new.command
    side = command.side if command.order_class is OrderClass.OCO else _OPPOSITE[command.side]
    alone: dict[str, Any] = {
        "side": side,
        "client_order_id": str(uuid7()),
        "stop_price": None,
        "trail_price": None,
        "trail_percent": None,
        "take_profit": None,
        "stop_loss": None,
    }
    profit, stop = command.take_profit, command.stop_loss
    if leg is Leg.TAKE_PROFIT and profit is not None:
        return replace(command, **alone | {"order_type": OrderType.LIMIT, "limit_price": profit.limit_price})
    if stop is None:
        raise LookupError(f"the order {root.new.order_id} has no {leg.value}")
    kind = OrderType.STOP_LIMIT if stop.limit_price is not None else OrderType.STOP
    prices = {"order_type": kind, "limit_price": stop.limit_price, "stop_price": stop.stop_price}
    return replace(command, **alone | prices)


def _worst_price(leg: PlaceOrder, decision: Decision) -> Decimal:
    """Return the most a unit may trade for: a stop without a limit as far beyond its trigger as the collar lets."""
    if leg.limit_price is not None:
        return leg.limit_price
    if leg.stop_price is None:
        raise LookupError(f"a {leg.order_type.value} leg has no price")
    if leg.side is Side.SELL:
        return leg.stop_price
    return leg.stop_price + stored(multiply(leg.stop_price, _collar(decision)))


def _collar(decision: Decision) -> Decimal:
    """Return how far risk lets a price go beyond the market, as it judged the order that the legs hang on."""
    known = (check.limit for check in decision.checks if check.rule == _COLLAR and check.limit is not None)
    worst, reference = decision.worst_price, decision.reference_price
    return next(known, max(ZERO, worst / reference - 1) if worst and reference else ZERO)
