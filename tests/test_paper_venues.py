"""Paper venues are named and numbered by the environment."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from orders.brokers.paper.profile import PaperProfile, profile_of
from trading_portal import env


def test_venues_are_named_by_the_environment_each_with_its_own_numbers(monkeypatch):
    monkeypatch.setenv("PORTAL_PAPER_VENUES", "paper, alpha,beta_2")
    monkeypatch.setenv("PORTAL_PAPER_FEE_RATE", "0.001")
    monkeypatch.setenv("PORTAL_PAPER_ALPHA_FEE_RATE", "0.0002")
    monkeypatch.setenv("PORTAL_PAPER_BETA_2_OFFSET_TICKS", "-2")
    monkeypatch.setenv("PORTAL_PAPER_ALPHA_DROP_PERCENT", "2.5")
    found = env.venues("PORTAL_PAPER_VENUES", "paper", settings.PAPER_DEFAULTS)
    profiles = {name: profile_of(numbers) for name, numbers in found.items()}
    assert {name: str(profile.fee_rate) for name, profile in profiles.items()} == {
        "paper": "0.001", "alpha": "0.0002", "beta_2": "0.001",
    }  # fmt: skip
    assert (profiles["beta_2"].offset_ticks, profiles["alpha"].faults.drop) == (-2, 0.025)
    assert profiles["paper"] == PaperProfile(fee_rate=Decimal("0.001"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_PAPER_VENUES", "paper,Not-A-Name"),
        ("PORTAL_PAPER_FEE_RATE", "-1"),
        ("PORTAL_PAPER_PAPER_LATENCY_MS", "soon"),
        ("PORTAL_PAPER_OFFSET_TICKS", "-101"),
    ],
)
def test_a_setting_that_makes_no_sense_stops_the_start(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=value.split(",")[-1]):
        env.venues("PORTAL_PAPER_VENUES", "paper", settings.PAPER_DEFAULTS)
