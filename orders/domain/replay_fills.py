"""Rebuild fills, and the money and holdings that they make: trades, busts, corrections and splits."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from audit.domain.types import LoggedEvent
from orders.domain import events as told
from orders.domain.ratios import shares_after
from orders.domain.rebuilt import CHANGES_SINCE, RebuiltFill, RebuiltOrder, Unreplayable
from positions.domain.replay import BooksReplay
from positions.domain.types import FillFact
from trading_portal.kernel.money import ZERO, multiply


class FillsReplay:
    """One account's fills and books, as the events so far leave them."""

    def __init__(self, account_id: UUID) -> None:
        self.books = BooksReplay()
        self._account_id = account_id
        self._fills: dict[str, RebuiltFill] = {}
        self._standing: dict[UUID, list[RebuiltFill]] = {}
        self._to_refold: dict[UUID, datetime] = {}
        self._refold_xid = 0

    @property
    def untold(self) -> bool:
        """Tell whether events of an older version left something of a fill out."""
        return any(fill.untold for fill in self._fills.values())

    def begin(self, xid: int) -> None:
        """Close the books of the transaction before: busts and corrections fold a holding anew once it is over."""
        if self._to_refold and xid != self._refold_xid:
            self.settle()

    def settle(self) -> None:
        """Fold the holdings anew that the last transaction's busts and corrections touched."""
        for instrument_id, at in self._to_refold.items():
            standing = [fill for fill in self._standing.get(instrument_id, ()) if fill.is_live]
            standing.sort(key=lambda fill: fill.place)
            self._standing[instrument_id] = standing
            self.books.refold(instrument_id, [fill.fact for fill in standing], at=at)
        self._to_refold.clear()

    def trade(self, order: RebuiltOrder, said: told.OrderExecuted, event: LoggedEvent) -> None:
        """Book a trade."""
        quantity = Decimal(said.fill_quantity)
        fact = self._fact(order, said, Decimal(said.fill_price), quantity, Decimal(said.fee), event.valid_at)
        fill = RebuiltFill(fact, said.venue, said.exec_id, "trade", quantity, event.recorded_at, event.valid_at)
        self._keep(order, fill, said.execution_id)
        self.books.trade(fact, at=event.recorded_at)

    def bust(self, order: RebuiltOrder, said: told.OrderBusted, event: LoggedEvent) -> None:
        """Take a fill back."""
        ref = self._referred(said)
        fact = replace(ref.fact, execution_id=UUID(said.execution_id))
        fill = self._second(fact, said, "trade_cancel", Decimal(said.was_quantity), ref, event)
        fill.is_live = False
        self._keep(order, fill, said.execution_id)
        self._take_back(order, ref, None, event)

    def correct(self, order: RebuiltOrder, said: told.OrderCorrected, event: LoggedEvent) -> None:
        """Give a fill another quantity or price."""
        ref = self._referred(said)
        counted = Decimal(said.fill_quantity)
        quantity = counted if said.traded_quantity is None else Decimal(said.traded_quantity)
        price = Decimal(said.fill_price if said.traded_price is None else said.traded_price)
        at = (ref.trade or ref).executed_at
        fact = self._fact(order, said, price, quantity, Decimal(said.fee), at)
        fill = self._second(fact, said, "trade_correct", counted, ref, event)
        if event.version < CHANGES_SINCE:
            fill.untold = frozenset(("fee",))
        self._keep(order, fill, said.execution_id)
        self._take_back(order, ref, fact, event)

    def _fact(
        self, order: RebuiltOrder, said: Any, price: Decimal, quantity: Decimal, fee: Decimal, executed_at: datetime
    ) -> FillFact:
        return FillFact(
            UUID(said.execution_id),
            order.id,
            self._account_id,
            order.instrument.id,
            order.side,
            quantity,
            price,
            fee,
            said.currency,
            executed_at,
        )

    def _second(
        self,
        fact: FillFact,
        said: told.OrderRestatedFill,
        kind: str,
        counted: Decimal,
        ref: RebuiltFill,
        event: LoggedEvent,
    ) -> RebuiltFill:
        return RebuiltFill(
            fact, said.venue, said.exec_id, kind, counted, event.recorded_at, event.valid_at,
            ref=ref, trade=ref.trade or ref,
        )  # fmt: skip

    def _referred(self, said: told.OrderRestatedFill) -> RebuiltFill:
        ref = self._fills.get(said.ref_execution_id)
        if ref is None or not ref.is_live:
            raise Unreplayable(f"execution {said.execution_id} speaks of {said.ref_execution_id}, which does not stand")
        return ref

    def _keep(self, order: RebuiltOrder, fill: RebuiltFill, execution_id: str) -> None:
        """Count a fill that stands in its order, and among those that its holding is made of."""
        self._fills[execution_id] = fill
        order.fills.append(fill)
        if fill.is_live:
            fact = fill.fact
            order.filled_quantity += fill.counted
            order.filled_value += multiply(fact.quantity, fact.price)
            self._standing.setdefault(fact.instrument_id, []).append(fill)

    def _take_back(self, order: RebuiltOrder, ref: RebuiltFill, added: FillFact | None, event: LoggedEvent) -> None:
        ref.is_live = False
        order.filled_quantity -= ref.counted
        order.filled_value -= multiply(ref.fact.quantity, ref.fact.price)
        self.books.restate(ref.fact, added, at=event.recorded_at)
        self._to_refold[ref.fact.instrument_id] = event.recorded_at
        self._refold_xid = event.xid


def fills_split(order: RebuiltOrder, ratio: Decimal) -> None:
    """Count an order's live fills by a split; their sum is the order's."""
    live = sorted((fill for fill in order.fills if fill.is_live), key=lambda fill: fill.fact.execution_id)
    for fill, counted in zip(live, shares_after([fill.counted for fill in live], ratio), strict=True):
        fill.counted = counted
    order.filled_quantity = sum((fill.counted for fill in live), ZERO)
