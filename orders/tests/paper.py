"""A paper venue for tests: its market is shown by the test, its tables are the real ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from marketdata.domain.types import PriceUpdate, Session
from orders.brokers.paper.broker import PaperBroker, _Question
from orders.brokers.paper.floor import Floor
from orders.brokers.paper.market import Listing
from orders.brokers.paper.profile import Faults, PaperProfile
from orders.brokers.paper.wire import Wire
from orders.brokers.paper.working import Turn, Working
from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.domain.reports import ReportKind
from orders.models import PaperOrder, PaperReport
from orders.tests.venue_script import SECONDS, Ability, Levels
from positions.domain.types import Side
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7
from trading_portal.kernel.money import ZERO

AT_ONCE = PaperProfile(latency=0, resting=0)


def price(symbol: str, *, bids: Levels, asks: Levels, is_open: bool = True, at: datetime | None = None) -> PriceUpdate:
    """Return a price update that displays these levels."""
    at = at or clock.now()
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    return PriceUpdate(
        symbol=symbol,
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=Decimal(bid_size),
        ask_size=Decimal(ask_size),
        last=Decimal(ask),
        last_size=Decimal(1),
        executed_at=at,
        received_at=at,
        is_synthetic=False,
        is_open=is_open,
        bids=[(Decimal(p), Decimal(s)) for p, s in bids],
        asks=[(Decimal(p), Decimal(s)) for p, s in asks],
    )


class ShownMarket:
    """Answer with what a test has shown last, as fresh as now."""

    def __init__(self, day_ends_at: datetime | None = None) -> None:
        self.prices: dict[str, PriceUpdate] = {}
        self.ends_at = day_ends_at
        self.symbols = {"TEST"}
        self.listing: Listing | None = None
        self.is_halted = False

    def quotes(self, symbols: Collection[str]) -> Mapping[str, PriceUpdate]:
        return {symbol: self.prices[symbol] for symbol in symbols if symbol in self.prices}

    def listings(self, symbols: Collection[str], at: datetime) -> Mapping[str, Listing]:
        if self.listing:
            listing = self.listing
        else:
            listing = Listing(Session(is_open=True, opens_at=None, closes_at=self.ends_at, next_open_at=self.ends_at))
        return {symbol: replace(listing, is_halted=self.is_halted) for symbol in symbols if symbol in self.symbols}


class ScriptedBroker(PaperBroker):
    """A paper venue that a test makes act, on the venue's own thread and through its own tables."""

    scenario = ""  # what the next order, cancel or replace finds
    faults = Faults()  # what goes wrong while the next order is sent

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        scenario, self.scenario = self.scenario, ""
        faults, self.faults = self.faults, Faults()
        sound = self._profile, self._wire
        if faults != Faults():
            self._profile, self._wire = replace(self._profile, faults=faults), Wire(faults)
        await super().submit([msgspec.structs.replace(each, scenario=scenario) for each in orders])
        if faults != Faults():
            await self._ask(lambda: None)
            self._profile, self._wire = sound

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        self._assign([each.order_id for each in cancels])
        await super().cancel(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        self._assign([each.order_id for each in replaces])
        await super().replace(replaces)

    def _assign(self, order_ids: Sequence[UUID]) -> None:
        if self.scenario:
            for order_id in order_ids:
                self._engine._floor.open[order_id].scenario = self.scenario
            self.scenario = ""

    def act(self, do: Callable[[Floor, datetime], None]) -> None:
        """Have something done in a turn of its own: stored, then reported."""

        def turn() -> None:
            floor = self._engine._floor
            floor.turn = Turn()
            do(floor, clock.now())
            self._store.write(floor.turn)
            self._report(floor.turn.reports + floor.turn.repeated)

        question = _Question(turn, Future())
        self._send([question])
        question.answer.result(SECONDS)


class PaperDriver:
    """Drive paper brokers of one fresh venue."""

    symbol = "TEST"
    lacks = {Ability.CUT: "it runs in the process that speaks to it"}

    def __init__(self, profile: PaperProfile = AT_ONCE, day_ends_at: datetime | None = None) -> None:
        self.venue = f"paper-{uuid7().hex[-12:]}"
        self.profile = profile
        self.market = ShownMarket(day_ends_at)
        self.broker: ScriptedBroker | None = None

    def adapter(self) -> ScriptedBroker:
        self.broker = ScriptedBroker(self.venue, self.profile, self.market)
        return self.broker

    def show(self, *, bids: Levels, asks: Levels, is_open: bool = True) -> None:
        update = price(self.symbol, bids=bids, asks=asks, is_open=is_open)
        self.market.prices[self.symbol] = update
        if self.broker:
            self.broker.tap.keep([update])

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        """Show just what one resting order may take, and wait until it has; one that has ended trades all the same."""
        if PaperOrder.objects.filter(order_id=order.order_id, state="canceled").exists():
            self._act(order, lambda floor, working, at: _fill(floor, working, Decimal(quantity), Decimal(price), at))
            return
        trades = PaperReport.objects.filter(order_id=order.order_id, kind="trade")
        before, deadline = trades.count(), time.monotonic() + SECONDS
        far = "1" if order.side is Side.BUY else "1000000"
        level, other = [(price, quantity)], [(far, "1")]
        bids, asks = (other, level) if order.side is Side.BUY else (level, other)
        self.show(bids=bids, asks=asks)
        while trades.count() == before:
            assert time.monotonic() < deadline, "the paper venue did not trade"
            time.sleep(0.002)

    def cancel_unasked(self, order: VenueOrder) -> None:
        self._act(order, lambda floor, working, at: floor.end(working, ReportKind.CANCELED, "VENUE", at))

    def refuse_cancel(self) -> None:
        self._scripted().scenario = "cancel_reject"

    def refuse_replace(self) -> None:
        self._scripted().scenario = "replace_reject"

    def fill_early(self, quantity: str, price: str) -> None:
        self._scripted().scenario = "fill_first"

    def lose_answer(self) -> None:
        self._scripted().faults = Faults(drop=1)

    def lose_message(self) -> None:
        self._scripted().faults = Faults(lose=1)

    def bust(self, order: VenueOrder) -> None:
        self._act(order, lambda floor, working, at: _restate(floor, working, ReportKind.TRADE_CANCEL, ZERO, None, at))

    def correct(self, order: VenueOrder, quantity: str, price: str) -> None:
        kind, new = ReportKind.TRADE_CORRECT, (Decimal(quantity), Decimal(price))
        self._act(order, lambda floor, working, at: _restate(floor, working, kind, *new, at))

    def repeat(self, order: VenueOrder) -> None:
        def again(floor: Floor, working: Working, at: datetime) -> None:
            floor.turn.repeated.append(floor.store.reports_of([order.order_id])[-1])

        self._act(order, again)

    def _scripted(self) -> ScriptedBroker:
        assert self.broker
        return self.broker

    def _act(self, order: VenueOrder, do: Callable[[Floor, Working, datetime], None]) -> None:
        def find_and_do(floor: Floor, at: datetime) -> None:
            order_id = order.order_id
            do(floor, floor.open.get(order_id) or floor.store.orders([order_id])[order_id], at)

        self._scripted().act(find_and_do)


def _fill(floor: Floor, working: Working, quantity: Decimal, price: Decimal, at: datetime) -> None:
    working.order.take(quantity)
    floor.turn.changed[working.order.order_id] = working
    floor.report_trade(working, quantity, price, at)


def _restate(
    floor: Floor, working: Working, kind: ReportKind, quantity: Decimal, price: Decimal | None, at: datetime
) -> None:
    """Put other figures in the place of the last trade's; none takes it back."""
    order_id = working.order.order_id
    trade = [report for report in floor.store.reports_of([order_id]) if report.kind is ReportKind.TRADE][-1]
    working.order.take(quantity - (trade.quantity or ZERO))
    floor.turn.changed[order_id] = working
    said = (quantity, price) if price else (trade.quantity, trade.price)
    floor.report(order_id, kind, at, quantity=said[0], price=said[1], ref_exec_id=trade.exec_id)
