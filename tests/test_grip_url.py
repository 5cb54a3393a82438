"""What GRIP_URL may say, and what is told to Pushpin where it says nothing."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from gripcontrol import parse_grip_uri

from tests.grip import KEY, secret
from trading_portal import env, wiring


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
