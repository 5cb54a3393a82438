"""The rate limit is exact: over any window, however many ask at once, and whatever their order."""

import threading
import time

import pytest
from django_redis import get_redis_connection

from accounts.domain.rates import RateRequest
from accounts.services import rates_take
from trading_portal.kernel.errors import Unavailable
from trading_portal.kernel.ids import uuid7


@pytest.fixture
def key():
    return f"orders:test-{uuid7()}"


def allowed(answers):
    return [answer.is_allowed for answer in answers]


def test_a_budget_is_given_out_to_the_last_and_no_further(key):
    answers = [rates_take([RateRequest(key, 3)])[0] for _ in range(4)]
    assert allowed(answers) == [True, True, True, False]
    assert [answer.remaining for answer in answers] == [2, 1, 0, 0]
    assert answers[-1].wait_seconds == 60


def test_one_call_serves_many_callers_in_their_order(key):
    other = f"{key}-other"
    asked = [
        RateRequest(key, 2),
        RateRequest(other, 1),
        RateRequest(key, 2),
        RateRequest(key, 2),
        RateRequest(other, 1),
    ]
    assert allowed(rates_take(asked)) == [True, True, True, False, False]


def test_a_batch_takes_all_or_nothing(key):
    taken = rates_take([RateRequest(key, 10, 7), RateRequest(key, 10, 4), RateRequest(key, 10, 3)])
    assert allowed(taken) == [True, False, True]
    assert [answer.remaining for answer in taken] == [3, 3, 0]


def test_many_threads_get_exactly_the_budget_between_them(key):
    limit, threads, each = 50, 8, 20
    granted = []
    start = threading.Barrier(threads)

    def ask():
        start.wait()
        for _ in range(each):
            granted.extend(answer for answer in rates_take([RateRequest(key, limit)]) if answer.is_allowed)

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(granted) == limit
    assert sorted(answer.remaining for answer in granted) == list(range(limit))


def test_the_window_slides_and_does_not_jump(key):
    """A fixed window would give out a second budget at its edge; here each unit comes back on its own."""
    window = 0.6
    first = time.monotonic()
    assert allowed(rates_take([RateRequest(key, 2)], window_seconds=window)) == [True]
    time.sleep(0.35)
    assert allowed(rates_take([RateRequest(key, 2)], window_seconds=window)) == [True]
    time.sleep(max(0.0, first + window + 0.05 - time.monotonic()))
    assert allowed(rates_take([RateRequest(key, 2), RateRequest(key, 2)], window_seconds=window)) == [True, False]


def test_the_wait_that_is_named_is_enough_and_no_more(key):
    window = 1.0
    rates_take([RateRequest(key, 3, 1)], window_seconds=window)
    time.sleep(0.3)
    rates_take([RateRequest(key, 3, 2)], window_seconds=window)
    (refused,) = rates_take([RateRequest(key, 3, 2)], window_seconds=window)
    assert not refused.is_allowed
    assert refused.wait_seconds == 1
    time.sleep(0.75)
    assert allowed(rates_take([RateRequest(key, 3, 2)], window_seconds=window)) == [False]
    time.sleep(0.3)
    assert allowed(rates_take([RateRequest(key, 3, 2)], window_seconds=window)) == [True]


def test_what_is_kept_is_one_entry_a_batch_and_goes_away(key):
    rates_take([RateRequest(key, 10**6, 1000) for _ in range(5)])
    client = get_redis_connection("default")
    name = f"{{rate}}:{key}"
    assert client.llen(name) <= 6
    assert 0 < client.pttl(name) <= 61_000


def test_a_limit_that_cannot_be_counted_is_refused(key, settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    with pytest.raises(Unavailable):
        rates_take([RateRequest(key, 3)])
