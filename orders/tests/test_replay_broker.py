"""The replay broker keeps the contract of every adapter, and says again what was recorded, in time and order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from orders.brokers.protocol import VenueCancel, VenueOrder, VenueReplace
from orders.brokers.replay.broker import ReplayBroker
from orders.brokers.replay.session import RecordedOrder, RecordedReport, Session, Trigger
from orders.domain.reports import ReportKind, VenueReport
from orders.domain.types import IntentKind
from orders.tests.broker_contract import BrokerContract
from orders.tests.venue_script import Ability
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

pytestmark = pytest.mark.django_db
TRADE, CANCEL, REPLACE = ReportKind.TRADE, IntentKind.CANCEL, IntentKind.REPLACE


class ReplayScript:
    """Write the recording as the contract goes: what the recorded venue did is what the contract expects of it."""

    symbol = "TEST"
    lacks = {
        Ability.MARKET: "it plays what was recorded, whatever the market",
        Ability.REPEAT: "a drop copy has each report once",
        **dict.fromkeys((Ability.CUT, Ability.LOSE_ANSWER, Ability.LOSE_MESSAGE), "a recording has no line"),
    }

    def __init__(self) -> None:
        self.venue, self.run = f"replay-{uuid7().hex[-12:]}", uuid7().hex[-12:]
        self.lines: list[RecordedOrder | RecordedReport] = []
        self.numbers: dict[UUID, int] = {}
        self.triggers: dict[UUID, Trigger] = {}
        self.trades: dict[UUID, str] = {}
        self.filled: dict[UUID, Decimal] = {}
        self.quantity: dict[UUID, Decimal] = {}
        self.refusing: list[str] = []
        self.early: list[tuple[str, str]] = []
        self.broker: ReplayBroker | None = None

    def adapter(self) -> ReplayBroker:
        self.broker = _Foreseen(self)
        return self.broker

    def add(self, line: RecordedOrder | RecordedReport) -> None:
        self.lines.append(line)
        if self.broker is not None:
            self.broker._session.add(line)

    def report(self, order_id: UUID, kind: str, trigger: Trigger | None = None, **more: Any) -> None:
        more = {"exec_id": str(uuid4()), **more}
        told = VenueReport(venue="was", kind=ReportKind(kind), order_id=uuid4(), executed_at=clock.now(), **more)
        trigger = trigger or self.triggers[order_id]
        self.add(RecordedReport(number=self.numbers[order_id], trigger=trigger, after=0.0, report=told))
        if self.broker is not None:
            self.broker.nudge()

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        self.trades[order.order_id] = exec_id = str(uuid4())
        self.filled[order.order_id] = self.filled.get(order.order_id, Decimal(0)) + Decimal(quantity)
        self.report(order.order_id, "trade", exec_id=exec_id, quantity=Decimal(quantity), price=Decimal(price))

    def cancel_unasked(self, order: VenueOrder) -> None:
        self.report(order.order_id, "canceled")

    def refuse_cancel(self) -> None:
        self.refusing.append("cancel")

    def refuse_replace(self) -> None:
        self.refusing.append("replace")

    def fill_early(self, quantity: str, price: str) -> None:
        self.early.append((quantity, price))

    def bust(self, order: VenueOrder) -> None:
        self.report(order.order_id, "trade_cancel", ref_exec_id=self.trades[order.order_id])

    def correct(self, order: VenueOrder, quantity: str, price: str) -> None:
        ref = self.trades[order.order_id]
        self.report(order.order_id, "trade_correct", ref_exec_id=ref, quantity=Decimal(quantity), price=Decimal(price))

    # What the recorded venue did with each message

    def submitted(self, order: VenueOrder) -> None:
        if order.order_id in self.numbers:
            return
        number = self.numbers[order.order_id] = len(self.numbers) + 1
        self.triggers[order.order_id], self.quantity[order.order_id] = Trigger(), order.quantity
        fields = {name: getattr(order, name) for name in RecordedOrder.__struct_fields__ if hasattr(order, name)}
        self.add(RecordedOrder(number=number, **fields))
        for quantity, price in self.early:
            self.fill(order, quantity, price)
        self.early.clear()
        is_known = order.symbol == self.symbol
        self.report(order.order_id, "new" if is_known else "rejected", reason="" if is_known else "UNKNOWN_SYMBOL")

    def canceling(self, order_id: UUID) -> None:
        count = self.triggers.get(order_id, Trigger()).nth if self.triggers.get(order_id) == Trigger(CANCEL) else 0
        if order_id not in self.numbers or count:
            return
        trigger = self.triggers[order_id] = Trigger(CANCEL, 1)
        is_over = self.filled.get(order_id, 0) >= self.quantity[order_id]
        is_refused = "cancel" in self.refusing or is_over
        self.refusing.clear()
        self.report(order_id, "cancel_rejected" if is_refused else "canceled", trigger)

    def replacing(self, asked: VenueReplace) -> None:
        order_id = asked.order_id
        if order_id not in self.numbers or str(asked.request_id) in self.trades.values():
            return
        done = [line for line in self.lines if isinstance(line, RecordedReport) and line.trigger.kind is REPLACE]
        mine = {line.trigger for line in done if line.number == self.numbers[order_id]}
        trigger = self.triggers[order_id] = Trigger(REPLACE, len(mine) + 1)
        if "replace" in self.refusing or self.filled.get(order_id, 0) >= self.quantity[order_id]:
            self.refusing.clear()
            self.report(order_id, "replace_rejected", trigger)
            return
        self.quantity[order_id] = asked.quantity
        self.report(order_id, "replaced", trigger, quantity=asked.quantity, price=asked.limit_price)


class _Foreseen(ReplayBroker):
    """A replay broker whose recording is written just before it is needed."""

    def __init__(self, script: ReplayScript) -> None:
        super().__init__(script.venue, lambda: Session(script.lines), script.run)
        self._script = script
        self._asked: set[UUID] = set()

    async def submit(self, orders: Sequence[VenueOrder]) -> None:
        for order in orders:
            self._script.submitted(order)
        await super().submit(orders)

    async def cancel(self, cancels: Sequence[VenueCancel]) -> None:
        for cancel in cancels:
            self._script.canceling(cancel.order_id)
        await super().cancel(cancels)

    async def replace(self, replaces: Sequence[VenueReplace]) -> None:
        for asked in replaces:
            if asked.request_id not in self._asked:
                self._asked.add(asked.request_id)
                self._script.replacing(asked)
        await super().replace(replaces)


class TestReplayContract(BrokerContract):
    @pytest.fixture
    def driver(self) -> Iterator[ReplayScript]:
        return ReplayScript()
