"""Control 1: an order must be well formed and lie on its instrument's grid."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case, breached
from risk.domain.rules.base import Rule
from risk.domain.types import Check, OrderIntent
from trading_portal.kernel.money import is_multiple

SIDES = frozenset({"buy", "sell"})
ORDER_TYPES = frozenset({"market", "limit"})
TIMES_IN_FORCE = frozenset({"day", "gtc", "ioc", "fok"})
CEILING = Decimal(10) ** 15


def fault(intent: OrderIntent) -> tuple[str, str] | None:
    """Return the first field that no other rule could work with, and its value; None when all can be used."""
    wanted = (("side", intent.side, SIDES), ("type", intent.order_type, ORDER_TYPES))
    for field, word, known in (*wanted, ("time_in_force", intent.time_in_force, TIMES_IN_FORCE)):
        if word not in known:
            return field, str(word)
    if not _is_amount(intent.quantity):
        return "quantity", str(intent.quantity)
    needs_price = intent.order_type == "limit"
    if needs_price != (intent.limit_price is not None) or (needs_price and not _is_amount(intent.limit_price)):
        return "limit_price", str(intent.limit_price)
    if intent.stop_price is not None:
        return "stop_price", str(intent.stop_price)
    return None


def _is_amount(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and 0 < value < CEILING


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
        """Compare the quantity with the lot grid."""
        quantity, lot = case.intent.quantity, case.intent.instrument.lot_size
        if is_multiple(quantity, lot):
            return self.passed
        return breached(self.name, "QUANTITY_OFF_LOT", quantity=quantity, lot=lot)


class TickSize(Rule):
    """Take only prices on the tick grid."""

    name: ClassVar[str] = "tick_size"
    label: ClassVar[str] = "Tick size"
    passed: ClassVar[Check] = Check("tick_size")

    def check(self, case: Case) -> Check | None:
        """Compare the limit price with the tick grid."""
        price, tick = case.intent.limit_price, case.intent.instrument.tick_size
        if price is None:
            return None
        return (
            self.passed if is_multiple(price, tick) else breached(self.name, "PRICE_OFF_TICK", price=price, tick=tick)
        )
