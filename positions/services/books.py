"""Read and write the rows that a batch of bookings touches: two round trips, however large the batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.sql import execute, fetch_later, pipelined
from positions.domain.days import day_of
from positions.domain.holdings import HoldingState
from positions.domain.ledger import CashState, Line, cash_roll
from trading_portal.kernel.arrays import Rows
from trading_portal.kernel.ids import uuid7

HoldingKey = tuple[UUID, UUID]
CashKey = tuple[UUID, str]

_HOLDING_KEYS = Rows(account_id="uuid", instrument_id="uuid")
_STATE = "day, opened_at, quantity, cost, average_cost, realised_pnl, fees, opening_quantity, day_flow"
# Each key is looked for by itself (OFFSET); a join might read whole tables that were small when it was planned.
_HOLDINGS = f"""
SELECT held.* FROM {_HOLDING_KEYS} CROSS JOIN LATERAL (
    SELECT account_id, instrument_id, {_STATE} FROM positions_holding
    WHERE account_id = new.account_id AND instrument_id = new.instrument_id OFFSET 0
) AS held
"""
_CASH_KEYS = Rows(account_id="uuid", currency="text")
_CASH = f"""
SELECT held.* FROM {_CASH_KEYS} CROSS JOIN LATERAL (
    SELECT account_id, currency, day, balance, opening_balance, day_posted FROM positions_cashbalance
    WHERE account_id = new.account_id AND currency = new.currency OFFSET 0
) AS held
"""
_LINES = Rows(
    id="uuid", transaction_id="uuid", account_id="uuid", book="text", currency="text", amount="numeric", reason="text",
    reference_id="uuid", valid_at="timestamptz",
)  # fmt: skip
_LINES_INSERT = f"""
INSERT INTO positions_ledgerline (recorded_at, {_LINES.columns}) SELECT %s, {_LINES.columns} FROM {_LINES}
"""
_HELD = Rows(
    account_id="uuid", instrument_id="uuid", day="date", opened_at="timestamptz", quantity="numeric", cost="numeric",
    average_cost="numeric", realised_pnl="numeric", fees="numeric", opening_quantity="numeric", day_flow="numeric",
)  # fmt: skip
_HOLDINGS_UPSERT = f"""
INSERT INTO positions_holding (changed_at, {_HELD.columns}) SELECT %s, {_HELD.columns} FROM {_HELD}
ON CONFLICT (account_id, instrument_id) DO UPDATE SET
    day = excluded.day, opened_at = excluded.opened_at, quantity = excluded.quantity, cost = excluded.cost,
    average_cost = excluded.average_cost, realised_pnl = excluded.realised_pnl, fees = excluded.fees,
    opening_quantity = excluded.opening_quantity, day_flow = excluded.day_flow, changed_at = excluded.changed_at
"""
_MONEY = Rows(
    account_id="uuid", currency="text", day="date", balance="numeric", opening_balance="numeric", day_posted="numeric"
)
_CASH_UPSERT = f"""
INSERT INTO positions_cashbalance ({_MONEY.columns}) SELECT {_MONEY.columns} FROM {_MONEY}
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
    with pipelined():
        first = fetch_later(_HOLDINGS, _HOLDING_KEYS.bound(holdings))
        second = fetch_later(_CASH, _CASH_KEYS.bound(cash))
        held = {(row[0], row[1]): HoldingState(*row[2:]) for row in first()}
        money = {(row[0], row[1]): CashState(*row[2:]) for row in second()}
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
    with pipelined():
        if books.lines:
            execute(_LINES_INSERT, [books.at, *_LINES.bound(_line_row(line) for line in books.lines)])
        if held:
            execute(_HOLDINGS_UPSERT, [books.at, *_HELD.bound(_holding_row(*each) for each in held.items())])
        if money:
            execute(_CASH_UPSERT, _MONEY.bound(_cash_row(*each) for each in money.items()))


def _line_row(line: Line) -> tuple[Any, ...]:
    return (
        uuid7(), line.transaction_id, line.account_id, line.book.value, line.currency, line.amount, line.reason,
        line.reference_id, line.valid_at,
    )  # fmt: skip


def _holding_row(key: HoldingKey, state: HoldingState) -> tuple[Any, ...]:
    return (
        *key, state.day, state.opened_at, state.quantity, state.cost, state.average_cost, state.realised_pnl,
        state.fees, state.opening_quantity, state.day_flow,
    )  # fmt: skip


def _cash_row(key: CashKey, state: CashState) -> tuple[Any, ...]:
    return *key, state.day, state.balance, state.opening_balance, state.day_posted
