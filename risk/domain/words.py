"""The words of an order and what goes with which: once for whoever takes orders and for the rules.

Risk believes nothing of what it is given and looks at all of this again; `orders` imports it, never the other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum


class OrderType(StrEnum):
    """Say how an order prices itself (FIX 40)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """Say how long an order works (FIX 59)."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP))
"""Types that wait unseen until the market reaches their stop."""
PLAIN_TYPES = frozenset((OrderType.MARKET, OrderType.LIMIT))
"""Types that can be for an amount of money, for parts of a share, or worked by an algorithm."""
WITH_LIMIT = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
WITH_STOP = frozenset((OrderType.STOP, OrderType.STOP_LIMIT))
RESTING_TIMES = frozenset((TimeInForce.DAY, TimeInForce.GTC))
"""What may wait: for its price, for the open, for its group."""
AUCTIONS = frozenset((TimeInForce.OPG, TimeInForce.CLS))


def misplaced_prices(order_type: str, *, has_limit: bool, has_stop: bool) -> Iterator[tuple[str, bool]]:
    """Yield the prices that are not the type's: its name, and whether the order lacks it or has no place for it."""
    if (order_type in WITH_LIMIT) != has_limit:
        yield "limit_price", not has_limit
    if (order_type in WITH_STOP) != has_stop:
        yield "stop_price", not has_stop


def is_trail_misplaced(order_type: str, trails: int) -> bool:
    """Tell whether so many of trail_price and trail_percent are not the type's: a trailing stop has one of them."""
    return trails != (order_type == OrderType.TRAILING_STOP)
