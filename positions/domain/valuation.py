"""Say what holdings and accounts are worth; what cannot be known is None, never a guess.

Per position, in its instrument's currency:
    market value   = quantity x mark                     (negative when short)
    unrealised P&L = market value - cost                 (short: market value + cost)
    day P&L        = market value - opening quantity x previous close + the day's cash flow from fills

Per account, in its base currency, through rates:
    equity      = cash + the sum of market values
    buying power = cash - what open orders need - what short positions hold (150% of their worth)
    last equity = opening cash + the sum of opening quantity x previous close
    day P&L     = equity - last equity - money paid in or out that day   (so fees count)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from positions.domain.buying_power import short_margin
from positions.domain.holdings import HoldingState
from positions.domain.ledger import CashState
from positions.domain.rates import Mark, Rate
from trading_portal.kernel.errors import Reason, reason
from trading_portal.kernel.money import ZERO, divide, multiply, stored


@dataclass(frozen=True, slots=True)
class PositionValue:
    """A holding, valued in its instrument's currency."""

    instrument_id: UUID
    symbol: str
    currency: str
    holding: HoldingState
    mark: Mark | None
    market_value: Decimal | None
    unrealised_pnl: Decimal | None
    opening_value: Decimal | None
    day_pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account, valued in its base currency; `missing` names the prices and rates that a None is for."""

    account_id: UUID
    currency: str
    cash: Decimal | None
    reserved: Decimal | None
    short_margin: Decimal | None
    buying_power: Decimal | None
    long_market_value: Decimal | None
    short_market_value: Decimal | None
    equity: Decimal | None
    last_equity: Decimal | None
    day_posted: Decimal | None
    day_pnl: Decimal | None
    unrealised_pnl: Decimal | None
    realised_pnl: Decimal | None
    fees: Decimal | None
    is_live: bool
    cash_by_currency: Mapping[str, Decimal]
    missing: tuple[Reason, ...]


Amounts = Iterable[tuple[str, Decimal | None]]


def position_value(
    *, instrument_id: UUID, symbol: str, currency: str, holding: HoldingState, mark: Mark | None
) -> PositionValue:
    """Return a holding, rolled to its day already, valued at a mark."""
    market = _value(holding.quantity, mark.price if mark else None)
    opening = _value(holding.opening_quantity, mark.previous_close if mark else None)
    basis = holding.cost if holding.quantity >= 0 else -holding.cost
    return PositionValue(
        instrument_id=instrument_id,
        symbol=symbol,
        currency=currency,
        holding=holding,
        mark=mark,
        market_value=market,
        unrealised_pnl=None if market is None else market - basis,
        opening_value=opening,
        day_pnl=None if market is None or opening is None else market - opening + holding.day_flow,
    )


def account_summarise(
    *,
    account_id: UUID,
    base: str,
    cash: Mapping[str, CashState],
    reserved: Mapping[str, Decimal],
    positions: Sequence[PositionValue],
    rates: Mapping[str, Rate | None],
) -> AccountSummary:
    """Return what an account is worth; cash and positions are rolled to the same day already."""
    now = _Total({name: rate.now if rate else None for name, rate in rates.items()})
    before = _Total({name: rate.previous if rate else None for name, rate in rates.items()})
    in_cash = now.of((name, money.balance) for name, money in cash.items())
    in_orders = now.of(reserved.items())
    margin = now.of((p.currency, _margin(p)) for p in positions if p.holding.quantity < 0)
    longs = now.of((p.currency, p.market_value) for p in positions if p.holding.quantity > 0)
    shorts = now.of((p.currency, p.market_value) for p in positions if p.holding.quantity < 0)
    equity = _sum(in_cash, longs, shorts)
    last_equity = _sum(
        before.of((name, money.opening_balance) for name, money in cash.items()),
        before.of((p.currency, p.opening_value) for p in positions),
    )
    posted = now.of((name, money.day_posted) for name, money in cash.items())
    return AccountSummary(
        account_id=account_id,
        currency=base,
        cash=in_cash,
        reserved=in_orders,
        short_margin=margin,
        buying_power=_sum(in_cash, _negative(in_orders), _negative(margin)),
        long_market_value=longs,
        short_market_value=shorts,
        equity=equity,
        last_equity=last_equity,
        day_posted=posted,
        day_pnl=_sum(equity, _negative(last_equity), _negative(posted)),
        unrealised_pnl=now.of((p.currency, p.unrealised_pnl) for p in positions),
        realised_pnl=now.of((p.currency, p.holding.realised_pnl) for p in positions),
        fees=now.of((p.currency, p.holding.fees) for p in positions),
        is_live=all(p.mark is not None and p.mark.is_live for p in positions if p.holding.quantity),
        cash_by_currency={name: money.balance for name, money in cash.items()},
        missing=_missing(positions, cash, reserved, rates),
    )


class _Total:
    """Add up amounts of several currencies in the base; one that is not known makes the sum unknown."""

    def __init__(self, rates: Mapping[str, Decimal | None]) -> None:
        self._rates = rates

    def of(self, amounts: Amounts) -> Decimal | None:
        """Return the sum in the base currency, or None; nothing of a currency needs no rate."""
        total = ZERO
        for currency, amount in amounts:
            if amount == 0:
                continue
            rate = self._rates.get(currency)
            if amount is None or rate is None:
                return None
            total += multiply(amount, rate)
        return stored(total)


def _margin(position: PositionValue) -> Decimal | None:
    mark = position.mark
    return None if mark is None else stored(short_margin(position.holding.quantity, mark.price))


def _value(quantity: Decimal, price: Decimal | None) -> Decimal | None:
    if quantity == 0:
        return ZERO
    return None if price is None else stored(multiply(quantity, price))


def _negative(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else -amount


def _sum(*amounts: Decimal | None) -> Decimal | None:
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _missing(
    positions: Sequence[PositionValue],
    cash: Mapping[str, CashState],
    reserved: Mapping[str, Decimal],
    rates: Mapping[str, Rate | None],
) -> tuple[Reason, ...]:
    prices = [reason("NO_PRICE", symbol=p.symbol) for p in positions if p.market_value is None]
    used = {name for name, money in cash.items() if money.balance}
    used |= {name for name, amount in reserved.items() if amount}
    used |= {p.currency for p in positions if p.holding.quantity or p.holding.realised_pnl}
    return (*prices, *(reason("NO_RATE", currency=name) for name in sorted(used) if rates.get(name) is None))


def share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Return part / whole as a fraction, or None when either is unknown or the whole is nothing."""
    if part is None or not whole:
        return None
    return stored(divide(part, abs(whole)))
