"""One account while a batch is decided: what it has, what its open orders need, what it did a moment ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from positions.domain.types import AccountExposure, Side, WorkingOrders
from risk.domain.stakes import Stake
from risk.domain.types import Decision, OrderIntent, PriceFacts, Restriction, Snapshot
from trading_portal.kernel.money import ZERO


@dataclass(frozen=True, slots=True)
class Market:
    """One instrument's session and price; `is_open` None is unknown."""

    is_open: bool | None
    price: PriceFacts | None


class AccountBook:
    """One account while a batch is decided. Money is kept by its own currency.

    `prices` are those of what it is short of, `rates` those of their currencies: both only where there are any.
    """

    def __init__(
        self,
        exposure: AccountExposure,
        *,
        is_open: bool = True,
        equity: Decimal | None,
        recent_orders: int = 0,
        placed: Mapping[bytes, datetime] | None = None,
        may_short: bool = False,
        prices: Mapping[UUID, Decimal] | None = None,
        rates: Mapping[str, Decimal | None] | None = None,
    ) -> None:
        self.is_open = is_open
        self.may_short = may_short
        self.prices = prices or {}
        self.rates = rates or {}
        self.shorts: dict[UUID, Stake] = {}
        self.equity = equity
        self.recent_orders = recent_orders
        self.placed = dict(placed or {})
        self.cash = exposure.cash
        self.reserved: dict[str, Decimal] = {}
        self.open_orders = 0
        self.stakes: dict[UUID, Stake] = {}
        for holding in exposure.holdings.values():
            stake = self.stake(holding.instrument_id)
            stake.currency, stake.holding = holding.currency, holding.quantity
            if stake.is_short:
                self.shorts[holding.instrument_id] = stake
        for working in exposure.working:
            self.reserve(working)

    def stake(self, instrument_id: UUID) -> Stake:
        """Return what the account has in an instrument, nothing at first."""
        found = self.stakes.get(instrument_id)
        if found is None:
            found = self.stakes[instrument_id] = Stake()
        return found

    def reserve(self, working: WorkingOrders) -> None:
        """Take in working orders."""
        self.open_orders += working.orders
        stake = self.stake(working.instrument_id)
        stake.add(working)
        if working.side is Side.BUY:
            self.reserved[working.currency] = self.reserved.get(working.currency, ZERO) + working.value
        elif stake.is_short:
            self.shorts[working.instrument_id] = stake

    def cash_used(self, currency: str) -> tuple[Decimal, Decimal | None]:
        """Return what open orders need of a currency, and what short positions hold; None when that is not known."""
        reserved, margin = self.reserved.get(currency, ZERO), ZERO
        for instrument_id, stake in self.shorts.items():
            if stake.currency != currency:
                continue
            reserved += stake.cash_needed - stake.working_buy_value
            held = stake.margin(self.prices.get(instrument_id))
            if held is None:
                return reserved, None
            margin += held
        return reserved, margin

    def short_values(self, instrument_id: UUID) -> tuple[Decimal | None, Decimal | None]:
        """Return what is sold short in all and of one instrument, in the account's currency; None when not known."""
        total: Decimal | None = ZERO
        here: Decimal | None = ZERO
        for key, stake in self.shorts.items():
            value, rate = stake.short_value(self.prices.get(key)), self.rates.get(stake.currency)
            known = None if value is None or rate is None else value * rate
            total = None if total is None or known is None else total + known
            here = known if key == instrument_id else here
        return total, here

    def let_go(self, working: WorkingOrders) -> None:
        """Leave working orders out: what takes their place is judged."""
        if working.orders:
            left, value = -working.quantity_left, -working.value
            self.reserve(replace(working, orders=-working.orders, quantity_left=left, value=value))

    def snapshot(
        self,
        intent: OrderIntent,
        print_: bytes | None,
        market: Market,
        rate: Decimal | None,
        at: datetime,
        restrictions: tuple[tuple[Restriction, ...], tuple[Restriction, ...]],
    ) -> Snapshot:
        """Return what an order meets now."""
        stake = self.stake(intent.instrument.id)
        currency = intent.instrument.currency
        placed_at = None if print_ is None else self.placed.get(print_)
        factor = ZERO if rate is None else rate
        reserved, margin = self.cash_used(currency) if self.shorts else (self.reserved.get(currency, ZERO), ZERO)
        short_value, short_here = self.short_values(intent.instrument.id) if self.shorts else (ZERO, ZERO)
        return Snapshot(
            is_account_open=self.is_open,
            is_open=market.is_open,
            price=market.price,
            rate=rate,
            cash=self.cash.get(currency, ZERO) * factor,
            reserved=reserved * factor,
            equity=self.equity,
            holding=stake.holding,
            working_buy=stake.working_buy,
            working_sell=stake.working_sell,
            working_buy_value=stake.working_buy_value * factor,
            open_orders=self.open_orders,
            open_orders_here=stake.open_orders,
            recent_orders=self.recent_orders,
            duplicate_age=None if placed_at is None else seconds_between(placed_at, at),
            buys=stake.resting(is_buy=True),
            sells=stake.resting(is_buy=False),
            states=restrictions[0],
            switches=restrictions[1],
            may_short=self.may_short,
            margin=None if margin is None else margin * factor,
            short_value=short_value,
            short_value_here=short_here,
        )

    def take(self, decision: Decision, print_: bytes | None, at: datetime) -> None:
        """Let an approved order count from now on, as its reservation will."""
        intent = decision.intent
        self.recent_orders += 1
        if print_ is not None:
            self.placed[print_] = at
        if decision.worst_price is not None:
            # Until a venue has taken a replace, the larger of before and after is held.
            held = intent.instead_of
            quantity, value = intent.quantity, intent.quantity * decision.worst_price
            self.reserve(
                WorkingOrders(
                    instrument_id=intent.instrument.id,
                    side=Side(intent.side),
                    currency=intent.instrument.currency,
                    orders=1,
                    quantity_left=quantity if held is None else max(quantity, held.quantity_left),
                    value=value if held is None else max(value, held.value),
                    keenest_id=intent.order_id,
                    limit_price=intent.limit_price,
                    is_dormant=intent.is_dormant,
                )
            )


def seconds_between(start: datetime, end: datetime) -> Decimal:
    """Return the seconds from start to end, exact to the microsecond."""
    span = end - start
    return Decimal(span.days * 86_400 + span.seconds) + Decimal(span.microseconds).scaleb(-6)
