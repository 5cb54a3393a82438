"""The breaker of a venue, and how long it is waited for: pure, by a clock the test turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.breaker import Breaker, BreakerState, Line
from orders.domain.latency import Latencies, is_slow, patience

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def opened(line=Line.SEND, at=0.0):
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(line, at, "silent")
    assert breaker.state is OPEN
    return breaker


def test_four_failures_in_a_row_leave_it_closed_and_the_fifth_opens_it():
    breaker = Breaker()
    assert [breaker.failed(Line.SEND, at) for at in range(4)] == [False] * 4
    assert breaker.failed(Line.SEND, 4, "silent")
    assert (breaker.state, breaker.cause, breaker.probe_at) == (OPEN, "silent", 34)


def test_a_success_starts_the_row_anew():
    breaker = Breaker()
    for at in range(4):
        breaker.failed(Line.SEND, at * 20)
    breaker.succeeded(Line.SEND, 80)
    for at in range(5, 9):
        assert not breaker.failed(Line.SEND, at * 20)


def test_answered_questions_do_not_excuse_orders_that_are_not_taken():
    breaker = Breaker()
    for at in range(5):
        breaker.succeeded(Line.ASK, at * 20)
        breaker.failed(Line.SEND, at * 20)
    assert breaker.state is OPEN


def test_half_of_at_least_ten_calls_within_ten_seconds_opens_it():
    breaker = Breaker()
    for at in range(4):
        breaker.failed(Line.SEND, at)
        breaker.succeeded(Line.SEND, at)
    assert breaker.state is CLOSED
    breaker.succeeded(Line.SEND, 4)
    assert breaker.failed(Line.SEND, 5)


def test_failures_that_are_older_than_the_window_do_not_count():
    breaker = Breaker()
    for at in range(20):
        breaker.failed(Line.SEND, at * 6)
        breaker.succeeded(Line.SEND, at * 6 + 1)
    assert breaker.state is CLOSED


def test_nothing_goes_through_for_thirty_seconds_then_a_probe_does():
    breaker = opened(at=100)
    assert not breaker.probe_due(129.9)
    assert breaker.probe_due(130)
    assert breaker.state is HALF_OPEN
    assert not breaker.probe_due(131)


def test_two_successes_close_it():
    breaker = opened()
    breaker.probe_due(30)
    assert not breaker.succeeded(Line.SEND, 31)
    assert breaker.succeeded(Line.SEND, 32)
    assert (breaker.state, breaker.cause) == (CLOSED, "")


def test_one_failure_of_a_probe_opens_it_for_another_thirty_seconds():
    breaker = opened()
    breaker.probe_due(30)
    breaker.succeeded(Line.SEND, 31)
    assert breaker.failed(Line.ASK, 32)
    assert (breaker.state, breaker.probe_at) == (OPEN, 62)
    breaker.probe_due(62)
    assert not breaker.succeeded(Line.ASK, 63)


def test_what_opened_because_nothing_could_be_sent_closes_only_when_something_was():
    breaker = opened(Line.SEND)
    breaker.probe_due(30)
    for at in range(31, 40):
        assert not breaker.succeeded(Line.ASK, at)
    breaker.succeeded(Line.SEND, 40)
    assert breaker.succeeded(Line.SEND, 41)


def test_answered_questions_close_what_unanswered_questions_opened():
    breaker = opened(Line.ASK)
    breaker.probe_due(30)
    breaker.succeeded(Line.ASK, 31)
    assert breaker.succeeded(Line.ASK, 32)


def test_an_open_one_ignores_what_comes_late():
    breaker = opened()
    assert not breaker.failed(Line.SEND, 1)
    assert not breaker.succeeded(Line.SEND, 2)
    assert (breaker.state, breaker.probe_at) == (OPEN, 30)


calls = st.lists(st.tuples(st.sampled_from(list(Line)), st.booleans(), st.floats(0, 15)), max_size=80)


@given(calls)
def test_it_never_skips_the_probe_whatever_happens(history):
    breaker, at, before = Breaker(), 0.0, CLOSED
    allowed = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)}
    for line, is_success, pause in history:
        at += pause
        is_probing = breaker.probe_due(at)
        assert is_probing == ((before, breaker.state) == (OPEN, HALF_OPEN))
        before = breaker.state
        changed = breaker.succeeded(line, at) if is_success else breaker.failed(line, at)
        assert changed == (breaker.state is not before)
        assert not changed or (before, breaker.state) in allowed
        before = breaker.state


def latencies(*seconds, at=0.0):
    made = Latencies()
    for each in seconds:
        made.add(each, at)
    return made


def test_the_95th_of_a_hundred_answers_is_the_p95():
    assert latencies(*range(100, 0, -1)).p95(0) == 95


def test_too_few_answers_tell_nothing_and_old_ones_are_forgotten():
    assert latencies(9, 9, 9, 9).p95(0) is None
    assert latencies(*[9] * 10, at=0).p95(59.9) == 9
    assert latencies(*[9] * 10, at=0).p95(60) is None


@pytest.mark.parametrize(
    ("p95", "slow", "seconds"), [(None, False, 10), (0.05, False, 10), (2, False, 10), (2.1, True, 10.5), (9, True, 30)]
)
def test_the_wait_for_an_answer_grows_with_the_venue_s_delay_between_10_and_30_seconds(p95, slow, seconds):
    assert is_slow(p95) is slow
    assert patience(p95) == seconds
