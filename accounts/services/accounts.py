"""Open accounts, lock them, and make and revoke the keys that act for them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from accounts.domain.events import AccountConfigured, AccountOpened, ApiKeyCreated, ApiKeyRevoked
from accounts.domain.keys import secret_hash
from accounts.domain.types import AccountFacts, LockedAccounts, NewApiKey
from accounts.models import ApiKey, TradingAccount
from accounts.services.access import access_changed
from audit.domain.types import Actor, EventPayload, NewEvent
from audit.services import events_append
from audit.sql import execute, fetch_later
from trading_portal.kernel.arrays import bigints_of, uuids_of
from trading_portal.kernel.errors import NotFound, reason
from trading_portal.kernel.ids import uuid7

_LOCK = """
SELECT id, number, name, owner_id, base_currency, status, is_paper, may_short, event_sequence
FROM accounts_tradingaccount WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_SAVE = """
UPDATE accounts_tradingaccount AS account SET event_sequence = new.sequence
FROM unnest(%s::uuid[], %s::bigint[]) AS new(id, sequence) WHERE account.id = new.id
"""


def accounts_lock(account_ids: Collection[UUID]) -> LockedAccounts:
    """Lock account rows, in one statement and sorted, until the transaction ends.

    This is the only lock of the money path: placements, fills, cash moves and account limits all take it.
    Raise NotFound when an account is missing, and TransactionManagementError outside a transaction.
    """
    return accounts_lock_later(account_ids)()


def accounts_lock_later(account_ids: Collection[UUID]) -> Callable[[], LockedAccounts]:
    """Ask for the lock, inside `pipelined`: what is asked after it is read by statements that run once it is held."""
    wanted = set(account_ids)
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A lock outside a transaction would be gone at once.")
    rows = fetch_later(_LOCK, [uuids_of(wanted)])

    def held() -> LockedAccounts:
        locked = LockedAccounts((AccountFacts(*row[:8]), row[8]) for row in rows())
        for missing in wanted - set(locked):
            raise NotFound(reason("ACCOUNT_NOT_FOUND", account_id=missing), "There is no such account.")
        return locked

    return held


def accounts_sequences_save(locked: LockedAccounts) -> None:
    """Store the event sequences handed out under a lock; once, before the commit."""
    moved = locked.advanced()
    if moved:
        execute(_SAVE, [uuids_of(moved), bigints_of(moved.values())])


@transaction.atomic
def account_open(
    *,
    owner_id: UUID,
    number: str,
    name: str,
    base_currency: str,
    is_paper: bool,
    may_short: bool = False,
    by: Actor,
    at: datetime,
) -> UUID:
    """Open a trading account and return its id."""
    account = TradingAccount.objects.create(
        owner_id=owner_id,
        number=number,
        name=name,
        base_currency=base_currency,
        is_paper=is_paper,
        may_short=may_short,
        opened_at=at,
    )
    payload = AccountOpened(
        number=number,
        name=name,
        owner_id=str(owner_id),
        base_currency=base_currency,
        is_paper=is_paper,
        may_short=may_short,
    )
    _account_event_append(account.id, payload, by, at)
    return account.id


@transaction.atomic
def account_configure(*, account_id: UUID, may_short: bool, by: Actor, at: datetime) -> None:
    """Allow or forbid an account to sell short, from the next order on; what is short already stays."""
    accounts_lock([account_id])
    if TradingAccount.objects.filter(id=account_id).exclude(may_short=may_short).update(may_short=may_short):
        _account_event_append(account_id, AccountConfigured(may_short=may_short), by, at)


@transaction.atomic
def api_key_create(
    *,
    user_id: UUID,
    account_id: UUID,
    name: str,
    scopes: Sequence[str],
    by: Actor,
    at: datetime,
    expires_at: datetime | None = None,
    allowed_networks: Sequence[str] = (),
    orders_per_minute: int | None = None,
) -> NewApiKey:
    """Make an API key for an account; the secret is returned once and kept nowhere."""
    secret = secrets.token_urlsafe(30)
    key = ApiKey.objects.create(
        key_id=f"PK{secrets.token_hex(9).upper()}",
        secret_hash=secret_hash(secret),
        name=name,
        user_id=user_id,
        account_id=account_id,
        scopes=list(scopes),
        allowed_networks=list(allowed_networks),
        orders_per_minute=orders_per_minute,
        created_at=at,
        expires_at=expires_at,
    )
    _account_event_append(account_id, ApiKeyCreated(key_id=key.key_id, name=name, scopes=tuple(scopes)), by, at)
    return NewApiKey(key.id, key.key_id, secret, at)


@transaction.atomic
def api_key_revoke(*, key_id: str, by: Actor, at: datetime) -> None:
    """Revoke an API key at once; revoking it again changes nothing."""
    key = ApiKey.objects.select_for_update().filter(key_id=key_id).first()
    if key is None:
        raise NotFound(reason("API_KEY_NOT_FOUND", key_id=key_id), "There is no such API key.")
    if key.revoked_at is None:
        key.revoked_at = at
        key.save(update_fields=["revoked_at"])
        _account_event_append(key.account_id, ApiKeyRevoked(key_id=key_id), by, at)
        access_changed(person_id=key.user_id)


def _account_event_append(account_id: UUID, payload: EventPayload, by: Actor, at: datetime) -> None:
    """Append one event about an account, under its lock."""
    locked = accounts_lock([account_id])
    event = NewEvent(
        stream=f"account:{account_id}",
        payload=payload,
        actor=by,
        correlation_id=uuid7(),
        valid_at=at,
        account_id=account_id,
        account_sequence=locked.take_sequence(account_id),
    )
    events_append(events=[event], at=at)
    accounts_sequences_save(locked)
