"""Play the scenarios that senders ask a paper venue for, act by act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from orders.brokers.paper.floor import Alarm, Floor
from orders.brokers.paper.profile import ONE
from orders.brokers.paper.working import OPEN, REPORTED_ENDED, Pause, Working
from orders.domain.reports import ReportKind, Restatement, VenueReport
from orders.domain.scenarios import SCENARIOS, Act, Scenario
from orders.domain.types import TimeInForce
from positions.domain.types import Side
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

WHY = "SCENARIO"
_CORRECTION = Decimal("0.99")
_CENT = Decimal("0.01")


class Stage:
    """Do to an order what its scenario says; everything passes through the floor, and is stored and reported there."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._acts: Mapping[Act, Callable[[Working, datetime], None]] = {
            Act.ACKNOWLEDGE: self._acknowledge,
            Act.REJECT: self._reject,
            Act.FILL: self._fill,
            Act.FILL_HALF: self._fill_half,
            Act.FILL_TOO_MUCH: self._fill_too_much,
            Act.FILL_LATE: self._fill_late,
            Act.BUST: self._bust,
            Act.CORRECT: self._correct,
            Act.CANCEL: self._cancel,
            Act.EXPIRE: self._expire,
            Act.STOP: self._stop,
            Act.SUSPEND: self._suspend,
            Act.RELEASE: self._release,
            Act.END_DAY: self._end_day,
            Act.RENEW: self._renew,
            Act.CALCULATE: self._calculate,
            Act.STRAY: self._stray,
            Act.WORK: self._work,
        }

    def begin(self, working: Working, at: datetime) -> None:
        """Begin an order's scenario; until it says `work` the order meets nobody."""
        working.pause = Pause.SCRIPTED
        self._floor.enter(working)
        self.go_on(working, at)

    def go_on(self, working: Working, at: datetime) -> None:
        """Do the next acts of an order's scenario, and set the alarm for those after."""
        script = SCENARIOS[working.scenario].acts
        acts = script[working.step]
        working.step += 1
        is_over = working.step == len(script)
        working.step_at = None if is_over else at + timedelta(seconds=self._floor.profile.scenario_seconds)
        self._floor.turn.restated[working.order.order_id] = working
        for act in acts:
            if working.state == OPEN:
                self._acts[act](working, at)
        if working.state != OPEN:
            return
        self._floor.alarm(working, working.step_at, Alarm.STEP)
        if is_over:
            self._rest(working, at)

    def refuses(self, working: Working, answer: ReportKind) -> bool:
        """Tell whether the scenario still refuses a request to cancel or replace."""
        scenario = SCENARIOS.get(working.scenario)
        if scenario is None:
            return False
        times = scenario.refused_cancels if answer is ReportKind.CANCEL_REJECTED else scenario.refused_replaces
        return times > sum(report.kind is answer for report in self._past(working)) if times else False

    def cancel(self, working: Working, at: datetime) -> None:
        """Cancel an order as its owner asks; one that is to be filled late stays until it was."""
        scenario = SCENARIOS.get(working.scenario)
        if scenario and _comes(scenario, working.step, Act.FILL_LATE):
            self._floor.pause(working, Pause.CANCELED)
            self._floor.report(working.order.order_id, ReportKind.CANCELED, at)
        else:
            self._floor.end(working, ReportKind.CANCELED, "", at)

    def _rest(self, working: Working, at: datetime) -> None:
        """Leave an order whose scenario is over: ended as reported, or open until somebody ends it."""
        if working.pause in REPORTED_ENDED:
            self._floor.finish(working, working.pause.value)
        elif working.pause is Pause.SCRIPTED and working.order.is_immediate:
            self._floor.end(working, ReportKind.CANCELED, WHY, at)

    def _past(self, working: Working) -> list[VenueReport]:
        order_id = working.order.order_id
        made = [report for report in self._floor.turn.reports if report.order_id == order_id]
        return [*self._floor.store.reports_of([order_id]), *made]

    def _acknowledge(self, working: Working, at: datetime) -> None:
        self._floor.report(working.order.order_id, ReportKind.NEW, at)

    def _reject(self, working: Working, at: datetime) -> None:
        self._floor.end(working, ReportKind.REJECTED, WHY, at)

    def _fill(self, working: Working, at: datetime) -> None:
        self._trade(working, working.order.leaves, at)

    def _fill_half(self, working: Working, at: datetime) -> None:
        self._trade(working, self._half(working), at)

    def _fill_too_much(self, working: Working, at: datetime) -> None:
        self._trade(working, working.order.quantity + max(self._half(working), self._lot(working)), at)

    def _fill_late(self, working: Working, at: datetime) -> None:
        if working.pause is Pause.CANCELED:
            self._trade(working, working.order.leaves, at)

    def _half(self, working: Working) -> Decimal:
        """Return half of an order, in whole lots."""
        lot = self._lot(working)
        return (working.order.quantity / 2 / lot).to_integral_value(ROUND_DOWN) * lot

    def _lot(self, working: Working) -> Decimal:
        listing = self._floor.listings.get(working.order.symbol)
        return listing.lot if listing else ONE

    def _trade(self, working: Working, quantity: Decimal, at: datetime) -> None:
        """Fill an order without the book: at the market where its limit allows, else at its limit."""
        price = self._price(working)
        if price is None or quantity <= ZERO:
            return
        order = working.order
        order.take(quantity)
        self._floor.report_trade(working, quantity, price, at)
        if order.leaves <= ZERO and working.pause is not Pause.CANCELED:
            working.pause = Pause.FILLED

    def _price(self, working: Working) -> Decimal | None:
        order = working.order
        best = self._floor.book(order.symbol).best(Side.SELL if order.side is Side.BUY else Side.BUY)
        if best is not None and order.accepts(best):
            return best
        known = self._floor.prices.get(order.symbol)
        return order.limit_price or order.stop_price or (known.last if known else None)

    def _traded(self, working: Working) -> VenueReport | None:
        trades = [report for report in self._past(working) if report.kind is ReportKind.TRADE]
        return trades[-1] if trades else None

    def _bust(self, working: Working, at: datetime) -> None:
        """Take the last trade back; what it filled is open again."""
        trade = self._traded(working)
        if trade is None or trade.quantity is None:
            return
        working.order.filled -= trade.quantity
        working.pause = Pause.SCRIPTED
        self._floor.report(
            working.order.order_id, ReportKind.TRADE_CANCEL, at,
            quantity=trade.quantity, price=trade.price, ref_exec_id=trade.exec_id, reason=WHY,
        )  # fmt: skip

    def _correct(self, working: Working, at: datetime) -> None:
        """Correct the last trade's price by a hundredth, in the order's favour."""
        trade = self._traded(working)
        if trade is None or trade.price is None or trade.quantity is None:
            return
        is_buy = working.order.side is Side.BUY
        price = (trade.price * _CORRECTION if is_buy else trade.price / _CORRECTION).quantize(_CENT)
        self._floor.report(
            working.order.order_id, ReportKind.TRADE_CORRECT, at,
            quantity=trade.quantity, price=price or trade.price, ref_exec_id=trade.exec_id, reason=WHY,
            fee=self._floor.profile.fee(quantity=trade.quantity, price=price or trade.price),
        )  # fmt: skip

    def _cancel(self, working: Working, at: datetime) -> None:
        if working.pause is not Pause.CANCELED:
            working.pause = Pause.CANCELED
            self._floor.report(working.order.order_id, ReportKind.CANCELED, at, reason=WHY)

    def _expire(self, working: Working, at: datetime) -> None:
        self._floor.end(working, ReportKind.EXPIRED, WHY, at)

    def _stop(self, working: Working, at: datetime) -> None:
        self._floor.report(working.order.order_id, ReportKind.STOPPED, at, reason=WHY)

    def _suspend(self, working: Working, at: datetime) -> None:
        if working.pause is Pause.SCRIPTED:
            working.pause = Pause.SUSPENDED
            self._floor.report(working.order.order_id, ReportKind.SUSPENDED, at, reason=WHY)

    def _release(self, working: Working, at: datetime) -> None:
        self._restate(working, Pause.SUSPENDED, Restatement.RELEASE, at)

    def _end_day(self, working: Working, at: datetime) -> None:
        """End the day; an order that is good for longer comes back."""
        if working.order.time_in_force is not TimeInForce.GTC:
            self._floor.finish(working, "done")
            self._floor.report(working.order.order_id, ReportKind.DONE_FOR_DAY, at, reason=WHY)
        elif working.pause is Pause.SCRIPTED:
            working.pause = Pause.DONE_FOR_DAY
            self._floor.report(working.order.order_id, ReportKind.DONE_FOR_DAY, at, reason=WHY)

    def _renew(self, working: Working, at: datetime) -> None:
        self._restate(working, Pause.DONE_FOR_DAY, Restatement.RENEWAL, at)

    def _restate(self, working: Working, was: Pause, restatement: Restatement, at: datetime) -> None:
        if working.pause is was:
            working.pause = Pause.SCRIPTED
            self._floor.report(working.order.order_id, ReportKind.RESTATED, at, restatement=restatement, reason=WHY)

    def _calculate(self, working: Working, at: datetime) -> None:
        self._floor.report(working.order.order_id, ReportKind.CALCULATED, at, reason=WHY)

    def _stray(self, working: Working, at: datetime) -> None:
        """Report something about an order that nobody has."""
        self._floor.report(uuid7(), ReportKind.CANCELED, at, reason=WHY)

    def _work(self, working: Working, at: datetime) -> None:
        if working.pause is Pause.SCRIPTED:
            self._floor.resume(working, at)


def _comes(scenario: Scenario, step: int, act: Act) -> bool:
    return any(act in acts for acts in scenario.acts[step:])
