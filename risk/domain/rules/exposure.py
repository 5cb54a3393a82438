"""Controls 6, 7 and 8: what an account may have at stake; an order that only reduces a position is let by."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from positions.domain.buying_power import short_reserve
from risk.domain.case import Case, breached, breached_by
from risk.domain.rules.base import WARNS_FROM, ExposureRule, LimitRule, Rule
from risk.domain.types import Check, LimitFacts, Verdict
from trading_portal.kernel.errors import Fact, Reason, reason
from trading_portal.kernel.money import ZERO


class BuyingPower(Rule):
    """Spend only free cash: exposure entered, not filled. Cash pays in full, fees included; nothing is borrowed.

    Shares sold short hold 150% of their worth (positions.domain.buying_power); a short sale brings in 100% itself,
    so that it needs the rest.
    """

    name: ClassVar[str] = "buying_power"
    label: ClassVar[str] = "Buying power"

    def check(self, case: Case) -> Check:
        """Compare what open orders, short positions and this order need with the cash of the instrument's currency."""
        if case.is_reducing:
            return Check(self.name, Verdict.EXEMPT)
        rate, margin = case.snapshot.rate, case.snapshot.margin
        if case.unit_cost is None or case.worst_price is None or rate is None:
            return breached_by(self.name, case.unknown)
        if margin is None:
            return breached(self.name, "MARGIN_UNKNOWN", currency=case.intent.instrument.currency)
        cash, reserved = case.snapshot.cash, case.snapshot.reserved + margin
        if case.is_buy:
            needed = case.intent.quantity * case.unit_cost * rate
        else:
            needed = short_reserve(case.short_quantity * case.worst_price) * rate
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


class ShortValue(ExposureRule):
    """Limit what an account has sold short, open short sells included; one for an instrument limits that alone."""

    name: ClassVar[str] = "short_value"
    label: ClassVar[str] = "Sold short"
    skips_exits: ClassVar[bool] = True
    code: ClassVar[str] = "SHORT_VALUE_ABOVE_LIMIT"

    def check(self, case: Case) -> Check | None:
        """Judge short sales only, where any are allowed."""
        return super().check(case) if case.is_short_sale and case.may_short else None

    def exposure(self, case: Case, limit: LimitFacts) -> Decimal | Reason:
        """Return the value sold short, with this order."""
        before = self._known(case, limit)
        if case.worst_price is None or case.snapshot.rate is None:
            return case.unknown
        if before is None:
            return reason("MARGIN_UNKNOWN", currency=case.intent.instrument.currency)
        return before + case.short_quantity * case.worst_price * case.snapshot.rate

    def before(self, case: Case, limit: LimitFacts) -> Decimal:
        """Return the same without this order."""
        return self._known(case, limit) or ZERO

    def facts(self, case: Case, value: Decimal, limit: LimitFacts) -> Mapping[str, Fact]:
        """Name the value and the limit."""
        return {"value": value, "limit": limit.value, "currency": case.intent.base_currency}

    @staticmethod
    def _known(case: Case, limit: LimitFacts) -> Decimal | None:
        return case.snapshot.short_value_here if limit.is_per_instrument else case.snapshot.short_value


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
