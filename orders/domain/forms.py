"""Tell pages the rules that their forms go by: what they offer and send is what the parser takes."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from marketdata.domain.types import US_EQUITY
from orders.domain.shapes import ENTRY_TYPES, EXTENDED_TYPES, OCO_TYPES
from orders.domain.types import (
    AUCTIONS,
    PLAIN_TYPES,
    RESTING_TIMES,
    WITH_LIMIT,
    WITH_STOP,
    OrderType,
    TimeInForce,
)
from trading_portal.kernel.money import AMOUNT_LIMIT, STORED_PLACES


def order_rules() -> dict[str, object]:
    """Return which types have which prices, times and exits, and how a number may be written."""
    return {
        "times": _words(TimeInForce, TimeInForce),
        "resting_times": _words(TimeInForce, RESTING_TIMES),
        "auctions": _words(TimeInForce, AUCTIONS),
        "plain_types": _words(OrderType, PLAIN_TYPES),
        "with_limit": _words(OrderType, WITH_LIMIT),
        "with_stop": _words(OrderType, WITH_STOP),
        "with_trail": [OrderType.TRAILING_STOP.value],
        "entry_types": _words(OrderType, ENTRY_TYPES),
        "oco_types": _words(OrderType, OCO_TYPES),
        "extended_types": _words(OrderType, EXTENDED_TYPES),
        "equity": US_EQUITY,
        "whole_digits": AMOUNT_LIMIT.adjusted(),
        "places": STORED_PLACES,
    }


def _words(vocabulary: type[StrEnum], chosen: Iterable[StrEnum]) -> list[str]:
    """Return words in the order of their vocabulary."""
    among = frozenset(chosen)
    return [word.value for word in vocabulary if word in among]
