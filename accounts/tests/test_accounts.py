"""Accounts are locked as one, and keys grant only what they should."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from accounts import selectors, services
from accounts.domain.types import LockedAccounts
from accounts.models import TradingAccount
from audit.domain.types import Actor
from audit.selectors import events_of_account
from trading_portal.kernel import clock
from trading_portal.kernel.errors import NotFound
from trading_portal.kernel.ids import uuid7

BY = Actor.system("test")


def person() -> object:
    user_id, _ = services.person_ensure(
        username=f"u-{uuid7()}", email="", first_name="", last_name="", password="", groups=[], is_staff=False
    )
    return user_id


@pytest.fixture
def owner_id():
    return person()


@pytest.fixture
def account_id(owner_id):
    return services.account_open(
        owner_id=owner_id,
        number=str(uuid7())[-12:],
        name="A",
        base_currency="USD",
        is_paper=True,
        by=BY,
        at=clock.now(),
    )


def test_a_lock_outside_a_transaction_is_refused(account_id):
    with pytest.raises(transaction.TransactionManagementError):
        services.accounts_lock([account_id])


def test_a_missing_account_cannot_be_locked(account_id):
    with pytest.raises(NotFound), transaction.atomic():
        services.accounts_lock([account_id, uuid7()])


def _take_and_save(account_id, lock):
    with transaction.atomic():
        locked = lock(account_id)
        taken.append(locked.take_sequence(account_id))
        barrier.wait(timeout=1) if lock is not _locked else None
        services.accounts_sequences_save(locked)
    connection.close()


taken: list[int] = []
barrier = threading.Barrier(4)


def _locked(account_id):
    return services.accounts_lock([account_id])


def _unlocked(account_id):
    facts = selectors.account_by_id(account_id)
    return LockedAccounts([(facts, TradingAccount.objects.get(id=account_id).event_sequence)])


@pytest.mark.parametrize(("lock", "expected_distinct"), [(_unlocked, False), (_locked, True)])
def test_sequences_collide_without_the_lock_and_never_with_it(account_id, lock, expected_distinct):
    taken.clear()
    barrier.reset()
    threads = [threading.Thread(target=_take_and_save, args=(account_id, lock)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(taken)) == 4) is expected_distinct


def test_a_key_grants_what_it_names_until_it_is_revoked(owner_id, account_id):
    at = clock.now()
    key = services.api_key_create(
        user_id=owner_id, account_id=account_id, name="k", scopes=["trading"], by=BY, at=at, orders_per_minute=7
    )
    pair = (key.key_id, key.secret)
    good, wrong, none = selectors.keys_verify([pair, (key.key_id, "wrong"), ("nobody", "x")], at)
    assert good is not None
    assert (good.account_id, good.user_id, good.orders_per_minute) == (account_id, owner_id, 7)
    assert wrong is None
    assert none is None
    services.api_key_revoke(key_id=key.key_id, by=BY, at=at)
    assert selectors.keys_verify([pair], at) == [None]
    assert [event.type for event in events_of_account(account_id, 0, 10)] == [
        "account.opened", "api_key.created", "api_key.revoked",
    ]  # fmt: skip


def test_a_key_stops_at_its_expiry(owner_id, account_id):
    at = clock.now()
    key = services.api_key_create(
        user_id=owner_id, account_id=account_id, name="k", scopes=[], by=BY, at=at, expires_at=at + timedelta(hours=1)
    )
    assert selectors.keys_verify([(key.key_id, key.secret)], at)[0] is not None
    assert selectors.keys_verify([(key.key_id, key.secret)], at + timedelta(hours=1)) == [None]


def test_the_secret_of_a_key_is_stored_nowhere(owner_id, account_id):
    key = services.api_key_create(user_id=owner_id, account_id=account_id, name="k", scopes=[], by=BY, at=clock.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_apikey k WHERE k::text LIKE %s", [f"%{key.secret}%"])
        assert cursor.fetchone()[0] == 0
        cursor.execute("SELECT count(*) FROM audit_event e WHERE e::text LIKE %s", [f"%{key.secret}%"])
        assert cursor.fetchone()[0] == 0


def test_a_stranger_sees_and_trades_nothing(owner_id, account_id):
    stranger = person()
    assert selectors.account_visible(owner_id, account_id) is not None
    assert selectors.account_visible(stranger, account_id) is None
    assert selectors.account_for_trading(stranger, account_id) is None
    assert selectors.accounts_visible(stranger) == []


def test_an_account_may_sell_short_once_it_is_told_so_and_the_log_says_it_once(account_id):
    for _ in range(2):
        services.account_configure(account_id=account_id, may_short=True, by=BY, at=clock.now())
    facts = selectors.account_by_id(account_id)
    assert facts is not None
    assert facts.may_short
    assert [event.type for event in events_of_account(account_id, since=0, limit=100)].count("account.configured") == 1
