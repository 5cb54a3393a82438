"""Controls 2 and 3: how large one order may be, exits too."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case
from risk.domain.rules.base import ExposureRule
from risk.domain.types import LimitFacts
from trading_portal.kernel.errors import Fact, Reason


class MaxQuantity(ExposureRule):
    """Limit the units of one order."""

    name: ClassVar[str] = "max_quantity"
    label: ClassVar[str] = "Order quantity"
    code: ClassVar[str] = "QUANTITY_ABOVE_LIMIT"

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the order's units."""
        return case.intent.whole_quantity

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the quantity and the limit."""
        return {"quantity": value, "limit": limit.value}


class MaxNotional(ExposureRule):
    """Limit what one order may be worth, at its worst price, in the account's currency."""

    name: ClassVar[str] = "max_notional"
    label: ClassVar[str] = "Order notional"
    code: ClassVar[str] = "NOTIONAL_ABOVE_LIMIT"

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal | Reason:
        """Return the order's worth, what has traded valued like the rest."""
        notional, worst_price, rate = case.notional, case.worst_price, case.snapshot.rate
        if notional is None or worst_price is None or rate is None:
            return case.unknown
        return notional + case.intent.filled * worst_price * rate

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the notional, its currency and the limit."""
        return {"notional": value, "limit": limit.value, "currency": case.intent.base_currency}
