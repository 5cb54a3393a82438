"""Controls 12, 14 and 15: how many orders, how fast, and not the same one twice by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case
from risk.domain.rules.base import ExposureRule, LimitRule
from risk.domain.types import Check, LimitFacts, Verdict
from trading_portal.kernel.errors import Fact
from trading_portal.kernel.money import ZERO


class OrderRate(ExposureRule):
    """Limit an account's accepted orders per second."""

    name: ClassVar[str] = "order_rate"
    label: ClassVar[str] = "Order rate"
    code: ClassVar[str] = "ORDER_RATE_ABOVE_LIMIT"

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the orders of the last second, with this one."""
        return Decimal(case.snapshot.recent_orders + 1)

    def before(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the same without this one."""
        return Decimal(case.snapshot.recent_orders)

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the count and the limit."""
        return {"orders": value, "limit": limit.value}


class DuplicateOrder(LimitRule):
    """Take an order like another only once the window is over; the limit is the window in seconds."""

    name: ClassVar[str] = "duplicate_window"
    label: ClassVar[str] = "Duplicate"
    skips_exits: ClassVar[bool] = True

    def judge(self, case: Case, limit: LimitFacts) -> Check:
        """Compare the age of the newest order of the same account, symbol, side, quantity and price."""
        age = case.snapshot.duplicate_age
        if age is None or age >= limit.value:
            return Check(self.name, Verdict.PASSED, age, limit.value, limit.version, limit.scope)
        facts = {"age": max(ZERO, age), "limit": limit.value}
        code = "DUPLICATE_ORDER"
        return Check(self.name, Verdict.BREACHED, age, limit.value, limit.version, limit.scope, ZERO, code, facts)


class MaxOpenOrders(ExposureRule):
    """Limit an account's working orders; a limit set for an instrument counts those of the instrument."""

    name: ClassVar[str] = "max_open_orders"
    label: ClassVar[str] = "Open orders"
    code: ClassVar[str] = "OPEN_ORDERS_ABOVE_LIMIT"

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the working orders, with this one."""
        return self.before(case, limit) + 1

    def before(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the same without this one."""
        snapshot = case.snapshot
        return Decimal(snapshot.open_orders_here if limit.is_per_instrument else snapshot.open_orders)

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the count and the limit."""
        return {"orders": value, "limit": limit.value}
