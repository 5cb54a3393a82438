"""The API's own short way through Django answers as the long one does, and guards what the long one guards."""

import httpx
import pytest

from orders.tests.api import new_caller


@pytest.fixture
def client(live):
    caller = new_caller()
    with httpx.Client(base_url=f"http://{live}", headers=caller.headers, timeout=30) as client:
        yield client


def test_every_answer_carries_its_guards(client):
    for path in ("/v2/clock", "/v2/nothing", "/v2/orders"):
        answer = client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-request-id"]
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert "set-cookie" not in answer.headers


def test_a_host_that_is_not_ours_is_refused(client):
    answer = client.get("/v2/clock", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


def test_where_tls_is_required_the_api_refuses_instead_of_redirecting(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/v2/clock")
    assert (answer.status_code, answer.json()["code"]) == (403, 40310000)


@pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "in parts"])
def test_a_huge_body_is_refused_and_the_next_request_served(client, is_announced):
    parts = [b"x" * 1_000_000] * 50
    answer = client.post("/v2/orders", content=b"".join(parts) if is_announced else iter(parts))
    assert (answer.status_code, answer.json()["code"]) == (413, 41310000)
    assert client.get("/v2/clock").status_code == 200


def test_an_address_that_a_header_claims_opens_nothing(live):
    elsewhere = new_caller(allowed_networks=["10.0.0.0/8"])
    headers = {**elsewhere.headers, "X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}
    answer = httpx.get(f"http://{live}/v2/account", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 40310000)


def test_the_rest_of_the_site_goes_the_long_way(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/v2").status_code == 404
