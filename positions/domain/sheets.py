"""Value one account again and again: its rows stay as they are, prices move, and only what they touch is worked out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from marketdata.domain.types import Listing
from positions.domain.buying_power import reserved_cash, reserved_quantity
from positions.domain.days import day_of
from positions.domain.holdings import HoldingState, day_roll
from positions.domain.ledger import CashState, cash_roll
from positions.domain.rates import Mark, rate_of, rate_symbols
from positions.domain.shapes import position_json
from positions.domain.types import Side, WorkingOrders
from positions.domain.valuation import AccountSummary, PositionValue, account_summarise, position_value
from trading_portal.kernel.money import ZERO

Quoted = tuple[Decimal, bool, Decimal | None] | None


class Sheet:
    """What one account has and owes on a day, and what that is worth at the prices it is given. For one thread."""

    def __init__(
        self,
        *,
        account_id: UUID,
        base: str,
        cash: Mapping[str, CashState],
        holdings: Mapping[UUID, HoldingState],
        working: Iterable[WorkingOrders],
        listings: Mapping[UUID, Listing],
        at: datetime,
    ) -> None:
        self.day = day_of(at)
        self._account_id = account_id
        self._base = base
        self._cash = {currency: cash_roll(money, day=self.day) for currency, money in cash.items()}
        self._listings = listings
        self.instruments = sorted((listings[key] for key in holdings), key=lambda each: each.symbol)
        self._holdings = {key: day_roll(holding, day=self.day) for key, holding in holdings.items()}
        orders = list(working)
        self._reserved = reserved_cash(orders, {key: holding.quantity for key, holding in holdings.items()})
        self._selling, self._buying = reserved_quantity(orders), reserved_quantity(orders, Side.BUY)
        held_in = {each.currency for each in self.instruments}
        self._currencies = set(cash) | {each.currency for each in orders} | held_in
        self.rate_symbols = {name for currency in self._currencies for name in rate_symbols(currency, base)}
        self._values: dict[UUID, tuple[Mark | None, PositionValue]] = {}
        self._texts: dict[UUID, tuple[PositionValue, dict[str, object]]] = {}
        self._summary: tuple[list[Quoted], AccountSummary] | None = None

    def summary(self, marks: Mapping[str, Mark]) -> AccountSummary:
        """Return what the account is worth; the marks are by symbol."""
        quoted = [_quoted(marks.get(each.symbol)) for each in self.instruments]
        quoted += [_quoted(marks.get(symbol)) for symbol in sorted(self.rate_symbols)]
        if self._summary is None or self._summary[0] != quoted:
            self._summary = (
                quoted,
                account_summarise(
                    account_id=self._account_id,
                    base=self._base,
                    cash=self._cash,
                    reserved=self._reserved,
                    positions=self._valued(marks),
                    rates={currency: rate_of(currency, self._base, marks) for currency in self._currencies},
                ),
            )
        return self._summary[1]

    def positions(self, marks: Mapping[str, Mark]) -> list[dict[str, object]]:
        """Return the open positions as JSON-ready text, by symbol; one whose price stands is the same object again."""
        return [self._text(each) for each in self._valued(marks) if each.holding.quantity]

    def _valued(self, marks: Mapping[str, Mark]) -> list[PositionValue]:
        return [self._value(each, marks.get(each.symbol)) for each in self.instruments]

    def _value(self, instrument: Listing, mark: Mark | None) -> PositionValue:
        known = self._values.get(instrument.id)
        if known is not None and known[0] == mark:
            return known[1]
        value = position_value(
            instrument_id=instrument.id,
            symbol=instrument.symbol,
            currency=instrument.currency,
            holding=self._holdings[instrument.id],
            mark=mark,
        )
        self._values[instrument.id] = mark, value
        return value

    def _text(self, position: PositionValue) -> dict[str, object]:
        known = self._texts.get(position.instrument_id)
        if known is not None and known[0] is position:
            return known[1]
        listing = self._listings[position.instrument_id]
        text = position_json(
            position,
            account_id=self._account_id,
            exchange=listing.exchange,
            asset_class=listing.asset_class,
            available=self._available(position),
        )
        self._texts[position.instrument_id] = position, text
        return text

    def _available(self, position: PositionValue) -> Decimal:
        """Return what may still be closed, with the position's sign."""
        quantity = position.holding.quantity
        if quantity < 0:
            return min(ZERO, quantity + self._buying.get(position.instrument_id, ZERO))
        return quantity - self._selling.get(position.instrument_id, ZERO)


def _quoted(mark: Mark | None) -> Quoted:
    """Return what of a mark the worth of an account hangs on: not when it was made."""
    return None if mark is None else (mark.price, mark.is_live, mark.previous_close)
