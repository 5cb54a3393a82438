"""Follow an account's stream through Pushpin, lose what Pushpin is told, and write what it signs."""

from __future__ import annotations

import base64
import threading
import time
from itertools import pairwise

import httpx
import jwt
from django.conf import settings as site

from accounts.selectors import account_by_id
from audit.selectors import account_sequence_last
from orders import eventstream
from tests.test_account_stream import headers_of, new_key, sequence

# With every sign that base64 has, and that a URL may read otherwise.
KEY = "base64:" + base64.b64encode(b"\xfb\xef\xbe\xff" * 10).decode()
NEVER = 600


class Loss:
    """Lose what the relay tells Pushpin, while `is_on`."""

    def __init__(self):
        self.is_on, self.happened, self._publish = True, threading.Event(), eventstream.events_publish

    def publish(self, events, *, at):
        if self.is_on:
            self.happened.set()
        else:
            self._publish(events, at=at)


def happens(account_id, **options):
    """Append an event to the account's log; the relay hears of it by itself."""
    new_key(account_id, **options)
    return account_sequence_last(account_id)


def owner(account_id):
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
