"""Controls 16, 17, 22 and 23: whether the account may trade this at all, now."""

from __future__ import annotations

from typing import ClassVar

from risk.domain.case import ONE, Case, breached
from risk.domain.rules.base import Rule
from risk.domain.types import MODE_RANK, Check, Mode, Verdict
from trading_portal.kernel.errors import Fact, Reason
from trading_portal.kernel.money import is_multiple


class AccountOpen(Rule):
    """Take orders of open accounts only."""

    name: ClassVar[str] = "account_open"
    label: ClassVar[str] = "Account"
    passed: ClassVar[Check] = Check("account_open")

    def check(self, case: Case) -> Check:
        """Look at the account's status."""
        return self.passed if case.snapshot.is_account_open else breached(self.name, "ACCOUNT_CLOSED")


class Tradable(Rule):
    """Take orders in listed, unrestricted instruments only."""

    name: ClassVar[str] = "tradable"
    label: ClassVar[str] = "Tradable"
    passed: ClassVar[Check] = Check("tradable")

    def check(self, case: Case) -> Check:
        """Look at the instrument's flags."""
        instrument = case.intent.instrument
        if instrument.is_active and instrument.is_tradable:
            return self.passed
        return breached(self.name, "INSTRUMENT_NOT_TRADABLE", symbol=instrument.symbol)


class VenueAvailable(Rule):
    """Take nothing for a venue that does not answer: an order that waits for it would be sent by surprise."""

    name: ClassVar[str] = "venue_available"
    label: ClassVar[str] = "Venue"

    def check(self, case: Case) -> Check | None:
        """Look at what whoever places the order knows of its venue."""
        if case.intent.is_venue_available:
            return None
        return breached(self.name, "BROKER_UNAVAILABLE", venue=case.intent.venue)


class KillSwitchOff(Rule):
    """Take nothing, exits neither, while a switch is latched for the firm, the account, the symbol or the venue."""

    name: ClassVar[str] = "kill_switch"
    label: ClassVar[str] = "Kill switch"
    passed: ClassVar[Check] = Check("kill_switch")

    def check(self, case: Case) -> Check:
        """Look for a latched switch."""
        switches = case.snapshot.switches
        if not switches:
            return self.passed
        return breached(self.name, "KILL_SWITCH_ON", scope=switches[0].scope)


class TradingActive(Rule):
    """Take only exits in REDUCING and nothing in HALTED; the strictest scope decides."""

    name: ClassVar[str] = "trading_state"
    label: ClassVar[str] = "Trading state"
    passed: ClassVar[Check] = Check("trading_state")

    def check(self, case: Case) -> Check:
        """Look for the strictest state."""
        states = case.snapshot.states
        if not states:
            return self.passed
        strictest = max(states, key=lambda state: MODE_RANK[state.mode])
        if strictest.mode is Mode.HALTED:
            return breached(self.name, "TRADING_HALTED", scope=strictest.scope)
        if strictest.mode is Mode.REDUCING and not case.is_reducing:
            return breached(self.name, "TRADING_REDUCING", scope=strictest.scope)
        return self.passed


class ShortSale(Rule):
    """Sell only what is held and not yet on sale, unless the instrument and the account may be short.

    As Alpaca has it: whole units only, and never through zero. What is held is sold by an order of its own.
    """

    name: ClassVar[str] = "short_sale"
    label: ClassVar[str] = "Short sale"

    def check(self, case: Case) -> Check | None:
        """Compare a sell with what is free to deliver."""
        if case.is_buy:
            return None
        quantity, available = case.intent.quantity, case.available
        why = self._fault(case) if case.is_short_sale and not case.intent.is_decreasing else None
        if why is None:
            return Check(self.name, Verdict.PASSED, quantity, available)
        return Check(self.name, Verdict.BREACHED, quantity, available, code=why.code, facts=why.facts)

    @staticmethod
    def _fault(case: Case) -> Reason | None:
        instrument, snapshot, quantity = case.intent.instrument, case.snapshot, case.intent.quantity
        facts: dict[str, Fact] = {"quantity": quantity, "available": case.available, "symbol": instrument.symbol}
        if not case.may_short:
            return Reason("SHORT_NOT_ALLOWED", facts)
        if snapshot.holding > 0:
            return Reason("SHORT_THROUGH_ZERO", facts | {"held": snapshot.holding})
        return None if is_multiple(quantity, ONE) else Reason("SHORT_NOT_WHOLE", facts)


class ClosesOnly(Rule):
    """Hold an order that says it only closes a position to that."""

    name: ClassVar[str] = "closes_only"
    label: ClassVar[str] = "Closes only"

    def check(self, case: Case) -> Check | None:
        """Look whether the order can do anything else."""
        if not case.intent.closes_only:
            return None
        if case.is_reducing:
            return Check(self.name)
        facts: dict[str, Fact] = {"quantity": case.intent.quantity, "held": case.snapshot.holding}
        return breached(self.name, "NOT_CLOSING", symbol=case.intent.instrument.symbol, **facts)
