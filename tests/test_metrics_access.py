"""`/metrics` is for whoever brings the token; and what the API passes on its way is fit for either kind of chain."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from django.conf import LazySettings, settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from accounts.api.handler import guard
from accounts.selectors import account_by_id
from orders.tests.desk import Desk
from tests.scraping import asked
from tests.test_browser_socket import session_of
from trading_portal import env


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic {token}"},
        {"Authorization": "{token}"},
        {"Authorization": "Bearer {token}x"},
        {"Authorization": "Bearer  {token}"},
        {"X-Metrics-Token": "{token}"},
    ],
)
def test_without_the_token_nothing_is_told(live, headers):
    told = {name: value.format(token=settings.METRICS_TOKEN) for name, value in headers.items()}
    answer = httpx.get(f"http://{live}/metrics", headers=told, timeout=30)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="metrics"')
    assert "portal_" not in answer.text


def test_with_the_token_it_is_told_and_kept_by_nobody_between(live):
    answer = asked(live, settings.METRICS_TOKEN)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.post(f"http://{live}/metrics", headers=dict(answer.request.headers)).status_code in (403, 405)


def test_staff_may_look_with_their_session_and_traders_may_not(live, settings: LazySettings):
    desk = Desk()
    cookies = {settings.SESSION_COOKIE_NAME: session_of(desk.account)}
    assert httpx.get(f"http://{live}/metrics", cookies=cookies).status_code == 401
    person = desk_owner(desk)
    person.is_staff = True
    person.save()
    assert httpx.get(f"http://{live}/metrics", cookies=cookies).status_code == 200
    settings.METRICS_TOKEN = ""
    assert httpx.get(f"http://{live}/metrics", cookies=cookies).status_code == 401


def desk_owner(desk: Desk):
    return get_user_model().objects.get(pk=account_by_id(desk.account).owner_id)


@pytest.mark.parametrize("said", ["Bearer ", "Bearer", "Bearer x", ""])
def test_where_no_token_is_set_none_is_right(client, settings: LazySettings, said):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"authorization": said}).status_code == 401


@pytest.mark.parametrize("token", ["short", "with a blank in its middle", "with-ümlaut-in-it"])
def test_a_token_that_could_be_guessed_or_not_sent_is_none(monkeypatch, token):
    monkeypatch.setenv("METRICS_TOKEN", token)
    with pytest.raises(ImproperlyConfigured) as refused:
        env.token("METRICS_TOKEN")
    assert token not in str(refused.value)


@pytest.mark.parametrize("path", settings.API_MIDDLEWARE)
def test_all_that_the_api_passes_needs_no_thread_to_pass(path):
    middleware = import_string(path)
    assert (middleware.sync_capable, middleware.async_capable) == (True, True)
    # And is what it says: given either kind it returns the same kind.

    async def asynchronous(request):
        raise AssertionError

    assert asyncio.iscoroutinefunction(middleware(asynchronous))
    assert not asyncio.iscoroutinefunction(middleware(lambda _: None))


def test_the_guard_guards_synchronous_views_too(rf, settings: LazySettings):
    served = guard(lambda _: "served")
    assert served(rf.get("/")) == "served"
    assert served(rf.get("/", headers={"host": "evil.example"})).status_code == 400
    settings.SECURE_SSL_REDIRECT = True
    assert served(rf.get("/")).status_code == 403
