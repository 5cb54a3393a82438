"""Check orders inside the transaction that stores them, or ask what a check would say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from uuid import UUID

from django.db import connection, transaction

from accounts.domain.types import AccountFacts, LockedAccounts
from accounts.selectors import accounts_by_id
from audit.sql import pipelined
from marketdata.domain.types import Hours, InstrumentFacts, LastClose, PriceUpdate
from marketdata.selectors import closes_last, quotes_latest, session_at
from positions.domain.rates import Mark, rate_of, rate_symbols
from positions.domain.types import AccountExposure, Side
from positions.selectors import exposures_later
from risk.domain.account_book import AccountBook, Market, seconds_between
from risk.domain.book import Book
from risk.domain.engine import EXACT
from risk.domain.fingerprints import print_of
from risk.domain.preview import Preview, preview_of
from risk.domain.types import Decision, OrderIntent, PriceFacts
from risk.selectors.checking import check_rows_later
from trading_portal.kernel.errors import NotFound, reason
from trading_portal.kernel.money import ZERO

OPEN = "ACTIVE"


@dataclass(frozen=True, slots=True)
class _Prices:
    """What the market says of the instruments a batch needs."""

    quotes: Mapping[str, PriceUpdate]
    closes: Mapping[UUID, LastClose]

    def last(self, symbol: str, instrument_id: UUID) -> Decimal | None:
        """Return the live price of an instrument, else its last known one."""
        quote, close = self.quotes.get(symbol), self.closes.get(instrument_id)
        return quote.last if quote else close.price if close else None


def orders_check(*, intents: Sequence[OrderIntent], locked: LockedAccounts, at: datetime) -> list[Decision]:
    """Decide orders in the caller's transaction, after it locked their accounts; writes nothing.

    Each approved order counts for those after it. Raise Unavailable when prices cannot be read.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Orders are checked in the transaction that stores them.")
    return _decide(intents, locked, at) if intents else []


def orders_preview(*, intents: Sequence[OrderIntent], at: datetime) -> list[Preview]:
    """Return what a check would say now, and what each order would cost and leave; writes and locks nothing.

    Each order is looked at by itself. Raise NotFound for an unknown account.
    """
    accounts = accounts_by_id({intent.account_id for intent in intents})
    for intent in intents:
        if intent.account_id not in accounts:
            raise NotFound(reason("ACCOUNT_NOT_FOUND", account_id=intent.account_id), "There is no such account.")
    return [preview_of(_decide([intent], accounts, at)[0]) for intent in intents]


def _decide(intents: Sequence[OrderIntent], accounts: Mapping[UUID, AccountFacts], at: datetime) -> list[Decision]:
    prints = [print_of(intent) for intent in intents]
    with localcontext(EXACT):
        return _book(intents, prints, accounts, at).decide_printed(zip(intents, prints, strict=True))


def _book(
    intents: Sequence[OrderIntent], prints: Sequence[bytes | None], accounts: Mapping[UUID, AccountFacts], at: datetime
) -> Book:
    """Read everything the batch is decided on: a statement on positions and one on risk, one read of prices."""
    instruments = {intent.instrument.id: intent.instrument for intent in intents}
    account_ids = {intent.account_id for intent in intents}
    placed = [(i.account_id, print_) for i, print_ in zip(intents, prints, strict=True) if print_ is not None]
    with pipelined():
        exposed = exposures_later(account_ids)
        checked = check_rows_later(
            account_ids=account_ids, instrument_ids=instruments.keys(), fingerprints=placed, at=at
        )
        held, rows = exposed(), checked()
    markets_open = {key: _is_open(instrument, at) for key, instrument in instruments.items()}
    pairs = {(intent.instrument.currency, intent.base_currency) for intent in intents}
    prices = _prices(instruments.values(), held.values(), accounts, pairs, markets_open)
    marks = {s: Mark(q.last, q.received_at, True, q.previous_close) for s, q in prices.quotes.items()}
    return Book(
        at=at,
        accounts={
            account_id: AccountBook(
                held[account_id],
                is_open=accounts[account_id].status == OPEN,
                equity=_equity(held[account_id], accounts[account_id].base_currency, prices, marks),
                recent_orders=rows.recent_orders.get(account_id, 0),
                placed=rows.placed.get(account_id),
                may_short=accounts[account_id].may_short,
                prices=_short_prices(held[account_id], prices),
                rates=_rates(held[account_id], accounts[account_id].base_currency, marks, pairs),
            )
            for account_id in account_ids
        },
        markets={key: _market(instruments[key], is_open, prices, at) for key, is_open in markets_open.items()},
        rates={pair: _rate(*pair, marks) for pair in pairs},
        limits=rows.limits,
        states=rows.states,
        switches=rows.switches,
        extended={
            key: _market(instruments[key], is_open, prices, at)
            for key, is_open in _extended(intents, instruments, markets_open, at).items()
        },
        names={key: instrument.symbol for key, instrument in instruments.items()}
        | {account_id: f"account {accounts[account_id].number}" for account_id in account_ids},
    )


def _extended(
    intents: Iterable[OrderIntent],
    instruments: Mapping[UUID, InstrumentFacts],
    markets_open: Mapping[UUID, bool | None],
    at: datetime,
) -> dict[UUID, bool | None]:
    """Return which markets take orders before or after their session, of those that an order asks it of."""
    asked = {intent.instrument.id for intent in intents if intent.extended_hours}
    return {key: _is_open(instruments[key], at, Hours.EXTENDED) for key in asked if markets_open[key] is False}


def _short_prices(exposure: AccountExposure, prices: _Prices) -> dict[UUID, Decimal]:
    """Return what is sold short is worth a unit, as far as anybody knows."""
    known: dict[UUID, Decimal] = {}
    for holding in exposure.holdings.values():
        if holding.quantity < 0 and (price := prices.last(holding.symbol, holding.instrument_id)) is not None:
            known[holding.instrument_id] = price
    return known


def _rates(
    exposure: AccountExposure, base: str, marks: Mapping[str, Mark], pairs: Collection[tuple[str, str]]
) -> dict[str, Decimal | None]:
    """Return the rates of whatever may be sold short: of holdings that are, and of what is ordered now."""
    currencies = {holding.currency for holding in exposure.holdings.values() if holding.quantity < 0}
    currencies |= {working.currency for working in exposure.working if working.side is Side.SELL}
    currencies |= {currency for currency, into in pairs if into == base}
    return {currency: _rate(currency, base, marks) for currency in currencies}


def _is_open(instrument: InstrumentFacts, at: datetime, hours: Hours = Hours.REGULAR) -> bool | None:
    """Tell whether the market takes orders; None when its calendar knows no session at all."""
    session = session_at(instrument, at, hours)
    if not session.is_open and session.opens_at is None and session.next_open_at is None:
        return None
    return session.is_open


def _prices(
    instruments: Iterable[InstrumentFacts],
    held: Iterable[AccountExposure],
    accounts: Mapping[UUID, AccountFacts],
    pairs: Collection[tuple[str, str]],
    markets_open: Mapping[UUID, bool | None],
) -> _Prices:
    """Read live prices in one round trip, and last known ones for what has none or is out of session."""
    wanted = {instrument.symbol: instrument.id for instrument in instruments}
    rates = {symbol for pair in pairs for symbol in rate_symbols(*pair)}
    for exposure in held:
        base = accounts[exposure.account_id].base_currency
        for holding in exposure.holdings.values():
            wanted[holding.symbol] = holding.instrument_id
            rates.update(rate_symbols(holding.currency, base))
        for currency, amount in exposure.cash.items():
            if amount:
                rates.update(rate_symbols(currency, base))
        for working in exposure.working:
            if working.side is Side.SELL:
                rates.update(rate_symbols(working.currency, base))
    quotes = quotes_latest([*wanted, *rates])
    lacking = {key for symbol, key in wanted.items() if symbol not in quotes or markets_open.get(key) is not True}
    return _Prices(quotes, closes_last(lacking) if lacking else {})


def _market(instrument: InstrumentFacts, is_open: bool | None, prices: _Prices, at: datetime) -> Market:
    quote = prices.quotes.get(instrument.symbol)
    if is_open is True and quote is not None:
        age = seconds_between(quote.received_at, at)
        return Market(is_open, PriceFacts(_reference(quote), quote.bid, quote.ask, age, is_quote=True))
    close = prices.closes.get(instrument.id)
    if close is None:
        return Market(is_open, None)
    return Market(is_open, PriceFacts(close.price, None, None, seconds_between(close.at, at), is_quote=False))


def _reference(quote: PriceUpdate) -> Decimal:
    """Return the last trade, held within the standing quote: an old trade must not outlive the market."""
    if not 0 < quote.bid <= quote.ask:
        return quote.last
    return min(max(quote.last, quote.bid), quote.ask)


def _rate(currency: str, base: str, marks: Mapping[str, Mark]) -> Decimal | None:
    rate = rate_of(currency, base, marks)
    return rate.now if rate is not None and rate.now > 0 else None


def _equity(exposure: AccountExposure, base: str, prices: _Prices, marks: Mapping[str, Mark]) -> Decimal | None:
    """Return what the account is worth in its currency; None when a price or a rate is not known."""
    total = ZERO
    for currency, amount in exposure.cash.items():
        rate = _rate(currency, base, marks) if amount else ZERO
        if rate is None:
            return None
        total += amount * rate
    for holding in exposure.holdings.values():
        price = prices.last(holding.symbol, holding.instrument_id)
        rate = _rate(holding.currency, base, marks)
        if price is None or rate is None:
            return None
        total += holding.quantity * price * rate
    return total
