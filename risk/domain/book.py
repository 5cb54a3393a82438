"""Decide a batch: each approved order changes what the next one meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from uuid import UUID

from risk.domain.account_book import AccountBook, Market
from risk.domain.engine import EXACT, decide, refuse
from risk.domain.fingerprints import print_of
from risk.domain.sizing import SIZING, is_unsized, sized
from risk.domain.types import (
    Decision,
    LimitFacts,
    Limits,
    Mode,
    OrderIntent,
    Restriction,
)
from trading_portal.kernel.errors import Reason

Scope = tuple[UUID | None, UUID | None]
"""An account and an instrument; None is every one."""


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


class Book:
    """Everything a batch is decided on; deciding n orders at once is deciding them one after another.

    `extended` are the markets as they stand for orders that may trade before and after the session.
    """

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
        extended: Mapping[UUID, Market] | None = None,
    ) -> None:
        self.at = at
        self.extended = extended or {}
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
        return self.decide_printed((intent, print_of(intent)) for intent in intents)

    def decide_printed(self, intents: Iterable[tuple[OrderIntent, bytes | None]]) -> list[Decision]:
        """Decide in order, each order given with its fingerprint."""
        with localcontext(EXACT):
            return [self._decide(*each) for each in intents]

    def _decide(self, intent: OrderIntent, print_: bytes | None) -> Decision:
        """Decide one order and let it count when it is approved."""
        account = self.accounts[intent.account_id]
        instrument = intent.instrument
        held = intent.instead_of
        if held is not None:
            account.let_go(held)
        market = self._market(intent)
        snapshot = account.snapshot(
            intent,
            print_,
            market,
            self.rates.get((instrument.currency, intent.base_currency)),
            self.at,
            self._restrictions(intent),
        )
        limits = self.limits(intent.account_id, instrument.id)
        if is_unsized(intent) and print_ is not None:
            found = sized(intent, market.price, in_session=market.is_open is True, limits=limits)
            if isinstance(found, Reason):
                return refuse(intent, snapshot, SIZING, found)
            intent = found
        decision = decide(intent, snapshot, limits)
        if decision.approved:
            account.take(decision, print_, self.at)
        elif held is not None:
            account.reserve(held)
        return decision

    def _market(self, intent: OrderIntent) -> Market:
        found = self.extended.get(intent.instrument.id) if intent.extended_hours else None
        return found or self.markets.get(intent.instrument.id) or _NO_MARKET

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
