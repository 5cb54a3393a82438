"""Read what accounts have, owe and are worth; a few statements, however many accounts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from accounts.domain.types import AccountFacts
from accounts.selectors import accounts_by_id
from audit.sql import Row, fetch_later
from marketdata.selectors import (
    closes_last,
    closes_previous,
    instruments_by_id,
    instruments_by_symbol,
    listings_by_id,
    quotes_latest,
)
from positions.domain.holdings import HoldingState
from positions.domain.ledger import CashState
from positions.domain.rates import Mark
from positions.domain.sheets import Sheet
from positions.domain.types import AccountExposure, HoldingFacts, ReservationFacts, Side, WorkingOrders
from positions.domain.valuation import AccountSummary
from trading_portal.kernel.arrays import uuids_of
from trading_portal.kernel.errors import NotFound, Unavailable, reason

# One statement for three tables: cash and holdings of one instant, in one round trip. Open orders are added up here,
# so that a check costs the same for an account with hundreds of them.
_ROWS = """
SELECT 'holding' AS kind, account_id, instrument_id, NULL::uuid AS order_id, NULL::bigint AS orders,
       NULL::text AS currency, NULL::text AS side, day, opened_at, quantity, cost, average_cost, realised_pnl, fees,
       opening_quantity, day_flow
FROM positions_holding WHERE account_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT 'cash', account_id, NULL, NULL, NULL, currency, NULL, day, NULL, balance, opening_balance, day_posted,
       NULL, NULL, NULL, NULL
FROM positions_cashbalance WHERE account_id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT 'working', account.id, working.*, NULL, NULL, NULL
FROM unnest(%(ids)s::uuid[]) AS account(id) CROSS JOIN LATERAL (
    SELECT instrument_id,
           (array_agg(order_id ORDER BY CASE side WHEN 'buy' THEN -limit_price ELSE limit_price END, order_id))[1],
           count(*), currency, side, NULL::date, NULL::timestamptz, sum(quantity_left), sum(quantity_left * price),
           CASE side WHEN 'buy' THEN max(limit_price) ELSE min(limit_price) END, is_dormant::integer
    FROM positions_reservation WHERE account_id = account.id
    GROUP BY instrument_id, currency, side, limit_price IS NULL, is_dormant
) AS working
"""
_SIDES = {side.value: side for side in Side}
_IN_SCOPE = """
SELECT account_id, order_id, instrument_id, owner_id, side, trim_scale(quantity_left), trim_scale(price),
       trim_scale(limit_price), currency, count(*) OVER ()
FROM positions_reservation
WHERE (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s)
  AND (%(instrument_id)s::uuid IS NULL OR instrument_id = %(instrument_id)s)
ORDER BY opened_at DESC, order_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class AccountValuation:
    """An account's summary and its open positions, marked to the same prices."""

    summary: AccountSummary
    positions: list[dict[str, object]]


@dataclass(slots=True)
class _Rows:
    """What one account's rows say."""

    holdings: dict[UUID, HoldingState] = field(default_factory=dict)
    cash: dict[str, CashState] = field(default_factory=dict)
    working: list[WorkingOrders] = field(default_factory=list)


def exposures(account_ids: Collection[UUID]) -> dict[UUID, AccountExposure]:
    """Return what accounts have and what their open orders may still do; read it after taking their lock."""
    return exposures_later(account_ids)()


def exposures_later(account_ids: Collection[UUID]) -> Callable[[], dict[UUID, AccountExposure]]:
    """Ask for exposures, inside `pipelined`, after the accounts' lock."""
    rows = _rows_later(account_ids)
    return lambda: _exposures(rows())


def _exposures(rows: Mapping[UUID, _Rows]) -> dict[UUID, AccountExposure]:
    listings = listings_by_id(_held(rows.values()))
    return {
        account_id: AccountExposure(
            account_id=account_id,
            cash={currency: money.balance for currency, money in row.cash.items()},
            holdings={
                instrument_id: HoldingFacts(
                    instrument_id,
                    listings[instrument_id].symbol,
                    listings[instrument_id].currency,
                    holding.quantity,
                    holding.average_cost,
                )
                for instrument_id, holding in row.holdings.items()
                if holding.quantity
            },
            working=row.working,
        )
        for account_id, row in rows.items()
    }


def valuations(account_ids: Collection[UUID], at: datetime) -> dict[UUID, AccountValuation]:
    """Return accounts and their positions, marked to the latest prices; unknown accounts are left out.

    A position without a live price is marked to its last known one, and says so.
    """
    sheets = sheets_of(accounts_by_id(account_ids).values(), at)
    marks = marks_of(sheets.values(), at)
    return {
        account_id: AccountValuation(sheet.summary(marks), sheet.positions(marks))
        for account_id, sheet in sheets.items()
    }


def sheets_of(accounts: Iterable[AccountFacts], at: datetime) -> dict[UUID, Sheet]:
    """Return what accounts have and owe, to be valued on the day of `at`."""
    bases = {facts.id: facts.base_currency for facts in accounts}
    rows = _rows_later(bases)()
    listed = {key for row in rows.values() for key in row.holdings}
    listings = listings_by_id(listed)
    return {
        account_id: Sheet(
            account_id=account_id,
            base=bases[account_id],
            cash=row.cash,
            holdings=row.holdings,
            working=row.working,
            listings=listings,
            at=at,
        )
        for account_id, row in rows.items()
    }


def marks_of(sheets: Collection[Sheet], at: datetime) -> dict[str, Mark]:
    """Return by symbol what all that is on these sheets is valued at."""
    wanted = {each.symbol: each.id for sheet in sheets for each in sheet.instruments}
    return _marks(wanted, {symbol for sheet in sheets for symbol in sheet.rate_symbols}, at)


def accounts_summaries(account_ids: Collection[UUID], at: datetime) -> dict[UUID, AccountSummary]:
    """Return what accounts are worth, marked to the latest prices."""
    return {account_id: valued.summary for account_id, valued in valuations(account_ids, at).items()}


def account_summary(account_id: UUID, at: datetime) -> AccountSummary:
    """Return what one account is worth; raise NotFound when there is none."""
    return _one(account_id, at).summary


def positions_of(account_ids: Collection[UUID], at: datetime) -> dict[UUID, list[dict[str, object]]]:
    """Return accounts' open positions as JSON-ready text, by symbol."""
    return {account_id: valued.positions for account_id, valued in valuations(account_ids, at).items()}


def positions_list(account_id: UUID, at: datetime) -> list[dict[str, object]]:
    """Return one account's open positions as JSON-ready text, by symbol; raise NotFound when there is no account."""
    return _one(account_id, at).positions


def _one(account_id: UUID, at: datetime) -> AccountValuation:
    valued = valuations([account_id], at).get(account_id)
    if valued is None:
        raise NotFound(reason("ACCOUNT_NOT_FOUND", account_id=account_id), "There is no such account.")
    return valued


def _rows_later(account_ids: Collection[UUID]) -> Callable[[], dict[UUID, _Rows]]:
    found = fetch_later(_ROWS, {"ids": uuids_of(account_ids)}, prepare=True)
    return lambda: _by_account(account_ids, found())


def _by_account(account_ids: Collection[UUID], found: Iterable[Row]) -> dict[UUID, _Rows]:
    rows = {account_id: _Rows() for account_id in account_ids}
    for kind, account_id, instrument_id, order_id, orders, currency, side, day, opened_at, *n in found:
        row = rows[account_id]
        if kind == "holding":
            row.holdings[instrument_id] = HoldingState(day, opened_at, *n)
        elif kind == "cash":
            row.cash[currency] = CashState(day, *n[:3])
        else:
            keenest = order_id, n[2], bool(n[3])
            row.working.append(WorkingOrders(instrument_id, _SIDES[side], currency, orders, n[0], n[1], *keenest))
    return rows


def _held(rows: Iterable[_Rows]) -> set[UUID]:
    return {key for row in rows for key, holding in row.holdings.items() if holding.quantity}


def _marks(wanted: Mapping[str, UUID], rate_names: Collection[str], at: datetime) -> dict[str, Mark]:
    """Return by symbol what to value these instruments and rates at: the live price, else the last known one."""
    if rate_names:
        wanted = {**wanted, **{symbol: rate.id for symbol, rate in instruments_by_symbol(rate_names).items()}}
    if not wanted:
        return {}
    marks = _live_marks(wanted)
    gone = {instrument_id: symbol for symbol, instrument_id in wanted.items() if symbol not in marks}
    if gone:
        before = closes_previous(gone, at)
        for instrument_id, last in closes_last(gone).items():
            previous = before.get(instrument_id)
            marks[gone[instrument_id]] = Mark(last.price, last.at, False, previous.price if previous else None)
    return marks


def _live_marks(symbols: Iterable[str]) -> dict[str, Mark]:
    try:
        live = quotes_latest(symbols)
    except Unavailable:
        # Pages and statements show the last known prices and say how old they are; orders are decided elsewhere.
        return {}
    return {
        symbol: Mark(price.last, price.received_at, is_live=True, previous_close=price.previous_close)
        for symbol, price in live.items()
    }


def prices_last(instrument_ids: Collection[UUID], at: datetime) -> dict[UUID, Decimal]:
    """Return what instruments are valued at: the live price, else the last known one; who has none is absent."""
    instruments = instruments_by_id(instrument_ids) if instrument_ids else {}
    marks = _marks({each.symbol: each.id for each in instruments.values()}, (), at)
    return {key: marks[each.symbol].price for key, each in instruments.items() if each.symbol in marks}


def reservations_in_scope(
    *, account_id: UUID | None, instrument_id: UUID | None, limit: int
) -> tuple[int, list[tuple[UUID, ReservationFacts]]]:
    """Return how many orders are open in a scope (None is every one), and the newest with their accounts."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_SCOPE, {"account_id": account_id, "instrument_id": instrument_id, "limit": limit})
        rows = cursor.fetchall()
    return rows[0][9] if rows else 0, [
        (row[0], ReservationFacts(row[1], row[2], row[3], Side(row[4]), *row[5:9])) for row in rows
    ]
