"""Venues are named by the environment: adapters, workers and addresses follow, and what is wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from orders.brokers import registry
from orders.brokers.alpaca.profile import profile_from_texts
from orders.hosting.egress import gateway_of
from trading_portal import env
from trading_portal.running import table
from trading_portal.running.layout import DataFolder

TEXTS = {"URL": "https://paper-api.alpaca.markets/", "KEY_ID": "K", "SECRET_KEY": "S", "STREAM_URL": ""}


def test_a_venue_at_alpaca_needs_its_address_and_its_key(monkeypatch):
    monkeypatch.setenv("PORTAL_ALPACA_VENUES", "live")
    for name, value in (("URL", "https://api.alpaca.markets"), ("KEY_ID", "K")):
        with pytest.raises(ImproperlyConfigured, match="names live, and PORTAL_ALPACA_LIVE_"):
            env.venue_texts("PORTAL_ALPACA_VENUES", ("URL", "KEY_ID", "SECRET_KEY"), {"STREAM_URL": ""})
        monkeypatch.setenv(f"PORTAL_ALPACA_LIVE_{name}", value)
    monkeypatch.setenv("PORTAL_ALPACA_LIVE_SECRET_KEY", "S")
    found = env.venue_texts("PORTAL_ALPACA_VENUES", ("URL", "KEY_ID", "SECRET_KEY"), {"STREAM_URL": ""})
    assert found == {"live": {**TEXTS, "URL": "https://api.alpaca.markets"}}


def test_a_venues_name_must_fit_a_queue(monkeypatch):
    monkeypatch.setenv("PORTAL_ALPACA_VENUES", "not a name")
    with pytest.raises(ImproperlyConfigured, match="not a name"):
        env.venue_texts("PORTAL_ALPACA_VENUES", (), {})


def test_the_stream_stands_beside_the_api_and_at_no_other_host():
    assert profile_from_texts("a", TEXTS).stream_url == "wss://paper-api.alpaca.markets/stream"
    for wrong in ({"STREAM_URL": "wss://elsewhere.example/stream"}, {"URL": "paper-api.alpaca.markets"}):
        with pytest.raises(ImproperlyConfigured):
            profile_from_texts("a", {**TEXTS, **wrong})


def test_nothing_leaves_to_a_host_that_is_not_allowed(settings):
    settings.ALPACA_VENUES = {"a": TEXTS}
    adapter = registry._alpaca("a")
    assert gateway_of(adapter).refusal.code == "EGRESS_REFUSED"
    settings.VENUE_EGRESS = ["paper-api.alpaca.markets"]
    assert (gateway_of(adapter).refusal, gateway_of(adapter).is_outside) == (None, True)


def test_a_recorded_session_must_be_there_and_have_a_speed(settings, tmp_path: Path):
    settings.RECORDED_VENUES = {"r": {"FILE": f"{tmp_path}/none", "RUN": "1", "SPEED": "fast"}}
    with pytest.raises(FileNotFoundError):
        registry._recorded("r")
    (tmp_path / "none").write_bytes(b"")
    with pytest.raises(ImproperlyConfigured, match="fast"):
        registry._recorded("r")


def test_a_real_venue_has_a_worker_of_its_own_and_simulated_ones_share_theirs(tmp_path: Path):
    environment = {"PORTAL_ALPACA_VENUES": "live,demo", "PORTAL_RECORDED_VENUES": "incident"}
    commands = {p.name: list(p.command) for p in table.programs(environment, DataFolder(tmp_path), 8000)}
    queues = {name: command[command.index("-Q") + 1] for name, command in commands.items() if "-Q" in command}
    assert queues["venue"].split(",")[:2] == ["venue.paper", "venue.incident"]
    assert {name: queues[name] for name in queues if name.startswith("venue-")} == {
        "venue-live": "venue.live",
        "venue-demo": "venue.demo",
    }
