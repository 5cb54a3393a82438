"""Controls 18 and 19: whether the market takes orders, and whose orders this one would meet there."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from risk.domain.case import Case, breached, breached_by
from risk.domain.rules.base import Rule
from risk.domain.types import Check
from risk.domain.words import AUCTIONS, RESTING_TIMES, OrderType
from trading_portal.kernel.errors import Fact


class SessionOpen(Rule):
    """Out of session take only orders with a price that can wait; an unknown session takes none.

    An auction takes orders until shortly before it, and is what its orders wait for.
    """

    name: ClassVar[str] = "session"
    label: ClassVar[str] = "Session"
    passed: ClassVar[Check] = Check("session")

    def check(self, case: Case) -> Check:
        """Look at the calendar's answer."""
        if case.intent.time_in_force in AUCTIONS:
            return self._auction(case)
        if case.in_session:
            return self.passed
        can_wait = not case.is_market and case.intent.time_in_force in RESTING_TIMES
        if case.snapshot.is_open is False and can_wait:
            return self.passed
        session = "unknown" if case.snapshot.is_open is None else "closed"
        return breached(self.name, "MARKET_CLOSED", symbol=case.intent.instrument.symbol, session=session)

    def _auction(self, case: Case) -> Check:
        intent = case.intent
        if case.snapshot.is_open is not None and intent.is_on_time:
            return self.passed
        symbol = intent.instrument.symbol
        return breached(self.name, "AUCTION_CLOSED", symbol=symbol, time_in_force=intent.time_in_force)


class StopSide(Rule):
    """Take a stop only on the far side of the market: one on the near side would not wait for anything.

    A buy stop stands above the market, a sell stop below (as venues and Alpaca have it).
    """

    name: ClassVar[str] = "stop_side"
    label: ClassVar[str] = "Stop price"
    passed: ClassVar[Check] = Check("stop_side")

    def check(self, case: Case) -> Check | None:
        """Compare the stop with the reference price; a trailing stop keeps its distance by itself."""
        stop = case.trigger if case.intent.order_type == OrderType.TRAILING_STOP else case.intent.stop_price
        if stop is None:
            return None
        if case.reference is None:
            return breached_by(self.name, case.unknown)
        if stop > case.reference if case.is_buy else 0 < stop < case.reference:
            return self.passed
        facts: dict[str, Fact] = {"side": case.intent.side, "stop": stop, "reference": case.reference}
        return breached(self.name, "STOP_WRONG_SIDE", **facts)


class ExitStopSide(Rule):
    """Take an exit's stop only on the far side of the market, for an exit that works against the market as it stands.

    The exits of a limit order are held against its limit, where it was parsed.
    """

    name: ClassVar[str] = "exit_stop_side"
    label: ClassVar[str] = "Stop-loss price"
    passed: ClassVar[Check] = Check("exit_stop_side")

    def check(self, case: Case) -> Check | None:
        """Compare the stop with the reference price: a market order's exit trades the other way, an OCO's the same."""
        stop = case.intent.exit_stop
        if stop is None:
            return None
        if case.reference is None:
            return breached_by(self.name, case.unknown)
        buys = case.is_buy != case.is_market
        if stop > case.reference if buys else 0 < stop < case.reference:
            return self.passed
        facts: dict[str, Fact] = {"side": "buy" if buys else "sell", "stop": stop, "reference": case.reference}
        return breached(self.name, "STOP_WRONG_SIDE", **facts)


class NotHalted(Rule):
    """Take nothing in an instrument that is halted."""

    name: ClassVar[str] = "halt"
    label: ClassVar[str] = "Halt"
    passed: ClassVar[Check] = Check("halt")

    def check(self, case: Case) -> Check:
        """Look at the instrument's flag."""
        instrument = case.intent.instrument
        return (
            breached(self.name, "INSTRUMENT_HALTED", symbol=instrument.symbol) if instrument.is_halted else self.passed
        )


class NoSelfTrade(Rule):
    """Take no order that would trade with one of the account's own; it is named, so that it can be cancelled.

    A market order is taken to trade at the touch: an own order further away is not what it meets. A stop trades with
    nobody before its price is reached, so neither is it judged, nor are others judged by it.
    """

    name: ClassVar[str] = "self_trade"
    label: ClassVar[str] = "Self-trade"
    passed: ClassVar[Check] = Check("self_trade")

    def check(self, case: Case) -> Check:
        """Look for an own order on the other side, priced to meet this one."""
        others = case.snapshot.sells if case.is_buy else case.snapshot.buys
        if not others or case.is_dormant:
            return self.passed
        mine = self._aggressive(case.intent.limit_price, case, is_buy=case.is_buy)
        for other in others:
            theirs = self._aggressive(other.price, case, is_buy=not case.is_buy)
            bid, ask = (mine, theirs) if case.is_buy else (theirs, mine)
            if bid is None or ask is None or bid >= ask:
                price = other.price if other.price is not None else "market"
                return breached(self.name, "SELF_TRADE", order_id=other.order_id, price=price)
        return self.passed

    @staticmethod
    def _aggressive(price: Decimal | None, case: Case, *, is_buy: bool) -> Decimal | None:
        if price is not None:
            return price
        market = case.snapshot.price
        touch = None if market is None else (market.ask if is_buy else market.bid)
        return case.reference if touch is None else touch
