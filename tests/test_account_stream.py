"""Server-sent account events resume by Last-Event-ID without a gap and without a double, and only for who may see."""

import threading
import uuid
from itertools import pairwise

import httpx
import msgspec
import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from accounts import services
from accounts.selectors import account_by_id
from audit.selectors import account_sequence_last
from marketdata.domain.channels import account_channel
from positions.tests.helpers import BY, new_account
from trading_portal.kernel import clock


def new_key(account_id, **options):
    owner_id = account_by_id(account_id).owner_id
    options = {"scopes": ["account:read"], "at": clock.now(), **options}
    return services.api_key_create(user_id=owner_id, account_id=account_id, name="k", by=BY, **options)


def something_happens(account_id):
    """Append an event to the account's log and publish it, as its transaction and the relay do."""
    new_key(account_id)
    last = account_sequence_last(account_id)
    message = {"account_id": account_id, "seq": last, "prev": last - 1, "events": [], "orders": [], "positions": []}
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.publish(account_channel(account_id), msgspec.json.encode(message))
    client.close()
    return last


def headers_of(key, **more):
    return {"APCA-API-KEY-ID": key.key_id, "APCA-API-SECRET-KEY": key.secret, **more}


class Stream:
    """Read server-sent events."""

    def __init__(self, response):
        self.lines = response.iter_lines()

    def next(self):
        fields = {}
        for line in self.lines:
            name, _, value = line.partition(":")
            if not line and fields.get("event", "keep-alive") not in ("keep-alive", "stream-open"):
                return fields
            if not line:
                fields = {}
            elif name:
                fields[name] = value.strip()
        raise EOFError

    def until_open(self):
        for line in self.lines:
            if line == "event: stream-open":
                return
        raise EOFError


def following(live, account_id, key, **headers):
    url = f"http://{live}/events/accounts/{account_id}/"
    return httpx.stream("GET", url, headers=headers_of(key, **headers), timeout=10)


def sequence(event):
    channel, _, number = event["id"].rpartition(":")
    assert channel.startswith("account-")
    assert msgspec.json.decode(event["data"])["account_sequence"] == int(number)
    return int(number)


def test_what_happens_arrives_by_push_with_the_account_sequence_as_id(live):
    account_id = new_account()
    key = new_key(account_id)
    with following(live, account_id, key) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        stream = Stream(response)
        stream.until_open()
        last = something_happens(account_id)
        event = stream.next()
        assert (event["event"], sequence(event)) == ("api_key.created", last)


@pytest.mark.parametrize("form", ["{}", "account-{account}:{}"])
def test_a_reader_who_comes_back_misses_nothing_and_sees_nothing_twice(live, form):
    account_id = new_account()
    key = new_key(account_id)
    seen = []
    with following(live, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        for _ in range(3):
            something_happens(account_id)
            seen.append(sequence(stream.next()))
    missed = [something_happens(account_id) for _ in range(130)]
    resume = {"Last-Event-ID": form.format(seen[-1], account=account_id)}
    with following(live, account_id, key, **resume) as response:
        stream = Stream(response)
        while len(seen) < 3 + len(missed):
            seen.append(sequence(stream.next()))
        something_happens(account_id)
        seen.append(sequence(stream.next()))
    assert all(after == before + 1 for before, after in pairwise(seen))


def test_events_while_the_stream_opens_are_neither_lost_nor_doubled(live):
    account_id = new_account()
    key = new_key(account_id)
    start = account_sequence_last(account_id)
    writer = threading.Thread(target=lambda: [something_happens(account_id) for _ in range(40)])
    writer.start()
    seen = []
    with following(live, account_id, key, **{"Last-Event-ID": str(start)}) as response:
        stream = Stream(response)
        while len(seen) < 40:
            seen.append(sequence(stream.next()))
    writer.join()
    assert seen == list(range(start + 1, start + 41))


def test_an_id_from_the_future_resets_and_goes_on_from_now(live):
    account_id = new_account()
    key = new_key(account_id)
    with following(live, account_id, key, **{"Last-Event-ID": "999999"}) as response:
        stream = Stream(response)
        assert stream.next()["event"] == "stream-reset"
        last = something_happens(account_id)
        assert sequence(stream.next()) == last


def test_only_who_may_see_the_account_may_follow_it():
    account_id, other_id = new_account(), new_account()
    path = f"/events/accounts/{account_id}/"
    assert Client().get(path).status_code == 401
    assert Client().get(path, headers=headers_of(new_key(other_id))).status_code == 404
    assert Client().get(path, headers=headers_of(new_key(account_id, scopes=["x:y"]))).status_code == 403
    stranger = Client()
    stranger.force_login(_user(other_id))
    assert stranger.get(path).status_code == 404
    assert stranger.get(f"/events/accounts/{uuid.uuid4()}/").status_code == 404
    assert Client().post(path).status_code == 405


def test_the_owner_follows_with_a_session(live):
    account_id = new_account()
    owner = Client()
    owner.force_login(_user(account_id))
    cookies = {"sessionid": owner.cookies["sessionid"].value}
    with httpx.stream("GET", f"http://{live}/events/accounts/{account_id}/", cookies=cookies, timeout=10) as response:
        stream = Stream(response)
        stream.until_open()
        last = something_happens(account_id)
        assert sequence(stream.next()) == last


def test_a_revoked_key_ends_its_stream(live):
    account_id = new_account()
    key = new_key(account_id)
    with following(live, account_id, key) as response:
        stream = Stream(response)
        stream.until_open()
        services.api_key_revoke(key_id=key.key_id, by=BY, at=clock.now())
        something_happens(account_id)
        assert stream.next()["event"] == "stream-error"
        with pytest.raises(EOFError):
            stream.next()


def test_an_id_that_is_none_of_the_streams_is_refused():
    account_id = new_account()
    key = new_key(account_id)
    for written in ("-1", "abc", "account-x:1", "1e3", "٣"):
        response = Client().get(
            f"/events/accounts/{account_id}/", headers=headers_of(key, **{"Last-Event-ID": written})
        )
        assert response.status_code == 422, written


def _user(account_id):
    return get_user_model().objects.get(pk=account_by_id(account_id).owner_id)
