"""Restate what an order is for by a split of its instrument: new units for old ones, prices the other way round."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from orders.domain.facts import OrderFacts, OrderTerms
from orders.domain.ratios import price_after, units_after
from orders.domain.types import WITH_LIMIT, WITH_STOP
from trading_portal.kernel.money import STORED_LIMIT, ZERO

_PRICES = ("limit_price", "stop_price", "trail_price", "worst_price")


def order_restated(
    order: OrderFacts, ratio: Decimal, *, limit_price: Decimal | None = None, stop_price: Decimal | None = None
) -> OrderFacts:
    """Return an order's facts with its prices restated; where the venue says what they are now, as it says.

    Its quantities are the lifecycle's to say.
    """
    facts = replace(order, **_prices(order, ratio))
    if limit_price and order.order_type in WITH_LIMIT:
        worst = facts.worst_price
        worst = None if worst is None else max(worst, limit_price)
        facts = replace(facts, limit_price=limit_price, worst_price=worst)
    if stop_price and order.order_type in WITH_STOP:
        facts = replace(facts, stop_price=stop_price)
    return facts


def terms_restated(terms: OrderTerms, ratio: Decimal) -> OrderTerms:
    """Return the terms of a replace that the venue has not answered, restated with their order."""
    return replace(terms, quantity=units_after(terms.quantity, ratio), **_prices(terms, ratio))


def is_tellable(order: OrderFacts | OrderTerms, quantity: Decimal) -> bool:
    """Tell whether columns can hold what a split made of an order."""
    amounts = [quantity, *(price for name in _PRICES if (price := getattr(order, name)) is not None)]
    return all(ZERO < amount < STORED_LIMIT for amount in amounts)


def _prices(terms: OrderFacts | OrderTerms, ratio: Decimal) -> dict[str, Any]:
    found = {name: getattr(terms, name) for name in _PRICES}
    return {name: price_after(price, ratio) for name, price in found.items() if price is not None}
