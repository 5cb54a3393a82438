"""Controls 4 and 5: how far from the market, and how old the market's price may be."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from risk.domain.case import ONE, Case, breached_by
from risk.domain.rules.base import LimitRule
from risk.domain.types import Check, LimitFacts, Verdict
from trading_portal.kernel.money import ZERO


class StalePrice(LimitRule):
    """In session, judge only by a fresh price; out of session the last close holds, and an exit takes any."""

    name: ClassVar[str] = "stale_price"
    label: ClassVar[str] = "Price age"

    def judge(self, case: Case, limit: LimitFacts) -> Check:
        """Compare the age since the price was received; a price from the future is no fresher than one as old."""
        price = case.snapshot.price
        if price is None or case.reference is None:
            return breached_by(self.name, case.unknown)
        age = abs(price.age)
        if not case.in_session or case.is_reducing:
            return Check(self.name, Verdict.EXEMPT, age, limit.value, limit.version, limit.scope)
        if age <= limit.value:
            return Check(self.name, Verdict.PASSED, age, limit.value, limit.version, limit.scope)
        facts = {"age": age, "limit": limit.value}
        code = "PRICE_STALE"
        return Check(self.name, Verdict.BREACHED, age, limit.value, limit.version, limit.scope, ZERO, code, facts)


class PriceCollar(LimitRule):
    """Hold a limit price that would trade at once near the reference: a buy not far above, a sell not far below.

    A price on the passive side only waits, however far away, and harms nobody.
    """

    name: ClassVar[str] = "price_collar"
    label: ClassVar[str] = "Price collar"

    def judge(self, case: Case, limit: LimitFacts) -> Check | None:
        """Compare how much worse than the reference the price is; a market order is valued at the collar itself."""
        price, reference = case.intent.limit_price, case.reference
        if price is None:
            return None
        if reference is None:
            return breached_by(self.name, case.unknown)
        if case.intent.stop_price is not None:
            # The market will be at the stop when this price is first worth anything.
            reference = case.intent.stop_price
        worse = price - reference if case.is_buy else reference - price
        share = max(ZERO, worse / reference)
        if worse <= reference * limit.value:
            return Check(self.name, Verdict.PASSED, share, limit.value, limit.version, limit.scope)
        bound = reference * (ONE + limit.value if case.is_buy else ONE - limit.value)
        facts: dict[str, Decimal] = {"price": price, "reference": reference, "bound": bound, "limit": limit.value}
        code = "PRICE_OUTSIDE_COLLAR"
        return Check(self.name, Verdict.BREACHED, share, limit.value, limit.version, limit.scope, ZERO, code, facts)
