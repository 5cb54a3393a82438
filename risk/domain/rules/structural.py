"""Control 1: an order must be well formed and lie on its instrument's grid."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from positions.domain.types import Side
from risk.domain.case import Case, breached, breached_by
from risk.domain.grid import price_reasons, quantity_reasons
from risk.domain.rules.base import Rule
from risk.domain.types import Check, OrderIntent
from risk.domain.words import OrderType, TimeInForce, is_trail_misplaced, misplaced_prices
from trading_portal.kernel.money import AMOUNT_LIMIT

_WORDS = {"side": frozenset(Side), "type": frozenset(OrderType), "time_in_force": frozenset(TimeInForce)}


def fault(intent: OrderIntent) -> tuple[str, str] | None:
    """Return the first field that no other rule could work with, and its value; None when all can be used."""
    said = {"side": intent.side, "type": intent.order_type, "time_in_force": intent.time_in_force}
    for field, known in _WORDS.items():
        if said[field] not in known:
            return field, str(said[field])
    if intent.notional is not None and not _is_amount(intent.notional):
        return "notional", str(intent.notional)
    if not _is_amount(intent.quantity) and not _is_to_be_sized(intent):
        return "quantity", str(intent.quantity)
    return _price_fault(intent)


def _price_fault(intent: OrderIntent) -> tuple[str, str] | None:
    """Return the price that is missing, not usable, or not the type's."""
    prices = {"limit_price": intent.limit_price, "stop_price": intent.stop_price}
    given = {name: price for name, price in prices.items() if price is not None}
    has_limit, has_stop = "limit_price" in given, "stop_price" in given
    for name, _ in misplaced_prices(intent.order_type, has_limit=has_limit, has_stop=has_stop):
        return name, str(prices[name])
    for name, price in given.items():
        if not _is_amount(price):
            return name, str(price)
    trails = [trail for trail in (intent.trail_price, intent.trail_percent) if trail is not None]
    if is_trail_misplaced(intent.order_type, len(trails)) or not all(map(_is_amount, trails)):
        return "trail", ", ".join(map(str, trails))
    return None


def _is_to_be_sized(intent: OrderIntent) -> bool:
    return intent.notional is not None and intent.quantity == 0


def _is_amount(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and 0 < value < AMOUNT_LIMIT


class WellFormed(Rule):
    """Take only known words and finite, positive numbers; the engine judges nothing else of a malformed order."""

    name: ClassVar[str] = "well_formed"
    label: ClassVar[str] = "Well formed"
    passed: ClassVar[Check] = Check("well_formed")

    def judge(self, intent: OrderIntent) -> Check:
        """Judge the order by itself."""
        wrong = fault(intent)
        return self.passed if wrong is None else breached(self.name, "ORDER_INVALID", field=wrong[0], value=wrong[1])

    def check(self, case: Case) -> Check:
        """Judge the order of a case."""
        return self.judge(case.intent)


class LotSize(Rule):
    """Take only whole lots."""

    name: ClassVar[str] = "lot_size"
    label: ClassVar[str] = "Lot size"
    passed: ClassVar[Check] = Check("lot_size")

    def check(self, case: Case) -> Check:
        """Compare the order's whole quantity with the lot grid: what a venue left of it may lie anywhere."""
        intent = case.intent
        found = quantity_reasons(
            intent.instrument,
            quantity=intent.whole_quantity,
            order_type=intent.order_type,
            time_in_force=intent.time_in_force,
            is_simple=intent.is_plain,
        )
        return breached_by(self.name, found[0]) if found else self.passed


class TickSize(Rule):
    """Take only prices on the tick grid."""

    name: ClassVar[str] = "tick_size"
    label: ClassVar[str] = "Tick size"
    passed: ClassVar[Check] = Check("tick_size")

    def check(self, case: Case) -> Check | None:
        """Compare the limit and the stop with the tick grid."""
        prices = [price for price in (case.intent.limit_price, case.intent.stop_price) if price is not None]
        if not prices:
            return None
        found = price_reasons(case.intent.instrument, prices)
        return breached_by(self.name, found[0]) if found else self.passed
