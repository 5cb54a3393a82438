"""Read and write the rows that a batch of bookings touches: two round trips, however large the batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from positions.domain.days import day_of
from positions.domain.holdings import HoldingState
from positions.domain.ledger import CashState, Line, cash_roll
from trading_portal.kernel.ids import uuid7

HoldingKey = tuple[UUID, UUID]
CashKey = tuple[UUID, str]

_HOLDINGS = """
SELECT account_id, instrument_id, day, opened_at, quantity, cost, average_cost, realised_pnl, fees,
       opening_quantity, day_flow
FROM positions_holding JOIN unnest(%s::uuid[], %s::uuid[]) AS wanted(account_id, instrument_id)
     USING (account_id, instrument_id)
"""
_CASH = """
SELECT account_id, currency, day, balance, opening_balance, day_posted
FROM positions_cashbalance JOIN unnest(%s::uuid[], %s::text[]) AS wanted(account_id, currency)
     USING (account_id, currency)
"""
_LINES_INSERT = """
INSERT INTO positions_ledgerline (id, transaction_id, account_id, book, currency, amount, reason, reference_id,
                                  valid_at, recorded_at)
SELECT *, %s::timestamptz FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::numeric[],
                                      %s::text[], %s::uuid[], %s::timestamptz[])
"""
_HOLDINGS_UPSERT = """
INSERT INTO positions_holding (account_id, instrument_id, day, opened_at, quantity, cost, average_cost, realised_pnl,
                               fees, opening_quantity, day_flow, changed_at)
SELECT *, %s::timestamptz FROM unnest(%s::uuid[], %s::uuid[], %s::date[], %s::timestamptz[], %s::numeric[],
    %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
ON CONFLICT (account_id, instrument_id) DO UPDATE SET
    day = excluded.day, opened_at = excluded.opened_at, quantity = excluded.quantity, cost = excluded.cost,
    average_cost = excluded.average_cost, realised_pnl = excluded.realised_pnl, fees = excluded.fees,
    opening_quantity = excluded.opening_quantity, day_flow = excluded.day_flow, changed_at = excluded.changed_at
"""
_CASH_UPSERT = """
INSERT INTO positions_cashbalance (account_id, currency, day, balance, opening_balance, day_posted)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::date[], %s::numeric[], %s::numeric[], %s::numeric[])
ON CONFLICT (account_id, currency) DO UPDATE SET
    day = excluded.day, balance = excluded.balance, opening_balance = excluded.opening_balance,
    day_posted = excluded.day_posted
"""


@dataclass(slots=True)
class Books:
    """What a batch touches, as it stands so far; `write` stores it once."""

    at: datetime
    holdings: dict[HoldingKey, HoldingState]
    cash: dict[CashKey, CashState]
    lines: list[Line] = field(default_factory=list)

    def holding(self, key: HoldingKey) -> HoldingState:
        """Return a holding, empty when the account never had one."""
        return self.holdings.get(key) or HoldingState(day=day_of(self.at), opened_at=self.at)


def books_read(*, holdings: Collection[HoldingKey], cash: Collection[CashKey], at: datetime) -> Books:
    """Read holdings and cash, as they stand on the day of `at`; the caller holds the accounts' lock."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Books are read and written under the accounts' lock.")
    with (
        connection.wrap_database_errors,
        connection.cursor() as first,
        connection.cursor() as second,
        connection.connection.pipeline(),
    ):
        first.execute(_HOLDINGS, [[key[0] for key in holdings], [key[1] for key in holdings]])
        second.execute(_CASH, [[key[0] for key in cash], [key[1] for key in cash]])
        held = {(row[0], row[1]): HoldingState(*row[2:]) for row in first.fetchall()}
        money = {(row[0], row[1]): CashState(*row[2:]) for row in second.fetchall()}
    day = day_of(at)
    return Books(
        at=at,
        holdings=held,
        cash={key: cash_roll(money.get(key) or CashState(day=day), day=day) for key in cash},
    )


def books_write(books: Books, *, holdings: Iterable[HoldingKey], cash: Iterable[CashKey]) -> None:
    """Store the lines and the final state of the holdings and balances named, one statement each."""
    held = {key: books.holdings[key] for key in holdings}
    money = {key: books.cash[key] for key in cash}
    with connection.wrap_database_errors, connection.cursor() as cursor, connection.connection.pipeline():
        if books.lines:
            cursor.execute(_LINES_INSERT, [books.at, *_line_columns(books.lines)])
        if held:
            cursor.execute(_HOLDINGS_UPSERT, [books.at, *_holding_columns(held)])
        if money:
            cursor.execute(_CASH_UPSERT, _cash_columns(money))


def _line_columns(lines: Sequence[Line]) -> list[list[Any]]:
    return [
        [uuid7() for _ in lines],
        [line.transaction_id for line in lines],
        [line.account_id for line in lines],
        [line.book.value for line in lines],
        [line.currency for line in lines],
        [line.amount for line in lines],
        [line.reason for line in lines],
        [line.reference_id for line in lines],
        [line.valid_at for line in lines],
    ]


def _holding_columns(held: Mapping[HoldingKey, HoldingState]) -> list[list[Any]]:
    states = held.values()
    return [
        [account_id for account_id, _ in held],
        [instrument_id for _, instrument_id in held],
        [state.day for state in states],
        [state.opened_at for state in states],
        [state.quantity for state in states],
        [state.cost for state in states],
        [state.average_cost for state in states],
        [state.realised_pnl for state in states],
        [state.fees for state in states],
        [state.opening_quantity for state in states],
        [state.day_flow for state in states],
    ]


def _cash_columns(money: Mapping[CashKey, CashState]) -> list[list[Any]]:
    states = money.values()
    return [
        [account_id for account_id, _ in money],
        [currency for _, currency in money],
        [state.day for state in states],
        [state.balance for state in states],
        [state.opening_balance for state in states],
        [state.day_posted for state in states],
    ]
