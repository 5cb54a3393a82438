"""The facts about accounts and keys that other apps work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from trading_portal.kernel.errors import NotFound, reason


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """A trading account as other apps see it; `may_short` lets it sell what it does not have."""

    id: UUID
    number: str
    name: str
    owner_id: UUID
    base_currency: str
    status: str
    is_paper: bool
    may_short: bool = False


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a verified API key may do, and for whom."""

    key_pk: UUID
    key_id: str
    user_id: UUID
    account_id: UUID
    scopes: frozenset[str]
    orders_per_minute: int | None
    networks: tuple[str, ...]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyReading:
    """A verified key, its account, and which event of the account was the last when both were read.

    Every change of what an account has, owes or ordered takes a sequence in the transaction that makes it: what is read
    later and kept under this number is never older than it.
    """

    grant: KeyGrant
    account: AccountFacts
    sequence: int


class LockedAccounts(Mapping[UUID, AccountFacts]):
    """Account rows held under lock, handing out each account's next event sequence."""

    def __init__(self, rows: Iterable[tuple[AccountFacts, int]]) -> None:
        self._facts: dict[UUID, AccountFacts] = {}
        self._sequences: dict[UUID, int] = {}
        self._advanced: set[UUID] = set()
        for facts, sequence in rows:
            self._facts[facts.id] = facts
            self._sequences[facts.id] = sequence

    def __getitem__(self, account_id: UUID) -> AccountFacts:
        """Return a locked account; raise NotFound for one that is not held."""
        try:
            return self._facts[account_id]
        except KeyError:
            raise NotFound(reason("ACCOUNT_NOT_FOUND", account_id=account_id), "There is no such account.") from None

    def __iter__(self) -> Iterator[UUID]:
        """Iterate over the ids held."""
        return iter(self._facts)

    def __len__(self) -> int:
        """Return how many accounts are held."""
        return len(self._facts)

    def take_sequence(self, account_id: UUID) -> int:
        """Return the account's next event sequence; `accounts_sequences_save` stores what was taken."""
        self._sequences[account_id] += 1
        self._advanced.add(account_id)
        return self._sequences[account_id]

    def advanced(self) -> dict[UUID, int]:
        """Return the sequences that moved and forget that they did."""
        moved = {account_id: self._sequences[account_id] for account_id in self._advanced}
        self._advanced.clear()
        return moved


Permission = Literal["view", "trade"]


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made; its secret is shown this once."""

    key_pk: UUID
    key_id: str
    secret: str
    created_at: datetime
