"""Fold accounts' events into what the tables should hold of them: one account after the other, none kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from accounts.domain.events import AccountConfigured, AccountOpened
from accounts.domain.replay import AccountReplay
from audit.domain.types import LogExtent, LoggedEvent
from audit.selectors import events_to_fold
from marketdata.selectors import instruments_by_symbol
from orders.domain.rebuilt import NOTHING_UNTOLD, Instrument, Row, Unreplayable
from orders.domain.replay import FOLDS, OrdersReplay
from orders.domain.replay_holding import reservations_of
from positions.domain.errors import Unbookable
from positions.domain.events import CashPosted

PAGE = 5_000
_NONSENSE = (Unreplayable, Unbookable, msgspec.ValidationError, ArithmeticError, LookupError, ValueError)
_OF_FEES = {"holding": frozenset(("fees",)), "cash": frozenset(("balance", "opening_balance"))}
# A symbol stands for the same instrument for ever.
_instruments: dict[str, Instrument] = {}


class RebuiltRow(NamedTuple):
    """A row as the log makes it; `untold` names columns that no event tells."""

    kind: str
    columns: Row
    untold: frozenset[str] = NOTHING_UNTOLD


class RebuiltAccount:
    """One account, as its events so far leave it; `trouble` says why they cannot be followed any further."""

    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id
        self.sequence = 0
        self.trouble = ""
        self.facts: AccountReplay | None = None
        self.orders = OrdersReplay(account_id, instrument_called)

    def take(self, event: LoggedEvent) -> None:
        """Fold one event; after one that makes no sense, none."""
        if self.trouble:
            return
        try:
            self._fold(event)
        except _NONSENSE as error:
            self.trouble = f"event {event.account_sequence} ({event.type}): {error or type(error).__name__}"

    def _fold(self, event: LoggedEvent) -> None:
        if event.account_sequence != self.sequence + 1:
            raise Unreplayable(f"it comes after event {self.sequence}")
        self.sequence = event.account_sequence
        self.orders.fills.begin(event.xid)
        if found := _OF_ORDERS.get(event.type):
            decode, fold = found
            fold(self.orders, decode(event.payload_json), event)
        elif own := _OF_ACCOUNTS.get(event.type):
            decode, change = own
            change(self, decode(event.payload_json), event)

    def rows(self) -> Iterator[RebuiltRow]:
        """Yield the rows that the tables should hold of the account; call it once, after its last event."""
        orders, facts = self.orders, self.facts
        orders.fills.settle()
        if facts is not None:
            yield RebuiltRow("account", asdict(facts) | {"event_sequence": self.sequence})
        for order in orders.orders.values():
            yield RebuiltRow("order", order.row(), order.untold)
            for version in order.versions:
                yield RebuiltRow("replace", version.row(order.id), version.untold)
            for fill in order.fills:
                yield RebuiltRow("execution", fill.row(), fill.untold)
        owner_id = facts.owner_id if facts else None
        for row, untold in reservations_of(orders.orders.values(), account_id=self.account_id, owner_id=owner_id):
            yield RebuiltRow("reservation", row, untold)
        yield from self._books()

    def _books(self) -> Iterator[RebuiltRow]:
        books = self.orders.fills.books
        untold = _OF_FEES if self.orders.fills.untold else {}
        for instrument_id, holding in books.holdings.items():
            row = {
                "instrument_id": instrument_id,
                **asdict(holding),
                "changed_at": books.changed_at[instrument_id],
            }
            yield RebuiltRow("holding", row, untold.get("holding", NOTHING_UNTOLD))
        for currency, cash in books.cash.items():
            yield RebuiltRow("cash", {"currency": currency, **asdict(cash)}, untold.get("cash", NOTHING_UNTOLD))


def instrument_called(symbol: str) -> Instrument | None:
    """Return what a symbol stands for, None when nothing has it."""
    if symbol not in _instruments:
        facts = instruments_by_symbol([symbol]).get(symbol)
        if facts is None:
            return None
        _instruments[symbol] = Instrument(facts.id, facts.currency)
    return _instruments[symbol]


def accounts_rebuilt(extents: Sequence[LogExtent]) -> Iterator[RebuiltAccount]:
    """Yield the accounts of neighbouring extents, rebuilt, each before the next one is begun.

    Memory is for one account's orders and fills and for a page of events.
    """
    untils = {extent.account_id: extent.until for extent in extents}
    account: RebuiltAccount | None = None
    until = number = 0
    for event in _events(extents):
        if account is None or event.account_id.int != number:
            if account is not None:
                yield account
            account, number = RebuiltAccount(event.account_id), event.account_id.int
            until = untils.get(event.account_id, 0)
        if event.account_sequence <= until:
            account.take(event)
    if account is not None:
        yield account


def _events(extents: Sequence[LogExtent]) -> Iterator[LoggedEvent]:
    after, last = LogExtent(extents[0].account_id, 0), extents[-1].account_id
    while page := events_to_fold(after, last, PAGE):
        yield from page
        after = LogExtent(page[-1].account_id, page[-1].account_sequence)


def _opened(account: RebuiltAccount, told: AccountOpened, event: LoggedEvent) -> None:
    account.facts = AccountReplay.opened(told, at=event.recorded_at)


def _configured(account: RebuiltAccount, told: AccountConfigured, event: LoggedEvent) -> None:
    if account.facts is None:
        raise Unreplayable("the account was never opened")
    account.facts.configure(told)


def _posted(account: RebuiltAccount, told: CashPosted, event: LoggedEvent) -> None:
    account.orders.fills.books.post(told.currency, Decimal(told.amount), at=event.recorded_at)


_Found = tuple[Callable[[str], Any], Callable[[Any, Any, LoggedEvent], object]]


def _by_type(folds: Mapping[Any, Callable[[Any, Any, LoggedEvent], object]]) -> dict[str, _Found]:
    return {payload.TYPE: (msgspec.json.Decoder(payload).decode, fold) for payload, fold in folds.items()}


_OF_ORDERS = _by_type(FOLDS)
_OF_ACCOUNTS = _by_type({AccountOpened: _opened, AccountConfigured: _configured, CashPosted: _posted})
