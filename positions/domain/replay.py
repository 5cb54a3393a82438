"""Rebuild one account's money and holdings from what the log tells, by the rules that positions.services books by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from positions.domain.days import day_of
from positions.domain.holdings import HoldingState, fill_apply, fills_folded
from positions.domain.ledger import CashState, cash_roll, fill_cash
from positions.domain.types import FillFact


@dataclass(slots=True)
class BooksReplay:
    """Money by currency and holdings by instrument, as the events so far leave them; `at` is when one was recorded."""

    cash: dict[str, CashState] = field(default_factory=dict)
    holdings: dict[UUID, HoldingState] = field(default_factory=dict)
    changed_at: dict[UUID, datetime] = field(default_factory=dict)

    def post(self, currency: str, amount: Decimal, *, at: datetime) -> None:
        """Pay money in (amount > 0) or out."""
        cash = self._cash(currency, at)
        self.cash[currency] = replace(cash, balance=cash.balance + amount, day_posted=cash.day_posted + amount)

    def trade(self, fill: FillFact, *, at: datetime) -> None:
        """Book a fill; raise Unbookable for one that no column can hold."""
        key, day = fill.instrument_id, day_of(at)
        holding = self.holdings.get(key) or HoldingState(day=day, opened_at=at)
        self.holdings[key], _ = fill_apply(holding, fill, day=day)
        self.changed_at[key] = at
        self._add(fill, 1, at)

    def restate(self, removed: FillFact, added: FillFact | None, *, at: datetime) -> None:
        """Take a fill's money back, and book its correction's; the holding is for `refold` to say."""
        self._add(removed, -1, at)
        if added is not None:
            self._add(added, 1, at)

    def refold(self, instrument_id: UUID, live: Iterable[FillFact], *, at: datetime) -> None:
        """Make a holding what the fills that now stand make it, given in the order they were traded."""
        self.holdings[instrument_id] = fills_folded(live, at=at)
        self.changed_at[instrument_id] = at

    def _cash(self, currency: str, at: datetime) -> CashState:
        day = day_of(at)
        return cash_roll(self.cash.get(currency) or CashState(day=day), day=day)

    def _add(self, fill: FillFact, sign: int, at: datetime) -> None:
        cash = self._cash(fill.currency, at)
        self.cash[fill.currency] = replace(cash, balance=cash.balance + fill_cash(fill) * sign)
