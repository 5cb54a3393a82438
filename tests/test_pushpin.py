"""Account events through a real Pushpin: pushed, resumed without a gap or a double, whatever becomes of Pushpin."""

from __future__ import annotations

import signal
import threading

import httpx
import msgspec
import pytest
from django.db import transaction
from django.test import override_settings

from accounts import services
from audit.models import Cursor
from audit.selectors import account_sequence_last
from orders.api import account_stream
from orders.eventstream import StreamReader, grip
from positions.tests.helpers import BY, new_account
from tests.grip import following, happens, is_gapless, owner, read
from tests.test_account_stream import Stream, new_key, sequence
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.running.ports import free_port


def test_what_happens_is_pushed_through_pushpin_and_nobody_asks_again(pushpin, relay, unsettled, monkeypatch):
    asked, answer = [], account_stream._answer
    monkeypatch.setattr(account_stream, "_answer", lambda *given: asked.append(1) or answer(*given))
    account_id = new_account()
    with following(pushpin.address, account_id, new_key(account_id)) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert not [name for name in response.headers if name.startswith("grip-")]
        stream = Stream(response)
        stream.until_open()
        # What happens before Pushpin holds the stream is asked for; once one event came, it holds it.
        last = happens(account_id)
        assert sequence(stream.next()) == last
        asked_until_held = len(asked)
        for _ in range(5):
            last = happens(account_id)
            assert sequence(stream.next()) == last
    assert len(asked) == asked_until_held


def test_an_event_reads_the_same_here_through_pushpin_and_from_the_log(pushpin, relay):
    account_id = new_account()
    key = new_key(account_id)
    start = account_sequence_last(account_id)

    def name(text):
        happened = {"user_id": owner(account_id), "account_id": account_id, "scopes": [], "by": BY, "at": clock.now()}
        services.api_key_create(name=text, **happened)

    with following(pushpin.address, account_id, key) as pushed, following(pushpin.origin, account_id, key) as direct:
        streams = [Stream(pushed), Stream(direct)]
        for stream in streams:
            stream.until_open()
        name('50% of %s, %I, %(x)s, "€" and \n')
        first, second = (stream.next() for stream in streams)
    with following(pushpin.address, account_id, key, **{"Last-Event-ID": str(start)}) as resumed:
        third = Stream(resumed).next()
    assert first == second == third
    assert msgspec.json.decode(first["data"])["payload"]["name"] == '50% of %s, %I, %(x)s, "€" and \n'


@pytest.mark.parametrize("form", ["{}", "account-{account}:{}"])
def test_a_reader_who_comes_back_through_pushpin_misses_nothing_and_sees_nothing_twice(pushpin, relay, form):
    account_id = new_account()
    key = new_key(account_id)
    with following(pushpin.address, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        happens(account_id)
        seen = read(stream, 1)
    for _ in range(130):
        happens(account_id)
    resume = {"Last-Event-ID": form.format(seen[-1], account=account_id)}
    with following(pushpin.address, account_id, key, **resume) as response:
        stream = Stream(response)
        seen += read(stream, 130)
        happens(account_id)
        seen += read(stream, 1)
    assert is_gapless(seen)


def test_events_while_the_stream_opens_are_neither_lost_nor_doubled_by_pushpin(pushpin, relay):
    account_id = new_account()
    key = new_key(account_id)
    start = account_sequence_last(account_id)
    writer = threading.Thread(target=lambda: [happens(account_id) for _ in range(60)])
    writer.start()
    with following(pushpin.address, account_id, key, **{"Last-Event-ID": str(start)}) as response:
        seen = read(Stream(response), 60)
    writer.join()
    assert seen == list(range(start + 1, start + 61))


def test_more_at_once_than_pushpin_keeps_back_for_a_reader_arrives_whole(pushpin, relay):
    account_id = new_account()
    key = new_key(account_id)
    start = account_sequence_last(account_id)
    with following(pushpin.address, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        with transaction.atomic():
            for _ in range(230):
                happens(account_id)
        seen = read(stream, 230)
        happens(account_id)
        seen += read(stream, 1)
    assert seen == list(range(start + 1, start + 232))


def test_what_happens_while_a_hold_is_under_way_is_told_soon_after(pushpin, loss, monkeypatch):
    monkeypatch.setattr(account_stream, "SETTLE_SECONDS", 0.1)
    account_id = new_account()
    with following(pushpin.address, account_id, new_key(account_id)) as response:
        stream = Stream(response)
        stream.until_open()
        last = happens(account_id)
        assert sequence(stream.next()) == last


def test_what_pushpin_was_not_told_is_asked_for_in_a_while(pushpin, loss, unsettled):
    account_id = new_account()
    with override_settings(GRIP_RECHECK_SECONDS=1), following(pushpin.address, account_id, new_key(account_id)) as got:
        stream = Stream(got)
        stream.until_open()
        last = happens(account_id)
        assert sequence(stream.next()) == last


def test_what_pushpin_was_not_told_comes_before_what_it_is_told_next(pushpin, relay, loss, unsettled):
    account_id = new_account()
    with following(pushpin.address, account_id, new_key(account_id)) as response:
        stream = Stream(response)
        stream.until_open()
        loss.is_on = False
        happens(account_id)
        seen = read(stream, 1)
        loss.is_on = True
        happens(account_id)
        assert loss.happened.wait(5)
        loss.is_on = False
        happens(account_id)
        seen += read(stream, 2)
        happens(account_id)
        seen += read(stream, 1)
    assert is_gapless(seen)


def test_a_pushpin_that_hangs_holds_up_nobody_else_and_gets_everything_when_it_wakes(pushpin, relay, monkeypatch):
    monkeypatch.setattr(grip, "ANSWER_SECONDS", 0.2)
    account_id = new_account()
    key = new_key(account_id)
    with (
        following(pushpin.address, account_id, key) as held,
        following(pushpin.origin, account_id, key) as direct,
    ):
        stream, ours = Stream(held), Stream(direct)
        for opened in (stream, ours):
            opened.until_open()
        happens(account_id)
        seen = read(stream, 1)
        read(ours, 1)
        pushpin.signal(signal.SIGSTOP)
        try:
            first = happens(account_id)
            assert sequence(ours.next()) == first
            behind = Cursor.objects.get(consumer="pushpin").xid
            with pytest.raises(Unavailable, match="ReadTimeout"):
                grip.readers_ask_again(account_id=account_id, reader=StreamReader.key(key.key_id))
            last = happens(account_id)
            assert sequence(ours.next()) == last
            assert Cursor.objects.get(consumer="pushpin").xid == behind
        finally:
            pushpin.signal(signal.SIGCONT)
        seen += read(stream, 2)
        assert seen[-1] == last
        happens(account_id)
        seen += read(stream, 1)
    assert is_gapless(seen)


def test_readers_of_a_pushpin_that_died_come_back_to_all_they_missed(pushpin, relay):
    account_id = new_account()
    key = new_key(account_id)
    with following(pushpin.address, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        happens(account_id)
        seen = read(stream, 1)
        pushpin.stop()
        with pytest.raises((EOFError, httpx.HTTPError)):
            stream.next()
    for _ in range(3):
        happens(account_id)
    with following(pushpin.origin, account_id, key, **{"Last-Event-ID": str(seen[-1])}) as response:
        assert read(Stream(response), 3) == [seen[-1] + 1, seen[-1] + 2, seen[-1] + 3]
    pushpin.start()
    with following(pushpin.address, account_id, key, **{"Last-Event-ID": str(seen[-1])}) as response:
        stream = Stream(response)
        seen += read(stream, 3)
        happens(account_id)
        seen += read(stream, 1)
    assert is_gapless(seen)


def test_what_pushpin_will_never_take_is_told_from_a_pushpin_that_is_away(pushpin):
    with pytest.raises(ValueError, match="refused messages with 400"):
        grip._post([b'{"channel":"x"}'])
    with override_settings(GRIP_URL=pushpin.grip_url.replace(str(pushpin.control_port), str(free_port()))):
        with pytest.raises(Unavailable, match="PUSHPIN_UNAVAILABLE") as away:
            grip._post([b"{}"])
        assert "key" not in str(away.value)
