"""Write money down twice: the lines of one transaction sum to zero per currency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from positions.domain.holdings import fill_value
from positions.domain.types import Book, FillFact
from trading_portal.kernel.money import ZERO

TRADE = "trade"
FEE = "fee"
POSTING = "posting"
REVERSAL = "reversal"
FEE_REVERSAL = "fee_reversal"


@dataclass(frozen=True, slots=True)
class Line:
    """One amount on one book; on `cash`, positive is money the account has."""

    transaction_id: UUID
    account_id: UUID
    book: Book
    currency: str
    amount: Decimal
    reason: str
    reference_id: UUID | None
    valid_at: datetime


class CashState(msgspec.Struct, frozen=True):
    """Money of one currency; `opening_balance` was there when `day` began, `day_posted` was paid in (or out) since."""

    day: date
    balance: Decimal = ZERO
    opening_balance: Decimal = ZERO
    day_posted: Decimal = ZERO


def fill_cash(fill: FillFact) -> Decimal:
    """Return what a fill adds to the account's cash, its fee taken off."""
    return -fill_value(fill) * fill.side.sign - fill.fee


def fill_lines(fill: FillFact, *, transaction_id: UUID) -> list[Line]:
    """Return the lines of a fill: its value between cash and market, its fee between cash and fees."""
    value = fill_value(fill) * fill.side.sign
    lines = _pair(fill, transaction_id, Book.MARKET, value, TRADE)
    return lines + _pair(fill, transaction_id, Book.FEES, fill.fee, FEE) if fill.fee else lines


def reversal_lines(fill: FillFact, *, transaction_id: UUID) -> list[Line]:
    """Return the lines that take a fill out of the books again, its first lines staying as they are."""
    words = {TRADE: REVERSAL, FEE: FEE_REVERSAL}
    return [
        replace(line, amount=-line.amount, reason=words[line.reason])
        for line in fill_lines(fill, transaction_id=transaction_id)
    ]


def posting_lines(
    *, transaction_id: UUID, account_id: UUID, currency: str, amount: Decimal, reason: str, at: datetime
) -> list[Line]:
    """Return the lines of money paid in (amount > 0) or out, between cash and the world outside."""
    cash = Line(transaction_id, account_id, Book.CASH, currency, amount, reason, None, at)
    return [cash, replace(cash, book=Book.EXTERNAL, amount=-amount)]


def cash_roll(cash: CashState, *, day: date) -> CashState:
    """Return the cash as it stands on a day: the first look on a later day opens that day."""
    if day <= cash.day:
        return cash
    return CashState(day=day, balance=cash.balance, opening_balance=cash.balance)


def imbalances(lines: Iterable[Line]) -> dict[tuple[UUID, str], Decimal]:
    """Return what does not sum to zero, by transaction and currency; empty when the lines are sound."""
    sums: dict[tuple[UUID, str], Decimal] = {}
    for line in lines:
        key = (line.transaction_id, line.currency)
        sums[key] = sums.get(key, ZERO) + line.amount
    return {key: total for key, total in sums.items() if total != 0}


def _pair(fill: FillFact, transaction_id: UUID, book: Book, amount: Decimal, word: str) -> list[Line]:
    other = Line(transaction_id, fill.account_id, book, fill.currency, amount, word, fill.order_id, fill.executed_at)
    return [replace(other, book=Book.CASH, amount=-amount), other]
