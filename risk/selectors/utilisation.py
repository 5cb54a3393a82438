"""Say how much of each account's standing limits is used now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from accounts.domain.types import AccountFacts
from accounts.selectors import accounts_by_id, accounts_open
from marketdata.selectors import instruments_by_id
from positions.domain.types import AccountExposure
from positions.selectors import AccountValuation, exposures, valuations
from risk.domain.book import Book
from risk.domain.records import grouped, number, percent_used
from risk.domain.rules import LABELS
from risk.domain.stakes import Stake
from risk.domain.types import LimitFacts
from risk.selectors.checking import check_rows_later
from trading_portal.kernel.money import ZERO


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one limit an account uses; `symbol` is empty for what counts over all instruments."""

    account_id: UUID
    account: str
    symbol: str
    rule: str
    label: str
    value: str
    limit: str
    headroom: str
    percent: Decimal
    limit_scope: str

    @property
    def value_shown(self) -> str:
        """Return the use in groups of three digits."""
        return grouped(self.value)

    @property
    def limit_shown(self) -> str:
        """Return the limit in groups of three digits."""
        return grouped(self.limit)

    @property
    def headroom_shown(self) -> str:
        """Return what is left in groups of three digits."""
        return grouped(self.headroom)


def utilisation(account_ids: Collection[UUID], at: datetime) -> list[Use]:
    """Return the use of every limit that accumulates, the fullest first; a few statements for all accounts."""
    accounts = accounts_by_id(account_ids)
    held = exposures(accounts)
    valued = valuations(accounts, at)
    traded = {holding for exposure in held.values() for holding in exposure.holdings}
    traded |= {orders.instrument_id for exposure in held.values() for orders in exposure.working}
    symbols = {key: instrument.symbol for key, instrument in instruments_by_id(traded).items()}
    rows = check_rows_later(account_ids=accounts, instrument_ids=traded, fingerprints=[], at=at)()
    book = Book(at=at, accounts={}, markets={}, rates={}, limits=rows.limits)
    uses = [
        use
        for account in accounts.values()
        for use in _account_uses(account, held[account.id], valued[account.id], book, symbols)
    ]
    return sorted(uses, key=lambda use: -use.percent)


def utilisation_top(at: datetime, limit: int) -> list[Use]:
    """Return the fullest limits of all open accounts, of those that are used at all."""
    uses = utilisation([account.id for account in accounts_open()], at)
    return [use for use in uses if use.percent > 0][:limit]


def _account_uses(
    account: AccountFacts,
    exposure: AccountExposure,
    valued: AccountValuation,
    book: Book,
    symbols: Mapping[UUID, str],
) -> Iterator[Use]:
    stakes = _stakes(exposure)
    firm = book.limits(account.id, UUID(int=0))
    summary = valued.summary
    if summary.cash is not None and summary.buying_power is not None and summary.cash > 0:
        cash = LimitFacts("buying_power", summary.cash, 0, "cash")
        yield _use(account, "", "buying_power", summary.cash - summary.buying_power, cash)
    if summary.short_market_value and (short := firm.get("short_value")) is not None:
        yield _use(account, "", "short_value", -summary.short_market_value, short)
    if (open_orders := firm.get("max_open_orders")) is not None:
        yield _use(
            account, "", "max_open_orders", Decimal(sum(orders.orders for orders in exposure.working)), open_orders
        )
    values = {str(row["symbol"]): row["market_value"] for row in valued.positions}
    for instrument_id, stake in stakes.items():
        limits, symbol = book.limits(account.id, instrument_id), symbols.get(instrument_id, str(instrument_id))
        units = max(stake.holding + stake.working_buy, stake.working_sell - stake.holding, ZERO)
        if (position := limits.get("max_position")) is not None:
            yield _use(account, symbol, "max_position", units, position)
        share = limits.get("concentration")
        worth = values.get(symbol)
        if share is not None and summary.equity is not None and summary.equity > 0:
            value = abs(Decimal(str(worth))) if worth is not None else ZERO
            yield _use(account, symbol, "concentration", (value + stake.working_buy_value) / summary.equity, share)


def _stakes(exposure: AccountExposure) -> dict[UUID, Stake]:
    stakes = {key: Stake(holding=holding.quantity) for key, holding in exposure.holdings.items()}
    for orders in exposure.working:
        stakes.setdefault(orders.instrument_id, Stake()).add(orders)
    return stakes


def _use(account: AccountFacts, symbol: str, rule: str, value: Decimal, limit: LimitFacts) -> Use:
    percent = percent_used(value, limit.value)
    return Use(
        account_id=account.id,
        account=account.number,
        symbol=symbol,
        rule=rule,
        label=LABELS[rule],
        value=number(value) or "0",
        limit=number(limit.value) or "0",
        headroom=number(max(ZERO, limit.value - value)) or "0",
        percent=Decimal(100) if percent is None else percent,
        limit_scope=limit.scope,
    )
