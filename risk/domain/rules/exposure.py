"""Controls 6, 7 and 8: what an account may have at stake; an order that only reduces a position is let by."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case, breached, breached_by
from risk.domain.rules.base import WARNS_FROM, ExposureRule, LimitRule, Rule
from risk.domain.types import Check, LimitFacts, Verdict
from trading_portal.kernel.errors import Fact
from trading_portal.kernel.money import ZERO


class BuyingPower(Rule):
    """Spend only free cash: exposure entered, not filled. Cash pays in full; nothing is borrowed."""

    name: ClassVar[str] = "buying_power"
    label: ClassVar[str] = "Buying power"

    def check(self, case: Case) -> Check:
        """Compare what open buys and this order may spend with the cash of the instrument's currency."""
        if case.is_reducing:
            return Check(self.name, Verdict.EXEMPT)
        if case.notional is None or case.worst_price is None or case.snapshot.rate is None:
            return breached_by(self.name, case.unknown)
        cash, reserved = case.snapshot.cash, case.snapshot.reserved
        needed = case.notional
        if not case.is_buy:
            needed = case.short_quantity * case.worst_price * case.snapshot.rate
        value = reserved + needed
        if needed > 0 and value > cash:
            facts: dict[str, Fact] = {
                "needed": needed,
                "available": cash - reserved,
                "currency": case.intent.base_currency,
            }
            code = "BUYING_POWER_EXCEEDED"
            return Check(self.name, Verdict.BREACHED, value, cash, code=code, facts=facts)
        verdict = Verdict.WARNED if needed > 0 and value >= cash * WARNS_FROM else Verdict.PASSED
        return Check(self.name, verdict, value, cash, before=reserved if verdict is Verdict.WARNED else ZERO)


class MaxPosition(ExposureRule):
    """Limit position and working orders together, long and short."""

    name: ClassVar[str] = "max_position"
    label: ClassVar[str] = "Position"
    skips_exits: ClassVar[bool] = True
    code: ClassVar[str] = "POSITION_ABOVE_LIMIT"

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the units on the order's side once all that works has filled."""
        return max(ZERO, _signed_before(case) + case.intent.quantity)

    def before(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the same without this order."""
        return max(ZERO, _signed_before(case))

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the position to be and the limit."""
        return {"position": value, "limit": limit.value, "symbol": case.intent.instrument.symbol}


def _signed_before(case: Case) -> Decimal:
    snapshot = case.snapshot
    if case.is_buy:
        return snapshot.holding + snapshot.working_buy
    return snapshot.working_sell - snapshot.holding


class Concentration(LimitRule):
    """Limit the share of equity in a single name, with working orders; no equity takes no new exposure."""

    name: ClassVar[str] = "concentration"
    label: ClassVar[str] = "Concentration"
    skips_exits: ClassVar[bool] = True

    def judge(self, case: Case, limit: LimitFacts) -> Check:
        """Compare the projected value with the share of equity; exactly, without dividing."""
        equity = case.snapshot.equity
        if case.notional is None:
            return breached_by(self.name, case.unknown)
        if equity is None or not equity.is_finite():
            return breached(self.name, "EQUITY_UNKNOWN")
        if equity <= 0:
            return breached(self.name, "EQUITY_NOT_POSITIVE", equity=equity)
        before = self._before(case)
        exposure = max(ZERO, before + case.notional)
        share, allowed = exposure / equity, equity * limit.value
        if exposure > allowed:
            facts: dict[str, Fact] = {
                "symbol": case.intent.instrument.symbol,
                "exposure": exposure,
                "equity": equity,
                "allowed": allowed,
                "limit": limit.value,
            }
            code = "CONCENTRATION_ABOVE_LIMIT"
            return Check(self.name, Verdict.BREACHED, share, limit.value, limit.version, limit.scope, ZERO, code, facts)
        is_near = exposure > 0 and exposure >= allowed * WARNS_FROM
        verdict = Verdict.WARNED if is_near else Verdict.PASSED
        share_before = max(ZERO, before) / equity if is_near else ZERO
        return Check(self.name, verdict, share, limit.value, limit.version, limit.scope, share_before)

    @staticmethod
    def _before(case: Case) -> Decimal:
        snapshot = case.snapshot
        if case.reference is None or snapshot.rate is None:
            return ZERO
        unit = case.reference * snapshot.rate
        if case.is_buy:
            return snapshot.holding * unit + snapshot.working_buy_value
        return (snapshot.working_sell - snapshot.holding) * unit
