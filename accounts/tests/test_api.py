"""Every API resource asks who calls, what the key may do, from where and how often, and answers errors in one shape."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts import services
from audit.domain.types import Actor
from trading_portal.kernel import clock
from trading_portal.kernel.ids import uuid7

BY = Actor.system("test")


@pytest.fixture
def owner_id():
    user_id, _ = services.person_ensure(
        username=f"u-{uuid7()}", email="", first_name="", last_name="", password="", groups=[], is_staff=False
    )
    return user_id


@pytest.fixture
def new_key(owner_id):
    account_id = services.account_open(
        owner_id=owner_id,
        number=str(uuid7())[-12:],
        name="A",
        base_currency="USD",
        is_paper=True,
        by=BY,
        at=clock.now(),
    )

    def make(**options):
        options = {"scopes": ["account:read", "trading"], "at": clock.now(), "account_id": account_id, **options}
        return services.api_key_create(user_id=owner_id, name="k", by=BY, **options)

    return make


def read(key_id=None, secret=None, path="/v2/clock", **headers):
    given = {} if key_id is None else {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
    return Client().get(path, headers={**given, **headers})


def assert_problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["message"] == body["detail"]
    assert body["message"]
    assert body["request_id"] == response["X-Request-ID"]
    assert {"type", "title", "instance", "errors"} <= body.keys()
    return body


def test_a_good_key_reads_and_is_told_what_is_left_of_its_budget(new_key, settings):
    key = new_key()
    settings.API_REQUESTS_PER_MINUTE = 5
    response = read(key.key_id, key.secret)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["RateLimit-Policy"] == '"requests";q=5;w=60'
    assert response["RateLimit"] == '"requests";r=4;t=60'
    assert response["X-RateLimit-Limit"] == "5"
    assert response["X-RateLimit-Remaining"] == "4"
    assert 0 <= int(response["X-RateLimit-Reset"]) - clock.now().timestamp() <= 60


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        (None, None),
        ("", ""),
        ("PKNOBODY", "x"),
        ("PK'; DROP TABLE x; --", "x"),
        ("PK\x00", "x"),
        ("P" * 41, "x"),
        ("PKNOBODY", "x" * 200),
        ("PKNOBODY", "päss"),
    ],
)
def test_no_key_and_wrong_keys_are_unauthorized(key_id, secret):
    response = read(key_id, secret)
    assert_problem(response, 401, 40110000)
    assert response["WWW-Authenticate"].startswith("ApiKey")


def test_a_wrong_secret_an_expired_and_a_revoked_key_are_unauthorized(new_key):
    key = new_key()
    assert_problem(read(key.key_id, key.secret + "x"), 401, 40110000)
    expired = new_key(expires_at=clock.now() - timedelta(seconds=1))
    assert_problem(read(expired.key_id, expired.secret), 401, 40110000)
    assert read(key.key_id, key.secret).status_code == 200
    services.api_key_revoke(key_id=key.key_id, by=BY, at=clock.now())
    assert_problem(read(key.key_id, key.secret), 401, 40110000)


def test_a_wrong_secret_does_not_use_up_the_budget_of_the_key(new_key, settings):
    key = new_key()
    settings.API_REQUESTS_PER_MINUTE = 2
    for _ in range(5):
        assert read(key.key_id, "wrong").status_code == 401
    assert read(key.key_id, key.secret)["X-RateLimit-Remaining"] == "1"


def test_a_key_reads_only_with_the_scope_to_do_so(new_key):
    key = new_key(scopes=["something:else"])
    body = assert_problem(read(key.key_id, key.secret), 403, 40310000)
    assert body["errors"][0]["code"] == "SCOPE_MISSING"
    reader = new_key(scopes=["account:read"])
    assert read(reader.key_id, reader.secret).status_code == 200


def test_a_key_is_good_only_from_its_own_networks(new_key):
    elsewhere = new_key(allowed_networks=["10.0.0.0/8", "2001:db8::/32"])
    body = assert_problem(read(elsewhere.key_id, elsewhere.secret), 403, 40310000)
    assert body["errors"][0]["code"] == "ADDRESS_NOT_ALLOWED"
    here = new_key(allowed_networks=["127.0.0.1/32"])
    assert read(here.key_id, here.secret).status_code == 200


def test_the_request_over_the_budget_is_told_when_to_come_back(new_key, settings):
    key = new_key()
    settings.API_REQUESTS_PER_MINUTE = 3
    statuses = [read(key.key_id, key.secret).status_code for _ in range(3)]
    response = read(key.key_id, key.secret)
    assert statuses == [200] * 3
    body = assert_problem(response, 429, 42910000)
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["X-RateLimit-Remaining"] == "0"
    assert body["errors"][0]["code"] == "RATE_LIMIT_EXCEEDED"


def test_without_redis_nothing_is_let_through_uncounted(new_key, settings):
    key = new_key()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    response = read(key.key_id, key.secret)
    assert_problem(response, 503, 50310000)
    assert response["Retry-After"] == "1"


def test_unknown_addresses_and_methods_answer_in_the_same_shape(new_key):
    key = new_key()
    headers = {"APCA-API-KEY-ID": key.key_id, "APCA-API-SECRET-KEY": key.secret}
    assert_problem(read(path="/v2/nothing/here"), 404, 40410000)
    assert_problem(Client().post("/v2/clock", headers=headers), 405, 40510000)
    assert_problem(read(key.key_id, key.secret, "/v2/calendar?start=yesterday&end=2026-02-30"), 422, 42210000)


def test_the_callers_request_id_comes_back(new_key):
    key = new_key()
    assert read(key.key_id, key.secret, **{"X-Request-ID": "abc-1"})["X-Request-ID"] == "abc-1"
    assert read(key.key_id, key.secret, **{"X-Request-ID": "\r\nSet-Cookie: x"})["X-Request-ID"] != "\r\nSet-Cookie: x"


def change(key, body):
    given = {"APCA-API-KEY-ID": key.key_id, "APCA-API-SECRET-KEY": key.secret}
    return Client().patch("/v2/account/configurations", body, content_type="application/json", headers=given)


def test_an_owner_turns_shorting_off_and_not_on_again(new_key, owner_id):
    account_id = services.account_open(
        owner_id=owner_id, number=str(uuid7())[-12:], name="S", base_currency="USD", is_paper=True, may_short=True,
        by=BY, at=clock.now(),
    )  # fmt: skip
    key = new_key(account_id=account_id)
    standing = read(key.key_id, key.secret, path="/v2/account/configurations").json()
    assert standing["no_shorting"] is False
    assert change(key, {**standing, "no_shorting": True}).json()["no_shorting"] is True
    assert change(key, {}).json()["no_shorting"] is True
    body = assert_problem(change(key, {"no_shorting": False}), 403, 40310000)
    assert [error["code"] for error in body["errors"]] == ["SHORTING_NOT_GRANTED"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "BODY_NOT_AN_OBJECT"),
        ({"no_shortage": True}, "FIELD_UNKNOWN"),
        ({"max_margin_multiplier": "4"}, "FIELD_FIXED"),
        ({"no_shorting": "yes"}, "FIELD_NOT_BOOLEAN"),
    ],
)
def test_what_cannot_be_configured_is_refused(new_key, body, code):
    answer = assert_problem(change(new_key(), body), 422, 42210000)
    assert [error["code"] for error in answer["errors"]] == [code]
