"""What accounts have at stake while a batch is decided: each approved order changes what the next one meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext
from uuid import UUID

from positions.domain.types import AccountExposure, Side, WorkingOrders
from risk.domain.engine import EXACT, decide
from risk.domain.fingerprints import fingerprint
from risk.domain.rules.structural import fault
from risk.domain.types import (
    Decision,
    LimitFacts,
    Limits,
    Mode,
    OrderIntent,
    PriceFacts,
    Resting,
    Restriction,
    Snapshot,
)
from trading_portal.kernel.money import ZERO

Scope = tuple[UUID | None, UUID | None]
"""An account and an instrument; None is every one."""


@dataclass(frozen=True, slots=True)
class Market:
    """One instrument's session and price; `is_open` None is unknown."""

    is_open: bool | None
    price: PriceFacts | None


@dataclass(frozen=True, slots=True)
class StateRow:
    """A trading state that is not ACTIVE, and its scope."""

    account_id: UUID | None
    instrument_id: UUID | None
    mode: Mode


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """A latched kill switch and its scope; no venue is every venue."""

    account_id: UUID | None
    instrument_id: UUID | None
    venue: str


@dataclass(slots=True)
class Stake:
    """What one account has and may still do in one instrument; of working orders the keenest of each kind."""

    holding: Decimal = ZERO
    working_buy: Decimal = ZERO
    working_sell: Decimal = ZERO
    working_buy_value: Decimal = ZERO
    open_orders: int = 0
    best: dict[tuple[bool, bool], Resting] = field(default_factory=dict)

    def add(self, working: WorkingOrders) -> None:
        """Take in working orders."""
        is_buy = working.side is Side.BUY
        self.open_orders += working.orders
        if is_buy:
            self.working_buy += working.quantity_left
            self.working_buy_value += working.value
        else:
            self.working_sell += working.quantity_left
        key = (is_buy, working.limit_price is None)
        standing = self.best.get(key)
        if standing is None or _is_keener(working.limit_price, standing.price, is_buy=is_buy):
            self.best[key] = Resting(working.keenest_id, working.limit_price)

    def resting(self, *, is_buy: bool) -> tuple[Resting, ...]:
        """Return the keenest working limit order and market order of a side."""
        found = (self.best.get((is_buy, False)), self.best.get((is_buy, True)))
        return tuple(order for order in found if order is not None)


def _is_keener(price: Decimal | None, standing: Decimal | None, *, is_buy: bool) -> bool:
    if price is None or standing is None:
        return False
    return price > standing if is_buy else price < standing


class AccountBook:
    """One account while a batch is decided. Money is kept by its own currency."""

    def __init__(
        self,
        exposure: AccountExposure,
        *,
        is_open: bool = True,
        equity: Decimal | None,
        recent_orders: int = 0,
        placed: Mapping[bytes, datetime] | None = None,
    ) -> None:
        self.is_open = is_open
        self.equity = equity
        self.recent_orders = recent_orders
        self.placed = dict(placed or {})
        self.cash = exposure.cash
        self.reserved: dict[str, Decimal] = {}
        self.open_orders = 0
        self.stakes: dict[UUID, Stake] = {}
        for holding in exposure.holdings.values():
            self.stake(holding.instrument_id).holding = holding.quantity
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
        self.stake(working.instrument_id).add(working)
        if working.side is Side.BUY:
            self.reserved[working.currency] = self.reserved.get(working.currency, ZERO) + working.value

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
        return Snapshot(
            is_account_open=self.is_open,
            is_open=market.is_open,
            price=market.price,
            rate=rate,
            cash=self.cash.get(currency, ZERO) * factor,
            reserved=self.reserved.get(currency, ZERO) * factor,
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
                )
            )


class Book:
    """Everything a batch is decided on; deciding n orders at once is deciding them one after another."""

    def __init__(
        self,
        *,
        at: datetime,
        accounts: Mapping[UUID, AccountBook],
        markets: Mapping[UUID, Market],
        rates: Mapping[tuple[str, str], Decimal | None],
        limits: Mapping[Scope, Limits],
        states: Sequence[StateRow] = (),
        switches: Sequence[SwitchRow] = (),
        names: Mapping[UUID, str] | None = None,
    ) -> None:
        self.at = at
        self.accounts = accounts
        self.markets = markets
        self.rates = rates
        self._rows = limits
        self._states = states
        self._switches = switches
        self._names = names or {}
        self._limits: dict[Scope, Limits] = {}

    def decide_all(self, intents: Iterable[OrderIntent]) -> list[Decision]:
        """Decide in order; an approved order counts for those after it."""
        with localcontext(EXACT):
            return [self.decide(intent) for intent in intents]

    def decide(self, intent: OrderIntent) -> Decision:
        """Decide one order and let it count when it is approved."""
        account = self.accounts[intent.account_id]
        instrument = intent.instrument
        held = intent.instead_of
        print_ = fingerprint(intent) if held is None and fault(intent) is None else None
        if held is not None:
            account.let_go(held)
        snapshot = account.snapshot(
            intent,
            print_,
            self.markets.get(instrument.id) or _NO_MARKET,
            self.rates.get((instrument.currency, intent.base_currency)),
            self.at,
            self._restrictions(intent),
        )
        decision = decide(intent, snapshot, self.limits(intent.account_id, instrument.id))
        if decision.approved:
            account.take(decision, print_, self.at)
        elif held is not None:
            account.reserve(held)
        return decision

    def limits(self, account_id: UUID, instrument_id: UUID) -> Limits:
        """Return the limits of the narrowest scopes that name an account and an instrument."""
        scope = (account_id, instrument_id)
        found = self._limits.get(scope)
        if found is None:
            found = self._limits[scope] = limits_resolve(self._rows, account_id, instrument_id)
        return found

    def _restrictions(self, intent: OrderIntent) -> tuple[tuple[Restriction, ...], tuple[Restriction, ...]]:
        if not self._states and not self._switches:
            return (), ()
        account_id, instrument_id = intent.account_id, intent.instrument.id
        states = tuple(
            Restriction(self._scope(row.account_id, row.instrument_id), row.mode)
            for row in self._states
            if row.account_id in (None, account_id) and row.instrument_id in (None, instrument_id)
        )
        switches = tuple(
            Restriction(self._scope(row.account_id, row.instrument_id, row.venue))
            for row in self._switches
            if row.account_id in (None, account_id)
            and row.instrument_id in (None, instrument_id)
            and row.venue in ("", intent.venue)
        )
        return states, switches

    def _scope(self, account_id: UUID | None, instrument_id: UUID | None, venue: str = "") -> str:
        names = [self._names.get(key, str(key)) for key in (account_id, instrument_id) if key is not None]
        return scope_text([*names, venue])


_NO_MARKET = Market(None, None)


def scope_text(names: Iterable[str]) -> str:
    """Return a scope as a person reads it."""
    return ", ".join(name for name in names if name) or "the whole firm"


def limits_resolve(rows: Mapping[Scope, Limits], account_id: UUID, instrument_id: UUID) -> Limits:
    """Return every rule's limit: account and instrument beat account beats instrument beats firm."""
    found: dict[str, LimitFacts] = {}
    for scope in ((None, None), (None, instrument_id), (account_id, None), (account_id, instrument_id)):
        found.update(rows.get(scope, {}))
    return found


def seconds_between(start: datetime, end: datetime) -> Decimal:
    """Return the seconds from start to end, exact to the microsecond."""
    span = end - start
    return Decimal(span.days * 86_400 + span.seconds) + Decimal(span.microseconds).scaleb(-6)
