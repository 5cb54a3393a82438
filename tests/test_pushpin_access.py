"""Who may follow an account through a real Pushpin: asked at the start, before each event, and by nobody's forgery."""

from __future__ import annotations

import time
import uuid

import httpx
import jwt
import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from accounts import services
from accounts.models import Grant
from marketdata.services import redis_shared
from orders.eventstream import StreamReader, grip
from positions.tests.helpers import BY, new_account
from tests.grip import ask, es_meta, following, happens, owner, path_of, secret
from tests.test_account_stream import Stream, new_key, sequence
from trading_portal.kernel import clock


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
    account_id, stranger_id = new_account(), owner(new_account())
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
