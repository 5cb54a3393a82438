"""Read accounts and keys."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.crypto import constant_time_compare

from accounts.domain.keys import secret_hash
from accounts.domain.types import AccountFacts, KeyGrant, KeyReading, Permission
from accounts.models import ApiKey, Grant, TradingAccount
from audit.sql import fetch

_KEYS = """
SELECT key.key_id, key.secret_hash, key.id, key.user_id, key.account_id, key.scopes, key.orders_per_minute,
       key.allowed_networks, account.number, account.name, account.owner_id, account.base_currency, account.status,
       account.is_paper, account.may_short, account.event_sequence, key.expires_at
FROM accounts_apikey AS key JOIN accounts_user AS person ON person.id = key.user_id
JOIN accounts_tradingaccount AS account ON account.id = key.account_id
WHERE key.key_id = ANY(%s) AND key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > %s)
  AND person.is_active
"""


def _facts(account: TradingAccount) -> AccountFacts:
    return AccountFacts(
        account.id,
        account.number,
        account.name,
        account.owner_id,
        account.base_currency,
        account.status,
        account.is_paper,
        account.may_short,
    )


def keys_verify(credentials: Sequence[tuple[str, str]], at: datetime) -> list[KeyGrant | None]:
    """Return what each (key id, secret) grants, None where it grants nothing; one statement for all."""
    return [reading.grant if reading else None for reading in keys_read(credentials, at)]


def keys_read(credentials: Sequence[tuple[str, str]], at: datetime) -> list[KeyReading | None]:
    """Return what each (key id, secret) grants and the account it is for, None where it grants nothing."""
    rows = _keys_usable({key_id for key_id, _ in credentials}, at)
    found: list[KeyReading | None] = []
    for key_id, secret in credentials:
        row = rows.get(key_id)
        held = bytes(row[1]) if row else b""
        matches = hmac.compare_digest(held, secret_hash(secret))
        found.append(_reading(row) if row and matches else None)
    return found


def keys_granting(key_ids: Collection[str], at: datetime) -> dict[str, KeyGrant]:
    """Return what keys still grant, by id; for callers who have verified their secrets before."""
    return {key_id: _reading(row).grant for key_id, row in _keys_usable(key_ids, at).items()} if key_ids else {}


def _keys_usable(key_ids: Collection[str], at: datetime) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row for row in fetch(_KEYS, [list(key_ids), at], prepare=True)}


def _reading(row: Sequence[Any]) -> KeyReading:
    return KeyReading(
        KeyGrant(row[2], row[0], row[3], row[4], frozenset(row[5]), row[6], tuple(row[7]), row[16]),
        AccountFacts(row[4], *row[8:15]),
        row[15],
    )


def _visible(user_id: UUID, permissions: Sequence[Permission]) -> Q:
    granted = Grant.objects.filter(user_id=user_id, permission__in=permissions).values("account_id")
    return Q(owner_id=user_id) | Q(id__in=granted)


def accounts_visible(user_id: UUID) -> list[AccountFacts]:
    """Return the accounts a person owns or was granted, own ones first."""
    accounts = TradingAccount.objects.filter(_visible(user_id, ["view", "trade"]))
    return sorted((_facts(account) for account in accounts), key=lambda a: (a.owner_id != user_id, a.number))


def account_visible(user_id: UUID, account_id: UUID) -> AccountFacts | None:
    """Return an account that a person may see, or None."""
    account = TradingAccount.objects.filter(_visible(user_id, ["view", "trade"]), id=account_id).first()
    return _facts(account) if account else None


def account_for_trading(user_id: UUID, account_id: UUID) -> AccountFacts | None:
    """Return an account that a person may trade in, or None."""
    account = TradingAccount.objects.filter(_visible(user_id, ["trade"]), id=account_id).first()
    return _facts(account) if account else None


def account_default(user_id: UUID) -> AccountFacts | None:
    """Return the account a person sees first, or None when they have none."""
    return next(iter(accounts_visible(user_id)), None)


def account_by_id(account_id: UUID) -> AccountFacts | None:
    """Return an account's facts, whoever asks; callers have authorised already."""
    account = TradingAccount.objects.filter(id=account_id).first()
    return _facts(account) if account else None


def account_by_number(number: str) -> AccountFacts | None:
    """Return an account by the number people know it by, or None."""
    account = TradingAccount.objects.filter(number=number).first()
    return _facts(account) if account else None


def key_ids_named(account_id: UUID, name: str) -> list[str]:
    """Return the ids of an account's keys of a name that are not revoked."""
    return list(
        ApiKey.objects.filter(account_id=account_id, name=name, revoked_at=None).values_list("key_id", flat=True)
    )


def accounts_by_id(account_ids: Collection[UUID]) -> dict[UUID, AccountFacts]:
    """Return the facts of many accounts by id, in one statement; callers have authorised already."""
    return {account.id: _facts(account) for account in TradingAccount.objects.filter(id__in=account_ids)}


def account_ids_all() -> list[UUID]:
    """Return the id of every account, closed ones included."""
    return list(TradingAccount.objects.order_by("id").values_list("id", flat=True))


def accounts_open() -> list[AccountFacts]:
    """Return every open account, by number; for officers, who may see all."""
    return [_facts(a) for a in TradingAccount.objects.filter(status=TradingAccount.Status.ACTIVE).order_by("number")]


def sessions_people(session_keys: Collection[str], at: datetime) -> dict[str, UUID]:
    """Return who each session belongs to now, in two statements.

    Left out are those that ended, whose password changed since, and whose person was shut out.
    """
    store = SessionStore()
    rows = Session.objects.filter(session_key__in=session_keys, expire_date__gt=at)
    told = {key: store.decode(data) for key, data in rows.values_list("session_key", "session_data")}
    named = {key: _person_named(facts) for key, facts in told.items()}
    people = get_user_model().objects.filter(is_active=True).in_bulk([pk for pk in named.values() if pk])
    return {
        key: person.pk
        for key, facts in told.items()
        if (person := people.get(named[key])) and _is_signed(facts.get(HASH_SESSION_KEY, ""), person)
    }


def session_person(session: Session) -> UUID | None:
    """Return whose session this is, or was, whether or not it still holds."""
    return _person_named(session.get_decoded())


def _person_named(facts: Mapping[str, Any]) -> UUID | None:
    if facts.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        return UUID(facts.get(SESSION_KEY, ""))
    except ValueError:
        return None


def _is_signed(given: str, person: AbstractBaseUser) -> bool:
    """Tell whether a session was made with the password of now, under a secret that still counts."""
    hashes = [person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()]
    return any(constant_time_compare(given, known) for known in hashes)


def accounts_visible_among(pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Return those pairs of person and account where the person, if not shut out, may see it; in two statements."""
    people, accounts = {person for person, _ in pairs}, {account for _, account in pairs}
    owned = TradingAccount.objects.filter(owner_id__in=people, owner__is_active=True, id__in=accounts)
    granted = Grant.objects.filter(
        user_id__in=people, user__is_active=True, account_id__in=accounts, permission__in=["view", "trade"]
    )
    return set(pairs) & {*owned.values_list("owner_id", "id"), *granted.values_list("user_id", "account_id")}
