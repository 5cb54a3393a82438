"""An Idempotency-Key holds one answer for a day, whoever asks at the same time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from accounts.domain.idempotency import KEPT_FOR, is_usable
from accounts.services import account_open, idempotency_answer, idempotency_claim, person_ensure
from audit.domain.types import Actor
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7


def new_account():
    owner_id, _ = person_ensure(
        username=f"u-{uuid7()}", email="", first_name="", last_name="", password="", groups=[], is_staff=False
    )
    opened = {"name": "A", "base_currency": "USD", "is_paper": True, "by": Actor.system("test"), "at": clock.now()}
    return account_open(owner_id=owner_id, number=str(uuid7())[-12:], **opened)


@pytest.fixture(scope="module")
def account_id():
    return new_account()


def claim(account_id, key, request_hash=b"h", at=None):
    return idempotency_claim(account_id=account_id, key=key, request_hash=request_hash, at=at or clock.now())


def test_a_key_is_claimed_once_and_keeps_its_first_answer(account_id):
    first, again = claim(account_id, "k1"), claim(account_id, "k1", b"other")
    assert (first.id, first.status, first.request_hash) == (again.id, 0, again.request_hash)
    assert [first.derived_id(0), first.derived_id(1)] == [again.derived_id(0), again.derived_id(1)]
    assert first.derived_id(0) != first.derived_id(1)
    idempotency_answer(claim=first, status=200, body={"a": "1"})
    idempotency_answer(claim=again, status=403, body={})
    answered = claim(account_id, "k1")
    assert (answered.status, answered.body) == (200, {"a": "1"})


def test_a_key_is_an_accounts_own(account_id):
    assert claim(account_id, "k2").id != claim(new_account(), "k2").id


def test_a_key_is_free_again_after_a_day_and_then_makes_other_ids(account_id):
    at = clock.now()
    first = claim(account_id, "k3", at=at)
    assert claim(account_id, "k3", at=at + KEPT_FOR - timedelta(seconds=1)).id == first.id
    later = claim(account_id, "k3", b"other", at=at + KEPT_FOR)
    assert later.id != first.id
    assert later.derived_id(0) != first.derived_id(0)
    assert later.request_hash == b"other"


def test_many_at_once_claim_the_same(account_id):
    claims, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        claims.append(claim(account_id, "k4"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.id for each in claims}) == 1


@pytest.mark.parametrize(
    ("key", "usable"), [("a", True), ("x" * 128, True), ("", False), ("x" * 129, False), ("a b", False), ("ä", False)]
)
def test_a_key_is_short_and_visible(key, usable):
    assert is_usable(key) is usable
