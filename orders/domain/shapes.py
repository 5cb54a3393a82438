"""The rules between an order's fields: which prices a type has, what may wait, and what legs must look like.

Source: Alpaca's "Placing Orders", its tables of times in force by type and its sections on bracket, OCO, OTO and
trailing stop orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from orders.domain.commands import Schedule, StopLoss, TakeProfit
from orders.domain.reading import Reader
from orders.domain.types import PLAIN_TYPES, RESTING_TIMES, OrderClass, OrderType, TimeInForce
from positions.domain.types import Side
from risk.domain.words import is_trail_misplaced, misplaced_prices

ENTRY_TYPES = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT)
OCO_TYPES = (OrderType.LIMIT,)
EXTENDED_TYPES = (OrderType.LIMIT,)
_WHOLE = Decimal(100)


@dataclass(slots=True, kw_only=True)
class Shape:
    """An order as far as its fields could be read; None is not given, or not understood and told already."""

    side: Side | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    good_till: datetime | None = None
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    schedule: Schedule | None = None
    closes_only: bool = False


def shape_check(shape: Shape, reader: Reader) -> None:
    """Add every reason that arises between fields."""
    _check_prices(shape, reader)
    if reader.has("notional"):
        _check_notional(shape, reader)
    if shape.order_type is not None and shape.order_type not in PLAIN_TYPES:
        _check_resting(shape, reader)
    if shape.order_type is OrderType.TRAILING_STOP or reader.has("trail_price") or reader.has("trail_percent"):
        _check_trail(shape, reader)
    if reader.has("good_till") and shape.time_in_force not in (None, TimeInForce.GTC):
        reader.refuse("GOOD_TILL_NEEDS_GTC")
    if shape.extended_hours:
        _check_extended_hours(shape, reader)
    if shape.order_class is not OrderClass.SIMPLE:
        _check_class(shape, reader)
    elif reader.has("take_profit") or reader.has("stop_loss"):
        reader.refuse("LEGS_NEED_A_CLASS")
    if shape.schedule is not None:
        _check_algorithm(shape, reader)


def _check_prices(shape: Shape, reader: Reader) -> None:
    if shape.order_type is None:
        return
    has_limit, has_stop = reader.has("limit_price"), reader.has("stop_price")
    for name, is_missing in misplaced_prices(shape.order_type, has_limit=has_limit, has_stop=has_stop):
        # The limit of an OCO order is its take_profit's.
        if not (is_missing and name == "limit_price" and shape.order_class is OrderClass.OCO):
            code = f"{name.upper()}_{'REQUIRED' if is_missing else 'NOT_ALLOWED'}"
            reader.refuse(code, type=_name(shape.order_type))


def _check_notional(shape: Shape, reader: Reader) -> None:
    if reader.has("qty"):
        reader.refuse("QTY_OR_NOTIONAL")
    if shape.order_type is not None and shape.order_type not in PLAIN_TYPES:
        reader.refuse("NOTIONAL_NOT_ALLOWED", type=_name(shape.order_type))


def _check_resting(shape: Shape, reader: Reader) -> None:
    """Let stops wait for their price: neither an instant nor an auction gives them time to."""
    if shape.order_type is not None and shape.time_in_force not in (None, *RESTING_TIMES):
        reader.refuse("TIME_IN_FORCE_NOT_FOR_TYPE", time_in_force=shape.time_in_force, type=_name(shape.order_type))


def _check_trail(shape: Shape, reader: Reader) -> None:
    trails = reader.has("trail_price") + reader.has("trail_percent")
    if shape.order_type is not None and is_trail_misplaced(shape.order_type, trails):
        if shape.order_type is OrderType.TRAILING_STOP:
            reader.refuse("TRAIL_REQUIRED")
        else:
            reader.refuse("TRAIL_NOT_ALLOWED", type=_name(shape.order_type))
    if shape.trail_percent is not None and shape.trail_percent >= _WHOLE:
        reader.refuse("FIELD_TOO_LARGE", field="trail_percent", limit=_WHOLE)


def _check_extended_hours(shape: Shape, reader: Reader) -> None:
    is_limit = shape.order_type in (None, *EXTENDED_TYPES)
    if not is_limit or shape.time_in_force not in (None, *RESTING_TIMES):
        reader.refuse("EXTENDED_HOURS_NEEDS_A_LIMIT")


def _check_class(shape: Shape, reader: Reader) -> None:
    """Check what Alpaca asks of bracket, OCO and OTO orders."""
    name = shape.order_class.value
    legs = reader.has("take_profit") + reader.has("stop_loss")
    if legs != (1 if shape.order_class is OrderClass.OTO else 2):
        reader.refuse("LEGS_INCOMPLETE", order_class=name)
    if shape.time_in_force not in (None, *RESTING_TIMES):
        reader.refuse("LEGS_TIME_IN_FORCE", order_class=name, allowed="day, gtc")
    is_oco = shape.order_class is OrderClass.OCO
    if shape.order_type not in (None, *(OCO_TYPES if is_oco else ENTRY_TYPES)):
        reader.refuse("LEGS_TYPE", order_class=name, allowed=", ".join(OCO_TYPES if is_oco else ENTRY_TYPES))
    if shape.extended_hours or reader.has("notional") or shape.schedule is not None:
        reader.refuse("LEGS_ALONE", order_class=name)
    if is_oco:
        _check_oco(shape, reader)
    _check_ladder(shape, reader)


def _check_oco(shape: Shape, reader: Reader) -> None:
    """Let an OCO order say its limit once: it is the exit of a position, and takes the profit itself."""
    shape.closes_only = True
    if shape.take_profit is None:
        return
    if shape.limit_price is None:
        shape.limit_price = shape.take_profit.limit_price
    elif shape.limit_price != shape.take_profit.limit_price:
        reader.refuse("OCO_LIMIT_PRICES_DIFFER", limit_price=shape.limit_price, leg=shape.take_profit.limit_price)


def _check_ladder(shape: Shape, reader: Reader) -> None:
    """Hold prices on their side of each other: where the exits sell come stop, entry, take-profit, from the lowest."""
    if shape.side is None:
        return
    is_oco = shape.order_class is OrderClass.OCO
    entry = None if is_oco else shape.limit_price if shape.limit_price is not None else shape.stop_price
    steps = [
        ("stop_loss", shape.stop_loss.stop_price if shape.stop_loss else None),
        ("entry", entry),
        ("take_profit", shape.take_profit.limit_price if shape.take_profit else None),
    ]
    known = [(name, price) for name, price in steps if price is not None]
    if (shape.side is Side.BUY) == is_oco:
        known.reverse()
    for (lower, low), (upper, high) in pairwise(known):
        if low >= high:
            reader.refuse("LEGS_CROSSED", lower=lower, upper=upper)


def _check_algorithm(shape: Shape, reader: Reader) -> None:
    """Let an algorithm work only a plain order for a quantity, while the market is open."""
    is_plain = shape.order_type in (None, *PLAIN_TYPES) and shape.order_class is OrderClass.SIMPLE
    is_resting = shape.time_in_force in (None, *RESTING_TIMES) and not shape.extended_hours
    if not is_plain or not is_resting or reader.has("notional"):
        reader.refuse("ALGORITHM_NEEDS_A_PLAIN_ORDER")


def _name(order_type: OrderType | None) -> str:
    return "" if order_type is None else order_type.value.replace("_", " ")
