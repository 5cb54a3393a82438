"""Read what accounts have, owe and are worth; a few statements, however many accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from accounts.selectors import accounts_by_id
from marketdata.domain.types import InstrumentFacts
from marketdata.selectors import closes_last, closes_previous, instruments_by_id, instruments_by_symbol, quotes_latest
from positions.domain.buying_power import reserved_cash, reserved_quantity
from positions.domain.days import day_of
from positions.domain.holdings import HoldingState, day_roll
from positions.domain.ledger import CashState, cash_roll
from positions.domain.rates import Mark, rate_of, rate_symbols
from positions.domain.shapes import position_json
from positions.domain.types import AccountExposure, HoldingFacts, ReservationFacts, Side, WorkingOrders
from positions.domain.valuation import AccountSummary, PositionValue, account_summarise, position_value
from trading_portal.kernel.errors import NotFound, Unavailable, reason
from trading_portal.kernel.money import ZERO

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
SELECT 'working', account_id, instrument_id,
       (array_agg(order_id ORDER BY CASE side WHEN 'buy' THEN -limit_price ELSE limit_price END, order_id))[1],
       count(*), currency, side, NULL, NULL, sum(quantity_left), sum(quantity_left * price),
       CASE side WHEN 'buy' THEN max(limit_price) ELSE min(limit_price) END, is_dormant::integer, NULL, NULL, NULL
FROM positions_reservation WHERE account_id = ANY(%(ids)s::uuid[])
GROUP BY account_id, instrument_id, currency, side, limit_price IS NULL, is_dormant
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
    rows = _rows(account_ids)
    held = _held(rows.values())
    instruments = instruments_by_id(held) if held else {}
    return {
        account_id: AccountExposure(
            account_id=account_id,
            cash={currency: money.balance for currency, money in row.cash.items()},
            holdings={
                instrument_id: HoldingFacts(
                    instrument_id,
                    instruments[instrument_id].symbol,
                    instruments[instrument_id].currency,
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
    accounts = accounts_by_id(account_ids)
    rows = _rows(accounts)
    instruments = instruments_by_id(_instruments_of(rows.values()))
    bases = {account_id: facts.base_currency for account_id, facts in accounts.items()}
    marks = _marks(instruments.values(), _rate_symbols(rows, bases, instruments), at)
    return {
        account_id: _valuation(account_id, bases[account_id], row, instruments, marks, at)
        for account_id, row in rows.items()
    }


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


def _rows(account_ids: Collection[UUID]) -> dict[UUID, _Rows]:
    rows = {account_id: _Rows() for account_id in account_ids}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"ids": list(rows)})
        for (
            kind,
            account_id,
            instrument_id,
            order_id,
            orders,
            currency,
            side,
            day,
            opened_at,
            *n,
        ) in cursor.fetchall():
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


def _instruments_of(rows: Iterable[_Rows]) -> set[UUID]:
    return {key for row in rows for key in row.holdings}


def _rate_symbols(
    rows: Mapping[UUID, _Rows], bases: Mapping[UUID, str], instruments: Mapping[UUID, InstrumentFacts]
) -> set[str]:
    """Return the symbols that can tell the rates these accounts need: none when all is in the base currency."""
    return {
        symbol
        for account_id, row in rows.items()
        for currency in _currencies(row, instruments)
        for symbol in rate_symbols(currency, bases[account_id])
    }


def _currencies(row: _Rows, instruments: Mapping[UUID, InstrumentFacts]) -> set[str]:
    return (
        set(row.cash)
        | {orders.currency for orders in row.working}
        | {instruments[instrument_id].currency for instrument_id in row.holdings}
    )


def _marks(instruments: Iterable[InstrumentFacts], rate_names: Collection[str], at: datetime) -> dict[str, Mark]:
    """Return by symbol what to value at: the live price, else the last known one."""
    wanted = {instrument.symbol: instrument.id for instrument in instruments}
    if rate_names:
        wanted |= {symbol: rate.id for symbol, rate in instruments_by_symbol(rate_names).items()}
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


def _valuation(
    account_id: UUID,
    base: str,
    row: _Rows,
    instruments: Mapping[UUID, InstrumentFacts],
    marks: Mapping[str, Mark],
    at: datetime,
) -> AccountValuation:
    day = day_of(at)
    positions = [
        position_value(
            instrument_id=instrument_id,
            symbol=instruments[instrument_id].symbol,
            currency=instruments[instrument_id].currency,
            holding=day_roll(holding, day=day),
            mark=marks.get(instruments[instrument_id].symbol),
        )
        for instrument_id, holding in row.holdings.items()
    ]
    summary = account_summarise(
        account_id=account_id,
        base=base,
        cash={currency: cash_roll(money, day=day) for currency, money in row.cash.items()},
        reserved=reserved_cash(row.working, {key: holding.quantity for key, holding in row.holdings.items()}),
        positions=positions,
        rates={currency: rate_of(currency, base, marks) for currency in _currencies(row, instruments)},
    )
    return AccountValuation(summary, _positions_text(account_id, positions, row, instruments))


def _positions_text(
    account_id: UUID,
    positions: Iterable[PositionValue],
    row: _Rows,
    instruments: Mapping[UUID, InstrumentFacts],
) -> list[dict[str, object]]:
    selling, buying = reserved_quantity(row.working), reserved_quantity(row.working, Side.BUY)
    return [
        position_json(
            position,
            account_id=account_id,
            exchange=instruments[position.instrument_id].exchange,
            asset_class=instruments[position.instrument_id].asset_class,
            available=_available(position, selling, buying),
        )
        for position in sorted(positions, key=lambda position: position.symbol)
        if position.holding.quantity
    ]


def _available(position: PositionValue, selling: Mapping[UUID, Decimal], buying: Mapping[UUID, Decimal]) -> Decimal:
    """Return what may still be closed, with the position's sign."""
    quantity = position.holding.quantity
    if quantity < 0:
        return min(ZERO, quantity + buying.get(position.instrument_id, ZERO))
    return quantity - selling.get(position.instrument_id, ZERO)


def prices_last(instrument_ids: Collection[UUID], at: datetime) -> dict[UUID, Decimal]:
    """Return what instruments are valued at: the live price, else the last known one; who has none is absent."""
    instruments = instruments_by_id(instrument_ids) if instrument_ids else {}
    marks = _marks(instruments.values(), (), at)
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
