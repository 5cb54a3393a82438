"""Account events through a real Pushpin: pushed, resumed without a gap or a double, and only for who may see them."""

from __future__ import annotations

import base64
import signal
import threading
import time
import uuid
from itertools import pairwise

import httpx
import jwt
import msgspec
import pytest
from django.conf import settings as site
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client, override_settings
from gripcontrol import parse_grip_uri

from accounts import services
from accounts.models import Grant
from accounts.selectors import account_by_id
from audit.models import Cursor
from audit.selectors import account_sequence_last
from marketdata.services import redis_shared
from orders import eventstream
from orders.api import account_stream
from orders.eventstream import StreamReader, grip
from positions.tests.helpers import BY, new_account
from tests.live import relaying, serving
from tests.test_account_stream import Stream, headers_of, new_key, sequence
from trading_portal import env, wiring
from trading_portal.kernel import clock
from trading_portal.kernel.errors import Unavailable
from trading_portal.running import pushpin as pushpins
from trading_portal.running.ports import free_port

# With every sign that base64 has, and that a URL may read otherwise.
KEY = "base64:" + base64.b64encode(b"\xfb\xef\xbe\xff" * 10).decode()
NEVER = 600


@pytest.fixture(scope="module")
def pushpin():
    """Run a Pushpin in front of the site, with the relay behind it, as GRIP_URL sets them up."""
    if not pushpins.find():
        pytest.skip(pushpins.MISSING)
    changed = {"GRIP_RECHECK_SECONDS": NEVER, "GRIP_FORWARDED_FOR": True}
    with (
        serving("uvicorn") as origin,
        pushpins.running(origin, KEY) as proxy,
        override_settings(GRIP_URL=proxy.grip_url, **changed),
    ):
        yield proxy


@pytest.fixture(scope="module")
def relay(pushpin):
    with relaying():
        yield


@pytest.fixture
def unsettled(monkeypatch):
    """Leave out the look that is taken half a second after a hold."""
    monkeypatch.setattr(account_stream, "SETTLE_SECONDS", NEVER)


class Loss:
    """Lose what the relay tells Pushpin, while `is_on`."""

    def __init__(self):
        self.is_on, self.happened, self._publish = True, threading.Event(), eventstream.events_publish

    def publish(self, events, *, at):
        if self.is_on:
            self.happened.set()
        else:
            self._publish(events, at=at)


@pytest.fixture
def loss(monkeypatch):
    """Lose what the relay tells Pushpin, from the start."""
    loss = Loss()
    monkeypatch.setattr(eventstream, "events_publish", loss.publish)
    return loss


def happens(account_id, **options):
    """Append an event to the account's log; the relay hears of it by itself."""
    new_key(account_id, **options)
    return account_sequence_last(account_id)


def _owner(account_id):
    return account_by_id(account_id).owner_id


def path_of(account_id):
    return f"/events/accounts/{account_id}/"


def following(address, account_id, key, **headers):
    url = f"http://{address}{path_of(account_id)}"
    return httpx.stream("GET", url, headers=headers_of(key, **headers), timeout=10)


def ask(pushpin, account_id, key, **headers):
    return httpx.get(f"http://{pushpin.address}{path_of(account_id)}", headers=headers_of(key, **headers), timeout=10)


def secret():
    """Return the bytes that Pushpin signs with."""
    return base64.b64decode(KEY.removeprefix("base64:"))


def es_meta(account_id, reader, *, key=site.SECRET_KEY, seconds=60):
    """Write the token that the site gives to Pushpin with a hold."""
    channels = [f"account-{account_id}"]
    told = {"iss": "es", "exp": int(time.time()) + seconds, "channels": channels, "user": reader.id}
    return jwt.encode(told, key)


def read(stream, count):
    return [sequence(stream.next()) for _ in range(count)]


def is_gapless(seen):
    return all(after == before + 1 for before, after in pairwise(seen))


def test_what_happens_is_pushed_through_pushpin_and_nobody_asks_again(pushpin, relay, unsettled, monkeypatch):
    asked, answer = [], account_stream._answer
    monkeypatch.setattr(account_stream, "_answer", lambda *given: asked.append(1) or answer(*given))
    account_id = new_account()
    with following(pushpin.address, account_id, new_key(account_id)) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert not [name for name in response.headers if name.startswith("grip-")]
        stream = Stream(response)
        stream.until_open()
        for _ in range(5):
            last = happens(account_id)
            assert sequence(stream.next()) == last
    assert len(asked) == 1


def test_an_event_reads_the_same_here_through_pushpin_and_from_the_log(pushpin, relay):
    account_id = new_account()
    key = new_key(account_id)
    start = account_sequence_last(account_id)

    def name(text):
        happened = {"user_id": _owner(account_id), "account_id": account_id, "scopes": [], "by": BY, "at": clock.now()}
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


def test_a_key_that_is_revoked_is_cut_off_by_pushpin_at_once_and_no_other(pushpin, relay, unsettled):
    account_id = new_account()
    keys = [new_key(account_id), new_key(account_id)]
    with (
        following(pushpin.address, account_id, keys[0]) as revoked,
        following(pushpin.address, account_id, keys[1]) as other,
    ):
        streams = [Stream(revoked), Stream(other)]
        for stream in streams:
            stream.until_open()
        services.api_key_revoke(key_id=keys[0].key_id, by=BY, at=clock.now())
        told = streams[0].next()
        assert (told["event"], msgspec.json.decode(told["data"])["condition"]) == ("stream-error", "forbidden")
        with pytest.raises(EOFError):
            streams[0].next()
        assert streams[1].next()["event"] == "api_key.revoked"
        last = happens(account_id)
        assert sequence(streams[1].next()) == last
    assert ask(pushpin, account_id, keys[0]).status_code == 401


def test_a_key_that_was_revoked_while_pushpin_was_not_told_reads_no_further(pushpin, relay, loss, unsettled):
    account_id = new_account()
    key = new_key(account_id)
    with following(pushpin.address, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        services.api_key_revoke(key_id=key.key_id, by=BY, at=clock.now())
        assert loss.happened.wait(5)
        redis_shared().delete(f"grip:readers:{account_id}")
        grip.readers_ask_again(account_id=account_id, reader=StreamReader.key(key.key_id))
        assert stream.next()["event"] == "stream-error"
        with pytest.raises(EOFError):
            stream.next()


def test_a_person_who_may_no_longer_see_the_account_is_cut_off_before_its_next_event(pushpin, relay, unsettled):
    account_id, stranger_id = new_account(), _owner(new_account())
    grant = Grant.objects.create(user_id=stranger_id, account_id=account_id, permission="view", granted_at=clock.now())
    visitor = Client()
    visitor.force_login(get_user_model().objects.get(pk=stranger_id))
    cookies = {"sessionid": visitor.cookies["sessionid"].value}
    url = f"http://{pushpin.address}{path_of(account_id)}"
    with httpx.stream("GET", url, cookies=cookies, timeout=10) as response:
        stream = Stream(response)
        stream.until_open()
        last = happens(account_id)
        assert sequence(stream.next()) == last
        grant.delete()
        happens(account_id)
        assert stream.next()["event"] == "stream-error"
        with pytest.raises(EOFError):
            stream.next()
    assert httpx.get(url, cookies=cookies).status_code == 404


def test_pushpin_lets_nobody_read_whom_the_site_would_not(pushpin):
    account_id = new_account()
    assert httpx.get(f"http://{pushpin.address}{path_of(account_id)}").status_code == 401
    assert ask(pushpin, account_id, new_key(new_account())).status_code == 404
    assert ask(pushpin, account_id, new_key(account_id, scopes=["x:y"])).status_code == 403
    assert ask(pushpin, uuid.uuid4(), new_key(account_id)).status_code == 404
    assert ask(pushpin, account_id, new_key(account_id), **{"Last-Event-ID": "1e3"}).status_code == 422


def test_a_key_bound_to_addresses_is_held_to_the_one_that_pushpin_saw(pushpin):
    account_id = new_account()
    here, elsewhere = (new_key(account_id, allowed_networks=[network]) for network in ("127.0.0.0/8", "10.0.0.0/8"))
    with following(pushpin.address, account_id, here) as response:
        assert response.status_code == 200
    assert ask(pushpin, account_id, elsewhere, **{"X-Forwarded-For": "10.0.0.1"}).status_code == 403
    with override_settings(GRIP_FORWARDED_FOR=False):
        assert ask(pushpin, account_id, here).status_code == 403


def test_a_forged_signature_gives_nothing(pushpin):
    account_id = new_account()
    key = new_key(account_id)
    claims = {"iss": "pushpin", "exp": int(time.time()) + 60}
    token = es_meta(account_id, StreamReader.key(key.key_id))
    forged = [
        "nonsense",
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "another key of as many bytes as it needs to have"),
        jwt.encode({**claims, "exp": int(time.time()) - 1}, secret()),
    ]
    for signature in forged:
        with following(pushpin.origin, account_id, key, **{"Grip-Sig": signature}) as response:
            assert response.status_code == 200
            assert not [name for name in response.headers if name.startswith("grip-")]
            Stream(response).until_open()
        url = f"http://{pushpin.origin}{path_of(account_id)}?link=next&recover=true&es-meta={token}"
        last = f"events-account-{account_id}; last-id=0"
        assert httpx.get(url, headers={"Grip-Sig": signature, "Grip-Last": last}).status_code == 401


def test_a_token_that_was_not_given_for_this_account_gives_nothing(pushpin):
    account_id, other_id = new_account(), new_account()
    key = new_key(account_id)
    reader = StreamReader.key(key.key_id)
    signature = {"Grip-Sig": jwt.encode({"iss": "pushpin", "exp": int(time.time()) + 60}, secret())}
    last = {"Grip-Last": f"events-account-{account_id}; last-id=0"}

    def ask_on(token, **headers):
        url = f"http://{pushpin.origin}{path_of(account_id)}?link=next&recover=true&es-meta={token}"
        return httpx.get(url, headers={**signature, **headers})

    given = ask_on(es_meta(account_id, reader), **last)
    assert given.headers["Grip-Hold"] == "stream"
    assert "api_key.created" in given.text
    for token in (
        "",
        es_meta(other_id, reader),
        es_meta(account_id, reader, key="not the key of the site, but as long as it is"),
        es_meta(account_id, reader, seconds=-1),
    ):
        refused = ask_on(token, **last)
        assert (refused.status_code, refused.content) == (200, b"")
        assert not [name for name in refused.headers if name.startswith("grip-")]
    stranger = ask_on(es_meta(account_id, StreamReader.key(new_key(other_id).key_id)), **last)
    assert "stream-error" in stranger.text
    assert "Grip-Hold" not in stranger.headers
    assert ask_on(es_meta(account_id, reader)).status_code == 422


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


def test_without_a_grip_url_nothing_is_told_to_pushpin():
    with override_settings(GRIP_URL=""):
        assert "pushpin" not in {consumer.name for consumer in wiring.consumers()}
    with override_settings(GRIP_URL="http://127.0.0.1:5561/?key=x"):
        assert "pushpin" in {consumer.name for consumer in wiring.consumers()}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("localhost:5561", "http://host:port"),
        ("ftp://localhost:5561/?key=" + "k" * 32, "http://host:port"),
        ("http://:5561/?key=" + "k" * 32, "http://host:port"),
        ("http://localhost:port/?key=" + "k" * 32, "http://host:port"),
        ("http://localhost:5561/", "at least 32 bytes"),
        ("http://localhost:5561/?key=changeme", "at least 32 bytes"),
        ("http://localhost:5561/?key=base64:QUJD", "at least 32 bytes"),
        ("http://localhost:5561/?key=base64:not*base64" + "A" * 60, "is not base64"),
        ("http://localhost:5561/?kez=" + "k" * 32, "has kez"),
        ("http://localhost:5561/?key=&key=" + "k" * 32, "once, and not empty"),
    ],
)
def test_a_grip_url_that_cannot_be_meant_stops_the_start_without_telling_the_key(monkeypatch, written, said):
    monkeypatch.setenv("GRIP_URL", written)
    with pytest.raises(ImproperlyConfigured, match=said) as refused:
        env.grip("GRIP_URL")
    assert "kkk" not in str(refused.value)
    assert "changeme" not in str(refused.value)


def test_pushpin_asks_again_before_its_token_ends(monkeypatch):
    monkeypatch.setenv("PORTAL_GRIP_RECHECK_SECONDS", "3001")
    with pytest.raises(ImproperlyConfigured, match="at most 3000"):
        env.integer("PORTAL_GRIP_RECHECK_SECONDS", 120, at_least=1, at_most=3000)


def test_a_grip_url_is_taken_as_it_is_written(monkeypatch):
    assert set("+/=") < set(KEY)
    for written in (
        "",
        "http://localhost:5561/?key=" + "k" * 32,
        f"https://push.example/?key={KEY}&verify-iss=pushpin",
    ):
        monkeypatch.setenv("GRIP_URL", written)
        assert env.grip("GRIP_URL") == written
    assert parse_grip_uri(written)["key"] == secret()
