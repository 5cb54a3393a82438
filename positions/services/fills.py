"""Book what venues executed: ledger lines, cash and holdings, in the execution's own transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from accounts.domain.types import LockedAccounts
from positions.domain.days import day_of
from positions.domain.errors import Unbookable
from positions.domain.holdings import HoldingState, fill_apply, fills_folded
from positions.domain.ledger import fill_cash, fill_lines, reversal_lines
from positions.domain.types import FillFact, FillOutcome
from positions.services.books import Books, books_read, books_write
from trading_portal.kernel.money import STORED_LIMIT


@dataclass(frozen=True, slots=True)
class FillRestatement:
    """A venue took a fill back (a bust), or back and anew (a correction).

    `transaction_id` is the id of the busting or correcting execution, which keeps a repeat out of the ledger.
    """

    transaction_id: UUID
    removed: FillFact
    added: FillFact | None


def fills_apply(*, fills: Sequence[FillFact], locked: LockedAccounts, at: datetime) -> list[FillOutcome]:
    """Book fills in their order and return what each left behind; they are never refused for want of cash or shares.

    Raise Unbookable, before anything is written, for a fill that no column can hold; it names the execution.
    """
    if not fills:
        return []
    books = _read(fills, locked, at)
    outcomes = [_apply(books, fill, locked) for fill in fills]
    _write(books, fills)
    return outcomes


def fills_restate(
    *, restatements: Sequence[FillRestatement], live: Sequence[FillFact], locked: LockedAccounts, at: datetime
) -> list[FillOutcome]:
    """Take fills out of the books, book their corrections, and fold the holdings they touched anew.

    `live` names every fill that now stands of each (account, instrument) touched, corrections among them, in the
    order they were booked. An outcome's realised_pnl is the change of its holding's; it names the removed execution.
    """
    if not restatements:
        return []
    touched = [fill for each in restatements for fill in (each.removed, each.added) if fill]
    books = _read(touched, locked, at)
    before = {key: books.holding(key).realised_pnl for key in _holding_keys(touched)}
    books.holdings = _folded(live, touched, books)
    outcomes = []
    for each in restatements:
        _restate(books, each)
        fill = each.removed
        holding = books.holdings[(fill.account_id, fill.instrument_id)]
        # Several restatements of one holding share one change: the first of them tells it.
        change = holding.realised_pnl - before[(fill.account_id, fill.instrument_id)]
        before[(fill.account_id, fill.instrument_id)] = holding.realised_pnl
        cash = books.cash[(fill.account_id, fill.currency)].balance
        outcomes.append(
            FillOutcome(fill.execution_id, holding.quantity, holding.average_cost, change, cash, fill.currency)
        )
    _write(books, touched)
    return outcomes


def _holding_keys(fills: Sequence[FillFact]) -> Collection[tuple[UUID, UUID]]:
    return dict.fromkeys((fill.account_id, fill.instrument_id) for fill in fills)


def _cash_keys(fills: Sequence[FillFact]) -> Collection[tuple[UUID, str]]:
    return dict.fromkeys((fill.account_id, fill.currency) for fill in fills)


def _read(fills: Sequence[FillFact], locked: LockedAccounts, at: datetime) -> Books:
    for fill in fills:
        # Raises NotFound: booking on an account whose lock is not held would lose money to a race.
        locked[fill.account_id]
    return books_read(holdings=_holding_keys(fills), cash=_cash_keys(fills), at=at)


def _write(books: Books, fills: Sequence[FillFact]) -> None:
    books_write(books, holdings=_holding_keys(fills), cash=_cash_keys(fills))


def _apply(books: Books, fill: FillFact, locked: LockedAccounts) -> FillOutcome:
    key = (fill.account_id, fill.instrument_id)
    holding, realised = fill_apply(books.holding(key), fill, day=day_of(books.at))
    books.holdings[key] = holding
    books.lines += fill_lines(fill, transaction_id=fill.execution_id)
    cash = _cash_add(books, fill, sign=1)
    return FillOutcome(fill.execution_id, holding.quantity, holding.average_cost, realised, cash, fill.currency)


def _restate(books: Books, each: FillRestatement) -> None:
    books.lines += reversal_lines(each.removed, transaction_id=each.transaction_id)
    _cash_add(books, each.removed, sign=-1)
    if each.added:
        books.lines += fill_lines(each.added, transaction_id=each.added.execution_id)
        _cash_add(books, each.added, sign=1)


def _cash_add(books: Books, fill: FillFact, *, sign: int) -> Decimal:
    key = (fill.account_id, fill.currency)
    balance = books.cash[key].balance + fill_cash(fill) * sign
    if abs(balance) >= STORED_LIMIT:
        raise Unbookable(fill.execution_id, "the balance would be too large")
    books.cash[key] = replace(books.cash[key], balance=balance)
    return balance


def _folded(
    live: Sequence[FillFact], touched: Sequence[FillFact], books: Books
) -> dict[tuple[UUID, UUID], HoldingState]:
    """Fold every fill that stands from nothing, for each holding touched."""
    standing: dict[tuple[UUID, UUID], list[FillFact]] = {}
    for fill in live:
        standing.setdefault((fill.account_id, fill.instrument_id), []).append(fill)
    return {key: fills_folded(standing.get(key, ()), at=books.at) for key in _holding_keys(touched)}
