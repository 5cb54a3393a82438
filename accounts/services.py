"""Open accounts, lock them, and make and revoke the keys that act for them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError

from accounts.domain import sign_in
from accounts.domain.events import AccountConfigured, AccountOpened, ApiKeyCreated, ApiKeyRevoked
from accounts.domain.idempotency import KEPT_FOR, IdempotencyClaim
from accounts.domain.keys import secret_hash
from accounts.domain.rates import TAKE_SCRIPT, WINDOW_SECONDS, RateAnswer, RateRequest
from accounts.domain.types import AccountFacts, LockedAccounts, NewApiKey
from accounts.models import ApiKey, TradingAccount, User
from audit.domain.types import Actor, EventPayload, NewEvent
from audit.services import events_append
from audit.sql import execute, fetch_later
from trading_portal.kernel.arrays import bigints_of, uuids_of
from trading_portal.kernel.errors import InvalidInput, NotFound, Unavailable, reason
from trading_portal.kernel.ids import uuid7

_LOCK = """
SELECT id, number, name, owner_id, base_currency, status, is_paper, may_short, event_sequence
FROM accounts_tradingaccount WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_SAVE = """
UPDATE accounts_tradingaccount AS account SET event_sequence = new.sequence
FROM unnest(%s::uuid[], %s::bigint[]) AS new(id, sequence) WHERE account.id = new.id
"""
_KEYS_FORGET = "DELETE FROM accounts_idempotencykey WHERE account_id = %s AND answered_at <= %s"
_KEY_CLAIM = """
INSERT INTO accounts_idempotencykey (account_id, key, request_hash, status, body, answered_at)
VALUES (%s, %s, %s, 0, 'null', %s) ON CONFLICT DO NOTHING
"""
_KEY_READ = """
SELECT id, request_hash, status, body::text FROM accounts_idempotencykey WHERE account_id = %s AND key = %s
"""
_KEY_ANSWER = "UPDATE accounts_idempotencykey SET status = %s, body = %s WHERE id = %s AND status = 0"


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
def person_ensure(
    *, username: str, email: str, first_name: str, last_name: str, password: str, groups: Sequence[str], is_staff: bool
) -> tuple[UUID, str]:
    """Make a person, or keep the one there; return their id and a password that signs in.

    The given password is kept when it is the person's; otherwise a new random one is set.
    """
    user, _ = User.objects.get_or_create(
        username=username, defaults={"email": email, "first_name": first_name, "last_name": last_name}
    )
    if not password or not user.check_password(password):
        password = secrets.token_urlsafe(9)
        user.set_password(password)
    user.is_staff = is_staff
    user.save()
    user.groups.set(Group.objects.filter(name__in=groups))
    return user.id, password


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


def rates_take(requests: Sequence[RateRequest], *, window_seconds: float = WINDOW_SECONDS) -> list[RateAnswer]:
    """Take from the budgets of many callers in one Redis call, exact whoever else takes at the same time.

    Several requests of one caller are served in their order. Raise Unavailable when Redis does not answer:
    a limit that cannot be counted is not a limit.
    """
    if not requests:
        return []
    keys = {key: index for index, key in enumerate(dict.fromkeys(request.key for request in requests), start=1)}
    arguments = [round(window_seconds * 1_000_000)]
    for request in requests:
        arguments += [keys[request.key], request.limit, request.cost]
    try:
        client: Redis = get_redis_connection("default")
        taken = client.register_script(TAKE_SCRIPT)(keys=[f"{{rate}}:{key}" for key in keys], args=arguments)
    except RedisError as error:
        raise Unavailable(reason("RATE_UNKNOWN"), "The portal cannot count requests now. Try again shortly.") from error
    return [
        RateAnswer(request.key, bool(allowed), request.limit, max(remaining, 0), -(-wait // 1_000_000), request.cost)
        for request, allowed, remaining, wait in zip(requests, *(taken[i::3] for i in range(3)), strict=True)
    ]


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


@transaction.atomic
def idempotency_claim(*, account_id: UUID, key: str, request_hash: bytes, at: datetime) -> IdempotencyClaim:
    """Claim an Idempotency-Key, or return what an earlier request under it claimed and was answered."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_FORGET, [account_id, at - KEPT_FOR])
        cursor.execute(_KEY_CLAIM, [account_id, key, request_hash, at])
        cursor.execute(_KEY_READ, [account_id, key])
        row = cursor.fetchone()
    return IdempotencyClaim(row[0], bytes(row[1]), row[2], json.loads(row[3]))


def idempotency_answer(*, claim: IdempotencyClaim, status: int, body: Any) -> None:
    """Keep the answer of the first request under a key; a second one changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_KEY_ANSWER, [status, json.dumps(body), claim.id])


def sign_in_try(*, username: str, address: str) -> int:
    """Count one try to sign in; return 0, or for how many seconds this name or address is locked out."""
    requests = sign_in.sign_in_requests(username, address)
    answers = rates_take(requests, window_seconds=sign_in.WINDOW_SECONDS)
    return max((answer.wait_seconds for answer in answers if not answer.is_allowed), default=0)


def sign_in_succeeded(*, username: str, address: str) -> None:
    """Forget the failed tries of one name from one address."""
    client: Redis = get_redis_connection("default")
    with suppress(RedisError):  # Not forgotten, the tries only run out sooner.
        client.delete(f"{{rate}}:{sign_in.own_key(username, address)}")


def person_preferences_change(*, user_id: UUID, chosen: Mapping[str, object]) -> None:
    """Keep how a person wants the pages to look; raise InvalidInput for what is no choice."""
    for name, value in chosen.items():
        if not isinstance(value, str) or value not in sign_in.CHOICES.get(name, ()):
            why = reason("PREFERENCE_UNKNOWN", name=name[:40])
            raise InvalidInput(why, f"{name[:40]} cannot be set to that.")
    with transaction.atomic():
        person = User.objects.select_for_update().get(id=user_id)
        person.theme = str(chosen.get("theme", person.theme))
        person.time_zone = str(chosen.get("time_zone", person.time_zone))
        others = {name: value for name, value in chosen.items() if name not in ("theme", "time_zone")}
        person.preferences = {**person.preferences, **others}
        person.save(update_fields=["theme", "time_zone", "preferences"])
